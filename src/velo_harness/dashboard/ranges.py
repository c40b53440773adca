"""PromQL's functions over the samples of a time before each moment, such as `rate(…[5m])`.

`rate`, `increase` and `delta` extrapolate as Prometheus' `extrapolatedRate` does (promql/functions.go).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from velo_harness.dashboard.samples import Floats

_NEAR = 1.1
"""A first sample that is this many usual distances behind the start of the range: the series began in between."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The samples of one series, and which of them belong to each moment: from `first` to before `end`."""

    times: Floats
    values: Floats
    at: Floats
    range_s: Floats
    first: npt.NDArray[np.intp]
    end: npt.NDArray[np.intp]

    @property
    def count(self) -> npt.NDArray[np.intp]:
        """Samples at each moment."""
        return self.end - self.first

    def each(self, compute: Callable[[Floats, Floats], float], least: int = 1) -> Floats:
        """A number of the times and values at each moment that has at least so many."""
        found = np.full(len(self.at), np.nan)
        for i, (first, end) in enumerate(zip(self.first.tolist(), self.end.tolist(), strict=True)):
            if end - first >= least:
                found[i] = compute(self.times[first:end], self.values[first:end])
        return found


def windows(times: Floats, values: Floats, at: Floats, range_s: Floats) -> Windows:
    """Samples of `range_s` before each moment: that at the moment itself, not one at the very start (Prometheus 3)."""
    first = np.searchsorted(times, at - range_s, side="right")
    return Windows(times, values, at, range_s, first, np.searchsorted(times, at, side="right"))


def _since_start(values: Floats) -> Floats:
    """What a counter has counted since its first sample: a smaller value than before is one that began anew."""
    lost: Floats = np.concatenate([[0.0], np.cumsum(np.where(values[1:] < values[:-1], values[:-1], 0.0))])
    return values + lost


def _difference(window: Windows, *, counter: bool) -> Floats:
    """What came together over the whole range, from the samples in it."""
    enough = window.count >= 2
    if not enough.any():
        return np.full(len(window.at), np.nan)
    values = _since_start(window.values) if counter else window.values
    first, last = np.where(enough, window.first, 0), np.where(enough, window.end - 1, 0)
    grown = values[last] - values[first]
    sampled = window.times[last] - window.times[first]
    usual = sampled / (window.count - 1)
    before = window.times[first] - (window.at - window.range_s)
    behind = window.at - window.times[last]
    before = np.where(before >= _NEAR * usual, usual / 2, before)
    if counter:
        to_zero = sampled * (window.values[first] / grown)
        before = np.where((grown > 0) & (to_zero < before), to_zero, before)
    behind = np.where(behind >= _NEAR * usual, usual / 2, behind)
    return np.where(enough, grown * (sampled + before + behind) / sampled, np.nan)


def _last_step(window: Windows, *, per_second: bool) -> Floats:
    """Between the last two samples, of a counter."""
    enough = window.count >= 2
    if not enough.any():
        return np.full(len(window.at), np.nan)
    last = np.where(enough, window.end - 1, 1)
    new, old = window.values[last], window.values[last - 1]
    grown = np.where(new < old, new, new - old)
    seconds = window.times[last] - window.times[last - 1] if per_second else 1.0
    return np.where(enough, grown / seconds, np.nan)


def _slope(times: Floats, values: Floats) -> float:
    """Of the line that fits best, per second."""
    seconds = times - times.mean()
    return float((seconds * (values - values.mean())).sum() / (seconds**2).sum())


def _last(window: Windows) -> Floats:
    there = window.count > 0
    if not there.any():
        return np.full(len(window.at), np.nan)
    return np.where(there, window.values[np.maximum(window.end - 1, 0)], np.nan)


RANGE_VALUES: Mapping[str, Callable[[Windows], Floats]] = {
    "rate": lambda window: _difference(window, counter=True) / window.range_s,
    "increase": lambda window: _difference(window, counter=True),
    "delta": lambda window: _difference(window, counter=False),
    "irate": lambda window: _last_step(window, per_second=True),
    "deriv": lambda window: window.each(_slope, least=2),
    "changes": lambda window: window.each(lambda _, values: float((values[1:] != values[:-1]).sum())),
    "avg_over_time": lambda window: window.each(lambda _, values: float(values.mean())),
    "min_over_time": lambda window: window.each(lambda _, values: float(values.min())),
    "max_over_time": lambda window: window.each(lambda _, values: float(values.max())),
    "sum_over_time": lambda window: window.each(lambda _, values: float(values.sum())),
    "count_over_time": lambda window: window.each(lambda _, values: float(len(values))),
    "last_over_time": _last,
}

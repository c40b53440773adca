"""The newest samples of a job's metrics, as a Prometheus that scrapes it each second would have them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

Floats: TypeAlias = npt.NDArray[np.float64]

MOST_SAMPLES = 900
"""Of a series; at one a second a quarter of an hour. Older ones go."""
MOST_SERIES = 5000
"""Further series are not kept: 36 MB at most."""
_FROM_ZERO = {"counter", "histogram", "summary"}
"""Families that begin with 0 when the job does."""


@dataclass(frozen=True, slots=True)
class Samples:
    """What was there at one moment. NaN stands where a series had no sample."""

    times: Floats
    """Seconds since the epoch, increasing: one for each scrape."""
    series: Mapping[str, tuple[tuple[Mapping[str, str], Floats], ...]]
    """By name: the labels of each series and its value at each scrape."""


class SampleStore:
    """Samples of the last scrapes. May be written by one thread and read by others."""

    def __init__(self, most_samples: int = MOST_SAMPLES, most_series: int = MOST_SERIES) -> None:
        self._most_samples, self._most_series = most_samples, most_series
        self._lock = threading.Lock()
        self._times = np.zeros(2 * most_samples)
        self._values = np.full((16, 2 * most_samples), np.nan)
        self._count = 0
        self._rows: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
        self.left_out = False
        """Whether there were more series than are kept."""

    def add(self, time_s: float, families: Iterable[Metric], target: Mapping[str, str] | None = None) -> None:
        """One scrape, later than those before; every series gets the labels of the `target`, and `up` is 1.

        A label of a series that the target has too is called `exported_…`, as Prometheus does.

        A counter that a job exports for the first time after the first scrape was 0 at the scrape before: so its first
        increase counts, as with Prometheus' created timestamps.
        """
        found = list(families)
        given = dict(target or {})
        with self._lock:
            if self._count == len(self._times):
                self._forget()
            at = self._count
            self._times[at] = time_s
            self._set("up", given, at, 1.0, from_zero=False)
            for family in found:
                from_zero = family.type in _FROM_ZERO
                for sample in family.samples:
                    own = {f"exported_{k}" if k in given else k: v for k, v in sample.labels.items() if v}
                    self._set(sample.name, own | given, at, sample.value, from_zero=from_zero)
            self._count += 1

    def add_to_last(self, name: str, series: Iterable[tuple[Mapping[str, str], float]]) -> None:
        """Further series of the last scrape."""
        with self._lock:
            for labels, value in series:
                self._set(name, labels, self._count - 1, value, from_zero=False)

    def read(self) -> Samples:
        """A copy of the newest samples."""
        with self._lock:
            kept = slice(max(0, self._count - self._most_samples), self._count)
            times, values = self._times[kept].copy(), self._values[: len(self._rows), kept].copy()
            rows = list(self._rows.items())
        series: dict[str, list[tuple[Mapping[str, str], Floats]]] = {}
        for (name, labels), row in rows:
            series.setdefault(name, []).append((dict(labels), values[row]))
        return Samples(times, {name: tuple(many) for name, many in series.items()})

    def _set(self, name: str, labels: Mapping[str, str], at: int, value: float, *, from_zero: bool) -> None:
        row = self._row(name, labels, from_zero=from_zero)
        if row is not None:
            self._values[row, at] = value

    def _row(self, name: str, labels: Mapping[str, str], *, from_zero: bool) -> int | None:
        key = name, tuple(sorted(labels.items()))
        row = self._rows.get(key)
        if row is not None:
            return row
        if len(self._rows) >= self._most_series:
            self.left_out = True
            return None
        row = self._rows[key] = len(self._rows)
        if row == len(self._values):
            self._values = np.concatenate([self._values, np.full_like(self._values, np.nan)])
        if from_zero and self._count and not name.endswith("_created"):
            self._values[row, self._count - 1] = 0.0
        return row

    def _forget(self) -> None:
        """The older half goes."""
        kept = self._most_samples
        self._times[:kept] = self._times[kept:]
        self._values[:, :kept] = self._values[:, kept:]
        self._values[:, kept:] = np.nan
        self._count = kept

"""Which windows a row belongs to.

Source: Flink's window table-valued functions and TimeWindow.getWindowStartWithOffset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from velo_engine.batch import Int64s
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.operators.session_time import SessionTime
from velo_engine.plan.nodes import WindowKind, WindowSpec


@dataclass(frozen=True, slots=True)
class Assigned:
    """Pairs of a row and one of its windows: rows in order, the windows of a row by ascending end."""

    rows: Int64s
    windows: Int64s
    """Position in `ends`."""
    ends: Int64s
    """The distinct windows by their (local) end in milliseconds, ascending."""


class WindowAssigner:
    """TUMBLE, HOP and CUMULATE. A window is named by its end, in local milliseconds."""

    def __init__(self, spec: WindowSpec, time: SessionTime) -> None:
        if spec.kind is WindowKind.SESSION:
            raise VeloError(ErrorCode.SQL_UNSUPPORTED, "SESSION windows are not aggregated here")
        self._spec = spec
        self._time = time

    def assign(self, instants: Int64s) -> Assigned:
        """The windows of rows with these event times, in milliseconds since the epoch."""
        times = self._time.local(instants)
        match self._spec.kind:
            case WindowKind.TUMBLE:
                rows = np.arange(len(times))
                ends = _floor(times, self._spec.size_ms, self._spec.offset_ms) + self._spec.size_ms
            case WindowKind.HOP:
                rows, ends = self._hops(times)
            case _:
                rows, ends = self._cumulated(times)
        distinct, windows = _distinct(ends, self._spec.slide_ms)
        return Assigned(rows, windows, distinct)

    def starts(self, ends: Int64s) -> Int64s:
        """The (local) start of each window."""
        if self._spec.kind is WindowKind.CUMULATE:
            return _floor(ends - 1, self._spec.size_ms, self._spec.offset_ms)
        return ends - self._spec.size_ms

    def last_instants(self, ends: Int64s) -> Int64s:
        """The instant of each window's last millisecond, its `window_time`."""
        return ends - 1 if self._time.is_utc else _each(self._time.instant, ends - 1)

    def thresholds(self, ends: Int64s) -> Int64s:
        """The watermark that completes each window."""
        return ends - 1 if self._time.is_utc else _each(self._time.timer, ends - 1)

    def _hops(self, times: Int64s) -> tuple[Int64s, Int64s]:
        size, slide = self._spec.size_ms, self._spec.slide_ms
        first_after = _floor(times, slide, self._spec.offset_ms) + slide
        count = -(-size // slide)
        # The last window of a row starts at or before it; windows with an end before the row are not its own.
        ends = (first_after - slide + size)[:, None] - slide * np.arange(count - 1, -1, -1)
        inside = ends > times[:, None]
        rows = np.broadcast_to(np.arange(len(times))[:, None], ends.shape)
        return rows[inside], ends[inside]

    def _cumulated(self, times: Int64s) -> tuple[Int64s, Int64s]:
        size, step = self._spec.size_ms, self._spec.slide_ms
        starts = _floor(times, size, self._spec.offset_ms)
        first = (times - starts) // step
        counts = size // step - first
        rows = np.repeat(np.arange(len(times)), counts)
        nth = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, starts[rows] + (first[rows] + nth + 1) * step


def _floor(times: Int64s, size: int, offset: int) -> Int64s:
    """The latest multiple of `size` (plus `offset`) at or before each time, also before 1970."""
    floored: Int64s = (times - offset) // size * size + offset
    return floored


def _distinct(ends: Int64s, grid: int) -> tuple[Int64s, Int64s]:
    """The distinct values, ascending, and the place of each element among them; values are on a grid."""
    if len(ends) == 0:
        return ends, ends
    low = int(ends.min())
    cells = (ends - low) // grid
    width = int(cells.max()) + 1
    if width > 4 * len(ends):
        values, inverse = np.unique(ends, return_inverse=True)
        return values, inverse
    used = np.zeros(width, np.bool_)
    used[cells] = True
    return np.flatnonzero(used) * grid + low, (np.cumsum(used) - 1)[cells]


def _each(convert: Callable[[int], int], values: Int64s) -> Int64s:
    return np.array([convert(v) for v in values.tolist()], np.int64)

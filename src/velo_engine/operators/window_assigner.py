"""Which windows a row belongs to, and the pieces of time in which their state is kept.

A *pane* is the unit of state: either a whole window, and then a row is added to each of its windows; or a slice, a
stretch of time that several windows share, and then a row is added once and a window is the sum of its slices. Windows
and panes are named by their end, in local milliseconds.

Source: Flink's window table-valued functions, TimeWindow.getWindowStartWithOffset, SliceAssigners.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from velo_engine.batch import Int64s
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.operators.session_time import SessionTime
from velo_engine.plan.nodes import WindowKind, WindowSpec


@dataclass(frozen=True, slots=True)
class Assigned:
    """Pairs of a row and one of its panes: rows in order, the panes of a row by ascending end."""

    rows: Int64s
    panes: Int64s
    """Position in `ends`."""
    ends: Int64s
    """The distinct panes, ascending."""


def can_slice(spec: WindowSpec) -> bool:
    """Whether windows share slices: HOP by a divisor of its size, and CUMULATE."""
    return spec.kind in (WindowKind.HOP, WindowKind.CUMULATE) and spec.size_ms % spec.slide_ms == 0


class WindowAssigner:
    """TUMBLE, HOP and CUMULATE over whole windows or over slices, and windows that rows carry already."""

    def __init__(self, spec: WindowSpec, time: SessionTime, *, sliced: bool, of_table_function: bool = True) -> None:
        if spec.kind is WindowKind.SESSION:
            raise VeloError(ErrorCode.SQL_UNSUPPORTED, "SESSION windows are not aggregated here")
        self._spec = spec
        self._time = time
        self._sliced = sliced
        self._of_table_function = of_table_function

    def assign(self, instants: Int64s) -> Assigned:
        """The panes of rows with these event times (ends of an earlier window), in milliseconds since the epoch."""
        if self._spec.kind is WindowKind.ATTACHED:
            distinct, panes = np.unique(instants, return_inverse=True)
            return Assigned(np.arange(len(instants)), panes, distinct)
        times = self._time.local(instants)
        if self._sliced or self._spec.kind is WindowKind.TUMBLE:
            rows = np.arange(len(times))
            ends = _floor(times, self._spec.slide_ms, self._spec.offset_ms) + self._spec.slide_ms
        elif self._spec.kind is WindowKind.HOP:
            rows, ends = self._hops(times)
        else:
            rows, ends = self._cumulated(times)
        distinct, panes = _distinct(ends, self._spec.slide_ms)
        return Assigned(rows, panes, distinct)

    def last_windows(self, panes: Int64s) -> Int64s:
        """The last window that each pane is part of (its first one always has the pane's own end)."""
        if not self._sliced:
            return panes
        if self._spec.kind is WindowKind.HOP:
            return panes + (self._spec.size_ms - self._spec.slide_ms)
        return _floor(panes - 1, self._spec.size_ms, self._spec.offset_ms) + self._spec.size_ms

    def windows_of(self, pane: int) -> Sequence[int]:
        """The windows that a pane is part of."""
        last = int(self.last_windows(np.array([pane], np.int64))[0])
        return range(pane, last + 1, self._spec.slide_ms)

    def panes_of(self, window: int) -> Sequence[int]:
        """The panes of a window, in the order in which Flink adds them up.

        HOP of a table function from the latest (SliceAssigners, mergeSlices), that of GROUP BY from the first
        (PanedWindowProcessFunction); CUMULATE from the first, because a window continues the one before.
        """
        if not self._sliced:
            return (window,)
        size, slide = self._spec.size_ms, self._spec.slide_ms
        if self._spec.kind is WindowKind.HOP:
            latest_first = range(window, window - size, -slide)
            return latest_first if self._of_table_function else latest_first[::-1]
        start = int(self.starts(np.array([window], np.int64))[0])
        return range(start + slide, window + 1, slide)

    def starts(self, windows: Int64s) -> Int64s:
        """The (local) start of each window."""
        if self._spec.kind is WindowKind.CUMULATE:
            return _floor(windows - 1, self._spec.size_ms, self._spec.offset_ms)
        return windows - self._spec.size_ms

    def last_instants(self, windows: Int64s) -> Int64s:
        """The instant of each window's last millisecond, its `window_time`."""
        return self._time.instants(windows - 1)

    def thresholds(self, windows: Int64s) -> Int64s:
        """The watermark that completes each window."""
        return self._time.timers(windows - 1)

    def _hops(self, times: Int64s) -> tuple[Int64s, Int64s]:
        size, slide = self._spec.size_ms, self._spec.slide_ms
        last_end = _floor(times, slide, self._spec.offset_ms) + size
        count = -(-size // slide)
        ends = last_end[:, None] - slide * np.arange(count - 1, -1, -1)
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

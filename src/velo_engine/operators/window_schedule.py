"""When windows are complete and when panes close."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import numpy as np

from velo_engine.batch import Int64s
from velo_engine.operators.window_assigner import WindowAssigner


class WindowSchedule:
    """Two queues by watermark: windows to give out, panes to forget. Both cost nothing while nothing is due."""

    def __init__(self, assigner: WindowAssigner, lateness_ms: int) -> None:
        self._assigner = assigner
        self._lateness_ms = lateness_ms
        self._windows: list[tuple[int, int]] = []
        self._queued: set[int] = set()
        self._panes: list[tuple[int, int]] = []

    def add(self, panes: Iterable[int], watermark: int) -> None:
        """Take note of new panes; windows that `watermark` has completed already are left out."""
        opened = np.array(list(panes), np.int64)
        closing = self._assigner.thresholds(self._assigner.last_windows(opened)) + self._lateness_ms
        for pane, deadline in zip(opened.tolist(), closing.tolist(), strict=True):
            heapq.heappush(self._panes, (deadline, pane))
            fresh = [w for w in self._assigner.windows_of(pane) if w not in self._queued]
            for window, threshold in zip(fresh, self._thresholds(fresh), strict=True):
                if threshold > watermark:
                    self._queued.add(window)
                    heapq.heappush(self._windows, (threshold, window))

    def complete(self, watermark: int) -> Int64s:
        """Take the windows out that `watermark` completes, ascending."""
        ends = _due(self._windows, watermark)
        self._queued.difference_update(ends)
        return np.array(sorted(ends), np.int64)

    def closed(self, watermark: int) -> list[int]:
        """Take the panes out that take no more rows."""
        return _due(self._panes, watermark)

    def _thresholds(self, windows: list[int]) -> list[int]:
        thresholds: list[int] = self._assigner.thresholds(np.array(windows, np.int64)).tolist()
        return thresholds


def _due(heap: list[tuple[int, int]], watermark: int) -> list[int]:
    ends = []
    while heap and heap[0][0] <= watermark:
        ends.append(heapq.heappop(heap)[1])
    return ends

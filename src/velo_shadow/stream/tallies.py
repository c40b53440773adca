"""What is counted of every row as it comes, in bounded space: how late it was written, and when."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from velo_engine.batch import Bools, Int64s
from velo_shadow.model import SidePerformance

_STEP = math.log(1.02)
"""Latencies are counted in bins that are 2 % wide, so that a percentile is right within 1 %."""


class Tallies(msgspec.Struct, forbid_unknown_fields=True):
    """Of one side, since its beginning."""

    latencies: dict[int, int] = msgspec.field(default_factory=dict)
    """By bin: rows written so long after their event time."""
    latency_sum_ms: int = 0
    first_written_ms: int | None = None
    last_written_ms: int | None = None
    written: int = 0
    """Records of which it is known when they were written."""

    def add(self, event_ms: Int64s, has_event_time: Bools, written_ms: Int64s) -> None:
        """Count rows with these times; a writing time below 0 is unknown."""
        known = written_ms >= 0
        if known.any():
            times = written_ms[known]
            first, last = int(times.min()), int(times.max())
            self.first_written_ms = first if self.first_written_ms is None else min(first, self.first_written_ms)
            self.last_written_ms = last if self.last_written_ms is None else max(last, self.last_written_ms)
            self.written += len(times)
        both = known & has_event_time
        if both.any():
            late = np.maximum(written_ms[both] - event_ms[both], 0)
            self.latency_sum_ms += int(late.sum())
            bins, counts = np.unique((np.log1p(late) / _STEP).astype(np.int64), return_counts=True)
            for place, count in zip(bins.tolist(), counts.tolist(), strict=True):
                self.latencies[place] = self.latencies.get(place, 0) + count

    def performance(self) -> SidePerformance:
        """Latency, and rows a second between the first record and the last; None for what the stream does not tell."""
        rows = sum(self.latencies.values())
        seconds = ((self.last_written_ms or 0) - (self.first_written_ms or 0)) / 1000
        return SidePerformance(
            latency_avg_ms=self.latency_sum_ms / rows if rows else None,
            latency_p50_ms=self._percentile(rows, 0.50),
            latency_p95_ms=self._percentile(rows, 0.95),
            latency_p99_ms=self._percentile(rows, 0.99),
            rows_per_second=self.written / seconds if seconds > 0 else None,
        )

    def _percentile(self, rows: int, share: float) -> float | None:
        """The middle of the bin that holds the row at `share` of all, in milliseconds."""
        passed = 0
        for place in sorted(self.latencies):
            passed += self.latencies[place]
            if passed >= share * rows:
                return 0.0 if place == 0 else round(math.expm1((place + 0.5) * _STEP), 3)
        return None

"""What a job that goes on measures of itself: how long batches take, how late output is, where the time goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

import numpy as np

from velo_engine.batch import Int64s
from velo_engine.connectors.source import NO_TIMESTAMP
from velo_engine.runtime.ingest import Span

BATCH_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LATENCY_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Activity(Enum):
    """What a job does with its time."""

    WAITING = "waiting"
    """For records."""
    WORKING = "working"
    """Polling, decoding, computing, encoding."""
    DELIVERING = "delivering"
    """For the output to be acknowledged or committed: backpressure."""
    SAVING = "saving"
    """Writing state to the checkpoint folder."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """How values are distributed: `counts[i]` of them are at most `bounds[i]` and above the bound before."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    """One more than bounds: the last are above all of them."""
    total: float
    """The sum of all values."""


class Histogram:
    """Counts values between bounds."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = np.zeros(len(bounds) + 1, np.int64)
        self._total = 0.0

    def add(self, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
        """Count them."""
        places = np.searchsorted(self._bounds, values, side="left")
        self._counts = self._counts + np.bincount(places, minlength=len(self._counts))
        self._total += float(values.sum())

    def read(self) -> Distribution:
        """So far."""
        return Distribution(self._bounds, tuple(self._counts.tolist()), self._total)


class Measurements:
    """Of one run. The job's thread writes, any thread reads."""

    def __init__(
        self,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.batches = Histogram(BATCH_BOUNDS_S)
        self.latency = Histogram(LATENCY_BOUNDS_S)
        self._seconds = dict.fromkeys(Activity, 0.0)
        self._monotonic_s = monotonic_s
        self._now_ms = now_ms
        self._unpublished: list[Int64s] = []
        self._turned_s = monotonic_s()

    @contextmanager
    def spent(self, activity: Activity) -> Iterator[None]:
        """The time of the block is this activity's."""
        began = self._monotonic_s()
        try:
            yield
        finally:
            self._seconds[activity] += self._monotonic_s() - began

    def stepped(self, seconds: float) -> None:
        """One batch has been handled."""
        self._seconds[Activity.WORKING] += seconds
        self.batches.add(np.array([seconds]))

    def taken(self, span: Span) -> None:
        """Records came in, whose consequences are not out yet."""
        for part in span.slices:
            if part is not None:
                times = part.batch.timestamp_ms[part.start : part.stop]
                self._unpublished.append(times[times != NO_TIMESTAMP])

    def published(self) -> None:
        """The consequences of all records so far have been handed out, or committed where that is what counts."""
        if not self._unpublished:
            return
        times = np.concatenate(self._unpublished)
        self._unpublished = []
        self.latency.add(np.maximum(self._now_ms() - times, 0) / 1000)

    def checkpointed(self, saving_s: float, delivering_s: float) -> None:
        """A checkpoint is complete."""
        self._seconds[Activity.SAVING] += saving_s
        self._seconds[Activity.DELIVERING] += delivering_s

    def turned(self) -> None:
        """The job has come round once more."""
        self._turned_s = self._monotonic_s()

    def seconds(self) -> dict[str, float]:
        """Per activity, by its name."""
        return {activity.value: seconds for activity, seconds in self._seconds.items()}

    @property
    def silent_s(self) -> float:
        """Seconds since the job came round."""
        return self._monotonic_s() - self._turned_s

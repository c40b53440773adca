"""Time that goes on without records: the clock of a job and what it says of its sources.

A job's events are records and ticks, in one order. A tick moves processing time, states the event time of a source or
of one of its partitions, says that one is idle, or stops the job and has a fresh one go on. Ticks take events of their
own, so that what they cause, a window that closes by the clock
or a watermark that is no longer held back, stands in the job's one order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from velo_engine.batch import Int64s
from velo_engine.errors import ErrorCode, VeloError

_FIRST = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Tick:
    """Something that happens at a moment without a record. Milliseconds since the epoch."""

    order: int
    """Before the records with this order or a greater one, behind all others; see `Source` for a record's order."""
    processing_time_ms: int | None = None
    """What the clock says from now on."""
    watermarks: Mapping[str, int] = field(default_factory=dict)
    """By source: no row with an earlier event time, or this one, will come."""
    idle: frozenset[str] = frozenset()
    """Sources that hold no watermark back until their next record."""
    partition_watermarks: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """As `watermarks`, of one partition of a source."""
    idle_partitions: frozenset[tuple[str, int]] = frozenset()
    """As `idle`, partitions of sources."""
    restart: bool = False
    """The job is stopped here, its state is saved, and a fresh job goes on (`velo_engine.runtime.restarts`)."""


class Clock(Protocol):
    """Where ticks come from."""

    def start(self) -> int:
        """Processing time before the first event."""

    def pending(self, records: bool) -> Int64s:
        """The orders of the ticks to come, increasing, as far as they are known; `records`: whether there are any."""

    def take(self, count: int) -> tuple[Tick, ...]:
        """The next ticks."""

    def opener(self, count: int, *, first: bool) -> int | None:
        """Which of the next `count` ticks must be the first event of a span of its own; None: none of them.

        `first`: whether the next tick is the next event of all, so that it opens a span anyhow.
        """


class FixedClock:
    """Processing time stands still."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def start(self) -> int:
        """The one time."""
        return self._now_ms

    def pending(self, records: bool) -> Int64s:  # noqa: ARG002 - the protocol's
        """Nothing."""
        return np.empty(0, np.int64)

    def take(self, count: int) -> tuple[Tick, ...]:
        """Nothing."""
        assert count == 0
        return ()

    def opener(self, count: int, *, first: bool) -> int | None:  # noqa: ARG002 - the protocol's
        """None."""
        return None


class SystemClock:
    """The machine's clock, read before each batch of records."""

    def __init__(self) -> None:
        self._now_ms = 0

    def start(self) -> int:
        """Now."""
        self._now_ms = time.time_ns() // 1_000_000
        return self._now_ms

    def pending(self, records: bool) -> Int64s:
        """A tick in front of the records, if the clock has moved."""
        moved = records and time.time_ns() // 1_000_000 > self._now_ms
        return np.array([_FIRST] if moved else [], np.int64)

    def take(self, count: int) -> tuple[Tick, ...]:
        """The time now."""
        if not count:
            return ()
        self._now_ms = max(self._now_ms, time.time_ns() // 1_000_000)
        return (Tick(_FIRST, self._now_ms),)

    def opener(self, count: int, *, first: bool) -> int | None:  # noqa: ARG002 - the protocol's
        """None."""
        return None


class Timeline:
    """Ticks written down beforehand: the same every time."""

    def __init__(self, start_ms: int, ticks: Sequence[Tick]) -> None:
        _check(start_ms, ticks)
        self._start_ms = start_ms
        self._ticks = tuple(ticks)
        self._orders = np.array([tick.order for tick in ticks], np.int64)
        self._restarts = np.array([i for i, tick in enumerate(ticks) if tick.restart], np.int64)
        self._at = 0

    def start(self) -> int:
        """Processing time before the first tick."""
        return self._start_ms

    def pending(self, records: bool) -> Int64s:  # noqa: ARG002 - the protocol's
        """All that have not been taken."""
        return self._orders[self._at :]

    def take(self, count: int) -> tuple[Tick, ...]:
        """The next ticks."""
        taken = self._ticks[self._at : self._at + count]
        self._at += count
        return taken

    def opener(self, count: int, *, first: bool) -> int | None:
        """The next restart."""
        return _opener(self._restarts - self._at, count, first=first)


class PacedTimeline:
    """Ticks written down beforehand, each given out when its moment has come on the machine's clock.

    Without `now_ms` processing time is the machine's, and the times of ticks say how long after the start they come.
    """

    def __init__(
        self,
        now_ms: int | None,
        ticks: Sequence[Tick],
        monotonic_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        _check(now_ms or 0, ticks)
        self._now_ms = now_ms
        self._ticks = tuple(ticks)
        self._orders = np.array([tick.order for tick in ticks], np.int64)
        opens = [i for i, tick in enumerate(ticks) if tick.restart or tick.processing_time_ms is not None]
        self._openers = np.array(opens, np.int64)
        self._at = 0
        self._monotonic_s, self._sleep = monotonic_s, sleep
        self._began_s = monotonic_s()
        self._began_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms

    def start(self) -> int:
        """Processing time before the first tick."""
        return self._began_ms

    def pending(self, records: bool) -> Int64s:  # noqa: ARG002 - the protocol's
        """All that have not been taken."""
        return self._orders[self._at :]

    def take(self, count: int) -> tuple[Tick, ...]:
        """The next ticks, when the time of the first has come."""
        taken = self._ticks[self._at : self._at + count]
        self._at += count
        return tuple(self._waited_for(tick) for tick in taken)

    def opener(self, count: int, *, first: bool) -> int | None:
        """The next tick that is waited for, or restart."""
        return _opener(self._openers - self._at, count, first=first)

    def going_on(self, ticks: Sequence[Tick]) -> PacedTimeline:
        """The same clock with other ticks to come."""
        other = PacedTimeline(self._now_ms, ticks, self._monotonic_s, self._sleep)
        other._began_s, other._began_ms = self._began_s, self._began_ms
        return other

    def _waited_for(self, tick: Tick) -> Tick:
        if tick.processing_time_ms is None:
            return tick
        after_s = (tick.processing_time_ms - (self._now_ms or 0)) / 1000
        left_s = self._began_s + after_s - self._monotonic_s()
        if left_s > 0:
            self._sleep(left_s)
        if self._now_ms is not None:
            return tick
        return replace(tick, processing_time_ms=self._began_ms + int((self._monotonic_s() - self._began_s) * 1000))


def _opener(places: Int64s, count: int, *, first: bool) -> int | None:
    """The first of the increasing `places` within the next `count` ticks that does not open a span anyhow."""
    at = int(np.searchsorted(places, 1 if first else 0))
    return int(places[at]) if at < len(places) and places[at] < count else None


def _check(start_ms: int, ticks: Sequence[Tick]) -> None:
    now = start_ms
    for before, tick in zip([None, *ticks], ticks, strict=False):
        if before is not None and tick.order < before.order:
            raise VeloError(ErrorCode.BAD_PROPERTY, f"the tick of order {tick.order} comes after {before.order}")
        if tick.processing_time_ms is not None and tick.processing_time_ms < now:
            message = f"processing time goes back from {now} to {tick.processing_time_ms}"
            raise VeloError(ErrorCode.BAD_PROPERTY, message, hint="the times of ticks rise")
        now = now if tick.processing_time_ms is None else tick.processing_time_ms

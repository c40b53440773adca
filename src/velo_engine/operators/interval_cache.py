"""What an interval join keeps, row by row as Flink does: a cache and a clean-up timer per key and side.

A row meets the rows of the other side's cache within its bounds, and is then cached as long as a partner may come. The
first row that is cached for a key sets the timer by which the cache is cleaned; a row that comes later with an earlier
time does not move it, so that it outlives its expiry, and a row that comes late may still meet it. A row also cleans
the cache that it reads, up to a time that the whole operator shares and that only rows and timers move.

Source: Flink's TimeIntervalJoin.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from velo_engine.batch import FINAL_WATERMARK, Bools, Int64s, StepFunction, numpy_column
from velo_engine.operators.held_rows import NO_SLOT

_LEFT = 0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The rows of both sides in their order, one element a row."""

    right: Bools
    """Whether it is a row of the right side."""
    seq: Int64s
    key: Int64s
    time: Int64s
    slot: Int64s


@dataclass(frozen=True, slots=True)
class Meetings:
    """What happens, in order: a left and a right row meet; or a row leaves, and the other slot is NO_SLOT."""

    seq: Int64s
    left: Int64s
    right: Int64s
    forgotten: tuple[Int64s, Int64s]
    """The slots of left and of right rows that leave without a word."""


@dataclass(slots=True)
class MeetingLog:
    """Meetings being collected."""

    seq: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    forgotten: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))

    def add(self, seq: int, left: int, right: int) -> None:
        """Append one."""
        self.seq.append(seq)
        self.left.append(left)
        self.right.append(right)

    def meetings(self) -> Meetings:
        """All of them."""
        seq, left, right, *forgotten = (
            np.array(part, np.int64) for part in (self.seq, self.left, self.right, *self.forgotten)
        )
        return Meetings(seq, left, right, (forgotten[0], forgotten[1]))


@dataclass(slots=True)
class _Side:
    """One side's caches and timers, by key code."""

    reach: int
    """How long after its time a row of this side is expected to meet rows of the other, in milliseconds."""
    cache: dict[int, dict[int, list[int]]] = field(default_factory=dict)
    """Row time -> slots, in order of arrival."""
    timers: dict[int, int] = field(default_factory=dict)
    """The time at which the cache of a key is cleaned next."""
    expired: int = 0
    """Rows up to this time were last taken to be expired."""

    def expiry(self, clock: int) -> int:
        """The latest time of a row that is expired."""
        return FINAL_WATERMARK if clock == FINAL_WATERMARK else clock - self.reach - 1


class IntervalCache:
    """The caches of one operator. Times are milliseconds."""

    def __init__(self, lower_ms: int, upper_ms: int) -> None:
        self._sides = (_Side(-lower_ms), _Side(upper_ms))
        self._queue: list[tuple[int, int, int, int]] = []
        """(time, number, side, key) of timers; one counts only while `timers` of its side says the same time."""
        self._number = 0

    def run(self, rows: Arrivals, clock: StepFunction, matching: Bools, first_ms: int) -> Meetings:
        """What these rows and the steps of the clock cause.

        `matching[key]`: whether rows of that key can match at all (no part of it is NULL). The clock of rows is at
        least `first_ms`.
        """
        out = MeetingLog()
        now = max(clock.opening, first_ms)
        for seq, step, at in in_order(rows.seq, clock):
            if step is not None:
                now = max(step, first_ms)
                self._advance(step, now, seq, out)
            else:
                key = int(rows.key[at])
                side = int(rows.right[at])
                self._arrive(side, key, int(rows.time[at]), int(rows.slot[at]), bool(matching[key]), now, seq, out)
        return out.meetings()

    def snapshot(self) -> dict[str, pa.Table]:
        """Cached rows in their order, timers, and the times up to which caches were cleaned."""
        cached = [
            (number, key, time, slot)
            for number, side in enumerate(self._sides)
            for key, times in side.cache.items()
            for time, slots in times.items()
            for slot in slots
        ]
        queued = [entry for entry in sorted(self._queue) if self._sides[entry[2]].timers.get(entry[3]) == entry[0]]
        return {
            "cached": table_of(cached, ("side", "key", "time", "slot")),
            "timers": table_of(queued, ("time", "number", "side", "key")),
            "expired": table_of([(side.expired,) for side in self._sides], ("time",)),
        }

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        for side, expired in zip(self._sides, state["expired"].column("time").to_pylist(), strict=True):
            side.cache, side.timers, side.expired = {}, {}, expired
        for number, key, time, slot in tuples_of(state["cached"]):
            self._sides[number].cache.setdefault(key, {}).setdefault(time, []).append(slot)
        self._queue = [(time, number, side, key) for time, number, side, key in tuples_of(state["timers"])]
        heapq.heapify(self._queue)
        self._number = max((entry[1] for entry in self._queue), default=-1) + 1
        for time, _, number, key in self._queue:
            self._sides[number].timers[key] = time

    def __len__(self) -> int:
        """The number of keys with a timer, each side's counted."""
        return sum(len(side.timers) for side in self._sides)

    def keys(self) -> Int64s:
        """The keys of which anything is kept: rows are only kept under a timer."""
        return np.array(sorted({key for side in self._sides for key in side.timers}), np.int64)

    def _arrive(
        self, side: int, key: int, time: int, slot: int, matches: bool, now: int, seq: int, out: MeetingLog
    ) -> None:
        own, other = self._sides[side], self._sides[1 - side]
        low, high = time - other.reach, time + own.reach
        if other.expired < high:
            other.expired = other.expiry(now)
            cache = other.cache.get(key, {})
            for moment in list(cache):
                if matches and low <= moment <= high:
                    for met in cache[moment]:
                        _meet(out, seq, side, slot, met)
                if moment <= other.expired:
                    self._drop(1 - side, cache.pop(moment), seq, out)
            if not cache:
                other.cache.pop(key, None)
        if now < high:
            own.cache.setdefault(key, {}).setdefault(time, []).append(slot)
            if key not in own.timers:
                self._set_timer(side, key, time)
        else:
            self._drop(side, [slot], seq, out)

    def _advance(self, step: int, now: int, seq: int, out: MeetingLog) -> None:
        while self._queue and self._queue[0][0] <= step:
            time, _, number, key = heapq.heappop(self._queue)
            side = self._sides[number]
            if side.timers.get(key) != time:
                continue
            side.expired = side.expiry(now)
            cache = side.cache.get(key, {})
            for moment in [moment for moment in cache if moment <= side.expired]:
                self._drop(number, cache.pop(moment), seq, out)
            earliest = min(cache, default=0)
            if earliest > 0:
                self._set_timer(number, key, earliest)
                continue
            # Flink takes a time that is not after the epoch for none, and forgets what is left without a word.
            del side.timers[key]
            for slots in side.cache.pop(key, {}).values():
                out.forgotten[number].extend(slots)

    def _set_timer(self, side: int, key: int, time: int) -> None:
        moment = time + self._sides[side].reach + 1
        self._sides[side].timers[key] = moment
        heapq.heappush(self._queue, (moment, self._number, side, key))
        self._number += 1

    def _drop(self, side: int, slots: list[int], seq: int, out: MeetingLog) -> None:
        for slot in slots:
            _meet(out, seq, side, slot, NO_SLOT)


def _meet(out: MeetingLog, seq: int, side: int, slot: int, other: int) -> None:
    if side == _LEFT:
        out.add(seq, slot, other)
    else:
        out.add(seq, other, slot)


def in_order(rows: Int64s, clock: StepFunction) -> Iterator[tuple[int, int | None, int]]:
    """(event, value of the clock's step or None, number of the row): an event's rows, then its step.

    `rows` are the events of rows in their order.
    """
    seqs = np.concatenate([rows, clock.seqs])
    order = np.argsort(seqs, kind="stable")
    count = len(rows)
    values = clock.values.tolist()
    for at, seq in zip(order.tolist(), seqs[order].tolist(), strict=True):
        yield (seq, None, at) if at < count else (seq, values[at - count], -1)


def table_of(rows: Sequence[tuple[int, ...]] | Int64s, names: tuple[str, ...]) -> pa.Table:
    """Tuples of integers as a table."""
    columns = np.array(rows, np.int64).reshape(-1, len(names))
    return pa.table({name: columns[:, i] for i, name in enumerate(names)})


def tuples_of(table: pa.Table) -> Iterator[tuple[int, ...]]:
    """The rows of a table of integers."""
    return zip(*(numpy_column(table, name).tolist() for name in table.column_names), strict=True)

"""What an interval join keeps, a batch at a time: the same as `interval_cache`, from arrays.

All that happens in a batch has a position: rows in their order, each event's step of the clock behind its rows. A row
is cached from its position to the one at which it is taken out: by the first timer of its key that fires, or the first
row of the other side with its key that comes, once it has expired. So which rows meet is a question of times and
positions.

For times that lie after the epoch by more than the bounds; before it Flink has rules of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from velo_engine.batch import FINAL_WATERMARK, Bools, Int64s, StepFunction, numpy_column
from velo_engine.operators.cleanup_timers import NO_TIMER, CachedRows, distinct, firings
from velo_engine.operators.held_rows import NO_SLOT
from velo_engine.operators.interval_cache import Arrivals, Meetings, table_of
from velo_engine.operators.time_index import TimeIndex

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class _Clock:
    """The clock over the positions of a batch."""

    opening: int
    values: Int64s
    steps: Int64s
    """The position of every step."""

    @property
    def closing(self) -> int:
        """After the last step."""
        return int(self.values[-1]) if len(self.values) else self.opening

    def step_reaching(self, times: Int64s) -> Int64s:
        """The first step with at least these values, -1 for the opening, their number for none."""
        return np.where(times <= self.opening, -1, np.searchsorted(self.values, times))

    def position(self, step: Int64s) -> Int64s:
        """Of a step: -1 before the batch, _NEVER after it."""
        positions: Int64s = np.concatenate([self.steps, [_NEVER, -1]])[step]
        return positions


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of one side in a batch, in order."""

    position: Int64s
    key: Int64s
    time: Int64s
    slot: Int64s
    clock: Int64s

    def where(self, flags: Bools) -> _Rows:
        """Some of them."""
        return _Rows(self.position[flags], self.key[flags], self.time[flags], self.slot[flags], self.clock[flags])


@dataclass(frozen=True, slots=True)
class _Fired:
    """Timers that fire: by key and step, ascending."""

    key: Int64s
    step: Int64s
    time: Int64s
    """Of the row that set it."""


@dataclass(frozen=True, slots=True)
class _Happened:
    """Meetings and departures, to be put in order."""

    position: Int64s
    phase: int
    """At one position: pairs, rows that are cleaned away, the row that is not cached."""
    moment: Int64s
    """Of a row that a timer cleans away: when the timer was due. Timers fire in this order."""
    number: Int64s
    left: Int64s
    right: Int64s


class _Side:
    """One side's cache and timers."""

    def __init__(self, reach: int) -> None:
        self.reach = reach
        self.index = TimeIndex()
        self.timer = np.full(0, NO_TIMER)
        """By key, the time of the row that set its timer."""
        self.born = np.full(0, -1)
        self.ends = np.full(0, _NEVER)
        """By slot, the positions in the batch: -1 and _NEVER outside it."""
        self.cleaned = reach + 1
        """The clock when expired rows were last looked for: the epoch counts as expired from the start."""

    def reserve(self, keys: int, slots: int) -> None:
        """Room for key codes and slots below these numbers."""
        if keys > len(self.timer):
            self.timer = np.append(self.timer, np.full(max(keys, 2 * len(self.timer)) - len(self.timer), NO_TIMER))
        if slots > len(self.born):
            more = max(slots, 2 * len(self.born)) - len(self.born)
            self.born = np.append(self.born, np.full(more, -1))
            self.ends = np.append(self.ends, np.full(more, _NEVER))

    def expiry(self, clock: int) -> int:
        """The latest time of a row that is expired."""
        return FINAL_WATERMARK if clock == FINAL_WATERMARK else clock - self.reach - 1


class IntervalIndex:
    """The caches of one operator. Times are milliseconds."""

    def __init__(self, lower_ms: int, upper_ms: int) -> None:
        self._sides = (_Side(-lower_ms), _Side(upper_ms))
        self._number = 0

    def __len__(self) -> int:
        """The number of keys with a timer, each side's counted."""
        return sum(int(np.count_nonzero(side.timer != NO_TIMER)) for side in self._sides)

    def keys(self) -> Int64s:
        """The keys of which anything is kept: rows are only kept under a timer."""
        left, right = (np.flatnonzero(side.timer != NO_TIMER) for side in self._sides)
        return np.union1d(left, right)

    def takes(self, rows: Arrivals) -> bool:
        """Whether this index is right for the times of these rows."""
        if not len(rows.time):
            return True
        after_epoch = max(abs(side.reach) for side in self._sides) + 1
        return int(rows.time.min()) > after_epoch and all(side.index.fits(rows.time) for side in self._sides)

    def run(self, arrivals: Arrivals, clock: StepFunction, matching: Bools, first_ms: int) -> Meetings:
        """See `interval_cache.IntervalCache.run`."""
        rows, time, events = _positions(arrivals, clock, first_ms)
        kept = [mine.where(mine.clock < mine.time + side.reach) for side, mine in zip(self._sides, rows, strict=True)]
        fired = []
        for side, mine, cached in zip(self._sides, rows, kept, strict=True):
            side.reserve(len(matching), int(mine.slot.max()) + 1 if len(mine.slot) else 0)
            fired.append(_timers(side, cached, time))
            side.index.add(cached.slot, cached.key, cached.time, self._number + cached.position)
            side.born[cached.slot] = cached.position
        looking = [
            mine.where(_looks(side, other, mine, timers, time))
            for side, other, mine, timers in zip(self._sides, self._sides[::-1], rows, fired[::-1], strict=True)
        ]
        gone = [
            _ending(side, lookers, timers, time)
            for side, lookers, timers in zip(self._sides, looking[::-1], fired, strict=True)
        ]
        parts = []
        for number, (side, other) in enumerate(zip(self._sides, self._sides[::-1], strict=True)):
            parts.append(_meeting(side, other, looking[number], matching, is_right=bool(number)))
            parts.append(_cleaned(side, *gone[number], is_right=bool(number)))
            parts.append(_passing(side, rows[number], is_right=bool(number)))
        for side, cached, (slots, _) in zip(self._sides, kept, gone, strict=True):
            side.index.remove(slots)
            side.born[cached.slot] = -1
            side.ends[slots] = _NEVER
        self._number += len(events)
        return _in_order(parts, events)

    def snapshot(self) -> dict[str, pa.Table]:
        """As `interval_cache.IntervalCache.snapshot`; the rows of both sides in the order in which they came."""
        cached, numbers, timers = [], [], []
        for number, side in enumerate(self._sides):
            slots = side.index.slots()
            which = np.full(len(slots), number)
            cached.append(np.stack([which, side.index.key[slots], side.index.time[slots], slots], axis=1))
            numbers.append(side.index.number[slots])
            keys = np.flatnonzero(side.timer != NO_TIMER)
            moments = side.timer[keys] + side.reach + 1
            timers.append(np.stack([moments, keys, np.full(len(keys), number), keys], axis=1))
        return {
            "cached": table_of(
                np.concatenate(cached)[np.argsort(np.concatenate(numbers))], ("side", "key", "time", "slot")
            ),
            "timers": table_of(np.concatenate(timers), ("time", "number", "side", "key")),
            "expired": table_of([(side.expiry(side.cleaned),) for side in self._sides], ("time",)),
        }

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        cached, timers = state["cached"], state["timers"]
        of_side, timer_side = numpy_column(cached, "side"), numpy_column(timers, "side")
        self._number = cached.num_rows
        expired = state["expired"].column("time").to_pylist()
        for number, (old, time) in enumerate(zip(self._sides, expired, strict=True)):
            side = _Side(old.reach)
            side.cleaned = FINAL_WATERMARK if time == FINAL_WATERMARK else time + side.reach + 1
            at = np.flatnonzero(of_side == number)
            slots, keys, times = (numpy_column(cached, name)[at] for name in ("slot", "key", "time"))
            timed = np.flatnonzero(timer_side == number)
            timer_keys = numpy_column(timers, "key")[timed]
            side.reserve(int(timer_keys.max()) + 1 if len(timed) else 0, int(slots.max()) + 1 if len(at) else 0)
            side.index.add(slots, keys, times, at)
            side.timer[timer_keys] = numpy_column(timers, "time")[timed] - side.reach - 1
            self._sides = (side, self._sides[1]) if number == 0 else (self._sides[0], side)


def _positions(arrivals: Arrivals, clock: StepFunction, first_ms: int) -> tuple[tuple[_Rows, _Rows], _Clock, Int64s]:
    """The rows of each side, the clock, and the event of every position."""
    events = np.concatenate([arrivals.seq, clock.seqs])
    order = np.argsort(events, kind="stable")
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    row, steps = position[: len(arrivals.seq)], position[len(arrivals.seq) :]
    values = np.maximum(clock.values, first_ms)
    time = _Clock(max(clock.opening, first_ms), values, steps)
    now = np.concatenate([[time.opening], values])[np.searchsorted(clock.seqs, arrivals.seq)]
    everything = _Rows(row, arrivals.key, arrivals.time, arrivals.slot, now)
    return (everything.where(~arrivals.right), everything.where(arrivals.right)), time, events[order]


def _timers(side: _Side, cached: _Rows, time: _Clock) -> _Fired:
    """The timers of one side that fire, and which are set afterwards. Only held rows are in the index yet."""
    expired = side.expiry(time.closing)
    due = np.flatnonzero((side.timer <= expired) & (side.timer != NO_TIMER))
    fresh = distinct(cached.key[side.timer[cached.key] == NO_TIMER])
    keys = np.concatenate([due, fresh])
    if not len(keys):
        return _Fired(keys, keys, keys)
    index = side.index
    _, held = index.within(due, np.full(len(due), index.earliest), np.full(len(due), expired))
    _, following = index.first_after(due, expired)
    held = np.concatenate([held, following])
    asked = np.zeros(len(side.timer), np.bool_)
    asked[keys] = True
    mine = np.flatnonzero(asked[cached.key])
    key = np.concatenate([index.key[held], cached.key[mine]])
    moment = np.concatenate([index.time[held], cached.time[mine]])
    born = np.concatenate([np.full(len(held), -1), cached.position[mine]])
    order = np.argsort(keys)
    keys = keys[order]
    first = np.concatenate([time.step_reaching(side.timer[due] + side.reach + 1), np.full(len(fresh), -1)])[order]
    group = np.searchsorted(keys, key)
    earliest = int(moment.min())
    order = np.argsort(group * (int(moment.max()) - earliest + 1) + moment - earliest, kind="stable")
    set_by = side.timer[keys]
    rows = CachedRows(group[order], moment[order], time.step_reaching(moment[order] + side.reach + 1), born[order])
    found = firings(rows, first, set_by, time.steps)
    side.timer[keys] = found.pending
    return _Fired(keys[found.group], found.step, found.time)


def _looks(side: _Side, other: _Side, mine: _Rows, timers: _Fired, time: _Clock) -> Bools:
    """Which rows look for partners in the cache of the other side, whose timers are `timers`.

    All but those that come so late that the cache was cleaned up to their last partner's time; whether it was depends
    on when that was done last.
    """
    reachable = mine.time + side.reach
    late = reachable <= np.where(mine.clock == FINAL_WATERMARK, FINAL_WATERMARK, mine.clock - other.reach - 1)
    steps = distinct(timers.step)
    looks: Bools = ~late
    sure = np.flatnonzero(looks)
    for at in np.flatnonzero(late).tolist():
        before = int(np.searchsorted(sure, at)) - 1
        step = int(np.searchsorted(time.steps[steps], mine.position[at])) - 1
        if before >= 0:
            other.cleaned = max(other.cleaned, int(mine.clock[sure[before]]))
        if step >= 0:
            other.cleaned = max(other.cleaned, int(time.values[steps[step]]))
        if other.expiry(other.cleaned) < int(reachable[at]):
            looks[at] = True
            other.cleaned = int(mine.clock[at])
    if len(sure):
        other.cleaned = max(other.cleaned, int(mine.clock[sure[-1]]))
    if len(steps):
        other.cleaned = max(other.cleaned, int(time.values[steps[-1]]))
    return looks


def _ending(side: _Side, lookers: _Rows, timers: _Fired, time: _Clock) -> tuple[Int64s, Int64s]:
    """The slots of rows that are taken out, and when the timers that do it were due (0 for rows). Marks where."""
    index, expired = side.index, side.expiry(time.closing)
    keys = distinct(np.concatenate([timers.key, lookers.key]))
    _, slots = index.within(keys, np.full(len(keys), index.earliest), np.full(len(keys), expired))
    if not len(slots):
        return slots, slots
    key, total = index.key[slots], len(time.steps)
    step = time.step_reaching(index.time[slots] + side.reach + 1)
    ends = np.full(len(slots), _NEVER)
    due = np.zeros(len(slots), np.int64)
    width = total + 1
    at = np.searchsorted(timers.key * width + timers.step, key * width + np.maximum(step, 0))
    inside = np.flatnonzero(at < len(timers.key))
    inside = inside[timers.key[at[inside]] == key[inside]]
    ends[inside] = time.steps[timers.step[at[inside]]]
    due[inside] = timers.time[at[inside]] + side.reach + 1
    if len(lookers.key):
        span = int(max(lookers.position[-1], time.steps[-1] if total else 0)) + 2
        order = np.argsort(lookers.key * span + lookers.position, kind="stable")
        ranks = (lookers.key * span + lookers.position)[order]
        after = np.minimum(np.maximum(time.position(step), side.born[slots]), span - 2) + 1
        at = np.searchsorted(ranks, key * span + after)
        inside = np.flatnonzero((at < len(ranks)) & (step < total))
        inside = inside[lookers.key[order[at[inside]]] == key[inside]]
        earlier = lookers.position[order[at[inside]]]
        sooner = earlier < ends[inside]
        ends[inside[sooner]], due[inside[sooner]] = earlier[sooner], 0
    gone = np.flatnonzero(ends != _NEVER)
    side.ends[slots[gone]] = ends[gone]
    return slots[gone], due[gone]


def _meeting(side: _Side, other: _Side, lookers: _Rows, matching: Bools, *, is_right: bool) -> _Happened:
    """The rows of `side` and the cached rows of the other that they meet."""
    lookers = lookers.where(matching[lookers.key])
    row, met = other.index.within(lookers.key, lookers.time - other.reach, lookers.time + side.reach)
    position = lookers.position[row]
    there = (other.born[met] < position) & (position <= other.ends[met])
    row, met, position = row[there], met[there], position[there]
    own = lookers.slot[row]
    left, right = (met, own) if is_right else (own, met)
    return _Happened(position, 0, np.zeros(len(met), np.int64), other.index.number[met], left, right)


def _cleaned(side: _Side, slots: Int64s, due: Int64s, *, is_right: bool) -> _Happened:
    missing = np.full(len(slots), NO_SLOT)
    left, right = (missing, slots) if is_right else (slots, missing)
    return _Happened(side.ends[slots], 1, due, side.index.number[slots], left, right)


def _passing(side: _Side, rows: _Rows, *, is_right: bool) -> _Happened:
    """The rows that are not cached: no partner can come any more."""
    passing = rows.where(rows.clock >= rows.time + side.reach)
    missing = np.full(len(passing.slot), NO_SLOT)
    left, right = (missing, passing.slot) if is_right else (passing.slot, missing)
    return _Happened(passing.position, 2, passing.position, passing.position, left, right)


def _in_order(parts: list[_Happened], events: Int64s) -> Meetings:
    names = ("position", "moment", "number", "left", "right")
    position, moment, number, left, right = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    phase = np.concatenate([np.full(len(part.position), part.phase) for part in parts])
    order = np.argsort(number, kind="stable")
    for rank in (moment, position * 3 + phase):
        order = order[np.argsort(rank[order], kind="stable")]
    nothing = np.empty(0, np.int64)
    return Meetings(events[position[order]], left[order], right[order], (nothing, nothing))

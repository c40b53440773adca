"""Which rows come too late for an OVER frame by event time, and at which watermark step the others are given out.

Rules, from Flink's function classes:

* Unbounded frames (RowTimeUnboundedPrecedingOverFunctionV2): a row is late when its time is not above the watermark.
* Bounded frames (RowTimeRowsBoundedPrecedingFunction, RowTimeRangeBoundedPrecedingFunction): a row is late when its
  time is not above the last time at which its partition fired, which begins as 0. A row behind the watermark that is
  not late is given out at the next step of the watermark.
* Bounded RANGE also cleans up. A row of time t that finds no clean-up time, or one below t + range + 1, sets it to
  t + 1.5 * range + 1 and registers a timer there. When the watermark reaches the clean-up time in force, the partition
  forgets everything, the last fired time too: late rows are acceptable again. A timer that is no longer in force only
  raises the last fired time.

A row behind the watermark is rare, so only the partitions that have one are walked event by event.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, Int64s, StepFunction, numpy_column
from velo_engine.operators.accumulators.base import StateColumn
from velo_engine.types import BIGINT

NEVER = 2**62
"""In place of a clean-up time: none is set. Also the number of a step that has not come."""


def firing_steps(watermark: StepFunction, time: Int64s, seq: Int64s | None) -> Int64s:
    """The number of the step at which a row of `time` that came with event `seq` is given out; NEVER: not in this
    batch. `seq` None: the rows came in earlier batches."""
    steps = np.searchsorted(watermark.values, time, side="left")
    if seq is not None:
        steps = np.maximum(steps, np.searchsorted(watermark.seqs, seq, side="left"))
    return np.where(steps < len(watermark.seqs), steps, NEVER)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The rows of one batch in order of arrival, at least one."""

    code: Int64s
    """Of the partition."""
    time: Int64s
    seq: Int64s
    step: Int64s
    """At which the row is given out if it is not late; see `firing_steps`."""


@dataclass(frozen=True, slots=True)
class Held:
    """The rows that came in earlier batches and had not been given out before this one."""

    code: Int64s
    time: Int64s
    step: Int64s


class BoundedLateness:
    """The rule of bounded frames. `range_ms` is None for ROWS."""

    def __init__(self, range_ms: int | None) -> None:
        self._range = range_ms
        self._last = StateColumn(BIGINT)
        """By partition: the last fired time."""
        self._epoch = StateColumn(BIGINT)
        """By partition: how often it was cleaned up."""
        self._cleanups: dict[int, _Cleanup] = {}
        self._steps = 0
        """Watermark steps so far."""

    def reserve(self, partitions: int) -> None:
        """Make room for partitions below `partitions`."""
        self._last.reserve(partitions)
        self._epoch.reserve(partitions)

    def admit(self, rows: Arrivals, watermark: StepFunction, held: Held) -> tuple[Bools, Int64s]:
        """Which rows are not late, and the epoch of each row's partition when it came."""
        accepted = np.ones(len(rows.code), np.bool_)
        behind = (rows.time <= watermark.before(rows.seq)) | (rows.time <= 0)
        if self._range is None and not behind.any():
            return accepted, np.zeros(len(rows.code), np.int64)
        epoch = np.zeros(len(rows.code), np.int64)
        order = np.argsort(rows.code, kind="stable")
        codes = rows.code[order]
        starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
        ends = np.append(starts[1:], len(codes))
        with_behind = np.logical_or.reduceat(behind[order], starts)
        if self._range is None:
            starts, ends, with_behind = starts[with_behind], ends[with_behind], with_behind[with_behind]
        waiting = _by_partition(held, codes[starts[with_behind]])
        passed = np.searchsorted(watermark.seqs, rows.seq, side="left")
        time, step, is_behind = rows.time[order].tolist(), rows.step[order].tolist(), behind[order].tolist()
        before = passed[order].tolist()
        steps = watermark.values.tolist()
        segments = zip(starts.tolist(), ends.tolist(), with_behind.tolist(), strict=True)
        for start, end, walks in segments:
            code = int(codes[start])
            walk = self._walk(code, watermark.opening, steps, waiting.get(code, ()))
            span = slice(start, end)
            if walks:
                events = zip(time[span], before[span], step[span], is_behind[span], strict=True)
                fates = [walk.accepts(*event) for event in events]
                accepted[order[span]] = [fate >= 0 for fate in fates]
            else:
                fates = walk.takes_all(time[span], before[span])
            epoch[order[span]] = fates
            self._put_aside(code, walk, len(steps))
        return accepted, epoch

    def passed(self, watermark: StepFunction, code: Int64s, time: Int64s, epoch: Int64s) -> None:
        """The batch is over; these rows were given out in it."""
        current = epoch == self._epoch.values[code]
        np.maximum.at(self._last.values, code[current], time[current])
        self._steps += len(watermark.seqs)

    def snapshot(self, partitions: Int64s) -> dict[str, pa.Table]:
        """The times of `partitions`."""
        rows = [(code, c.at, c.saved_at, timer) for code, c in self._cleanups.items() for timer in [NEVER, *c.timers]]
        columns = np.array(rows, np.int64).reshape(-1, 4).T
        names = ("partition", "at", "saved_at", "timer")
        fired = {"last": self._last.snapshot(partitions), "epoch": self._epoch.snapshot(partitions)}
        return {
            "fired": pa.table({"partition": partitions, **fired}),
            "cleanups": pa.table(dict(zip(names, columns, strict=True))),
            "steps": pa.table({"steps": np.array([self._steps])}),
        }

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Take over a snapshot; this object is new."""
        partitions = numpy_column(state["fired"], "partition")
        self.reserve(int(partitions.max(initial=0)) + 1)
        self._last.restore(partitions, state["fired"].column("last"))
        self._epoch.restore(partitions, state["fired"].column("epoch"))
        self._steps = int(numpy_column(state["steps"], "steps")[0])
        for code, at, saved_at, timer in zip(*(c.to_pylist() for c in state["cleanups"].columns), strict=True):
            cleanup = self._cleanups.setdefault(code, _Cleanup(at, [], saved_at))
            if timer != NEVER:
                cleanup.timers.append(timer)

    def in_use(self, watermark: int) -> Int64s | None:
        """The partitions that remember something; None: all do, as there is no clean-up."""
        if self._range is None:
            return None
        due = [c.at <= watermark and c.saved_at < self._steps for c in self._cleanups.values()]
        return np.array([code for code, is_due in zip(self._cleanups, due, strict=True) if not is_due], np.int64)

    def forget(self, partitions: Int64s) -> None:
        """These partitions are new again."""
        self._last.clear(partitions)
        self._epoch.clear(partitions)
        for code in partitions.tolist():
            self._cleanups.pop(code, None)

    def _walk(self, code: int, opening: int, steps: list[int], waiting: Sequence[tuple[int, int]]) -> _Walk:
        walk = _Walk(int(self._last.values[code]), int(self._epoch.values[code]), self._range, steps, waiting)
        cleanup = self._cleanups.get(code)
        if cleanup is not None:
            walk.resume(cleanup, opening, stepped=cleanup.saved_at < self._steps)
        return walk

    def _put_aside(self, code: int, walk: _Walk, steps: int) -> None:
        if self._range is None:
            return
        cleanup = walk.close()
        self._last.values[code], self._epoch.values[code] = walk.last, walk.epoch
        if cleanup is None:
            self._cleanups.pop(code, None)
        else:
            cleanup.saved_at = self._steps + steps
            self._cleanups[code] = cleanup


@dataclass(slots=True)
class _Cleanup:
    """The clean-up timers of one partition that have not fired."""

    at: int
    """The clean-up time in force."""
    timers: list[int]
    saved_at: int = 0
    """How many watermark steps there had been."""


class _Walk:
    """The events of one partition in one batch, in their order."""

    __slots__ = ("_at", "_at_step", "_range", "_steps", "_timers", "_waiting", "epoch", "last")

    def __init__(
        self,
        last: int,
        epoch: int,
        range_ms: int | None,
        steps: list[int],
        waiting: Sequence[tuple[int, int]],
    ) -> None:
        """`steps`: the watermark after each step; `waiting`: (step, time) of rows that are given out in this batch."""
        self.last = last
        self.epoch = epoch
        self._range = range_ms
        self._steps = steps
        self._waiting = list(waiting)
        """A heap of what fires: (step, time) of rows and of clean-up timers."""
        heapq.heapify(self._waiting)
        self._timers: list[tuple[int, int]] = []
        self._at = NEVER
        self._at_step = NEVER

    def resume(self, cleanup: _Cleanup, opening: int, *, stepped: bool) -> None:
        """Go on from what was put aside, with the watermark at `opening`; `stepped`: it has risen since."""
        if stepped and cleanup.at <= opening:
            self._clean_up()
            return
        self._at = cleanup.at
        for timer in cleanup.timers:
            if stepped and timer <= opening:
                self.last = max(self.last, timer)
            else:
                step = self._register(timer, 0)
                if timer == self._at:
                    self._at_step = step

    def accepts(self, time: int, passed: int, step: int, behind: bool) -> int:
        """The epoch in which a row is taken in, -1 for a late row.

        `passed`: watermark steps before it came; `step`: the one at which it is given out; `behind`: not above the
        watermark.
        """
        if self._at_step < passed:
            self._clean_up()
        if behind and time <= self._last_fired(passed):
            return -1
        heapq.heappush(self._waiting, (step, time))
        if self._range is not None and (self._at == NEVER or self._at < time + self._range + 1):
            self._at = time + int(self._range * 1.5) + 1
            self._at_step = self._register(self._at, passed)
        return self.epoch

    def takes_all(self, times: Sequence[int], passed: Sequence[int]) -> list[int]:
        """As `accepts`, for all rows of the batch, none of which is behind the watermark."""
        assert self._range is not None
        enough, later = self._range + 1, int(self._range * 1.5) + 1
        epochs = []
        for time, before in zip(times, passed, strict=True):
            if self._at_step < before:
                self._clean_up()
            if self._at == NEVER or self._at < time + enough:
                self._at = time + later
                self._at_step = self._register(self._at, before)
            epochs.append(self.epoch)
        return epochs

    def close(self) -> _Cleanup | None:
        """What stays after all steps of the batch; None: no clean-up time is set."""
        if self._at_step < NEVER:
            self._clean_up()
            return None
        for step, timer in self._timers:
            if step < NEVER:
                self.last = max(self.last, timer)
        return (
            None if self._at == NEVER else _Cleanup(self._at, [timer for step, timer in self._timers if step == NEVER])
        )

    def _clean_up(self) -> None:
        """The timer in force has fired: everything is forgotten."""
        self.last = 0
        self.epoch += 1
        self._waiting.clear()
        self._timers.clear()
        self._at = self._at_step = NEVER

    def _register(self, timer: int, passed: int) -> int:
        """Set a clean-up timer; the step at which it fires."""
        step = max(bisect_left(self._steps, timer), passed)
        if step >= len(self._steps):
            step = NEVER
        self._timers.append((step, timer))
        heapq.heappush(self._waiting, (step, timer))
        return step

    def _last_fired(self, passed: int) -> int:
        """The last time at which the partition fired before step number `passed`."""
        while self._waiting and self._waiting[0][0] < passed:
            self.last = max(self.last, heapq.heappop(self._waiting)[1])
        return self.last


def _by_partition(held: Held, partitions: Int64s) -> Mapping[int, list[tuple[int, int]]]:
    """(step, time) of the rows of some partitions that are given out in this batch."""
    found: dict[int, list[tuple[int, int]]] = {}
    if len(partitions):
        wanted = np.flatnonzero(np.isin(held.code, partitions) & (held.step < NEVER))
        values = (held.code[wanted].tolist(), held.step[wanted].tolist(), held.time[wanted].tolist())
        for code, step, time in zip(*values, strict=True):
            found.setdefault(code, []).append((step, time))
    return found

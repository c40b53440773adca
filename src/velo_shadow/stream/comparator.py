"""The comparison of two streams that go on: takes in changes, compares in steps, and can be killed at any moment.

    comparator = StreamComparator(plan, changelogs, folder)
    positions = comparator.restore()          # where the readers go on, None for a first run
    comparator.add(Side.LEFT, changes)        # as they come, of either side
    if comparator.is_due():
        comparator.step(positions)            # fold, match, judge and save as one step
    comparator.finish(ended, positions)       # the result

What is found depends on the rows of each side in their order, never on how they were cut into batches and steps, nor
on which side came first; a run that goes on after a kill finds what an uninterrupted one does. Memory is bounded:
rows wait in files, and the kernel keeps to its limit (docs/decisions/0015-comparing-streams.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from velo_engine.batch import RowKind
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.kernel import Kernel
from velo_engine.types import INTEGERS, TypeName
from velo_shadow.compared import Compared
from velo_shadow.diff import Diff
from velo_shadow.equality import FUNCTIONS
from velo_shadow.finality import Progress, finality
from velo_shadow.folding import Changelog
from velo_shadow.model import ComparisonPlan, Counts, Difference, Performance, Side
from velo_shadow.stream.changes import Changes, Positions
from velo_shadow.stream.incoming import (
    UNKNOWN_MS,
    batch_table,
    concatenated,
    event_times,
    incoming_rows,
    moments,
    time_type,
)
from velo_shadow.stream.judging import Judged, Span, judge, named_rows, repeated
from velo_shadow.stream.leaving import LeavingRows
from velo_shadow.stream.rows import BATCH, Rows
from velo_shadow.stream.sample import Surroundings, sample_new, sampled_surroundings, surroundings
from velo_shadow.stream.saved import State, load, plan_name, save
from velo_shadow.stream.standing import StandingRows

MEMORY_LIMIT = "192MB"
"""Of the kernel; what it needs beyond goes to disk."""
STEP_ROWS = 250_000
"""New rows from which a step is due, unless many stand: then twice as many, so that a row is seldom rewritten."""
INTERVAL_S = 5.0
"""Seconds after which a step is due with any new row; longer when a step takes long."""
_TIMES = 2
"""New rows for each row that stands, from which a step is due."""
_BUSY = 5
"""A step that took a second is not due again by time alone before so many seconds."""
_GATHERED = 50_000
"""Rows that wait before they are given to the kernel at once."""
_GATHERED_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class StreamView:
    """Where a comparison stands, as of its last step."""

    left: int
    """Changes taken in, since the very beginning."""
    right: int
    matched: int
    different: int
    """Rows or keys that both sides have passed and that are not equal now."""
    pending: int
    warm_up: int
    copies: int
    by_column: Mapping[str, int] = field(default_factory=dict)
    """Pairs that differ, by column."""
    latest_ms: Mapping[Side, int | None] = field(default_factory=dict)
    """How far each side has come in event time."""
    rows_per_second: float = 0.0
    """Changes of both sides that were taken in a second, in this run."""
    steps: int = 0
    """Since the very beginning."""


class StreamComparator:
    """Compares two streams in bounded memory. Not for use from two threads at once."""

    def __init__(
        self,
        plan: ComparisonPlan,
        changelogs: Mapping[Side, Changelog],
        folder: Path,
        *,
        memory_limit: str = MEMORY_LIMIT,
        warm_up_until_ms: int | None = None,
        step_rows: int = STEP_ROWS,
        interval_s: float = INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin, or be ready to go on (`restore`), in `folder`, which is made when absent and is the comparison's.

        Rows, keys and windows whose time lies before `warm_up_until_ms` are left out and counted; `clock`: seconds.
        Errors: BAD_VALUE for an upsert stream without a key.
        """
        if not plan.key and Changelog.UPSERT in changelogs.values():
            message = "an upsert stream is compared by its key, and there is none"
            raise VeloError(ErrorCode.BAD_VALUE, message, hint="name its key columns (--key)")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder.absolute()
        self._plan = plan
        self._changelogs = changelogs
        self._warm_up_until_ms = warm_up_until_ms
        self._step_rows = step_rows
        self._interval_s = interval_s
        self._clock = clock
        self._kernel = Kernel(memory_limit=memory_limit, folders=[str(self._folder)])
        for function in FUNCTIONS:
            self._kernel.add_function(function)
        self._rows = Rows(self._kernel, plan, self._folder)
        self._leaves = all(changelogs[side] is Changelog.APPEND for side in Side)
        self._regime = LeavingRows(self._rows) if self._leaves else StandingRows(self._rows, changelogs)
        self._name = plan_name(plan, changelogs, warm_up_until_ms, self._kernel.version)
        self._state = State(self._name)
        self._gathered: dict[Side, list[Changes]] = {side: [] for side in Side}
        self._waiting_rows = 0
        self._taken = 0
        self._began = self._last_step = clock()
        self._step_took = 0.0
        self._judged: Judged | None = None

    def restore(self) -> Mapping[Side, Positions] | None:
        """Where the sides go on after what a former run left in the folder; None when it left nothing.

        Errors: STATE_MISMATCH when that is the state of another comparison, or damaged.
        """
        state = load(self._folder, self._name)
        if state is None:
            return None
        if not state.ended:
            for of_side in state.sides.values():
                of_side.ended = False  # this run may read further: the reader says when it has ended
        self._state = state
        return {side: state.positions_of(side) for side in Side}

    @property
    def is_finished(self) -> bool:
        """Whether a former run, or this one, has finished: `finish` then gives its result again."""
        return self._state.finished

    @property
    def has_ended(self) -> bool:
        """Whether it was finished because both sides had ended."""
        return self._state.ended

    def add(self, side: Side, changes: Changes) -> None:
        """Take in consecutive changes of a side. Errors: EXPRESSION_FAILED for a value that its column cannot hold."""
        if not len(changes):
            return
        waiting = self._gathered[side]
        waiting.append(changes)
        self._waiting_rows += len(changes)
        self._taken += len(changes)
        if sum(map(len, waiting)) >= _GATHERED or sum(one.table.nbytes for one in waiting) >= _GATHERED_BYTES:
            self._give(side)

    def side_ended(self, side: Side) -> None:
        """Nothing more is to come of a side: it has passed all times, while the other may go on."""
        self._state.sides[side].ended = True

    def is_due(self) -> bool:
        """Whether it is time for a step: enough new rows for those that stand, or some after an interval."""
        if not self._waiting_rows:
            return False
        standing = sum(self._state.sides[side].standing for side in Side)
        if self._waiting_rows >= max(self._step_rows, _TIMES * standing):
            return True
        return self._clock() - self._last_step >= max(self._interval_s, _BUSY * self._step_took)

    def step(self, positions: Mapping[Side, Positions]) -> None:
        """Compare what has come, and save: a restart goes on at `positions`, those behind what was added."""
        began = self._clock()
        self._state.finished = self._state.ended = False
        self._take_in()
        # Of rows that stay as they are, the equal ones have left; those within the tolerance do when they are final.
        self._judged = judge(self._rows, self._standing(), self._span(), limit=0, unequal_wait=self._leaves)
        self._save(positions)
        self._last_step = self._clock()
        self._step_took = self._last_step - began

    def view(self) -> StreamView:
        """Where the comparison stands; costs nothing."""
        sides = self._state.sides
        counts = self._counts(self._judged.diff.counts) if self._judged else None
        seconds = self._clock() - self._began
        return StreamView(
            left=sides[Side.LEFT].changes,
            right=sides[Side.RIGHT].changes,
            matched=counts.matched if counts else self._state.matched,
            different=counts.different if counts else 0,
            pending=self._judged.pending if self._judged else 0,
            warm_up=self._warm_up(self._judged) if self._judged else 0,
            copies=sum(side.copies for side in sides.values()),
            by_column=counts.by_column if counts else {},
            latest_ms={side: sides[side].latest_ms for side in Side},
            rows_per_second=self._taken / seconds if seconds > 0 else 0.0,
            steps=self._state.step,
        )

    def finish(self, ended: bool, positions: Mapping[Side, Positions]) -> Compared:
        """The result; `ended` says that both streams are complete, so that nothing is pending.

        It is saved as finished: after another `restore`, `is_finished`, and `finish` gives the same result again.
        """
        if not self._state.finished or self._waiting_rows or ended != self._state.ended:
            self._state.ended = ended
            self._take_in()
            self._state.finished = True
            self._save(positions)
        self._judged = judge(self._rows, self._standing(), self._span())
        return self._compared(self._judged)

    def close(self) -> None:
        """Give back the kernel; the folder stays. May be called twice."""
        self._kernel.close()

    def __enter__(self) -> StreamComparator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _give(self, side: Side) -> None:
        """What was gathered of a side, to the kernel."""
        waiting = self._gathered[side]
        if not waiting:
            return
        changes = concatenated(waiting)
        waiting.clear()
        state = self._state.sides[side]
        times, known = event_times(self._plan, changes.table)
        if self._plan.time_column is not None:
            state.tallies.add(times, known, changes.timestamps_ms)
        else:
            state.tallies.add(times, np.zeros(len(times), np.bool_), changes.timestamps_ms)
            times, known = changes.timestamps_ms, changes.timestamps_ms >= 0
        state.has_untimed |= self._plan.time_column is None or not known.all()
        filled, latest = moments(times, known, state.latest_ms)
        if known.any():
            state.latest_ms = int(latest[-1])
            first = int(times[known].min())
            state.first_ms = first if state.first_ms is None else min(first, state.first_ms)
        table = batch_table(changes, filled, filled if self._leaves else latest, state.changes)
        state.changes += len(changes)
        self._insert(side, table)

    def _insert(self, side: Side, table: Any) -> None:
        select = incoming_rows(self._plan, side, table.schema)
        conditions = []
        state = self._state.sides[side]
        if self._changelogs[side] is Changelog.APPEND:
            added = table.column("velo_kind").to_numpy() == int(RowKind.INSERT)
            state.unmatched += int(np.count_nonzero(~added))
            conditions.append(f"velo_kind = {int(RowKind.INSERT)}")
            if self._leaves and self._warm_up_until_ms is not None:
                times = table.column("velo_time").to_numpy()
                state.warm_up += int(np.count_nonzero(added & (times < self._warm_up_until_ms)))
                conditions.append(f"velo_time >= {self._warm_up_until_ms}")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        try:
            self._rows.add_new(side, select + where, table)
        except VeloError:
            # Ask again such that a value that does not fit is said to be one; the statement fails for nothing else.
            self._kernel.query_written(select, {BATCH: table})
            raise

    def _take_in(self) -> None:
        for side in Side:
            self._give(side)
        self._state.step += 1
        if self._leaves:
            sample_new(self._rows, self._state)
        self._regime.take(self._state, self._span())
        self._rows.clear()
        self._waiting_rows = 0

    def _save(self, positions: Mapping[Side, Positions]) -> None:
        self._state.at(positions)
        save(self._folder, self._state)

    def _standing(self) -> Mapping[Side, str]:
        return {side: self._regime.standing(self._state, side) for side in Side}

    def _span(self) -> Span:
        """What both sides have passed by now."""
        progress = {}
        for side, state in self._state.sides.items():
            seen = Progress(latest_ms=state.latest_ms)
            progress[side] = seen.stated(2**63 - 1) if state.ended else seen
        found = finality(progress, grace_ms=self._plan.grace_ms, ended=self._state.ended)
        return Span(found.until_ms, found.nothing_final, None if self._leaves else self._warm_up_until_ms)

    def _compared(self, judged: Judged) -> Compared:
        sides = self._state.sides
        counts = self._counts(judged.diff.counts)
        missing = {side: self._missing(side) for side in Side}
        spans = {side: self._span_of(side) for side in Side}
        around = self._surroundings(spans, judged.diff.differences)
        return Compared(
            plan=self._plan,
            diff=Diff(counts, judged.diff.differences),
            segments=around.segments,
            spans=spans,
            pending=judged.pending,
            pending_rows=judged.pending_rows,
            warm_up=self._warm_up(judged),
            churn={side: self._churn(side, missing[side]) for side in Side},
            unmatched=missing,
            performance=Performance(*(sides[side].tallies.performance() for side in Side)),
            over_time=around.over_time,
            profile=around.profile,
        )

    def _surroundings(
        self, spans: Mapping[Side, tuple[Any, Any] | None], differences: Sequence[Difference]
    ) -> Surroundings:
        times = list(spans.values())
        if self._leaves:
            return sampled_surroundings(self._rows, self._state, times, differences)
        assert isinstance(self._regime, StandingRows)
        every = [self._regime.all_rows(self._state, side) for side in Side]
        here = [f"(SELECT * FROM {rows} AS a WHERE velo_net > 0)" for rows in every]
        left, right = (named_rows(self._plan, repeated(self._rows, rows)) for rows in here)
        return surroundings(self._rows, (left, right), times, differences)

    def _counts(self, judged: Counts) -> Counts:
        """Of those that left and those that stand: rows of a side are those that have one of these fates."""
        copies = {
            Side.LEFT: judged.left_copies + self._state.sides[Side.LEFT].copies,
            Side.RIGHT: judged.right_copies + self._state.sides[Side.RIGHT].copies,
        }
        return Counts(
            left=judged.left + self._state.matched + self._state.sides[Side.LEFT].copies,
            right=judged.right + self._state.matched + self._state.sides[Side.RIGHT].copies,
            matched=judged.matched + self._state.matched,
            differing=judged.differing,
            missing=judged.missing,
            extra=judged.extra,
            left_copies=copies[Side.LEFT],
            right_copies=copies[Side.RIGHT],
            by_column=judged.by_column,
        )

    def _warm_up(self, judged: Judged) -> int:
        """Of append streams, rows of the side that had more of them."""
        return max(judged.warm_up, *(side.warm_up for side in self._state.sides.values()))

    def _missing(self, side: Side) -> int:
        if isinstance(self._regime, StandingRows):
            return self._regime.missing(self._state, side)
        return self._state.sides[side].unmatched

    def _churn(self, side: Side, missing: int) -> int:
        if self._changelogs[side] is Changelog.APPEND:
            return 0
        state = self._state.sides[side]
        return state.changes - state.standing - self._state.matched - missing

    def _span_of(self, side: Side) -> tuple[Any, Any] | None:
        """First and last event time, as values of the time column."""
        state, kind = self._state.sides[side], time_type(self._plan)
        if kind is None or state.first_ms is None or state.latest_ms is None or state.latest_ms == UNKNOWN_MS:
            return None
        if kind.name in INTEGERS:
            return state.first_ms, state.latest_ms
        first, last = (_moment(ms) for ms in (state.first_ms, state.latest_ms))
        return (first.date(), last.date()) if kind.name is TypeName.DATE else (first, last)


def _moment(ms: int) -> datetime:
    return datetime(1970, 1, 1) + timedelta(milliseconds=ms)

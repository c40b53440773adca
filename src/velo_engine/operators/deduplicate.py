"""Deduplication: one row of each partition, the first or the last by time.

By arrival the first row is given out at once, and a later one never; the last replaces the one before it. Source:
Flink's ProcTimeDeduplicateKeepFirstRowFunction and ProcTimeDeduplicateKeepLastRowFunction. A last row that equals the
kept one is no update, but only until the partition has had one: Flink compares the kinds of the rows as well, and the
kept row has become a +U. With a state TTL every row is an update.

By event time the last row is the one with the greatest time, of equal times the newest; no row is late (its
RowTimeDeduplicateFunction). The first row is the one with the least time, of equal times the oldest. It is given out
once the watermark reaches its time, and never changes (its RowTimeDeduplicateKeepFirstRowFunction): a row behind the
watermark is late, one at the watermark waits for the next step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import (
    FINAL_WATERMARK,
    Bools,
    ChangeBatch,
    Int64s,
    RowKind,
    empty_rows,
    make_rows,
    renumbered,
)
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.changes import changed
from velo_engine.operators.keyed_rows import NO_TTL, KeyedRows
from velo_engine.operators.runs import NO_SLOT, Runs, running_any, running_extreme, running_latest, stable_order
from velo_engine.operators.vectors import Vector, from_arrow, single_array
from velo_engine.plan.changelog_nodes import Deduplicate

_NEVER = 2**63 - 1


class KeepFirstByArrival(Operator):
    """The first row of each partition, as it comes."""

    def __init__(self, context: OperatorContext, node: Deduplicate, *, ttl_ms: int = NO_TTL) -> None:
        self._context = context
        self._node = node
        self._seen = KeyedRows(node.input.schema, node.partition, (), ttl_ms)

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The rows that open a partition."""
        (batch,) = inputs
        if not len(batch):
            return batch.with_rows(empty_rows(self._node.schema))
        slots = self._seen.slots(batch.rows)
        now = batch.processing_time.before(batch.seq)
        opening = self._opening(slots, now)
        self._seen.sweep(batch)
        self._context.counters.state_rows = len(self._seen)
        return batch.with_rows(_in_order(batch, opening))

    def snapshot(self) -> dict[str, pa.Table]:
        """The partitions that had their row."""
        return self._seen.snapshot()

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._seen.restore(state)
        self._context.counters.state_rows = len(self._seen)

    def _opening(self, slots: Int64s, now: Int64s) -> Int64s:
        """The rows that find no state, ascending; with a TTL a partition may have several."""
        found = []
        waiting = np.arange(len(slots))
        while len(waiting):
            at = slots[waiting]
            absent = waiting[~self._seen.held[at] | self._seen.expired(self._seen.written[at], now[waiting])]
            first = absent[np.unique(slots[absent], return_index=True)[1]]
            if not len(first):
                break
            self._seen.held[slots[first]] = True
            self._seen.written[slots[first]] = now[first]
            found.append(first)
            # A row after the one that opened its partition is looked at again: that state may have ended, too.
            opened_at = np.full(len(self._seen.held), _NEVER)
            opened_at[slots[first]] = first
            waiting = absent[absent > opened_at[slots[absent]]]
        return np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Rows that may be the first of their partition; `source` counts through the batch's rows, then waiting ones."""

    slots: Int64s
    times: Int64s
    """Milliseconds."""
    above: Int64s
    """The watermark under which each came: it fires at a step beyond that."""
    source: Int64s

    def take(self, positions: Int64s) -> _Candidates:
        return _Candidates(self.slots[positions], self.times[positions], self.above[positions], self.source[positions])

    def before(self, other: _Candidates) -> _Candidates:
        """These, then the other ones."""
        return _Candidates(
            np.concatenate([self.slots, other.slots]),
            np.concatenate([self.times, other.times]),
            np.concatenate([self.above, other.above]),
            np.concatenate([self.source, other.source]),
        )


class KeepFirstByTime(Operator):
    """The row of each partition with the least time, when the watermark reaches it.

    A slot holds either a waiting row or, marked as updated, that the partition had its row. Only the latter knows a
    TTL: waiting rows leave with the watermark.
    """

    def __init__(self, context: OperatorContext, node: Deduplicate, *, ttl_ms: int = NO_TTL) -> None:
        self._context = context
        self._node = node
        schema = node.input.schema
        self._rows = KeyedRows(schema, node.partition, range(len(schema)), ttl_ms)
        self._waiting = np.empty(0, np.int64)
        """The slots of waiting rows."""

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The rows that the watermark reaches."""
        (batch,) = inputs
        arrived = self._in_time(batch)
        steps = len(batch.watermark.seqs) > 0
        if not len(arrived.slots) and not (steps and len(self._waiting)):
            return batch.with_rows(empty_rows(self._node.schema))
        asked = self._waiting if steps else self._waiting[np.isin(self._waiting, arrived.slots)]
        held = self._rows.arrays(asked)  # before those that fire let go of theirs
        fired, events = self._fired(batch, arrived, self._candidates(batch, asked))
        self._rows.sweep(batch)
        self._context.counters.state_rows = len(self._rows)
        order = np.lexsort((fired.times, events))
        events = events[order]
        columns = _picked(batch.rows, held, fired.source[order])
        kind = np.zeros(len(events), np.int8)
        return batch.with_rows(make_rows(self._node.schema, columns, kind, events, renumbered(events)))

    def snapshot(self) -> dict[str, pa.Table]:
        """Waiting rows, and the partitions that had theirs."""
        return self._rows.snapshot()

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._rows.restore(state)
        self._waiting = np.flatnonzero(self._rows.held & ~self._rows.updated)
        self._context.counters.state_rows = len(self._rows)

    def _in_time(self, batch: ChangeBatch) -> _Candidates:
        """The rows that are not late and whose partitions have not had their row."""
        none = np.empty(0, np.int64)
        if not len(batch):
            return _Candidates(none, none, none, none)
        times = _milliseconds(batch.rows, self._node.time_column)
        above = batch.watermark.before(batch.seq)
        late = np.flatnonzero(times < above)
        if len(late):
            self._context.counters.late += len(late)
            self._context.late(batch.rows.take(pa.array(late)), above[late] - times[late])
        source = np.flatnonzero(times >= above)
        slots = self._rows.slots(batch.rows.take(pa.array(source)) if len(late) else batch.rows)
        given = self._rows.updated[slots]
        if given.any():
            now = batch.processing_time.before(batch.seq[source])
            forgotten = given & self._rows.expired(self._rows.written[slots], now)
            self._rows.clear(slots[forgotten])
            open_ = ~given | forgotten
            source, slots = source[open_], slots[open_]
        return _Candidates(slots, times[source], above[source], source)

    def _candidates(self, batch: ChangeBatch, slots: Int64s) -> _Candidates:
        """The waiting rows in `slots`."""
        vector = self._rows.vector(self._node.time_column, slots)
        above = np.full(len(slots), batch.watermark.opening)
        return _Candidates(slots, vector.values // 1000, above, len(batch) + np.arange(len(slots)))

    def _fired(self, batch: ChangeBatch, arrived: _Candidates, waiting: _Candidates) -> tuple[_Candidates, Int64s]:
        """The rows to give out and the events whose watermark step does it; all others wait or are dropped."""
        asked = waiting.slots
        rounds, events, left = [], [], []
        while True:
            found, at = _firsts(batch, waiting.before(arrived))
            due = at < _NEVER
            left.append(found.take(np.flatnonzero(~due)))
            fired, fired_at = found.take(np.flatnonzero(due)), at[due]
            rounds.append(fired)
            events.append(fired_at)
            given_at = batch.processing_time.before(fired_at)
            self._rows.give(fired.slots, given_at)
            waiting, arrived = _NOBODY, self._after(batch, arrived, fired, fired_at)
            if not len(arrived.slots):
                break
        self._wait(batch, asked, left)
        out = rounds[0]
        for more in rounds[1:]:
            out = out.before(more)
        return out, np.concatenate(events)

    def _after(self, batch: ChangeBatch, arrived: _Candidates, fired: _Candidates, events: Int64s) -> _Candidates:
        """The rows that came when it was forgotten that their partition had had its row."""
        if not self._rows.forgets or not len(fired.slots):
            return _NOBODY
        event = np.full(len(self._rows.held), _NEVER)
        event[fired.slots] = events
        seq = batch.seq[arrived.source]
        after = seq > event[arrived.slots]
        forgotten = self._rows.expired(self._rows.written[arrived.slots], batch.processing_time.before(seq))
        rest = arrived.take(np.flatnonzero(after & forgotten))
        self._rows.clear(rest.slots)
        return rest

    def _wait(self, batch: ChangeBatch, asked: Int64s, left: list[_Candidates]) -> None:
        """Hold what has not fired."""
        slots = [self._waiting if len(asked) == 0 else self._waiting[~np.isin(self._waiting, asked)]]
        for candidates in left:
            slots.append(candidates.slots)
            new = candidates.take(np.flatnonzero(candidates.source < len(batch)))
            if len(new.slots):
                rows = batch.rows.take(pa.array(new.source))
                self._rows.put(new.slots, rows, np.full(len(new.slots), _WITHOUT_END))
        self._waiting = np.concatenate(slots)


_NOBODY = _Candidates(*(np.empty(0, np.int64) for _ in range(4)))
_WITHOUT_END = 2**62
"""When a row that knows no TTL was written."""


def _firsts(batch: ChangeBatch, candidates: _Candidates) -> tuple[_Candidates, Int64s]:
    """Of each partition the row that is given out, and the event whose watermark step does it; else the one that waits.

    The row that fires first is one of those with the least time, since a later time never fires before an earlier one.
    """
    beyond = np.maximum(candidates.times, np.minimum(candidates.above, FINAL_WATERMARK - 1) + 1)
    at = batch.watermark.first_reaching(beyond)
    at = np.where(at < 0, _NEVER, at)
    by = np.lexsort((candidates.times, at, candidates.slots))
    slots = candidates.slots[by]
    first = by[np.flatnonzero(np.concatenate([[True], slots[1:] != slots[:-1]]))] if len(by) else by
    return candidates.take(first), at[first]


class KeepLast(Operator):
    """The newest row of each partition, each replacing the one before it: by arrival, or by event time."""

    def __init__(self, context: OperatorContext, node: Deduplicate, *, ttl_ms: int = NO_TTL) -> None:
        self._context = context
        self._node = node
        schema = node.input.schema
        self._rows = KeyedRows(schema, node.partition, range(len(schema)), ttl_ms)

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """For each row that stays -U of the one before it and +U, or +I."""
        (batch,) = inputs
        if not len(batch):
            return batch.with_rows(empty_rows(self._node.schema))
        now = batch.processing_time.before(batch.seq)
        slots = self._rows.slots(batch.rows)
        runs, kept = self._lives(batch, slots, now)
        out = self._changes(batch, runs, kept)
        self._keep(batch, runs, kept, now)
        self._rows.sweep(batch)
        self._context.counters.state_rows = len(self._rows)
        return batch.with_rows(out)

    def snapshot(self) -> dict[str, pa.Table]:
        """The rows that stand."""
        return self._rows.snapshot()

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._rows.restore(state)
        self._context.counters.state_rows = len(self._rows)

    def _lives(self, batch: ChangeBatch, slots: Int64s, now: Int64s) -> tuple[Runs, _Kept]:
        """The runs of rows, a new one wherever the state of a partition has ended, and which rows stay."""
        order = stable_order(slots)
        starts: Bools | None = None
        while True:
            runs = Runs.sorted(order, slots[order], starts)
            kept = self._kept(batch, runs)
            if not self._rows.forgets:
                return runs, kept
            written = runs.lay(self._rows.written[runs.opening], now[order])
            ended = (kept.before >= 0) & self._rows.expired(written[kept.before], now[order])
            # Only the first end of a run is certain: what follows it is decided again.
            run = np.repeat(np.arange(len(runs.heads)), runs.lengths - 1)
            ended_at = np.flatnonzero(ended)
            ended_at = ended_at[np.unique(run[ended_at], return_index=True)[1]]
            if not len(ended_at):
                return runs, kept
            starts = np.zeros(len(order), np.bool_) if starts is None else starts.copy()
            starts[ended_at] = True

    def _kept(self, batch: ChangeBatch, runs: Runs) -> _Kept:
        """Which rows stay when they come, and which row stood before each."""
        held = self._rows.held[runs.opening]
        stays = np.ones(len(runs.order), np.bool_)
        if not self._node.by_arrival:
            column = self._node.time_column
            times = _milliseconds(batch.rows, column)[runs.order]
            opening = np.where(held, self._rows.vector(column, runs.opening).values // 1000, _LOWEST)
            laid = runs.lay(opening, times)
            greatest, _ = running_extreme(laid, np.ones(runs.size, np.bool_), runs, largest=True)
            stays = times >= greatest[runs.rows - 1]
        standing = np.ones(runs.size, np.bool_)
        standing[runs.heads] = held
        if self._node.by_arrival and not self._rows.forgets:
            stays &= ~self._unchanged(batch, runs, standing[runs.rows - 1])
        standing[runs.rows] = stays
        latest = running_latest(standing, runs)
        return _Kept(stays, latest[runs.rows - 1], latest[runs.tails])

    def _changes(self, batch: ChangeBatch, runs: Runs, kept: _Kept) -> pa.Table:
        """The output rows; notes which partitions have had an update."""
        gives = kept.stays
        updates = gives & (kept.before >= 0)
        self._note_updates(runs, updates)
        source = np.empty(runs.size, np.int64)
        source[runs.rows] = runs.order
        source[runs.heads] = len(batch) + np.arange(len(runs.heads))
        rows = np.full((len(runs.order), 2), _NOTHING)
        rows[runs.order[updates], 0] = source[kept.before[updates]]
        rows[runs.order[gives], 1] = runs.order[gives]
        kinds = np.full(len(runs.order), RowKind.INSERT, np.int8)
        kinds[runs.order[updates]] = RowKind.UPDATE_AFTER
        place = np.flatnonzero(rows.ravel() != _NOTHING)
        kind = np.where(place % 2 == 0, np.int8(RowKind.UPDATE_BEFORE), kinds[place // 2])
        seq = batch.seq[place // 2]
        columns = self._rows.picked(batch.rows, runs.opening, rows.ravel()[place])
        return make_rows(self._node.schema, columns, kind, seq, renumbered(seq))

    def _unchanged(self, batch: ChangeBatch, runs: Runs, follows: Bools) -> Bools:
        """The rows that are no update because they equal the first row of their partition and all between.

        `follows` says which rows have another before them.
        """
        held = self._rows.held[runs.opening]
        fresh = held & ~self._rows.updated[runs.opening]
        if not (fresh.any() or (~held & (runs.lengths > 2)).any()):
            return np.zeros(len(runs.order), np.bool_)
        laid = [self._laid(batch, runs, column) for column in self._node.compared]
        differs = np.zeros(runs.size, np.bool_)
        differs[runs.heads] = self._rows.updated[runs.opening]
        differs[runs.rows] = changed(laid, runs.rows) & follows
        return ~running_any(differs, runs)[runs.rows] & follows

    def _laid(self, batch: ChangeBatch, runs: Runs, column: int) -> Vector:
        """A column of the rows in runs, headed by those held before."""
        opening = self._rows.vector(column, runs.opening)
        rows = from_arrow(batch.rows.column(column), self._node.schema.types[column]).take(runs.order)
        return runs.lay_vectors(opening, rows)

    def _note_updates(self, runs: Runs, updates: Bools) -> None:
        flags = np.zeros(runs.size, np.bool_)
        flags[runs.heads] = self._rows.updated[runs.opening]
        flags[runs.rows] = updates
        closing = runs.closing != NO_SLOT
        self._rows.updated[runs.closing[closing]] = running_any(flags, runs)[runs.tails][closing]

    def _keep(self, batch: ChangeBatch, runs: Runs, kept: _Kept, now: Int64s) -> None:
        """Hold the last row of every run that stays."""
        row = np.full(runs.size, -1)
        row[runs.rows] = runs.order
        last = row[kept.last]
        new = (last >= 0) & (kept.last >= 0) & (runs.closing != NO_SLOT)
        rows = last[new]
        self._rows.put(runs.closing[new], batch.rows.take(pa.array(rows)), now[rows])


@dataclass(frozen=True, slots=True)
class _Kept:
    """What becomes of each row, in the order of the runs."""

    stays: Bools
    before: Int64s
    """The element that stood before it, -1 for none."""
    last: Int64s
    """Per run the element that stands at its end, -1 for none."""


_NOTHING = np.int64(-1)
_LOWEST = -(2**63)


def _milliseconds(rows: pa.Table, column: int) -> Int64s:
    """A timestamp column without NULL."""
    times: Int64s = np.asarray(rows.column(column).cast(pa.int64())) // 1000
    return times


def _picked(rows: pa.Table, held: Sequence[Any], source: Int64s) -> list[Any]:
    """The columns of the rows `source`, which counts through `rows` and then those of `held`."""
    at = pa.array(source)
    return [pa.concat_arrays([single_array(rows.column(i)), h]).take(at) for i, h in enumerate(held)]


def _in_order(batch: ChangeBatch, positions: Int64s) -> pa.Table:
    """The rows at ascending positions, those of one event numbered from 0."""
    rows = batch.rows.take(pa.array(positions))
    sub = pa.array(renumbered(batch.seq[positions]), pa.int32())
    return rows.set_column(rows.schema.get_field_index("sub"), "sub", sub)

"""GROUP BY without windows: every input row changes its group's result.

The rules are those of Flink's GroupAggFunction. The first row of a group gives +I, each later one -U with the old and
+U with the new result. When both are equal nothing is given out (state TTL is off), unless the job asks for an update
per input row. When the last row of a group is taken back the group ends with -D, and its next row is a first one again.
A row that takes back from a group that has no rows is ignored. Without keys there is one group, which does not exist
before its first row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, ChangeBatch, Int8s, Int64s, RowKind, empty_rows, make_rows, renumbered
from velo_engine.operators.accumulators import AggregateCalls, StateColumn
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.changes import NOTHING, change_rows, changed
from velo_engine.operators.keyed_rows import NO_TTL
from velo_engine.operators.keys import KeyDictionary
from velo_engine.operators.runs import NO_SLOT, Runs, running_extreme, running_sum, stable_order
from velo_engine.operators.vectors import Vector, to_arrow
from velo_engine.plan import nodes
from velo_engine.schema import RowSchema
from velo_engine.types import BIGINT

_FEWEST_KEYS = 1024


class GroupAggregate(Operator):
    """Turns input rows into the changelog of their groups.

    The state of group code *g* is in slot *g + 1* of the accumulators. With `retracting` the input may take rows back;
    calls that cannot follow are refused. Without it, a batch that takes rows back is followed if every call can. Calls
    at positions `unretracted` ignore what is taken back (see plan/monotonicity.py).
    """

    def __init__(
        self,
        context: OperatorContext,
        node: nodes.GroupAggregate,
        input_schema: RowSchema,
        *,
        retracting: bool = False,
        unretracted: frozenset[int] = frozenset(),
        ttl_ms: int = NO_TTL,
    ) -> None:
        self._context = context
        self._node = node
        self._input = input_schema
        self._retracting = retracting
        self._unretracted = unretracted
        self._calls = self._new_calls()
        self._keys = self._new_keys()
        self._records = StateColumn(BIGINT)
        self._ttl_ms = ttl_ms
        self._written = StateColumn(BIGINT)
        """Processing time of a group's last row."""
        self._sweep_at = -(2**63)
        self._live = 0
        self._none = empty_rows(node.schema)

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The changes of the groups: for each input row that changes a result one row or two."""
        (batch,) = inputs
        if len(batch) == 0:
            return batch.with_rows(self._none)
        slots = self._slots(batch.rows)
        takes_back = batch.kind & 1
        sign = None
        if takes_back.any():
            self._calls.refuse_retraction()
            sign = 1 - 2 * takes_back
        now = batch.processing_time.before(batch.seq)
        steps = self._appended(slots, now) if sign is None else self._lived(slots, sign, now)
        if len(steps.runs.order) == 0:
            return batch.with_rows(self._none)
        results = self._calls.run(steps.runs, batch.rows, None, sign)
        self._close(steps, now)
        out = self._changes(batch, steps, results)
        self._sweep(batch.processing_time.closing)
        return batch.with_rows(out)

    def snapshot(self) -> dict[str, pa.Table]:
        """The groups that have rows: keys, row counts and accumulators."""
        slots = np.flatnonzero(self._records.values > 0)
        records, written = self._records.values[slots], self._written.values[slots]
        tables = {"groups": pa.table({"slot": slots, "records": records, "written": written})}
        if self._keys is not None:
            tables["keys"] = self._keys.snapshot()
        return tables | self._calls.snapshot(slots)

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Replace the state by a snapshot."""
        groups = state["groups"]
        slots = groups.column("slot").to_numpy()
        self._calls = self._new_calls()
        self._records, self._written = StateColumn(BIGINT), StateColumn(BIGINT)
        self._keys = self._new_keys()
        if self._keys is not None:
            self._keys.restore(state["keys"])
        self._reserve()
        self._records.values[slots] = groups.column("records").to_numpy()
        self._written.values[slots] = groups.column("written").to_numpy()
        self._live = len(slots)
        self._calls.restore(state)
        self._context.counters.state_rows = self._live

    def _new_calls(self) -> AggregateCalls:
        return AggregateCalls(self._node.calls, self._input, retracting=self._retracting, unretracted=self._unretracted)

    def _new_keys(self) -> KeyDictionary | None:
        types = self._input.select(self._node.keys).types
        return KeyDictionary(types) if types else None

    def _slots(self, rows: pa.Table) -> Int64s:
        """The slot of each row's group."""
        if self._keys is None:
            slots = np.ones(rows.num_rows, np.int64)
        else:
            slots = self._keys.encode([rows.column(i) for i in self._node.keys]) + 1
        self._reserve()
        return slots

    def _reserve(self) -> None:
        room = 2 if self._keys is None else self._keys.capacity + 1
        self._records.reserve(room)
        self._written.reserve(room)
        self._calls.reserve(room)

    def _appended(self, slots: Int64s, now: Int64s) -> _Steps:
        """The steps of rows that only add."""
        order = stable_order(slots)
        runs = Runs.sorted(order, slots[order], self._expired(slots[order], now[order]))
        held = self._records.values[runs.opening]
        first = np.zeros(len(slots), np.bool_)
        first[runs.starts] = held == 0
        return _Steps(runs, first, None, held + runs.lengths - 1)

    def _expired(self, slots: Int64s, now: Int64s) -> Bools | None:
        """The rows, in the order of their groups, before which the group's state has ended; None without TTL.

        Every row writes the state, so that its age is the distance to the row before.
        """
        if self._ttl_ms == NO_TTL:
            return None
        written = np.concatenate([now[:1], now[:-1]])
        starts = np.concatenate([[True], slots[1:] != slots[:-1]])
        written[starts] = self._written.values[slots[starts]]
        gone: Bools = written + self._ttl_ms <= now
        return gone

    def _sweep(self, now: int) -> None:
        """Once per TTL: forget the groups whose state has ended."""
        if self._ttl_ms == NO_TTL or now < self._sweep_at:
            return
        self._sweep_at = now + self._ttl_ms
        ended = np.flatnonzero((self._records.values > 0) & (self._written.values + self._ttl_ms <= now))
        if len(ended):
            self._records.values[ended] = 0
            self._calls.clear(ended)
            self._live -= len(ended)
            self._forget_keys()
        self._context.counters.state_rows = self._live

    def _lived(self, slots: Int64s, sign: Int8s, now: Int64s) -> _Steps:
        """The steps of rows that add and take back; each life of a group is a run of its own.

        A group's count never falls below zero: a row that takes back from nothing is left out. So the count after a
        row is the free running count less the least value below zero that it has reached.
        """
        order = stable_order(slots)
        runs = Runs.sorted(order, slots[order], self._expired(slots[order], now[order]))
        free = running_sum(runs.lay(self._records.values[runs.opening], sign[order].astype(np.int64)), runs)
        lowest, _ = running_extreme(free, np.ones(runs.size, np.bool_), runs, largest=False)
        counts = free - np.minimum(lowest, 0)
        before, after = counts[runs.rows - 1], counts[runs.rows]
        kept = (sign[order] > 0) | (before > 0)
        order, first, after = order[kept], before[kept] == 0, after[kept]
        if len(order) == 0:
            return _Steps(replace(runs, order=order), first, None, after)
        lives = Runs.sorted(order, slots[order], first)
        ends = np.append(lives.starts[1:], len(order)) - 1
        return _Steps(lives, first, after == 0, after[ends])

    def _close(self, steps: _Steps, now: Int64s) -> None:
        """Remember the groups' row counts; forget the groups that ended."""
        runs = steps.runs
        kept = runs.closing != NO_SLOT
        slots, records = runs.closing[kept], steps.records[kept]
        was = self._records.values[slots] > 0
        self._records.values[slots] = records
        if self._ttl_ms != NO_TTL:
            last = np.append(runs.starts[1:], len(runs.order)) - 1
            self._written.values[slots] = now[runs.order[last[kept]]]
        ended = slots[records == 0]
        self._live += int((records > 0).sum()) - int(was.sum())
        if len(ended):
            self._calls.clear(ended)
            self._forget_keys()
        self._context.counters.state_rows = self._live

    def _forget_keys(self) -> None:
        """Free the codes of ended groups once they are the majority: forgetting costs time in the number of keys."""
        if self._keys is not None and len(self._keys) > max(_FEWEST_KEYS, 2 * self._live):
            codes = self._keys.codes()
            self._keys.free(codes[self._records.values[codes + 1] == 0])

    def _changes(self, batch: ChangeBatch, steps: _Steps, results: list[Vector]) -> pa.Table:
        """The output rows."""
        old, new = self._emitted(steps, results)
        rows = change_rows(steps.runs, old, new)
        source = pa.array(rows.source)
        columns = [batch.rows.column(i).take(source) for i in self._node.keys]
        columns += [to_arrow(v.take(rows.element), c.type) for v, c in zip(results, self._node.calls, strict=True)]
        seq = batch.seq[rows.source]
        return make_rows(self._node.schema, columns, rows.kind, seq, renumbered(seq))

    def _emitted(self, steps: _Steps, results: list[Vector]) -> tuple[Int8s, Int8s]:
        """For each row of the runs the kind of the old result and of the new one, or nothing."""
        updates = ~steps.first
        if steps.last is not None:
            updates &= ~steps.last
        # With a TTL every row is an update: it must keep the state behind it alive.
        if not (self._context.emit_unchanged or self._ttl_ms != NO_TTL or self._calls.always_change):
            updates &= changed(results, steps.runs.rows)
        old = np.where(updates, RowKind.UPDATE_BEFORE, NOTHING).astype(np.int8)
        new = np.where(updates, RowKind.UPDATE_AFTER, NOTHING).astype(np.int8)
        new[steps.first] = RowKind.INSERT
        if steps.last is not None:
            old[steps.last] = RowKind.DELETE
        return old, new


@dataclass(frozen=True, slots=True)
class _Steps:
    """What each row does to the existence of its group, in the order of the runs."""

    runs: Runs
    first: Bools
    """The row opens its group."""
    last: Bools | None
    """The row takes the last one of its group back; None when none does."""
    records: Int64s
    """Rows in the group after each run."""

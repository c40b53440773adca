"""Joins each row of the left side with the version that its key had on the right side at the row's event time.

Which row leaves when, and with which version, is decided in `version_state`; here is what the result looks like. A
version that deletes is no match, and neither is one that the condition refuses: a left join then pads the left row.

Source: Flink's TemporalRowTimeJoinOperator. As there, NULL keys are equal to each other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from velo_engine.batch import (
    ChangeBatch,
    Int8s,
    Int64s,
    RowKind,
    empty_rows,
    lower_watermark,
    make_rows,
    numpy_column,
    renumbered,
)
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.held_rows import NO_SLOT, HeldRows
from velo_engine.operators.interval_cache import Arrivals, Meetings
from velo_engine.operators.join_inputs import JoinKeys, event_times, merge_order
from velo_engine.operators.pair_condition import PairCondition
from velo_engine.operators.version_state import VersionState
from velo_engine.plan import nodes
from velo_engine.plan.nodes import JoinKind

_SIDES = ("left", "right")


class TemporalJoin(Operator):
    """See `plan.nodes.TemporalJoin`."""

    def __init__(self, context: OperatorContext, node: nodes.TemporalJoin) -> None:
        self._context = context
        self._node = node
        left, right = node.left.schema, node.right.schema
        self._keys = JoinKeys(left, node.left_keys, node.right_keys)
        self._rows = (HeldRows(left.types), HeldRows(right.types))
        self._kinds = [np.zeros(0, np.int8), np.zeros(0, np.int8)]
        """Of each side by slot."""
        self._condition = None if node.condition is None else PairCondition(context, node.condition)
        self._versions = VersionState()

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The left rows whose time has come, in the order of the events that brought it."""
        left, right = inputs
        if not self._node.sees_update_before and len(right):
            right = right.with_rows(right.rows.filter(pa.array(right.kind != RowKind.UPDATE_BEFORE)))
        watermark = lower_watermark(left.watermark, right.watermark)
        meetings = self._versions.run(self._arrivals(left, right), watermark)
        rows = self._output(meetings)
        self._rows[0].free(meetings.left)
        self._rows[1].free(meetings.forgotten[1])
        if self._keys.wants_freeing(len(self._versions)):
            self._keys.free_all_but(self._versions.keys())
        self._context.counters.state_rows = sum(map(len, self._rows))
        return ChangeBatch(rows, left.first_seq, left.end_seq, watermark, left.processing_time)

    def snapshot(self) -> dict[str, pa.Table]:
        """The keys, the state of each, and the rows."""
        tables = {**self._keys.snapshot(), **self._versions.snapshot()}
        for name, rows, kinds in zip(_SIDES, self._rows, self._kinds, strict=True):
            slots = rows.slots()
            names = ["slot", "kind", *(f"c{i}" for i in range(rows.width))]
            tables[name] = pa.table([pa.array(slots), pa.array(kinds[slots]), *rows.columns(slots)], names=names)
        return tables

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._keys.restore(state)
        self._versions.restore(state)
        for side, (name, rows) in enumerate(zip(_SIDES, self._rows, strict=True)):
            slots = numpy_column(state[name], "slot")
            rows.restore(slots, state[name].columns[2:])
            self._kinds[side] = np.zeros(rows.capacity, np.int8)
            self._kinds[side][slots] = numpy_column(state[name], "kind")

    def _arrivals(self, left: ChangeBatch, right: ChangeBatch) -> Arrivals:
        codes, times, slots = [], [], []
        columns = (self._node.left_time, self._node.right_time)
        for side, (batch, time) in enumerate(zip((left, right), columns, strict=True)):
            codes.append(self._keys.encode(batch, right=bool(side))[0])
            times.append(event_times(batch, time))
            rows = self._rows[side]
            slots.append(rows.add(batch.rows.columns[: rows.width], len(batch)))
            kinds = self._kinds[side]
            if len(kinds) < rows.capacity:
                kinds = np.append(kinds, np.zeros(max(rows.capacity, 2 * len(kinds)) - len(kinds), np.int8))
            kinds[slots[side]] = batch.kind
            self._kinds[side] = kinds
        order = merge_order(left, right)
        return Arrivals(
            right=np.repeat([False, True], [len(left), len(right)])[order],
            seq=np.concatenate([left.seq, right.seq])[order],
            key=np.concatenate(codes)[order],
            time=np.concatenate(times)[order],
            slot=np.concatenate(slots)[order],
        )

    def _output(self, meetings: Meetings) -> pa.Table:
        if not len(meetings.seq):
            return empty_rows(self._node.schema)
        seq, left = meetings.seq, meetings.left
        right = self._matched(left, meetings.right)
        if self._node.kind is JoinKind.INNER:
            pairs = right != NO_SLOT
            seq, left, right = seq[pairs], left[pairs], right[pairs]
        columns = [*self._rows[0].columns(left), *self._rows[1].columns(right)]
        kinds: Int8s = self._kinds[0][left]
        return make_rows(self._node.schema, columns, kinds, seq, renumbered(seq))

    def _matched(self, left: Int64s, right: Int64s) -> Int64s:
        """The version of each left row, NO_SLOT where it deletes or does not satisfy the condition."""
        found = np.flatnonzero(right != NO_SLOT)
        # -U and -D have odd numbers.
        ends = self._kinds[1][right[found]] & 1 == 1
        right[found[ends]] = NO_SLOT
        found = found[~ends]
        if self._condition is not None and len(found):
            columns = [*self._rows[0].columns(left[found]), *self._rows[1].columns(right[found])]
            right[found[~self._condition.holds(columns, len(found))]] = NO_SLOT
        return right

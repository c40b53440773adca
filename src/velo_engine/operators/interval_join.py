"""Joins of two append-only streams whose times bound each other.

Which rows meet, and when a row leaves, is decided without looking at the join's condition (`interval_cache`); the
condition is then evaluated over all pairs that met. A row that leaves without ever having been joined is given out
padded when its side is an outer one.

Source: Flink's TimeIntervalJoin, IntervalJoinFunction and KeyedCoProcessOperatorWithWatermarkDelay.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from velo_engine.batch import (
    FINAL_WATERMARK,
    INITIAL_WATERMARK,
    Bools,
    ChangeBatch,
    Int64s,
    StepFunction,
    empty_rows,
    lower_watermark,
    make_rows,
    numpy_column,
    renumbered,
)
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.held_rows import NO_SLOT, HeldRows
from velo_engine.operators.interval_cache import Arrivals, IntervalCache, Meetings
from velo_engine.operators.interval_index import IntervalIndex
from velo_engine.operators.join_inputs import JoinKeys, event_times, merge_order
from velo_engine.operators.pair_condition import PairCondition
from velo_engine.plan import nodes
from velo_engine.plan.nodes import JoinKind

_SIDES = ("left", "right")


class IntervalJoin(Operator):
    """See `plan.nodes.IntervalJoin`."""

    def __init__(self, context: OperatorContext, node: nodes.IntervalJoin) -> None:
        self._context = context
        self._node = node
        left, right = node.left.schema, node.right.schema
        self._keys = JoinKeys(left, node.left_keys, node.right_keys, node.null_safe_keys)
        self._rows = (HeldRows(left.types), HeldRows(right.types))
        self._joined = [np.zeros(0, np.bool_), np.zeros(0, np.bool_)]
        """Of each side by slot, whether a row was joined."""
        self._outer = (node.kind in (JoinKind.LEFT, JoinKind.FULL), node.kind in (JoinKind.RIGHT, JoinKind.FULL))
        self._condition = None if node.condition is None else PairCondition(context, node.condition)
        self._cache: IntervalIndex | IntervalCache = IntervalIndex(node.lower_ms, node.upper_ms)

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The pairs that both inputs make, and the unmatched rows that leave, in the order of their events."""
        left, right = inputs
        node = self._node
        watermark = lower_watermark(left.watermark, right.watermark)
        clock = left.processing_time if node.left_time is None else watermark
        arrivals, matching = self._arrivals(left, right)
        if node.lower_ms > node.upper_ms:
            meetings = _passing(arrivals)
        else:
            if isinstance(self._cache, IntervalIndex) and not self._cache.takes(arrivals):
                index, self._cache = self._cache, IntervalCache(node.lower_ms, node.upper_ms)
                self._cache.restore(index.snapshot())
            meetings = self._cache.run(arrivals, clock, matching, INITIAL_WATERMARK if node.left_time is None else 0)
        rows = self._output(meetings)
        self._release(meetings)
        self._context.counters.state_rows = sum(map(len, self._rows))
        held_back = delayed(watermark, node.watermark_delay_ms)
        return ChangeBatch(rows, left.first_seq, left.end_seq, held_back, left.processing_time)

    def snapshot(self) -> dict[str, pa.Table]:
        """The keys, the caches, and the rows in them."""
        tables = {**self._keys.snapshot(), **self._cache.snapshot()}
        if isinstance(self._cache, IntervalCache):
            tables["row_by_row"] = pa.table({})
        for name, rows, joined in zip(_SIDES, self._rows, self._joined, strict=True):
            slots = rows.slots()
            names = ["slot", "joined", *(f"c{i}" for i in range(rows.width))]
            tables[name] = pa.table([pa.array(slots), pa.array(joined[slots]), *rows.columns(slots)], names=names)
        return tables

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._keys.restore(state)
        if "row_by_row" in state:
            self._cache = IntervalCache(self._node.lower_ms, self._node.upper_ms)
        self._cache.restore(state)
        for side, (name, rows) in enumerate(zip(_SIDES, self._rows, strict=True)):
            slots = numpy_column(state[name], "slot")
            rows.restore(slots, state[name].columns[2:])
            self._joined[side] = np.zeros(rows.capacity, np.bool_)
            self._joined[side][slots] = state[name].column("joined").to_numpy()

    def _arrivals(self, left: ChangeBatch, right: ChangeBatch) -> tuple[Arrivals, Bools]:
        """The rows of both inputs in order, in their slots; and by key code whether its rows can match."""
        codes, complete, times, slots = [], [], [], []
        for side, (batch, time) in enumerate(
            zip((left, right), (self._node.left_time, self._node.right_time), strict=True)
        ):
            code, valid = self._keys.encode(batch, right=bool(side))
            codes.append(code)
            complete.append(np.ones(len(batch), np.bool_) if valid is None else valid)
            times.append(batch.processing_time.before(batch.seq) if time is None else event_times(batch, time))
            rows = self._rows[side]
            slots.append(rows.add(batch.rows.columns[: rows.width], len(batch)))
            self._joined[side] = _cleared(self._joined[side], slots[side], rows.capacity)
        order = merge_order(left, right)
        key = np.concatenate(codes)
        matching = np.ones(self._keys.capacity, np.bool_)
        matching[key] = np.concatenate(complete)
        return Arrivals(
            right=np.repeat([False, True], [len(left), len(right)])[order],
            seq=np.concatenate([left.seq, right.seq])[order],
            key=key[order],
            time=np.concatenate(times)[order],
            slot=np.concatenate(slots)[order],
        ), matching

    def _output(self, meetings: Meetings) -> pa.Table:
        if not len(meetings.seq):
            return empty_rows(self._node.schema)
        shown = self._shown(meetings.left, meetings.right)
        seq, left, right = meetings.seq[shown], meetings.left[shown], meetings.right[shown]
        columns = [*self._rows[0].columns(left), *self._rows[1].columns(right)]
        return make_rows(self._node.schema, columns, np.zeros(len(seq), np.int8), seq, renumbered(seq))

    def _shown(self, left: Int64s, right: Int64s) -> Bools:
        """Which meetings are rows of the result: pairs that satisfy the condition, outer rows that never did."""
        shown: Bools = (left != NO_SLOT) & (right != NO_SLOT)
        if self._condition is not None and shown.any():
            pairs = np.flatnonzero(shown)
            columns = [*self._rows[0].columns(left[pairs]), *self._rows[1].columns(right[pairs])]
            shown[pairs] = self._condition.holds(columns, len(pairs))
        for slots, others, outer, joined in zip((left, right), (right, left), self._outer, self._joined, strict=True):
            if outer:
                joined[slots[shown & (others != NO_SLOT)]] = True
        for slots, others, outer, joined in zip((left, right), (right, left), self._outer, self._joined, strict=True):
            if outer:
                leaving = np.flatnonzero(others == NO_SLOT)
                shown[leaving] = ~joined[slots[leaving]]
        return shown

    def _release(self, meetings: Meetings) -> None:
        """Give up the rows that left, and the keys without rows."""
        left, right = meetings.left, meetings.right
        for rows, own, other, forgotten in zip(
            self._rows, (left, right), (right, left), meetings.forgotten, strict=True
        ):
            rows.free(np.concatenate([own[other == NO_SLOT], forgotten]))
        if self._keys.wants_freeing(len(self._cache)):
            self._keys.free_all_but(self._cache.keys())


def delayed(watermark: StepFunction, delay_ms: int) -> StepFunction:
    """The watermark of an operator that gives out rows up to `delay_ms` older than its own."""
    if delay_ms == 0:
        return watermark
    values = np.where(watermark.values == FINAL_WATERMARK, FINAL_WATERMARK, watermark.values - delay_ms)
    opening = watermark.opening
    if opening not in (INITIAL_WATERMARK, FINAL_WATERMARK):
        opening -= delay_ms
    return StepFunction(opening, watermark.seqs, values)


def _passing(arrivals: Arrivals) -> Meetings:
    """Every row leaves at once: bounds that no time satisfies."""
    missing = np.full(len(arrivals.seq), NO_SLOT)
    left = np.where(arrivals.right, missing, arrivals.slot)
    right = np.where(arrivals.right, arrivals.slot, missing)
    nothing = np.empty(0, np.int64)
    return Meetings(arrivals.seq, left, right, (nothing, nothing))


def _cleared(flags: Bools, slots: Int64s, capacity: int) -> Bools:
    """`flags` with room for `capacity` slots, false at `slots`."""
    if len(flags) < capacity:
        flags = np.append(flags, np.zeros(max(capacity, 2 * len(flags)) - len(flags), np.bool_))
    flags[slots] = False
    cleared: Bools = flags
    return cleared

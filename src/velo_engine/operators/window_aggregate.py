"""GROUP BY within event-time windows: TUMBLE, HOP and CUMULATE.

Rules (Flink's WindowAggOperator; for the allowed lateness its AggregateWindowOperator with
`table.exec.emit.allow-lateness` and a late-fire delay of 0):

* A row is late for a window when the watermark before it has reached `end - 1 ms` plus the allowed lateness. Each
  window counts by itself: HOP may drop a row from one window and keep it in the next.
* Emit.FINAL: a window is given out by the event whose watermark step reaches `end - 1 ms`. A later row that the allowed
  lateness still lets in gives -U and +U at once (+I when it is the first of its key in the window), and nothing when
  the result stays the same.
* Emit.CHANGES (Velostream): every accepted row gives the new result of each of its windows at once; nothing more is
  given out when a window closes.
* Windows completed by one step come by ascending end, and within a window by the arrival of each key's first row;
  Flink promises no order among keys.
* The state of a window goes when the watermark reaches `end - 1 ms` plus the allowed lateness.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import (
    INITIAL_WATERMARK,
    Bools,
    ChangeBatch,
    Int8s,
    Int64s,
    RowKind,
    empty_rows,
    make_rows,
    numpy_column,
    renumbered,
)
from velo_engine.operators.accumulators import AggregateCalls
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.changes import NOTHING, change_rows, changed
from velo_engine.operators.keys import KeyDictionary
from velo_engine.operators.runs import Runs
from velo_engine.operators.session_time import SessionTime
from velo_engine.operators.vectors import Vector, enlarged, from_arrow, to_arrow
from velo_engine.operators.window_assigner import WindowAssigner
from velo_engine.operators.window_slots import WindowSlots
from velo_engine.plan import nodes
from velo_engine.plan.nodes import Emit, WindowKind
from velo_engine.schema import RowSchema
from velo_engine.types import TypeName

_FEWEST_KEYS = 1024
_FAR = 2**62


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Rows and the windows that take them, in order of rows."""

    rows: Int64s
    """Position among the batch's rows."""
    codes: Int64s
    """Key code of the row."""
    windows: Int64s
    """Position in `ends`."""
    complete: Bools
    """The window was complete before the row: the row is a late update of it."""
    ends: Int64s
    thresholds: Int64s
    """The watermark that completes each window."""

    def take(self, chosen: Bools) -> _Pairs:
        """Some of the pairs."""
        return replace(
            self,
            rows=self.rows[chosen],
            codes=self.codes[chosen],
            windows=self.windows[chosen],
            complete=self.complete[chosen],
        )


class WindowAggregate(Operator):
    """Turns rows into results of their windows. The input only appends (the planner sees to it)."""

    def __init__(self, context: OperatorContext, node: nodes.WindowAggregate, input_schema: RowSchema) -> None:
        self._context = context
        self._node = node
        self._input = input_schema
        local = input_schema.types[node.time_column].name is TypeName.TIMESTAMP_LTZ
        self._assigner = WindowAssigner(node.window, SessionTime(context.time_zone if local else None))
        self._start()

    def _start(self) -> None:
        """The state before any row."""
        types = self._input.select(self._node.keys).types
        self._keys = KeyDictionary(types) if types else None
        self._references = np.zeros(1, np.int64)
        self._sweep_keys_at = _FEWEST_KEYS
        self._slots = WindowSlots()
        self._calls = AggregateCalls(self._node.calls, self._input, retracting=False)
        self._incomplete: list[tuple[int, int]] = []
        self._open: list[tuple[int, int]] = []
        self._watermark = INITIAL_WATERMARK

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The results that rows and watermark steps of the batch cause."""
        (batch,) = inputs
        pieces: list[pa.Table] = []
        late = None
        if len(batch):
            pairs = self._accepted(batch)
            if self._node.emit is Emit.CHANGES:
                pieces += self._updates(batch, pairs)
            elif pairs.complete.any():
                self._fold(batch, pairs.take(~pairs.complete))
                late = pairs.take(pairs.complete)
            else:
                self._fold(batch, pairs)
        fired = self._fired(batch)
        if late is not None:
            # Late updates follow the first result of their window, but stand before what their own event completes.
            pieces += self._updates(batch, late)
        self._close(batch.watermark.closing)
        return batch.with_rows(_merged([*pieces, *fired], self._node.schema))

    def snapshot(self) -> dict[str, pa.Table]:
        """The open windows of all keys, and the watermark up to which windows have been given out."""
        slots = np.flatnonzero(self._slots.births)
        tables = {"windows": self._slots.snapshot(), "clock": pa.table({"watermark": [self._watermark]})}
        if self._keys is not None:
            tables["keys"] = self._keys.snapshot()
        return tables | self._calls.snapshot(slots)

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Replace the state by a snapshot."""
        self._start()
        if self._keys is not None:
            self._keys.restore(state["keys"])
        self._slots.restore(state["windows"])
        self._reserve()
        np.add.at(self._references, state["windows"].column("code").to_numpy(), 1)
        self._calls.restore(state)
        self._watermark = state["clock"].column("watermark")[0].as_py()
        ends = np.array(self._slots.open_ends, np.int64)
        self._schedule(ends.tolist(), ends, self._assigner.thresholds(ends))
        self._context.counters.state_rows = self._slots.live

    def _accepted(self, batch: ChangeBatch) -> _Pairs:
        """The rows with those of their windows that still take them; hands late rows over."""
        time = from_arrow(batch.rows.column(self._node.time_column), self._input.types[self._node.time_column])
        assert time.valid is None, "AssignWatermark lets no row without event time pass"
        assigned = self._assigner.assign(time.values // 1000)
        thresholds = self._assigner.thresholds(assigned.ends)
        watermark = batch.watermark.before(batch.seq)
        codes = np.zeros(len(batch), np.int64)
        if self._keys is not None:
            codes = self._keys.encode([batch.rows.column(i) for i in self._node.keys])
        pairs = _Pairs(
            assigned.rows,
            codes[assigned.rows],
            assigned.windows,
            np.zeros(len(assigned.rows), np.bool_),
            assigned.ends,
            thresholds,
        )
        if len(pairs.rows) == 0 or int(watermark[-1]) < int(thresholds.min()):
            return pairs
        reached = watermark[pairs.rows]
        taken = reached < (thresholds + self._node.allowed_lateness_ms)[pairs.windows]
        if not taken.all():
            self._hand_over(batch, watermark, pairs, taken)
        if self._node.allowed_lateness_ms:
            pairs = replace(pairs, complete=reached >= thresholds[pairs.windows])
        return pairs.take(taken)

    def _hand_over(self, batch: ChangeBatch, watermark: Int64s, pairs: _Pairs, taken: Bools) -> None:
        """Count rows that are late for all of their windows or for some, and give the former away."""
        some, every = np.zeros(len(batch), np.bool_), np.zeros(len(batch), np.bool_)
        some[pairs.rows[taken]] = True
        every[pairs.rows[~taken]] = True
        late = np.flatnonzero(every & ~some)
        self._context.counters.partly_late += int((every & some).sum())
        if len(late):
            self._context.counters.late += len(late)
            last_window = np.zeros(len(batch), np.int64)
            last_window[pairs.rows] = pairs.windows
            closed_at = (pairs.thresholds + self._node.allowed_lateness_ms)[last_window[late]]
            lateness = np.minimum(watermark[late], _FAR) - closed_at
            self._context.late(batch.rows.take(pa.array(late)), lateness)

    def _located(self, pairs: _Pairs) -> tuple[Int64s, Int64s]:
        """The slot of each pair, and the slots that are new."""
        slots, opened, fresh = self._slots.find_or_open(pairs.codes, pairs.windows, pairs.ends)
        if len(opened):
            self._reserve()
            np.add.at(self._references, self._slots.codes[opened], 1)
        if fresh:
            self._schedule(fresh, pairs.ends, pairs.thresholds)
        return slots, opened

    def _reserve(self) -> None:
        self._calls.reserve(self._slots.capacity)
        codes = 1 if self._keys is None else self._keys.capacity
        if codes > len(self._references):
            self._references = enlarged(self._references, 2 * codes)

    def _schedule(self, fresh: list[int], ends: Int64s, thresholds: Int64s) -> None:
        """Note when the new windows `fresh` are complete and when they close."""
        completing = thresholds[np.searchsorted(ends, np.array(fresh, np.int64))].tolist()
        for end, threshold in zip(fresh, completing, strict=True):
            heapq.heappush(self._open, (threshold + self._node.allowed_lateness_ms, end))
            if threshold > self._watermark and self._node.emit is Emit.FINAL:
                heapq.heappush(self._incomplete, (threshold, end))

    def _fold(self, batch: ChangeBatch, pairs: _Pairs) -> None:
        """Add rows to windows that are not complete."""
        if len(pairs.rows):
            slots, _ = self._located(pairs)
            every = len(pairs.rows) == len(batch) and self._node.window.kind is WindowKind.TUMBLE
            self._calls.fold(slots, batch.rows, None if every else pairs.rows)

    def _updates(self, batch: ChangeBatch, pairs: _Pairs) -> list[pa.Table]:
        """Add rows to windows and give out each new result at once."""
        if len(pairs.rows) == 0:
            return []
        slots, opened = self._located(pairs)
        runs = Runs.of(slots)
        results = self._calls.run(runs, batch.rows, pairs.rows, None)
        first = np.zeros(len(slots), np.bool_)
        first[runs.starts] = np.isin(runs.opening, opened)
        updates = ~first
        if self._node.emit is Emit.FINAL and not self._context.emit_unchanged:
            updates &= changed(results, runs.rows)
        old = np.where(updates, RowKind.UPDATE_BEFORE, NOTHING).astype(np.int8)
        new = np.where(updates, RowKind.UPDATE_AFTER, NOTHING).astype(np.int8)
        new[first] = RowKind.INSERT
        rows = change_rows(runs, old, new)
        seq = batch.seq[pairs.rows[rows.source]]
        vectors = [v.take(rows.element) for v in results]
        return [self._results(slots[rows.source], vectors, rows.kind, seq)]

    def _fired(self, batch: ChangeBatch) -> list[pa.Table]:
        """Give out the windows that the batch's watermark steps complete."""
        self._watermark = batch.watermark.closing
        ends = _due(self._incomplete, self._watermark)
        if not ends:
            return []
        completed = np.array(sorted(ends), np.int64)
        events = batch.watermark.first_reaching(self._assigner.thresholds(completed))
        slots = self._slots.members(ends)
        slot_ends = self._slots.ends[slots]
        seq = events[np.searchsorted(completed, slot_ends)]
        order = np.lexsort((self._slots.births[slots], slot_ends, seq))
        slots = slots[order]
        kind = np.full(len(slots), RowKind.INSERT, np.int8)
        return [self._results(slots, self._calls.values(slots), kind, seq[order])]

    def _results(self, slots: Int64s, vectors: list[Vector], kind: Int8s, seq: Int64s) -> pa.Table:
        """Output rows: keys and window of `slots`, aggregates from `vectors`."""
        schema = self._node.schema
        columns: list[Any] = [] if self._keys is None else self._keys.columns(self._slots.codes[slots])
        columns += [to_arrow(v, call.type) for v, call in zip(vectors, self._node.calls, strict=True)]
        ends = self._slots.ends[slots]
        distinct, at = np.unique(ends, return_inverse=True)
        for instants in (self._assigner.starts(distinct), distinct, self._assigner.last_instants(distinct)):
            columns.append(to_arrow(Vector(instants[at] * 1000), schema.types[len(columns)]))
        return make_rows(schema, columns, kind, seq, renumbered(seq))

    def _close(self, watermark: int) -> None:
        """Forget the windows that take no more rows, and the keys in no window once they are the majority."""
        ends = _due(self._open, watermark)
        if ends:
            slots = self._slots.close(ends)
            self._calls.clear(slots)
            np.subtract.at(self._references, self._slots.codes[slots], 1)
        self._context.counters.state_rows = self._slots.live
        if self._keys is not None and len(self._keys) > self._sweep_keys_at:
            codes = self._keys.codes()
            self._keys.free(codes[self._references[codes] == 0])
            self._sweep_keys_at = max(_FEWEST_KEYS, 2 * len(self._keys))


def _due(heap: list[tuple[int, int]], watermark: int) -> list[int]:
    """Take the windows out of `heap` whose time has come."""
    ends = []
    while heap and heap[0][0] <= watermark:
        ends.append(heapq.heappop(heap)[1])
    return ends


def _merged(pieces: list[pa.Table], schema: RowSchema) -> pa.Table:
    """Rows of one event from several pieces: those of the first piece come first."""
    if not pieces:
        return empty_rows(schema)
    if len(pieces) == 1:
        return pieces[0]
    rows = pa.concat_tables(pieces)
    seq = numpy_column(rows, "seq")
    order = np.argsort(seq, kind="stable")
    rows = rows.take(pa.array(order))
    return rows.set_column(len(schema) + 2, "sub", pa.array(renumbered(seq[order]), pa.int32()))

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
* HOP and CUMULATE are summed up from slices where the calls allow it, as Flink does; with floating-point numbers one
  can tell.
* Rows may be taken back. What takes back is a row of its own windows, and late like any other. A window that is left
  without rows has no result: nothing is given out, or -D when there was a result before.
"""

from __future__ import annotations

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
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.changes import NOTHING, change_rows, changed
from velo_engine.operators.keys import KeyDictionary
from velo_engine.operators.late_records import late_records, records_of_late_rows
from velo_engine.operators.runs import EMPTY_SLOT, Runs
from velo_engine.operators.session_time import SessionTime
from velo_engine.operators.vectors import Vector, enlarged, from_arrow, to_arrow
from velo_engine.operators.window_assigner import WindowAssigner, can_slice
from velo_engine.operators.window_calls import signs, window_calls
from velo_engine.operators.window_schedule import WindowSchedule
from velo_engine.operators.window_slots import WindowSlots
from velo_engine.plan import nodes
from velo_engine.plan.nodes import Emit, WindowKind
from velo_engine.schema import RowSchema
from velo_engine.types import TypeName

_FEWEST_KEYS = 1024
_FAR = 2**62
_CODE_BITS = 32
_CODE_MASK = (1 << _CODE_BITS) - 1


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Rows and the panes that take them, in order of rows."""

    rows: Int64s
    """Position among the batch's rows."""
    codes: Int64s
    """Key code of the row."""
    panes: Int64s
    """Position in `ends`."""
    behind: Bools
    """The first window of the pane was complete before the row."""
    ends: Int64s

    def take(self, chosen: Bools) -> _Pairs:
        """Some of the pairs."""
        return replace(
            self,
            rows=self.rows[chosen],
            codes=self.codes[chosen],
            panes=self.panes[chosen],
            behind=self.behind[chosen],
        )


_NO_PAIRS = _Pairs(*(np.empty(0, np.int64),) * 3, np.empty(0, np.bool_), np.empty(0, np.int64))


class WindowAggregate(Operator):
    """Turns rows into results of their windows. With `retracting` the input may take rows back."""

    def __init__(
        self,
        context: OperatorContext,
        node: nodes.WindowAggregate,
        input_schema: RowSchema,
        *,
        retracting: bool = False,
    ) -> None:
        self._context = context
        self._node = node
        self._input = input_schema
        self._retracting = retracting
        calls = window_calls(node, input_schema, retracting=retracting)
        once = node.emit is Emit.FINAL and node.allowed_lateness_ms == 0
        self._sliced = once and can_slice(node.window) and calls.mergeable
        self._none = empty_rows(node.schema)
        self._one_pane = self._sliced or node.window.kind in (WindowKind.TUMBLE, WindowKind.ATTACHED)
        local = node.schema.types[-1].name is TypeName.TIMESTAMP_LTZ
        time = SessionTime(context.time_zone if local else None)
        self._assigner = WindowAssigner(
            node.window, time, sliced=self._sliced, of_table_function=node.of_table_function
        )
        self._start()

    def _start(self) -> None:
        """The state before any row."""
        types = self._input.select(self._node.keys).types
        self._keys = KeyDictionary(types) if types else None
        self._references = np.zeros(1, np.int64)
        self._sweep_keys_at = _FEWEST_KEYS
        self._slots = WindowSlots()
        self._calls = window_calls(self._node, self._input, retracting=self._retracting)
        self._schedule = WindowSchedule(self._assigner, self._node.allowed_lateness_ms)
        self._watermark = INITIAL_WATERMARK
        self._rows_seen = 0

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The results that rows and watermark steps of the batch cause."""
        (batch,) = inputs
        pairs = self._accepted(batch) if len(batch) else _NO_PAIRS
        if self._node.emit is Emit.CHANGES:
            pieces = self._updates(batch, pairs)
            self._watermark = batch.watermark.closing
        elif self._sliced:
            pieces = self._summed_up(batch, pairs)
        else:
            pieces = self._given_out(batch, pairs)
        self._rows_seen += len(batch)
        self._close()
        return batch.with_rows(_merged(pieces, self._node.schema) if pieces else self._none)

    def snapshot(self) -> dict[str, pa.Table]:
        """The open panes of all keys, and the watermark up to which windows have been given out."""
        clock = pa.table({"watermark": [self._watermark], "rows_seen": [self._rows_seen]})
        tables = {"panes": self._slots.snapshot(), "clock": clock}
        if self._keys is not None:
            tables["keys"] = self._keys.snapshot()
        return tables | self._calls.snapshot(np.flatnonzero(self._slots.births))

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Replace the state by a snapshot."""
        self._start()
        if self._keys is not None:
            self._keys.restore(state["keys"])
        self._slots.restore(state["panes"])
        self._reserve()
        np.add.at(self._references, state["panes"].column("code").to_numpy(), 1)
        self._calls.restore(state)
        self._watermark = state["clock"].column("watermark")[0].as_py()
        self._rows_seen = state["clock"].column("rows_seen")[0].as_py()
        self._schedule.add(self._slots.open_panes, self._watermark)
        self._context.counters.state_rows = self._slots.live

    def _given_out(self, batch: ChangeBatch, pairs: _Pairs) -> list[pa.Table]:
        """Panes are windows: add the rows that are in time, give out complete windows, update those with the rest."""
        late = pairs.take(pairs.behind) if pairs.behind.any() else None
        if late is not None:
            pairs = pairs.take(~pairs.behind)
        self._fold(batch, self._located(pairs), pairs)
        fired = self._fired(batch, self._complete(batch))
        updates = [] if late is None else self._updates(batch, late)
        # An event's late updates stand before the windows that its watermark step completes.
        return [*updates, *fired]

    def _summed_up(self, batch: ChangeBatch, pairs: _Pairs) -> list[pa.Table]:
        """Panes are slices: a row that missed some windows of its slice is added after these have been given out."""
        slots = self._located(pairs)
        complete = self._complete(batch)
        if not pairs.behind.any():
            self._fold(batch, slots, pairs)
            return self._fired(batch, complete)
        self._fold(batch, slots[~pairs.behind], pairs.take(~pairs.behind))
        slots, pairs = slots[pairs.behind], pairs.take(pairs.behind)
        events = batch.watermark.first_reaching(self._assigner.thresholds(complete))
        due = np.searchsorted(batch.seq[pairs.rows], events, side="right")
        pieces, done = [], 0
        for added in np.unique(np.append(due, len(slots))).tolist():
            step = np.zeros(len(slots), np.bool_)
            step[done:added] = True
            self._fold(batch, slots[step], pairs.take(step))
            done = added
            pieces += self._fired(batch, complete[due == added])
        return pieces

    def _accepted(self, batch: ChangeBatch) -> _Pairs:
        """The rows with those of their panes that still take them; hands late rows over."""
        time = from_arrow(batch.rows.column(self._node.time_column), self._input.types[self._node.time_column])
        assert time.valid is None, "AssignWatermark lets no row without event time pass"
        assigned = self._assigner.assign(time.values // 1000)
        codes = np.zeros(len(batch), np.int64)
        if self._keys is not None:
            codes = self._keys.encode([batch.rows.column(i) for i in self._node.keys])
        behind = np.zeros(len(assigned.rows), np.bool_)
        pairs = _Pairs(assigned.rows, codes[assigned.rows], assigned.panes, behind, assigned.ends)
        if len(behind) == 0:
            return pairs
        watermark = batch.watermark.before(batch.seq)
        first = self._assigner.thresholds(assigned.ends)
        if int(watermark[-1]) < int(first.min()):
            return pairs
        lateness = self._node.allowed_lateness_ms
        last = self._assigner.thresholds(self._assigner.last_windows(assigned.ends)) + lateness
        reached = watermark[pairs.rows]
        taken = reached < last[pairs.panes]
        whole = reached < (first + lateness)[pairs.panes]
        if not whole.all():
            self._hand_over(batch, pairs, taken, whole, last)
        return replace(pairs, behind=reached >= first[pairs.panes]).take(taken)

    def _hand_over(self, batch: ChangeBatch, pairs: _Pairs, taken: Bools, whole: Bools, last: Int64s) -> None:
        """Count rows that are late for all of their windows or for some, and give the former away.

        Per pair: some window of the pane takes the row, all of them do; per pane: the watermark that closes it.
        """
        if self._node.window.kind is WindowKind.ATTACHED:
            found = late_records(batch.seq, pairs.ends[pairs.panes], ~taken)
            self._give_away(batch, found.shown, found.late, found.partly, last[pairs.panes[found.shown]])
            return
        some, missing = np.zeros(len(batch), np.bool_), np.zeros(len(batch), np.bool_)
        some[pairs.rows[taken]] = True
        missing[pairs.rows[~whole]] = True
        late, partly = np.flatnonzero(missing & ~some), int((missing & some).sum())
        if self._retracting:
            late, partly = records_of_late_rows(batch.seq, missing & ~some, missing)
        last_pane = np.zeros(len(batch), np.int64)
        last_pane[pairs.rows] = pairs.panes
        self._give_away(batch, late, len(late), partly, last[last_pane[late]])

    def _give_away(self, batch: ChangeBatch, rows: Int64s, late: int, partly: int, closed: Int64s) -> None:
        """Count late and partly late records, and hand over the late `rows`, whose last windows closed at `closed`."""
        self._context.counters.partly_late += partly
        self._context.counters.late += late
        if late:
            reached = np.minimum(batch.watermark.before(batch.seq[rows]), _FAR)
            self._context.late(batch.rows.take(pa.array(rows)), reached - closed)

    def _located(self, pairs: _Pairs) -> Int64s:
        """The slot of each pair, opened where there was none."""
        births = pairs.rows + (self._rows_seen + 1)
        slots, opened, fresh = self._slots.find_or_open(pairs.codes, pairs.panes, pairs.ends, births)
        if len(opened):
            self._reserve()
            np.add.at(self._references, self._slots.codes[opened], 1)
        if fresh:
            self._schedule.add(fresh, self._watermark)
        return slots

    def _reserve(self) -> None:
        self._calls.reserve(self._slots.capacity)
        codes = 1 if self._keys is None else self._keys.capacity
        if codes > len(self._references):
            self._references = enlarged(self._references, 2 * codes)

    def _fold(self, batch: ChangeBatch, slots: Int64s, pairs: _Pairs) -> None:
        """Add rows to their slots."""
        if len(slots):
            every = self._one_pane and len(slots) == len(batch)
            self._calls.fold(slots, batch.rows, None if every else pairs.rows, self._sign(batch))

    def _sign(self, batch: ChangeBatch) -> Int8s | None:
        return signs(batch.kind) if self._retracting else None

    def _updates(self, batch: ChangeBatch, pairs: _Pairs) -> list[pa.Table]:
        """Add rows to windows and give out each new result at once."""
        if len(pairs.rows) == 0:
            return []
        slots = self._located(pairs)
        runs = Runs.of(slots)
        results = self._calls.run(runs, batch.rows, pairs.rows, self._sign(batch))
        last = np.zeros(len(slots), np.bool_)
        if self._retracting:
            holding = results.pop().values != 0
            before, after = holding[runs.rows - 1], holding[runs.rows]
            first, last, updates = after & ~before, before & ~after, before & after
        else:
            first = np.zeros(len(slots), np.bool_)
            # The row that gave birth to its slot.
            first[runs.starts] = (
                self._slots.births[runs.opening] == pairs.rows[runs.order[runs.starts]] + self._rows_seen + 1
            )
            updates = ~first
        if self._node.emit is Emit.FINAL and not self._context.emit_unchanged:
            updates &= changed(results, runs.rows)
        old = np.where(updates, RowKind.UPDATE_BEFORE, NOTHING).astype(np.int8)
        new = np.where(updates, RowKind.UPDATE_AFTER, NOTHING).astype(np.int8)
        new[first] = RowKind.INSERT
        old[last] = RowKind.DELETE
        rows = change_rows(runs, old, new)
        at = slots[rows.source]
        vectors = [v.take(rows.element) for v in results]
        seq = batch.seq[pairs.rows[rows.source]]
        return [self._results(self._slots.codes[at], self._slots.panes[at], vectors, rows.kind, seq)]

    def _complete(self, batch: ChangeBatch) -> Int64s:
        """The windows that the batch's watermark steps complete."""
        self._watermark = batch.watermark.closing
        return self._schedule.complete(self._watermark)

    def _fired(self, batch: ChangeBatch, windows: Int64s) -> list[pa.Table]:
        """Give out complete windows: by event, by end, then by the arrival of the key's first row."""
        if len(windows) == 0:
            return []
        panes = [self._assigner.panes_of(w) for w in windows.tolist()]
        window, place, slots = self._slots.members(panes)
        events = batch.watermark.first_reaching(self._assigner.thresholds(windows))
        if self._sliced:
            # A slice may hold rows that came after one of its windows was complete, or nothing but such rows.
            arrived = self._rows_seen + np.searchsorted(batch.seq, events, side="right")
            there = self._slots.births[slots] <= arrived[window]
            window, place, slots = window[there], place[there], slots[there]
        groups, group = np.unique(window << _CODE_BITS | self._slots.codes[slots], return_inverse=True)
        matrix = np.full((len(groups), max(map(len, panes))), EMPTY_SLOT)
        matrix[group, place] = slots
        birth = np.full(len(groups), _FAR)
        np.minimum.at(birth, group, self._slots.births[slots])
        window = groups >> _CODE_BITS
        order = np.lexsort((birth, windows[window], events[window]))
        matrix, window, codes = matrix[order], window[order], groups[order] & _CODE_MASK
        vectors = self._calls.merged(matrix) if self._sliced else self._calls.values(matrix[:, 0])
        if self._retracting:
            holding = vectors.pop().values != 0
            window, codes, vectors = window[holding], codes[holding], [v.take(holding) for v in vectors]
        kind = np.full(len(window), RowKind.INSERT, np.int8)
        return [self._results(codes, windows[window], vectors, kind, events[window])]

    def _results(self, codes: Int64s, windows: Int64s, vectors: list[Vector], kind: Int8s, seq: Int64s) -> pa.Table:
        """Output rows: keys, aggregates, window."""
        schema = self._node.schema
        columns: list[Any] = [] if self._keys is None else self._keys.columns(codes)
        columns += [to_arrow(v, call.type) for v, call in zip(vectors, self._node.calls, strict=True)]
        distinct, at = np.unique(windows, return_inverse=True)
        for times in (self._assigner.starts(distinct), distinct, self._assigner.last_instants(distinct)):
            columns.append(to_arrow(Vector(times[at] * 1000), schema.types[len(columns)]))
        return make_rows(schema, columns, kind, seq, renumbered(seq))

    def _close(self) -> None:
        """Forget the panes that take no more rows, and the keys in no pane once they are the majority."""
        panes = self._schedule.closed(self._watermark)
        if panes:
            slots = self._slots.close(panes)
            self._calls.clear(slots)
            np.subtract.at(self._references, self._slots.codes[slots], 1)
        self._context.counters.state_rows = self._slots.live
        if self._keys is not None and len(self._keys) > self._sweep_keys_at:
            codes = self._keys.codes()
            self._keys.free(codes[self._references[codes] == 0])
            self._sweep_keys_at = max(_FEWEST_KEYS, 2 * len(self._keys))


def _merged(pieces: list[pa.Table], schema: RowSchema) -> pa.Table:
    """The pieces in order of events; of one event, those of an earlier piece come first."""
    if len(pieces) == 1:
        return pieces[0]
    rows = pa.concat_tables(pieces)
    seq = numpy_column(rows, "seq")
    order = np.argsort(seq, kind="stable")
    rows = rows.take(pa.array(order))
    return rows.set_column(len(schema) + 2, "sub", pa.array(renumbered(seq[order]), pa.int32()))

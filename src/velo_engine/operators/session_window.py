"""SESSION windows over event time, per key, emitted once when they close.

`session_assigner` states the rules of merging and lateness. Over TIMESTAMP_LTZ all of it happens in local time. Source:
Flink's WindowOperator with SessionWindowAssigner (UnsliceWindowAggProcessor).

A live session is an accumulator, or several where sessions have merged: they are put together when it closes. That
needs calls that can be put together, whatever the order; for others, and for sums of floating-point numbers, whose last
digits show the order, the rows of live sessions are kept and aggregated when their session closes, in order of arrival.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from velo_engine.batch import ChangeBatch, empty_rows, make_rows, numpy_column, renumbered
from velo_engine.operators.assign_watermark import event_time_ms
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.keys import KeyDictionary
from velo_engine.operators.session_accumulators import SessionAccumulators
from velo_engine.operators.session_rows import ClosedSessions, SessionRows
from velo_engine.operators.session_time import SessionTime
from velo_engine.operators.vectors import Vector, to_arrow
from velo_engine.operators.window_calls import signs, window_calls
from velo_engine.plan import nodes
from velo_engine.schema import RowSchema
from velo_engine.types import FLOATS, TypeName


class SessionWindow(Operator):
    """See `plan.nodes.WindowAggregate` with WindowKind.SESSION."""

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
        self._retracting = retracting
        self._keys = KeyDictionary(input_schema.select(node.keys).types) if node.keys else None
        local = input_schema.types[node.time_column].name is TypeName.TIMESTAMP_LTZ
        time = SessionTime(context.time_zone if local else None)
        self._calls = window_calls(node, input_schema, retracting=retracting)
        self._sessions: SessionAccumulators | SessionRows
        if self._calls.mergeable and not _adds_floats(node):
            self._sessions = SessionAccumulators(self._calls, node.window.size_ms, time)
        else:
            self._sessions = SessionRows(input_schema, node.window.size_ms, time)

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The sessions that close."""
        (batch,) = inputs
        if len(batch):
            rows = batch.rows
            key = np.zeros(len(batch), np.int64)
            if self._keys is not None:
                key = self._keys.encode([rows.column(i) for i in self._node.keys])
            time = event_time_ms(rows.column(self._node.time_column))
            self._sessions.take_in(batch, key, time, self._context.late, self._context.counters)
        closed = self._sessions.close(batch)
        self._context.counters.state_rows = self._sessions.held
        return batch.with_rows(empty_rows(self._node.schema) if closed is None else self._results(closed))

    def snapshot(self) -> dict[str, pa.Table]:
        """Live sessions with what they hold, the keys."""
        tables = self._sessions.snapshot()
        return tables if self._keys is None else tables | {"keys": self._keys.snapshot()}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._sessions.restore(state)
        if self._keys is not None:
            self._keys.restore(state["keys"])

    def _results(self, closed: ClosedSessions) -> pa.Table:
        """One row per session: keys, aggregates, window."""
        values = self._sessions.results(closed) if isinstance(self._sessions, SessionAccumulators) else None
        if values is None:
            values = self._aggregated(closed)
        bounds = [closed.start, closed.end, closed.last_instant]
        key, seq = closed.key, closed.seq
        if self._retracting:
            holding = values.pop().values != 0
            values = [v.take(holding) for v in values]
            bounds = [times[holding] for times in bounds]
            key, seq = key[holding], seq[holding]
        columns = [] if self._keys is None else self._keys.columns(key)
        columns += [to_arrow(v, c.type) for v, c in zip(values, self._node.calls, strict=True)]
        types = self._node.schema.types[len(columns) :]
        columns += [to_arrow(Vector(ms * 1000), kind) for ms, kind in zip(bounds, types, strict=True)]
        if self._keys is not None and len(closed.gone_keys):
            self._keys.free(closed.gone_keys)
        return make_rows(self._node.schema, columns, np.zeros(len(seq), np.int8), seq, renumbered(seq))

    def _aggregated(self, closed: ClosedSessions) -> list[Vector]:
        """The results over the rows of closed sessions."""
        slots = np.arange(1, len(closed.seq) + 1)
        self._calls.reserve(len(slots) + 1)
        sign = signs(numpy_column(closed.rows, "kind")) if self._retracting else None
        self._calls.fold(slots[closed.session_of_row], closed.rows, None, sign)
        values = self._calls.values(slots)
        self._calls.clear(slots)
        return values


def _adds_floats(node: nodes.WindowAggregate) -> bool:
    """Whether the order in which values are added may show in a result."""
    types = node.input.schema.types
    return any(
        types[column].name in FLOATS
        for call in node.calls
        if call.function not in ("count", "min", "max")
        for column in call.args
    )

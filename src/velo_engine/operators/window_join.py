"""Joins of rows in the same window, given out when the window closes.

Source: Flink's WindowJoinOperator and WindowJoinHelper. Within a key the rows come as nested loops give them: by left
row, then by right row; RIGHT the other way round; FULL has the right rows without a match at the end. Among keys of one
window Flink promises no order; here it is that of the arrival of the outer loop's rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import (
    Bools,
    ChangeBatch,
    Int64s,
    StepFunction,
    empty_rows,
    lower_watermark,
    make_rows,
    renumbered,
)
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.keys import KeyDictionary
from velo_engine.operators.pair_condition import PairCondition
from velo_engine.operators.session_time import SessionTime
from velo_engine.operators.window_rows import WindowRows
from velo_engine.plan import nodes
from velo_engine.plan.nodes import JoinKind

_NO_ROW = -1
_NO_KEY = -1


class WindowJoin(Operator):
    """See `plan.window_nodes.WindowJoin`."""

    def __init__(self, context: OperatorContext, node: nodes.WindowJoin) -> None:
        self._context = context
        self._node = node
        self._condition = None if node.condition is None else PairCondition(context, node.condition)
        self._key_types = node.left.schema.select(node.left_keys).types
        time = SessionTime(context.time_zone if node.local_time else None)
        self._left = WindowRows(node.left.schema, node.left_end, time)
        self._right = WindowRows(node.right.schema, node.right_end, time)

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The joined rows of the windows that close."""
        left, right = inputs
        watermark = lower_watermark(left.watermark, right.watermark)
        context = self._context
        self._left.take_in(left, watermark, context.late, context.counters)
        self._right.take_in(right, watermark, context.late_right or context.late, context.counters)
        complete = self._left.complete(watermark.closing), self._right.complete(watermark.closing)
        rows = empty_rows(self._node.schema)
        if complete != (None, None):
            none = empty_rows(self._node.left.schema), empty_rows(self._node.right.schema)
            a, b = (empty if found is None else found for found, empty in zip(complete, none, strict=True))
            rows = self._joined(a, b, watermark)
        context.counters.state_rows = len(self._left) + len(self._right)
        return ChangeBatch(rows, left.first_seq, left.end_seq, watermark, left.processing_time)

    def snapshot(self) -> dict[str, pa.Table]:
        """The rows of open windows of both sides."""
        return {"left": self._left.snapshot(), "right": self._right.snapshot()}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._left.restore(state["left"])
        self._right.restore(state["right"])

    def _joined(self, left: pa.Table, right: pa.Table, watermark: StepFunction) -> pa.Table:
        """The output rows for complete windows, whose rows stand by window end and arrival."""
        a, b = self._pairs(left, right)
        if self._condition is not None and len(a):
            columns = [*_taken(left, a, self._node.left), *_taken(right, b, self._node.right)]
            holds = self._condition.holds(columns, len(a))
            a, b = a[holds], b[holds]
        a, b = _shown(self._node.kind, a, b, left.num_rows, right.num_rows)
        left_ends, right_ends = self._left.ends(left), self._right.ends(right)
        ends = np.where(a == _NO_ROW, _at(right_ends, b), _at(left_ends, a))
        order = _order(self._node.kind, ends, a, b)
        a, b, ends = a[order], b[order], ends[order]
        columns = _taken(left, a, self._node.left)
        if not self._node.kind.one_sided:
            columns += _taken(right, b, self._node.right)
        seq = self._left.events(ends, watermark)
        return make_rows(self._node.schema, columns, np.zeros(len(seq), np.int8), seq, renumbered(seq))

    def _pairs(self, left: pa.Table, right: pa.Table) -> tuple[Int64s, Int64s]:
        """The rows of both sides with equal keys: every pair, by left row, then by right row."""
        keys = KeyDictionary(self._key_types)
        null_safe = self._node.null_safe_keys
        left_codes = _key_codes(keys, left, self._node.left_keys, null_safe)
        right_codes = _key_codes(keys, right, self._node.right_keys, null_safe)
        by_key = np.argsort(right_codes, kind="stable")
        ordered = right_codes[by_key]
        first = np.searchsorted(ordered, left_codes, side="left")
        count = np.searchsorted(ordered, left_codes, side="right") - first
        count[left_codes == _NO_KEY] = 0
        a = np.repeat(np.arange(len(left_codes)), count)
        nth = np.arange(len(a)) - np.repeat(np.cumsum(count) - count, count)
        return a, by_key[first[a] + nth]


def _key_codes(keys: KeyDictionary, rows: pa.Table, positions: tuple[int, ...], null_safe: frozenset[int]) -> Int64s:
    """Join key codes; _NO_KEY where a key column is NULL, those of `null_safe` excepted."""
    if not rows.num_rows:
        return np.empty(0, np.int64)
    columns = [rows.column(i) for i in positions]
    codes = keys.encode(columns)
    for i, column in enumerate(columns):
        if column.null_count and i not in null_safe:
            codes[np.asarray(column.is_null())] = _NO_KEY
    return codes


def _shown(kind: JoinKind, a: Int64s, b: Int64s, left: int, right: int) -> tuple[Int64s, Int64s]:
    """The rows of the result out of the pairs that match; _NO_ROW for a padded side."""
    if kind.one_sided:
        matched = _occurring(a, left)
        rows = np.flatnonzero(matched if kind is JoinKind.SEMI else ~matched)
        return rows, np.full(len(rows), _NO_ROW)
    alone_left = alone_right = np.empty(0, np.int64)
    if kind in (JoinKind.LEFT, JoinKind.FULL):
        alone_left = np.flatnonzero(~_occurring(a, left))
    if kind in (JoinKind.RIGHT, JoinKind.FULL):
        alone_right = np.flatnonzero(~_occurring(b, right))
    return (
        np.concatenate([a, alone_left, np.full(len(alone_right), _NO_ROW)]),
        np.concatenate([b, np.full(len(alone_left), _NO_ROW), alone_right]),
    )


def _occurring(rows: Int64s, count: int) -> Bools:
    found = np.zeros(count, np.bool_)
    found[rows] = True
    return found


def _order(kind: JoinKind, ends: Int64s, a: Int64s, b: Int64s) -> Int64s:
    if kind is JoinKind.RIGHT:
        return np.lexsort((a, b, ends))
    return np.lexsort((b, a, a == _NO_ROW, ends))


def _at(values: Int64s, rows: Int64s) -> Int64s:
    """`values[rows]`, anything for _NO_ROW."""
    return np.append(values, 0)[rows]


def _taken(rows: pa.Table, positions: Int64s, node: nodes.PlanNode) -> list[Any]:
    """The columns of `rows` at `positions`, NULL for _NO_ROW."""
    missing = positions == _NO_ROW
    indices = pa.array(positions, mask=missing) if missing.any() else pa.array(positions)
    return [rows.column(i).take(indices) for i in range(len(node.schema))]

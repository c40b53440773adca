"""Stream-to-table enrichment: each stream row meets the rows that a table holds.

The table is read whole before the first stream record and then only looked up, so a result never changes (Flink's
lookup join). Matches come in the table's row order. NULL keys match nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import ChangeBatch, Int64s, empty_rows, make_rows, renumbered
from velo_engine.compile_expression import compile_expression
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.keys import KeyDictionary
from velo_engine.operators.runs import stable_order
from velo_engine.operators.vectors import single_array, validity
from velo_engine.plan import nodes
from velo_engine.plan.expressions import Expression
from velo_engine.schema import RowSchema

_NO_ROW = -1


class TableJoin(Operator):
    """Joins stream rows with the rows of a table loaded beforehand. INNER or LEFT.

    The index is built once: a dictionary of the keys, and per key the table's row numbers, all in one array.
    """

    def __init__(
        self, context: OperatorContext, node: nodes.TableJoin, left_schema: RowSchema, table_schema: RowSchema
    ) -> None:
        assert node.kind in (nodes.JoinKind.INNER, nodes.JoinKind.LEFT), "the planner sees to it"
        self._context = context
        self._node = node
        self._left = left_schema
        self._right = table_schema
        self._none = empty_rows(node.schema)
        self._filter = None if node.condition is None else _PairFilter(context, node.condition)
        self.load(table_schema.physical().empty_table())

    def load(self, table: pa.Table) -> None:
        """Replace the table's content: physical columns `c0 …` of its schema, in the table's row order."""
        self._table = table.combine_chunks()
        keys = [self._table.column(i) for i in self._node.right_keys]
        rows = np.arange(self._table.num_rows)
        if keys:
            rows = rows[_complete(keys, len(rows))]
            self._keys = KeyDictionary([self._right.types[i] for i in self._node.right_keys])
            codes = self._keys.encode([k.take(pa.array(rows)) for k in keys])
            groups = self._keys.capacity
        else:
            codes, groups = np.zeros(len(rows), np.int64), 1
        self._matches = rows[stable_order(codes)]
        self._ends = np.cumsum(np.bincount(codes, minlength=groups))
        self._context.counters.state_rows = self._table.num_rows

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """Each input row joined with its matches, of the input row's kind."""
        (batch,) = inputs
        if len(batch) == 0:
            return batch.with_rows(self._none)
        left, right = self._pairs(batch.rows)
        failed = np.zeros(len(batch), np.bool_)
        if self._filter is not None and len(left):
            kept, failed = self._filter.apply(batch, left, self._table, right)
            left, right = left[kept], right[kept]
        if self._node.kind is nodes.JoinKind.LEFT:
            left, right = _padded(left, right, np.flatnonzero(~failed))
        return batch.with_rows(self._joined(batch, left, right))

    def snapshot(self) -> dict[str, pa.Table]:
        """The table."""
        return {"table": self._table}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Load the table of a snapshot."""
        self.load(state["table"])

    def _pairs(self, rows: pa.Table) -> tuple[Int64s, Int64s]:
        """Positions of input rows and of the table rows with equal keys: by input row, then in table order."""
        codes = np.zeros(rows.num_rows, np.int64)
        if self._node.left_keys:
            codes = self._keys.find([rows.column(i) for i in self._node.left_keys])
        known = codes >= 0
        ends = np.where(known, self._ends[codes] if len(self._ends) else 0, 0)
        starts = np.where(codes > 0, self._ends[np.maximum(codes, 1) - 1] if len(self._ends) else 0, 0)
        counts = ends - starts
        left = np.repeat(np.arange(len(codes)), counts)
        nth = np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts)
        return left, self._matches[starts[left] + nth]

    def _joined(self, batch: ChangeBatch, left: Int64s, right: Int64s) -> pa.Table:
        rows = pa.array(left)
        columns = [batch.rows.column(i).take(rows) for i in range(len(self._left))]
        matches = pa.array(right, mask=right == _NO_ROW)
        columns += [self._table.column(i).take(matches) for i in range(len(self._right))]
        seq = batch.seq[left]
        return make_rows(self._node.schema, columns, batch.kind[left], seq, renumbered(seq))


class _PairFilter:
    """The residual join condition, evaluated by the kernel over pairs of rows."""

    def __init__(self, context: OperatorContext, condition: Expression) -> None:
        self._context = context
        compiled = compile_expression(
            condition,
            lambda i: f"c{i}",
            time_zone=context.time_zone,
            now="CAST(make_timestamp(pt * 1000) AS TIMESTAMP)",
        )
        error = "CAST(NULL AS VARCHAR)" if compiled.error is None else compiled.error
        self._sql = f"SELECT coalesce({compiled.value}, false) AS kept, {error} AS error FROM pairs ORDER BY place"

    def apply(self, batch: ChangeBatch, left: Int64s, table: pa.Table, right: Int64s) -> tuple[Any, Any]:
        """Which pairs satisfy the condition, and which input rows fail in it (these are handed over as failures)."""
        width = batch.rows.num_columns - 3
        columns = [batch.rows.column(i).take(pa.array(left)) for i in range(width)]
        columns += [c.take(pa.array(right)) for c in table.columns]
        names = [f"c{i}" for i in range(len(columns))]
        now = batch.processing_time.before(batch.seq[left])
        pairs = pa.table([*columns, pa.array(now), pa.array(np.arange(len(left)))], names=[*names, "pt", "place"])
        out = self._context.kernel.query(self._sql, pairs=pairs)
        kept = single_array(out.column("kept")).to_numpy(zero_copy_only=False)
        failed = np.zeros(len(batch), np.bool_)
        errors = out.column("error")
        if errors.null_count < len(errors):
            wrong = validity(single_array(errors))
            at = np.arange(len(left)) if wrong is None else np.flatnonzero(wrong)
            rows, first = np.unique(left[at], return_index=True)
            reasons = errors.take(pa.array(at[first])).to_pylist()
            self._context.failures(batch.rows.take(pa.array(rows)), reasons)
            failed[rows] = True
            kept = kept & ~failed[left]
        return kept, failed


def _complete(keys: list[Any], count: int) -> Any:
    """Rows in which no key is NULL."""
    complete = np.ones(count, np.bool_)
    for key in keys:
        valid = validity(single_array(key))
        if valid is not None:
            complete &= valid
    return complete


def _padded(left: Int64s, right: Int64s, rows: Int64s) -> tuple[Int64s, Int64s]:
    """The pairs and, for each of `rows` without one, the row with no match, in order of rows."""
    alone = np.setdiff1d(rows, left, assume_unique=False)
    if len(alone) == 0:
        return left, right
    both = np.concatenate([left, alone])
    order = np.argsort(both, kind="stable")
    return both[order], np.concatenate([right, np.full(len(alone), _NO_ROW)])[order]

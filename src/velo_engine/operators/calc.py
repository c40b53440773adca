"""Projection and filter: consecutive Filter and Project nodes as one step, one kernel statement a batch."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from velo_engine.batch import ChangeBatch, empty_rows, numpy_column, physical_schema, renumbered
from velo_engine.compile_expression import compile_expression, first_error
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.plan.expressions import ColumnRef, Expression
from velo_engine.schema import RowSchema

_SYSTEM = ("kind", "seq", "sub")
_PROCESSING_TIME = re.compile(r"\bi\.pt\b")


class Calc(Operator):
    """Keeps the rows whose `predicate` is true, then computes `expressions` (None: the input columns).

    A row for which either has no value goes to `context.failures`.
    """

    def __init__(
        self,
        context: OperatorContext,
        input_schema: RowSchema,
        predicate: Expression | None,
        expressions: tuple[Expression, ...] | None,
        output_schema: RowSchema,
    ) -> None:
        self._context = context
        self._output = output_schema
        self._physical = physical_schema(output_schema)
        self._positions = _plain_columns(input_schema, expressions)
        self._filters = predicate is not None
        self._reads_time = self._can_fail = False
        self._input = context.kernel.input_name("calc")
        if predicate is not None or self._positions is None:
            self._sql = self._statement(input_schema, predicate, expressions)
            self._reads_time = _PROCESSING_TIME.search(self._sql) is not None

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The rows that pass, computed."""
        (batch,) = inputs
        if not len(batch):
            return batch.with_rows(empty_rows(self._output))
        if not self._filters and self._positions is not None:
            return batch.with_rows(self._selected(batch.rows, self._positions))
        rows = batch.rows
        if self._reads_time:
            rows = rows.append_column("pt", pa.array(batch.processing_time.before(batch.seq)))
        found = self._context.kernel.query(self._sql, **{self._input: rows})
        self._context.counters.filtered += len(batch) - found.num_rows
        if self._can_fail:
            found = self._without_failures(batch.rows, found)
        if found.num_rows < len(batch):
            found = _renumbered(found)
        return batch.with_rows(found if found.schema == self._physical else found.cast(self._physical))

    def _statement(
        self, schema: RowSchema, predicate: Expression | None, expressions: tuple[Expression, ...] | None
    ) -> str:
        """The kernel SQL; its last column is the error when one is possible."""
        wanted = expressions or tuple(ColumnRef(i, c.type) for i, c in enumerate(schema.columns))
        compiled = [self._compiled(e) for e in wanted]
        columns = [*(f"{value} AS c{i}" for i, (value, _) in enumerate(compiled)), *(f"i.{n}" for n in _SYSTEM)]
        errors = [error for _, error in compiled]
        where = ""
        if predicate is not None:
            passes, wrong = self._compiled(predicate)
            errors.insert(0, wrong)
            where = f" WHERE {passes}" if wrong is None else f" WHERE ({passes}) OR ({wrong}) IS NOT NULL"
        error = first_error(errors)
        self._can_fail = error is not None
        if error is not None:
            columns.append(f"{error} AS error")
        return f"SELECT {', '.join(columns)} FROM {self._input} i{where} ORDER BY i.seq, i.sub"

    def _compiled(self, expression: Expression) -> tuple[str, str | None]:
        compiled = compile_expression(
            expression,
            lambda i: f"i.c{i}",
            time_zone=self._context.time_zone,
            now="make_timestamp(i.pt * 1000)",
        )
        return compiled.value, compiled.error

    def _without_failures(self, rows: pa.Table, found: pa.Table) -> pa.Table:
        """Hand over the rows that have an error; the others without that column."""
        errors = found.column("error")
        kept = found.drop_columns(["error"])
        if errors.null_count == len(errors):
            return kept
        failed = ~np.asarray(errors.is_null())
        bad = kept.filter(pa.array(failed)).select(["seq", "sub"])
        reasons = errors.filter(pa.array(failed)).to_pylist()
        self._context.counters.dead_lettered += bad.num_rows
        self._context.failures(_rows_at(rows, bad), reasons)
        return kept.filter(pa.array(~failed))

    def _selected(self, rows: pa.Table, positions: tuple[int, ...]) -> pa.Table:
        columns = [rows.column(i) for i in positions]
        return pa.table([*columns, *(rows.column(n) for n in _SYSTEM)], schema=self._physical)


def _renumbered(rows: pa.Table) -> pa.Table:
    """The rows of each event numbered from 0 again, after some were taken out."""
    if not numpy_column(rows, "sub").any():
        return rows
    position = rows.schema.get_field_index("sub")
    return rows.set_column(position, "sub", pa.array(renumbered(numpy_column(rows, "seq")), pa.int32()))


def _plain_columns(schema: RowSchema, expressions: tuple[Expression, ...] | None) -> tuple[int, ...] | None:
    """The input columns that the expressions are, or None when one is more than a column."""
    if expressions is None:
        return tuple(range(len(schema)))
    if all(isinstance(e, ColumnRef) for e in expressions):
        return tuple(e.index for e in expressions if isinstance(e, ColumnRef))
    return None


def _rows_at(rows: pa.Table, wanted: pa.Table) -> pa.Table:
    """The rows with these positions in the order of the edge; both are sorted by it."""
    seq, sub = (np.asarray(rows.column(n)) for n in ("seq", "sub"))
    wanted_seq, wanted_sub = (np.asarray(wanted.column(n)) for n in ("seq", "sub"))
    width = int(max(sub.max(initial=0), wanted_sub.max(initial=0))) + 1
    first = int(seq[0])
    place = np.searchsorted((seq - first) * width + sub, (wanted_seq - first) * width + wanted_sub)
    return rows.take(pa.array(place))

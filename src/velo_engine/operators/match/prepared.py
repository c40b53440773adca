"""Values of single rows that definitions use, computed for all rows of a batch when they arrive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.compile_expression import compile_expression
from velo_engine.kernel import Kernel
from velo_engine.operators.match.aggregates import values_of
from velo_engine.operators.match.scalars import NoValueError
from velo_engine.plan.expressions import ColumnRef, Expression
from velo_engine.schema import RowSchema


class PreparedRows:
    """Expressions over a row of the input; a row's prepared values are a tuple.

    An expression that may fail has two places: its value, and behind it why there is none.
    """

    def __init__(self, kernel: Kernel, schema: RowSchema, time_zone: str) -> None:
        self._kernel = kernel
        self._schema = schema
        self._time_zone = time_zone
        self._places: dict[Expression, int] = {}
        self._columns: list[tuple[str, Expression | None]] = []
        """The kernel SQL of every place, and the expression whose value it is (None: an error)."""
        self._fails: set[int] = set()
        self._input = kernel.input_name("prepared")
        self._nothing: tuple[Any, ...] | None = None

    def add(self, expression: Expression) -> int:
        """The place of an expression; a known one keeps its place."""
        if expression not in self._places:
            at = self._places[expression] = len(self._columns)
            compiled = compile_expression(
                expression, lambda i: f"i.c{i}", time_zone=self._time_zone, now="make_timestamp(i.pt * 1000)"
            )
            self._columns.append((compiled.value, expression))
            if compiled.error is not None:
                self._columns.append((compiled.error, None))
                self._fails.add(at)
        return self._places[expression]

    def reader(self, place: int) -> Callable[[tuple[Any, ...]], Any]:
        """Reads the value out of prepared values. The function raises NoValueError where there is none."""
        if place not in self._fails:
            return lambda values: values[place]

        def read(values: tuple[Any, ...]) -> Any:
            if values[place + 1] is not None:
                raise NoValueError(values[place + 1])
            return values[place]

        return read

    def missing(self, place: int) -> Callable[[], Any]:
        """Gives the value where there is no such row: that of a row of NULLs."""
        read = self.reader(place)

        def value() -> Any:
            if self._nothing is None:
                row = {f"c{i}": pa.nulls(1, field.type) for i, field in enumerate(self._schema.physical())}
                (self._nothing,) = self.rows(pa.table(row), None)
            return read(self._nothing)

        return value

    def rows(self, rows: pa.Table, processing_time: Int64s | None) -> list[tuple[Any, ...]]:
        """The prepared values of every row. `processing_time` is for CURRENT_TIMESTAMP and its like."""
        if not self._columns:
            return [()] * rows.num_rows
        if all(isinstance(expression, ColumnRef) for _, expression in self._columns):
            columns = [rows.column(e.index) for _, e in self._columns if isinstance(e, ColumnRef)]
        else:
            columns = self._computed(rows, processing_time).columns
        lists = [
            values_of(column, expression.type) if expression is not None else column.to_pylist()
            for column, (_, expression) in zip(columns, self._columns, strict=True)
        ]
        return list(zip(*lists, strict=True))

    def _computed(self, rows: pa.Table, processing_time: Int64s | None) -> pa.Table:
        n = rows.num_rows
        names = [f"c{i}" for i in range(len(self._schema))]
        times = pa.nulls(n, pa.int64()) if processing_time is None else pa.array(processing_time)
        numbered = rows.select(names).append_column("pt", times).append_column("n", pa.array(range(n), pa.int64()))
        wanted = ", ".join(f"{sql} AS p{i}" for i, (sql, _) in enumerate(self._columns))
        sql = f"SELECT {wanted} FROM {self._input} i ORDER BY i.n"
        return self._kernel.query(sql, **{self._input: numbered})

"""Derived fields: a SQL expression over the other fields of the row, compiled by the engine like any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.plan.expressions import Cast, ColumnRef, Expression
from velo_engine.types import SqlType

if TYPE_CHECKING:
    from sqlglot import exp


def fields_used(expression: str, location: Location | None) -> tuple[str, ...]:
    """The fields that an expression names, in order of appearance. Errors: those of SQL syntax, at its place."""
    from sqlglot import exp

    from velo_engine.sql.parser import parse_expression

    try:
        tree = parse_expression(expression)
    except VeloError as error:
        raise _in_schema(error, expression, location) from None
    return tuple(dict.fromkeys(column.parts[0].name for column in tree.find_all(exp.Column)))


def evaluate(
    expression: str,
    columns: Mapping[str, pa.Array],
    types: Mapping[str, SqlType],
    target: SqlType,
    *,
    now: datetime,
    time_zone: str,
    location: Location | None,
) -> pa.Array:
    """The value of the expression for every row, cast to `target`; `columns` are the fields it may use.

    Errors, at the expression's place: those of SQL expressions, EXPRESSION_FAILED when a row has no value.
    """
    from velo_engine.compile_expression import compile_expression
    from velo_engine.kernel import Kernel

    scope = _FieldScope({name: i for i, name in enumerate(columns)}, types, expression)
    try:
        bound = _bound(expression, scope, target)
    except VeloError as error:
        raise _in_schema(error, expression, location) from None
    instant = f"TIMESTAMP '{now.replace(tzinfo=None).isoformat(sep=' ')}'"
    compiled = compile_expression(bound, lambda i: f"c{i}", time_zone=time_zone, now=instant)
    rows = pa.table({f"c{i}": column for i, column in enumerate(columns.values())})
    rows = rows.append_column("i", pa.array(range(rows.num_rows), pa.int64()))
    with Kernel() as kernel:
        sql = f"SELECT {compiled.value} AS value, {compiled.error or 'NULL'} AS error FROM rows ORDER BY i"
        result = kernel.query(sql, rows=rows)
    failed = result.column("error").drop_null()
    if len(failed):
        message = f"the derived value does not exist for {len(failed)} of {len(result)} rows: {failed[0]}"
        raise VeloError(ErrorCode.EXPRESSION_FAILED, message, location=location)
    return result.column("value").combine_chunks()


def _bound(expression: str, scope: _FieldScope, target: SqlType) -> Expression:
    from velo_engine.sql.expression_binder import bind_expression
    from velo_engine.sql.parser import parse_expression

    bound = bind_expression(parse_expression(expression), scope, text=expression)
    return bound if bound.type.as_nullable() == target.as_nullable() else Cast(bound, target)


@dataclass(frozen=True, slots=True)
class _FieldScope:
    """The names of a derived expression: the fields of the row."""

    positions: Mapping[str, int]
    types: Mapping[str, SqlType]
    text: str

    def resolve(self, column: exp.Column) -> Expression:
        """The field; VeloError UNKNOWN_COLUMN with the nearest name."""
        from velo_engine.sql.locate import locate

        name = ".".join(part.name for part in column.parts)
        if name not in self.positions:
            raise VeloError(
                ErrorCode.UNKNOWN_COLUMN,
                f'there is no field "{name}"',
                location=locate(column, self.text, "<derived>"),
                hint=did_you_mean(name, self.types, noun="field"),
            )
        return ColumnRef(self.positions[name], self.types[name])

    def planned(self, node: exp.Expression) -> Expression | None:  # noqa: ARG002 - the signature is Scope's
        """Nothing stands for a node."""
        return None


def _in_schema(error: VeloError, expression: str, location: Location | None) -> VeloError:
    """The error at its place in the schema's text, when the expression stands on one line there."""
    if location is None:
        return error
    at = location.text.find(expression)
    place = location
    if error.location is not None and error.location.line == 1 and at >= 0:
        place = replace(location, column=at + error.location.column, length=error.location.length)
    return VeloError(error.code, error.message, location=place, hint=error.hint)

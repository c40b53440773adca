"""`where:` of an assertion: a SQL predicate over output columns, compiled by the engine like any other expression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.plan.expressions import ColumnRef, Expression
from velo_engine.types import TypeName
from velo_harness.relation import Relation

if TYPE_CHECKING:
    from sqlglot import exp


def where_true(relation: Relation, predicate: str, location: Location, time_zone: str) -> pa.Array:
    """For each row whether `predicate` is true.

    Errors, at their place in the spec: those of SQL expressions, EXPRESSION_FAILED when a row has no value.
    """
    from velo_engine.compile_expression import compile_expression
    from velo_engine.kernel import Kernel

    try:
        bound = _bound(relation, predicate)
    except VeloError as error:
        raise _in_spec(error, predicate, location) from None
    compiled = compile_expression(bound, lambda i: f"c{i}", time_zone=time_zone)
    table = relation.table.rename_columns([f"c{i}" for i in range(len(relation.schema))])
    with Kernel() as kernel:
        result = kernel.query(
            f"SELECT {compiled.value} AS held, {compiled.error or 'NULL'} AS error FROM rows", rows=table
        )
    failed = result.column("error").drop_null()
    if len(failed):
        message = f"the predicate has no value for {len(failed)} rows: {failed[0]}"
        raise VeloError(ErrorCode.EXPRESSION_FAILED, message, location=location)
    return result.column("held").cast(pa.bool_()).fill_null(False).combine_chunks()


def _bound(relation: Relation, predicate: str) -> Expression:
    from velo_engine.sql.expression_binder import bind_expression
    from velo_engine.sql.parser import parse_expression

    bound = bind_expression(parse_expression(predicate), _OutputScope(relation, predicate), text=predicate)
    if bound.type.name is not TypeName.BOOLEAN:
        raise VeloError(ErrorCode.TYPE_MISMATCH, f"the predicate is {bound.type}, not true or false")
    return bound


@dataclass(frozen=True, slots=True)
class _OutputScope:
    """The names of a predicate: output columns and their aliases."""

    relation: Relation
    text: str

    def resolve(self, column: exp.Column) -> Expression:
        """The output column; VeloError UNKNOWN_COLUMN with the nearest name."""
        from velo_engine.sql.locate import locate

        name = ".".join(part.name for part in column.parts)
        position = self.relation.position(name)
        if position is None:
            raise VeloError(
                ErrorCode.UNKNOWN_COLUMN,
                f'{self.relation.name} has no column "{name}"',
                location=locate(column, self.text, "<where>"),
                hint=did_you_mean(name, self.relation.schema.names, noun="column"),
            )
        return ColumnRef(position, self.relation.type(position))

    def planned(self, node: exp.Expression) -> Expression | None:  # noqa: ARG002 - the scope's protocol
        """Nothing stands for a node."""
        return None


def _in_spec(error: VeloError, predicate: str, location: Location) -> VeloError:
    """The error at its place in the spec's text, when the predicate stands on one line there."""
    at = location.text.find(predicate)
    place = location
    if error.location is not None and error.location.line == 1 and at >= 0:
        place = replace(location, column=at + error.location.column, length=error.location.length)
    return VeloError(error.code, error.message, location=place, hint=error.hint)

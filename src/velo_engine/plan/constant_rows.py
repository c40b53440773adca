"""Relations without a source: VALUES, and the single row that SELECT without FROM reads."""

from __future__ import annotations

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.plan.expressions import Expression, Literal
from velo_engine.plan.nodes import Values
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation, fields_of
from velo_engine.plan.scope import RelationScope
from velo_engine.schema import Column, RowSchema
from velo_engine.sql.expression_binder import coerce
from velo_engine.type_rules import case_type
from velo_engine.types import INT


def one_row() -> Relation:
    """One row without columns that a query can name."""
    kind = INT.as_nullable(False)
    node = Values(((Literal(0, kind),),), RowSchema((Column("ZERO", kind),)))
    return Relation(node, (), bounded=True)


def plan_values(values: exp.Values, text: ProgramText) -> Relation:
    """VALUES with columns EXPR$0, EXPR$1, …, each of the common type of its values (Calcite's leastRestrictive)."""
    rows = [_cells(row) for row in values.expressions]
    for row, node in zip(rows, values.expressions, strict=True):
        if len(row) != len(rows[0]):
            raise text.error(
                ErrorCode.TYPE_MISMATCH, f"this row of VALUES has {len(row)} values, the first {len(rows[0])}", node
            )
    scope = RelationScope(one_row(), text, clause="VALUES")
    bound = [[text.bind_column(cell, scope) for cell in row] for row in rows]
    columns = [_column([row[i] for row in bound], i, values, text) for i in range(len(rows[0]))]
    schema = RowSchema(tuple(columns))
    fitted = tuple(
        tuple(coerce(cell, kind.as_nullable(cell.type.nullable)) for cell, kind in zip(row, schema.types, strict=True))
        for row in bound
    )
    node = Values(fitted, schema)
    return Relation(node, fields_of(schema), bounded=True)


def _cells(row: exp.Expr) -> list[exp.Expr]:
    return list(row.expressions) if isinstance(row, exp.Tuple) else [row]


def _column(cells: list[Expression], position: int, values: exp.Values, text: ProgramText) -> Column:
    kind = case_type([cell.type for cell in cells])
    if kind is None:
        kinds = ", ".join(dict.fromkeys(str(cell.type.as_nullable()) for cell in cells))
        raise text.error(
            ErrorCode.TYPE_MISMATCH, f"column {position + 1} of VALUES has no common type: {kinds}", values
        )
    return Column(f"EXPR${position}", kind)

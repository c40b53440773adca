"""What the planner's tests share: a few relations, and planning a text over them."""

from __future__ import annotations

from collections.abc import Mapping

from velo_engine import types as t
from velo_engine.plan.nodes import PlannedProgram, PlannedStatement, SourceKind, SourceTable
from velo_engine.plan.planner import plan_program
from velo_engine.plan.render import render_program
from velo_engine.schema import RowSchema
from velo_engine.sql.parser import parse_program

ROW_OF_ADDRESS = t.row(("city", t.STRING), ("zip", t.INT.as_nullable(False)))

SCHEMAS: Mapping[str, RowSchema | SourceTable] = {
    "trades": RowSchema.of(
        ("symbol", t.STRING), ("price", t.decimal(10, 2)), ("qty", t.INT), ("ts", t.timestamp(3)), ("ms", t.BIGINT)
    ),
    "orders": RowSchema.of(
        ("order_id", t.BIGINT.as_nullable(False)), ("customer_id", t.INT), ("amount", t.DOUBLE), ("ts", t.timestamp(3))
    ),
    "payments": RowSchema.of(("order_id", t.BIGINT), ("paid", t.decimal(8, 2)), ("ts", t.timestamp(3))),
    "customers": RowSchema.of(("customer_id", t.BIGINT), ("name", t.STRING), ("address", ROW_OF_ADDRESS)),
    "rates": SourceTable("rates", SourceKind.TABLE, RowSchema.of(("symbol", t.STRING), ("rate", t.DOUBLE)), {}, (0,)),
}


def plan(sql: str) -> PlannedProgram:
    """The plan of a program over SCHEMAS."""
    return plan_program(parse_program(sql, file="test.sql", variables={}), schemas=SCHEMAS)


def statement(sql: str, name: str | None = None) -> PlannedStatement:
    """The plan of one statement, the last unless it is named."""
    statements = plan(sql).statements
    return statements[name] if name is not None else list(statements.values())[-1]


def columns(sql: str) -> list[tuple[str, str]]:
    """Names and types of the last statement's output."""
    return [(column.name, str(column.type)) for column in statement(sql).plan.schema.columns]


def names(sql: str) -> tuple[str, ...]:
    """Names of the last statement's output."""
    return statement(sql).plan.schema.names


def text(sql: str) -> str:
    """The plan as text."""
    return render_program(plan(sql))

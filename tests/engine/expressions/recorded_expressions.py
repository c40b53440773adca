"""Evaluates expressions over the recorded rows the way the engine does, for comparison with Flink's recorded answers."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlglot import exp

from velo_engine.compile_expression import compile_expression
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.kernel import Kernel
from velo_engine.plan.expressions import Cast, ColumnRef, Expression
from velo_engine.schema import Column, RowSchema
from velo_engine.sql.expression_binder import bind_expression, bind_field
from velo_engine.sql.parser import parse_expression
from velo_engine.type_rules import parse_type
from velo_engine.types import BINARIES, STRING, SqlType, TypeName, arrow_type

FOLDER = Path(__file__).parent / "flink_2.3.0"


@dataclass(frozen=True)
class TableScope:
    """One table `t` and its columns; ROW fields by dots."""

    schema: RowSchema

    def resolve(self, column: exp.Column) -> Expression:
        parts = [part.name for part in column.parts]
        if parts[0] == "t" and len(parts) > 1:
            parts = parts[1:]
        index = self.schema.index(parts[0])
        if index is None:
            raise VeloError(ErrorCode.UNKNOWN_COLUMN, f"no column {parts[0]}")
        bound: Expression = ColumnRef(index, self.schema.types[index])
        for name in parts[1:]:
            bound = bind_field(bound, name, None)
        return bound

    def planned(self, node: exp.Expression) -> Expression | None:
        return None


@dataclass(frozen=True)
class Case:
    """An expression and Flink's answer: its type and its value per row (the text, or `!!` and the error), or why it refuses."""

    expression: str
    type: str
    values: tuple[str | None, ...]
    refused: str | None


@dataclass(frozen=True)
class Recording:
    """The rows of table `t` and the expressions evaluated over them."""

    schema: RowSchema
    rows: pa.Table
    cases: tuple[Case, ...]
    time_zone: str = "UTC"


def load(name: str) -> Recording:
    raw = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return recording(raw)


def recording(raw: dict[str, Any]) -> Recording:
    schema = RowSchema(tuple(Column(n, parse_type(t)) for n, t in raw["columns"]))
    arrays = [
        pa.array([physical(row.get(c.name), c.type) for row in raw["rows"]], arrow_type(c.type)) for c in schema.columns
    ]
    rows = pa.table(arrays, names=[f"c{i}" for i in range(len(schema))])
    cases = tuple(
        Case(case["expression"], case.get("type", ""), tuple(case.get("values", ())), case.get("refused"))
        for case in raw["cases"]
    )
    return Recording(schema, rows, cases, raw.get("time_zone", "UTC"))


def physical(value: Any, t: SqlType) -> Any:
    """A JSON value in the physical form of its type."""
    if value is None:
        return None
    match t.name:
        case TypeName.DECIMAL:
            return Decimal(str(value)).quantize(Decimal(1).scaleb(-t.scale), ROUND_HALF_UP, Context(prec=80))
        case TypeName.DATE:
            return dt.date.fromisoformat(value)
        case TypeName.TIME:
            return dt.time.fromisoformat(value)
        case TypeName.TIMESTAMP | TypeName.TIMESTAMP_LTZ:
            return dt.datetime.fromisoformat(value.replace("Z", ""))
        case TypeName.BINARY | TypeName.VARBINARY:
            import base64

            return base64.b64decode(value)
        case TypeName.ARRAY:
            return [physical(item, t.element) for item in value]
        case TypeName.MAP:
            return [(physical(k, t.key), physical(v, t.element)) for k, v in value.items()]
        case TypeName.ROW:
            return {name: physical(value.get(name), child) for name, child in t.fields}
        case _:
            return value


def bind(text: str, schema: RowSchema) -> Expression:
    return bind_expression(parse_expression(text), TableScope(schema), text=text, file="<test>")


def evaluate(kernel: Kernel, expression: Expression, recorded: Recording) -> list[str | None]:
    """The value of every row as Flink's CAST AS STRING shows it, or `!!` and the reason."""
    if expression.type.name in BINARIES:
        return _bytes_shown(kernel, expression, recorded)
    shown = Cast(expression, STRING.as_nullable(expression.type.nullable))
    compiled = compile_expression(
        shown, lambda i: f"c{i}", time_zone=recorded.time_zone, now="TIMESTAMP '2026-01-02 03:04:05.678'"
    )
    sql = f"SELECT {compiled.value} AS v, {compiled.error or 'NULL'} AS e FROM (SELECT * FROM b)"
    table = kernel.query(sql, b=recorded.rows)
    values, errors = table.column(0).to_pylist(), table.column(1).to_pylist()
    return [value if error is None else f"!!{error}" for value, error in zip(values, errors, strict=True)]


def _bytes_shown(kernel: Kernel, expression: Expression, recorded: Recording) -> list[str | None]:
    compiled = compile_expression(expression, lambda i: f"c{i}")
    table = kernel.query(f"SELECT {compiled.value} AS v, {compiled.error or 'NULL'} AS e FROM b", b=recorded.rows)
    values, errors = table.column(0).to_pylist(), table.column(1).to_pylist()
    shown = [None if value is None else f"x'{value.hex()}'" for value in values]
    return [value if error is None else f"!!{error}" for value, error in zip(shown, errors, strict=True)]

"""Ways to look at syntax trees: as text that a person can write down beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlglot import exp

from velo_engine.sql.parser import parse_expression, parse_program

POSITIONAL = ("this", "expression", "expressions", "low", "high")


def shape_of(node: Any) -> str:
    """A tree as `Class(operands, other=…)`: columns and names as they are, strings quoted, absent parts left out."""
    match node:
        case list():
            return "[" + ", ".join(shape_of(item) for item in node) + "]"
        case exp.Star():
            return "*"
        case exp.Column():
            return ".".join(shape_of(part) for part in node.parts)
        case exp.Identifier():
            return f'"{node.name}"' if node.quoted else node.name
        case exp.Literal():
            return f"'{node.this}'" if node.is_string else str(node.this)
        case exp.Var():
            return node.name
        case exp.Boolean():
            return str(node.this).upper()
        case exp.Null():
            return "NULL"
        case exp.Anonymous():
            name = node.this if isinstance(node.this, str) else shape_of(node.this)
            return f"{name}({', '.join(shape_of(arg) for arg in node.expressions)})"
        case exp.DataType() if not isinstance(node, exp.IntervalSpan):
            return _type(node)
        case exp.Expression():
            return _node(node)
        case _:
            return str(node)


def _type(node: exp.DataType) -> str:
    name = node.this.value if isinstance(node.this, exp.DType) else shape_of(node.this)
    if node.args.get("kind"):
        name = str(node.args["kind"])
    inside = ", ".join(
        shape_of(part.this if isinstance(part, exp.DataTypeParam) else part) for part in node.expressions
    )
    nullable = node.args.get("nullable")
    suffix = "" if nullable is None else " NULL" if nullable else " NOT NULL"
    return f"{name}<{inside}>{suffix}" if inside else f"{name}{suffix}"


def _node(node: exp.Expression) -> str:
    parts = []
    for key in (*POSITIONAL, *sorted(set(node.args) - set(POSITIONAL))):
        value = node.args.get(key)
        if value is None or value is False or value == []:
            continue
        if key in POSITIONAL:
            parts.append(shape_of(value))
        elif not (isinstance(node, exp.Cast) and key == "_type"):
            parts.append(f"{key}={shape_of(value)}")
    return f"{type(node).__name__}({', '.join(parts)})"


@pytest.fixture
def shape() -> Callable[[Any], str]:
    return shape_of


@pytest.fixture
def expression_shape() -> Callable[[str], str]:
    """The tree of an expression."""
    return lambda sql: shape_of(parse_expression(sql))


@pytest.fixture
def query() -> Callable[[str], exp.Select]:
    """The query of the only statement of a program."""

    def parse(sql: str) -> exp.Select:
        (statement,) = parse_program(sql, variables={}).statements
        assert isinstance(statement.query, exp.Select)
        return statement.query

    return parse

"""Calls of the JSON functions with clauses: RETURNING, ON EMPTY, ON ERROR, WRAPPER, ON NULL."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.plan.expressions import Expression
from velo_engine.sql.syntax import JsonCall


def bind_json(
    node: JsonCall,
    bind: Callable[[exp.Expression], Expression],
    call: Callable[..., Expression],
    location: Location | None,
) -> Expression:
    """The call of a JSON function."""
    raise VeloError(ErrorCode.SQL_UNSUPPORTED, f"this engine does not run {node.this}", location=location)

"""The expressions of a plan node, and what in them differs from run to run."""

from __future__ import annotations

from collections.abc import Iterable

from velo_engine.plan.expressions import Call, Expression, walk
from velo_engine.plan.nodes import (
    Expand,
    Filter,
    IntervalJoin,
    PlanNode,
    Project,
    RegularJoin,
    TableJoin,
    TemporalJoin,
    Values,
    WindowJoin,
)

UNSTEADY = frozenset(
    {"now", "current_timestamp", "current_row_timestamp", "current_date", "current_time", "localtime"}
    | {"localtimestamp", "unix_timestamp", "proctime", "rand", "rand_integer", "uuid"}
)
"""Functions of the clock or of chance (UNIX_TIMESTAMP without arguments)."""


def expressions_of(node: PlanNode) -> tuple[Expression, ...]:
    """What `node` computes."""
    match node:
        case Filter():
            return (node.predicate,)
        case Project():
            return node.expressions
        case Expand():
            return tuple(expression for row in node.projections for expression in row)
        case Values():
            return tuple(cell for row in node.rows for cell in row)
        case RegularJoin() | IntervalJoin() | TableJoin() | TemporalJoin() | WindowJoin():
            return () if node.condition is None else (node.condition,)
        case _:
            return ()


def unsteady_functions(expressions: Iterable[Expression]) -> tuple[str, ...]:
    """The functions among them whose value differs from run to run, each once, in order of appearance."""
    found = [
        part.function
        for expression in expressions
        for part in walk(expression)
        if isinstance(part, Call) and part.function in UNSTEADY
        if part.function != "unix_timestamp" or not part.args
    ]
    return tuple(dict.fromkeys(found))

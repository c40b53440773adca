"""Whether two programs are the same: names, types, operators, emission; not where things stand in the text.

Two differences of plans make none of results, and are looked over:

* whether the time of a window may be NULL, unless something reads it: every expression that does has its type;
* which spelling a window has (`of_table_function`), unless it decides in which order slices of sliding windows are
  added up, and an aggregate can tell.
"""

from __future__ import annotations

from dataclasses import replace

from velo_engine.plan.expressions import AggregateCall
from velo_engine.plan.nodes import (
    Filter,
    PlannedProgram,
    PlannedStatement,
    PlanNode,
    WindowAggregate,
    WindowKind,
    inputs,
)
from velo_engine.plan.rewrite import with_inputs
from velo_engine.schema import RowSchema
from velo_engine.types import TypeName

_ANY_ORDER = frozenset({"count", "min", "max"})
_ANY_ORDER_IF_EXACT = frozenset({"sum", "avg"})
_APPROXIMATE = frozenset({TypeName.FLOAT, TypeName.DOUBLE})


def same_program(one: PlannedProgram, other: PlannedProgram) -> bool:
    """Whether both do the same."""
    if (one.sources, one.properties, one.state_ttl_ms) != (other.sources, other.properties, other.state_ttl_ms):
        return False
    if list(one.statements) != list(other.statements):
        return False
    pairs = zip(one.statements.values(), other.statements.values(), strict=True)
    return all(_comparable_statement(a) == _comparable_statement(b) for a, b in pairs)


def _comparable_statement(statement: PlannedStatement) -> PlannedStatement:
    """Without the further names by which a spec may call its columns."""
    return replace(statement, plan=comparable(statement.plan), aliases={})


def comparable(node: PlanNode) -> PlanNode:
    """The plan without what makes no difference."""
    node = with_inputs(node, [comparable(child) for child in inputs(node)])
    match node:
        case WindowAggregate():
            spelled = node.of_table_function and _tells_order(node)
            return replace(node, schema=_nullable_time(node.schema), of_table_function=spelled)
        case Filter():
            return replace(node, schema=node.input.schema)
        case _:
            return node


def _nullable_time(schema: RowSchema) -> RowSchema:
    """The schema of a windowed aggregate, whose last column is the window's time, which may be NULL."""
    *columns, time = schema.columns
    return RowSchema((*columns, replace(time, type=time.type.as_nullable(True))))


def _tells_order(node: WindowAggregate) -> bool:
    return node.window.kind is WindowKind.HOP and not all(_is_free_of_order(call) for call in node.calls)


def _is_free_of_order(call: AggregateCall) -> bool:
    if call.function in _ANY_ORDER:
        return True
    return call.function in _ANY_ORDER_IF_EXACT and call.type.name not in _APPROXIMATE

"""Leaves out aggregations of single rows: GROUP BY over columns that hold a key of the input.

Then every group has one row, and its changes go on as they are: an update stays an update, where an aggregation would
delete the group and open it again. Source: Flink's FlinkAggregateRemoveRule, which knows SUM, MIN, MAX and DISTINCT.
"""

from __future__ import annotations

from velo_engine.plan.changelog import Statements
from velo_engine.plan.expressions import AggregateCall, Cast, ColumnRef, Expression
from velo_engine.plan.nodes import GroupAggregate, PlanNode, Project, inputs
from velo_engine.plan.rewrite import with_inputs
from velo_engine.plan.upsert_keys import unranked_keys
from velo_engine.schema import RowSchema
from velo_engine.types import SqlType

_OF_ONE_ROW = frozenset({"sum", "min", "max"})
"""Aggregates that give a single value back."""


def without_single_row_aggregates(node: PlanNode, statements: Statements) -> PlanNode:
    """The plan without aggregations whose groups have one row each."""
    node = with_inputs(node, [without_single_row_aggregates(child, statements) for child in inputs(node)])
    if not isinstance(node, GroupAggregate) or not node.keys or not all(_is_simple(call) for call in node.calls):
        return node
    if not any(key <= set(node.keys) for key in unranked_keys(node.input, statements)):
        return node
    if node.calls and _are_computed(node):
        return node
    schema = node.input.schema
    values = [_typed(schema, i, node.schema.types[at]) for at, i in enumerate(node.keys)]
    values += [_typed(schema, call.args[0], call.type) for call in node.calls]
    return Project(node.input, tuple(values), node.schema)


def _are_computed(node: GroupAggregate) -> bool:
    """Whether every key is computed right below: of a single row, whose key is empty, Flink then does not see it
    (RelMdColumnUniqueness looks at plain columns of a projection)."""
    below = node.input
    return isinstance(below, Project) and not any(isinstance(below.expressions[i], ColumnRef) for i in node.keys)


def _is_simple(call: AggregateCall) -> bool:
    return call.function in _OF_ONE_ROW and call.filter is None and len(call.args) == 1


def _typed(schema: RowSchema, column: int, wanted: SqlType) -> Expression:
    value = ColumnRef(column, schema.types[column])
    return value if value.type == wanted else Cast(value, wanted)

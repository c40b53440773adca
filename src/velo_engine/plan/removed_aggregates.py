"""Leaves out aggregations of single rows: GROUP BY over columns that hold a key of the input.

Then every group has one row, and its changes go on as they are: an update stays an update, where an aggregation would
delete the group and open it again. Source: Flink's FlinkAggregateRemoveRule, which knows SUM, MIN, MAX and DISTINCT,
and AggregateReduceFunctionsRule, which puts the key in place of its average, and then of other aggregates of it.
"""

from __future__ import annotations

from velo_engine.plan.changelog import Statements
from velo_engine.plan.expressions import AggregateCall, Cast, ColumnRef, Expression
from velo_engine.plan.nodes import Filter, GroupAggregate, PlanNode, Project, TopN, inputs
from velo_engine.plan.rewrite import with_inputs
from velo_engine.plan.upsert_keys import is_of_key, is_unique
from velo_engine.schema import RowSchema
from velo_engine.types import SqlType

_OF_ONE_ROW = frozenset({"sum", "min", "max"})
"""Aggregates that give a single value back."""


def without_single_row_aggregates(node: PlanNode, statements: Statements) -> PlanNode:
    """The plan without aggregations whose groups have one row each."""
    node = with_inputs(node, [without_single_row_aggregates(child, statements) for child in inputs(node)])
    if not isinstance(node, GroupAggregate) or not node.keys or not _gives_values_back(node):
        return node
    if not is_unique(node.input, node.keys, statements):
        return node
    schema = node.input.schema
    values = [_typed(schema, i, node.schema.types[at]) for at, i in enumerate(node.keys)]
    values += [_typed(schema, call.args[0], call.type) for call in node.calls]
    return Project(node.input, tuple(values), node.schema)


def without_distinct_of_one_row(node: PlanNode) -> PlanNode:
    """The plan without GROUP BY or DISTINCT that has no aggregates, as it was written, and reads one row at most.

    Source: RelBuilder.aggregate and RelMdMaxRowCount, which Flink asks before it plans anything.
    """
    node = with_inputs(node, [without_distinct_of_one_row(child) for child in inputs(node)])
    if not isinstance(node, GroupAggregate) or node.calls or not _is_one_row(node.input):
        return node
    types = node.input.schema.types
    return Project(node.input, tuple(ColumnRef(i, types[i]) for i in node.keys), node.schema)


def _is_one_row(node: PlanNode) -> bool:
    match node:
        case Project() | Filter():
            return _is_one_row(node.input)
        case TopN():
            return (node.of_limit and node.first == node.limit) or _is_one_row(node.input)
        case GroupAggregate():
            return not node.keys
        case _:
            return False


def _gives_values_back(node: GroupAggregate) -> bool:
    """Whether of a group of one row every call is a column of the row, as far as Flink sees it."""
    if not any(call.function == "avg" for call in node.calls):
        return all(_is_plain(call) and call.function in _OF_ONE_ROW for call in node.calls)
    others = [call for call in node.calls if not is_of_key(call, node.keys)]
    return all(_is_plain(call) and call.function in ("min", "max") for call in others)  # SUM is a count and a sum then


def _is_plain(call: AggregateCall) -> bool:
    return call.filter is None and len(call.args) == 1


def _typed(schema: RowSchema, column: int, wanted: SqlType) -> Expression:
    value = ColumnRef(column, schema.types[column])
    return value if value.type == wanted else Cast(value, wanted)

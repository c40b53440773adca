"""Leaves out outer joins of which nobody reads the side that may be missing: the other rows then go on as they are.

They are not taken back and given out again with every change of the match, and do not wait for the watermark. It needs
rows with one match at most, or DISTINCT above, to which several matches are one. Source: Calcite's
ProjectJoinRemoveRule and AggregateJoinRemoveRule.
"""

from __future__ import annotations

from dataclasses import replace

from velo_engine.plan.changelog import Statements
from velo_engine.plan.expressions import ColumnRef, Literal, columns_of
from velo_engine.plan.nodes import (
    Filter,
    GroupAggregate,
    IntervalJoin,
    JoinKind,
    PlanNode,
    Project,
    RegularJoin,
    TemporalJoin,
    WindowJoin,
    inputs,
)
from velo_engine.plan.rewrite import with_inputs
from velo_engine.plan.upsert_keys import unranked_keys
from velo_engine.plan.used_columns import arguments_of


def without_unread_joins(node: PlanNode, statements: Statements) -> PlanNode:
    """The plan, which must be pruned, with NULL for the columns of joins that nobody reads."""
    match node:
        case Project():
            node = replace(node, input=_read(node.input, columns_of(*node.expressions), statements))
        case GroupAggregate():
            node = replace(node, input=_aggregated(node, statements))
    return with_inputs(node, [without_unread_joins(child, statements) for child in inputs(node)])


def _aggregated(node: GroupAggregate, statements: Statements) -> PlanNode:
    """What `node` aggregates."""
    read = frozenset(node.keys) | arguments_of(node.calls)
    below = node.input
    if all(call.distinct for call in node.calls):
        below = _distinct(below, read)
    return _read(below, read | frozenset(node.unused_args), statements)


def _distinct(node: PlanNode, columns: frozenset[int]) -> PlanNode:
    """A relation of which only the distinct values of `columns` matter."""
    match node:
        case Project():
            values = [node.expressions[i] for i in columns]
            plain = frozenset(value.index for value in values if isinstance(value, ColumnRef))
            return node if len(plain) < len(columns) else replace(node, input=_distinct(node.input, plain))
        case Filter():  # it goes below a join, but not below a temporal one
            below = _distinct(node.input, columns | columns_of(node.predicate))
            return node if _is_temporal(node.input) else replace(node, input=below)
        case RegularJoin() | IntervalJoin() | TemporalJoin() | WindowJoin():
            below = _preserved(node, columns)
            return below if below is node else _distinct(below, columns)
        case _:
            return node


def _is_temporal(node: PlanNode) -> bool:
    while isinstance(node, Project | Filter):
        node = node.input
    return isinstance(node, TemporalJoin)


def _read(node: PlanNode, columns: frozenset[int], statements: Statements) -> PlanNode:
    """A relation of which only `columns` are read."""
    if isinstance(node, Filter):
        return replace(node, input=_read(node.input, columns | columns_of(node.predicate), statements))
    if not isinstance(node, RegularJoin):
        return node
    other, keys = (node.left, node.left_keys) if node.kind is JoinKind.RIGHT else (node.right, node.right_keys)
    if not any(key <= set(keys) for key in unranked_keys(other, statements)):
        return node
    return _preserved(node, columns)


def _preserved(node: RegularJoin | IntervalJoin | TemporalJoin | WindowJoin, columns: frozenset[int]) -> PlanNode:
    """The side of an outer join of which every row is in the result, if `columns` are all of that side."""
    if node.kind not in (JoinKind.LEFT, JoinKind.RIGHT):
        return node
    types = node.schema.types
    kept, first = (node.left, 0) if node.kind is JoinKind.LEFT else (node.right, len(node.left.schema))
    if not columns <= set(range(first, first + len(kept.schema))):
        return node
    values = [ColumnRef(i - first, kind) if i in columns else Literal(None, kind) for i, kind in enumerate(types)]
    return Project(kept, tuple(values), node.schema)

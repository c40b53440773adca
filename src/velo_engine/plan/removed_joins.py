"""Leaves out left joins of which nobody reads the right side, when each row has one match at most.

The rows of the left side then go on as they are, instead of being taken back and given out again with every change of
the match. Source: Calcite's ProjectJoinRemoveRule.
"""

from __future__ import annotations

from dataclasses import replace

from velo_engine.plan.changelog import Statements
from velo_engine.plan.expressions import ColumnRef, Literal, columns_of
from velo_engine.plan.nodes import Filter, GroupAggregate, JoinKind, PlanNode, Project, RegularJoin, inputs
from velo_engine.plan.rewrite import with_inputs
from velo_engine.plan.upsert_keys import unranked_keys
from velo_engine.plan.used_columns import arguments_of


def without_unread_joins(node: PlanNode, statements: Statements) -> PlanNode:
    """The plan, which must be pruned, with NULL for the columns of joins that nobody reads."""
    match node:
        case Project():
            node = replace(node, input=_read(node.input, columns_of(*node.expressions), statements))
        case GroupAggregate():
            read = frozenset(node.keys) | arguments_of(node.calls)
            node = replace(node, input=_read(node.input, read, statements))
    return with_inputs(node, [without_unread_joins(child, statements) for child in inputs(node)])


def _read(node: PlanNode, columns: frozenset[int], statements: Statements) -> PlanNode:
    """A relation of which only `columns` are read."""
    if isinstance(node, Filter):
        return replace(node, input=_read(node.input, columns | columns_of(node.predicate), statements))
    if not isinstance(node, RegularJoin) or node.kind not in (JoinKind.LEFT, JoinKind.RIGHT):
        return node
    width, types = len(node.left.schema), node.schema.types
    kept, other, keys, first = (
        (node.left, node.right, node.right_keys, 0)
        if node.kind is JoinKind.LEFT
        else (node.right, node.left, node.left_keys, width)
    )
    own = range(first, first + len(kept.schema))
    if not columns <= set(own) or not any(key <= set(keys) for key in unranked_keys(other, statements)):
        return node
    values = [ColumnRef(i - first, kind) if i in columns else Literal(None, kind) for i, kind in enumerate(types)]
    return Project(kept, tuple(values), node.schema)

"""OVER whose results a later select list leaves out."""

from __future__ import annotations

from velo_engine.plan.expressions import columns_of
from velo_engine.plan.nodes import OverAggregate, PlanNode, Project
from velo_engine.plan.rewrite import map_columns


def without_unread_over(node: PlanNode) -> PlanNode:
    """A select list over another one without the OVER below that it does not read: then no row is late for it.

    Flink makes one projection of two that follow each other (Calcite's ProjectMergeRule) before OVER becomes an
    operator; what stands between them otherwise (a filter, a window table function) keeps it. Done where the select
    list is planned, since later only the merged projection is left.
    """
    if not isinstance(node, Project):
        return node
    below = node.input
    read = columns_of(*node.expressions)
    if isinstance(below, OverAggregate) and all(column < len(below.input.schema) for column in read):
        return without_unread_over(Project(below.input, node.expressions, node.schema))
    if isinstance(below, Project) and isinstance(below.input, OverAggregate):
        if not read:
            return without_unread_over(Project(below.input, node.expressions, node.schema))
        kept = tuple(sorted(read))
        places = {old: new for new, old in enumerate(kept)}
        narrow = Project(below.input, tuple(below.expressions[i] for i in kept), below.schema.select(kept))
        bare = without_unread_over(narrow)
        if bare is not narrow:
            expressions = tuple(map_columns(expression, places.__getitem__) for expression in node.expressions)
            return Project(bare, expressions, node.schema)
    return node

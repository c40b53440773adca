"""Outer joins whose padded rows a filter above leaves out: they are inner joins, or outer on the other side only.

It shows in the changes: an inner join passes an update on as an update, an outer one deletes and inserts. Source:
Calcite's FilterJoinRule with RelOptUtil.simplifyJoin, which Flink's planner applies after it has moved filters down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from velo_engine.plan.expressions import Expression, columns_of
from velo_engine.plan.nodes import Filter, IntervalJoin, JoinKind, PlanNode, Project, RegularJoin, Union, inputs
from velo_engine.plan.null_rows import never_true
from velo_engine.plan.rewrite import conjuncts, inlined, map_columns, with_inputs
from velo_engine.plan.simplified import simplified

_WITHOUT_LEFT_PADDING = {JoinKind.RIGHT: JoinKind.INNER, JoinKind.FULL: JoinKind.LEFT}
"""What a join is when its left columns are never all missing."""
_WITHOUT_RIGHT_PADDING = {JoinKind.LEFT: JoinKind.INNER, JoinKind.FULL: JoinKind.RIGHT}


def with_simplified_joins(node: PlanNode, conditions: Sequence[Expression] = ()) -> PlanNode:
    """The plan, of whose rows only those matter for which all of `conditions` are true."""
    match node:
        case Filter():
            below = with_simplified_joins(node.input, [*conditions, *conjuncts(node.predicate)])
            return with_inputs(node, [below])
        case Project():
            moved = [inlined(condition, node.expressions) for condition in conditions]
            return with_inputs(node, [with_simplified_joins(node.input, moved)])
        case Union():
            return with_inputs(node, [with_simplified_joins(source, conditions) for source in node.sources])
        case RegularJoin() | IntervalJoin():
            return _join(node, [simplified(condition) for condition in conditions])
        case _:
            return with_inputs(node, [with_simplified_joins(child) for child in inputs(node)])


def _join(node: RegularJoin | IntervalJoin, conditions: Sequence[Expression]) -> PlanNode:
    width = len(node.left.schema)
    left, right = frozenset(range(width)), frozenset(range(width, len(node.schema)))
    kind = node.kind
    for condition in conditions:
        if never_true(condition, left):
            kind = _WITHOUT_LEFT_PADDING.get(kind, kind)
        if never_true(condition, right):
            kind = _WITHOUT_RIGHT_PADDING.get(kind, kind)
    keeps_left = kind in (JoinKind.LEFT, JoinKind.FULL)
    keeps_right = kind in (JoinKind.RIGHT, JoinKind.FULL)
    of_left = [c for c in conditions if not keeps_right and columns_of(c) <= left]
    of_right = [c for c in conditions if not keeps_left and not kind.one_sided and columns_of(c) <= right]
    moved = [map_columns(condition, lambda index: index - width) for condition in of_right]
    below = [with_simplified_joins(node.left, of_left), with_simplified_joins(node.right, moved)]
    return with_inputs(replace(node, kind=kind), below)

"""Which relations have no row whatever the input, because what filters and joins ask for contradicts itself.

A condition is looked at together with those below it that the same rows fulfil: Flink's planner moves filters down, and
pulls known predicates up. Source: Calcite's FilterJoinRule, FilterAggregateTransposeRule, ReduceExpressionsRule and
RelMdPredicates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from velo_engine.plan.contradictions import contradictory
from velo_engine.plan.expressions import Call, ColumnRef, Expression, columns_of
from velo_engine.plan.nodes import (
    Filter,
    GroupAggregate,
    IntervalJoin,
    JoinKind,
    PlanNode,
    Project,
    RegularJoin,
    TopN,
    WindowAggregate,
)
from velo_engine.plan.null_rows import never_true
from velo_engine.plan.relation import column_refs
from velo_engine.plan.rewrite import conjunction, inlined, map_columns
from velo_engine.plan.simplified import simplified
from velo_engine.types import BOOLEAN

Conditions = Sequence[Expression]

_KEEPS_LEFT = frozenset({JoinKind.INNER, JoinKind.LEFT, JoinKind.SEMI, JoinKind.ANTI})
"""Joins of which every row has a row of the left side."""
_FILTERS_LEFT = frozenset({JoinKind.INNER, JoinKind.RIGHT, JoinKind.SEMI})
"""Joins whose condition leaves rows of the left side out."""
_FILTERS_RIGHT = frozenset({JoinKind.INNER, JoinKind.LEFT, JoinKind.SEMI, JoinKind.ANTI})
"""Joins whose condition leaves rows of the right side out."""


def gives_no_row(node: Filter) -> bool:
    """Whether a filter is true for no row of its input."""
    return _contradict(node.input, conjuncts(node.predicate))


def never_matches(node: RegularJoin | IntervalJoin) -> bool:
    """Whether the condition of a join is true for no pair of rows."""
    return node.condition is not None and _contradictory([*_implied(node), *conjuncts(node.condition)])


def unmatched_sides(node: RegularJoin | IntervalJoin) -> tuple[bool, bool]:
    """Whether the join meets no row of its left side, and none of its right side."""
    if node.condition is None:
        return False, False
    if never_matches(node):
        return node.kind in _FILTERS_LEFT, node.kind in _FILTERS_RIGHT
    width = len(node.left.schema)
    parts = conjuncts(node.condition)
    of_left = [part for part in parts if _reads(part) and max(columns_of(part)) < width]
    of_right = [_moved(part, -width) for part in parts if _reads(part) and min(columns_of(part)) >= width]
    return (
        bool(of_left) and node.kind in _FILTERS_LEFT and _contradict(node.left, of_left),
        bool(of_right) and node.kind in _FILTERS_RIGHT and _contradict(node.right, of_right),
    )


def conjuncts(predicate: Expression) -> list[Expression]:
    """The operands of AND, or the predicate alone."""
    if isinstance(predicate, Call) and predicate.function == "and":
        return [part for arg in predicate.args for part in conjuncts(arg)]
    return [predicate]


def _contradict(node: PlanNode, conditions: Conditions) -> bool:
    """Whether no row of `node` fulfils `conditions`."""
    return any(_contradictory(found) for found in _together(node, conditions))


def _contradictory(conditions: Conditions) -> bool:
    condition = conjunction(conditions)
    return condition is not None and contradictory(simplified(condition))


def _together(node: PlanNode, conditions: Conditions) -> Iterator[Conditions]:
    """What the same rows fulfil, over the relations that it can be moved to."""
    match node:
        case Filter():
            yield from _together(node.input, [*conditions, *conjuncts(node.predicate)])
        case Project():
            yield from _together(node.input, [inlined(condition, node.expressions) for condition in conditions])
        case TopN():
            yield conditions
            yield from _below(node.input, conditions, column_refs(node.input.schema))
        case GroupAggregate() | WindowAggregate():
            yield conditions
            types = node.input.schema.types
            yield from _below(node.input, conditions, [ColumnRef(i, types[i]) for i in node.keys])
        case RegularJoin() | IntervalJoin():
            yield conditions
            yield from _of_sides(node, conditions)
        case _:
            yield conditions


def _below(node: PlanNode, conditions: Conditions, columns: Sequence[ColumnRef]) -> Iterator[Conditions]:
    """Of `conditions` those that read only the first columns above `node`, which are these `columns` of it."""
    moved = [inlined(c, columns) for c in conditions if _reads(c) and max(columns_of(c)) < len(columns)]
    if moved:
        yield from _together(node, moved)


def _of_sides(node: RegularJoin | IntervalJoin, conditions: Conditions) -> Iterator[Conditions]:
    width = len(node.left.schema)
    right = frozenset(range(width, width + len(node.right.schema)))
    own = [] if node.condition is None else conjuncts(node.condition)
    if node.kind is JoinKind.INNER:
        conditions = [*conditions, *own]
        yield conditions
    of_left = [c for c in conditions if _reads(c) and max(columns_of(c)) < width]
    if of_left and node.kind in _KEEPS_LEFT:
        yield from _together(node.left, of_left)
    of_right = [c for c in conditions if _reads(c) and columns_of(c) <= right]
    if not (node.kind is JoinKind.INNER or node.kind is JoinKind.RIGHT):
        of_right = [c for c in of_right if never_true(c, right)]  # the join is no outer one then
    if of_right:
        yield from _together(node.right, [_moved(c, -width) for c in of_right])


def _implied(node: RegularJoin | IntervalJoin) -> Iterator[Expression]:
    """What the keys, and the bounds of an interval, ask for."""
    width = len(node.left.schema)
    left, right = node.left.schema.types, node.right.schema.types
    for place, (i, j) in enumerate(zip(node.left_keys, node.right_keys, strict=True)):
        if place not in node.null_safe_keys:
            yield Call("equals", (ColumnRef(i, left[i]), ColumnRef(width + j, right[j])), BOOLEAN)
    if isinstance(node, IntervalJoin) and node.left_time is not None and node.right_time is not None:
        for time in (
            ColumnRef(node.left_time, left[node.left_time]),
            ColumnRef(width + node.right_time, right[node.right_time]),
        ):
            yield Call("is_not_null", (time,), BOOLEAN.as_nullable(False))


def _reads(condition: Expression) -> bool:
    return bool(columns_of(condition))


def _moved(condition: Expression, by: int) -> Expression:
    return map_columns(condition, lambda index: index + by)

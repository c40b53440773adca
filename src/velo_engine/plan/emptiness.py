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
    Expand,
    Filter,
    GroupAggregate,
    IntervalJoin,
    JoinKind,
    OverAggregate,
    PlanNode,
    Project,
    RegularJoin,
    TemporalJoin,
    TopN,
    Union,
    WindowAggregate,
)
from velo_engine.plan.null_rows import never_true
from velo_engine.plan.rewrite import conjunction, conjuncts, inlined, map_columns
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
    """Whether a join meets no pair of rows: its condition contradicts itself, or a key is NULL."""
    own = [] if node.condition is None else conjuncts(node.condition)
    missing = [part for part in _of_sides(node) if isinstance(part, Call) and part.function == "is_null"]
    return bool(own or missing) and _contradictory([*_implied(node), *own, *missing])


def unmatched_sides(node: RegularJoin | IntervalJoin) -> tuple[bool, bool]:
    """Whether the join meets no row of its left side, and none of its right side."""
    if never_matches(node):
        return node.kind in _FILTERS_LEFT, node.kind in _FILTERS_RIGHT
    if node.condition is None:
        return False, False
    width = len(node.left.schema)
    parts = conjuncts(node.condition)
    of_left = [part for part in parts if _reads(part) and max(columns_of(part)) < width]
    of_right = [_moved(part, -width) for part in parts if _reads(part) and min(columns_of(part)) >= width]
    return (
        bool(of_left) and node.kind in _FILTERS_LEFT and _contradict(node.left, of_left),
        bool(of_right) and node.kind in _FILTERS_RIGHT and _contradict(node.right, of_right),
    )


def _filtered(node: PlanNode) -> list[Expression]:
    """What filters at the top of `node` ask for, over its columns."""
    match node:
        case Filter():
            return [*conjuncts(node.predicate), *_filtered(node.input)]
        case Project():
            places = {e.index: i for i, e in enumerate(node.expressions) if isinstance(e, ColumnRef)}
            below = [condition for condition in _filtered(node.input) if columns_of(condition) <= places.keys()]
            return [map_columns(condition, places.__getitem__) for condition in below]
        case _:
            return []


def _of_sides(node: RegularJoin | IntervalJoin) -> list[Expression]:
    """What filters on both sides of a join ask for."""
    width = len(node.left.schema)
    return [*_filtered(node.left), *(_moved(condition, width) for condition in _filtered(node.right))]


def _contradictory(conditions: Conditions) -> bool:
    condition = conjunction(conditions)
    return condition is not None and contradictory(simplified(condition))


def _contradict(node: PlanNode, conditions: Conditions) -> bool:
    """Whether no row of `node` fulfils `conditions` and those that the same rows fulfil below."""
    columns: Sequence[int | None]
    match node:
        case Filter():
            return _contradict(node.input, [*conditions, *conjuncts(node.predicate)])
        case Project():
            return _contradict(node.input, [inlined(condition, node.expressions) for condition in conditions])
        case Union():
            return all(_contradict(source, conditions) for source in node.sources)
        case RegularJoin() | IntervalJoin():
            return _contradictory(conditions) or _contradict_sides(node, conditions)
        case TopN() | OverAggregate():
            below, columns = node.input, range(len(node.input.schema))
        case GroupAggregate() | WindowAggregate():
            below, columns = node.input, node.keys
        case Expand():
            below, columns = node.input, _in_every_set(node)
        case TemporalJoin():
            below, columns = node.left, range(len(node.left.schema))
        case _:
            return _contradictory(conditions)
    return _contradictory(conditions) or _contradict_below(below, conditions, columns)


def _contradict_below(node: PlanNode, conditions: Conditions, columns: Sequence[int | None]) -> bool:
    """Whether those of `conditions` contradict that read only what `columns` of `node` are above it."""
    known = {i: column for i, column in enumerate(columns) if column is not None}
    moved = [map_columns(c, known.__getitem__) for c in conditions if _reads(c) and columns_of(c) <= known.keys()]
    return bool(moved) and _contradict(node, moved)


def _in_every_set(node: Expand) -> list[int | None]:
    """Which column of the input each column is that grouping sets leave as it is."""
    first, *others = node.projections
    same = [all(other[i] == expression for other in others) for i, expression in enumerate(first)]
    return [e.index if alike and isinstance(e, ColumnRef) else None for e, alike in zip(first, same, strict=True)]


def _contradict_sides(node: RegularJoin | IntervalJoin, conditions: Conditions) -> bool:
    width = len(node.left.schema)
    right = frozenset(range(width, width + len(node.right.schema)))
    if node.kind in (JoinKind.INNER, JoinKind.SEMI):
        known = [*([] if node.condition is None else conjuncts(node.condition)), *_implied(node)]
        if _contradictory([*conditions, *known]):
            return True
        sides = _of_sides(node)  # which Flink does not hold against each other alone
        if _contradictory([*conditions, *known, *sides]) and not _contradictory([*known, *sides]):
            return True
        conditions = [*conditions, *known]
    of_left = [c for c in conditions if _reads(c) and max(columns_of(c)) < width]
    if of_left and node.kind in _KEEPS_LEFT and _contradict(node.left, of_left):
        return True
    of_right = [c for c in conditions if _reads(c) and columns_of(c) <= right]
    if node.kind not in (JoinKind.INNER, JoinKind.RIGHT):
        of_right = [c for c in of_right if never_true(c, right)]  # the join is no outer one then
    return bool(of_right) and _contradict(node.right, [_moved(c, -width) for c in of_right])


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

"""The joins of a FROM clause together, and what WHERE means for them.

A condition of WHERE that is false for NULLs of a padded side makes an outer join an inner one; one that speaks of a
single item filters that item, and one that speaks of both sides of an inner join joins its condition, so that it may
give keys and bounds of times. Flink's optimizer does the same, and one sees it: in row kinds, and in what may stand
above an interval join. Source: Calcite's FilterJoinRule and RelOptUtil.simplifyJoin. Joins with reference tables only
take the conditions of `FROM a, b`; their result is the same either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from velo_engine.errors import VeloError
from velo_engine.plan.bound_select import filtered
from velo_engine.plan.context import QueryContext
from velo_engine.plan.expressions import ColumnRef, walk
from velo_engine.plan.join_condition import conjuncts, rejected_nulls, side_by_side
from velo_engine.plan.joins import JoinStep, is_unconditional, join_kind, plan_join
from velo_engine.plan.nodes import JoinKind
from velo_engine.plan.relation import Relation
from velo_engine.plan.scope import RelationScope


@dataclass(frozen=True, slots=True)
class _Condition:
    """A conjunct of WHERE."""

    node: exp.Expr
    items: frozenset[int]
    """The FROM items of which it speaks, the first is 0."""
    rejected: frozenset[int]
    """The items that are not padded where it is true."""


@dataclass(slots=True)
class _Place:
    """What is done at one join."""

    kind: JoinKind
    joining: list[exp.Expr]
    """Conditions that become part of the join's."""
    right: list[exp.Expr]
    """Conditions on the right side alone."""
    above: list[exp.Expr]
    """Conditions on the result of the join."""


def join_as_written(left: Relation, step: JoinStep, context: QueryContext) -> Relation:
    """`left` joined by what the join itself says."""
    return plan_join(left, step, join_kind(step.join, context.text), _own_conditions(step), context)


def join_where(
    first: Relation,
    steps: Sequence[JoinStep],
    joined: Relation,
    where: exp.Expr,
    select: exp.Select,
    context: QueryContext,
) -> tuple[Relation, Sequence[exp.Expr]]:
    """`first` with all joins, and the conditions of `where` that are left to check on every row of the result.

    `joined` is the same as the joins themselves say it, which is what remains when WHERE says nothing of them.
    """
    conditions, others = _conditions(first, steps, where, context)
    below, places, top = _placed(steps, conditions, context)
    unchanged = all(
        place.kind is join_kind(step.join, context.text) and not (place.joining or place.right or place.above)
        for place, step in zip(places, steps, strict=True)
    )
    if unchanged and not below:
        return joined, (where,)
    relation = _where(first, below, select, context)
    for step, place in zip(steps, places, strict=True):
        right = replace(step, right=_where(step.right, place.right, select, context))
        relation = plan_join(relation, right, place.kind, [*_own_conditions(step), *place.joining], context)
        relation = _where(relation, place.above, select, context)
    kept = {id(node) for node in (*top, *others)}
    return relation, [node for node in conjuncts(where) if id(node) in kept]


def _own_conditions(step: JoinStep) -> list[exp.Expr]:
    written = step.join.args.get("on")
    return [] if written is None else conjuncts(written)


def _where(relation: Relation, conditions: Sequence[exp.Expr], select: exp.Select, context: QueryContext) -> Relation:
    for condition in conditions:
        relation = filtered(relation, condition, select, context.text)
    return relation


def _conditions(
    first: Relation, steps: Sequence[JoinStep], where: exp.Expr, context: QueryContext
) -> tuple[list[_Condition], list[exp.Expr]]:
    """The conjuncts of `where` over columns of FROM items, and those that say something else or nothing of them."""
    everything = first
    starts = [0]
    for step in steps:
        starts.append(len(everything.node.schema))
        everything = side_by_side(everything, step.right)
    scope = RelationScope(everything, context.text, clause="WHERE")
    found: list[_Condition] = []
    others: list[exp.Expr] = []
    for node in conjuncts(where):
        try:
            bound = context.text.condition(node, scope, "WHERE")
        except VeloError:  # an alias of the select list, a subquery, an error: WHERE itself will say
            others.append(node)
            continue
        items = frozenset(_item(part.index, starts) for part in walk(bound) if isinstance(part, ColumnRef))
        if items:
            found.append(_Condition(node, items, frozenset(_item(i, starts) for i in rejected_nulls(bound))))
        else:
            others.append(node)
    return found, others


def _item(column: int, starts: Sequence[int]) -> int:
    return sum(column >= start for start in starts) - 1


def _placed(
    steps: Sequence[JoinStep], conditions: Sequence[_Condition], context: QueryContext
) -> tuple[list[exp.Expr], list[_Place], list[exp.Expr]]:
    """The conditions on the first item, what is done at every join, and the conditions on the whole result."""
    streams = not all(step.looks_up for step in steps)
    going = list(conditions)
    places: list[_Place] = []
    for item in range(len(steps), 0, -1):
        step = steps[item - 1]
        place, going = _at_join(step, item, going, join_kind(step.join, context.text))
        places.append(place)
    places.reverse()
    top, places[-1].above = places[-1].above, []
    if not streams:
        return [], places, top + [condition.node for condition in going]
    return [condition.node for condition in going], places, top


def _at_join(step: JoinStep, item: int, going: Sequence[_Condition], kind: JoinKind) -> tuple[_Place, list[_Condition]]:
    """What is done with conditions on the result of a join: here, and (what is given back) on its left side."""
    if not step.looks_up and step.moment is None:
        kind = _simplified(kind, frozenset().union(*(c.rejected for c in going)), item)
    place = _Place(kind, [], [], [])
    left = []
    for condition in going:
        if condition.items == {item}:
            pushes = kind in (JoinKind.INNER, JoinKind.RIGHT) and not step.looks_up and step.moment is None
            (place.right if pushes else place.above).append(condition.node)
        elif item not in condition.items:
            if kind in (JoinKind.INNER, JoinKind.LEFT):
                left.append(condition)
            else:
                place.above.append(condition.node)
        else:
            joins = kind is JoinKind.INNER and (is_unconditional(step.join) or not step.looks_up)
            (place.joining if joins else place.above).append(condition.node)
    return place, left


def _simplified(kind: JoinKind, rejected: frozenset[int], item: int) -> JoinKind:
    """The kind of a join of whose result only rows are wanted in which the `rejected` items are not padded."""
    keeps_left = kind in (JoinKind.LEFT, JoinKind.FULL) and item not in rejected
    keeps_right = kind in (JoinKind.RIGHT, JoinKind.FULL) and not any(i < item for i in rejected)
    if keeps_left:
        return JoinKind.FULL if keeps_right else JoinKind.LEFT
    return JoinKind.RIGHT if keeps_right else JoinKind.INNER

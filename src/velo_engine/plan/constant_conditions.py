"""Conditions that are always true or never, and what follows: filters that go, relations without rows.

It shows in the changes: an aggregate that only such a filter reads is gone, and a global aggregate over a relation that
is proven empty is one row from the beginning, where one over a stream waits for its first row. Source: Flink's
SimplifyFilterConditionRule, and Calcite's ReduceExpressionsRule, PruneEmptyRules and AggregateValuesRule.
"""

from __future__ import annotations

from dataclasses import replace

from velo_engine.plan.constant_values import constant_literal
from velo_engine.plan.emptiness import gives_no_row, never_matches, unmatched_sides
from velo_engine.plan.expressions import Call, Case, Cast, Expression, Literal
from velo_engine.plan.nodes import (
    Correlate,
    Expand,
    Filter,
    GroupAggregate,
    IntervalJoin,
    JoinKind,
    PlanNode,
    Project,
    RegularJoin,
    TemporalJoin,
    TopN,
    Union,
    Values,
    WindowAggregate,
    inputs,
)
from velo_engine.plan.null_rows import always_true
from velo_engine.plan.relation import column_refs
from velo_engine.plan.rewrite import conjunction, conjuncts, with_inputs
from velo_engine.plan.simplified import simplified
from velo_engine.types import BIGINT, BOOLEAN

_COUNTS = frozenset({"count", "approx_count_distinct"})
"""Aggregates that are 0 of no rows."""
_NULL_OF_NOTHING = frozenset({"sum", "avg", "min", "max"})
"""Aggregates that are NULL then. Of the others AggregateValuesRule does not know, and waits for a row as ever."""


def without_constant_conditions(node: PlanNode) -> PlanNode:
    """The plan without conditions that are always true, and with Values in place of what never has a row."""
    node = with_inputs(node, [without_constant_conditions(child) for child in inputs(node)])
    match node:
        case Filter():
            return _filter(node)
        case Project(input=Values(rows=())) | Correlate(input=Values(rows=())):
            return _empty(node)
        case Project():
            return replace(node, expressions=tuple(map(_without_dead_branches, node.expressions)))
        case TopN(input=Values(rows=()), of_limit=True):  # in Flink a rank of nothing stays
            return _empty(node)
        case GroupAggregate(input=Values(rows=())):
            return _empty(node) if node.keys else _of_nothing(node)
        case Expand(input=Values(rows=())):
            return _empty(node)
        case WindowAggregate(input=Values(rows=()), of_table_function=True):
            return _empty(node)
        case Union() if all(_is_empty(source) for source in node.sources):
            return _empty(node)
        case RegularJoin() | IntervalJoin():
            return _join(node)
        case TemporalJoin() if node.kind is JoinKind.INNER and any(map(_is_empty, inputs(node))):
            return _empty(node)
        case _:
            return node


def _is_empty(node: PlanNode) -> bool:
    return isinstance(node, Values) and not node.rows


def _empty(node: PlanNode) -> Values:
    return Values((), node.schema)


def _filter(node: Filter) -> PlanNode:
    if _is_empty(node.input) or gives_no_row(node):
        return _empty(node)
    parts = conjuncts(node.predicate)
    kept = [part for part in parts if not always_true(simplified(part))]
    if len(kept) == len(parts):
        return node
    predicate = conjunction(kept)
    return node.input if predicate is None else replace(node, predicate=predicate)


def _without_dead_branches(expression: Expression) -> Expression:
    """`expression` without the branches of CASE that are never taken: what they read is read by nobody."""
    match expression:
        case Call(args=args):
            return replace(expression, args=tuple(map(_without_dead_branches, args)))
        case Cast(arg=arg):
            return replace(expression, arg=_without_dead_branches(arg))
        case Case(opaque=False):
            return _live(expression)
        case _:
            return expression


def _live(case: Case) -> Expression:
    kept: list[tuple[Expression, Expression]] = []
    default = case.default
    for when, then in case.branches:
        known = constant_literal(when)
        if known is not None and known.value is True:
            default = then
            break
        if known is None:
            kept.append((_without_dead_branches(when), _without_dead_branches(then)))
    value = _without_dead_branches(default)
    if kept:
        return replace(case, branches=tuple(kept), default=value)
    return value if value.type == case.type else Cast(value, case.type, location=case.location)


def _of_nothing(node: GroupAggregate) -> PlanNode:
    """The only row of a global aggregate that has no input."""
    if not all(call.function in _COUNTS | _NULL_OF_NOTHING for call in node.calls):
        return node
    zero = Literal(0, BIGINT.as_nullable(False))
    row = tuple(zero if call.function in _COUNTS else Literal(None, call.type) for call in node.calls)
    return Values((row,), node.schema)


def _join(node: RegularJoin | IntervalJoin) -> PlanNode:
    unmatched = unmatched_sides(node)
    left, right = (_is_empty(side) or alone for side, alone in zip((node.left, node.right), unmatched, strict=True))
    match node.kind:
        case JoinKind.ANTI if right and not left:
            return node.left
        case JoinKind.INNER | JoinKind.SEMI if left or right:
            return _empty(node)
        case JoinKind.LEFT | JoinKind.ANTI if left:
            return _empty(node)
        case JoinKind.RIGHT if right:
            return _empty(node)
        case JoinKind.FULL if left and right:
            return _empty(node)
        case JoinKind.LEFT | JoinKind.FULL if right:
            width = len(node.left.schema)
            padding = tuple(Literal(None, kind) for kind in node.schema.types[width:])
            return Project(node.left, (*column_refs(node.left.schema), *padding), node.schema)
        case JoinKind.RIGHT | JoinKind.FULL if left:
            padding = tuple(Literal(None, kind) for kind in node.schema.types[: len(node.left.schema)])
            return Project(node.right, (*padding, *column_refs(node.right.schema)), node.schema)
        case JoinKind.FULL if isinstance(node, IntervalJoin) and never_matches(node):  # no interval is left in it
            return RegularJoin(node.left, node.right, node.kind, (), (), Literal(False, BOOLEAN), node.schema)
        case _:
            return node

"""Inner joins of every row with every row, as an aggregation sees them through the projections and filters between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from velo_engine.plan.expressions import Call, Cast, ColumnRef, Expression, Literal, columns_of
from velo_engine.plan.nodes import Filter, JoinKind, PlanNode, Project, RegularJoin
from velo_engine.plan.relation import column_refs
from velo_engine.plan.rewrite import conjunction, conjuncts, inlined, map_columns
from velo_engine.plan.simplified import simplified


@dataclass(frozen=True, slots=True)
class CrossJoin:
    """What is joined, and what stands above it."""

    left: PlanNode
    right: PlanNode
    columns: tuple[Expression, ...]
    """The columns of the relation over left ++ right; constants of a side in their place."""
    fixed: frozenset[int]
    """The columns of left ++ right that a filter right at the join makes equal to a constant: Flink's planner computes
    the constant above the join instead, and sees no plain column any more (ReduceExpressionsRule)."""


def cross_join(node: PlanNode) -> CrossJoin | None:
    """The cross join of which `node` gives out projected rows; None when it is another relation."""
    found = _found(node)
    if found is None:
        return None
    left, right, columns = found
    width = len(left.schema)
    constants = {**_constants(left), **{width + i: value for i, value in _constants(right).items()}}
    plain = [*column_refs(left.schema), *(_moved(ref, width) for ref in column_refs(right.schema))]
    values = [constants.get(i, ref) for i, ref in enumerate(plain)]
    fixed = frozenset((*_fixed(left), *(width + i for i in _fixed(right))))
    return CrossJoin(left, right, tuple(inlined(column, values) for column in columns), fixed)


def is_constant(expression: Expression) -> bool:
    """Whether it is a literal, or one under CAST."""
    return isinstance(expression, Literal) or (isinstance(expression, Cast) and is_constant(expression.arg))


def _found(node: PlanNode) -> tuple[PlanNode, PlanNode, Sequence[Expression]] | None:
    """The sides, with the filters above the join, and the columns of `node` over them."""
    match node:
        case Project():
            below = _found(node.input)
            return below and (below[0], below[1], [inlined(e, below[2]) for e in node.expressions])
        case Filter():
            below = _found(node.input)
            if below is None:
                return None
            left, right, columns = below
            sides = _filtered(left, right, [inlined(part, columns) for part in conjuncts(node.predicate)])
            return sides and (*sides, columns)
        case RegularJoin(kind=JoinKind.INNER, left_keys=()):
            parts = [] if node.condition is None else conjuncts(node.condition)
            sides = _filtered(node.left, node.right, parts)
            return sides and (*sides, column_refs(node.schema))
        case _:
            return None


def _filtered(left: PlanNode, right: PlanNode, parts: Sequence[Expression]) -> tuple[PlanNode, PlanNode] | None:
    """The sides below what filters them; None when a condition is not about a single side."""
    width = len(left.schema)
    of_left = [part for part in parts if columns_of(part) and max(columns_of(part)) < width]
    of_right = [_moved(part, -width) for part in parts if columns_of(part) and min(columns_of(part)) >= width]
    if len(of_left) + len(of_right) < len(parts):
        return None
    return _below(left, of_left), _below(right, of_right)


def _below(side: PlanNode, parts: Sequence[Expression]) -> PlanNode:
    predicate = conjunction(parts)
    return side if predicate is None else Filter(side, predicate, side.schema)


def _constants(node: PlanNode) -> dict[int, Expression]:
    """The columns that a projection gives one value."""
    match node:
        case Project():
            below = _constants(node.input)
            values = [below.get(e.index, e) if isinstance(e, ColumnRef) else e for e in node.expressions]
            return {i: value for i, value in enumerate(values) if is_constant(value)}
        case Filter():
            return _constants(node.input)
        case RegularJoin(kind=JoinKind.INNER):
            width = len(node.left.schema)
            return {**_constants(node.left), **{width + i: value for i, value in _constants(node.right).items()}}
        case _:
            return {}


def _fixed(node: PlanNode) -> Iterator[int]:
    """The columns that filters, with no projection above them, make equal to a constant."""
    match node:
        case Filter():
            yield from _fixed(node.input)
            for part in conjuncts(simplified(node.predicate)):
                match part:
                    case Call(function="equals" | "in", args=(ColumnRef(index=index), other)) if is_constant(other):
                        yield index
                    case Call(function="equals", args=(other, ColumnRef(index=index))) if is_constant(other):
                        yield index
                    case Call(function="is_null", args=(ColumnRef(index=index),)):
                        yield index
        case RegularJoin(kind=JoinKind.INNER):
            yield from _fixed(node.left)
            yield from (len(node.left.schema) + index for index in _fixed(node.right))


def _moved(expression: Expression, by: int) -> Expression:
    return map_columns(expression, lambda index: index + by)

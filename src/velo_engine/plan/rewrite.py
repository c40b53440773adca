"""Nodes and expressions over other inputs: what planning does when something moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from velo_engine.plan.expressions import Call, Case, Cast, ColumnRef, Expression
from velo_engine.plan.nodes import PlanNode, Union, inputs
from velo_engine.types import BOOLEAN


def with_inputs(node: PlanNode, children: Sequence[PlanNode]) -> PlanNode:
    """`node` reading other relations of the same columns."""
    if all(new is old for new, old in zip(children, inputs(node), strict=True)):
        return node
    if isinstance(node, Union):
        return Union(tuple(children), node.schema)
    names = [name for name in ("input", "left", "right", "table") if hasattr(node, name)]
    return replace(node, **dict(zip(names, children, strict=True)))  # type: ignore[arg-type]


def map_columns(expression: Expression, move: Callable[[int], int]) -> Expression:
    """`expression` with every column position replaced by what `move` gives for it."""
    match expression:
        case ColumnRef(index=index):
            return replace(expression, index=move(index))
        case Call(args=args):
            return replace(expression, args=tuple(map_columns(arg, move) for arg in args))
        case Cast(arg=arg):
            return replace(expression, arg=map_columns(arg, move))
        case Case(branches=branches, default=default):
            moved = tuple((map_columns(when, move), map_columns(then, move)) for when, then in branches)
            return replace(expression, branches=moved, default=map_columns(default, move))
        case _:
            return expression


def inlined(expression: Expression, columns: Sequence[Expression]) -> Expression:
    """`expression` over a projection as an expression over the projection's input."""
    match expression:
        case ColumnRef(index=index):
            return columns[index]
        case Call(args=args):
            return replace(expression, args=tuple(inlined(arg, columns) for arg in args))
        case Cast(arg=arg):
            return replace(expression, arg=inlined(arg, columns))
        case Case(branches=branches, default=default):
            placed = tuple((inlined(when, columns), inlined(then, columns)) for when, then in branches)
            return replace(expression, branches=placed, default=inlined(default, columns))
        case _:
            return expression


def conjunction(parts: Sequence[Expression]) -> Expression | None:
    """All of `parts` under AND; None for none."""
    if len(parts) < 2:
        return parts[0] if parts else None
    nullable = any(part.type.nullable for part in parts)
    return Call("and", tuple(parts), BOOLEAN.as_nullable(nullable), parts[0].location)


def conjuncts(predicate: Expression) -> list[Expression]:
    """The operands of AND, or the predicate alone."""
    if isinstance(predicate, Call) and predicate.function == "and":
        return [part for arg in predicate.args for part in conjuncts(arg)]
    return [predicate]

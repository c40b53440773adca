"""The condition of a join taken apart: its keys, the conjuncts that speak of one side only, and the rest.

Equalities between one expression of each side are the keys; `IS NOT DISTINCT FROM` is one for which NULL equals NULL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from velo_engine.plan.expressions import Call, Case, Cast, ColumnRef, Expression, Literal, walk
from velo_engine.plan.nodes import JoinKind, RegularJoin
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation
from velo_engine.plan.rewrite import map_columns
from velo_engine.plan.scope import RelationScope
from velo_engine.schema import RowSchema
from velo_engine.sql.expression_binder import coerce
from velo_engine.type_rules import comparable
from velo_engine.types import STRINGS, SqlType

_KEYED_BY = {"equals": False, "is_not_distinct_from": True}
"""Functions that make keys, and whether NULL equals NULL."""

_OPPOSITE = {
    "less": "greater_equal",
    "less_equal": "greater",
    "greater": "less_equal",
    "greater_equal": "less",
    "equals": "not_equals",
    "not_equals": "equals",
}

_STRICT = frozenset(
    {
        *_OPPOSITE,
        *("plus", "minus", "times", "divide", "mod", "negate", "not", "like", "in"),
        *("trim", "ltrim", "rtrim", "ceil", "floor", "greatest", "least"),
    }
)
"""Functions that are NULL when any operand is: those of Calcite's Strong that have the policy ANY."""


@dataclass(frozen=True, slots=True)
class JoinKeys:
    """Equal expressions, each over the columns of its own side, both of one type."""

    left: tuple[Expression, ...]
    right: tuple[Expression, ...]
    null_safe: frozenset[int]
    """The positions at which NULL equals NULL."""


def conjuncts(node: exp.Expr) -> list[exp.Expr]:
    """The operands of AND, through parentheses, in order."""
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.And):
        return [*conjuncts(node.this), *conjuncts(node.expression)]
    return [node]


def side_by_side(left: Relation, right: Relation) -> Relation:
    """The names of both sides over left ++ right, as ON sees them: nothing is padded yet."""
    width = len(left.node.schema)
    schema = RowSchema(left.node.schema.columns + right.node.schema.columns)
    provisional = RegularJoin(left.node, right.node, JoinKind.INNER, (), (), None, schema)
    shifted = tuple(replace(field, position=field.position + width) for field in right.fields)
    return Relation(provisional, left.fields + shifted, left.event_times)


def bound_conjuncts(
    left: Relation, right: Relation, conditions: Sequence[exp.Expr], text: ProgramText
) -> tuple[Expression, ...]:
    """The conjuncts of `conditions` over left ++ right."""
    scope = RelationScope(side_by_side(left, right), text, clause="ON")
    return tuple(part for condition in conditions for part in _flat(text.condition(condition, scope, "ON")))


def _flat(condition: Expression) -> list[Expression]:
    """The operands of AND; NOT of a comparison as the opposite one; without what is always true."""
    match condition:
        case Call(function="and", args=args):
            return [part for arg in args for part in _flat(arg)]
        case Call(function="not", args=(Call(function=function) as inner,)) if function in _OPPOSITE:
            return [replace(inner, function=_OPPOSITE[function])]
        case Literal(value=True):
            return []
        case _:
            return [condition]


def one_sided(parts: Sequence[Expression], width: int, *, left: bool, right: bool) -> tuple[list[Expression], ...]:
    """`parts` of only left columns, of only right columns (over the right side), and the others.

    A side that is not asked for leaves its parts with the others.
    """
    sorted_parts: tuple[list[Expression], ...] = ([], [], [])
    for part in parts:
        side = side_of(part, width)
        if side == 0 and left:
            sorted_parts[0].append(part)
        elif side == 1 and right:
            sorted_parts[1].append(map_columns(part, lambda index: index - width))
        else:
            sorted_parts[2].append(part)
    return sorted_parts


def keys_of(parts: Sequence[Expression], width: int) -> tuple[JoinKeys, tuple[Expression, ...]]:
    """The keys that conjuncts over left ++ right state, and the other conjuncts."""
    left: list[Expression] = []
    right: list[Expression] = []
    null_safe: set[int] = set()
    rest: list[Expression] = []
    for part in parts:
        pair = equality(part, width)
        if pair is None:
            rest.append(part)
            continue
        assert isinstance(part, Call), "an equality is a call"
        if _KEYED_BY[part.function]:
            null_safe.add(len(left))
        left.append(pair[0])
        right.append(pair[1])
    return JoinKeys(tuple(left), tuple(right), frozenset(null_safe)), tuple(rest)


def equality(condition: Expression, width: int) -> tuple[Expression, Expression] | None:
    """The operands of an equality between the sides, left then right, each over its own side and both of one type.

    None for anything else.
    """
    if not (isinstance(condition, Call) and condition.function in _KEYED_BY and len(condition.args) == 2):
        return None
    a, b = condition.args
    side_a, side_b = side_of(a, width), side_of(b, width)
    if {side_a, side_b} != {0, 1}:
        return None
    left, right = (a, b) if side_a == 0 else (b, a)
    common = comparable(left.type, right.type)
    if common is None:
        return None
    right = map_columns(right, lambda index: index - width)
    return _as_key(left, common), _as_key(right, common)


def _as_key(key: Expression, common: SqlType) -> Expression:
    """`key` in the type in which the sides meet; strings of any length are one type of key."""
    if key.type.name in STRINGS or key.type.as_nullable() == common.as_nullable():
        return key
    return coerce(key, common.as_nullable(key.type.nullable))


def side_of(expression: Expression, width: int) -> int | None:
    """0 when only columns of the left side occur, 1 for the right, None for both or none."""
    sides = {int(part.index >= width) for part in walk(expression) if isinstance(part, ColumnRef)}
    return sides.pop() if len(sides) == 1 else None


def rejected_nulls(condition: Expression) -> frozenset[int]:
    """The columns that must not be NULL where `condition` is true. Source: Calcite's Strong.isNotTrue."""
    match condition:
        case Call(function="and", args=args):
            return frozenset().union(*map(rejected_nulls, args))
        case Call(function="or", args=args):
            return frozenset.intersection(*map(rejected_nulls, args))
        case Call(function="is_not_null" | "is_true" | "is_false", args=(arg,)):
            return rejected_nulls(arg) if condition.function == "is_true" else _strict(arg)
        case _:
            return _strict(condition)


def _strict(expression: Expression) -> frozenset[int]:
    """The columns that make `expression` NULL when they are."""
    match expression:
        case ColumnRef(index=index):
            return frozenset({index})
        case Cast(arg=arg):
            return _strict(arg)
        case Call(function=function, args=args) if function in _STRICT:
            return frozenset().union(*map(_strict, args))
        case Call(function="and" | "or", args=args):
            return frozenset.intersection(*map(_strict, args))
        case Call() | Case() | Literal():
            return frozenset()

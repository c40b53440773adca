"""Rows that a match does not have, read through columns that are never NULL.

`LAST(A.x, 1)` of a NOT NULL column has a NOT NULL type in Flink even where A took one row only. Such a value counts as
NULL in expressions, but IS NULL does not look at it, and what stands in a NOT NULL column of the result in its place is
Java's default [recorded from Flink].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, time

from velo_engine.plan.expressions import Call, Case, Cast, ColumnRef, Expression, Literal, LiteralValue, walk
from velo_engine.plan.match_nodes import MatchValue, PatternVariable, RowValue
from velo_engine.types import BOOLEAN, FLOATS, INTEGERS, STRINGS, SqlType, TypeName

_NULL_TESTS = {"is_null": False, "is_not_null": True}


def without_null_tests(expression: Expression) -> Expression:
    """`expression` with IS NULL and IS NOT NULL decided where the type of the operand says that it is never NULL."""
    match expression:
        case Call(function=function, args=(operand,)) if function in _NULL_TESTS and not operand.type.nullable:
            return Literal(_NULL_TESTS[function], BOOLEAN.as_nullable(False), expression.location)
        case Call(args=args):
            return replace(expression, args=tuple(map(without_null_tests, args)))
        case Cast(arg=arg):
            return replace(expression, arg=without_null_tests(arg))
        case Case(branches=branches, default=default):
            kept = tuple((without_null_tests(when), without_null_tests(then)) for when, then in branches)
            return replace(expression, branches=kept, default=without_null_tests(default))
        case _:
            return expression


def filled(expression: Expression, values: Sequence[MatchValue], pattern: Sequence[PatternVariable]) -> Expression:
    """A measure of a NOT NULL type, with Java's default where a row that it reads may not be there."""
    if expression.type.nullable or not _may_miss_a_row(expression, values, pattern):
        return expression
    default = _default(expression.type)
    if default is None:
        return expression
    return Call("coalesce", (expression, Literal(default, expression.type)), expression.type, expression.location)


def _may_miss_a_row(expression: Expression, values: Sequence[MatchValue], pattern: Sequence[PatternVariable]) -> bool:
    used = [values[part.index] for part in walk(expression) if isinstance(part, ColumnRef)]
    return any(isinstance(value, RowValue) and value.offset >= _certain_rows(value, pattern) for value in used)


def _certain_rows(value: RowValue, pattern: Sequence[PatternVariable]) -> int:
    """How many rows the variable has in every match."""
    if value.variable is None:
        return sum(variable.minimum for variable in pattern)
    return pattern[value.variable].minimum


def _default(kind: SqlType) -> LiteralValue:
    """What Flink's generated code holds in a NULL of a Java primitive; strings are empty, other objects have none."""
    if kind.name in INTEGERS:
        return -1
    if kind.name in FLOATS:
        return -1.0
    if kind.name in STRINGS:
        return ""
    return _OTHER_DEFAULTS.get(kind.name)


_OTHER_DEFAULTS: Mapping[TypeName, LiteralValue] = {
    TypeName.BOOLEAN: False,
    TypeName.DATE: date(1969, 12, 31),
    TypeName.TIME: time(23, 59, 59, 999000),
}

"""What a condition is whatever the row, or when a side of a join gives no row: the columns of that side are NULL then.

Source: Calcite's Strong.isNotTrue and the simplifications of RexSimplify that Flink's planner makes before it asks.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from velo_engine.functions.user_functions import PREFIX
from velo_engine.plan.constant_values import VARYING
from velo_engine.plan.expressions import Call, Case, Cast, ColumnRef, Expression, Literal, columns_of, walk

_ANY = object()
"""A value that only a row can tell."""
_NOT_TRUE = object()
"""False or unknown: which of them only a row can tell."""

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "equals": operator.eq,
    "not_equals": operator.ne,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
}
OPPOSITES = {
    "equals": "not_equals",
    "not_equals": "equals",
    "less": "greater_equal",
    "less_equal": "greater",
    "greater": "less_equal",
    "greater_equal": "less",
    "and": "or",
    "or": "and",
}
"""What NOT of a call is; of AND and OR with its operands denied."""
STRICT = frozenset({*_COMPARISONS, *("plus", "minus", "times", "divide", "mod", "negate", "not", "like")})
"""Functions that are NULL when an operand is."""


def never_true(condition: Expression, missing: frozenset[int]) -> bool:
    """Whether `condition` is false or unknown whenever the columns `missing` are NULL."""
    value = _value(condition, missing)
    return value is None or value is False or value is _NOT_TRUE


def always_true(condition: Expression) -> bool:
    """Whether `condition` is true for every row."""
    return _value(condition, frozenset()) is True


def _value(expression: Expression, missing: frozenset[int]) -> Any:
    """The value of `expression`, None for NULL, `_ANY` when it depends on other columns."""
    match expression:
        case ColumnRef(index=index):
            return None if index in missing else _ANY
        case Literal(value=value):
            return value
        case Cast(arg=arg):
            return None if _value(arg, missing) is None else _ANY
        case Case(opaque=True):
            return _ANY
        case Case(branches=branches, default=default):
            return _case(branches, default, missing)
        case Call(function="is_null" | "is_not_null" as function, args=(arg,)) if not (
            arg.type.nullable or columns_of(arg) & missing
        ):
            return function == "is_not_null"
        case Call(function="not", args=(Call(function=function, args=args) as denied,)) if function in OPPOSITES:
            return _value(replace(denied, function=OPPOSITES[function], args=_denied(function, args)), missing)
        case Call(function=function, args=(left, right)) if left == right and function in _COMPARISONS:
            return _compared_with_itself(function, left, missing)
        case Call(function="is_distinct_from" | "is_not_distinct_from", args=(left, right)) if left == right:
            return _ANY if _varies(left) else expression.function == "is_not_distinct_from"
        case Call(function=function, args=args):
            return _call(function, [_value(arg, missing) for arg in args])


def _case(branches: Sequence[tuple[Expression, Expression]], default: Expression, missing: frozenset[int]) -> Any:
    for when, then in branches:
        condition = _value(when, missing)
        if condition is _ANY:
            return _ANY
        if condition is True:
            return _value(then, missing)
    return _value(default, missing)


def _denied(function: str, args: tuple[Expression, ...]) -> tuple[Expression, ...]:
    return tuple(Call("not", (arg,), arg.type) for arg in args) if function in ("and", "or") else args


def _compared_with_itself(function: str, operand: Expression, missing: frozenset[int]) -> Any:
    if _varies(operand):
        return _ANY
    known = _value(operand, missing)
    if known is None:
        return None
    if _COMPARISONS[function](0, 0):
        return _ANY if operand.type.nullable else True
    return _NOT_TRUE if operand.type.nullable else False


def _varies(operand: Expression) -> bool:
    """Whether a function in `operand` may give another value each time."""
    calls = [part for part in walk(operand) if isinstance(part, Call)]
    return any(not call.args or call.function in VARYING or call.function.startswith(PREFIX) for call in calls)


def _call(function: str, args: list[Any]) -> Any:
    match function:
        case "and" if any(arg is False for arg in args):
            return False
        case "or" if any(arg is True for arg in args):
            return True
        case "and" if any(arg is None or arg is _NOT_TRUE for arg in args):
            return None if all(arg is None or arg is True for arg in args) else _NOT_TRUE
        case "or" if any(arg is _NOT_TRUE for arg in args):
            return _ANY if any(arg is _ANY for arg in args) else _NOT_TRUE
        case "and" | "or":
            return _ANY if any(arg is _ANY for arg in args) else _decided(function, args)
        case "is_true" | "is_not_true" if args[0] is _NOT_TRUE:
            return function == "is_not_true"
    if any(arg is _NOT_TRUE for arg in args):
        return _ANY
    match function:
        case "is_null" | "is_not_null":
            return _ANY if args[0] is _ANY else (args[0] is None) is (function == "is_null")
        case "is_true" | "is_not_true":
            return _ANY if args[0] is _ANY else (args[0] is True) is (function == "is_true")
        case "is_false" | "is_not_false":
            return _ANY if args[0] is _ANY else (args[0] is False) is (function == "is_false")
        case "not":
            return args[0] if args[0] is _ANY or args[0] is None else not args[0]
        case _ if function in STRICT:
            if any(arg is None for arg in args):
                return None
            if function in _COMPARISONS and not any(arg is _ANY for arg in args):
                return _COMPARISONS[function](args[0], args[1])
    return _ANY


def _decided(function: str, args: list[Any]) -> Any:
    """AND without False, OR without True, of known operands."""
    return None if any(arg is None for arg in args) else function == "and"

"""What a condition is when a side of a join gives no row: the columns of that side are NULL then.

Source: Calcite's Strong.isNotTrue and the simplifications of RexSimplify that Flink's planner makes before it asks.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from velo_engine.plan.expressions import Call, Case, Cast, ColumnRef, Expression, Literal

_ANY = object()
"""A value that only a row can tell."""

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "equals": operator.eq,
    "not_equals": operator.ne,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
}
_STRICT = frozenset({"plus", "minus", "times", "divide", "mod", "negate", "not", "like", "in"})


def never_true(condition: Expression, missing: frozenset[int]) -> bool:
    """Whether `condition` is false or unknown whenever the columns `missing` are NULL."""
    value = _value(condition, missing)
    return value is None or value is False


def _value(expression: Expression, missing: frozenset[int]) -> Any:
    """The value of `expression`, None for NULL, `_ANY` when it depends on other columns."""
    match expression:
        case ColumnRef(index=index):
            return None if index in missing else _ANY
        case Literal(value=value):
            return value
        case Cast(arg=arg):
            return None if _value(arg, missing) is None else _ANY
        case Case(branches=branches, default=default):
            return _case(branches, default, missing)
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


def _call(function: str, args: list[Any]) -> Any:
    match function:
        case "and" if any(arg is False for arg in args):
            return False
        case "or" if any(arg is True for arg in args):
            return True
        case "and" | "or":
            # What is not known may be false (true); with NULL beside it AND is not true, but OR may be.
            if any(arg is None for arg in args) and function == "and":
                return None
            return _ANY if any(arg is _ANY for arg in args) else _decided(function, args)
        case "is_null" | "is_not_null":
            return _ANY if args[0] is _ANY else (args[0] is None) is (function == "is_null")
        case "is_true" | "is_not_true":
            return _ANY if args[0] is _ANY else (args[0] is True) is (function == "is_true")
        case "not":
            return args[0] if args[0] is _ANY or args[0] is None else not args[0]
        case _ if function in _COMPARISONS or function in _STRICT:
            if any(arg is None for arg in args):
                return None
            if function in _COMPARISONS and not any(arg is _ANY for arg in args):
                return _COMPARISONS[function](args[0], args[1])
    return _ANY


def _decided(function: str, args: list[Any]) -> Any:
    """AND without False, OR without True, of known operands."""
    return None if any(arg is None for arg in args) else function == "and"

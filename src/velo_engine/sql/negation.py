"""NOT as Flink's planner leaves it: inside AND, OR, CASE and comparisons.

It can be told where NaN is compared, which is neither greater nor less than anything: `NOT (x > 1)` is `x <= 1`, and
not true. Source: Calcite's RexSimplify (simplifyNot, which applies De Morgan's rules and SqlKind.negateNullSafe).
"""

from __future__ import annotations

from dataclasses import replace

from velo_engine.plan.expressions import Call, Case, Expression
from velo_engine.types import FLOATS

_OPPOSITE = {
    "greater": "less_equal",
    "greater_equal": "less",
    "less": "greater_equal",
    "less_equal": "greater",
}
_DUAL = {"and": "or", "or": "and"}


def moved_inside(denied: Call) -> Expression:
    """NOT of something, moved to where NaN may be compared; the call itself where it is not."""
    (inner,) = denied.args
    return _negated(inner, denied) if _compares_floats(inner) else denied


def _negated(inner: Expression, denied: Call) -> Expression:
    match inner:
        case Call(function="and" | "or" as function, args=args):
            return replace(inner, function=_DUAL[function], args=tuple(_negated(arg, denied) for arg in args))
        case Call(function="not", args=(arg,)):
            return arg
        case Call(function=function) if function in _OPPOSITE:
            return replace(inner, function=_OPPOSITE[function])
        case Case(branches=branches, default=default, opaque=False):
            taken = tuple((when, _negated(then, denied)) for when, then in branches)
            return replace(inner, branches=taken, default=_negated(default, denied))
        case _:
            return replace(denied, args=(inner,), type=inner.type)


def _compares_floats(expression: Expression) -> bool:
    match expression:
        case Call(function="and" | "or" | "not", args=args):
            return any(map(_compares_floats, args))
        case Call(function=function, args=args) if function in _OPPOSITE:
            return any(arg.type.name in FLOATS for arg in args)
        case Case(branches=branches, default=default, opaque=False):
            return _compares_floats(default) or any(_compares_floats(then) for _, then in branches)
        case _:
            return False

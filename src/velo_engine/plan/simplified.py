"""A condition as Flink's planner sees it when it asks whether the condition can be true.

Constants are computed, CASE loses the branches that are never taken, a predicate over CASE is a CASE of predicates.
Only for such questions: what runs is the condition as it was written. Source: Calcite's RexSimplify, and the
CaseShuttle of its ReduceExpressionsRule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from velo_engine.plan.constant_values import constant_literal
from velo_engine.plan.expressions import Call, Case, Cast, ColumnRef, Expression, Literal
from velo_engine.plan.null_rows import STRICT
from velo_engine.types import BOOLEAN, NUMERICS, TypeName

MOST_BRANCHES = 16
"""A CASE with more is left as it is."""

_NULL = Literal(None, BOOLEAN)


def simplified(expression: Expression) -> Expression:
    """`expression` with the same value for every row."""
    constant = constant_literal(expression)
    if constant is not None:
        return constant
    match expression:
        case Call(args=args):
            return _call(replace(expression, args=tuple(map(simplified, args))))
        case Cast(arg=arg):
            return _cast(replace(expression, arg=simplified(arg)))
        case Case(opaque=False):
            branches = [(simplified(when), simplified(then)) for when, then in expression.branches]
            return _case(expression, branches, simplified(expression.default))
        case _:
            return expression


def _call(call: Call) -> Expression:
    match call:
        case Call(function="and" | "or" as function, args=args):
            return _logical(call, tuple(dict.fromkeys(part for arg in args for part in _operands(function, arg))))
        case Call(function="not", args=(Call(function="not", args=(inner,)),)):
            return inner
        case Call(function="coalesce") if (known := _known_first(call)) is not None:
            return known
        case Call(function="is_null" | "is_not_null" as function, args=(arg,)) if not arg.type.nullable:
            return Literal(function == "is_not_null", BOOLEAN.as_nullable(False))
        case Call(function="equals" | "not_equals" as function, args=(truth, Literal(value=bool(value)))):
            return truth if value is (function == "equals") else simplified(Call("not", (truth,), truth.type))
        case Call(function="like", args=(text, Literal(value="%"))):
            return _case(Case((), _NULL, BOOLEAN), [(_known(text), _truth(True))], _NULL)
    unknown = [isinstance(arg, Literal) and arg.value is None for arg in call.args]
    if any(unknown):
        strict = call.function in STRICT or (call.function == "in" and unknown[0])
        return Literal(None, call.type.as_nullable()) if strict else call
    if call.type.name is TypeName.BOOLEAN:
        for place, arg in enumerate(call.args):
            if isinstance(arg, Case) and not arg.opaque and len(arg.branches) < MOST_BRANCHES:
                return _pushed(call, place, arg)
    return constant_literal(call) or call


def _known_first(call: Call) -> Expression | None:
    """The argument that COALESCE always gives: the first that is not NULL itself, if it never is."""
    first = next((arg for arg in call.args if not (isinstance(arg, Literal) and arg.value is None)), None)
    return first if first is not None and not first.type.nullable and first.type == call.type else None


def _operands(function: str, arg: Expression) -> Sequence[Expression]:
    return arg.args if isinstance(arg, Call) and arg.function == function else (arg,)


def _logical(call: Call, args: tuple[Expression, ...]) -> Expression:
    decides = call.function == "or"
    if any(isinstance(arg, Literal) and arg.value is decides for arg in args):
        return _truth(decides)
    args = tuple(arg for arg in args if not (isinstance(arg, Literal) and arg.value is not None))
    if len(args) < 2:
        return args[0] if args else _truth(not decides)
    return replace(call, args=args)


def _pushed(call: Call, place: int, case: Case) -> Expression:
    """A predicate over CASE: a CASE of predicates."""

    def of(value: Expression) -> Expression:
        return _call(replace(call, args=(*call.args[:place], value, *call.args[place + 1 :])))

    branches = [(when, of(then)) for when, then in case.branches]
    return _case(Case((), _NULL, call.type.as_nullable()), branches, of(case.default))


def _cast(cast: Cast) -> Expression:
    """Also truth as a number: 1, 0 or NULL."""
    arg = cast.arg
    if arg.type.as_nullable() == cast.type.as_nullable():
        return arg
    if isinstance(arg, ColumnRef) and arg.type.name is TypeName.BOOLEAN and cast.type.name in NUMERICS:
        one, zero = (constant_literal(Cast(_truth(value), cast.type.as_nullable(False))) for value in (True, False))
        if one is not None and zero is not None:
            denied = Call("not", (arg,), arg.type)
            return Case(((arg, one), (denied, zero)), Literal(None, cast.type.as_nullable()), cast.type)
    return constant_literal(cast) or cast


def _case(case: Case, branches: Sequence[tuple[Expression, Expression]], default: Expression) -> Expression:
    kept: list[tuple[Expression, Expression]] = []
    for when, then in branches:
        if isinstance(when, Literal):
            if when.value is True:
                default = then
                break
            continue
        kept.append((when, then))
    if all(then == default for _, then in kept):
        return default
    return replace(case, branches=tuple(kept), default=default)


def _known(text: Expression) -> Expression:
    return Call("is_not_null", (text,), BOOLEAN.as_nullable(False))


def _truth(value: bool) -> Literal:
    return Literal(value, BOOLEAN.as_nullable(False))

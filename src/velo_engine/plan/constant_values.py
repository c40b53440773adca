"""The value of an expression that reads no column, computed when planning.

Source: Flink's ExpressionReducer, which computes such expressions with generated code.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from velo_engine.compile_expression import compile_expression
from velo_engine.errors import VeloError
from velo_engine.functions.user_functions import PREFIX
from velo_engine.kernel import Kernel
from velo_engine.plan.expressions import Call, Case, Cast, Expression, Literal, walk
from velo_engine.types import FLOATS, INTEGERS, STRINGS, TypeName

VARYING = frozenset({"rand", "rand_integer", "uuid", "unix_timestamp", "from_unixtime"})
"""Functions with arguments that give another value each time, or depend on where they run."""

_COMPUTED = (
    INTEGERS | FLOATS | STRINGS | {TypeName.BOOLEAN, TypeName.DECIMAL, TypeName.DATE, TypeName.TIMESTAMP, TypeName.NULL}
)
"""Types whose values in the kernel are those of literals."""

_NOTHING = object()


def constant_literal(expression: Expression) -> Literal | None:
    """The value of `expression` as a literal; None when it depends on the row, fails, or is of an unusual type."""
    if isinstance(expression, Literal):
        return expression
    if not all(_is_computed(part) for part in walk(expression)):
        return None
    value = _computed(expression)
    if value is _NOTHING:
        return None
    return Literal(value, expression.type.as_nullable(value is None), expression.location)


def _is_computed(part: Expression) -> bool:
    match part:
        case Literal():
            return True
        case Call(function=function, args=args):
            return (
                bool(args)
                and function not in VARYING
                and not function.startswith(PREFIX)
                and part.type.name in _COMPUTED
            )
        case Cast() | Case():
            return part.type.name in _COMPUTED
        case _:
            return False


@lru_cache(maxsize=1000)
def _computed(expression: Expression) -> Any:
    compiled = compile_expression(expression, _no_column)
    try:
        with Kernel() as kernel:
            (found,) = kernel.query(f"SELECT {compiled.value} AS v, {compiled.error or 'NULL'} AS e").to_pylist()
    except VeloError:
        return _NOTHING
    return _NOTHING if found["e"] is not None else found["v"]


def _no_column(index: int) -> str:
    raise AssertionError(f"a constant reads column {index}")

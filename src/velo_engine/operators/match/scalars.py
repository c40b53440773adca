"""Scalar operators on single Python values, for what definitions compute across several rows of a match.

Values have the numpy form of `operators.vectors` as Python objects: decimals are unscaled integers, dates days, times
and timestamps microseconds, NULL is None. The rules are those of the function table; `compiled` knows the operators
below and says None for every other, which the kernel then computes.
"""

from __future__ import annotations

import decimal as exact
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from velo_engine.plan.expressions import Call
from velo_engine.type_rules.numeric import as_decimal
from velo_engine.types import INTEGERS, INTERVALS, STRINGS, TIMESTAMPS, SqlType, TypeName

Function: TypeAlias = Callable[..., Any]
"""Takes the values of the operands, none of which is None, and gives the result."""

_BITS = {TypeName.TINYINT: 8, TypeName.SMALLINT: 16, TypeName.INT: 32, TypeName.BIGINT: 64}
_EXACT = INTEGERS | {TypeName.DECIMAL}
_SAME = STRINGS | INTERVALS | TIMESTAMPS | {TypeName.DATE, TypeName.TIME, TypeName.BOOLEAN}
_DIVISION = exact.Context(prec=38, rounding=exact.ROUND_HALF_UP, Emax=999999, Emin=-999999)


class NoValueError(Exception):
    """An expression has no value for a row; the message says why."""


def compiled(call: Call) -> Function | None:
    """The function of a call whose result is NULL when an operand is; None when the kernel has to compute it."""
    types = [arg.type for arg in call.args]
    if call.function in _COMPARISONS:
        return _comparison(call.function, types)
    if call.function in ("plus", "minus", "times"):
        return _arithmetic(call.function, types, call.type)
    if call.function == "divide":
        return _division(types, call.type)
    if call.function == "negate" and types[0].name in INTEGERS:
        return _wrapping(lambda a: -a, call.type)
    if call.function == "negate" and types[0].name in (TypeName.DECIMAL, TypeName.DOUBLE):
        return lambda a: -a
    if call.function == "not":
        return lambda a: not a
    return None


_COMPARISONS: dict[str, Function] = {
    "equals": lambda a, b: a == b,
    "not_equals": lambda a, b: a != b,
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b,
}


def _comparison(name: str, types: Sequence[SqlType]) -> Function | None:
    """Numbers in their common type, everything else when both sides have one form; NaN is as in Java."""
    compare = _COMPARISONS[name]
    left, right = types
    names = {left.name, right.name}
    if names <= INTEGERS or (len(names) == 1 and names <= _SAME) or names <= STRINGS or names == {TypeName.DOUBLE}:
        return compare
    if names <= _EXACT:
        a, b = as_decimal(left).scale, as_decimal(right).scale
        up, down = 10 ** max(b - a, 0), 10 ** max(a - b, 0)
        return lambda x, y: compare(x * up, y * down)
    if names <= INTEGERS | {TypeName.DOUBLE}:
        return lambda x, y: compare(float(x), float(y))
    return None


def _arithmetic(name: str, types: Sequence[SqlType], result: SqlType) -> Function | None:
    left, right = types
    names = {left.name, right.name}
    if names <= INTEGERS:
        return _wrapping(_OPERATIONS[name], result)
    if names <= _EXACT:
        return _exact_arithmetic(name, as_decimal(left).scale, as_decimal(right).scale, result)
    if names <= INTEGERS | {TypeName.DOUBLE}:
        operation = _OPERATIONS[name]
        return lambda x, y: operation(float(x), float(y))
    return None


_OPERATIONS: dict[str, Function] = {
    "plus": lambda a, b: a + b,
    "minus": lambda a, b: a - b,
    "times": lambda a, b: a * b,
}


def _wrapping(operation: Function, result: SqlType) -> Function:
    """An integer operation that keeps the low bits, as Java's do."""
    bits = _BITS[result.name]
    half, size = 1 << (bits - 1), 1 << bits
    mask = size - 1

    def wrapped(*operands: int) -> int:
        value: int = operation(*operands)
        return value if -half <= value < half else ((value + half) & mask) - half

    return wrapped


def _exact_arithmetic(name: str, left: int, right: int, result: SqlType) -> Function:
    """A sum, difference or product of unscaled integers of these scales, rounded HALF_UP, NULL when it is too long."""
    operation = _OPERATIONS[name]
    limit = 10**result.precision
    if name == "times":
        scale, up, down = left + right, 1, 1
    else:
        scale = max(left, right)
        up, down = 10 ** (scale - left), 10 ** (scale - right)

    def computed(x: int, y: int) -> int | None:
        value = rescaled(operation(x * up, y * down), scale, result.scale)
        return value if -limit < value < limit else None

    return computed


def rescaled(value: int, scale: int, wanted: int) -> int:
    """An unscaled integer at another scale, rounded HALF_UP."""
    if wanted >= scale:
        raised: int = value * 10 ** (wanted - scale)
        return raised
    power: int = 10 ** (scale - wanted)
    size = (2 * abs(value) + power) // (2 * power)
    return -size if value < 0 else size


def _division(types: Sequence[SqlType], result: SqlType) -> Function | None:
    left, right = types
    names = {left.name, right.name}
    if names <= INTEGERS:
        return _integer_division(result)
    if names <= _EXACT:
        return _exact_division(as_decimal(left).scale, as_decimal(right).scale, result)
    if names <= INTEGERS | {TypeName.DOUBLE}:
        return lambda x, y: _quotient(float(x), float(y))
    return None


def _integer_division(result: SqlType) -> Function:
    def toward_zero(x: int, y: int) -> int:
        if y == 0:
            raise NoValueError("/ by zero")
        size: int = abs(x) // abs(y)
        return -size if (x < 0) != (y < 0) else size

    return _wrapping(toward_zero, result)


def _exact_division(left: int, right: int, result: SqlType) -> Function:
    """The quotient with 38 digits, then rounded to the scale, both HALF_UP (DecimalDataUtils.divide)."""
    limit = 10**result.precision

    def divided(x: int, y: int) -> int | None:
        if y == 0:
            raise NoValueError("Division undefined" if x == 0 else "Division by zero")
        value = exact_quotient(x, y, right - left + result.scale)
        return value if -limit < value < limit else None

    return divided


def exact_quotient(x: int, y: int, shift: int) -> int:
    """`x / y * 10**shift` as an integer: rounded to 38 digits first, then to the integer, both HALF_UP."""
    quotient = _DIVISION.divide(exact.Decimal(x), exact.Decimal(y))
    sign, digits, exponent = quotient.as_tuple()
    assert isinstance(exponent, int), "the quotient of two numbers is a number"
    unscaled = int("".join(map(str, digits)))
    value = rescaled(unscaled, -(exponent + shift), 0)
    return -value if sign else value


def _quotient(x: float, y: float) -> float:
    """Java's division: by zero it is infinite, or NaN."""
    if y != 0:
        return x / y
    if x == 0 or math.isnan(x):
        return math.nan
    return math.copysign(math.inf, x) * math.copysign(1, y)

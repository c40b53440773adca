"""Decimal arithmetic as kernel SQL: exact, HALF_UP, NULL on overflow, with intermediates of any size.

Flink computes with Java's BigDecimal: sums and products exactly, quotients rounded HALF_UP to 38 significant digits,
and rounds the result HALF_UP to its scale; a result with too many digits is NULL (DecimalDataUtils). The kernel's own
decimal division is a DOUBLE and its products raise on overflow, so:

* where the types prove that 128 bits are enough, plain kernel arithmetic;
* else the same under TRY, and Python's decimal module for the rows where that gave up.

Rounding twice (38 digits, then the scale) equals rounding once while the scaled dividend N stays below 10^37: a
quotient q of N / D that is not exactly half way is at least 1/(2D) away from it, and the first rounding moves it by
at most 10^(digits(q)-38)/2. The kernel formula scales by 20, so it overflows, and gives up, before N reaches that
bound.

The kernel may compute an expression that stands twice in a statement once, outside of any TRY around it; so every
part that can raise has a TRY of its own.
"""

from __future__ import annotations

from velo_engine.functions.signature import text_of
from velo_engine.type_rules.numeric import as_decimal
from velo_engine.types import MAX_PRECISION, SqlType, TypeName, kernel_type

_HUGEINT_DIGITS = 38
"""Every integer of so many digits fits the kernel's HUGEINT."""


def decimal_sum(left: str, right: str, a: SqlType, b: SqlType, result: SqlType, operator: str) -> str:
    """`left + right` or `left - right` (`operator`) of exact numeric types as `result`."""
    x, y = as_decimal(a), as_decimal(b)
    scale = max(x.scale, y.scale)
    whole = max(x.precision - x.scale, y.precision - y.scale)
    if whole + scale < MAX_PRECISION:
        wide = f"DECIMAL({whole + scale + 1},{scale})"
        total = f"(CAST({left} AS {wide}) {operator} CAST({right} AS {wide}))"
        return f"CAST({total} AS {kernel_type(result)})"
    wide = f"DECIMAL({MAX_PRECISION},{scale})"
    fast = f"TRY_CAST(TRY(TRY_CAST({left} AS {wide}) {operator} TRY_CAST({right} AS {wide})) AS {kernel_type(result)})"
    return _or_exactly(fast, "plus" if operator == "+" else "minus", left, right, result)


def decimal_product(left: str, right: str, a: SqlType, b: SqlType, result: SqlType) -> str:
    """`left * right` of exact numeric types as `result`."""
    x, y = as_decimal(a), as_decimal(b)
    scale = x.scale + y.scale
    if scale > MAX_PRECISION:
        return _exactly("times", left, right, result)
    wide = f"CAST({left} AS DECIMAL({MAX_PRECISION},{x.scale}))"
    product = f"{wide} * {_as_kernel_decimal(right, b)}"
    if x.precision + y.precision <= MAX_PRECISION:
        if x.precision + y.precision <= 18:
            product = f"{_as_kernel_decimal(left, a)} * {_as_kernel_decimal(right, b)}"
        return f"CAST(({product}) AS {kernel_type(result)})"
    return _or_exactly(f"TRY_CAST(TRY({product}) AS {kernel_type(result)})", "times", left, right, result)


def decimal_quotient(left: str, right: str, a: SqlType, b: SqlType, result: SqlType) -> str:
    """`left / right` of exact numeric types as `result`; NULL when `right` is zero."""
    x, y = as_decimal(a), as_decimal(b)
    shift = result.scale + y.scale - x.scale
    if not (0 <= shift <= _HUGEINT_DIGITS and max(x.scale, y.scale) < MAX_PRECISION):
        return _exactly("divide", left, right, result)
    provable = x.precision + max(shift, x.scale) <= _HUGEINT_DIGITS - 2 and y.precision + y.scale <= _HUGEINT_DIGITS - 2
    guard = "" if provable else "TRY"
    n = f"{guard}({_unscaled(left, x)} * {_huge(10**shift)})"
    d = f"{guard}({_unscaled(right, y)})"
    halved = f"{guard}(abs({n}) * {_huge(20)} + abs({d}) * {_huge(10)})"
    divisor = f"{guard}(abs({d}) * {_huge(20)})"
    quotient = f"(sign({n}) * sign({d}) * ({halved} // nullif({divisor}, 0)))"
    if provable:
        return f"CAST({_scaled(quotient, result.scale)} AS {kernel_type(result)})"
    fast = f"TRY_CAST(TRY({_scaled(quotient, result.scale)}) AS {kernel_type(result)})"
    return _or_exactly(fast, "divide", left, right, result)


def decimal_comparison(left: str, right: str, a: SqlType, b: SqlType, operator: str) -> str:
    """`left = right`, `left < right`, … of exact numeric types."""
    x, y = as_decimal(a), as_decimal(b)
    scale = max(x.scale, y.scale)
    digits = max(x.precision - x.scale, y.precision - y.scale) + scale
    if digits <= MAX_PRECISION:
        wide = f"DECIMAL({digits},{scale})"
        return f"(CAST({left} AS {wide}) {operator} CAST({right} AS {wide}))"
    wide = f"DECIMAL({MAX_PRECISION},{scale})"
    exact = f"velo_decimal_compare(CAST({left} AS VARCHAR), CAST({right} AS VARCHAR)) {operator} 0"
    return f"coalesce(TRY_CAST({left} AS {wide}) {operator} TRY_CAST({right} AS {wide}), {exact})"


def decimal_remainder(left: str, right: str, a: SqlType, b: SqlType, result: SqlType) -> str:
    """`left % right` of exact numeric types as `result`, with the sign of `left`; NULL when `right` is zero."""
    x, y = as_decimal(a), as_decimal(b)
    scale = max(x.scale, y.scale)
    whole = max(x.precision - x.scale, y.precision - y.scale)
    wide = f"DECIMAL({min(MAX_PRECISION, whole + scale)},{scale})"
    remainder = f"(TRY_CAST({left} AS {wide}) % nullif(TRY_CAST({right} AS {wide}), 0))"
    if whole + scale <= MAX_PRECISION:
        return f"CAST({remainder} AS {kernel_type(result)})"
    return _or_exactly(f"TRY_CAST(TRY({remainder}) AS {kernel_type(result)})", "mod", left, right, result)


def decimal_rounded(arg: str, t: SqlType, result: SqlType, digits: int) -> str:
    """`arg` of DECIMAL `t` rounded HALF_UP to `digits` places after the point (before it when negative)."""
    if digits >= t.scale:
        return arg
    if digits >= 0:
        return f"TRY_CAST({arg} AS {kernel_type(result)})"
    return _spelled(
        f"velo_decimal_round({text_of(f'{result.precision},{result.scale},{digits},up')}, {{}})", arg, result
    )


def decimal_truncated(arg: str, t: SqlType, result: SqlType, digits: int) -> str:
    """`arg` of DECIMAL `t` cut off after `digits` places."""
    if digits >= t.scale:
        return arg
    if digits == 0:
        return f"CAST(trunc({arg}) AS {kernel_type(result)})"
    return _spelled(
        f"velo_decimal_round({text_of(f'{result.precision},{result.scale},{digits},down')}, {{}})", arg, result
    )


def _spelled(template: str, arg: str, result: SqlType) -> str:
    return f"CAST({template.format(f'CAST({arg} AS VARCHAR)')} AS {kernel_type(result)})"


def _or_exactly(fast: str, operation: str, left: str, right: str, result: SqlType) -> str:
    return f"coalesce({fast}, {_exactly(operation, left, right, result)})"


def _exactly(operation: str, left: str, right: str, result: SqlType) -> str:
    """The slow path: decimals of any size, spelled out, about a microsecond a row."""
    specification = text_of(f"{operation},{result.precision},{result.scale}")
    arguments = f"CAST({left} AS VARCHAR), CAST({right} AS VARCHAR)"
    return f"CAST(velo_decimal({specification}, {arguments}) AS {kernel_type(result)})"


def _as_kernel_decimal(sql: str, t: SqlType) -> str:
    return sql if t.name is TypeName.DECIMAL else f"CAST({sql} AS {kernel_type(as_decimal(t))})"


def _unscaled(sql: str, t: SqlType) -> str:
    """The digits of a decimal as a HUGEINT; raises where it has more than 38 digits with its scale added."""
    if t.scale == 0:
        return f"CAST({sql} AS HUGEINT)"
    return (
        f"CAST(CAST({sql} AS DECIMAL({MAX_PRECISION},{t.scale})) * {10**t.scale}::DECIMAL({t.scale + 1},0) AS HUGEINT)"
    )


def _scaled(sql: str, scale: int) -> str:
    """A HUGEINT as the digits of a decimal: multiplied by one unit of the last place, which keeps the digits."""
    whole = f"CAST({sql} AS DECIMAL({MAX_PRECISION},0))"
    if scale == 0:
        return whole
    unit = "0." + "1".rjust(scale, "0")
    return f"({whole} * CAST('{unit}' AS DECIMAL({scale},{scale})))"


def _huge(value: int) -> str:
    return f"CAST({value} AS HUGEINT)"

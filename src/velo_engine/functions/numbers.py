"""Kernel SQL for Java's number types: integers that wrap around, conversions that saturate or wrap."""

from __future__ import annotations

from velo_engine.functions.signature import Operand
from velo_engine.types import INTEGERS, SqlType, TypeName, kernel_type

INTEGER_BITS = {TypeName.TINYINT: 8, TypeName.SMALLINT: 16, TypeName.INT: 32, TypeName.BIGINT: 64}

EXACT_DOUBLE_DIGITS = 15
"""A decimal of so many digits is a quotient of two exact doubles, so dividing rounds once, as Java does."""


def bits(t: SqlType) -> int:
    """The size of an integer (an interval is a BIGINT)."""
    return INTEGER_BITS.get(t.name, 64)


def wide_integer(sql: str, t: SqlType) -> str:
    """`sql` in an integer type that holds sums and products of two values of `t`."""
    return f"CAST({sql} AS {'HUGEINT' if bits(t) == 64 else 'BIGINT'})"


def wrapped(sql: str, t: SqlType) -> str:
    """A wide integer reduced to `t` as Java's narrowing does: the low bits, as two's complement."""
    n = bits(t)
    if n < 64:
        return f"CAST((({sql} + {2 ** (n - 1)}) & {2**n - 1}) - {2 ** (n - 1)} AS {kernel_type(t)})"
    half, mask = f"CAST({2**63} AS HUGEINT)", f"CAST({2**64 - 1} AS HUGEINT)"
    return f"CAST((({sql} + {half}) & {mask}) - {half} AS BIGINT)"


def narrowed(sql: str, t: SqlType) -> str:
    """As `wrapped`, for a value that may stand at the end of its own range."""
    return wrapped(f"({sql} & CAST({2 ** bits(t) - 1} AS {'HUGEINT' if bits(t) == 64 else 'BIGINT'}))", t)


def negated_wide(sql: str, t: SqlType) -> str:
    """`-sql` of an integer, wrapped."""
    return wrapped(f"(-{wide_integer(sql, t)})", t)


def as_double(sql: str, t: SqlType) -> str:
    """A number as the nearest DOUBLE."""
    if t.name is TypeName.DOUBLE:
        return sql
    if t.name is TypeName.DECIMAL and t.precision > EXACT_DOUBLE_DIGITS:
        return f"CAST(CAST({sql} AS VARCHAR) AS DOUBLE)"
    return f"CAST({sql} AS DOUBLE)"


def as_float(sql: str, t: SqlType) -> str:
    """A number as the nearest FLOAT, Infinity when it is too large."""
    if t.name is TypeName.FLOAT:
        return sql
    if t.name is TypeName.DECIMAL:
        return f"CAST(CAST({sql} AS VARCHAR) AS FLOAT)"
    if t.name in INTEGERS:
        return f"CAST({sql} AS FLOAT)"
    return (
        f"CASE WHEN abs({sql}) >= CAST('{FLOAT_OVERFLOW}' AS DOUBLE) AND NOT isnan({sql})"
        f" THEN CAST(sign({sql}) * CAST('Infinity' AS DOUBLE) AS FLOAT) ELSE TRY_CAST({sql} AS FLOAT) END"
    )


FLOAT_OVERFLOW = "3.4028235677973366e38"
"""The least DOUBLE that rounds to an infinite FLOAT."""


def as_type(operand: Operand, t: SqlType) -> str:
    """A number as a value of the floating-point type `t`."""
    if t.name is TypeName.FLOAT:
        return as_float(operand.sql, operand.type)
    return as_double(operand.sql, operand.type)


def to_integer(sql: str, source: SqlType, target: SqlType) -> str:
    """A number as an integer of `target`, as Java casts: integers and decimals keep their low bits, floats saturate."""
    if source.name in INTEGERS:
        if bits(source) <= bits(target):
            return f"CAST({sql} AS {kernel_type(target)})"
        return narrowed(f"CAST({sql} AS BIGINT)", target)
    if source.name is TypeName.DECIMAL:
        return narrowed(f"CAST(trunc({sql}) AS HUGEINT)", target)
    # Java narrows a float to byte and short through int, so only int and long saturate.
    wide = target if bits(target) >= 32 else SqlType(TypeName.INT)
    limit = 2 ** (bits(wide) - 1)
    saturated = (
        f"CASE WHEN isnan({sql}) THEN 0 WHEN {sql} >= {limit}.0::DOUBLE THEN {limit - 1}"
        f" WHEN {sql} <= -{limit}.0::DOUBLE THEN -{limit - 1} - 1 ELSE CAST(trunc({sql}) AS {kernel_type(wide)}) END"
    )
    saturated = f"CAST({saturated} AS {kernel_type(wide)})"
    return narrowed(saturated, target) if bits(target) < 32 else saturated

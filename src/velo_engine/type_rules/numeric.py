"""The types of numeric operators.

Source: Flink's LogicalTypeMerging (findAdditionDecimalType and its neighbours); every rule is held by recorded answers.
Nullability is the caller's: these functions give the nullable type.
"""

from __future__ import annotations

from velo_engine.types import DOUBLE, FLOATS, INTEGERS, MAX_PRECISION, SqlType, TypeName, decimal

MINIMUM_DIVISION_SCALE = 6

_INTEGER_DIGITS = {TypeName.TINYINT: 3, TypeName.SMALLINT: 5, TypeName.INT: 10, TypeName.BIGINT: 19}
_INTEGER_ORDER = (TypeName.TINYINT, TypeName.SMALLINT, TypeName.INT, TypeName.BIGINT)


def as_decimal(t: SqlType) -> SqlType:
    """The DECIMAL that holds every value of an exact numeric type."""
    return t if t.name is TypeName.DECIMAL else decimal(_INTEGER_DIGITS[t.name], 0)


def addition_type(left: SqlType, right: SqlType) -> SqlType:
    """`left + right` and `left - right` of two numeric types."""
    return _approximate_or_integer(left, right) or _sum(as_decimal(left), as_decimal(right))


def multiplication_type(left: SqlType, right: SqlType) -> SqlType:
    """`left * right` of two numeric types."""
    found = _approximate_or_integer(left, right)
    if found is not None:
        return found
    a, b = as_decimal(left), as_decimal(right)
    return _fitted(a.precision + b.precision + 1, a.scale + b.scale)


def division_type(left: SqlType, right: SqlType) -> SqlType:
    """`left / right` of two numeric types; integers divide to an integer."""
    found = _approximate_or_integer(left, right)
    if found is not None:
        return found
    a, b = as_decimal(left), as_decimal(right)
    scale = max(MINIMUM_DIVISION_SCALE, a.scale + b.precision + 1)
    return _fitted(a.precision - a.scale + b.scale + scale, scale)


def modulo_type(left: SqlType, right: SqlType) -> SqlType:
    """`left % right` of two numeric types."""
    found = _approximate_or_integer(left, right)
    if found is not None:
        return found
    a, b = as_decimal(left), as_decimal(right)
    scale = max(a.scale, b.scale)
    return _fitted(min(a.precision - a.scale, b.precision - b.scale) + scale, scale)


def round_type(t: SqlType, digits: int) -> SqlType:
    """ROUND and TRUNCATE of a DECIMAL to `digits` places after the point."""
    if digits >= t.scale:
        return t.as_nullable()
    whole = t.precision - t.scale
    if digits < 0:
        return decimal(min(MAX_PRECISION, whole + 1), 0)
    return decimal(whole + 1 + digits, digits)


def wider_integer(left: SqlType, right: SqlType) -> SqlType:
    """The larger of two integer types."""
    return max(left, right, key=lambda t: _INTEGER_ORDER.index(t.name)).as_nullable()


def _approximate_or_integer(left: SqlType, right: SqlType) -> SqlType | None:
    """The result when a float or only integers take part; None for exact decimals.

    FLOAT and DOUBLE meet in the type of the left one (Calcite takes both for 8 bytes); an integer takes the float's
    type.
    """
    names = {left.name, right.name}
    if names <= INTEGERS:
        return wider_integer(left, right)
    if not names & FLOATS:
        return None
    if TypeName.DECIMAL in names:
        return DOUBLE
    return (left if left.name in FLOATS else right).as_nullable()


def _sum(a: SqlType, b: SqlType) -> SqlType:
    scale = max(a.scale, b.scale)
    return _fitted(max(a.precision - a.scale, b.precision - b.scale) + scale + 1, scale)


def _fitted(precision: int, scale: int) -> SqlType:
    """A result of more than 38 digits gives up digits after the point, but keeps up to six of them."""
    if precision <= MAX_PRECISION:
        return decimal(precision, scale)
    return decimal(MAX_PRECISION, max(MAX_PRECISION - (precision - scale), min(scale, MINIMUM_DIVISION_SCALE)))

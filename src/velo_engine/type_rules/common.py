"""The type that several operands share: CASE, COALESCE, IN, GREATEST, UNION, comparisons.

Source: Flink's LogicalTypeMerging.findCommonType and Calcite's leastRestrictive, as far as recorded answers show.
"""

from __future__ import annotations

from collections.abc import Sequence

from velo_engine.type_rules.numeric import as_decimal, wider_integer
from velo_engine.types import (
    BINARIES,
    DOUBLE,
    FLOATS,
    INTEGERS,
    INTERVALS,
    MAX_PRECISION,
    NUMERICS,
    STRINGS,
    TIMESTAMPS,
    SqlType,
    TypeName,
    decimal,
)


def common_type(types: Sequence[SqlType]) -> SqlType | None:
    """The narrowest type that holds a value of each; nullable when any is; None when there is none."""
    found: SqlType | None = None
    for t in types:
        if t.name is TypeName.NULL:
            continue
        found = t if found is None else _pair(found, t)
        if found is None:
            return None
    if found is None:
        return types[0] if types else None
    return found.as_nullable(any(t.nullable or t.name is TypeName.NULL for t in types))


def comparable(left: SqlType, right: SqlType) -> SqlType | None:
    """The type in which two operands of a comparison meet, or None."""
    return common_type((left, right))


def _pair(a: SqlType, b: SqlType) -> SqlType | None:
    if a.as_nullable() == b.as_nullable():
        return a
    names = {a.name, b.name}
    if names <= NUMERICS:
        return _numeric(a, b)
    if names <= STRINGS:
        if names == {TypeName.CHAR} and a.length == b.length:
            return a
        return SqlType(TypeName.VARCHAR, length=max(a.length, b.length))
    if names <= BINARIES:
        return SqlType(TypeName.VARBINARY, length=max(a.length, b.length))
    if len(names) == 1 and (names <= TIMESTAMPS or names <= INTERVALS or names == {TypeName.TIME}):
        return SqlType(a.name, precision=max(a.precision, b.precision))
    if names <= TIMESTAMPS | {TypeName.DATE}:
        name = TypeName.TIMESTAMP_LTZ if TypeName.TIMESTAMP_LTZ in names else TypeName.TIMESTAMP
        return SqlType(name, precision=max(a.precision, b.precision))
    return None


def _numeric(a: SqlType, b: SqlType) -> SqlType:
    names = {a.name, b.name}
    if names <= INTEGERS:
        return wider_integer(a, b)
    if names & FLOATS:
        return a if names == {TypeName.FLOAT} else DOUBLE
    x, y = as_decimal(a), as_decimal(b)
    scale = max(x.scale, y.scale)
    whole = max(x.precision - x.scale, y.precision - y.scale)
    precision = min(MAX_PRECISION, whole + scale)
    return decimal(precision, min(scale, precision))

"""The type that several operands share: CASE, COALESCE, IN, GREATEST, UNION, comparisons.

Source: Flink's LogicalTypeMerging.findCommonType and Calcite's leastRestrictive, as far as recorded answers show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    return _folded(types, _pair)


def merged_type(types: Sequence[SqlType]) -> SqlType | None:
    """As `common_type`, for functions that Flink types by itself (COALESCE, GREATEST, …).

    Its findCommonType takes the types from left to right, and a FLOAT after a DECIMAL gives FLOAT, before it DOUBLE.
    """

    def pair(a: SqlType, b: SqlType) -> SqlType | None:
        return SqlType(b.name) if a.name is TypeName.DECIMAL and b.name in FLOATS else _pair(a, b)

    return _folded(types, pair)


def _folded(types: Sequence[SqlType], pair: Callable[[SqlType, SqlType], SqlType | None]) -> SqlType | None:
    found: SqlType | None = None
    for t in types:
        if t.name is TypeName.NULL:
            continue
        found = t if found is None else pair(found, t)
        if found is None:
            return None
    if found is None:
        return types[0] if types else None
    return found.as_nullable(any(t.nullable or t.name is TypeName.NULL for t in types))


def case_type(types: Sequence[SqlType]) -> SqlType | None:
    """The type of CASE over its branches: as `common_type`, but of FLOAT and DOUBLE the first wins (Calcite's rule)."""
    found = common_type(types)
    floats = [t for t in types if t.name in FLOATS]
    if found is None or found.name is not TypeName.DOUBLE or len({t.name for t in floats}) < 2:
        return found
    return floats[0].as_nullable(found.nullable)


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
    if names == TIMESTAMPS:
        return SqlType(TypeName.TIMESTAMP_LTZ, precision=max(a.precision, b.precision))
    if len(names) == 1 and a.name in (TypeName.ARRAY, TypeName.MULTISET, TypeName.MAP, TypeName.ROW):
        return _nested(a, b)
    return None


def _nested(a: SqlType, b: SqlType) -> SqlType | None:
    """The common type of two collections or rows: of their parts, one by one."""
    parts = [(x, y) for x, y in ((a.key, b.key), (a.element, b.element)) if x is not None and y is not None]
    found = [common_type(pair) for pair in parts]
    if None in found or len(a.fields) != len(b.fields):
        return None
    fields = [(name, common_type((x, y))) for (name, x), (_, y) in zip(a.fields, b.fields, strict=True)]
    if any(kind is None for _, kind in fields):
        return None
    key = found[0] if a.key is not None else None
    element = found[-1] if a.element is not None else None
    return SqlType(a.name, key=key, element=element, fields=tuple((n, k) for n, k in fields if k is not None))


def _numeric(a: SqlType, b: SqlType) -> SqlType:
    names = {a.name, b.name}
    if names <= INTEGERS:
        return wider_integer(a, b)
    if names & FLOATS:
        return DOUBLE if names & {TypeName.DOUBLE, TypeName.DECIMAL} else SqlType(TypeName.FLOAT)
    x, y = as_decimal(a), as_decimal(b)
    scale = max(x.scale, y.scale)
    whole = max(x.precision - x.scale, y.precision - y.scale)
    return decimal(min(MAX_PRECISION, whole + scale), min(scale, MAX_PRECISION - whole))

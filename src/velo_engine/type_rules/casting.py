"""Which casts exist, and which the engine inserts by itself.

Source: the matrix of https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/sql/reference/data-types/#cast
"""

from __future__ import annotations

from collections.abc import Callable

from velo_engine.types import BINARIES, INTERVALS, NUMERICS, STRINGS, TEMPORALS, TIMESTAMPS, SqlType, TypeName

_NESTED = frozenset({TypeName.ARRAY, TypeName.MULTISET, TypeName.MAP, TypeName.ROW})


def can_cast(source: SqlType, target: SqlType) -> bool:
    """Whether CAST(source AS target) exists."""
    s, t = source.name, target.name
    if s is TypeName.NULL or (s == t and s not in _NESTED):
        return True
    if t in STRINGS:
        return True
    if s in STRINGS:
        return t not in _NESTED and t not in INTERVALS
    if s in NUMERICS:
        return t in NUMERICS or t is TypeName.BOOLEAN
    if s is TypeName.BOOLEAN:
        return t in NUMERICS
    if s in BINARIES:
        return t in BINARIES
    if s in (TypeName.DATE, TypeName.TIME):
        return t in TIMESTAMPS
    if s in TIMESTAMPS:
        return t in TEMPORALS
    return s is t and _all_parts(can_cast, source, target)


def _all_parts(rule: Callable[[SqlType, SqlType], bool], source: SqlType, target: SqlType) -> bool:
    """Whether `rule` allows each part of a collection or row, one by one."""
    pairs = [(source.key, target.key), (source.element, target.element)]
    pairs += [(a, b) for (_, a), (_, b) in zip(source.fields, target.fields, strict=False)]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    return len(source.fields) == len(target.fields) and all(rule(a, b) for a, b in known)


def can_coerce(source: SqlType, target: SqlType) -> bool:
    """Whether a value of `source` may stand where `target` is expected without a CAST."""
    s, t = source.name, target.name
    if s is TypeName.NULL or source.as_nullable() == target.as_nullable():
        return True
    if s in NUMERICS and t in NUMERICS:
        return True
    if (s in STRINGS and t in STRINGS) or (s in BINARIES and t in BINARIES):
        return True
    if s == t:
        return s not in _NESTED or _all_parts(can_coerce, source, target)
    return s is TypeName.DATE and t in TIMESTAMPS


def can_store(source: SqlType, target: SqlType) -> bool:
    """Whether INSERT writes a value of `source` into a column of `target` by itself.

    Source: supportsImplicitCast of Flink's LogicalTypeCasts, which also turns points in time into one another.
    """
    if can_coerce(source, target):
        return True
    s, t = source.name, target.name
    if s is t and s in _NESTED:
        return _all_parts(can_store, source, target)
    return s in TIMESTAMPS and (t in TIMESTAMPS or (s is TypeName.TIMESTAMP and t in (TypeName.DATE, TypeName.TIME)))


def cast_hint(source: SqlType, target: SqlType) -> str | None:
    """What to write instead of a cast that Flink lacks too."""
    if source.name in (TypeName.INT, TypeName.BIGINT) and target.name is TypeName.TIMESTAMP_LTZ:
        return "use TO_TIMESTAMP_LTZ(number, 0) for seconds, TO_TIMESTAMP_LTZ(number, 3) for milliseconds"
    if target.name in (TypeName.INT, TypeName.BIGINT) and source.name is TypeName.TIMESTAMP:
        return "use UNIX_TIMESTAMP(CAST(… AS STRING)) for seconds since 1970"
    return None

"""SQL types: Flink's logical types, how they are written, and how a column of each is held in Arrow and in the kernel.

Source: https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/sql/reference/data-types/

Physical form (the same in batches, state tables and the kernel): integers, floats, booleans, strings, binary and
decimals as Arrow's own; DATE as date32; TIME as time64[us]; TIMESTAMP(p) and TIMESTAMP_LTZ(p) as timestamp[us] without
zone (LTZ holds the UTC instant; formats and casts apply the session's zone); day-time intervals as int64 milliseconds,
year-month intervals as int64 months; ARRAY, MAP, ROW as list, map, struct; MULTISET as map to int32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import pyarrow as pa

MAX_LENGTH = 2**31 - 1
"""Length of STRING and BYTES."""

MAX_PRECISION = 38


class TypeName(StrEnum):
    """The type constructors."""

    NULL = "NULL"
    BOOLEAN = "BOOLEAN"
    TINYINT = "TINYINT"
    SMALLINT = "SMALLINT"
    INT = "INT"
    BIGINT = "BIGINT"
    FLOAT = "FLOAT"
    DOUBLE = "DOUBLE"
    DECIMAL = "DECIMAL"
    CHAR = "CHAR"
    VARCHAR = "VARCHAR"
    BINARY = "BINARY"
    VARBINARY = "VARBINARY"
    DATE = "DATE"
    TIME = "TIME"
    TIMESTAMP = "TIMESTAMP"
    TIMESTAMP_LTZ = "TIMESTAMP_LTZ"
    INTERVAL_DAY_TIME = "INTERVAL_DAY_TIME"
    INTERVAL_YEAR_MONTH = "INTERVAL_YEAR_MONTH"
    ARRAY = "ARRAY"
    MULTISET = "MULTISET"
    MAP = "MAP"
    ROW = "ROW"


INTEGERS = frozenset({TypeName.TINYINT, TypeName.SMALLINT, TypeName.INT, TypeName.BIGINT})
FLOATS = frozenset({TypeName.FLOAT, TypeName.DOUBLE})
NUMERICS = INTEGERS | FLOATS | {TypeName.DECIMAL}
STRINGS = frozenset({TypeName.CHAR, TypeName.VARCHAR})
BINARIES = frozenset({TypeName.BINARY, TypeName.VARBINARY})
TIMESTAMPS = frozenset({TypeName.TIMESTAMP, TypeName.TIMESTAMP_LTZ})
TEMPORALS = TIMESTAMPS | {TypeName.DATE, TypeName.TIME}
INTERVALS = frozenset({TypeName.INTERVAL_DAY_TIME, TypeName.INTERVAL_YEAR_MONTH})


@dataclass(frozen=True, slots=True)
class SqlType:
    """One SQL type with its nullability. Build with the constructors below; compare with `==`."""

    name: TypeName
    nullable: bool = True
    length: int = 0
    """CHAR, VARCHAR, BINARY, VARBINARY: characters or bytes."""
    precision: int = 0
    """DECIMAL: digits; TIME, TIMESTAMP, TIMESTAMP_LTZ, INTERVAL_DAY_TIME: digits of a second."""
    scale: int = 0
    """DECIMAL: digits after the point."""
    element: SqlType | None = None
    """ARRAY, MULTISET: the element; MAP: the value."""
    key: SqlType | None = None
    """MAP: the key."""
    fields: tuple[tuple[str, SqlType], ...] = ()
    """ROW: names and types."""

    def __str__(self) -> str:
        """The type as Flink summarises it, for example `DECIMAL(10, 2) NOT NULL`."""
        return _text(self) + ("" if self.nullable or self.name is TypeName.NULL else " NOT NULL")

    def as_nullable(self, nullable: bool = True) -> SqlType:
        """This type with another nullability."""
        return self if self.nullable == nullable else replace(self, nullable=nullable)


def _text(t: SqlType) -> str:
    match t.name:
        case TypeName.DECIMAL:
            return f"DECIMAL({t.precision}, {t.scale})"
        case TypeName.VARCHAR if t.length == MAX_LENGTH:
            return "STRING"
        case TypeName.VARBINARY if t.length == MAX_LENGTH:
            return "BYTES"
        case TypeName.CHAR | TypeName.VARCHAR | TypeName.BINARY | TypeName.VARBINARY:
            return f"{t.name}({t.length})"
        case TypeName.TIME | TypeName.TIMESTAMP | TypeName.TIMESTAMP_LTZ:
            return f"{t.name}({t.precision})"
        case TypeName.INTERVAL_DAY_TIME:
            return "INTERVAL SECOND(3)"
        case TypeName.INTERVAL_YEAR_MONTH:
            return "INTERVAL MONTH"
        case TypeName.ARRAY | TypeName.MULTISET:
            return f"{t.name}<{t.element}>"
        case TypeName.MAP:
            return f"MAP<{t.key}, {t.element}>"
        case TypeName.ROW:
            return "ROW<" + ", ".join(f"`{name}` {child}" for name, child in t.fields) + ">"
        case _:
            return str(t.name)


BOOLEAN = SqlType(TypeName.BOOLEAN)
TINYINT = SqlType(TypeName.TINYINT)
SMALLINT = SqlType(TypeName.SMALLINT)
INT = SqlType(TypeName.INT)
BIGINT = SqlType(TypeName.BIGINT)
FLOAT = SqlType(TypeName.FLOAT)
DOUBLE = SqlType(TypeName.DOUBLE)
STRING = SqlType(TypeName.VARCHAR, length=MAX_LENGTH)
BYTES = SqlType(TypeName.VARBINARY, length=MAX_LENGTH)
DATE = SqlType(TypeName.DATE)
NULL = SqlType(TypeName.NULL)
INTERVAL_DAY_TIME = SqlType(TypeName.INTERVAL_DAY_TIME, precision=3)
INTERVAL_YEAR_MONTH = SqlType(TypeName.INTERVAL_YEAR_MONTH)


def decimal(precision: int, scale: int) -> SqlType:
    """DECIMAL(precision, scale)."""
    return SqlType(TypeName.DECIMAL, precision=precision, scale=scale)


def char(length: int) -> SqlType:
    """CHAR(length)."""
    return SqlType(TypeName.CHAR, length=length)


def varchar(length: int) -> SqlType:
    """VARCHAR(length)."""
    return SqlType(TypeName.VARCHAR, length=length)


def time(precision: int = 0) -> SqlType:
    """TIME(precision)."""
    return SqlType(TypeName.TIME, precision=precision)


def timestamp(precision: int = 6) -> SqlType:
    """TIMESTAMP(precision), without time zone."""
    return SqlType(TypeName.TIMESTAMP, precision=precision)


def timestamp_ltz(precision: int = 6) -> SqlType:
    """TIMESTAMP_LTZ(precision): an instant, shown in the session's time zone."""
    return SqlType(TypeName.TIMESTAMP_LTZ, precision=precision)


def array(element: SqlType) -> SqlType:
    """ARRAY<element>."""
    return SqlType(TypeName.ARRAY, element=element)


def map_of(key: SqlType, value: SqlType) -> SqlType:
    """MAP<key, value>."""
    return SqlType(TypeName.MAP, key=key, element=value)


def row(*fields: tuple[str, SqlType]) -> SqlType:
    """ROW<name type, ...>."""
    return SqlType(TypeName.ROW, fields=fields)


_ARROW = {
    TypeName.NULL: pa.null(),
    TypeName.BOOLEAN: pa.bool_(),
    TypeName.TINYINT: pa.int8(),
    TypeName.SMALLINT: pa.int16(),
    TypeName.INT: pa.int32(),
    TypeName.BIGINT: pa.int64(),
    TypeName.FLOAT: pa.float32(),
    TypeName.DOUBLE: pa.float64(),
    TypeName.CHAR: pa.string(),
    TypeName.VARCHAR: pa.string(),
    TypeName.BINARY: pa.binary(),
    TypeName.VARBINARY: pa.binary(),
    TypeName.DATE: pa.date32(),
    TypeName.TIME: pa.time64("us"),
    TypeName.TIMESTAMP: pa.timestamp("us"),
    TypeName.TIMESTAMP_LTZ: pa.timestamp("us"),
    TypeName.INTERVAL_DAY_TIME: pa.int64(),
    TypeName.INTERVAL_YEAR_MONTH: pa.int64(),
}


def arrow_type(t: SqlType) -> pa.DataType:
    """The Arrow type of a column of `t` in every batch and state table."""
    match t:
        case SqlType(name=TypeName.DECIMAL):
            return pa.decimal128(t.precision, t.scale)
        case SqlType(name=TypeName.ARRAY, element=SqlType() as element):
            return pa.list_(arrow_type(element))
        case SqlType(name=TypeName.MULTISET, element=SqlType() as element):
            return pa.map_(arrow_type(element), pa.int32())
        case SqlType(name=TypeName.MAP, key=SqlType() as key, element=SqlType() as element):
            return pa.map_(arrow_type(key), arrow_type(element))
        case SqlType(name=TypeName.ROW):
            return pa.struct([pa.field(name, arrow_type(child)) for name, child in t.fields])
        case _:
            return _ARROW[t.name]


_KERNEL = {
    TypeName.NULL: "INTEGER",
    TypeName.BOOLEAN: "BOOLEAN",
    TypeName.TINYINT: "TINYINT",
    TypeName.SMALLINT: "SMALLINT",
    TypeName.INT: "INTEGER",
    TypeName.BIGINT: "BIGINT",
    TypeName.FLOAT: "FLOAT",
    TypeName.DOUBLE: "DOUBLE",
    TypeName.CHAR: "VARCHAR",
    TypeName.VARCHAR: "VARCHAR",
    TypeName.BINARY: "BLOB",
    TypeName.VARBINARY: "BLOB",
    TypeName.DATE: "DATE",
    TypeName.TIME: "TIME",
    TypeName.TIMESTAMP: "TIMESTAMP",
    TypeName.TIMESTAMP_LTZ: "TIMESTAMP",
    TypeName.INTERVAL_DAY_TIME: "BIGINT",
    TypeName.INTERVAL_YEAR_MONTH: "BIGINT",
}


def kernel_type(t: SqlType) -> str:
    """The name of the kernel's type that holds a column of `t`; it matches `arrow_type`."""
    match t:
        case SqlType(name=TypeName.DECIMAL):
            return f"DECIMAL({t.precision},{t.scale})"
        case SqlType(name=TypeName.ARRAY, element=SqlType() as element):
            return f"{kernel_type(element)}[]"
        case SqlType(name=TypeName.MULTISET, element=SqlType() as element):
            return f"MAP({kernel_type(element)}, INTEGER)"
        case SqlType(name=TypeName.MAP, key=SqlType() as key, element=SqlType() as element):
            return f"MAP({kernel_type(key)}, {kernel_type(element)})"
        case SqlType(name=TypeName.ROW):
            children = ", ".join(
                f'"{name.replace(chr(34), chr(34) * 2)}" {kernel_type(child)}' for name, child in t.fields
            )
            return f"STRUCT({children})"
        case _:
            return _KERNEL[t.name]

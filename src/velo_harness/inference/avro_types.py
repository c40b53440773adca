"""The columns that an Avro schema describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from velo_engine import types as sql
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.avro.schema import AvroType, parse_avro_schema
from velo_engine.types import SqlType
from velo_harness.drafting.yaml_text import scalar_text
from velo_harness.inference.schema_text import SampledColumn

_PLAIN = {
    "boolean": sql.BOOLEAN,
    "int": sql.INT,
    "long": sql.BIGINT,
    "float": sql.FLOAT,
    "double": sql.DOUBLE,
    "string": sql.STRING,
    "bytes": sql.BYTES,
    "fixed": sql.BYTES,
    "enum": sql.STRING,
    "null": sql.STRING,
}
_LOGICAL = {
    "uuid": sql.STRING,
    "date": sql.DATE,
    "time-millis": sql.time(3),
    "time-micros": sql.time(6),
    "timestamp-millis": sql.timestamp(3),
    "timestamp-micros": sql.timestamp(6),
    "local-timestamp-millis": sql.timestamp(3),
    "local-timestamp-micros": sql.timestamp(6),
}
_UUIDS = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def avro_columns(text: str, origin: str) -> list[SampledColumn]:
    """The fields of a record. Errors: BAD_PROPERTY for a schema that cannot be read, SCHEMA_MISMATCH for no record."""
    found = parse_avro_schema(text, origin)
    if found.kind != "record":
        raise VeloError(ErrorCode.SCHEMA_MISMATCH, f"{origin} describes no record, but {found}")
    return [_column(field.name, field.type, origin) for field in found.fields]


def with_values(columns: list[SampledColumn], records: list[dict[str, Any]]) -> list[SampledColumn]:
    """The columns with a sample of their values; what the schema itself says about values stays."""
    return [
        SampledColumn(c.name, c.type, [_plain(r.get(c.name)) for r in records], c.constraints, c.children)
        for c in columns
    ]


def _column(name: str, kind: AvroType, origin: str) -> SampledColumn:
    inner = _present(kind)
    children: Mapping[str, tuple[str, ...]] = {
        f.name: said for f in inner.fields if (said := _said(_present(f.type))) is not None
    }
    return SampledColumn(name, _sql_type(kind, origin), (), _said(inner), children)


def _said(kind: AvroType) -> tuple[str, ...] | None:
    """What the schema says about values."""
    if kind.kind == "enum":
        return (f"enum: [{', '.join(scalar_text(symbol) for symbol in kind.symbols)}]",)
    if kind.logical == "uuid":
        return (f"pattern: {scalar_text(_UUIDS)}",)
    if kind.kind == "fixed" and kind.logical is None:
        return (f"length: {kind.size}",)
    return None


def _present(kind: AvroType) -> AvroType:
    """The type without null."""
    branches = [branch for branch in kind.branches if branch.kind != "null"]
    return branches[0] if kind.kind == "union" and len(branches) == 1 else kind


def _sql_type(kind: AvroType, origin: str) -> SqlType:
    inner = _present(kind)
    if inner.kind == "union":
        raise VeloError(
            ErrorCode.SCHEMA_MISMATCH,
            f"{origin}: there is no SQL type for {inner}",
            hint="only unions with null are read",
        )
    return _without_null(inner, origin).as_nullable(kind.nullable)


def _without_null(kind: AvroType, origin: str) -> SqlType:
    if kind.kind == "record":
        return sql.row(*((field.name, _sql_type(field.type, origin)) for field in kind.fields))
    if kind.kind in ("array", "map"):
        assert kind.element is not None
        element = _sql_type(kind.element, origin)
        return sql.array(element) if kind.kind == "array" else sql.map_of(sql.STRING.as_nullable(False), element)
    if kind.logical == "decimal" and kind.precision <= sql.MAX_PRECISION:
        return sql.decimal(kind.precision, kind.scale)
    return _LOGICAL.get(kind.logical or "") or _PLAIN[kind.kind]


def _plain(value: Any) -> Any:
    """A value of fastavro as a sample has it: no zones, text for uuids."""
    from datetime import UTC, datetime
    from uuid import UUID

    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, UUID) else value

"""Rows in Avro container files: read whole, typed by the columns that are asked for.

Source: the Avro specification 1.12, "Object Container Files". fastavro reads the blocks and the logical types.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.schema import Column
from velo_engine.types import BINARIES, FLOATS, INTEGERS, STRINGS, TIMESTAMPS, SqlType, TypeName, arrow_type


class UnreadableAvroError(Exception):
    """The bytes are no Avro container file, or hold no records."""


def avro_records(content: bytes) -> tuple[tuple[str, ...], list[dict[str, Any]], dict[str, Any]]:
    """The names of the fields, the records, and the schema of a container file. Errors: `UnreadableAvroError`."""
    import fastavro

    try:
        reader = fastavro.reader(io.BytesIO(content))
        schema = reader.writer_schema
        if not isinstance(schema, dict) or schema.get("type") != "record":
            raise UnreadableAvroError("its rows are no records")
        records: list[Any] = list(reader)
        return tuple(field["name"] for field in schema["fields"]), records, schema
    except UnreadableAvroError:
        raise
    except (ValueError, EOFError, IndexError, KeyError, TypeError, OSError, StopIteration) as problem:
        raise UnreadableAvroError(f"it is no Avro container file ({problem})") from None


def avro_column(records: Sequence[dict[str, Any]], column: Column, file: str, location: Location) -> pa.Array:
    """The values of one field as a column. Errors: SCHEMA_MISMATCH, with the number of the record."""
    values = []
    for number, record in enumerate(records):
        try:
            values.append(_typed(record.get(column.name), column.type))
        except (TypeError, ValueError, ArithmeticError):
            shown = repr(record.get(column.name))[:60]
            message = f'record {number + 1} of {file}: {shown} does not fit "{column.name}" ({column.type})'
            raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, location=location) from None
    try:
        return pa.array(values, arrow_type(column.type))
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as problem:
        message = f'the field "{column.name}" of {file} does not fit {column.type}: {problem}'
        raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, location=location) from None


def _typed(value: Any, kind: SqlType) -> Any:
    """A value of fastavro as Arrow takes it. Errors: TypeError, ValueError when it does not fit."""
    if value is None:
        if not kind.nullable:
            raise ValueError
        return None
    if isinstance(value, tuple) and len(value) == 2:  # a branch of a union, with its name
        value = value[1]
    if kind.name in STRINGS:
        if not isinstance(value, str | UUID):
            raise TypeError
        return str(value)
    if kind.name in INTEGERS | FLOATS:
        if isinstance(value, bool) or not isinstance(value, int | (float if kind.name in FLOATS else int)):
            raise TypeError
        return value
    if kind.name is TypeName.DECIMAL:
        return _decimal(value, kind)
    if kind.name in TIMESTAMPS:
        if not isinstance(value, datetime):
            raise TypeError
        return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    if kind.name in BINARIES:
        return bytes(value)
    return _nested(value, kind)


def _decimal(value: Any, kind: SqlType) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        raise TypeError
    exact = Decimal(value)
    if exact != round(exact, kind.scale):
        raise ValueError
    return exact.quantize(Decimal(1).scaleb(-kind.scale))


def _nested(value: Any, kind: SqlType) -> Any:
    match kind:
        case SqlType(name=TypeName.ARRAY, element=SqlType() as element):
            return [_typed(item, element) for item in value]
        case SqlType(name=TypeName.MAP, element=SqlType() as element):
            return [(key, _typed(item, element)) for key, item in value.items()]
        case SqlType(name=TypeName.ROW, fields=fields):
            return {name: _typed(value.get(name), child) for name, child in fields}
        case _:
            return value

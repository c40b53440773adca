"""Columns to Protobuf messages: each column becomes a list of values for its field, then rows become messages.

A NULL leaves its field unset; inside arrays and maps, where Protobuf has none, it becomes the default of its type, as
in Flink.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import EncodeError, Message
from google.protobuf.message_factory import GetMessageClass

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.formats.avro.decimals import unscaled_bytes
from velo_engine.formats.protobuf.reader import INTEGER_FIELDS, WRAPPERS, is_decimal, is_map, message_of, owner_of
from velo_engine.formats.temporal_cells import MICROS
from velo_engine.types import BINARIES, FLOATS, STRINGS, TIMESTAMPS, SqlType, TypeName

Writer: TypeAlias = Callable[[pa.Array], list[Any]]
"""The values of a column as its field takes them, None for NULL; of messages the fields by name."""

_BITS = {
    FieldDescriptor.TYPE_INT32: 32,
    FieldDescriptor.TYPE_SINT32: 32,
    FieldDescriptor.TYPE_SFIXED32: 32,
    FieldDescriptor.TYPE_INT64: 64,
    FieldDescriptor.TYPE_SINT64: 64,
    FieldDescriptor.TYPE_SFIXED64: 64,
}
"""Of signed fields; unsigned ones are checked by Protobuf itself."""
_COLUMN_BITS = {TypeName.TINYINT: 8, TypeName.SMALLINT: 16, TypeName.INT: 32, TypeName.BIGINT: 64}


@dataclass(frozen=True, slots=True)
class MessageWriter:
    """Writes rows as messages of one type."""

    message: type[Message]
    names: tuple[str, ...]
    writers: tuple[Writer, ...]

    def encode(self, columns: Sequence[pa.Array], count: int, head: bytes = b"") -> list[bytes]:
        """One message a row, each behind `head`. Raises VeloError for a value that its field cannot hold."""
        try:
            make = self.message
            return [head + make(**row).SerializeToString(deterministic=True) for row in self.rows(columns, count)]
        except (ValueError, TypeError, EncodeError) as problem:
            full_name = self.message.DESCRIPTOR.full_name
            raise VeloError(ErrorCode.JOB_FAILED, f"a row cannot be written as {full_name}: {problem}") from None

    def rows(self, columns: Sequence[pa.Array], count: int) -> Iterator[dict[str, Any]]:
        """The fields of each row's message, by name."""
        if not columns:
            return ({} for _ in range(count))
        values = [write(column) for write, column in zip(self.writers, columns, strict=True)]
        names = self.names
        return (dict(zip(names, row, strict=True)) for row in zip(*values, strict=True))


def message_writer(message: Descriptor, columns: Sequence[tuple[str, SqlType]]) -> MessageWriter:
    """The writer of rows with these columns. Raises VeloError when a column has no field, or none of its type."""
    writers = []
    for name, t in columns:
        field = message.fields_by_name.get(name)
        if field is None:
            raise VeloError(
                ErrorCode.SCHEMA_MISMATCH,
                f'the message {message.full_name} has no field "{name}"',
                hint=did_you_mean(name, message.fields_by_name, noun="field"),
            )
        writers.append(_field_writer(field, t))
    return MessageWriter(GetMessageClass(message), tuple(name for name, _ in columns), tuple(writers))


def _field_writer(field: FieldDescriptor, t: SqlType) -> Writer:
    if is_map(field):
        if t.name is not TypeName.MAP or t.key is None or t.element is None:
            raise _refused(field, t)
        entry = message_of(field).fields_by_name
        write_value = _item_writer(entry["value"], t.element)
        if entry["value"].message_type is not None:
            # The values of a map are the one place that takes messages only.
            write_value = _as_messages(write_value, GetMessageClass(entry["value"].message_type))
        return _map_writer(_item_writer(entry["key"], t.key), write_value)
    if field.is_repeated:
        if t.name is not TypeName.ARRAY or t.element is None:
            raise _refused(field, t)
        return _list_writer(_item_writer(field, t.element))
    return _value_writer(field, t)


def _refused(field: FieldDescriptor, t: SqlType) -> VeloError:
    return VeloError(
        ErrorCode.SCHEMA_MISMATCH,
        f'{t.as_nullable()} cannot be written to the field "{field.name}" of {owner_of(field)}',
    )


def _item_writer(field: FieldDescriptor, t: SqlType) -> Writer:
    """Values inside arrays and maps: the default of the type for NULL."""
    write = _value_writer(field, t)
    default = {} if field.message_type is not None else _default(field)
    return lambda column: [default if value is None else value for value in write(column)]


def _as_messages(write: Writer, make: type[Message]) -> Writer:
    return lambda column: [make(**fields) for fields in write(column)]


def _default(field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        return field.enum_type.values[0].number
    if field.type == FieldDescriptor.TYPE_STRING:
        return ""
    return b"" if field.type == FieldDescriptor.TYPE_BYTES else 0


def _list_writer(write: Writer) -> Writer:
    def write_lists(column: pa.Array) -> list[Any]:
        items = write(column.flatten())
        return [None if bounds is None else items[bounds[0] : bounds[1]] for bounds in _bounds(column)]

    return write_lists


def _map_writer(write_key: Writer, write_value: Writer) -> Writer:
    def write_maps(column: pa.Array) -> list[Any]:
        entries = column.cast(pa.list_(pa.struct([("key", column.type.key_type), ("value", column.type.item_type)])))
        flat = entries.flatten()
        keys, values = write_key(pc.struct_field(flat, [0])), write_value(pc.struct_field(flat, [1]))
        return [
            None if bounds is None else dict(zip(keys[slice(*bounds)], values[slice(*bounds)], strict=True))
            for bounds in _bounds(entries)
        ]

    return write_maps


def _bounds(lists: pa.Array) -> list[tuple[int, int] | None]:
    """Where each list lies among the flattened items."""
    lengths = pc.list_value_length(lists).to_pylist()
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + (length or 0))
    return [None if n is None else bounds for n, bounds in zip(lengths, pairwise(ends), strict=True)]


def _value_writer(field: FieldDescriptor, t: SqlType) -> Writer:
    kind = field.type
    if field.message_type is not None:
        return _message_value_writer(field, t)
    match t.name:
        case name if name in _COLUMN_BITS and kind in INTEGER_FIELDS and _COLUMN_BITS[name] <= _BITS.get(kind, 64):
            return _as_they_are
        case name if name in _COLUMN_BITS and field.enum_type is not None:
            return _as_they_are
        case TypeName.BOOLEAN if kind == FieldDescriptor.TYPE_BOOL:
            return _as_they_are
        case TypeName.FLOAT if kind in (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE):
            return _as_they_are
        case name if name in FLOATS and kind == FieldDescriptor.TYPE_DOUBLE:
            return _as_they_are
        case name if name in STRINGS and (kind == FieldDescriptor.TYPE_STRING or field.enum_type is not None):
            return _as_they_are
        case name if name in BINARIES and kind == FieldDescriptor.TYPE_BYTES:
            return _as_they_are
        case _:
            raise _refused(field, t)


def _as_they_are(column: pa.Array) -> list[Any]:
    values: list[Any] = column.to_pylist()
    return values


def _message_value_writer(field: FieldDescriptor, t: SqlType) -> Writer:
    message = message_of(field)
    if t.name is TypeName.ROW:
        return _row_writer(message_writer(message, t.fields))
    if t.name is TypeName.DECIMAL and is_decimal(message):
        return lambda column: [None if u is None else {"units": u, "scale": t.scale} for u in _unscaled(column)]
    if t.name is TypeName.DECIMAL and message.full_name == "google.type.Decimal":
        return lambda column: [None if v is None else {"value": format(v, "f")} for v in column.to_pylist()]
    if t.name in TIMESTAMPS and message.full_name == "google.protobuf.Timestamp":
        return lambda column: [None if m is None else _timestamp(m) for m in column.cast(pa.int64()).to_pylist()]
    if t.name is TypeName.DATE and message.full_name == "google.type.Date":
        return lambda column: [
            None if v is None else {"year": v.year, "month": v.month, "day": v.day} for v in column.to_pylist()
        ]
    if t.name is TypeName.TIME and message.full_name == "google.type.TimeOfDay":
        return lambda column: [
            None
            if v is None
            else {"hours": v.hour, "minutes": v.minute, "seconds": v.second, "nanos": v.microsecond * 1000}
            for v in column.to_pylist()
        ]
    if message.full_name in WRAPPERS:
        write = _value_writer(message.fields_by_name["value"], t)
        return lambda column: [None if v is None else {"value": v} for v in write(column)]
    raise _refused(field, t)


def _timestamp(micros: int) -> dict[str, int]:
    seconds, rest = divmod(micros, MICROS)
    return {"seconds": seconds, "nanos": rest * 1000}


def _unscaled(column: pa.Array) -> list[int | None]:
    valid = column.is_valid().to_pylist()
    numbers = unscaled_bytes(column)
    if numbers.shape[1] == 8:
        small = np.ascontiguousarray(numbers).view(">i8")[:, 0].tolist()
        return [n if v else None for n, v in zip(small, valid, strict=True)]
    return [int.from_bytes(n.tobytes(), signed=True) if v else None for n, v in zip(numbers, valid, strict=True)]


def _row_writer(writer: MessageWriter) -> Writer:
    def write(column: pa.Array) -> list[Any]:
        children = [pc.struct_field(column, [i]) for i in range(len(writer.names))]
        rows = writer.rows(children, len(column))
        return [row if valid else None for row, valid in zip(rows, column.is_valid().to_pylist(), strict=True)]

    return write

"""Protobuf messages to columns: one reader for each field and the type of its column.

Source of the mapping: Flink 2.3's protobuf format, and the JSON names of Protobuf's well-known types. A field that is
not set is NULL where Protobuf can tell (messages, `optional`, proto2), else the default of its type; an empty repeated
field or map is NULL, as in Flink, unless the column is NOT NULL or `protobuf.read-default-values` is set.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate, chain
from operator import attrgetter
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.formats.avro.decimals import beyond, beyond_precision, decimals_of, rescaled
from velo_engine.formats.base import in_field
from velo_engine.formats.cells import INTEGER_BITS, fitted, in_range, parse_decimal
from velo_engine.formats.event_times import event_time_reader
from velo_engine.formats.temporal_cells import MAX_YEAR, MICROS, days_from_civil
from velo_engine.formats.text_columns import Failures, TextReader, cut_to_precision, to_precision
from velo_engine.schema import Column
from velo_engine.types import BINARIES, FLOATS, STRINGS, TIMESTAMPS, SqlType, TypeName, arrow_type

Reader: TypeAlias = Callable[[list[Any]], tuple[pa.Array, Failures]]
"""Values of one field (None where it is not set) as a column, and the reasons of those that have no place in it."""

INTEGER_FIELDS = frozenset(
    {
        FieldDescriptor.TYPE_INT32,
        FieldDescriptor.TYPE_SINT32,
        FieldDescriptor.TYPE_SFIXED32,
        FieldDescriptor.TYPE_UINT32,
        FieldDescriptor.TYPE_FIXED32,
        FieldDescriptor.TYPE_INT64,
        FieldDescriptor.TYPE_SINT64,
        FieldDescriptor.TYPE_SFIXED64,
        FieldDescriptor.TYPE_UINT64,
        FieldDescriptor.TYPE_FIXED64,
    }
)
WRAPPERS = frozenset(
    f"google.protobuf.{name}Value"
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)
_LARGEST_SECONDS = days_from_civil(MAX_YEAR, 1, 1) * 86_400
MAX_SCALE = 1000
"""Digits behind the point of a Decimal message; of more it is a failure."""


def is_decimal(message: Descriptor) -> bool:
    """Whether it is a decimal in the form `{units, scale}`."""
    fields = message.fields_by_name
    return sorted(fields) == ["scale", "units"] and all(f.type in INTEGER_FIELDS for f in fields.values())


def message_of(field: FieldDescriptor) -> Descriptor:
    """The type of a field that holds messages."""
    assert field.message_type is not None
    return field.message_type


def owner_of(field: FieldDescriptor) -> str:
    """The name of the message that has the field."""
    return "" if field.containing_type is None else field.containing_type.full_name


def is_map(field: FieldDescriptor) -> bool:
    """Whether the field is a map."""
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)


@dataclass(frozen=True, slots=True)
class MessageReader:
    """Reads messages of one type as columns."""

    fields: tuple[tuple[str, SqlType, Callable[[Sequence[Message]], tuple[pa.Array, Failures]]], ...]

    def columns(self, messages: Sequence[Message]) -> tuple[list[pa.Array], Failures]:
        """One column a field, and the first reason of each message that cannot be used."""
        columns = []
        failures: Failures = {}
        for name, t, read in self.fields:
            column, reasons = read(messages)
            for i, reason in reasons.items():
                failures.setdefault(i, in_field(name, t, reason))
            if not t.nullable and column.null_count:
                for i in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist():
                    failures.setdefault(i, in_field(name, t, "not set"))
            columns.append(column)
        return columns, failures


def message_reader(
    message: Descriptor, columns: Sequence[Column], options: dict[str, str], *, read_defaults: bool
) -> MessageReader:
    """The reader of `columns` from messages of this type.

    Raises VeloError: a column without a field, or of a type that does not go with its field.
    """
    fields = []
    for column in columns:
        field = message.fields_by_name.get(column.name)
        if field is None:
            raise VeloError(
                ErrorCode.SCHEMA_MISMATCH,
                f'the message {message.full_name} has no field "{column.name}"',
                hint=did_you_mean(column.name, message.fields_by_name, noun="field"),
            )
        times = event_time_reader(column, options)
        fields.append((column.name, column.type, _field_reader(field, column.type, times, read_defaults)))
    return MessageReader(tuple(fields))


def _field_reader(
    field: FieldDescriptor, t: SqlType, times: TextReader | None, read_defaults: bool
) -> Callable[[Sequence[Message]], tuple[pa.Array, Failures]]:
    get = attrgetter(field.name)
    name = field.name
    if is_map(field):
        read_map = _map_reader(field, t, read_defaults)
        return lambda messages: read_map(list(map(get, messages)))
    if field.is_repeated:
        read_list = _list_reader(field, t, read_defaults)
        return lambda messages: read_list(list(map(get, messages)))
    read = _times(times) if times is not None else _value_reader(field, t, read_defaults)
    is_message = field.message_type is not None
    if field.has_presence and (is_message or not read_defaults):
        return lambda messages: read([get(m) if m.HasField(name) else None for m in messages])
    return lambda messages: read(list(map(get, messages)))


def _times(times: TextReader) -> Reader:
    return lambda values: times(pa.array([None if v is None else str(v) for v in values], pa.string()))


def _list_reader(field: FieldDescriptor, t: SqlType, read_defaults: bool) -> Reader:
    if t.name is not TypeName.ARRAY or t.element is None:
        raise _refused(field, t)
    read, target = _value_reader(field, t.element, read_defaults), arrow_type(t)
    keeps_empty = read_defaults or not t.nullable

    def read_lists(values: list[Any]) -> tuple[pa.Array, Failures]:
        items, reasons = read(list(chain.from_iterable(values)))
        offsets, ends = _offsets(values, keeps_empty)
        return pa.ListArray.from_arrays(offsets, items).cast(target), _of_owners(reasons, ends)

    return read_lists


def _map_reader(field: FieldDescriptor, t: SqlType, read_defaults: bool) -> Reader:
    if t.name is not TypeName.MAP or t.key is None or t.element is None:
        raise _refused(field, t)
    entry = message_of(field).fields_by_name
    read_key = _value_reader(entry["key"], t.key, read_defaults)
    read_value = _value_reader(entry["value"], t.element, read_defaults)
    target = arrow_type(t)
    keeps_empty = read_defaults or not t.nullable

    def read_maps(values: list[Any]) -> tuple[pa.Array, Failures]:
        pairs = [sorted(value.items(), key=_key) for value in values]
        keys, wrong_keys = read_key([k for pair in pairs for k, _ in pair])
        items, wrong_items = read_value([v for pair in pairs for _, v in pair])
        offsets, ends = _offsets(values, keeps_empty)
        return pa.MapArray.from_arrays(offsets, keys, items).cast(target), _of_owners(wrong_keys | wrong_items, ends)

    return read_maps


def _key(item: tuple[Any, Any]) -> Any:
    """Protobuf keeps no order among the entries of a map."""
    return item[0]


def _offsets(values: Sequence[Any], keeps_empty: bool) -> tuple[pa.Array, list[int]]:
    ends = list(accumulate(map(len, values)))
    starts = [0, *ends][: len(values)]
    offsets = [s if keeps_empty or e > s else None for s, e in zip(starts, ends, strict=True)]
    return pa.array([*offsets, ends[-1] if ends else 0], pa.int32()), ends


def _of_owners(reasons: Failures, ends: list[int]) -> Failures:
    """Reasons by item as reasons by list."""
    return {int(np.searchsorted(ends, item, side="right")): reason for item, reason in reversed(reasons.items())}


def _refused(field: FieldDescriptor, t: SqlType) -> VeloError:
    kind = _TYPE_NAMES[field.type] if field.message_type is None else field.message_type.full_name
    many = "a map" if is_map(field) else f"repeated {kind}" if field.is_repeated else kind
    return VeloError(
        ErrorCode.SCHEMA_MISMATCH,
        f'the field "{field.name}" of {owner_of(field)} is {many}, which is not {t.as_nullable()}',
    )


_TYPE_NAMES = {
    getattr(FieldDescriptor, name): name.removeprefix("TYPE_").lower()
    for name in dir(FieldDescriptor)
    if name.startswith("TYPE_")
}


def _value_reader(field: FieldDescriptor, t: SqlType, read_defaults: bool) -> Reader:
    """The reader of single values of a field. Raises VeloError when they do not go with the column."""
    kind, target = field.type, arrow_type(t)
    if field.message_type is not None:
        return _message_value_reader(field, t, read_defaults)
    match t.name:
        case name if name in INTEGER_BITS and kind in INTEGER_FIELDS:
            bits = INTEGER_BITS[name]
            return _strictly(target, lambda v: in_range(v, bits), t)
        case name if name in INTEGER_BITS and field.enum_type is not None:
            return _strictly(target, lambda v: in_range(v, INTEGER_BITS[name]), t)
        case TypeName.DECIMAL if kind in INTEGER_FIELDS:
            return lambda values: _one_by_one(values, lambda v: _fitted(Decimal(v), t), t)
        case TypeName.BOOLEAN if kind == FieldDescriptor.TYPE_BOOL:
            return lambda values: (pa.array(values, target), {})
        case name if name in FLOATS and kind == FieldDescriptor.TYPE_FLOAT:
            return lambda values: (pa.array(values, target), {})
        case TypeName.DOUBLE if kind == FieldDescriptor.TYPE_DOUBLE:
            return lambda values: (pa.array(values, target), {})
        case name if name in STRINGS and kind == FieldDescriptor.TYPE_STRING:
            return lambda values: (pa.array(values, target), {})
        case name if name in STRINGS and field.enum_type is not None:
            return _enum_reader(field)
        case name if name in BINARIES and kind == FieldDescriptor.TYPE_BYTES:
            return lambda values: (pa.array(values, target), {})
        case _:
            raise _refused(field, t)


def _strictly(target: pa.DataType, check: Callable[[Any], Any], t: SqlType) -> Reader:
    def read(values: list[Any]) -> tuple[pa.Array, Failures]:
        try:
            return pa.array(values, target), {}
        except (pa.ArrowInvalid, OverflowError):
            return _one_by_one(values, check, t)

    return read


def _one_by_one(values: list[Any], convert: Callable[[Any], Any], t: SqlType) -> tuple[pa.Array, Failures]:
    failures: Failures = {}
    made = []
    for i, value in enumerate(values):
        try:
            made.append(None if value is None else convert(value))
        except ValueError as problem:
            made.append(None)
            failures[i] = str(problem)
    return pa.array(to_precision(made, t) if t.name in TIMESTAMPS else made, arrow_type(t)), failures


def _enum_reader(field: FieldDescriptor) -> Reader:
    enum = field.enum_type
    assert enum is not None
    known: dict[int | None, str | None] = {None: None}
    known.update((number, value.name) for number, value in enum.values_by_number.items())

    def read(values: list[Any]) -> tuple[pa.Array, Failures]:
        failures = {i: f"the enum {enum.full_name} has no value {v}" for i, v in enumerate(values) if v not in known}
        return pa.array([known.get(v) for v in values], pa.string()), failures

    return read


def _message_value_reader(field: FieldDescriptor, t: SqlType, read_defaults: bool) -> Reader:
    message = message_of(field)
    if t.name is TypeName.ROW:
        columns = [Column(name, child) for name, child in t.fields]
        return _row_reader(message_reader(message, columns, {}, read_defaults=read_defaults), message, t)
    if t.name is TypeName.DECIMAL and is_decimal(message):
        return lambda values: _decimals(values, t)
    if t.name in TIMESTAMPS and message.full_name == "google.protobuf.Timestamp":
        return lambda values: _timestamps(values, t)
    convert = _message_converter(message, t)
    if convert is not None:
        return lambda values: _one_by_one(values, convert, t)
    if message.full_name in WRAPPERS:
        read = _value_reader(message.fields_by_name["value"], t, read_defaults)
        return lambda values: read([None if v is None else v.value for v in values])
    raise _refused(field, t)


def _message_converter(message: Descriptor, t: SqlType) -> Callable[[Any], Any] | None:
    """How one message of a known type becomes a scalar; None when it does not."""
    match t.name, message.full_name:
        case TypeName.DECIMAL, "google.type.Decimal":
            return lambda m: _fits(parse_decimal(m.value, t.precision, t.scale), m.value, t)
        case TypeName.DATE, "google.type.Date":
            return lambda m: datetime.date(m.year, m.month, m.day)
        case TypeName.TIME, "google.type.TimeOfDay":
            return lambda m: datetime.time(m.hours, m.minutes, m.seconds, m.nanos // 1_000_000 * 1000)
        case _:
            return None


def _decimals(values: list[Any], t: SqlType) -> tuple[pa.Array, Failures]:
    """Messages `{units, scale}`: at once when they all have the same scale and are not large."""
    present = [value for value in values if value is not None]
    scales = set(map(attrgetter("scale"), present))
    if len(scales) == 1 and abs(scale := next(iter(scales))) <= MAX_SCALE:
        units = pa.array(list(map(attrgetter("units"), present)))
        if units.type == pa.int64():
            unscaled = rescaled(units.to_numpy(), scale, t)
            if unscaled is not None and not len(beyond_precision(unscaled, t)):
                return _with_gaps(decimals_of(unscaled, t), values), {}
    return _one_by_one(values, lambda m: _decimal(m.units, m.scale, t), t)


def _timestamps(values: list[Any], t: SqlType) -> tuple[pa.Array, Failures]:
    present = [value for value in values if value is not None]
    seconds = np.fromiter(map(attrgetter("seconds"), present), np.int64, len(present))
    nanos = np.fromiter(map(attrgetter("nanos"), present), np.int64, len(present))
    if len(beyond(seconds, _LARGEST_SECONDS)) or (nanos < 0).any() or (nanos >= 1_000_000_000).any():
        return _one_by_one(values, lambda m: _micros(m.seconds, m.nanos), t)
    micros = cut_to_precision(seconds * MICROS + nanos // 1000, t)
    return _with_gaps(pa.array(micros).cast(arrow_type(t)), values), {}


def _with_gaps(column: pa.Array, values: list[Any]) -> pa.Array:
    """A column of the values that are there as one of all."""
    if len(column) == len(values):
        return column
    if not len(column):
        return pa.nulls(len(values), column.type)
    there = np.fromiter((value is not None for value in values), np.bool_, len(values))
    return column.take(pa.array(np.cumsum(there) - 1, mask=~there))


def _decimal(units: int, scale: int, t: SqlType) -> Decimal:
    if not -MAX_SCALE <= scale <= MAX_SCALE:
        raise ValueError(f"a decimal of {scale} digits behind the point")
    return _fitted(Decimal(units).scaleb(-scale), t)


def _fitted(value: Decimal, t: SqlType) -> Decimal:
    return _fits(fitted(value, t.precision, t.scale), value, t)


def _fits(value: Decimal | None, written: object, t: SqlType) -> Decimal:
    if value is None:
        raise ValueError(f"{written} does not fit in {t.as_nullable()}")
    return value


def _micros(seconds: int, nanos: int) -> int:
    if abs(seconds) > _LARGEST_SECONDS or not 0 <= nanos < 1_000_000_000:
        raise ValueError("a timestamp out of range")
    return seconds * MICROS + nanos // 1000


def _row_reader(reader: MessageReader, message: Descriptor, t: SqlType) -> Reader:
    from google.protobuf.message_factory import GetMessageClass

    blank = GetMessageClass(message)()
    fields = [pa.field(name, arrow_type(child)) for name, child in t.fields]

    def read(values: list[Any]) -> tuple[pa.Array, Failures]:
        absent = [value is None for value in values]
        columns, failures = reader.columns([blank if value is None else value for value in values])
        if any(absent):
            failures = {i: reason for i, reason in failures.items() if not absent[i]}
        return pa.StructArray.from_arrays(columns, fields=fields, mask=pa.array(absent, pa.bool_())), failures

    return read

"""From a writer's schema and the declared columns to a function that reads all records of a batch at once.

Resolution follows the Avro specification (and so Flink): fields by name, or by the aliases of an explicit reader's
schema; fields that nobody wants are passed over; a missing one has its default, or NULL. What cannot be read at all
(a string for a BIGINT) is known before the first record; a branch of a union that cannot be read fails only the
records that have it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.formats.avro.cursor import Cursor
from velo_engine.formats.avro.default_value import default_bytes
from velo_engine.formats.avro.items import read_items, skip_items
from velo_engine.formats.avro.scalars import ColumnReader, scalar_reader, skip_scalar, strings
from velo_engine.formats.avro.schema import AvroField, AvroType
from velo_engine.schema import RowSchema
from velo_engine.types import INT, STRINGS, SqlType, TypeName, arrow_type

Skipper: TypeAlias = Callable[[Cursor], object]


class UnreadableError(Exception):
    """The writer's schema has nothing that the columns could be read from; the text says what."""


@dataclass(frozen=True, slots=True)
class RecordReader:
    """Reads records of one writer's schema as the columns that are wanted."""

    read: Callable[[Cursor], list[pa.Array]]
    longest_fixed: int
    """For `Cursor.over`."""


def record_reader(writer: AvroType, columns: RowSchema, wanted: Sequence[int], meant: AvroType | None) -> RecordReader:
    """The reader of the columns at the positions `wanted`, in that order.

    `meant` is the explicit reader's schema, None when the columns themselves are. Raises UnreadableError.
    """
    fields = tuple((columns.columns[i].name, columns.columns[i].type) for i in wanted)
    if writer.kind != "record":
        if len(columns) != 1:
            raise UnreadableError(f"the writer's schema is {writer}, not a record")
        # Flink writes the only column of a key as a record too, but other producers write it bare.
        read = _reader(writer, fields[0][1], meant) if fields else None
        skip = _skipper(writer)
        return RecordReader(lambda c: [read(c)] if read is not None else _ignored(skip(c)), _longest_fixed(writer))
    return RecordReader(_fields_reader(writer, fields, meant), _longest_fixed(writer))


def _ignored(_: object) -> list[pa.Array]:
    return []


def _longest_fixed(t: AvroType) -> int:
    inner = (t.element, *t.branches, *(f.type for f in t.fields))
    return max([t.size, *(_longest_fixed(child) for child in inner if child is not None)])


def _reader(writer: AvroType, t: SqlType, meant: AvroType | None) -> ColumnReader:
    """The reader of `writer`'s values as `t`. Raises UnreadableError."""
    if writer.kind == "union":
        return _union_reader(writer, t, meant)
    if writer.kind == "null":
        if t.nullable or t.name is TypeName.NULL:
            return lambda c: pa.nulls(len(c), arrow_type(t))
        raise UnreadableError(f"is null, but the column is {t}")
    if meant is not None and meant.kind == "union":
        meant = next((b for b in meant.branches if b.kind == writer.kind), _only_branch(meant))
    read = _nested_reader(writer, t, meant) or scalar_reader(writer, t, meant)
    if read is None:
        raise UnreadableError(f"the writer's {writer} cannot be read as {t.as_nullable()}")
    return read


def _only_branch(union: AvroType) -> AvroType | None:
    values = [b for b in union.branches if b.kind != "null"]
    return values[0] if len(values) == 1 else None


def _nested_reader(writer: AvroType, t: SqlType, meant: AvroType | None) -> ColumnReader | None:
    inner = meant.element if meant is not None else None
    match writer, t:
        case AvroType(kind="record"), SqlType(name=TypeName.ROW):
            return _row_reader(writer, t, meant)
        case AvroType(kind="array", element=AvroType() as items), SqlType(name=TypeName.ARRAY, element=SqlType() as e):
            return _array_reader(items, _reader(items, e, inner), t)
        case AvroType(kind="map", element=AvroType() as values), SqlType(
            name=TypeName.MAP, key=SqlType() as key, element=SqlType() as value
        ) if key.name in STRINGS:
            return _map_reader(values, _reader(values, value, inner), t)
        case AvroType(kind="map", element=AvroType() as counts), SqlType(
            name=TypeName.MULTISET, element=SqlType() as key
        ) if key.name in STRINGS:
            return _map_reader(counts, _reader(counts, INT.as_nullable(False), inner), t)
        case _:
            return None


def _union_reader(writer: AvroType, t: SqlType, meant: AvroType | None) -> ColumnReader:
    readers: list[ColumnReader | str] = []
    for branch in writer.branches:
        try:
            readers.append(_reader(branch, t, meant))
        except UnreadableError as problem:
            readers.append(str(problem))
    if all(isinstance(r, str) or b.kind == "null" for r, b in zip(readers, writer.branches, strict=True)):
        reasons = [r for r, b in zip(readers, writer.branches, strict=True) if isinstance(r, str) and b.kind != "null"]
        if reasons:
            raise UnreadableError(reasons[0])
    target = arrow_type(t)

    def read(cursor: Cursor) -> pa.Array:
        found = _branches(cursor, len(readers))
        parts: list[pa.Array] = []
        where: list[Int64s] = []
        for number, reader in enumerate(readers):
            at = np.flatnonzero(found == number)
            if not len(at):
                continue
            if isinstance(reader, str):
                cursor.fail(at, reader)
                parts.append(pa.nulls(len(at), target))
            elif len(at) == len(cursor):
                return reader(cursor)
            else:
                selected = cursor.select(at)
                parts.append(reader(selected))
                cursor.put_back(at, selected)
            where.append(at)
        if not parts:
            return pa.nulls(len(cursor), target)
        return _in_place(parts, where, target)

    return read


def _branches(cursor: Cursor, count: int) -> Int64s:
    found = cursor.longs()
    wrong = (found < 0) | (found >= count)
    if wrong.any():
        cursor.fail(np.flatnonzero(wrong), f"a branch beyond the {count} of the union")
        found[wrong] = 0
    return found


def _in_place(parts: list[pa.Array], where: list[Int64s], target: pa.DataType) -> pa.Array:
    """The parts as one column, each value where it belongs."""
    values = [(part, at) for part, at in zip(parts, where, strict=True) if part.null_count < len(part)]
    total = sum(map(len, where))
    if not values:
        return pa.nulls(total, target)
    order = np.zeros(total, np.int64)
    missing = np.ones(total, np.bool_)
    at = np.concatenate([at for _, at in values])
    order[at] = np.arange(len(at))
    missing[at] = False
    stacked = values[0][0] if len(values) == 1 else pa.concat_arrays([part for part, _ in values])
    return stacked.take(pa.array(order, mask=missing))


def _fields_reader(
    writer: AvroType, columns: Sequence[tuple[str, SqlType]], meant: AvroType | None
) -> Callable[[Cursor], list[pa.Array]]:
    """Reads a record as columns."""
    by_name = {name: (at, t) for at, (name, t) in enumerate(columns)}
    targets, absent = _targets(writer, by_name, meant)
    steps: list[tuple[str, int, ColumnReader | Skipper]] = []
    for field in writer.fields:
        found = targets.get(field.name)
        if found is None:
            steps.append((field.name, -1, _skipper(field.type)))
            continue
        at, t, inner = found
        try:
            steps.append((field.name, at, _reader(field.type, t, inner)))
        except UnreadableError as problem:
            raise UnreadableError(_in_field(field.name, problem)) from None
    constants = {at: _absent(columns[at][0], columns[at][1], field) for at, field in absent.items()}

    def read(cursor: Cursor) -> list[pa.Array]:
        made: list[pa.Array] = [None] * len(columns)
        for name, at, step in steps:
            cursor.path.append(name)
            value = step(cursor)
            cursor.path.pop()
            if at >= 0:
                made[at] = value
        for at, value in constants.items():
            made[at] = value.take(pa.array(np.zeros(len(cursor), np.int64)))
        return made

    return read


def _in_field(name: str, problem: UnreadableError) -> str:
    text = str(problem)
    inner = text.removeprefix('field "')
    return f'field "{name}.{inner}' if inner != text else f'field "{name}": {text}'


def _targets(
    writer: AvroType, columns: dict[str, tuple[int, SqlType]], meant: AvroType | None
) -> tuple[dict[str, tuple[int, SqlType, AvroType | None]], dict[int, AvroField | None]]:
    """For each field of the writer that is read its column, and the columns that the writer does not have."""
    written = {field.name for field in writer.fields}
    meant_fields = {f.name: f for f in meant.fields} if meant is not None and meant.kind == "record" else None
    targets: dict[str, tuple[int, SqlType, AvroType | None]] = {}
    absent: dict[int, AvroField | None] = {}
    for name, (at, t) in columns.items():
        field = meant_fields.get(name) if meant_fields is not None else None
        names = (name, *(field.aliases if field is not None else ()))
        source = next((n for n in names if n in written and n not in targets), None)
        if source is None:
            absent[at] = field
        else:
            targets[source] = (at, t, field.type if field is not None else None)
    return targets, absent


def _absent(name: str, t: SqlType, field: AvroField | None) -> pa.Array:
    """The one value of a column that the writer does not have."""
    if field is not None and field.has_default:
        cursor = Cursor.over([default_bytes(field.type, field.default)], longest_fixed=_longest_fixed(field.type))
        try:
            value = _reader(field.type, t, field.type)(cursor)
        except UnreadableError as problem:
            raise UnreadableError(f'field "{name}": its default: {problem}') from None
        if cursor.failures:
            raise UnreadableError(f'field "{name}": its default: {cursor.failures[0]}')
        return value
    if t.nullable and field is None:
        return pa.nulls(1, arrow_type(t))
    raise UnreadableError(f'field "{name}": the writer\'s schema does not have it, and it has no default')


def _row_reader(writer: AvroType, t: SqlType, meant: AvroType | None) -> ColumnReader:
    read = _fields_reader(writer, t.fields, meant)
    fields = [pa.field(name, arrow_type(child)) for name, child in t.fields]

    def read_rows(cursor: Cursor) -> pa.Array:
        return pa.StructArray.from_arrays(read(cursor), fields=fields)

    return read_rows


def _array_reader(items: AvroType, read: ColumnReader, t: SqlType) -> ColumnReader:
    target = arrow_type(t)

    def read_arrays(cursor: Cursor) -> pa.Array:
        offsets, (values,) = read_items(cursor, items, lambda c: [read(c)])
        if values is None:
            values = pa.nulls(0, target.value_type)
        return pa.ListArray.from_arrays(offsets, values).cast(target)

    return read_arrays


def _map_reader(values: AvroType, read: ColumnReader, t: SqlType) -> ColumnReader:
    target = arrow_type(t)

    def read_maps(cursor: Cursor) -> pa.Array:
        offsets, (keys, items) = read_items(cursor, values, lambda c: [strings(c), read(c)], keyed=True)
        if keys is None or items is None:
            keys, items = pa.nulls(0, target.key_type), pa.nulls(0, target.item_type)
        return last_of_equal_keys(pa.MapArray.from_arrays(offsets, keys, items).cast(target))

    return read_maps


def last_of_equal_keys(maps: pa.Array) -> pa.Array:
    """The maps without all but the last entry of each key, as a Java map has them."""
    keys = maps.keys
    owners = np.repeat(np.arange(len(maps)), np.diff(maps.offsets.to_numpy()))
    codes = keys.dictionary_encode().indices.to_numpy()
    if len(np.unique(owners * (len(keys) + 1) + codes)) == len(keys):
        return maps
    return pa.array([None if m is None else list(dict(m).items()) for m in maps.to_pylist()], maps.type)


def _skipper(writer: AvroType) -> Skipper:
    match writer:
        case AvroType(kind="union"):
            skippers = [_skipper(branch) for branch in writer.branches]
            return lambda c: _skip_union(c, skippers)
        case AvroType(kind="record"):
            steps = [_skipper(field.type) for field in writer.fields]
            return lambda c: [step(c) for step in steps]
        case AvroType(kind="array", element=AvroType() as items):
            skip = _skipper(items)
            return lambda c: skip_items(c, items, skip)
        case AvroType(kind="map", element=AvroType() as values):
            steps = [skip_scalar(AvroType("string")), _skipper(values)]
            return lambda c: skip_items(c, values, lambda d: [step(d) for step in steps], keyed=True)
        case _:
            return skip_scalar(writer)


def _skip_union(cursor: Cursor, skippers: Sequence[Skipper]) -> None:
    found = _branches(cursor, len(skippers))
    for number, skip in enumerate(skippers):
        at = np.flatnonzero(found == number)
        if len(at):
            selected = cursor.select(at)
            skip(selected)
            cursor.put_back(at, selected)

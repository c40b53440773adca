"""Columns to Avro records, all rows at once.

Each column becomes pieces: the bytes of all its values behind each other, and how many of them belong to each row. A
record is its fields' pieces row by row; so is an array of its items. Only at the end are there bytes objects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from velo_engine.batch import Bools, Int64s
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.avro.cursor import Octets
from velo_engine.formats.avro.decimals import shortest_sizes, unscaled_bytes
from velo_engine.formats.avro.default_value import default_bytes
from velo_engine.formats.avro.schema import AvroField, AvroType
from velo_engine.schema import RowSchema
from velo_engine.types import BINARIES, FLOATS, INT, STRINGS, TIMESTAMPS, SqlType, TypeName


@dataclass(frozen=True, slots=True)
class Pieces:
    """Bytes of consecutive rows."""

    data: Octets
    sizes: Int64s
    """Per row."""


ColumnWriter: TypeAlias = Callable[[pa.Array], list[Pieces]]
"""Gives the pieces of a column's values that stand behind each other in each row."""


@dataclass(frozen=True, slots=True)
class RecordWriter:
    """Writes rows as records of one schema."""

    write: Callable[[Sequence[pa.Array], int], list[Pieces]]

    def encode(self, table: pa.Table, head: bytes = b"") -> list[bytes]:
        """One record a row of physical columns, each behind `head`. Raises VeloError for a value that has no form."""
        columns = [table.column(i).combine_chunks() for i in range(table.num_columns)]
        parts = self.write(columns, table.num_rows)
        body = _side_by_side([*([_constant(head, table.num_rows)] if head else []), *parts], table.num_rows)
        data = body.data.tobytes()
        ends = np.cumsum(body.sizes).tolist()
        return [data[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)] if ends else []


def record_writer(schema: AvroType, columns: RowSchema) -> RecordWriter:
    """The writer of rows of `columns`. Raises VeloError when a column has no place in the schema or no such form."""
    while schema.kind == "union":
        records = [branch for branch in schema.branches if branch.kind != "null"]
        if len(records) != 1 or len(schema.branches) != 1:
            raise _refused("the schema of the records is a union")
        schema = records[0]
    if schema.kind != "record":
        if len(columns) != 1:
            raise _refused(f"the schema of the records is {schema}, not a record")
        only = _column_writer(schema, columns.types[0], columns.names[0])
        return RecordWriter(lambda given, _: only(given[0]))
    return RecordWriter(_fields_writer(schema, [(c.name, c.type) for c in columns.columns], ""))


def _refused(message: str, hint: str | None = None) -> VeloError:
    return VeloError(ErrorCode.SCHEMA_MISMATCH, message, hint=hint)


def _fields_writer(
    schema: AvroType, columns: Sequence[tuple[str, SqlType]], path: str
) -> Callable[[Sequence[pa.Array], int], list[Pieces]]:
    at = {name: i for i, (name, _) in enumerate(columns)}
    unknown = [name for name in at if name not in {field.name for field in schema.fields}]
    if unknown:
        raise _refused(f'the Avro schema has no field "{path}{unknown[0]}"', "add it, or leave the column out")
    steps: list[int | bytes] = []
    writers: dict[int, ColumnWriter] = {}
    for field in schema.fields:
        position = at.get(field.name)
        if position is None:
            steps.append(_default_of(field, path))
        else:
            steps.append(position)
            writers[position] = _column_writer(field.type, columns[position][1], path + field.name)

    def write(given: Sequence[pa.Array], count: int) -> list[Pieces]:
        made = ([_constant(s, count)] if isinstance(s, bytes) else writers[s](given[s]) for s in steps)
        return [piece for pieces in made for piece in pieces]

    return write


def _default_of(field: AvroField, path: str) -> bytes:
    if field.has_default:
        return default_bytes(field.type, field.default)
    if field.type.nullable:
        return default_bytes(field.type, None)
    raise _refused(
        f'the Avro schema needs a field "{path}{field.name}", which no column has', "add a column, or a default"
    )


def _column_writer(schema: AvroType, t: SqlType, path: str) -> ColumnWriter:
    if schema.kind == "union":
        return _union_writer(schema, t, path)
    if schema.kind == "null" and t.name is TypeName.NULL:
        return lambda column: [_constant(b"", len(column))]
    write = _nested_writer(schema, t, path) or _scalar_writer(schema, t, path)
    if write is None:
        raise _refused(f'column "{path}": {t.as_nullable()} cannot be written as the Avro type {schema}')

    def write_present(column: pa.Array) -> list[Pieces]:
        if column.null_count:
            raise VeloError(ErrorCode.JOB_FAILED, f'column "{path}" is NULL in a row, but its Avro type is {schema}')
        return write(column)

    return write_present


def _union_writer(schema: AvroType, t: SqlType, path: str) -> ColumnWriter:
    null = next((i for i, branch in enumerate(schema.branches) if branch.kind == "null"), None)
    if t.name is TypeName.NULL and null is not None:
        return lambda column: [_constant(_varint(null), len(column))]
    write, number, problem = None, 0, None
    for i, branch in enumerate(schema.branches):
        if branch.kind != "null" and write is None:
            try:
                write, number = _column_writer(branch, t, path), i
            except VeloError as refusal:
                problem = problem or refusal
    if write is None:
        raise problem or _refused(f'column "{path}": {t.as_nullable()} cannot be written as the Avro type {schema}')
    chosen = write

    def write_union(column: pa.Array) -> list[Pieces]:
        heads = np.full(len(column), 2 * number, np.uint8)
        ones = np.ones(len(column), np.int64)
        if not column.null_count:
            return [Pieces(heads, ones), *chosen(column)]
        if null is None:
            raise VeloError(ErrorCode.JOB_FAILED, f'column "{path}" is NULL in a row, but its Avro type is {schema}')
        there = column.is_valid().to_numpy(zero_copy_only=False)
        heads[~there] = 2 * null
        return [Pieces(heads, ones), *(_among(piece, there) for piece in chosen(column.drop_null()))]

    return write_union


def _among(piece: Pieces, there: Bools) -> Pieces:
    """The piece of the rows that are there, as one of all rows."""
    sizes = np.zeros(len(there), np.int64)
    sizes[there] = piece.sizes
    return Pieces(piece.data, sizes)


def _varint(branch: int) -> bytes:
    return bytes([2 * branch])


def _nested_writer(schema: AvroType, t: SqlType, path: str) -> ColumnWriter | None:
    match schema, t:
        case AvroType(kind="record"), SqlType(name=TypeName.ROW):
            write = _fields_writer(schema, t.fields, f"{path}.")
            count = len(t.fields)
            return lambda c: write([pc.struct_field(c, [i]) for i in range(count)], len(c))
        case AvroType(kind="array", element=AvroType() as items), SqlType(name=TypeName.ARRAY, element=SqlType() as e):
            write_item = _column_writer(items, e, path)
            return lambda c: _blocks(c, _side_by_side(write_item(c.flatten())))
        case AvroType(kind="map", element=AvroType() as values), SqlType(
            name=TypeName.MAP, key=SqlType() as key, element=SqlType() as value
        ) if key.name in STRINGS:
            return _map_writer(_column_writer(values, value, path))
        case AvroType(kind="map", element=AvroType() as counts), SqlType(
            name=TypeName.MULTISET, element=SqlType() as key
        ) if key.name in STRINGS:
            return _map_writer(_column_writer(counts, INT, path))
        case _:
            return None


def _map_writer(write_value: ColumnWriter) -> ColumnWriter:
    def write(column: pa.Array) -> list[Pieces]:
        entries = column.cast(pa.list_(pa.struct([("key", column.type.key_type), ("value", column.type.item_type)])))
        flat = entries.flatten()
        keys, values = pc.struct_field(flat, [0]), pc.struct_field(flat, [1])
        return _blocks(entries, _side_by_side([*_texts(keys), *write_value(values)]))

    return write


def _blocks(lists: pa.Array, items: Pieces) -> list[Pieces]:
    """One block of all items for each list that has some, then the end."""
    counts = pc.list_value_length(lists).to_numpy()
    bounds = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=bounds[1:])
    ends = np.concatenate([[0], np.cumsum(items.sizes)])
    contents = Pieces(items.data, np.diff(ends[bounds]))
    heads = _longs(np.asarray(counts, np.int64))
    some = counts > 0
    kept = Pieces(heads.data[np.repeat(some, heads.sizes)], np.where(some, heads.sizes, 0))
    return [kept, contents, _constant(b"\x00", len(counts))]


def _scalar_writer(schema: AvroType, t: SqlType, path: str) -> ColumnWriter | None:
    match schema.kind, t.name:
        case "boolean", TypeName.BOOLEAN:
            return lambda c: [_fixed(c.cast(pa.uint8()).to_numpy().reshape(-1, 1))]
        case "int", (TypeName.TINYINT | TypeName.SMALLINT | TypeName.INT):
            return _whole_numbers
        case "long", (TypeName.TINYINT | TypeName.SMALLINT | TypeName.INT | TypeName.BIGINT):
            return _whole_numbers if schema.logical is None else None
        case ("float" | "double") as kind, name if name in FLOATS:
            return None if (kind, name) == ("float", TypeName.DOUBLE) else _floats("<f4" if kind == "float" else "<f8")
        case "double", (TypeName.TINYINT | TypeName.SMALLINT | TypeName.INT):
            return _floats("<f8")
        case "string", name if name in STRINGS:
            return _texts
        case "bytes", name if name in BINARIES and schema.logical is None:
            return _texts
        case "enum", name if name in STRINGS:
            return _enum(schema, path)
        case "fixed", name if name in BINARIES and schema.logical is None:
            return _sized(schema.size, path)
        case (("bytes" | "fixed"), TypeName.DECIMAL) if schema.logical == "decimal":
            return _decimals(schema, t, path)
        case "int", TypeName.DATE if schema.logical in (None, "date"):
            return lambda c: [_longs(c.cast(pa.int32()).to_numpy().astype(np.int64))]
        case (("int" | "long"), TypeName.TIME) if schema.logical in ("time-millis", "time-micros"):
            return _moments(1000 if schema.kind == "int" else 1)
        case "long", name if name in TIMESTAMPS:
            return _timestamps(schema.logical)
        case _:
            return None


def _whole_numbers(column: pa.Array) -> list[Pieces]:
    return [_longs(column.to_numpy().astype(np.int64))]


def _floats(form: str) -> ColumnWriter:
    size = int(form[-1])
    return lambda c: [_fixed(c.to_numpy().astype(form).view(np.uint8).reshape(-1, size))]


def _timestamps(logical: str | None) -> ColumnWriter | None:
    """A long without logical type holds milliseconds, as Flink writes it."""
    units = {None: 1000, "millis": 1000, "micros": 1}
    unit = units.get(logical.rpartition("-")[2] if logical else None)
    return None if unit is None or (logical or "timestamp-").startswith("time-") else _moments(unit)


def _moments(unit: int) -> ColumnWriter:
    return lambda c: [_longs(c.cast(pa.int64()).to_numpy() // unit)]


def _decimals(schema: AvroType, t: SqlType, path: str) -> ColumnWriter:
    whole = t.precision - t.scale
    if schema.scale < t.scale or schema.precision - schema.scale < whole:
        form = f"decimal({schema.precision}, {schema.scale})"
        raise _refused(f'column "{path}": {t.as_nullable()} does not fit in the Avro type {form}', "cast the column")
    if schema.precision > 38:
        raise _refused(f'column "{path}": an Avro decimal of {schema.precision} digits cannot be written')
    target = pa.decimal128(schema.precision, schema.scale)

    def write(column: pa.Array) -> list[Pieces]:
        numbers = unscaled_bytes(column if schema.scale == t.scale else column.cast(target))
        if schema.kind == "bytes":
            sizes = shortest_sizes(numbers)
            width = numbers.shape[1]
            shown = np.arange(width) >= (width - sizes)[:, None]
            return [_longs(sizes), Pieces(numbers[shown], sizes)]
        return [_fixed(_widened(numbers, schema.size, path))]

    return write


def _widened(numbers: Octets, size: int, path: str) -> Octets:
    """Numbers as numbers of `size` bytes."""
    width = numbers.shape[1]
    if size >= width:
        sign = np.where(numbers[:, :1] & 0x80 != 0, np.uint8(0xFF), np.uint8(0))
        return np.concatenate([np.repeat(sign, size - width, axis=1), numbers], axis=1)
    if (shortest_sizes(numbers) > size).any():
        raise VeloError(ErrorCode.JOB_FAILED, f'column "{path}" has a number that does not fit in {size} bytes')
    return numbers[:, width - size :]


def _enum(schema: AvroType, path: str) -> ColumnWriter:
    symbols = pa.array(schema.symbols, pa.string())

    def write(column: pa.Array) -> list[Pieces]:
        codes = pc.index_in(column, symbols)
        if codes.null_count:
            wrong = column.filter(codes.is_null())[0].as_py()
            raise VeloError(ErrorCode.JOB_FAILED, f'column "{path}" is "{wrong}", which is no symbol of its Avro enum')
        return [_longs(codes.to_numpy().astype(np.int64))]

    return write


def _sized(size: int, path: str) -> ColumnWriter:
    def write(column: pa.Array) -> list[Pieces]:
        pieces = _contents(column)
        if (pieces.sizes != size).any():
            raise VeloError(ErrorCode.JOB_FAILED, f'column "{path}" has a value that is not {size} bytes long')
        return [pieces]

    return write


def _texts(column: pa.Array) -> list[Pieces]:
    contents = _contents(column)
    return [_longs(contents.sizes), contents]


def _contents(column: pa.Array) -> Pieces:
    """The bytes of texts or binaries without NULL."""
    offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
    data = column.buffers()[2]
    if data is None or not len(column):
        return Pieces(np.empty(0, np.uint8), np.zeros(len(column), np.int64))
    return Pieces(np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]], np.diff(offsets).astype(np.int64))


def _fixed(rows: Octets) -> Pieces:
    """One row of bytes a value."""
    return Pieces(np.ascontiguousarray(rows).reshape(-1), np.full(len(rows), rows.shape[1], np.int64))


def _constant(value: bytes, count: int) -> Pieces:
    return Pieces(np.tile(np.frombuffer(value, np.uint8), count), np.full(count, len(value), np.int64))


def _longs(numbers: Int64s) -> Pieces:
    """Numbers in zigzag encoding."""
    rest = ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)
    largest = int(rest.max(initial=0))
    if largest < 0x80:
        return Pieces(rest.astype(np.uint8), np.ones(len(numbers), np.int64))
    width = (largest.bit_length() + 6) // 7
    shifts = np.arange(0, 7 * width, 7, dtype=np.uint64)
    groups = (rest[:, None] >> shifts).astype(np.uint8) & np.uint8(0x7F)
    sizes = np.ones(len(numbers), np.int64)
    for i in range(1, width):
        sizes += rest >> np.uint64(7 * i) != 0
    places = np.arange(width)
    groups[places < (sizes - 1)[:, None]] |= 0x80
    return Pieces(groups[places < sizes[:, None]], sizes)


def _side_by_side(parts: Sequence[Pieces], count: int = 0) -> Pieces:
    """The pieces of each row behind each other."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return _constant(b"", count)
    sizes = np.stack([part.sizes for part in parts], axis=1)
    starts = (np.cumsum(sizes.reshape(-1)) - sizes.reshape(-1)).reshape(sizes.shape)
    out = np.empty(int(sizes.sum()), np.uint8)
    for i, part in enumerate(parts):
        total = len(part.data)
        if not total:
            continue
        uniform = int(part.sizes[0])
        if uniform * len(part.sizes) == total and (part.sizes == uniform).all():
            rows = part.data.reshape(-1, uniform)
            for byte in range(uniform):
                out[starts[:, i] + byte] = rows[:, byte]
        else:
            own = np.cumsum(part.sizes) - part.sizes
            out[np.arange(total) + np.repeat(starts[:, i] - own, part.sizes)] = part.data
    return Pieces(out, sizes.sum(axis=1))

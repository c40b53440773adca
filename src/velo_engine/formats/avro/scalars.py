"""Avro scalars to columns: one reader for each pair of a writer's type and a column's type that go together.

Source: AvroToRowDataConverters of Flink 2.3 behind Avro's schema resolution. Beyond Flink, the logical type of the
writer is believed (Flink reads microseconds as milliseconds when the column says TIMESTAMP(3)), and a number that does
not fit a TINYINT or SMALLINT is a failure (Flink wraps it around).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, Int32s, Int64s
from velo_engine.formats.avro.cursor import Cursor, Octets
from velo_engine.formats.avro.decimals import decimal_reader
from velo_engine.formats.avro.schema import AvroType
from velo_engine.formats.temporal_cells import MICROS_A_DAY, days_from_civil
from velo_engine.formats.text_columns import cut_to_precision
from velo_engine.types import BINARIES, FLOATS, STRINGS, TIMESTAMPS, SqlType, TypeName, arrow_type

ColumnReader: TypeAlias = Callable[[Cursor], pa.Array]
"""Reads the next value of every record as a column; of failed records the value means nothing."""

_INTEGER_LIMITS = {TypeName.TINYINT: 1 << 7, TypeName.SMALLINT: 1 << 15, TypeName.INT: 1 << 31}
_LONG_UNITS = {"millis": 1000, "micros": 1, "nanos": -1000}
"""Microseconds in one; negative: how many make a microsecond."""

_FIRST_DAY, _LAST_DAY = days_from_civil(-290_000, 1, 1), days_from_civil(290_000, 1, 1)
"""What both dates and timestamps of the kernel hold."""
_FIRST_MICROS, _LAST_MICROS = _FIRST_DAY * MICROS_A_DAY, _LAST_DAY * MICROS_A_DAY


def scalar_reader(writer: AvroType, t: SqlType, meant: AvroType | None) -> ColumnReader | None:
    """The reader of `writer`'s values for a column of `t`; None when the two do not go together.

    `meant` is the type of an explicit reader's schema: its logical type holds where the writer has none.
    """
    logical = writer.logical or (meant.logical if meant is not None else None)
    match writer.kind, t.name:
        case "boolean", TypeName.BOOLEAN:
            return _booleans
        case "int", name if name in _INTEGER_LIMITS:
            return _integers(t)
        case ("int" | "long") as kind, TypeName.BIGINT:
            return (lambda c: pa.array(c.ints())) if kind == "int" else (lambda c: pa.array(c.longs()))
        case ("int" | "long" | "float" | "double") as kind, name if name in FLOATS:
            return None if kind == "double" and name is TypeName.FLOAT else _floats(kind, t)
        case (("string" | "bytes" | "enum" | "fixed"), name) if name in STRINGS:
            return _texts(writer, logical, meant)
        case (("string" | "bytes"), name) if name in BINARIES:
            return _binaries
        case "fixed", name if name in BINARIES:
            return lambda c: _binary_array(*c.fixed_slices(writer.size))
        case (("bytes" | "fixed"), TypeName.DECIMAL):
            scale = writer.scale if writer.logical else meant.scale if meant is not None and logical else t.scale
            return decimal_reader(writer, scale, t)
        case (("int" | "long"), _):
            return _temporal_reader(writer, logical, t)
        case _:
            return None


def skip_scalar(writer: AvroType) -> Callable[[Cursor], object]:
    """Passes over a value of a scalar type."""
    match writer.kind:
        case "null":
            return lambda _: None
        case "boolean":
            return lambda c: c.skip(1)
        case "int" | "enum":
            return Cursor.ints
        case "long":
            return Cursor.longs
        case "float":
            return lambda c: c.skip(4)
        case "double":
            return lambda c: c.skip(8)
        case "fixed":
            return lambda c: c.skip(writer.size)
        case _:
            return lambda c: c.skip(c.sizes())


def refuse(cursor: Cursor, wrong: Bools, values: Int64s, reason: str) -> None:
    """Fails the records whose value is wrong; 0 stands in its place."""
    if wrong.any():
        cursor.fail(np.flatnonzero(wrong), reason)
        values[wrong] = 0


def _booleans(cursor: Cursor) -> pa.Array:
    values = cursor.fixed(1)[:, 0]
    wrong = values > 1
    if wrong.any():
        cursor.fail(np.flatnonzero(wrong), "a boolean that is neither 0 nor 1")
    return pa.array(values == 1)


def _integers(t: SqlType) -> ColumnReader:
    limit = _INTEGER_LIMITS[t.name]

    def read(cursor: Cursor) -> pa.Array:
        values = cursor.ints()
        if t.name is not TypeName.INT:
            refuse(cursor, (values >= limit) | (values < -limit), values, f"a number that does not fit in {t.name}")
        return pa.array(values.astype(f"i{limit.bit_length() // 8}"))

    return read


def _floats(kind: str, t: SqlType) -> ColumnReader:
    target = np.float32 if t.name is TypeName.FLOAT else np.float64

    def read(cursor: Cursor) -> pa.Array:
        if kind in ("int", "long"):
            return pa.array((cursor.ints() if kind == "int" else cursor.longs()).astype(target))
        size, form = (4, "<f4") if kind == "float" else (8, "<f8")
        return pa.array(np.ascontiguousarray(cursor.fixed(size)).view(form)[:, 0].astype(target))

    return read


def _texts(writer: AvroType, logical: str | None, meant: AvroType | None) -> ColumnReader | None:
    match writer.kind:
        case "enum":
            return _enum(writer, meant)
        case "fixed":
            return _uuids if logical == "uuid" else None
        case _:
            return strings


def strings(cursor: Cursor) -> pa.Array:
    """Text in UTF-8."""
    offsets, contents = cursor.slices()
    text = _text_array(offsets, contents)
    if text is None:
        _fail_malformed(cursor, offsets, contents)
        valid = np.array([row not in cursor.failures for row in cursor.rows.tolist()])
        sizes = np.where(valid, np.diff(offsets), 0)
        kept = contents[np.repeat(valid, np.diff(offsets))]
        text = _text_array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32), kept)
    return text


def _text_array(offsets: Int32s, contents: Octets) -> pa.Array | None:
    text = pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(contents))
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return None
    return text


def _fail_malformed(cursor: Cursor, offsets: Int32s, contents: Octets) -> None:
    malformed = []
    for i, value in enumerate(_binary_array(offsets, contents).to_pylist()):
        try:
            value.decode()
        except UnicodeDecodeError:
            malformed.append(i)
    cursor.fail(np.array(malformed, np.int64), "not valid UTF-8")


def _binary_array(offsets: Int32s, contents: Octets) -> pa.Array:
    return pa.BinaryArray.from_buffers(
        pa.binary(),
        len(offsets) - 1,
        [None, pa.py_buffer(offsets), pa.py_buffer(contents)],
    )


def _binaries(cursor: Cursor) -> pa.Array:
    return _binary_array(*cursor.slices())


def _uuids(cursor: Cursor) -> pa.Array:
    return pa.array([str(uuid.UUID(bytes=value.tobytes())) for value in cursor.fixed(16)], pa.string())


def _enum(writer: AvroType, meant: AvroType | None) -> ColumnReader:
    """Symbols; one that the reader's schema does not have becomes that schema's default, or a failure."""
    known = writer.symbols
    if meant is not None and meant.kind == "enum":
        known = tuple(s if s in meant.symbols else meant.default_symbol for s in writer.symbols)  # type: ignore[misc]
    symbols = pa.array(known, pa.string())
    unknown = np.array([s is None for s in known])

    def read(cursor: Cursor) -> pa.Array:
        codes = cursor.ints()
        refuse(cursor, (codes < 0) | (codes >= len(known)), codes, f"a symbol beyond the {len(known)} of the enum")
        if unknown.any() and len(codes):
            for code in np.unique(codes[unknown[codes]]).tolist():
                at = np.flatnonzero(codes == code)
                cursor.fail(at, f'the symbol "{writer.symbols[code]}", which the reader\'s enum does not have')
        return symbols.take(pa.array(codes))

    return read


def _temporal_reader(writer: AvroType, logical: str | None, t: SqlType) -> ColumnReader | None:
    match t.name:
        case TypeName.DATE if writer.kind == "int" and logical in (None, "date"):
            return _dates
        case TypeName.TIME if (writer.kind, logical) in {
            ("int", None),
            ("int", "time-millis"),
            ("long", "time-micros"),
        }:
            return _times(1000 if writer.kind == "int" else 1, writer.kind)
        case name if name in TIMESTAMPS and writer.kind == "long":
            if logical is None:
                unit = "millis" if t.precision <= 3 else "micros"
            elif "timestamp-" in logical:
                unit = logical.rpartition("-")[2]
            else:
                return None
            return _timestamps(_LONG_UNITS[unit], t)
        case _:
            return None


def _dates(cursor: Cursor) -> pa.Array:
    days = cursor.ints()
    refuse(cursor, (days < _FIRST_DAY) | (days > _LAST_DAY), days, "a date beyond the year 290000")
    return pa.array(days.astype(np.int32)).cast(pa.date32())


def _times(unit: int, kind: str) -> ColumnReader:
    def read(cursor: Cursor) -> pa.Array:
        values = cursor.ints() if kind == "int" else cursor.longs()
        refuse(cursor, (values < 0) | (values >= MICROS_A_DAY // unit), values, "a time beyond the end of the day")
        micros = values * unit
        return pa.array(micros - micros % 1000).cast(pa.time64("us"))

    return read


def _timestamps(unit: int, t: SqlType) -> ColumnReader:
    first, last = (-(2**63), 2**63 - 1) if unit < 0 else (_FIRST_MICROS // unit, _LAST_MICROS // unit)

    def read(cursor: Cursor) -> pa.Array:
        values = cursor.longs()
        refuse(cursor, (values < first) | (values > last), values, "a timestamp beyond the year 290000")
        micros = values // -unit if unit < 0 else values * unit
        return pa.array(cut_to_precision(micros, t)).cast(arrow_type(t))

    return read

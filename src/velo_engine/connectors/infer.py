"""The columns of a file that nobody declared, from its first records.

A column has the narrowest of these types that reads every value seen (NULLs aside):

| values | type |
|---|---|
| `true`, `false` (any case) | BOOLEAN |
| whole numbers of 64 bits | BIGINT; with a leading zero or plus sign (`007`, `+49`) STRING: they are labels |
| plain decimal numbers (`12.50`) | DECIMAL(18, s), DECIMAL(38, s) when more digits are needed; s as seen |
| numbers with an exponent, or needing more than 38 digits | DOUBLE |
| `2024-01-31` | DATE |
| timestamps in SQL or ISO-8601 form | TIMESTAMP(3), with finer fractions TIMESTAMP(6) |
| the same, all with `Z` or an offset | TIMESTAMP_LTZ(3) or (6) |
| JSON arrays and objects | ARRAY, ROW |
| anything else, or nothing but NULLs | STRING |

Decimal text becomes DECIMAL, where DuckDB and pandas take DOUBLE, because money in files is written so and must stay
exact; write CAST(x AS DOUBLE) where a float is meant. Only the first `SAMPLE_RECORDS` records count, so the answer is
the same on every run; a later value that does not fit is a failure of its record, whose reason names the inferred type
(more digits after the point are rounded, as in any DECIMAL column). All columns are nullable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa

from velo_engine.connectors.csv_header import has_header, header_names, over
from velo_engine.connectors.file_source import file_format
from velo_engine.connectors.paths import matching_files, parse_location, unreadable
from velo_engine.connectors.text_records import TextRecordReader
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.cells import cell_parser
from velo_engine.formats.csv_format import CsvFormat
from velo_engine.formats.csv_records import split_lines
from velo_engine.schema import Column, RowSchema
from velo_engine.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    SMALLINT,
    STRING,
    TINYINT,
    SqlType,
    array,
    decimal,
    map_of,
    row,
    time,
    timestamp,
    timestamp_ltz,
)

SAMPLE_RECORDS = 10_000

_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_PLAIN_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)\.([0-9]+)")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?|NaN|-?Infinity")
"""No leading zeros or plus signs: 007 and +49 30 are labels."""
_SHORT_DECIMAL = 18


def infer_schema(path: str, format_name: str | None, options: Mapping[str, str]) -> RowSchema:
    """The columns of the first file that `path` names (file, URI or pattern), in the file's order.

    Raises VeloError: no such file, an unreadable one, or one without a record to infer from.
    """
    location = parse_location(path)
    merged = over(options, location.options)
    file = matching_files(location.path)[0]
    match file_format(location.path, format_name or merged.get("format")):
        case "parquet":
            return _from_parquet(file)
        case "csv":
            return _from_csv(file, merged, header=has_header(merged))
        case "csv_no_header":
            return _from_csv(file, merged, header=False)
        case "json":
            return _from_json(file)
        case _:
            return RowSchema.of(("line", STRING))


def _from_csv(path: Path, options: Mapping[str, str], *, header: bool) -> RowSchema:
    csv = CsvFormat(RowSchema.of(), options)
    records = TextRecordReader(path, csv.records.split)
    try:
        first = records.read(1)
        if first is None:
            raise _nothing_to_infer(path)
        if header:
            names = header_names(first.values[0], csv, path)
        else:
            names = [f"column{i + 1}" for i in range(len(csv.fields_of(first.values[0])))]
        sample = _sample(records, SAMPLE_RECORDS - (0 if header else 1))
        texts = csv.text_columns(([] if header else first.values) + sample, len(names))
    finally:
        records.close()
    return RowSchema(tuple(Column(name, _of_texts(column)) for name, column in zip(names, texts, strict=True)))


def _from_json(path: Path) -> RowSchema:
    records = TextRecordReader(path, split_lines)
    try:
        sample = _sample(records, SAMPLE_RECORDS)
    finally:
        records.close()
    seen: dict[str, list[Any]] = {}
    for record in sample:
        try:
            members = _decode_object(record)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue  # a failure when the file is read
        for name, value in members.items():
            seen.setdefault(name, []).append(value)
    if not seen:
        raise _nothing_to_infer(path)
    return RowSchema(tuple(Column(name, _of_json(values)) for name, values in seen.items()))


class _Number(str):
    """A JSON number as it is written."""

    __slots__ = ()


def _decode_object(record: bytes) -> dict[str, Any]:
    members: dict[str, msgspec.Raw] = _members.decode(record)
    return {name: _json_value(bytes(raw)) for name, raw in members.items()}


def _json_value(raw: bytes) -> Any:
    match raw[:1]:
        case b"{":
            return _decode_object(raw)
        case b"[":
            return [_json_value(bytes(item)) for item in _items.decode(raw)]
        case b'"' | b"t" | b"f" | b"n":
            return msgspec.json.decode(raw)
        case _:
            return _Number(raw.decode())


_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])


def _of_json(values: Iterable[Any]) -> SqlType:
    present = [value for value in values if value is not None]
    kinds = {type(value) for value in present}
    if kinds == {dict}:
        fields: dict[str, list[Any]] = {}
        for value in present:
            for name, member in value.items():
                fields.setdefault(name, []).append(member)
        return row(*((name, _of_json(members)) for name, members in fields.items())) if fields else STRING
    if kinds == {list}:
        return array(_of_json([item for value in present for item in value]))
    if kinds == {bool}:
        return BOOLEAN
    if kinds == {_Number}:
        return _first_fitting(present, _NUMBERS)
    if kinds == {str}:
        return _first_fitting(present, _TEMPORALS)  # a quoted number stays text
    return STRING


def _of_texts(texts: list[str | None]) -> SqlType:
    present = [text.strip() for text in texts if text is not None]
    return _first_fitting(present, (_booleans, *_NUMBERS, *_TEMPORALS))


_Guess: TypeAlias = Callable[[list[str]], SqlType | None]
"""The type when all values have it; there is at least one value."""


def _first_fitting(values: list[str], guesses: Iterable[_Guess]) -> SqlType:
    if values:
        for guess in guesses:
            found = guess(values)
            if found is not None:
                return found
    return STRING


def _booleans(values: list[str]) -> SqlType | None:
    return BOOLEAN if all(value.casefold() in ("true", "false") for value in values) else None


def _whole_numbers(values: list[str]) -> SqlType | None:
    return BIGINT if all(_WHOLE.fullmatch(v) and -(2**63) <= int(v) < 2**63 for v in values) else None


def _decimals(values: list[str]) -> SqlType | None:
    digits = scale = 0
    for value in values:
        found = _PLAIN_DECIMAL.fullmatch(value)
        whole = found or _WHOLE.fullmatch(value)
        if whole is None:
            return None
        digits = max(digits, len(whole[1]))
        scale = max(scale, len(found[2]) if found else 0)
    needed = digits + scale
    return decimal(_SHORT_DECIMAL if needed <= _SHORT_DECIMAL else 38, scale) if needed <= 38 else None


def _floats(values: list[str]) -> SqlType | None:
    return DOUBLE if all(map(_FLOAT.fullmatch, values)) else None


def _dates(values: list[str]) -> SqlType | None:
    return DATE if _all_read(values, DATE) else None


def _timestamps(values: list[str]) -> SqlType | None:
    precision = 3 if all(len(_fraction(value)) <= 3 for value in values) else 6
    if _all_read(values, timestamp_ltz(precision)):
        return timestamp_ltz(precision)
    return timestamp(precision) if _all_read(values, timestamp(precision)) else None


def _fraction(value: str) -> str:
    found = re.search(r"\.([0-9]*)", value)
    return found[1].rstrip("0") if found else ""


def _all_read(values: list[str], t: SqlType) -> bool:
    parse = cell_parser(t)
    try:
        for value in values:
            parse(value)
    except ValueError:
        return False
    return True


_NUMBERS: tuple[_Guess, ...] = (_whole_numbers, _decimals, _floats)
_TEMPORALS: tuple[_Guess, ...] = (_dates, _timestamps)


def _sample(records: TextRecordReader, limit: int) -> list[bytes]:
    values: list[bytes] = []
    while len(values) < limit and (found := records.read(limit - len(values))) is not None:
        values += [value for i, value in enumerate(found.values) if i not in found.malformed]
    return values


def _nothing_to_infer(path: Path) -> VeloError:
    return VeloError(
        ErrorCode.EMPTY_INPUT,
        f"{path} has no record to infer columns from",
        hint="declare the columns, or give a file with data",
    )


def _from_parquet(path: Path) -> RowSchema:
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
    except (OSError, pa.ArrowInvalid) as problem:
        if isinstance(problem, OSError) and problem.errno is not None:
            raise unreadable(path, problem) from problem
        raise VeloError(
            ErrorCode.FILE_UNREADABLE, f"{path} is not a readable Parquet file: {str(problem).splitlines()[0]}"
        ) from problem
    return RowSchema(tuple(Column(field.name, sql_type(field.type)) for field in schema))


_SIMPLE = {
    pa.bool_(): BOOLEAN,
    pa.int8(): TINYINT,
    pa.int16(): SMALLINT,
    pa.uint8(): SMALLINT,
    pa.int32(): INT,
    pa.uint16(): INT,
    pa.int64(): BIGINT,
    pa.uint32(): BIGINT,
    pa.uint64(): decimal(20, 0),
    pa.float16(): FLOAT,
    pa.float32(): FLOAT,
    pa.float64(): DOUBLE,
    pa.date32(): DATE,
    pa.date64(): DATE,
}


def sql_type(t: pa.DataType) -> SqlType:
    """The SQL type that holds the values of an Arrow type. Raises VeloError when none does."""
    if t in _SIMPLE:
        return _SIMPLE[t]
    checks = pa.types
    if checks.is_string(t) or checks.is_large_string(t) or checks.is_string_view(t) or checks.is_null(t):
        return STRING
    if checks.is_binary(t) or checks.is_large_binary(t) or checks.is_fixed_size_binary(t):
        return BYTES
    if checks.is_decimal(t) and t.precision <= 38:
        return decimal(t.precision, max(t.scale, 0))
    if checks.is_timestamp(t):
        precision = {"s": 0, "ms": 3}.get(t.unit, 6)
        return timestamp(precision) if t.tz is None else timestamp_ltz(precision)
    if checks.is_time(t):
        return time(3)
    if checks.is_dictionary(t):
        return sql_type(t.value_type)
    if checks.is_list(t) or checks.is_large_list(t):
        return array(sql_type(t.value_type))
    if checks.is_map(t):
        return map_of(sql_type(t.key_type), sql_type(t.item_type))
    if checks.is_struct(t):
        return row(*((field.name, sql_type(field.type)) for field in t))
    raise VeloError(ErrorCode.SCHEMA_MISMATCH, f"there is no SQL type for {t}", hint="leave the column out")

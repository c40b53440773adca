"""Rows in files: csv, json, json lines, parquet and avro, read whole, typed by a schema.

An unquoted empty csv cell is NULL, a quoted one is the empty text. Numbers, times and booleans are read by the rules of
the engine's own formats, except that a decimal is never rounded: digits beyond the column's scale are an error.
"""

from __future__ import annotations

import csv as python_csv
import difflib
import gzip
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.schema import RowSchema
from velo_engine.types import STRINGS, SqlType, TypeName, arrow_type
from velo_harness.avro_files import UnreadableAvroError, avro_column, avro_records
from velo_harness.programs import shown_path
from velo_harness.spec import DataFile, DataFormat
from velo_harness.typed_values import typed_value
from velo_harness.yaml_source import YamlScalar

MAX_FILE_BYTES = 2 * 1024**3
"""Of one file, after decompression."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MISSPELT = 0.8
"""How alike (difflib's ratio) a missing column and an undeclared one are to be taken for one."""
_OTHER_SEPARATORS = (";", "\t", "|")
"""What stands in files called csv where a comma is to be."""
_CSV_ROW = re.compile(r"Row #(\d+)")
"""Where Arrow's reader says that a record is wrong; the header is the first."""
_JSON_FORMATS = (DataFormat.JSON, DataFormat.JSON_LINES)


def is_json(file: DataFile) -> bool:
    """Whether the file's rows are JSON objects, which can be written to a topic as they stand."""
    return file.format in _JSON_FORMATS


def json_messages(file: DataFile) -> list[bytes]:
    """The rows of a JSON file, undecoded.

    A line that is no JSON stays a message: it is the job that must cope with it.
    """
    import msgspec

    content = _read(file).removeprefix(_BYTE_ORDER_MARK)
    if file.format is DataFormat.JSON_LINES or not content.lstrip().startswith(b"["):
        return [line for line in content.splitlines() if line.strip()]
    try:
        return [bytes(raw) for raw in msgspec.json.decode(content, type=list[msgspec.Raw])]
    except msgspec.DecodeError as error:
        raise _unreadable(file, f"it is not a JSON list: {error}") from None


def raw_lines(file: DataFile) -> list[bytes]:
    """The lines of a text file, undecoded. Errors: FILE_NOT_FOUND, FILE_UNREADABLE."""
    return _read(file).removeprefix(_BYTE_ORDER_MARK).splitlines()


def column_names(file: DataFile) -> tuple[str, ...]:
    """The names of the columns: the csv header, the keys of the JSON objects by first appearance, the parquet schema.

    Of a csv file without header there are none.
    """
    match file.format:
        case DataFormat.CSV:
            return tuple(_csv_text(file, None).column_names)
        case DataFormat.CSV_NO_HEADER:
            return ()
        case DataFormat.PARQUET:
            return tuple(_parquet(file).column_names)
        case DataFormat.AVRO:
            return _avro(file)[0]
        case _:
            return tuple(_json_keys(file, json_messages(file)))


def read_table(file: DataFile, schema: RowSchema, zone: ZoneInfo | None = None) -> pa.Table:
    """The rows with the columns of `schema`.

    Columns that the file lacks are NULL, columns it has beside them are left out; a misspelt one is an error.

    Errors: FILE_NOT_FOUND, FILE_UNREADABLE, RECORD_MALFORMED at the line, SCHEMA_MISMATCH.
    """
    match file.format:
        case DataFormat.CSV | DataFormat.CSV_NO_HEADER:
            names = schema.names if file.format is DataFormat.CSV_NO_HEADER else None
            return _typed_csv(file, _csv_text(file, names), schema, zone)
        case DataFormat.PARQUET:
            return _fitted(file, _parquet(file), schema)
        case DataFormat.AVRO:
            return _fitted_avro(file, schema)
        case _:
            return _decoded_json(file, schema)


def _read(file: DataFile) -> bytes:
    try:
        if file.path.suffix == ".gz":
            with gzip.open(file.path) as stream:
                content = stream.read(MAX_FILE_BYTES + 1)
        else:
            with file.path.open("rb") as plain:
                content = plain.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        message = f'there is no file "{shown_path(file.path)}"'
        raise VeloError(ErrorCode.FILE_NOT_FOUND, message, location=file.location) from None
    except (OSError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not a complete gzip file"
        raise _unreadable(file, reason) from None
    if len(content) > MAX_FILE_BYTES:
        raise _unreadable(file, f"it is longer than {MAX_FILE_BYTES // 1024**3} GiB")
    return content


def _unreadable(file: DataFile, reason: str) -> VeloError:
    return VeloError(
        ErrorCode.FILE_UNREADABLE, f'"{shown_path(file.path)}" cannot be read: {reason}', location=file.location
    )


def _csv_text(file: DataFile, names: tuple[str, ...] | None) -> pa.Table:
    """Every cell as text; the header gives the names unless `names` are given. Read again when the file has changed."""
    try:
        status = file.path.stat()
    except OSError:
        return _read_csv(file, names)
    return _read_csv_once(file, names, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _read_csv_once(file: DataFile, names: tuple[str, ...] | None, _modified: int, _size: int) -> pa.Table:
    return _read_csv(file, names)


def _read_csv(file: DataFile, names: tuple[str, ...] | None) -> pa.Table:
    from pyarrow import csv

    content = _read(file).removeprefix(_BYTE_ORDER_MARK)
    if not content.strip():
        raise _unreadable(file, "it is empty" + ("" if names else ", not even a header"))
    written = list(names) if names else _csv_header(content)
    header = list(names) if names else [name.strip() for name in written]  # as the engine does
    twice = [name for i, name in enumerate(header) if name in header[:i]]
    if twice:
        what = f'the column "{twice[0]}" stands twice' if twice[0] else "several columns have no name"
        raise _unreadable(file, f"{what} in its header")
    block = max(len(content), 1)  # one block, so that a long record does not straddle two
    read = csv.ReadOptions(column_names=list(names) if names else None, use_threads=False, block_size=block)
    convert = csv.ConvertOptions(
        column_types=dict.fromkeys(written, pa.string()),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
    )
    parse = csv.ParseOptions(newlines_in_values=True)
    try:
        table = csv.read_csv(pa.BufferReader(content), read_options=read, parse_options=parse, convert_options=convert)
    except pa.ArrowInvalid as error:
        row = _CSV_ROW.search(str(error))
        place = file.location if row is None else Location(shown_path(file.path), int(row[1]))
        raise _unreadable(replace(file, location=place), str(error)) from None
    return table if names else table.rename_columns([name.strip() for name in table.column_names])


def likely_separator(header: Sequence[str]) -> str | None:
    """What seems to stand between the columns of a csv file whose header, read with commas, is a single name."""
    if len(header) != 1:
        return None
    return max((c for c in _OTHER_SEPARATORS if c in header[0]), key=header[0].count, default=None)


def shown_separator(separator: str) -> str:
    """A separator as people call it."""
    return "tabs" if separator == "\t" else f'"{separator}"'


def _csv_header(content: bytes) -> list[str]:
    """The first record."""
    return next(python_csv.reader(io.TextIOWrapper(io.BytesIO(content), "utf-8", errors="replace", newline="")), [])


def _typed_csv(file: DataFile, text: pa.Table, schema: RowSchema, zone: ZoneInfo | None) -> pa.Table:
    first_line = 1 if file.format is DataFormat.CSV_NO_HEADER else 2
    _refuse_other_columns(file, text.column_names, schema)
    columns = []
    for column in schema.columns:
        if column.name in text.column_names:
            cells = text.column(column.name).combine_chunks()
            columns.append(_typed_cells(file, column.name, cells, column.type, zone, first_line))
        else:
            columns.append(_absent(file, column.name, column.type, text.num_rows, text.column_names))
    return pa.table(columns, schema=schema.arrow())


def _typed_cells(
    file: DataFile, name: str, cells: pa.Array, kind: SqlType, zone: ZoneInfo | None, first_line: int
) -> pa.Array:
    """A column of text as `kind`: at once when the engine's text readers understand it, else cell by cell."""
    from velo_engine.formats.text_columns import text_reader

    target = arrow_type(kind)
    if kind.name in STRINGS:
        return cells
    if kind.name is TypeName.DECIMAL:
        try:
            return cells.cast(target)
        except pa.ArrowInvalid:
            return _cell_by_cell(file, name, cells, kind, zone, first_line)
    if kind.name is not TypeName.TIMESTAMP_LTZ or zone is None:
        try:
            typed, failures = text_reader(kind)(cells)
        except (KeyError, NotImplementedError):
            failures = {0: ""}
        if not failures:
            return typed
    return _cell_by_cell(file, name, cells, kind, zone, first_line)


def _cell_by_cell(
    file: DataFile, name: str, cells: pa.Array, kind: SqlType, zone: ZoneInfo | None, first_line: int
) -> pa.Array:
    values = []
    for i, text in enumerate(cells.to_pylist()):
        place = Location(shown_path(file.path), first_line + i)
        node = YamlScalar(text, plain=False, location=place) if text is not None else None
        try:
            values.append(None if node is None else typed_value(node, kind.as_nullable(), zone))
        except VeloError as error:
            message = f'column "{name}": {error.message}'
            raise VeloError(ErrorCode.RECORD_MALFORMED, message, location=place, hint=error.hint) from None
    return pa.array(values, arrow_type(kind))


def _refuse_other_columns(file: DataFile, known: Sequence[str], schema: RowSchema) -> None:
    """A file may lack columns and have more; not so one with none of the columns, or with a column misspelt."""
    surplus = [name for name in known if name not in schema.names]
    for name in schema.names:
        near = () if name in known else difflib.get_close_matches(name, surplus, n=1, cutoff=_MISSPELT)
        if near:
            message = f'{file.path.name} has no column "{name}", but "{near[0]}", which nothing declares'
            hint = f'did you mean "{near[0]}"?'
            raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, location=file.location, hint=hint)
    if len(surplus) == len(known):
        message = f"{file.path.name} has none of the columns {', '.join(schema.names)}; "
        message += f"it has {', '.join(known)}" if known else "it has no column at all"
        separator = likely_separator(known)
        hint = "its first line is read as the header; format: csv_no_header reads a file without"
        if separator is not None:
            hint = f"it seems to be separated by {shown_separator(separator)}: save it with commas"
        csv = file.format is DataFormat.CSV
        raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, location=file.location, hint=hint if csv else None)


def _absent(file: DataFile, name: str, kind: SqlType, rows: int, known: Sequence[str]) -> Any:
    """A column of NULLs for one that the file lacks, when it may be NULL."""
    if not kind.nullable:
        raise VeloError(
            ErrorCode.SCHEMA_MISMATCH,
            f'{file.path.name} has no column "{name}", which may not be null',
            location=file.location,
            hint=did_you_mean(name, known, noun="column"),
        )
    return pa.nulls(rows, arrow_type(kind))


def _parquet(file: DataFile) -> pa.Table:
    from pyarrow import parquet

    try:
        return parquet.read_table(pa.BufferReader(_read(file)), use_threads=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(
            file, "it is no Parquet file (" + str(error).splitlines()[0].split(": ", 1)[-1] + ")"
        ) from None


def _fitted(file: DataFile, table: pa.Table, schema: RowSchema) -> pa.Table:
    _refuse_other_columns(file, table.column_names, schema)
    columns = []
    for column in schema.columns:
        if column.name not in table.column_names:
            columns.append(_absent(file, column.name, column.type, table.num_rows, table.column_names))
            continue
        try:
            columns.append(table.column(column.name).cast(arrow_type(column.type)))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            message = f'column "{column.name}" of {file.path.name} does not fit {column.type}: {error}'
            raise VeloError(ErrorCode.SCHEMA_MISMATCH, message, location=file.location) from None
    return pa.table(columns, schema=schema.arrow())


def _avro(file: DataFile) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    try:
        names, records, _ = avro_records(_read(file))
    except UnreadableAvroError as problem:
        raise _unreadable(file, str(problem)) from None
    return names, records


def _fitted_avro(file: DataFile, schema: RowSchema) -> pa.Table:
    names, records = _avro(file)
    _refuse_other_columns(file, names, schema)
    columns = [
        avro_column(records, column, file.path.name, file.location)
        if column.name in names
        else _absent(file, column.name, column.type, len(records), names)
        for column in schema.columns
    ]
    return pa.table(columns, schema=schema.arrow())


def _shown(value: Any) -> str | None:
    """A value as text; true and false as JSON has them."""
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _decoded_json(file: DataFile, schema: RowSchema) -> pa.Table:
    from velo_engine.formats import open_format

    messages = json_messages(file)
    decoded = open_format("json", schema, {}).decode(messages)
    for failure in decoded.failures:
        line = failure.index + 1
        raise VeloError(ErrorCode.RECORD_MALFORMED, failure.reason, location=Location(shown_path(file.path), line))
    return pa.table(decoded.table.columns, schema=schema.arrow())


def _json_keys(file: DataFile, messages: Sequence[bytes]) -> Mapping[str, None]:
    import msgspec

    decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
    keys: dict[str, None] = {}
    for i, message in enumerate(messages):
        try:
            keys.update(dict.fromkeys(decoder.decode(message)))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            place = Location(shown_path(file.path), i + 1)
            raise VeloError(ErrorCode.RECORD_MALFORMED, f"this is not a JSON object: {error}", location=place) from None
    return keys


def text_columns(file: DataFile) -> pa.Table:
    """Every column as text, for files whose types nobody states; NULL stays NULL, nested values are JSON."""
    match file.format:
        case DataFormat.CSV:
            return _csv_text(file, None)
        case DataFormat.CSV_NO_HEADER:
            width = len(_csv_header(_read(file)))
            return _csv_text(file, tuple(f"f{i}" for i in range(width)))
        case DataFormat.PARQUET:
            table = _parquet(file)
            return pa.table({n: _as_text(table.column(n)) for n in table.column_names})
        case DataFormat.AVRO:
            names, records = _avro(file)
            return pa.table({n: pa.array([_shown(r[n]) for r in records], pa.string()) for n in names})
        case _:
            return _json_text(file)


def _as_text(column: Any) -> Any:
    if pa.types.is_decimal(column.type) or pa.types.is_nested(column.type):
        return pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
    return column.cast(pa.string())


def _json_text(file: DataFile) -> pa.Table:
    import msgspec

    messages = json_messages(file)
    names = tuple(_json_keys(file, messages))
    rows = [msgspec.json.decode(message, type=dict[str, msgspec.Raw]) for message in messages]
    return pa.table({n: pa.array([_json_value(row.get(n)) for row in rows], pa.string()) for n in names})


def _json_value(raw: Any) -> str | None:
    """A JSON value as text: strings unquoted, numbers with the digits as written."""
    import msgspec

    if raw is None or bytes(raw) == b"null":
        return None
    text = bytes(raw)
    return str(msgspec.json.decode(text)) if text.startswith(b'"') else text.decode()

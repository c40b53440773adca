"""Reading files as a bounded source: CSV, JSON lines and Parquet, one file or all that match a pattern.

Files are read one after another in the order of their names, in pieces; a record's offset counts over all of them. A
record that does not decode is a failure whose reason begins with `path:line: `; a file that cannot be read at all is a
VeloError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from velo_engine.batch import Int64s
from velo_engine.connectors.csv_header import fields_of_header, has_header, over
from velo_engine.connectors.paths import matching_files, parse_location
from velo_engine.connectors.source import NO_TIMESTAMP, Source, SourceBatch, SourceFailure
from velo_engine.connectors.text_records import MAX_DECOMPRESSED_BYTES, TextRecordReader, TextRecords
from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.formats.base import Decoded, DecodeFailure, Format, open_format
from velo_engine.formats.csv_format import CsvFormat
from velo_engine.formats.csv_records import split_lines
from velo_engine.schema import RowSchema

_FORMATS = {
    "csv": "csv",
    "csvnoheader": "csv_no_header",
    "json": "json",
    "jsonl": "json",
    "jsonlines": "json",
    "ndjson": "json",
    "parquet": "parquet",
    "raw": "raw",
}
"""By the name as it is written, without `_` and `-`, in lower case."""

_MAX_BYTES_OPTION = "max-decompressed-bytes"


def file_format(path: str, name: str | None) -> str:
    """`csv`, `csv_no_header`, `json` (lines), `parquet` or `raw` (lines): as named, else by the extension of `path`.

    Raises VeloError for an unknown name or extension.
    """
    if name is None:
        name = Path(path.removesuffix(".gz")).suffix.removeprefix(".")
    found = _FORMATS.get(name.replace("_", "").replace("-", "").casefold())
    if found is None:
        raise VeloError(
            ErrorCode.BAD_PROPERTY,
            f'"{name}" is not a file format ({path})',
            hint=did_you_mean(name, ("csv", "csv_no_header", "json", "jsonl", "parquet", "raw"), noun="format"),
        )
    return found


def open_file_source(
    path: str,
    schema: RowSchema,
    *,
    format_name: str | None = None,
    options: Mapping[str, str] | None = None,
    name: str | None = None,
) -> Source:
    """The source over the file, URI or pattern `path` (see `paths.parse_location`).

    Options: those of the format, `header` or `has_headers` (CSV; default true), `max-decompressed-bytes`. Options in
    the URI win. Raises VeloError: no such file, a format or option that means nothing.
    """
    location = parse_location(path)
    merged = over(options or {}, location.options)
    files = matching_files(location.path)
    kind = file_format(location.path, format_name or merged.get("format"))
    if kind == "parquet":
        from velo_engine.connectors.parquet_records import ParquetRecordReader

        return FileSource(name or path, schema, files, lambda file: ParquetRecordReader(file, schema, merged))
    return FileSource(name or path, schema, files, _text_file_opener(kind, schema, merged))


class FileRecords(Protocol):
    """The records of one file, decoded."""

    def read(self, limit: int) -> tuple[Decoded, Callable[[int], bytes]] | None:
        """Up to `limit` next records, and the text of each by its index; None at the end."""

    def close(self) -> None:
        """Closes the file."""


class FileSource:
    """The records of `files`, in order. `open_file` gives what reads one of them."""

    def __init__(
        self,
        name: str,
        schema: RowSchema,
        files: list[Path],
        open_file: Callable[[Path], FileRecords],
    ) -> None:
        self.name = name
        self.schema = schema
        self._files = list(files)
        self._open_file = open_file
        self._reader: FileRecords | None = None
        self._read = 0

    def read(self, limit: int) -> SourceBatch | None:
        """Up to `limit` next records of one file; None after the last file."""
        while True:
            if self._reader is None:
                if not self._files:
                    return None
                self._reader = self._open_file(self._files.pop(0))
            found = self._reader.read(limit)
            if found is not None:
                return self._batch(*found)
            self._reader.close()
            self._reader = None

    def close(self) -> None:
        """Closes the file that is open."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None
        self._files = []

    def _batch(self, decoded: Decoded, raw: Callable[[int], bytes]) -> SourceBatch:
        first = self._read
        count = len(decoded.positions) + len(decoded.failures)
        self._read += count
        order: Int64s = decoded.positions + first
        rows = len(order)
        return SourceBatch(
            table=decoded.table,
            partition=np.zeros(rows, np.int32),
            offset=order,
            timestamp_ms=np.full(rows, NO_TIMESTAMP, np.int64),
            order=order,
            failures=tuple(
                SourceFailure(first + f.index, 0, first + f.index, f.reason, raw(f.index), f.passed_over)
                for f in decoded.failures
            ),
            keys=lambda: [None] * rows,
            headers=lambda: [()] * rows,
            values=lambda: [raw(i) for i in decoded.positions.tolist()],
        )


class TextFile:
    """The records of one text file, decoded."""

    def __init__(self, records: TextRecordReader, decode: Callable[[list[bytes], dict[int, str]], Decoded]) -> None:
        self._records = records
        self._decode = decode

    def read(self, limit: int) -> tuple[Decoded, Callable[[int], bytes]] | None:
        """Up to `limit` next records, and the text of each by its index; None at the end."""
        found = self._records.read(limit)
        if found is None:
            return None
        decoded = self._decode(found.values, found.malformed)
        if decoded.failures:
            placed = tuple(DecodeFailure(f.index, self._placed(found, f)) for f in decoded.failures)
            decoded = Decoded(decoded.table, decoded.positions, placed)
        return decoded, lambda index: found.values[index]

    def close(self) -> None:
        """Closes the file."""
        self._records.close()

    def _placed(self, found: TextRecords, failure: DecodeFailure) -> str:
        return f"{self._records.path}:{found.lines(failure.index)}: {failure.reason}"


def _text_file_opener(kind: str, schema: RowSchema, options: Mapping[str, str]) -> Callable[[Path], TextFile]:
    max_bytes = _max_bytes(options)
    if kind in ("csv", "csv_no_header"):
        csv = CsvFormat(schema, options)
        header = kind == "csv" and has_header(options)
        return lambda path: _open_csv(path, csv, schema, header, max_bytes)
    lines = open_format(kind, schema, options)

    return lambda path: _open_lines(path, lines, kind == "json", max_bytes)


def _open_lines(path: Path, lines: Format, is_json: bool, max_bytes: int) -> TextFile:
    records = TextRecordReader(path, split_lines, max_bytes=max_bytes)
    if is_json and records.starts_with(b"["):
        records.close()
        raise VeloError(
            ErrorCode.FILE_UNREADABLE,
            f"{path} holds a JSON array, not JSON lines",
            hint=f"write one object a line, for example with: jq -c '.[]' {path.name}",
        )
    return TextFile(records, lambda values, _: lines.decode(values))


def _max_bytes(options: Mapping[str, str]) -> int:
    written = options.get(_MAX_BYTES_OPTION, str(MAX_DECOMPRESSED_BYTES))
    if not written.isdecimal():
        raise VeloError(ErrorCode.BAD_PROPERTY, f'"{_MAX_BYTES_OPTION}" is "{written}", not a number of bytes')
    return int(written)


def _open_csv(path: Path, csv: CsvFormat, schema: RowSchema, header: bool, max_bytes: int) -> TextFile:
    records = TextRecordReader(path, csv.records.split, max_bytes=max_bytes)
    fields: tuple[int, ...] = tuple(range(len(schema)))
    if header:
        found = records.read(1)
        try:
            if found is not None:
                fields = fields_of_header(found.values[0], csv, schema, path)
        except VeloError:
            records.close()
            raise
    return TextFile(records, lambda values, malformed: csv.decode_records(values, fields, malformed))

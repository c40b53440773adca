"""Writing a changelog to a file: CSV, JSON lines or Parquet, each +I and +U a row.

-U and -D have no place in such a file and are dropped. The file is written beside its place under a temporary name and
takes its own name when it is complete. A file that exists is never overwritten.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import pyarrow as pa

from velo_engine.batch import RowKind, numpy_column
from velo_engine.connectors.csv_header import has_header, over
from velo_engine.connectors.file_source import file_format
from velo_engine.connectors.paths import parse_location
from velo_engine.connectors.source import Sink
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.base import Format, open_format
from velo_engine.formats.csv_format import CsvFormat
from velo_engine.schema import RowSchema
from velo_engine.types import TypeName

ROW_GROUP_ROWS = 65_536
"""Rows of a Parquet row group; batches are gathered up to it."""


def open_file_sink(
    path: str, schema: RowSchema, *, format_name: str | None = None, options: Mapping[str, str] | None = None
) -> Sink:
    """The sink that writes `path`: in `format_name`, else by its extension; compressed when it ends in `.gz`.

    Options: those of the format, `header` or `has_headers` (CSV; default true). Missing folders are created.
    Raises VeloError: the file exists, the folder cannot be written, a format that means nothing.
    """
    location = parse_location(path)
    merged = over(options or {}, location.options)
    kind = file_format(location.path, format_name or merged.get("format"))
    target = Path(location.path)
    if target.exists():
        raise _exists(target)
    encoder, header = _text_format(kind, schema, merged) if kind != "parquet" else (None, b"")
    output = _Output(target)
    try:
        writer = _ParquetWriter(output, schema) if encoder is None else _TextWriter(output, encoder, header)
    except BaseException:
        output.abandon()
        raise
    return FileSink(output, writer)


def _text_format(kind: str, schema: RowSchema, options: Mapping[str, str]) -> tuple[Format, bytes]:
    """The encoder, and what begins the file."""
    if kind in ("csv", "csv_no_header"):
        csv = CsvFormat(schema, options)
        return csv, csv.header() + b"\n" if kind == "csv" and has_header(options) else b""
    return open_format(kind, schema, options), b""


class _Output:
    """A file under a temporary name until it is complete."""

    def __init__(self, target: Path) -> None:
        self.target = target
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
        except OSError as problem:
            raise VeloError(
                ErrorCode.FILE_UNREADABLE,
                f"cannot write {target}: {problem.strerror or problem}",
                hint="check that the folder exists and may be written",
            ) from problem
        self._temporary = Path(name)
        self.file: BinaryIO = os.fdopen(descriptor, "wb")

    def complete(self) -> None:
        """Gives the file its name. Raises VeloError when another file took it meanwhile."""
        self.file.close()
        try:
            _rename_new(self._temporary, self.target)
        except FileExistsError:
            self._temporary.unlink(missing_ok=True)
            raise _exists(self.target) from None

    def abandon(self) -> None:
        """Removes what was written."""
        self.file.close()
        self._temporary.unlink(missing_ok=True)


def _rename_new(source: Path, target: Path) -> None:
    """Renames without overwriting. Raises FileExistsError."""
    umask = os.umask(0)
    os.umask(umask)
    source.chmod(0o666 & ~umask)  # temporary files are private; the result is an ordinary file
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if target.exists():
            raise FileExistsError(target) from None
        source.rename(target)
    else:
        source.unlink()


def _exists(target: Path) -> VeloError:
    return VeloError(
        ErrorCode.FILE_EXISTS,
        f"{target} exists and was not created by this run",
        hint="remove it or write to another path; sinks never overwrite",
    )


class _Writer(Protocol):
    def write(self, rows: pa.Table) -> None: ...

    def finish(self) -> None: ...


class FileSink:
    """One output file."""

    def __init__(self, output: _Output, writer: _Writer) -> None:
        self.written = 0
        self._output = output
        self._writer = writer
        self._open = True

    def write(self, rows: pa.Table) -> None:
        """Writes each +I and +U."""
        kind = numpy_column(rows, "kind")
        kept = (kind == RowKind.INSERT) | (kind == RowKind.UPDATE_AFTER)
        if not kept.all():
            rows = rows.filter(pa.array(kept))
        if rows.num_rows:
            self._writer.write(rows)
            self.written += int(rows.num_rows)

    def close(self) -> None:
        """Completes the file and gives it its name; a second call does nothing."""
        if self._open:
            self._open = False
            self._writer.finish()
            self._output.complete()

    def abort(self) -> None:
        """Removes what was written."""
        if self._open:
            self._open = False
            with contextlib.suppress(OSError, pa.ArrowException):
                self._writer.finish()  # gives back what the writer holds
            self._output.abandon()


class _TextWriter:
    def __init__(self, output: _Output, encoder: Format, header: bytes) -> None:
        self._encoder = encoder
        self._compressed = output.target.suffix == ".gz"
        # No time in the gzip header: the same rows give the same bytes.
        self._file = (
            cast("BinaryIO", gzip.GzipFile(filename="", mode="wb", fileobj=output.file, mtime=0))
            if self._compressed
            else output.file
        )
        self._file.write(header)

    def write(self, rows: pa.Table) -> None:
        messages = self._encoder.encode(rows)
        messages.append(b"")
        self._file.write(b"\n".join(messages))

    def finish(self) -> None:
        if self._compressed:
            self._file.close()


class _ParquetWriter:
    def __init__(self, output: _Output, schema: RowSchema) -> None:
        import pyarrow.parquet as pq

        self._schema = _parquet_schema(schema)
        self._writer: Any = pq.ParquetWriter(output.file, self._schema)
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def write(self, rows: pa.Table) -> None:
        columns = [rows.column(f"c{i}").cast(field.type) for i, field in enumerate(self._schema)]
        self._waiting.append(pa.table(columns, schema=self._schema))
        self._rows += rows.num_rows
        if self._rows >= ROW_GROUP_ROWS:
            self._flush()

    def finish(self) -> None:
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(pa.concat_tables(self._waiting))
        self._waiting, self._rows = [], 0


def _parquet_schema(schema: RowSchema) -> pa.Schema:
    """The columns under the users' names; instants are marked as UTC."""
    instant = pa.timestamp("us", "UTC")
    fields = zip(schema.arrow(), schema.types, strict=True)
    return pa.schema([f.with_type(instant) if t.name is TypeName.TIMESTAMP_LTZ else f for f, t in fields])

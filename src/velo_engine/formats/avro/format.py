"""The Avro formats: `avro` (a datum alone) and `avro-confluent` (a datum behind the id of its schema).

Reads what Flink 2.3 reads, with the same value. Known differences:

* the logical type of the schema is believed when reading and writing: Flink takes the number of a `timestamp-micros`
  for milliseconds, and a decimal's for one of the column's scale; here it is rounded HALF_UP to that;
* a number that does not fit a TINYINT or SMALLINT is a failure (Flink wraps it around), and so is an INT of more than
  32 bits, a boolean that is neither 0 nor 1, text that is not UTF-8 (Flink puts replacement characters), and bytes
  behind the datum (Flink ignores them);
* enums and uuids are read as STRING, `fixed` as BYTES, `time-micros` as TIME, whatever schema is derived.

Options (after `avro.` or `avro-confluent.` where Flink has them so):

* `avro.schema`, `avro.schema.file`, `avro-confluent.schema`: the schema; of plain datums the one they are written
  with, of framed ones the reader's (defaults, aliases). Without it the schema is derived from the columns as Flink
  does;
* `avro.timestamp_mapping.legacy` (true): TIMESTAMP as `timestamp-millis`; false: `local-timestamp-*`;
* `schema.registry.url` and what `connectors.schema_registry` lists; with it `avro` is framed too;
* `avro-confluent.subject`, `auto.register.schemas` (true), `use.latest.version` (false): for sinks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from velo_engine.connectors.schema_registry import RegistrySchema
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.avro.cursor import Cursor
from velo_engine.formats.avro.reader import RecordReader, UnreadableError, record_reader
from velo_engine.formats.avro.schema import AvroType, derived_schema, parse_avro_schema
from velo_engine.formats.avro.writer import RecordWriter, record_writer
from velo_engine.formats.base import Decoded
from velo_engine.formats.framing import FRAME_SIZE, by_schema, flag, frame, framed_registry, subject_of
from velo_engine.formats.wanted_columns import WantedColumns, present_values
from velo_engine.schema import RowSchema

MAX_BATCH_BYTES = 1 << 29
"""Messages of more are decoded in parts: offsets of text have 32 bits."""


class AvroFormat:
    """Avro datums without anything around them."""

    def __init__(self, schema: RowSchema, options: Mapping[str, str], decoded: frozenset[int] | None = None) -> None:
        """`decoded`: the positions of the columns that are wanted (None: all); the others are NULL in every row."""
        _refuse_json_encoding(options)
        self._columns = _Columns(schema, decoded)
        self._schema_text = explicit_schema(options)
        if self._schema_text is None:
            self._schema_text = derived_schema(schema, legacy_timestamps=_legacy(options))
        self._type = parse_avro_schema(self._schema_text, "the schema of the records")
        self._reader: RecordReader | None = None
        self._writer: RecordWriter | None = None

    def decode(self, messages: Sequence[bytes | None]) -> Decoded:
        """One row a message."""
        if self._reader is None:
            try:
                self._reader = self._columns.reader(self._type, None)
            except UnreadableError as problem:
                raise VeloError(
                    ErrorCode.SCHEMA_MISMATCH, f"the Avro schema does not have the declared columns: {problem}"
                ) from None
        failures: dict[int, str] = {}
        values = present_values(messages, failures)
        columns = self._columns.read(values, self._reader, 0, failures)
        return self._columns.decoded(columns, len(values), failures)

    def encode(self, table: pa.Table) -> list[bytes]:
        """One datum a row."""
        if self._writer is None:
            self._writer = record_writer(self._type, self._columns.schema)
        return self._writer.encode(table)


class FramedAvroFormat:
    """Avro datums behind the id of their schema in a registry."""

    def __init__(
        self,
        schema: RowSchema,
        options: Mapping[str, str],
        decoded: frozenset[int] | None = None,
        *,
        is_key: bool = False,
    ) -> None:
        """As `AvroFormat`; `is_key`: the records are keys, so the subject is `<topic>-key`."""
        _refuse_json_encoding(options)
        self._columns = _Columns(schema, decoded)
        self._registry = framed_registry("avro-confluent", options)
        self._subject = subject_of(self._registry, options, is_key=is_key)
        self._explicit = explicit_schema(options)
        self._legacy = _legacy(options)
        self._meant = None if self._explicit is None else parse_avro_schema(self._explicit, "the reader's schema")
        self._readers: dict[int, RecordReader | str] = {}
        self._writer: tuple[bytes, RecordWriter] | None = None

    def decode(self, messages: Sequence[bytes | None]) -> Decoded:
        """One row a message, each by its own writer's schema."""
        failures: dict[int, str] = {}
        values = present_values(messages, failures, b"\x00" * FRAME_SIZE)
        found = by_schema(values, failures)
        parts: list[list[pa.Array]] = []
        where: list[list[int]] = []
        for schema_id, at in found.items():
            if not (schema_id == 0 and all(i in failures for i in at)):
                self._decode_part(schema_id, at, values, failures, parts, where)
        return self._columns.decoded(self._columns.placed(parts, where, len(values)), len(values), failures)

    def _decode_part(
        self,
        schema_id: int,
        at: list[int],
        values: Sequence[bytes],
        failures: dict[int, str],
        parts: list[list[pa.Array]],
        where: list[list[int]],
    ) -> None:
        reader = self._reader(schema_id)
        if isinstance(reader, str):
            for i in at:
                failures.setdefault(i, reader)
            return
        refused: dict[int, str] = {}
        whole = len(at) == len(values)
        parts.append(self._columns.read(values if whole else [values[i] for i in at], reader, FRAME_SIZE, refused))
        where.append(at)
        for i, reason in refused.items():
            failures.setdefault(at[i], reason)

    def _reader(self, schema_id: int) -> RecordReader | str:
        """How to read records of this schema, or why they cannot be read."""
        known = self._readers.get(schema_id)
        if known is None:
            known = self._opened_reader(schema_id)
            self._readers[schema_id] = known
        return known

    def _opened_reader(self, schema_id: int) -> RecordReader | str:
        found = self._registry.schema_by_id(schema_id)
        if found is None:
            return f"schema {schema_id} is not in the registry {self._registry.url}"
        if found.kind != "AVRO":
            return f"schema {schema_id} is of the kind {found.kind}, not AVRO"
        try:
            return self._columns.reader(parse_avro_schema(found.text, f"schema {schema_id}"), self._meant)
        except UnreadableError as problem:
            return f"schema {schema_id} cannot be read as the declared columns: {problem}"
        except VeloError as problem:
            return problem.message

    def encode(self, table: pa.Table) -> list[bytes]:
        """One framed datum a row; the first call registers the schema or looks it up."""
        if self._writer is None:
            self._writer = self._opened_writer()
        head, writer = self._writer
        return writer.encode(table, head)

    def _opened_writer(self) -> tuple[bytes, RecordWriter]:
        if self._subject is None:
            raise VeloError(
                ErrorCode.BAD_PROPERTY, "the sink has no topic to name its schema's subject by", hint="set subject"
            )
        if self._subject.use_latest:
            schema_id, found = self._subject.latest()
            written = parse_avro_schema(found.text, f"the schema of {self._subject.name}")
            return frame(schema_id), record_writer(written, self._columns.schema)
        text = self._explicit
        if text is None:
            text = derived_schema(self._columns.schema, legacy_timestamps=self._legacy)
        writer = record_writer(parse_avro_schema(text, "the schema of the records"), self._columns.schema)
        return frame(self._subject.id_of(RegistrySchema(text))), writer


class _Columns(WantedColumns):
    """The wanted columns, read from Avro records."""

    def reader(self, writer: AvroType, meant: AvroType | None) -> RecordReader:
        """Raises UnreadableError."""
        return record_reader(writer, self.schema, self.positions, meant)

    def read(
        self, values: Sequence[bytes], reader: RecordReader, skip: int, failures: dict[int, str]
    ) -> list[pa.Array]:
        """The wanted columns of records of one schema."""
        if len(values) > 1 and sum(map(len, values)) > MAX_BATCH_BYTES:
            half = len(values) // 2
            later: dict[int, str] = {}
            first = self.read(values[:half], reader, skip, failures)
            second = self.read(values[half:], reader, skip, later)
            failures.update({half + i: reason for i, reason in later.items()})
            return [pa.concat_arrays(pair) for pair in zip(first, second, strict=True)]
        cursor = Cursor.over(values, skip, reader.longest_fixed)
        columns = reader.read(cursor)
        behind = cursor.pos < np.where(cursor.failed, 0, cursor.end)
        if behind.any():
            cursor.fail(np.flatnonzero(behind), "bytes follow behind the datum")
        for i, reason in cursor.failures.items():
            failures.setdefault(i, reason)
        return columns


def explicit_schema(options: Mapping[str, str]) -> str | None:
    """The schema that the options give, as JSON text. Raises VeloError for a file that cannot be read."""
    for key in ("avro.schema", "avro-confluent.schema"):
        if key in options:
            return options[key]
    path = options.get("avro.schema.file")
    if path is None:
        return None
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f"there is no Avro schema {path}") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise VeloError(ErrorCode.FILE_UNREADABLE, f"cannot read the Avro schema {path}: {problem}") from None


def _legacy(options: Mapping[str, str]) -> bool:
    given = [flag(options, k, True) for k in _LEGACY_KEYS if k in options]
    return given[0] if given else True


_LEGACY_KEYS = ("avro.timestamp_mapping.legacy", "avro-confluent.timestamp_mapping.legacy")


def _refuse_json_encoding(options: Mapping[str, str]) -> None:
    for key in ("avro.encoding", "avro-confluent.encoding"):
        if options.get(key, "binary").casefold() != "binary":
            raise VeloError(ErrorCode.BAD_PROPERTY, f'"{key}" is "{options[key]}"', hint="only binary is supported")

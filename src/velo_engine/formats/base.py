"""What a format is: record values (bytes) to physical columns and back, whole batches at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int8s, Int64s
from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.formats.added import added_format, added_names
from velo_engine.schema import RowSchema
from velo_engine.types import SqlType

MAX_RECORD_BYTES = 16 * 1024 * 1024
"""A longer record is a failure: one record must not be able to fill the memory."""

SHOWN_VALUE = 60
"""Characters of an offending value that a reason shows."""


@dataclass(frozen=True, slots=True)
class DecodeFailure:
    """A record that has no row, and why."""

    index: int
    """The position in the batch of messages."""
    reason: str
    """In the user's terms: the field, its declared type and the value (cut to `SHOWN_VALUE`)."""
    passed_over: bool = False
    """Whether the format was told to go on: then it never stops a job."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The rows of a batch of messages.

    Without `kinds` every message is either at one of `positions` or in `failures`. With `kinds` (formats of changes) a
    message may give two rows, or none at all.
    """

    table: pa.Table
    """Physical columns `c0`, `c1`, … of the schema; no system columns."""
    positions: Int64s
    """For each row the index of its message; increasing, without `kinds` strictly."""
    failures: tuple[DecodeFailure, ...]
    """By index."""
    kinds: Int8s | None = None
    """Per row its kind (`RowKind`), of formats whose records say it; None: the rows are as the source's records are."""


class Format(Protocol):
    """Reads and writes record values of one schema. Has no state from one call to the next."""

    def decode(self, messages: Sequence[bytes | None]) -> Decoded:
        """Rows of `messages`; a message that does not decode is a failure and its neighbours go on."""

    def encode(self, table: pa.Table) -> list[bytes]:
        """One message for each row of `table` (physical columns; of further ones formats of changes read `kind`)."""


FORMAT_NAMES = ("json", "csv", "raw", "avro", "avro-confluent", "protobuf", "protobuf-confluent", "debezium-json")
PLANNED_FORMATS = frozenset({"debezium-avro-confluent", "canal-json", "maxwell-json", "ogg-json"})


SCHEMA_FILE_OPTIONS = ("avro.schema.file", "protobuf.schema.file")
"""Options that name files; relative paths are those of the process."""


def open_format(
    name: str,
    schema: RowSchema,
    options: Mapping[str, str],
    decoded: frozenset[int] | None = None,
    *,
    is_key: bool = False,
) -> Format:
    """The format called `name` for records of `schema`.

    `decoded` are the positions of the columns that somebody reads, None for all: a format that finds fields by name
    leaves the others NULL.

    `options` uses the keys of Flink's table options (`json.timestamp-format.standard`, `csv.field-delimiter`, …) and
    `timestamp.format.<column>`; each format's module lists its own. Keys of other parts of the program are ignored.

    `is_key`: the records are keys of a topic (then a registry has their schemas under another subject).

    Raises VeloError: an unknown format, an option value that means nothing, or a type that the format cannot carry.
    """
    added = added_format(name)
    if added is not None:
        return added(schema, options)
    match name.casefold():
        case "json":
            from velo_engine.formats.json_format import JsonFormat

            return JsonFormat(schema, options, decoded)
        case "csv":
            from velo_engine.formats.csv_format import CsvFormat

            return CsvFormat(schema, options)
        case "raw":
            from velo_engine.formats.raw_format import RawFormat

            return RawFormat(schema, options)
        case "avro" | "avro-confluent":
            from velo_engine.formats.avro.format import AvroFormat, FramedAvroFormat

            if name.casefold() == "avro" and "schema.registry.url" not in options:
                return AvroFormat(schema, options, decoded)
            return FramedAvroFormat(schema, options, decoded, is_key=is_key)
        case "protobuf" | "protobuf-confluent":
            from velo_engine.formats.protobuf.format import FramedProtobufFormat, ProtobufFormat

            if name.casefold() == "protobuf" and "schema.registry.url" not in options:
                return ProtobufFormat(schema, options, decoded)
            return FramedProtobufFormat(schema, options, decoded, is_key=is_key)
        case "debezium-json":
            from velo_engine.formats.debezium_json import DebeziumJsonFormat

            return DebeziumJsonFormat(schema, options, decoded)
        case planned if planned in PLANNED_FORMATS:
            raise VeloError(
                ErrorCode.BAD_PROPERTY,
                f'the format "{name}" is not supported by this version',
                hint=f"supported: {', '.join(FORMAT_NAMES)}",
            )
        case _:
            raise VeloError(
                ErrorCode.BAD_PROPERTY,
                f'"{name}" is not a format',
                hint=did_you_mean(name, (*FORMAT_NAMES, *added_names()), noun="format"),
            )


def shown(value: str) -> str:
    """`value` as a reason shows it: quoted, control characters escaped, cut."""
    text = value if len(value) <= SHOWN_VALUE else value[:SHOWN_VALUE] + "…"
    return '"' + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text) + '"'


def in_field(name: str, t: SqlType, reason: str) -> str:
    """The reason with the field that it is about."""
    return f'field "{name}" ({t}): {reason}'


def without_failures(
    columns: Sequence[pa.Array],
    schema: RowSchema,
    count: int,
    failures: Mapping[int, str],
    *,
    passed_over: bool = False,
) -> Decoded:
    """`Decoded` from columns that still hold a placeholder at each failed index."""
    table = pa.table(list(columns), schema=schema.physical())
    if not failures:
        return Decoded(table, np.arange(count, dtype=np.int64), ())
    kept = np.setdiff1d(np.arange(count, dtype=np.int64), np.fromiter(failures, np.int64, len(failures)))
    return Decoded(table.take(kept), kept, tuple(DecodeFailure(i, failures[i], passed_over) for i in sorted(failures)))

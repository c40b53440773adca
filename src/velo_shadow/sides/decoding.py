"""From the records of a topic to changes: which formats there are, and what the key of a record adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from velo_engine.batch import Int8s
from velo_engine.connectors.record_formats import KEY_FORMAT, KeyedFormat, open_decoder
from velo_engine.connectors.schema_registry import SchemaRegistry
from velo_engine.connectors.tombstones import TombstoneReader, upsert_kinds
from velo_engine.formats.base import Decoded, DecodeFailure, Format
from velo_engine.formats.framing import FRAME_SIZE, framed_registry
from velo_engine.schema import RowSchema
from velo_engine.types import TIMESTAMPS, SqlType, TypeName
from velo_harness.inference.avro_types import avro_columns
from velo_shadow.folding import Changelog
from velo_shadow.sides.exact_json import ExactDebezium, ExactJson

JSON, DEBEZIUM_JSON, AVRO_CONFLUENT = "json", "debezium-json", "avro-confluent"

Keys = Callable[[], Sequence[bytes | None]]
"""Built when called: most topics are read without them."""


class Decoding(Protocol):
    """Reads records."""

    def decode(self, values: Sequence[bytes | None], keys: Keys, /) -> Decoded:
        """Rows with their kinds, where these are not all INSERT, and failures by the index of their record."""


@dataclass(frozen=True, slots=True)
class JsonDecoding:
    """JSON objects; of upserts the key gives the columns of a tombstone, and those that no value has."""

    rows: ExactJson
    tombstones: TombstoneReader | None = None
    """Of upserts."""
    is_key_apart: bool = False
    """Whether the columns of the key are in the key alone."""

    def decode(self, values: Sequence[bytes | None], keys: Keys, /) -> Decoded:
        """As `Decoding`."""
        messages = values
        if self.is_key_apart:
            messages = [_joined(value, key) for value, key in zip(values, keys(), strict=True)]
        if self.tombstones is None:
            return self.rows.decode(messages)
        if None in messages:
            messages = self.tombstones.values(messages, keys())
        decoded = self.rows.decode(messages)
        return replace(decoded, kinds=upsert_kinds(values)[decoded.positions])


@dataclass(frozen=True, slots=True)
class EventDecoding:
    """Change events."""

    events: ExactDebezium

    def decode(self, values: Sequence[bytes | None], _keys: Keys, /) -> Decoded:
        """As `Decoding`."""
        return self.events.decode(values)


@dataclass(frozen=True, slots=True)
class EngineDecoding:
    """Any other format, as the engine reads it."""

    format: Format | KeyedFormat

    def decode(self, values: Sequence[bytes | None], keys: Keys, /) -> Decoded:
        """As `Decoding`."""
        if isinstance(self.format, KeyedFormat):
            return self.format.decode_records(values, keys())
        return self.format.decode(values)


class RegisteredDecoding:
    """Records behind the id of their schema. A schema that has other columns than the first is a failure: the engine
    passes over a field that nobody declared."""

    def __init__(
        self, rows: Decoding, registry: SchemaRegistry, columns: Mapping[str, SqlType], left: Sequence[str]
    ) -> None:
        """`left` are further columns, which are not read and may have any type."""
        self._rows = rows
        self._registry = registry
        self._columns = dict(columns)
        self._left = frozenset(left)
        self._fitting: set[bytes] = set()

    def decode(self, values: Sequence[bytes | None], keys: Keys, /) -> Decoded:
        """As `Decoding`."""
        new = {value[:FRAME_SIZE] for value in values if value} - self._fitting
        decoded = self._rows.decode(values, keys)
        reasons = {frame: reason for frame in new if (reason := self._unfitting(frame)) is not None}
        self._fitting |= new - reasons.keys()
        if not reasons:
            return decoded
        refused = {i: reasons[v[:FRAME_SIZE]] for i, v in enumerate(values) if v and v[:FRAME_SIZE] in reasons}
        failures = {failure.index: failure for failure in decoded.failures}
        failures |= {i: DecodeFailure(i, reason) for i, reason in refused.items() if i not in failures}
        return replace(decoded, failures=tuple(failures[i] for i in sorted(failures)))

    def _unfitting(self, frame: bytes) -> str | None:
        if len(frame) < FRAME_SIZE or frame[0]:
            return None  # a failure by itself
        number = int.from_bytes(frame[1:])
        schema = self._registry.schema_by_id(number)
        if schema is None:
            return None
        found = schema_columns(schema.text, f"schema {number}")
        other = sorted((found.keys() ^ self._columns.keys()) - self._left)
        other += [name for name, kind in self._columns.items() if name in found and _is_finer(found[name], kind)]
        return f"schema {number} has other columns than the first records: {', '.join(other)}" if other else None


def _is_finer(kind: SqlType, known: SqlType) -> bool:
    """Whether values of a type would be rounded or cut to another one of its kind."""
    if kind.name is TypeName.DECIMAL and known.name is TypeName.DECIMAL:
        return kind.scale > known.scale
    return kind.name in TIMESTAMPS and known.name in TIMESTAMPS and kind.precision > known.precision


def schema_columns(text: str, origin: str) -> dict[str, SqlType]:
    """The columns of an Avro schema. Errors: BAD_PROPERTY, SCHEMA_MISMATCH for a schema of something else."""
    return {column.name: column.type.as_nullable() for column in avro_columns(text, origin)}


@dataclass(frozen=True, slots=True)
class RecordForm:
    """How the records of a topic are written."""

    name: str
    """The format's."""
    options: Mapping[str, str]
    """Of the format and of the registry."""
    changelog: Changelog
    quoted: Mapping[str, bool]
    """Of JSON: by column whether its values stand in quotes."""
    ignored: tuple[str, ...] = ()
    """Columns that are not read."""
    key: tuple[str, ...] = ()
    """Of upserts: the columns that identify a row."""
    only_in_key: tuple[str, ...] = ()
    key_format: str = ""

    @property
    def is_registered(self) -> bool:
        """Whether a registry has the schemas of the records."""
        return self.name == AVRO_CONFLUENT or (self.name == "avro" and "schema.registry.url" in self.options)

    def open(self, label: str, schema: RowSchema) -> Decoding:
        """What decodes records of these columns. Raises VeloError: an unknown format, an option without meaning."""
        positions = tuple(schema.names.index(name) for name in self.key)
        is_upsert = self.changelog is Changelog.UPSERT
        if self.name in (JSON, DEBEZIUM_JSON):
            # A key that is plain text makes a text of any value (velo_engine.connectors.tombstones).
            quoted = {n: q for n, q in self.quoted.items() if not (is_upsert and n in self.key)}
            exact = ExactJson(schema, quoted=quoted, ignored=self.ignored, options=self.options)
            if self.name == DEBEZIUM_JSON:
                return EventDecoding(ExactDebezium(exact))
            tombstones = TombstoneReader(schema, positions) if is_upsert else None
            return JsonDecoding(exact, tombstones, is_key_apart=bool(self.only_in_key))
        properties = {**self.options, "format": self.name}
        if is_upsert:
            properties.setdefault(KEY_FORMAT, self.key_format)
        rows = EngineDecoding(open_decoder(label, schema, properties, None, positions if is_upsert else ()))
        if not self.is_registered:
            return rows
        columns = {column.name: column.type for column in schema.columns}
        return RegisteredDecoding(rows, framed_registry(AVRO_CONFLUENT, self.options), columns, self.ignored)


def kinds_of(decoded: Decoded) -> Int8s:
    """Per row its kind."""
    return np.zeros(len(decoded.positions), np.int8) if decoded.kinds is None else decoded.kinds


def _joined(value: bytes | None, key: bytes | None) -> bytes | None:
    """The object with the members of both; of a tombstone none."""
    if value is None or key is None or key[-1:] != b"}" or value[:1] != b"{":
        return value
    inner = value[1:]
    return key[:-1] + (b"" if inner.strip() == b"}" else b",") + inner

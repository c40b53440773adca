"""From the records of a topic to changes: which formats there are, and what the key of a record adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from velo_engine.batch import Int8s
from velo_engine.connectors.record_formats import KEY_FORMAT, KeyedFormat, open_decoder
from velo_engine.connectors.tombstones import TombstoneReader, upsert_kinds
from velo_engine.formats.base import Decoded, Format
from velo_engine.schema import RowSchema
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

    def open(self, label: str, schema: RowSchema) -> Decoding:
        """What decodes records of these columns. Raises VeloError: an unknown format, an option without meaning."""
        positions = tuple(schema.names.index(name) for name in self.key)
        is_upsert = self.changelog is Changelog.UPSERT
        if self.name in (JSON, DEBEZIUM_JSON):
            # A key that is plain text makes a text of any value (velo_engine.connectors.tombstones).
            quoted = {n: q for n, q in self.quoted.items() if not (is_upsert and n in self.key)}
            rows = ExactJson(schema, quoted=quoted, ignored=self.ignored, options=self.options)
            if self.name == DEBEZIUM_JSON:
                return EventDecoding(ExactDebezium(rows))
            tombstones = TombstoneReader(schema, positions) if is_upsert else None
            return JsonDecoding(rows, tombstones, is_key_apart=bool(self.only_in_key))
        properties = {**self.options, "format": self.name}
        if is_upsert:
            properties.setdefault(KEY_FORMAT, self.key_format)
        return EngineDecoding(open_decoder(label, schema, properties, None, positions if is_upsert else ()))


def kinds_of(decoded: Decoded) -> Int8s:
    """Per row its kind."""
    return np.zeros(len(decoded.positions), np.int8) if decoded.kinds is None else decoded.kinds


def _joined(value: bytes | None, key: bytes | None) -> bytes | None:
    """The object with the members of both; of a tombstone none."""
    if value is None or key is None or key[-1:] != b"}" or value[:1] != b"{":
        return value
    inner = value[1:]
    return key[:-1] + (b"" if inner.strip() == b"}" else b",") + inner

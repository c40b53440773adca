"""The first records of a topic, and what they show of its columns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.open_client import Settings
from velo_engine.connectors.kafka.source import KafkaSource
from velo_engine.connectors.kafka.start import Boundary, Place
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats import open_format
from velo_engine.formats.base import Format, shown
from velo_engine.schema import RowSchema
from velo_engine.types import BYTES
from velo_shadow.sides.exact_json import Event
from velo_shadow.sides.written import Written, written

SAMPLE_RECORDS = 10_000
"""As many as the engine looks at in files that nobody declared."""
SAMPLE_BYTES = 32 * 1024 * 1024
"""Of larger records fewer are looked at."""
UNDECODED = RowSchema.of(("value", BYTES))
"""The columns of a source whose records are decoded later."""
_POLL_S = 0.5
_AT_ONCE = 200
_HOW_WRITTEN = "say how the records are written (format), as json is not it"
_HOW_TYPED = "the first records of both sides showed the columns; a program (app.sql) can declare them"
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_event = msgspec.json.Decoder(Event)
_NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Sample:
    """Records as they are, from the beginning of a topic."""

    label: str
    values: Sequence[bytes | None]
    keys: Sequence[bytes | None]
    places: Sequence[tuple[int, int]]
    """Partition and offset."""

    @property
    def has_tombstones(self) -> bool:
        """Whether a record has no value."""
        return None in self.values


def first_records(label: str, topic: str, cluster: KafkaCluster, settings: Settings) -> Sample:
    """The first records that a topic has now.

    Raises VeloError: no broker, no such topic, no right to read it, or brokers that stop answering.
    """
    source = KafkaSource(
        topic,
        undecoded(),
        UNDECODED,
        cluster,
        settings=settings,
        start=Boundary(Place.EARLIEST),
        end=Boundary(Place.LATEST),
    )
    values: list[bytes | None] = []
    keys: list[bytes | None] = []
    places: list[tuple[int, int]] = []
    heard, size = time.monotonic(), 0
    try:
        while (wanted := SAMPLE_RECORDS - len(values)) and size < SAMPLE_BYTES:
            if time.monotonic() - heard > cluster.connect_timeout_s:
                break
            batch = source.poll(min(_AT_ONCE, wanted), _POLL_S)
            if batch is not None and batch.values is not None:
                heard = time.monotonic()
                found = batch.values()
                values += found
                size += sum(len(value) for value in found if value is not None)
                keys += batch.keys()
                places += zip(batch.partition.tolist(), batch.offset.tolist(), strict=True)
            elif source.ended:
                break
    finally:
        source.close()
    return Sample(label, values, keys, places)


def undecoded() -> Format:
    """The format that leaves a record as it is."""
    return open_format("raw", UNDECODED, {})


def json_columns(sample: Sample, *, are_events: bool, key: Sequence[str]) -> Written:
    """The columns of JSON objects, or of the rows in change events; `key` are the columns of the comparison's key.

    Errors: SCHEMA_MISMATCH for a record that is none.
    """
    rows: list[dict[str, msgspec.Raw]] = []
    for value, place in zip(sample.values, sample.places, strict=True):
        if value:
            rows += _rows(sample, value, place, are_events=are_events)
    only_in_key: tuple[str, ...] = ()
    known = {name for row in rows for name in row}
    lacking = [name for name in key if name not in known]
    if lacking and rows and not are_events:
        in_keys = [_members_of_key(record) for record in sample.keys]
        only_in_key = tuple(name for name in lacking if all(name in members for members in in_keys))
        if only_in_key:
            present = (m for m, value in zip(in_keys, sample.values, strict=True) if value)
            of_keys = ({name: members[name] for name in only_in_key} for members in present)
            rows = [members | row for members, row in zip(of_keys, rows, strict=True)]
    return written(rows, only_in_key)


def _rows(sample: Sample, value: bytes, place: tuple[int, int], *, are_events: bool) -> list[dict[str, msgspec.Raw]]:
    try:
        if not are_events:
            return [_members.decode(value)]
        event = _event.decode(value).whole()
        return [_members.decode(raw) for raw in (event.before, event.after) if bytes(raw) != b"null"]
    except _NOT_JSON as problem:
        raise not_decoded(sample.label, place, f"{_shown(value)} ({problem})", value, _HOW_WRITTEN) from None


def not_decoded(
    label: str, place: tuple[int, int], reason: str, value: bytes | None, hint: str = _HOW_TYPED
) -> VeloError:
    """What to say of a record that is not what its topic's format and columns say."""
    if value is not None and value[:1] == b"\x00" and len(value) > 5:
        hint = "it begins as Avro with a schema registry does: format avro-confluent, and schema.registry.url"
    elif value is None:
        hint = "a topic of upserts has records without value: say that its changelog is upsert, and give the key"
    partition, offset = place
    where = f"{label}, partition {partition}, offset {offset}"
    return VeloError(ErrorCode.SCHEMA_MISMATCH, f"{where}: {reason}", hint=hint)


def _shown(value: bytes) -> str:
    return "the record is no JSON object: " + shown(value.decode(errors="replace"))


def _members_of_key(key: bytes | None) -> dict[str, msgspec.Raw]:
    try:
        return {} if key is None else _members.decode(key)
    except _NOT_JSON:
        return {}

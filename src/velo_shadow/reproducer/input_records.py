"""The records of a comparison's inputs: files in the order that they state, topics to their ends.

Records of several sources come in one order: by the column that the config calls `order`, of topics by the time at
which a record was written, within a partition as they lie there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import pyarrow as pa

from velo_engine import TopicInput
from velo_engine.batch import Int64s
from velo_engine.connectors.kafka.source import STALLED_S, KafkaSource
from velo_engine.connectors.kafka.start import Boundary, Place
from velo_engine.connectors.source import Headers
from velo_engine.connectors.topics import Topic, TopicRecord
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats import open_format
from velo_engine.plan.nodes import SourceTable
from velo_harness.inputs import EngineInput, RunInputs
from velo_harness.relation import Relation
from velo_harness.topic_inputs import record_format
from velo_shadow.config import FileStream, ShadowInput, TopicStream
from velo_shadow.sides.address import shown_address
from velo_shadow.sides.sampling import UNDECODED, undecoded
from velo_shadow.sides.topic_side import boundary_of, client_settings, cluster_of

AT_ONCE = 10_000
_POLL_S = 0.5
_FIRST = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class _Stream:
    """The records of one source, with what orders them among those of the others."""

    given: TopicInput
    records: Sequence[TopicRecord]
    order: Int64s


def with_records(inputs: RunInputs, sources: Mapping[str, SourceTable], given: Sequence[ShadowInput]) -> RunInputs:
    """`inputs`, in which topics have no records yet, with the records of all in their order.

    Records that do not decode are left out. A source whose records are changes has no rows.
    Errors: BAD_VALUE for a row without its order; INFRASTRUCTURE_MISSING, of topics.
    """
    by_source = {one.source: one for one in given}
    engine: dict[str, EngineInput] = dict(inputs.engine)
    relations = dict(inputs.relations)
    streams: dict[str, _Stream] = {}
    for name, one in inputs.engine.items():
        if not isinstance(one, TopicInput):
            continue
        stream = by_source[name].stream if name in by_source else None
        if isinstance(stream, TopicStream):
            found = _of_topic(sources[name], stream)
        else:
            found = _of_file(one, by_source.get(name))
        if name not in relations or len(relations[name]) != len(found.records) or isinstance(stream, TopicStream):
            relations.pop(name, None)
            found, rows = _with_rows(name, sources[name], found)
            if rows is not None:
                relations[name] = rows
        streams[name] = found
    has_lost = any(len(one.records) != len(one.given.topic) for one in streams.values())
    if has_lost or any(_is_placed(by_source.get(name)) for name in streams):
        for name, (topic, numbers) in _in_order(streams).items():
            engine[name] = topic
            if name in relations and len(relations[name]) == len(numbers):
                relations[name] = relations[name].taken(numbers)
    return replace(inputs, engine=engine, relations=relations)


def _is_placed(given: ShadowInput | None) -> bool:
    """Whether its records say when they came."""
    return given is not None and (given.order is not None or isinstance(given.stream, TopicStream))


def _of_file(given: TopicInput, shadow: ShadowInput | None) -> _Stream:
    records = sorted(given.topic.records(), key=lambda record: record.sequence or 0)
    order = np.full(len(records), _FIRST)
    if shadow is not None and shadow.order is not None:
        order = np.array([_place(record, shadow, line) for line, record in enumerate(records, 1)], np.int64)
    return _Stream(given, records, order)


def _place(record: TopicRecord, shadow: ShadowInput, line: int) -> int:
    assert shadow.order is not None
    try:
        members = msgspec.json.decode(record.value or b"", type=dict[str, msgspec.Raw])
        return msgspec.json.decode(members[shadow.order], type=int)
    except (KeyError, msgspec.MsgspecError):
        assert isinstance(shadow.stream, FileStream)
        text = f'row {line} of "{shadow.stream.path.name}" has no whole number in "{shadow.order}", which is its order'
        raise VeloError(ErrorCode.BAD_VALUE, text) from None


def _of_topic(source: SourceTable, stream: TopicStream) -> _Stream:
    """All records that a topic has now."""
    label = shown_address(stream)
    reading = KafkaSource(
        stream.topic, undecoded(), UNDECODED, cluster_of(stream), name=label, settings=client_settings(stream),
        start=boundary_of(stream), end=Boundary(Place.LATEST),
    )  # fmt: skip
    records: list[TopicRecord] = []
    heard = time.monotonic()
    try:
        while not reading.ended:
            batch = reading.poll(AT_ONCE, _POLL_S)
            if batch is not None and batch.values is not None:
                heard = time.monotonic()
                places = zip(batch.partition.tolist(), batch.offset.tolist(), batch.timestamp_ms.tolist(), strict=True)
                contents = zip(batch.keys(), batch.values(), batch.headers(), strict=True)
                records += [TopicRecord(*at, *what, None) for at, what in zip(places, contents, strict=True)]
            elif time.monotonic() - heard > STALLED_S:
                message = f"{label}: no record has come for {STALLED_S:g} s"
                raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, message)
    finally:
        reading.close()
    latest: dict[int, int] = {}
    moments = []
    for record in records:
        latest[record.partition] = max(record.timestamp_ms, latest.get(record.partition, record.timestamp_ms))
        moments.append(latest[record.partition])
    order = np.array(moments, np.int64)
    by_time = np.argsort(order, kind="stable")
    sorted_records = [records[i] for i in by_time.tolist()]
    partitions = 1 + max((record.partition for record in records), default=0)
    topic = Topic(stream.topic, partitions)
    return _Stream(
        TopicInput(topic, record_format(source.properties), source.properties), sorted_records, order[by_time]
    )


def _with_rows(name: str, source: SourceTable, stream: _Stream) -> tuple[_Stream, Relation | None]:
    """The records that hold a row, with their rows. A record that does not decode has no part in any output.

    No rows where records change what others said.
    """
    form = open_format(stream.given.format, source.schema, stream.given.options)
    decoded = form.decode([record.value for record in stream.records])
    if decoded.kinds is not None:
        return stream, None
    at = decoded.positions.tolist()
    names = source.schema.names
    table = pa.table([decoded.table.column(i) for i in range(len(names))], schema=source.schema.arrow())
    kept = replace(stream, records=[stream.records[i] for i in at], order=stream.order[at])
    return kept, Relation(name, source.schema, table)


def _in_order(streams: Mapping[str, _Stream]) -> dict[str, tuple[TopicInput, list[int]]]:
    """The topics with their records in one order over all; and of each record its number before."""
    owners = np.concatenate([np.full(len(one.records), i) for i, one in enumerate(streams.values())])
    order = np.concatenate([one.order for one in streams.values()])
    places = np.empty(len(order), np.int64)
    places[np.lexsort((np.arange(len(order)), owners, order))] = np.arange(len(order))
    found: dict[str, tuple[TopicInput, list[int]]] = {}
    first = 0
    for name, one in streams.items():
        own = places[first : first + len(one.records)]
        first += len(one.records)
        topic = Topic(one.given.topic.name, one.given.topic.partitions)
        at = np.argsort(own, kind="stable").tolist()
        records = [one.records[i] for i in at]
        headers: list[Headers] = [record.headers for record in records]
        topic.append_batch(
            [record.value for record in records],
            keys=[record.key for record in records],
            timestamps_ms=[record.timestamp_ms for record in records],
            partitions=[record.partition for record in records],
            headers=headers,
            sequences=own[at].tolist(),
        )
        found[name] = replace(one.given, topic=topic), at
    return found

"""In-memory topics, and sources and sinks over them."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine import types
from velo_engine.batch import RowKind
from velo_engine.connectors.murmur2 import partitions_of
from velo_engine.connectors.record_sink import AppendSink, UpsertSink
from velo_engine.connectors.records import MemoryWriter
from velo_engine.connectors.source import NO_TIMESTAMP, SourceBatch
from velo_engine.connectors.topic_source import TopicSource
from velo_engine.connectors.topics import Topic, TopicStore
from velo_engine.errors import VeloError
from velo_engine.formats import open_format
from velo_engine.schema import RowSchema

NUMBERS = RowSchema.of(("n", types.BIGINT))


@pytest.mark.parametrize(
    ("key", "hash_value"),
    [  # from Kafka's own UtilsTest
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_keys_go_where_kafkas_default_partitioner_sends_them(key, hash_value):
    for partitions in (1, 3, 12, 1_000_003):
        assert partitions_of([b"x", key, b""], partitions)[1] == (hash_value & 0x7FFFFFFF) % partitions


@given(st.lists(st.binary(max_size=12), max_size=20))
def test_the_partition_of_a_key_does_not_depend_on_its_batch(keys):
    assert partitions_of(keys, 7).tolist() == [int(partitions_of([key], 7)[0]) for key in keys]


def test_records_keep_what_they_were_written_with():
    topic = Topic("t", partitions=2)
    assert topic.append(b"v", key=b"21", timestamp_ms=5, headers=(("h", b"1"), ("h", None))) == (0, 0)
    assert topic.append(None, partition=1) == (1, 0)
    assert topic.append(b"w") == (0, 1)
    assert topic.end_offsets == (2, 1)
    assert len(topic) == 3
    first, second, third = topic.records()
    assert (first.key, first.value, first.timestamp_ms, first.headers, first.sequence) == (
        b"21",
        b"v",
        5,
        (("h", b"1"), ("h", None)),
        None,
    )
    assert (second.partition, second.offset, second.timestamp_ms, second.key) == (0, 1, NO_TIMESTAMP, None)
    assert (third.partition, third.value) == (1, None)
    assert topic.read(0, 1, 10) == [second]


def test_columns_of_a_batch_must_be_of_one_length():
    with pytest.raises(ValueError, match="2 values but 1"):
        Topic("t").append_batch([b"a", b"b"], keys=[b"k"])
    with pytest.raises(ValueError, match="partitions 0 to 0"):
        Topic("t").append(b"a", partition=1)


def test_sequences_increase_and_are_continued():
    topic = Topic("t")
    topic.append_batch([b"1", b"2"], sequences=[3, 7])
    topic.append(b"3")
    assert [r.sequence for r in topic.records()] == [3, 7, 8]
    with pytest.raises(ValueError, match="must increase"):
        topic.append(b"4", sequence=8)
    plain = Topic("p")
    plain.append(b"1")
    with pytest.raises(ValueError, match="without a sequence"):
        plain.append(b"2", sequence=1)


def test_the_store_knows_topics_by_name():
    store = TopicStore()
    trades = store.create("trades", partitions=3)
    assert store.get("trades") is trades
    assert trades.partitions == 3
    assert store.names == ("trades",)
    assert "trades" in store
    with pytest.raises(VeloError, match='did you mean "trades"'):
        store.get("trade")
    with pytest.raises(VeloError, match='already a topic "trades"'):
        store.create("trades")
    with pytest.raises(VeloError, match="at least one partition"):
        store.create("none", partitions=0)


def source(topic: Topic, schema: RowSchema = NUMBERS) -> TopicSource:
    return TopicSource(topic, open_format("json", schema, {}), schema)


def drained(reading: TopicSource, limit: int) -> list[SourceBatch]:
    batches = []
    while (batch := reading.read(limit)) is not None:
        assert 1 <= batch.records <= limit
        batches.append(batch)
    assert reading.read(limit) is None
    return batches


def test_rows_carry_partition_offset_timestamp_key_and_headers():
    topic = Topic("t")
    topic.append(b'{"n":1}', key=b"a", timestamp_ms=10, headers=(("x", b"y"),))
    topic.append(b"broken", key=b"b", timestamp_ms=20, headers=(("z", None),))
    topic.append(b'{"n":3}', key=b"c", timestamp_ms=30)
    topic.append(None, key=b"d", timestamp_ms=40)
    (batch,) = drained(source(topic), 10)
    assert batch.table.column("c0").to_pylist() == [1, 3]
    assert batch.offset.tolist() == batch.order.tolist() == [0, 2]
    assert batch.timestamp_ms.tolist() == [10, 30]
    assert (list(batch.keys()), list(batch.headers())) == ([b"a", b"c"], [(("x", b"y"),), ()])
    failure, tombstone = batch.failures
    assert (failure.order, failure.partition, failure.offset, failure.raw) == (1, 0, 1, b"broken")
    assert (failure.key, failure.headers) == (b"b", (("z", None),))
    assert (tombstone.key, tombstone.raw) == (b"d", None)
    assert failure.reason == "malformed JSON: invalid character (byte 0)"


@st.composite
def partitioned_topics(draw, *, sequenced: bool) -> Topic:
    topic = Topic("t", partitions=draw(st.integers(1, 3)))
    count = draw(st.integers(0, 25))
    for i in range(count):
        topic.append(
            b"{" if draw(st.integers(0, 5)) == 0 else b'{"n":%d}' % i,
            partition=draw(st.integers(0, topic.partitions - 1)),
            timestamp_ms=draw(st.integers(0, 9)),
            sequence=i * 3 if sequenced else None,
        )
    return topic


@settings(max_examples=60)
@given(partitioned_topics(sequenced=True), st.integers(1, 9))
def test_partitions_merge_by_sequence(topic, limit):
    batches = drained(source(topic), limit)
    rows = [n for batch in batches for n in batch.table.column("c0").to_pylist()]
    orders = sorted([o for b in batches for o in b.order.tolist()] + [f.order for b in batches for f in b.failures])
    assert rows == sorted(rows)
    assert orders == [3 * i for i in range(len(topic))]


def merged_one_by_one(topic: Topic) -> list[tuple[int, int]]:
    """What a merge of logs gives: always the head with the least (timestamp, partition)."""
    heads, order = [0] * topic.partitions, []
    while any(h < len(log) for h, log in zip(heads, topic.logs, strict=True)):
        _, p = min((log.timestamps_ms[heads[p]], p) for p, log in enumerate(topic.logs) if heads[p] < len(log))
        order.append((p, heads[p]))
        heads[p] += 1
    return order


@settings(max_examples=100)
@given(partitioned_topics(sequenced=False), st.integers(1, 9))
def test_without_sequence_partitions_merge_by_time_and_keep_their_order(topic, limit):
    batches = drained(source(topic), limit)
    places = {}
    for batch in batches:
        places |= dict(
            zip(batch.order.tolist(), zip(batch.partition.tolist(), batch.offset.tolist(), strict=True), strict=True)
        )
        places |= {f.order: (f.partition, f.offset) for f in batch.failures}
    assert [places[i] for i in range(len(topic))] == merged_one_by_one(topic)


def test_what_is_appended_while_reading_is_not_read():
    topic = Topic("t")
    topic.append(b'{"n":1}')
    reading = source(topic)
    assert reading.read(10) is not None
    topic.append(b'{"n":2}')
    assert reading.read(10) is None


ORDERS = RowSchema.of(("id", types.INT), ("total", types.decimal(6, 2)), ("at", types.timestamp_ltz(3)))


def changes(*rows: tuple) -> pa.Table:
    kinds = {"+I": RowKind.INSERT, "-U": RowKind.UPDATE_BEFORE, "+U": RowKind.UPDATE_AFTER, "-D": RowKind.DELETE}
    columns = [
        pa.array([i for _, i, _, _ in rows], pa.int32()),
        pa.array([None if t is None else Decimal(t) for _, _, t, _ in rows], pa.decimal128(6, 2)),
        pa.array([at for _, _, _, at in rows], pa.timestamp("us")),
        pa.array([kinds[k] for k, _, _, _ in rows], pa.int8()),
        pa.array(events(rows), pa.int64()),
    ]
    return pa.table(columns, names=["c0", "c1", "c2", "kind", "seq"])


def events(rows: Sequence[tuple]) -> list[int]:
    """The event of each row: the two rows of an update belong to one."""
    kinds = [row[0] for row in rows]
    new = [not (kind == "+U" and before == "-U") for before, kind in zip([None, *kinds], kinds, strict=False)]
    return np.cumsum(new).tolist()


NOON = dt.datetime(2024, 1, 1, 12)
CHANGES = changes(
    ("+I", 1, "1.50", NOON),
    ("-U", 1, "1.50", NOON),
    ("+U", 1, "2.00", NOON),
    ("+I", None, None, None),
    ("-D", 1, "2.00", NOON),
)


def test_an_append_stream_drops_retractions():
    topics = TopicStore()
    topic = topics.create("out")
    sink = AppendSink("out", open_format("json", ORDERS, {}), ORDERS, MemoryWriter(topics))
    sink.write(CHANGES)
    sink.close()
    assert sink.written == 3
    assert [r.value for r in topic.records()] == [
        b'{"id":1,"total":1.50,"at":"2024-01-01 12:00:00Z"}',
        b'{"id":1,"total":2.00,"at":"2024-01-01 12:00:00Z"}',
        b'{"id":null,"total":null,"at":null}',
    ]
    assert {(r.key, r.timestamp_ms) for r in topic.records()} == {(None, NO_TIMESTAMP)}


def test_an_upsert_stream_writes_tombstones():
    topics = TopicStore()
    topic = topics.create("out")
    sink = UpsertSink(
        "out",
        open_format("json", ORDERS, {}),
        ORDERS,
        MemoryWriter(topics),
        key_columns=[0],
        timestamp_column=2,
        clock_ms=lambda: 99,
    )
    sink.write(CHANGES)
    noon_ms = 1704110400000
    assert sink.written == 4
    assert [(r.key, r.value is None, r.timestamp_ms) for r in topic.records()] == [
        (b"1", False, noon_ms),
        (b"1", False, noon_ms),
        (None, False, 99),
        (b"1", True, noon_ms),
    ]


def test_several_key_columns_make_an_object():
    topics = TopicStore()
    topic = topics.create("out")
    sink = AppendSink("out", open_format("json", ORDERS, {}), ORDERS, MemoryWriter(topics), key_columns=[1, 0])
    sink.write(CHANGES.slice(0, 1))
    assert next(topic.records()).key == b'{"total":1.50,"id":1}'


def test_a_row_that_is_taken_back_and_not_replaced_leaves_a_tombstone():
    """A predicate above an aggregate lets -U pass and holds +U back, or the other way round."""
    topics = TopicStore()
    topic = topics.create("out")
    sink = UpsertSink("out", open_format("json", ORDERS, {}), ORDERS, MemoryWriter(topics), key_columns=[0])
    sink.write(
        changes(("-U", 1, "9.00", NOON), ("+U", 2, "9.50", NOON), ("-U", 2, "9.50", NOON), ("+U", 2, "9.75", NOON))
    )

    assert [value is None for value in topic.logs[0].values] == [True, False, False]
    assert sink.written == 3


def test_a_row_taken_back_by_one_event_and_replaced_by_the_next_leaves_a_tombstone_however_batches_are_cut():
    rows = changes(("-U", 1, "9.00", NOON), ("+U", 1, "9.50", NOON)).set_column(4, "seq", pa.array([7, 8]))
    logs = []
    for parts in ([rows], [rows.slice(0, 1), rows.slice(1)]):
        topics = TopicStore()
        topic = topics.create("out")
        sink = UpsertSink("out", open_format("json", ORDERS, {}), ORDERS, MemoryWriter(topics), key_columns=[0])
        for part in parts:
            sink.write(part)
        logs.append([value is None for value in topic.logs[0].values])
    assert logs == [[True, False], [True, False]]


def test_an_empty_batch_writes_nothing():
    topics = TopicStore()
    topic = topics.create("out")
    AppendSink("out", open_format("json", ORDERS, {}), ORDERS, MemoryWriter(topics)).write(CHANGES.slice(0, 0))
    UpsertSink("out", open_format("json", ORDERS, {}), ORDERS, MemoryWriter(topics), key_columns=[0]).write(
        CHANGES.slice(0, 0)
    )
    assert len(topic) == 0


def test_numpy_columns_are_taken_as_they_are():
    topic = Topic("t", partitions=2)
    topic.append_batch(
        [b"a", b"b"], timestamps_ms=np.array([1, 2]), partitions=np.array([1, 0], np.int32), sequences=np.array([5, 6])
    )
    assert [(r.partition, r.timestamp_ms, r.sequence) for r in topic.records()] == [(1, 1, 5), (0, 2, 6)]

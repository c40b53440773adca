"""Writing records to a broker, one by one acknowledged."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tests.kafka.connectors.conftest import NUMBERS, free_port, numbers, poll_until, read_all
from velo_engine import types
from velo_engine.batch import RowKind
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.producer import KafkaWriter
from velo_engine.connectors.kafka.source import KafkaSource
from velo_engine.connectors.kafka.topic_admin import make_topic
from velo_engine.connectors.murmur2 import partitions_of
from velo_engine.connectors.record_sink import UpsertSink
from velo_engine.connectors.records import Records
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats import open_format
from velo_engine.schema import RowSchema
from velo_harness.kafka.embedded import EmbeddedBroker

ROWS = RowSchema.of(("id", types.BIGINT), ("n", types.BIGINT))


def test_keys_go_where_the_java_client_sends_them(new_topic, writer, open_source):
    topic = new_topic(5)
    keys = [b"key-%d" % i for i in range(50)]
    writer.write(Records(topic, [b'{"n":%d}' % i for i in range(50)], keys))
    writer.flush()

    batches = read_all(open_source(topic))

    found = {key: p for b in batches for key, p in zip(b.keys(), b.partition.tolist(), strict=True)}
    assert found == dict(zip(keys, partitions_of(keys, 5).tolist(), strict=True))


def test_a_partition_that_is_named_counts_more_than_the_key(new_topic, writer, open_source):
    topic = new_topic(3)
    writer.write(Records(topic, [b'{"n":1}'] * 3, [b"same"] * 3, partitions=np.array([2, 0, 1], np.int32)))
    writer.flush()

    assert sorted(p for b in read_all(open_source(topic)) for p in b.partition.tolist()) == [0, 1, 2]


def test_headers_and_timestamps_arrive_as_they_were_given(new_topic, writer, open_source):
    topic = new_topic()
    headers = [(("a", b"1"), ("b", None), ("a", b"2")), ()]
    writer.write(Records(topic, [b'{"n":1}', b'{"n":2}'], None, np.array([1_700_000_000_000, 1]), headers))
    writer.flush()

    (batch,) = read_all(open_source(topic))

    assert list(batch.headers()) == headers
    assert batch.timestamp_ms.tolist() == [1_700_000_000_000, 1]


def test_the_first_millisecond_of_1970_becomes_the_second(new_topic, writer, open_source):
    """librdkafka takes 0 for the time of writing."""
    topic = new_topic()
    writer.write(Records(topic, [b'{"n":1}'], None, np.array([0])))
    writer.flush()

    assert read_all(open_source(topic))[0].timestamp_ms.tolist() == [1]


def test_a_deleted_row_is_a_tombstone(new_topic, writer, open_source):
    topic = new_topic()
    sink = UpsertSink(topic, open_format("json", ROWS, {}), ROWS, writer, key_columns=[0])
    kinds = [RowKind.INSERT, RowKind.UPDATE_BEFORE, RowKind.UPDATE_AFTER, RowKind.DELETE]
    sink.write(pa.table({"c0": [1] * 4, "c1": [5, 5, 6, 6], "kind": pa.array(kinds, pa.int8())}))
    sink.flush()

    (batch,) = read_all(open_source(topic, ROWS, upsert_key=(0,)))

    assert sink.written == 3
    assert batch.values is not None
    assert list(batch.values())[:2] == [b'{"id":1,"n":5}', b'{"id":1,"n":6}']
    assert batch.kinds is not None
    assert batch.kinds.tolist() == [RowKind.UPDATE_AFTER, RowKind.UPDATE_AFTER, RowKind.DELETE]


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
def test_batches_are_compressed(compression, cluster, new_topic, open_source):
    topic = new_topic()
    writer = KafkaWriter(cluster, {"compression.type": compression})
    writer.write(Records(topic, [b'{"n":%d}' % i for i in range(2000)]))
    writer.flush()
    writer.close()

    assert numbers(read_all(open_source(topic))) == list(range(2000))


def test_fewer_acknowledgements_turn_idempotence_off(cluster, new_topic, open_source):
    topic = new_topic()
    writer = KafkaWriter(cluster, {"acks": "1"})
    writer.write(Records(topic, [b'{"n":1}']))
    writer.flush()
    writer.close()

    assert numbers(read_all(open_source(topic))) == [1]


def test_a_queue_that_is_full_is_waited_for(cluster, new_topic, open_source):
    topic = new_topic()
    writer = KafkaWriter(cluster, {"queue.buffering.max.messages": 100})
    writer.write(Records(topic, [b'{"n":%d}' % i for i in range(5000)]))
    writer.flush()
    writer.close()

    assert numbers(read_all(open_source(topic))) == list(range(5000))


def test_a_record_that_is_too_large_says_what_to_raise(new_topic, writer):
    topic = new_topic()

    with pytest.raises(VeloError, match="larger than") as caught:
        writer.write(Records(topic, [b"x" * 2_000_000]))

    assert caught.value.code is ErrorCode.INFRASTRUCTURE_MISSING
    assert "max.message.bytes" in (caught.value.hint or "")


def test_a_topic_that_is_not_there_fails_the_write_or_the_flush(cluster):
    writer = KafkaWriter(cluster, {"allow.auto.create.topics": False, "topic.metadata.propagation.max.ms": 0})

    def write() -> None:
        writer.write(Records("nobody-made-this-topic", [b"x"]))
        writer.flush()

    with pytest.raises(VeloError, match="no such topic"):
        write()

    writer.close()


def test_a_broker_that_is_away_for_a_while_is_waited_for():
    broker = EmbeddedBroker(port=free_port())
    broker.start()
    try:
        cluster = KafkaCluster(broker.bootstrap_servers)
        make_topic(cluster, "t", 1)
        writer = KafkaWriter(cluster, {"reconnect.backoff.max.ms": 100})
        source = KafkaSource("t", open_format("json", NUMBERS, {}), NUMBERS, cluster)
        writer.write(Records("t", [b'{"n":1}']))
        assert numbers(poll_until(source, 1)) == [1]

        broker.stop()
        writer.write(Records("t", [b'{"n":2}', b'{"n":3}']))
        while not source.connection.status.problem:
            assert source.poll(10, 0.05) is None
        assert source.connection.status.up is False
        broker.start()
        writer.flush()

        assert numbers(poll_until(source, 2)) == [2, 3]
        assert source.connection.status.up
        source.close()
        writer.close()
    finally:
        broker.stop()

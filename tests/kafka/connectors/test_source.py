"""Reading topics of a broker: to the end, and on and on."""

from __future__ import annotations

import statistics
import threading
import time

import numpy as np
import pytest

from tests.kafka.connectors.conftest import NUMBERS, numbers, poll_until, read_all
from velo_engine import types
from velo_engine.connectors.kafka.merge import SEQUENCE_HEADER
from velo_engine.connectors.kafka.open_client import open_admin
from velo_engine.connectors.kafka.start import Boundary, Place
from velo_engine.connectors.records import Records
from velo_engine.connectors.source import NO_TIMESTAMP
from velo_engine.connectors.topic_source import TopicSource
from velo_engine.connectors.topics import Topic
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats import open_format
from velo_engine.schema import RowSchema


def values(*given: int) -> list[bytes]:
    return [b'{"n":%d}' % n for n in given]


def sequenced(*given: int) -> list[tuple[tuple[str, bytes], ...]]:
    return [((SEQUENCE_HEADER, n.to_bytes(8, "big")),) for n in given]


def test_a_topic_is_read_as_one_in_memory_is(new_topic, writer, open_source):
    topic, memory = new_topic(3), Topic("memory", 3)
    count = 500
    columns = {
        "keys": [b"%d" % (i % 11) if i % 5 else None for i in range(count)],
        "timestamps_ms": np.array([(i * 7919) % 1000 + 1 for i in range(count)]),
        "partitions": np.array([i % 3 for i in range(count)], np.int32),
        "headers": [(("a", b"%d" % i), ("a", None)) if i % 2 else () for i in range(count)],
    }
    memory.append_batch(values(*range(count)), **columns)
    writer.write(Records(topic, values(*range(count)), **columns))
    writer.flush()

    found, wanted = open_source(topic), TopicSource(memory, open_format("json", NUMBERS, {}), NUMBERS)

    assert found.partitions == 3
    for batch, expected in zip(read_all(found, 70), read_all(wanted, 70), strict=True):
        assert batch.table == expected.table
        assert batch.partition.tolist() == expected.partition.tolist()
        assert batch.offset.tolist() == expected.offset.tolist()
        assert batch.timestamp_ms.tolist() == expected.timestamp_ms.tolist()
        assert batch.order.tolist() == expected.order.tolist()
        assert list(batch.keys()) == list(expected.keys())
        assert list(batch.headers()) == list(expected.headers())


def test_records_come_in_the_order_of_their_sequence(new_topic, writer, open_source):
    topic = new_topic(2)
    partitions = np.array([1, 0, 0, 1], np.int32)
    times = np.array([9000, 5000, 7000, 1000])
    writer.write(Records(topic, values(0, 1, 2, 3), None, times, sequenced(4, 6, 8, 10), partitions))
    writer.flush()

    (batch,) = read_all(open_source(topic))

    assert numbers([batch]) == [0, 1, 2, 3]
    assert batch.order.tolist() == [4, 6, 8, 10]
    assert list(batch.headers()) == [(), (), (), ()]


def test_a_record_without_timestamp_has_none(new_topic, writer, open_source):
    topic = new_topic()
    writer.write(Records(topic, values(1, 2), None, np.array([NO_TIMESTAMP, 5])))
    writer.flush()

    (batch,) = read_all(open_source(topic))

    assert batch.timestamp_ms.tolist() == [NO_TIMESTAMP, 5]


def test_what_is_written_after_the_first_read_is_not_read(new_topic, writer, open_source):
    topic = new_topic()
    writer.write(Records(topic, values(*range(10))))
    writer.flush()
    source = open_source(topic)
    first = source.read(3)
    writer.write(Records(topic, values(99)))
    writer.flush()

    assert first is not None
    assert numbers([first, *read_all(source)]) == list(range(10))
    assert source.read(3) is None


def test_an_empty_topic_ends_at_once(new_topic, open_source):
    assert open_source(new_topic(2)).read(10) is None


def test_a_record_that_does_not_decode_fails_alone(new_topic, writer, open_source):
    topic = new_topic()
    writer.write(Records(topic, [b'{"n":1}', b"broken", b'{"n":3}'], [b"a", b"b", b"c"]))
    writer.flush()

    (batch,) = read_all(open_source(topic))

    assert numbers([batch]) == [1, 3]
    assert list(batch.keys()) == [b"a", b"c"]
    assert [(f.offset, f.raw) for f in batch.failures] == [(1, b"broken")]


def test_tombstones_take_rows_away(new_topic, writer, open_source):
    schema = RowSchema.of(("id", types.BIGINT), ("n", types.BIGINT))
    topic = new_topic()
    writer.write(Records(topic, [b'{"id":1,"n":5}', None], [b"1", b"1"]))
    writer.flush()

    (batch,) = read_all(open_source(topic, schema, upsert_key=(0,)))

    assert batch.table.to_pydict() == {"c0": [1, 1], "c1": [5, None]}
    assert batch.kinds is not None
    assert batch.kinds.tolist() == [2, 3]


def test_polling_goes_on_where_it_was(new_topic, writer, open_source):
    topic = new_topic(2)
    writer.write(Records(topic, values(*range(20)), partitions=np.arange(20, dtype=np.int32) % 2))
    writer.flush()
    source = open_source(topic)
    first = poll_until(source, 7, limit=7)
    positions = source.positions()
    source.close()

    again = open_source(topic)
    again.seek(positions)
    rest = poll_until(again, 13)

    assert len(numbers(first)) == 7
    assert sum(positions.values()) == 7
    assert sorted(numbers(first) + numbers(rest)) == list(range(20))
    assert again.positions() == {(topic, 0): 10, (topic, 1): 10}
    assert again.lag() == 0


def test_the_order_of_polled_records_is_a_running_count(new_topic, writer, open_source):
    topic = new_topic()
    writer.write(Records(topic, values(*range(5))))
    writer.flush()

    batches = poll_until(open_source(topic), 5, limit=2)

    assert [o for batch in batches for o in batch.order.tolist()] == [0, 1, 2, 3, 4]
    assert max(len(batch) for batch in batches) == 2


def test_nothing_comes_within_the_timeout(new_topic, open_source):
    source = open_source(new_topic())

    assert source.poll(10, 0.01) is None
    assert not source.ended


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (Boundary(Place.EARLIEST), [0, 1, 2, 3]),
        (Boundary(Place.TIMESTAMP, timestamp_ms=1500), [2, 3]),
        (Boundary(Place.OFFSETS, offsets={0: 3}), [3]),
        (Boundary(Place.GROUP, otherwise=Place.EARLIEST), [0, 1, 2, 3]),
    ],
)
def test_where_a_source_starts(start, expected, new_topic, writer, open_source):
    topic = new_topic()
    writer.write(Records(topic, values(0, 1, 2, 3), None, np.array([500, 1000, 1500, 2000])))
    writer.flush()

    found = poll_until(open_source(topic, start=start, group=f"g-{topic}"), len(expected))

    assert numbers(found) == expected


def test_latest_is_what_comes_after_the_start(new_topic, writer, open_source):
    topic = new_topic()
    writer.write(Records(topic, values(1)))
    writer.flush()
    source = open_source(topic, start=Boundary(Place.LATEST))
    assert source.positions() == {(topic, 0): 1}
    writer.write(Records(topic, values(2)))

    assert numbers(poll_until(source, 1)) == [2]


def test_a_group_goes_on_behind_what_was_acknowledged(new_topic, writer, open_source):
    topic, start = new_topic(), Boundary(Place.GROUP)
    writer.write(Records(topic, values(0, 1, 2)))
    writer.flush()
    first = open_source(topic, start=start, group=f"g-{topic}")
    poll_until(first, 3)
    first.acknowledge({(topic, 0): 2})
    first.close()

    assert numbers(poll_until(open_source(topic, start=start, group=f"g-{topic}"), 1)) == [2]


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (Boundary(Place.LATEST), [0, 1, 2, 3]),
        (Boundary(Place.TIMESTAMP, timestamp_ms=1500), [0, 1]),
        (Boundary(Place.OFFSETS, offsets={0: 3}), [0, 1, 2]),
    ],
)
def test_where_a_bounded_source_ends(end, expected, new_topic, writer, open_source):
    topic = new_topic()
    writer.write(Records(topic, values(0, 1, 2, 3), None, np.array([500, 1000, 1500, 2000])))
    writer.flush()
    source = open_source(topic, end=end)

    found = poll_until(source, 100)

    assert numbers(found) == expected
    assert source.ended
    assert source.poll(10, 0.01) is None


def test_records_that_were_deleted_before_they_were_read_are_an_error(new_topic, writer, open_source, cluster):
    from confluent_kafka import TopicPartition

    topic = new_topic()
    writer.write(Records(topic, values(*range(10))))
    writer.flush()
    admin = open_admin(cluster)
    for deleted in admin.delete_records([TopicPartition(topic, 0, 5)]).values():
        deleted.result()
    source = open_source(topic)
    source.seek({(topic, 0): 2})

    with pytest.raises(VeloError, match="does not have offset 2") as caught:
        poll_until(source, 1)

    assert caught.value.code is ErrorCode.STATE_MISMATCH


def test_positions_of_another_topic_are_an_error(new_topic, open_source):
    source = open_source(new_topic(), name="numbers")
    source.seek({})
    with pytest.raises(
        VeloError, match=r'source "numbers" is of other, and now it reads the topic connectors-'
    ) as refused:
        source.seek({("other", 0): 2})
    assert refused.value.code is ErrorCode.STATE_MISMATCH


def test_a_record_is_there_long_before_the_timeout(new_topic, writer, open_source):
    """Waiting ends with the first record: the timeout is not part of the latency."""
    topic = new_topic()
    source = open_source(topic)
    assert source.poll(1000, 0.01) is None
    waits = []

    for n in range(20):
        began = time.perf_counter()
        writing = threading.Thread(target=writer.write, args=(Records(topic, values(n)),))
        writing.start()
        assert source.poll(1000, 5.0) is not None
        waits.append(time.perf_counter() - began)
        writing.join()

    assert statistics.median(waits) < 0.5

"""The merge of partitions: the order of in-memory topics, however the records arrive."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kafka.connectors.conftest import NUMBERS, read_all
from velo_engine.connectors.kafka.merge import SEQUENCE_HEADER, PartitionMerge
from velo_engine.connectors.topic_source import TopicSource
from velo_engine.connectors.topics import Topic
from velo_engine.formats import open_format


@dataclass(frozen=True)
class Record:
    """What the merge sees of a record of a broker."""

    at_partition: int
    at_offset: int
    time: int
    sequence: int | None = None

    def partition(self) -> int:
        return self.at_partition

    def offset(self) -> int:
        return self.at_offset

    def timestamp(self) -> tuple[int, int]:
        return (1, self.time)

    def headers(self):
        return None if self.sequence is None else [(SEQUENCE_HEADER, self.sequence.to_bytes(8, "big"))]


def merged(logs: list[list[Record]], chunks: list[tuple[int, int]], limits: list[int]) -> list[tuple[int, int, int]]:
    """Partition, offset and order of every record. `chunks` are the partitions and lengths of what arrives, in turn."""
    merge = PartitionMerge(range(len(logs)))
    given = [0] * len(logs)
    rest = [(p, len(log)) for p, log in enumerate(logs)]
    found = []
    for turn, (p, length) in enumerate([*chunks, *rest]):
        p %= len(logs)
        merge.add(p, logs[p][given[p] : given[p] + length])
        given[p] = min(given[p] + length, len(logs[p]))
        if given[p] == len(logs[p]):
            merge.finish(p)
        messages, orders = merge.take(limits[turn % len(limits)])
        found += [(m.partition(), m.offset(), o) for m, o in zip(messages, orders.tolist(), strict=True)]
    while True:
        messages, orders = merge.take(limits[0])
        if not messages:
            return found
        found += [(m.partition(), m.offset(), o) for m, o in zip(messages, orders.tolist(), strict=True)]


arrivals = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6)), max_size=12)
cuts = st.lists(st.integers(1, 5), min_size=1, max_size=4)


@settings(max_examples=120)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 8)), max_size=30), arrivals, cuts, st.booleans())
def test_the_order_is_that_of_a_topic_in_memory(records, chunks, limits, sequenced):
    topic = Topic("t", partitions=3)
    logs: list[list[Record]] = [[], [], []]
    for number, (partition, time) in enumerate(records):
        sequence = 10 * number if sequenced else None
        logs[partition].append(Record(partition, len(logs[partition]), time, sequence))
        topic.append(b'{"n":1}', partition=partition, timestamp_ms=time, sequence=sequence)
    expected = [
        place
        for batch in read_all(TopicSource(topic, open_format("json", NUMBERS, {}), NUMBERS))
        for place in zip(batch.partition.tolist(), batch.offset.tolist(), batch.order.tolist(), strict=True)
    ]

    assert merged(logs, chunks, limits) == expected


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 8), st.booleans()), max_size=30),
    arrivals,
    arrivals,
    cuts,
    cuts,
)
def test_the_order_does_not_depend_on_how_records_arrive(records, one, other, limits, other_limits):
    logs: list[list[Record]] = [[], [], []]
    for number, (partition, time, sequenced) in enumerate(records):
        logs[partition].append(Record(partition, len(logs[partition]), time, number if sequenced else None))

    found = merged(logs, one, limits)

    assert found == merged(logs, other, other_limits)
    assert len(found) == len(records)
    orders = [order for _, _, order in found]
    assert orders == sorted(set(orders))
    for partition in range(3):
        offsets = [offset for p, offset, _ in found if p == partition]
        assert offsets == sorted(offsets)


@pytest.mark.parametrize("finished", [False, True])
def test_a_record_waits_for_a_partition_that_may_still_hold_an_earlier_one(finished):
    merge = PartitionMerge([0, 1])
    merge.add(0, [Record(0, 0, 50)])
    if finished:
        merge.finish(1)

    messages, _ = merge.take(10)

    assert len(messages) == (1 if finished else 0)


def test_records_without_a_sequence_follow_those_with_one():
    with_sequence = [Record(0, 0, 99, 7), Record(0, 1, 99, 9)]

    assert merged([with_sequence, [Record(1, 0, 1)]], [], [10]) == [(0, 0, 7), (0, 1, 9), (1, 0, 10)]

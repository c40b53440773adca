"""Partitions are read in the order in which their records were written."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from tests.shadow.sides.conftest import Topics

from velo_shadow.model import Side
from velo_shadow.sides import partition_order
from velo_shadow.sides.opening import open_sides
from velo_shadow.sides.partition_order import PartitionOrder
from velo_shadow.stream.changes import Changes


def records(*places: tuple[int, int]) -> tuple[Changes, np.ndarray]:  # type: ignore[type-arg]
    """Records by partition and time; their offsets are their times divided by ten."""
    times = np.array([time for _, time in places], np.int64)
    partitions = np.array([partition for partition, _ in places], np.int32)
    return Changes(pa.table({"t": times}), np.zeros(len(times), np.int8), times, partitions), times // 10


def times_of(changes: Changes | None) -> Sequence[int]:
    """The times of rows, in order."""
    return [] if changes is None else changes.table.column("t").to_pylist()


def test_a_record_waits_for_the_partitions_that_are_behind() -> None:
    order = PartitionOrder()
    order.add(*records((0, 10), (0, 30), (0, 50)))

    assert times_of(order.passed({1})) == []
    assert order.waiting() == {0: 1}

    order.add(*records((1, 20), (1, 40)))

    assert times_of(order.passed({1})) == [10, 20, 30, 40]
    assert order.waiting() == {0: 5}
    assert times_of(order.passed(frozenset())) == [50]
    assert order.waiting() == {}


def test_a_record_does_not_overtake_an_earlier_one_of_its_partition() -> None:
    order = PartitionOrder()
    order.add(*records((0, 50), (0, 20), (1, 30)))

    assert times_of(order.passed({1})) == [30]
    assert times_of(order.rest()) == [50, 20]
    assert order.rest() is None


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_order, "MOST_WAITING", 2)
    order = PartitionOrder()
    order.add(*records((0, 10), (0, 20), (0, 30)))

    assert times_of(order.passed({1})) == [10, 20, 30]


def test_any_cut_gives_every_record_once_and_in_order() -> None:
    chance = random.Random(20261)
    written = [(chance.randrange(3), time) for time in range(0, 2000, 10)]
    left = {p: [place for place in written if place[0] == p] for p in range(3)}
    order, given = PartitionOrder(), []
    while any(left.values()):
        partition = chance.choice([p for p, places in left.items() if places])
        count = chance.randrange(1, 30)
        order.add(*records(*left[partition][:count]))
        left[partition] = left[partition][count:]
        given += times_of(order.passed({p for p, places in left.items() if places}))

    assert given == [time for _, time in written]
    assert order.rest() is None


def test_a_topic_that_is_caught_up_with_comes_in_order(topics: Topics) -> None:
    count = 3000
    values = [b'{"id": %d}' % i for i in range(count)]
    stream = topics.make(partitions=4)
    topics.write(
        stream, values, timestamps_ms=[1_000 + i for i in range(count)], partitions=[i * i % 4 for i in range(count)]
    )
    reader = open_sides(stream, topics.write(topics.make(), values), key=["id"]).readers(once=True)[Side.LEFT]
    found: list[int] = []
    while not reader.ended:
        changes = reader.poll(500, 1.0)
        found += [] if changes is None else changes.table.column("id").to_pylist()
    reader.close()

    assert found == list(range(count))

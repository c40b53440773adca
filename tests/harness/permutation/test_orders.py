"""Orders that are allowed, and how a case is shrunk: without an engine."""

from __future__ import annotations

import random

import pytest

from velo_engine.connectors.topics import TopicRecord
from velo_harness.permutation.orders import Arrival, Order, OrderMaker, SourceTimes, swaps
from velo_harness.permutation.shrinking import Shrinker


def arrival(index: int, source: str = "t", partition: int = 0) -> Arrival:
    return Arrival(source, index, TopicRecord(partition, index, 0, None, b"", (), index))


def indexes(order: Order) -> list[int]:
    return [one.index for one in order]


@pytest.mark.parametrize("bound", [0, 1, 10, 1000])
def test_no_row_comes_later_than_the_bound_allows(bound: int) -> None:
    chance = random.Random(bound)
    times = [i * 7 + chance.randrange(max(1, bound)) for i in range(60)]
    base = tuple(arrival(i) for i in sorted(range(60), key=lambda i: times[i]))
    maker = OrderMaker(base, {"t": SourceTimes(tuple(times), bound)}, seed=1)

    different = 0
    for number in range(20):
        order = maker.order(number)
        assert sorted(indexes(order)) == list(range(60))
        latest = -(10**9)
        for index in indexes(order):
            assert times[index] > latest - bound or times[index] >= latest
            latest = max(latest, times[index])
        different += order != base
    assert different == (20 if bound >= 10 else 0)


def test_a_late_row_stays_behind_the_row_that_made_it_late() -> None:
    times = (0, 100, 5)
    maker = OrderMaker(tuple(map(arrival, range(3))), {"t": SourceTimes(times, 10)}, seed=1)

    for number in range(20):
        order = indexes(maker.order(number))
        assert order.index(2) > order.index(1)


def test_without_event_time_partitions_keep_their_order() -> None:
    base = tuple(arrival(i, partition=i % 3) for i in range(30))
    maker = OrderMaker(base, {}, seed=1)

    for number in range(10):
        order = maker.order(number)
        assert order != base
        for partition in range(3):
            own = [one.index for one in order if one.record.partition == partition]
            assert own == sorted(own)


def keyed(index: int, key: bytes) -> Arrival:
    return Arrival("t", index, TopicRecord(0, index, 0, key, b"", (), index))


@pytest.mark.parametrize("times", [None, 100])
def test_records_of_a_key_keep_their_order(times: int | None) -> None:
    base = tuple(keyed(i, b"ab"[i % 2 : i % 2 + 1]) for i in range(20))
    of_source = {} if times is None else {"t": SourceTimes(tuple(range(20)), times)}

    for number in range(10):
        order = OrderMaker(base, of_source, seed=1).order(number)
        for key in (b"a", b"b"):
            own = [one.index for one in order if one.record.key == key]
            assert own == sorted(own)


def test_changes_without_keys_stay_in_their_order() -> None:
    base = tuple(map(arrival, range(9)))

    assert OrderMaker(base, {}, 1, changes=frozenset({"t"})).order(3) == base
    assert OrderMaker(base, {}, 1).order(3) != base


def test_the_first_order_has_the_last_source_first() -> None:
    base = (arrival(0, "a"), arrival(0, "b"), arrival(1, "a"))

    assert [one.source for one in OrderMaker(base, {}, seed=1).order(0)] == ["b", "a", "a"]


def test_orders_are_those_of_their_seed_and_number() -> None:
    base = tuple(arrival(i, partition=i) for i in range(9))

    assert OrderMaker(base, {}, 5).order(3) == OrderMaker(base, {}, 5).order(3)
    assert OrderMaker(base, {}, 5).order(3) != OrderMaker(base, {}, 6).order(3)


def test_swaps_count_pairs_that_have_changed_places() -> None:
    base = tuple(map(arrival, range(4)))

    assert swaps(base, base) == 0
    assert swaps((base[1], base[0], base[2], base[3]), base) == 1
    assert swaps(base[::-1], base) == 6


def test_shrinking_finds_the_two_records_that_matter() -> None:
    def differs(base: Order, other: Order) -> bool:
        """The result depends on whether 17 comes before 5."""

        def before(order: Order) -> bool:
            found = indexes(order)
            return 17 in found and 5 in found and found.index(17) < found.index(5)

        return before(base) != before(other)

    base = tuple(map(arrival, range(40)))
    case = Shrinker(differs).smallest(base, base[::-1])

    assert (indexes(case.base), indexes(case.other), case.complete) == ([5, 17], [17, 5], True)


def test_swaps_that_do_not_matter_are_undone() -> None:
    def differs(base: Order, other: Order) -> bool:
        """All four records are needed, and 3 before 0."""
        return len(base) == 4 and indexes(other).index(3) < indexes(other).index(0)

    base = tuple(map(arrival, range(4)))
    case = Shrinker(differs).smallest(base, base[::-1])

    # At least 3 must have passed 2, 1 and 0: 3 swaps; or 0 the others: as many
    assert len(case.base) == 4
    assert swaps(case.other, case.base) == 3


def test_shrinking_stops_when_the_trials_run_out() -> None:
    base = tuple(map(arrival, range(64)))
    case = Shrinker(lambda one, other: one != other, trials=2).smallest(base, base[::-1])

    assert not case.complete
    assert len(case.base) > 2

"""The interval join's index of whole batches against its row-by-row cache, which says Flink's rules as Flink does."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine.batch import FINAL_WATERMARK, INITIAL_WATERMARK, StepFunction
from velo_engine.operators.held_rows import NO_SLOT
from velo_engine.operators.interval_cache import Arrivals, IntervalCache, Meetings
from velo_engine.operators.interval_index import IntervalIndex

T0 = 1_000_000
KEYS = 3
NULL_KEY = 2
"""Its rows are kept and match nothing."""


@dataclass(frozen=True)
class Step:
    """One event: a row of a side (key, time), or none, then perhaps a step of the clock."""

    row: tuple[bool, int, int] | None
    clock: int | None


rows = st.tuples(st.booleans(), st.integers(0, KEYS - 1), st.integers(0, 60).map(lambda t: T0 + t))
clocks = st.one_of(st.none(), st.integers(0, 60).map(lambda t: T0 + t))
histories = st.lists(st.builds(Step, st.one_of(st.none(), rows, rows), clocks), max_size=40)
bounds = st.tuples(st.integers(-12, 12), st.integers(0, 15)).map(lambda b: (b[0], b[0] + b[1]))


def spans(history: list[Step], size: int) -> list[tuple[Arrivals, StepFunction]]:
    """The events cut into batches, with a slot per row that is never used again."""
    found = []
    clock = INITIAL_WATERMARK
    history = [*history, Step(None, FINAL_WATERMARK)]
    for start in range(0, len(history), size):
        opening = clock
        part = list(enumerate(history[start : start + size], start))
        steps = []
        for seq, step in part:
            if step.clock is not None and step.clock > clock:
                clock = step.clock
                steps.append((seq, clock))
        arrived = [(seq, *step.row) for seq, step in part if step.row is not None]
        seqs, right, key, time = (
            (np.array(column, np.int64) for column in zip(*arrived, strict=True))
            if arrived
            else (np.empty(0, np.int64) for _ in range(4))
        )
        when, value = np.array([s for s, _ in steps], np.int64), np.array([v for _, v in steps], np.int64)
        found.append((Arrivals(right.astype(np.bool_), seqs, key, time, seqs), StepFunction(opening, when, value)))
    return found


def flat(found: list[Meetings]) -> list[tuple[int, int, int]]:
    return [entry for m in found for entry in zip(m.seq.tolist(), m.left.tolist(), m.right.tolist(), strict=True)]


def happened(found: list[Meetings]) -> Counter[tuple[int, int, int]]:
    return Counter(flat(found))


def run(cache: IntervalCache | IntervalIndex, history: list[Step], size: int) -> list[Meetings]:
    matching = np.arange(KEYS) != NULL_KEY
    return [cache.run(rows, clock, matching, 0) for rows, clock in spans(history, size)]


@settings(max_examples=150, deadline=None)
@given(histories, bounds, st.sampled_from([1, 2, 7, 100]))
def test_the_same_rows_meet_and_leave_at_the_same_events(
    history: list[Step], bound: tuple[int, int], size: int
) -> None:
    expected = run(IntervalCache(*bound), history, 1000)
    assert happened(run(IntervalIndex(*bound), history, size)) == happened(expected)


@pytest.mark.parametrize("seed", range(8))
def test_they_meet_the_same_in_long_histories(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        history = []
        for _ in range(40):
            row = (chance.random() < 0.5, chance.randrange(KEYS), T0 + chance.randrange(60))
            clock = T0 + chance.randrange(70) if chance.random() < 0.4 else None
            history.append(Step(row if chance.random() < 0.8 else None, clock))
        lower = chance.randrange(-12, 13)
        bound = (lower, lower + chance.randrange(16))
        expected = happened(run(IntervalCache(*bound), history, 1000))
        assert happened(run(IntervalIndex(*bound), history, chance.choice([1, 5, 1000]))) == expected


@settings(max_examples=100, deadline=None)
@given(histories, bounds)
def test_the_order_does_not_depend_on_batches(history: list[Step], bound: tuple[int, int]) -> None:
    whole = flat(run(IntervalIndex(*bound), history, 1000))
    for size in (1, 3, 8):
        assert flat(run(IntervalIndex(*bound), history, size)) == whole


@settings(max_examples=100, deadline=None)
@given(histories, bounds, st.integers(1, 5), st.sampled_from([IntervalIndex, IntervalCache]))
def test_either_continues_from_the_state_of_the_index(
    history: list[Step], bound: tuple[int, int], size: int, following: type[IntervalIndex] | type[IntervalCache]
) -> None:
    expected = happened(run(IntervalIndex(*bound), history, size))
    matching = np.arange(KEYS) != NULL_KEY
    batches = spans(history, size)
    half = len(batches) // 2
    first = IntervalIndex(*bound)
    found = [first.run(rows, clock, matching, 0) for rows, clock in batches[:half]]
    second = following(*bound)
    second.restore(first.snapshot())
    found += [second.run(rows, clock, matching, 0) for rows, clock in batches[half:]]
    assert happened(found) == expected
    if following is IntervalIndex:
        assert flat(found) == flat(run(IntervalIndex(*bound), history, size))


@pytest.mark.parametrize("cut", range(4))
def test_rows_of_both_sides_leave_in_the_order_in_which_they_came_after_a_restart(cut: int) -> None:
    """The timers of both rows are due at T0 + 31."""
    history = [Step((True, 0, T0 + 21), None), Step((False, 1, T0 + 26), None)]
    matching = np.ones(KEYS, np.bool_)
    batches = spans(history, 1)
    first, second = IntervalIndex(-4, 9), IntervalIndex(-4, 9)
    found = [first.run(rows, clock, matching, 0) for rows, clock in batches[:cut]]
    second.restore(first.snapshot())
    found += [second.run(rows, clock, matching, 0) for rows, clock in batches[cut:]]
    assert [(left, right) for _, left, right in flat(found)] == [(NO_SLOT, 0), (1, NO_SLOT)]


def test_nothing_is_kept_when_all_has_expired() -> None:
    index = IntervalIndex(-5, 5)
    matching = np.ones(1000, np.bool_)
    for start in range(0, 100_000, 1000):
        seq = np.arange(start, start + 1000)
        rows = Arrivals(seq % 2 == 0, seq, seq % 1000, T0 + seq, seq - start)
        clock = StepFunction(T0 + start - 1, seq[-1:], T0 + 20 + seq[-1:])
        index.run(rows, clock, matching, 0)
    assert len(index) == 0
    assert index.snapshot()["cached"].num_rows == 0


@pytest.mark.parametrize(("times", "takes"), [([T0], True), ([5], False), ([T0, T0 + 2**36], False)])
def test_times_at_the_epoch_or_years_apart_are_left_to_the_cache(times: list[int], takes: bool) -> None:
    count = len(times)
    zeros = np.zeros(count, np.int64)
    rows = Arrivals(np.zeros(count, np.bool_), np.arange(count), zeros, np.array(times), np.arange(count))
    assert IntervalIndex(-5, 5).takes(rows) is takes

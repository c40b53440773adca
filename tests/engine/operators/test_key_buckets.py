"""Buckets of slots against lists."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine.operators.key_buckets import KeyBuckets

adds = st.lists(st.integers(0, 6), max_size=12)
steps = st.lists(st.tuples(adds, st.lists(st.integers(0, 10**6), max_size=8)), max_size=12)


@settings(max_examples=200, deadline=None)
@given(steps)
def test_buckets_hold_what_was_added_and_not_removed_in_order(batches: list[tuple[list[int], list[int]]]) -> None:
    buckets = KeyBuckets()
    expected: dict[int, list[int]] = {}
    key_of: dict[int, int] = {}
    slot = 0
    for added, removed in batches:
        fresh = list(range(slot, slot + len(added)))
        slot += len(added)
        buckets.add(np.array(added, np.int64), np.array(fresh, np.int64))
        for key, number in zip(added, fresh, strict=True):
            expected.setdefault(key, []).append(number)
            key_of[number] = key
        gone = {sorted(key_of)[pick % len(key_of)] for pick in removed if key_of}
        keys = [key_of.pop(number) for number in gone]
        for key, number in zip(keys, gone, strict=True):
            expected[key].remove(number)
        empty = buckets.remove(np.array(keys, np.int64), np.array(list(gone), np.int64))
        assert set(empty.tolist()) == {key for key in keys if not expected[key]}
        asked = np.array([3, 0, -1, 6, 3, 99], np.int64)
        element, slots = buckets.lookup(asked)
        found = list(zip(asked[element].tolist(), slots.tolist(), strict=True))
        assert found == [(key, s) for key in asked.tolist() for s in expected.get(key, [])]
        keys_held, slots_held = buckets.items()
        assert list(zip(keys_held.tolist(), slots_held.tolist(), strict=True)) == [
            (key, s) for key in sorted(expected) for s in expected[key]
        ]


def test_places_are_used_again() -> None:
    buckets = KeyBuckets()
    for _ in range(10_000):
        keys, slots = np.arange(10) % 3, np.arange(10)
        buckets.add(keys, slots)
        buckets.remove(keys, slots)
    assert len(buckets._arena) <= 1024

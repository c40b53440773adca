"""Key codes: equality as Flink's binary rows have it, reuse, snapshots, and the hash map below."""

from __future__ import annotations

import struct
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine.operators.int64_map import Int64Map
from velo_engine.operators.keys import KeyDictionary
from velo_engine.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    STRING,
    SqlType,
    array,
    arrow_type,
    decimal,
    row,
    timestamp,
)

D = Decimal
NAN = float("nan")
OTHER_NAN = struct.unpack("d", struct.pack("Q", 0x7FF8000000000001))[0]

POOLS: list[tuple[SqlType, list[Any]]] = [
    (STRING, ["", "a", "é", "\U0001f600", None]),
    (INT, [0, 1, -1, 2**31 - 1, None]),
    (BIGINT, [0, -(2**63), 2**63 - 1, None]),
    (DOUBLE, [0.0, -0.0, NAN, 1.5, None]),
    (FLOAT, [0.0, -0.0, 1.5, None]),
    (BOOLEAN, [True, False, None]),
    (decimal(10, 2), [D("0.00"), D("-0.01"), None]),
    (decimal(38, 10), [D("1"), D("12345678901234567890.0123456789"), D("-12345678901234567890"), None]),
    (DATE, [date(1969, 12, 31), date(2024, 2, 29), None]),
    (timestamp(3), [datetime(1969, 12, 31, 23, 59, 59, 999000), datetime(2024, 1, 1), None]),
    (BYTES, [b"", b"\x00", b"\xff", None]),
    (array(INT), [[1, 2], [2, 1], [], [None], None]),
    (row(("a", INT), ("b", STRING)), [{"a": 1, "b": "x"}, {"a": 1, "b": None}, None]),
]


def columns(types: list[SqlType], rows: list[tuple[Any, ...]]) -> list[Any]:
    return [pa.array([r[i] for r in rows], arrow_type(t), from_pandas=False) for i, t in enumerate(types)]


def shown(types: list[SqlType], arrays: list[Any]) -> list[str]:
    """Keys by representation, which tells -0.0 from 0.0 and makes all NaN equal."""
    return [repr(k) for k in zip(*(a.to_pylist() for a in arrays), strict=True)]


@st.composite
def keyed_batches(draw: Any) -> tuple[list[SqlType], list[list[tuple[Any, ...]]]]:
    chosen = draw(st.lists(st.sampled_from(range(len(POOLS))), min_size=1, max_size=3))
    tuples = st.tuples(*(st.sampled_from(POOLS[i][1]) for i in chosen))
    return [POOLS[i][0] for i in chosen], draw(st.lists(st.lists(tuples, max_size=12), max_size=4))


@settings(max_examples=150, deadline=None)
@given(keyed_batches())
def test_equal_keys_have_equal_codes_in_order_of_first_appearance(
    case: tuple[list[SqlType], list[list[tuple[Any, ...]]]],
) -> None:
    types, many = case
    keys = KeyDictionary(types)
    seen: dict[str, int] = {}
    for rows in many:
        arrays = columns(types, rows)
        expected = [seen.setdefault(k, len(seen)) for k in shown(types, arrays)]
        assert keys.encode(arrays).tolist() == expected
        assert keys.find(arrays).tolist() == expected
        assert shown(types, keys.columns(np.array(expected, np.int64))) == shown(types, arrays)
    assert len(keys) == keys.capacity == len(seen)


@settings(max_examples=100, deadline=None)
@given(keyed_batches(), st.data())
def test_freed_keys_are_forgotten_and_a_snapshot_holds_the_rest(
    case: tuple[list[SqlType], list[list[tuple[Any, ...]]]], data: Any
) -> None:
    types, many = case
    keys = KeyDictionary(types)
    for rows in many:
        keys.encode(columns(types, rows))
    gone = np.array([c for c in range(keys.capacity) if data.draw(st.booleans())], np.int64)
    freed = set(shown(types, keys.columns(gone)))
    keys.free(gone)
    copy = KeyDictionary(types)
    copy.restore(keys.snapshot())
    for rows in many:
        arrays = columns(types, rows)
        known = [k not in freed for k in shown(types, arrays)]
        for held in (keys, copy):
            assert (held.find(arrays) >= 0).tolist() == known
        assert keys.find(arrays).tolist() == copy.find(arrays).tolist()
    assert len(copy) == len(keys) == keys.capacity - len(gone)
    for rows in many:
        arrays = columns(types, rows)
        assert shown(types, copy.columns(copy.encode(arrays))) == shown(types, arrays)


def test_zeros_of_both_signs_are_two_keys_and_nan_is_one() -> None:
    keys = KeyDictionary([DOUBLE])
    assert keys.encode([pa.array([0.0, -0.0, NAN, NAN, 0.0])]).tolist() == [0, 1, 2, 2, 0]


def test_chunked_and_sliced_columns_are_read_in_place() -> None:
    keys = KeyDictionary([STRING, INT])
    strings = pa.chunked_array([["x", "a"], ["b", "a"]]).slice(1)
    numbers = pa.array([9, 1, None, 1], pa.int32()).slice(1)
    assert keys.encode([strings, numbers]).tolist() == [0, 1, 0]
    assert [c.to_pylist() for c in keys.columns(np.array([1, 0]))] == [["b", "a"], [None, 1]]


def test_no_rows_have_no_codes() -> None:
    for types in ([INT], [STRING], [INT, STRING]):
        assert KeyDictionary(types).encode(columns(types, [])).tolist() == []


def test_a_freed_code_is_given_again() -> None:
    keys = KeyDictionary([INT])
    keys.encode([pa.array([10, None, 30], pa.int32())])
    keys.free(np.array([1]))
    assert keys.encode([pa.array([40, 10], pa.int32())]).tolist() == [1, 0]
    assert keys.codes().tolist() == [0, 1, 2]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-50, 50), max_size=60), max_size=6), st.data())
def test_the_map_is_a_dictionary(steps: list[list[int]], data: Any) -> None:
    held, plain = Int64Map(), dict[int, int]()
    for step in steps:
        keys = np.array(sorted({k for k in step if k not in plain}), np.int64)
        values = np.arange(len(plain), len(plain) + len(keys))
        held.insert(keys, values)
        plain |= dict(zip(keys.tolist(), values.tolist(), strict=True))
        asked = np.array(step + [k + 1 for k in step if k < 2**63 - 1], np.int64)
        assert held.find(asked).tolist() == [plain.get(k, -1) for k in asked.tolist()]
        changed = np.array([k for k in plain if data.draw(st.booleans())][:5], np.int64)
        held.replace(changed, np.arange(len(changed)) + 7)
        plain |= dict(zip(changed.tolist(), range(7, 7 + len(changed)), strict=True))
        kept = held.items()[0] % 3 != 0
        held.retain(kept)
        plain = {k: v for k, v in plain.items() if k % 3 != 0}
        assert dict(zip(*(a.tolist() for a in held.items()), strict=True)) == plain
        assert len(held) == len(plain)


def test_the_map_survives_keys_that_collide() -> None:
    held = Int64Map()
    # Multiples of 2**58 differ only in the bits that the hash of a small table does not see first.
    keys = np.arange(64, dtype=np.int64) << 57
    held.insert(keys, np.arange(64))
    assert held.find(keys).tolist() == list(range(64))


@pytest.mark.parametrize("count", [200_000])
def test_many_distinct_keys(count: int) -> None:
    for values in (pa.array(np.arange(count) * 7919), pa.array([f"key-{i}" for i in range(count)])):
        keys = KeyDictionary([BIGINT if pa.types.is_integer(values.type) else STRING])
        assert np.array_equal(keys.encode([values]), np.arange(count))
        assert np.array_equal(keys.find([values.slice(count // 2)]), np.arange(count // 2, count))

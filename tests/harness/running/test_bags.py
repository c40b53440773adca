"""The difference of two bags: equal to a brute-force count without tolerances, and a largest matching with them."""

from __future__ import annotations

import struct
from collections import Counter
from datetime import datetime, time
from decimal import Decimal
from itertools import permutations
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine import types as t
from velo_engine.types import SqlType
from velo_harness.bags import ComparedColumn, compare_bags
from velo_harness.row_codes import row_codes
from velo_harness.spec import Tolerance


def column(kind: SqlType, expected: list[Any], actual: list[Any], tolerance: Tolerance | None = None) -> ComparedColumn:
    sides = [pa.chunked_array([pa.array(values, t.arrow_type(kind))]) for values in (expected, actual)]
    return ComparedColumn("v", (kind, sides[0]), (kind, sides[1]), tolerance)


def difference(columns: list[ComparedColumn]) -> tuple[list[int], list[int]]:
    found = compare_bags(columns, len(columns[0].expected[1]), len(columns[0].actual[1]))
    return found.missing.tolist(), found.unexpected.tolist()


rows = st.lists(st.tuples(st.integers(0, 2) | st.none(), st.sampled_from(["a", "", None])), max_size=8)


@settings(deadline=None)
@given(rows, rows)
def test_without_tolerance_it_is_the_difference_of_multisets(expected: list[tuple], actual: list[tuple]) -> None:
    columns = [
        column(t.INT, [r[0] for r in expected], [r[0] for r in actual]),
        column(t.STRING, [r[1] for r in expected], [r[1] for r in actual]),
    ]

    missing, unexpected = difference(columns)

    assert Counter(expected[i] for i in missing) == Counter(expected) - Counter(actual)
    assert Counter(actual[i] for i in unexpected) == Counter(actual) - Counter(expected)


def largest_matching(expected: list[int], actual: list[int], near: int) -> int:
    """By trying every order; for short lists."""
    if len(expected) > len(actual):
        return largest_matching(actual, expected, near)
    choices = permutations(range(len(actual)), len(expected))
    return max(sum(abs(e - actual[j]) <= near for e, j in zip(expected, order, strict=True)) for order in choices)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 12), max_size=5), st.lists(st.integers(0, 12), max_size=5), st.integers(0, 3))
def test_with_a_tolerance_as_many_rows_as_possible_find_a_partner(
    expected: list[int], actual: list[int], near: int
) -> None:
    missing, unexpected = difference([column(t.INT, expected, actual, Tolerance(absolute=Decimal(near)))])
    matched = len(expected) - len(missing)
    assert matched == len(actual) - len(unexpected)
    assert matched == largest_matching(expected, actual, near)


def test_the_first_near_row_is_not_taken_from_one_that_has_no_other() -> None:
    # 10 is near 11 and 9; 12 is near 11 only.
    assert difference([column(t.INT, [10, 12], [11, 9], Tolerance(absolute=Decimal(1)))]) == ([], [])


def test_rows_match_within_equal_other_columns_only() -> None:
    keys = column(t.STRING, ["a", "b"], ["b", "a"])
    values = column(t.INT, [1, 5], [1, 5], Tolerance(absolute=Decimal(1)))
    assert difference([keys, values]) == ([0, 1], [0, 1])


def test_large_groups_are_matched_in_order() -> None:
    expected = [2 * i for i in range(1000)]
    actual = [value + 1 for value in expected if value != 500]
    missing, unexpected = difference([column(t.INT, expected, actual[::-1], Tolerance(absolute=Decimal(1)))])
    assert (len(missing), unexpected) == (1, [])


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("kind", "expected", "actual", "tolerance", "equal"),
    [
        (t.DOUBLE, 1.0, 1.01, Tolerance(absolute=Decimal("0.01")), True),
        (t.DOUBLE, 1.0, 1.0100000000000002, Tolerance(absolute=Decimal("0.01")), False),
        (t.DOUBLE, 1e10, 1e10 + 9, Tolerance(relative=Decimal("1e-9")), True),
        (t.DOUBLE, 1e10, 1e10 + 11, Tolerance(relative=Decimal("1e-9")), False),
        (t.DOUBLE, NAN, NAN, None, True),
        (t.DOUBLE, 0.0, -0.0, None, True),
        (t.DOUBLE, INF, INF, Tolerance(absolute=Decimal(1)), True),
        (t.DOUBLE, INF, 1.0, Tolerance(absolute=Decimal(1)), False),
        (t.DOUBLE, 0.3, 0.1 + 0.2, None, False),
        (t.DOUBLE, None, 0.0, Tolerance(absolute=Decimal(1)), False),
        (t.decimal(10, 2), Decimal("1.00"), Decimal("1.01"), None, False),
        (t.decimal(10, 2), Decimal("1.00"), Decimal("1.01"), Tolerance(absolute=Decimal("0.01")), True),
        (t.timestamp(3), datetime(2025, 1, 1), datetime(2025, 1, 1, 0, 0, 0, 1000), Tolerance(within_ms=1), True),
        (t.timestamp(3), datetime(2025, 1, 1), datetime(2025, 1, 1, 0, 0, 0, 2000), Tolerance(within_ms=1), False),
        (t.time(3), time(1), time(1, 0, 1), Tolerance(within_ms=1000), True),
        (t.STRING, "Straße", "STRASSE", Tolerance(ignore_case=True), True),
        (t.STRING, "a", "A", None, False),
        (t.STRING, "", None, None, False),
        (t.array(t.INT), [1, 2], [1, 2], None, True),
        (t.array(t.INT), [1, 2], [2, 1], None, False),
        (t.row(("a", t.INT)), {"a": 1}, {"a": 2}, None, False),
    ],
)
def test_values_are_equal_within_the_tolerance(kind, expected, actual, tolerance, equal: bool) -> None:
    assert (difference([column(kind, [expected], [actual], tolerance)]) == ([], [])) is equal


def test_a_nan_equals_any_other_nan() -> None:
    # What division and square roots give on x86 has the sign bit set; a literal .nan has not.
    negative, positive = struct.unpack("<dd", bytes.fromhex("000000000000f8ff000000000000f87f"))
    ones = (t.DOUBLE, pa.chunked_array([pa.array([negative, 1.0])]))
    others = (t.DOUBLE, pa.chunked_array([pa.array([positive, 1.0])]))
    left, right = row_codes([ones], [others])
    assert left.tolist() == right.tolist()

"""AVG of decimals exactly as Flink rounds, in every width, against the decimal module."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from velo_engine.operators.accumulators.sums import rounded_quotient, truncated
from velo_engine.operators.vectors import Vector, from_arrow, object_array, to_arrow
from velo_engine.types import decimal

D = Decimal
WIDE = Context(prec=200, rounding=ROUND_HALF_UP)
TOTALS = st.integers(-(2**63) + 1, 2**63 - 1) | st.integers(-1000, 1000)


def by_the_book(total: int, count: int, shift: int) -> int | None:
    quotient = Context(prec=38, rounding=ROUND_HALF_UP).divide(D(total), D(count))
    rounded = int(WIDE.to_integral_value(WIDE.scaleb(quotient, shift)))
    return rounded if abs(rounded) < 10**38 else None


@given(st.lists(st.tuples(TOTALS, st.integers(1, 2**40)), min_size=1, max_size=20), st.sampled_from([0, 2, 4, 6]))
@example([(2**63 - 1, 1)], 6)
@example([(5, 2), (-5, 2), (1, 3), (-2, 3)], 0)
def test_averages_of_totals_in_64_bits(cases: list[tuple[int, int]], shift: int) -> None:
    totals, counts = (np.array(c, np.int64) for c in zip(*cases, strict=True))
    values, valid = rounded_quotient(totals, counts, shift)
    expected = [by_the_book(t, c, shift) for t, c in cases]
    got = [
        v if ok else None
        for v, ok in zip(values.tolist(), valid if valid is not None else [True] * len(cases), strict=True)
    ]
    assert got == expected


@given(st.lists(st.tuples(st.integers(-(10**38) + 1, 10**38 - 1), st.integers(1, 2**40)), min_size=1, max_size=10))
def test_averages_of_wider_totals(cases: list[tuple[int, int]]) -> None:
    totals = object_array([t for t, _ in cases])
    values, valid = rounded_quotient(totals, np.array([c for _, c in cases], np.int64), 4)
    expected = [by_the_book(t, c, 4) for t, c in cases]
    got = [
        v if ok else None
        for v, ok in zip(values.tolist(), valid if valid is not None else [True] * len(cases), strict=True)
    ]
    assert got == expected


def test_the_first_rounding_to_38_digits_shows() -> None:
    """1e32 + 1/21000 is 1e32 + 0.0000476…; with 38 digits 1e32 + 0.00005, and from there HALF_UP to four places 0.0001."""
    values, _ = rounded_quotient(object_array([10**32 * 21000 + 1]), np.array([21000]), 4)
    assert values[0] == 10**36 + 1


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(1, 100)), min_size=1, max_size=20))
def test_integer_averages_are_cut_off_toward_zero(cases: list[tuple[int, int]]) -> None:
    totals, counts = (np.array(c, np.int64) for c in zip(*cases, strict=True))
    assert truncated(totals, counts).tolist() == [t // c if t >= 0 else -(-t // c) for t, c in cases]


@given(st.lists(st.integers(-(10**38) + 1, 10**38 - 1) | st.integers(-(2**63), 2**63 - 1) | st.none(), max_size=12))
def test_decimals_go_to_numpy_and_back(unscaled: list[int | None]) -> None:
    kind = decimal(38, 5)
    values = [None if u is None else WIDE.scaleb(D(u), -5) for u in unscaled]
    array = pa.array(values, pa.decimal128(38, 5))
    vector = from_arrow(array, kind)
    held = [v if vector.valid is None or vector.valid[i] else None for i, v in enumerate(vector.values.tolist())]
    assert held == unscaled
    assert to_arrow(vector, kind).equals(array)
    assert to_arrow(from_arrow(array.slice(1), kind), kind).equals(array.slice(1))


@pytest.mark.parametrize("value", [-(2**63), 2**63 - 1, 2**63, -(2**63) - 1, 0])
def test_the_edges_of_64_bits(value: int) -> None:
    vector = Vector(object_array([value]))
    array = to_arrow(vector, decimal(38, 0))
    assert array[0].as_py() == value
    assert from_arrow(array, decimal(38, 0)).values.tolist() == [value]

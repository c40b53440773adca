"""Equality by type: expected answers by hand, or from Python's exact arithmetic; symmetric; one text for two engines."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from velo_engine import types as sql
from velo_engine.errors import VeloError
from velo_engine.kernel import Kernel
from velo_engine.types import SqlType, arrow_type
from velo_shadow.equality import FUNCTIONS, check_equality, default_equality, equal
from velo_shadow.model import ColumnEquality, Rule

EXACT = ColumnEquality()
NAN = float("nan")
INFINITY = float("inf")


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with Kernel() as kernel:
        for function in FUNCTIONS:
            kernel.add_function(function)
        yield kernel


def answers(kernel: Kernel, kind: SqlType, equality: ColumnEquality, pairs: list[tuple[Any, Any]]) -> list[bool]:
    """What the expression says of each pair."""
    check_equality("c", kind, equality)
    table = pa.table(
        {
            "l": pa.array([left for left, _ in pairs], arrow_type(kind)),
            "r": pa.array([right for _, right in pairs], arrow_type(kind)),
        }
    )
    condition = equal(exp.column("l"), exp.column("r"), kind, equality).sql("duckdb")
    there = kernel.query(f"SELECT {condition} AS e FROM pairs", pairs=table).column("e").to_pylist()
    back = equal(exp.column("r"), exp.column("l"), kind, equality).sql("duckdb")
    assert there == kernel.query(f"SELECT {back} AS e FROM pairs", pairs=table).column("e").to_pylist()
    return there  # type: ignore[no-any-return]


def rule(name: Rule, tolerance: str = "0", **others: bool) -> ColumnEquality:
    return ColumnEquality(name, Decimal(tolerance), **others)


D = Decimal


@pytest.mark.parametrize(
    ("kind", "equality", "left", "right", "expected"),
    [
        (sql.BIGINT, EXACT, None, None, True),
        (sql.BIGINT, EXACT, None, 0, False),
        (sql.BIGINT, EXACT, 2**53, 2**53 + 1, False),
        (sql.STRING, EXACT, "", None, False),
        (sql.decimal(38, 10), EXACT, D("0.1000000000"), D("0.1"), True),
        (sql.decimal(20, 0), EXACT, D(2**53), D(2**53 + 1), False),
        (sql.BIGINT, rule(Rule.ABS, "2"), 9223372036854775807, 9223372036854775805, True),
        (sql.BIGINT, rule(Rule.ABS, "2"), 9223372036854775807, -9223372036854775808, False),
        (sql.decimal(10, 2), rule(Rule.ABS, "0.01"), D("1.00"), D("1.01"), True),
        (sql.decimal(10, 2), rule(Rule.ABS, "0.01"), D("1.00"), D("1.02"), False),
        (sql.decimal(10, 2), rule(Rule.ABS, "0.015"), D("1.00"), D("1.02"), False),
        (sql.decimal(38, 2), rule(Rule.ABS, "0.01"), D(f"{10**35}.00"), D(f"{10**35}.01"), False),  # 38 digits
        (sql.decimal(38, 2), rule(Rule.ABS, "0.01"), D(f"{10**34}.00"), D(f"{10**34}.01"), True),
        (sql.decimal(38, 18), rule(Rule.REL, "1e-9"), D("1"), D("1.000000001"), True),
        (sql.decimal(38, 18), rule(Rule.REL, "1e-9"), D("1"), D("1.000000001000000002"), False),
        (sql.decimal(10, 4), rule(Rule.SCALE, "2"), D("0.0050"), D("0.0149"), True),
        (sql.decimal(10, 4), rule(Rule.SCALE, "2"), D("0.0049"), D("0.0050"), False),
        (sql.decimal(10, 4), rule(Rule.SCALE, "2"), D("-0.0050"), D("-0.0100"), True),
        (sql.DOUBLE, EXACT, NAN, NAN, True),
        (sql.DOUBLE, EXACT, NAN, 1.0, False),
        (sql.DOUBLE, EXACT, NAN, None, False),
        (sql.DOUBLE, ColumnEquality(nan_equals_nan=False), NAN, NAN, False),
        (sql.DOUBLE, ColumnEquality(nan_equals_nan=False), None, None, True),
        (sql.DOUBLE, ColumnEquality(nan_equals_nan=False), 1.5, 1.5, True),
        (sql.DOUBLE, EXACT, -0.0, 0.0, True),
        (sql.DOUBLE, ColumnEquality(signed_zeros_equal=False), -0.0, 0.0, False),
        (sql.DOUBLE, ColumnEquality(signed_zeros_equal=False), -0.0, -0.0, True),
        (sql.DOUBLE, ColumnEquality(signed_zeros_equal=False), 2.0, 2.0, True),
        (sql.DOUBLE, ColumnEquality(signed_zeros_equal=False), None, None, True),
        (sql.DOUBLE, rule(Rule.ABS, "0.5", signed_zeros_equal=False), -0.0, 0.0, False),
        (sql.DOUBLE, rule(Rule.ABS, "0.5"), 1.0, 1.5, True),
        (sql.DOUBLE, rule(Rule.ABS, "0.5"), 1.0, 1.75, False),
        (sql.DOUBLE, rule(Rule.ABS, "0.5"), INFINITY, 1.0, False),
        (sql.DOUBLE, rule(Rule.REL, "0.5"), INFINITY, 1.0, False),
        (sql.DOUBLE, rule(Rule.REL, "0.5"), INFINITY, -INFINITY, False),
        (sql.DOUBLE, rule(Rule.REL, "0.5"), INFINITY, INFINITY, True),
        (sql.DOUBLE, rule(Rule.REL, "0.5"), NAN, 1.0, False),
        (sql.DOUBLE, rule(Rule.REL, "0.5"), 1.0, None, False),
        (sql.DOUBLE, rule(Rule.REL, "0.5"), 1e308, -1e308, False),
        (sql.DOUBLE, rule(Rule.REL, "0.5"), 2.0, 4.0, True),
        (sql.DOUBLE, rule(Rule.REL, "0.5"), 1.0, 4.0, False),
        (sql.DOUBLE, rule(Rule.ULP, "1"), 0.0, 5e-324, True),
        (sql.DOUBLE, rule(Rule.ULP, "1"), 0.0, 1e-323, False),
        (sql.STRING, ColumnEquality(ignore_case=True), "Straße", "STRASSE", False),
        (sql.STRING, ColumnEquality(ignore_case=True), "ÄB", "äb", True),
        (sql.STRING, ColumnEquality(trim=True), " a ", "a", True),
        (sql.STRING, EXACT, " a ", "a", False),
        (sql.STRING, ColumnEquality(normalise_unicode=True), "e\u0301", "\u00e9", True),
        (sql.STRING, EXACT, "e\u0301", "\u00e9", False),
        (sql.STRING, rule(Rule.JSON), '{"a": 1.0, "b": [1, 2]}', '{"b":[1,2],"a":1}', True),
        (sql.STRING, rule(Rule.JSON), "[1, 2]", "[2, 1]", False),
        (sql.STRING, rule(Rule.JSON), "0.10000000000000000001", "0.1", False),
        (sql.STRING, rule(Rule.JSON), '"1"', "1", False),
        (sql.STRING, rule(Rule.JSON), '{"a": null}', "{}", False),
        (sql.STRING, rule(Rule.JSON, null_equals_missing=True), '{"a": null}', "{}", True),
        (sql.STRING, rule(Rule.JSON), "no json", "no json", True),
        (sql.STRING, rule(Rule.JSON), None, "null", False),
        (sql.array(sql.INT), EXACT, [1, 2], [2, 1], False),
        (sql.array(sql.INT), rule(Rule.BAG), [1, 2, 2], [2, 1, 2], True),
        (sql.array(sql.INT), rule(Rule.BAG), [1, 2, 2], [1, 1, 2], False),
        (sql.array(sql.INT), rule(Rule.BAG), [None, 1], [1, None], True),
        (sql.map_of(sql.STRING, sql.INT), EXACT, [("a", 1), ("b", 2)], [("b", 2), ("a", 1)], True),
        (sql.map_of(sql.STRING, sql.INT), EXACT, [("a", 1)], [("a", 2)], False),
        (sql.timestamp(3), rule(Rule.WITHIN, "1000"), 1_000_000, 2_000_000, True),
        (sql.timestamp(3), rule(Rule.WITHIN, "1000"), 1_000_000, 2_000_001, False),
        (sql.timestamp(3), rule(Rule.WITHIN, "1000"), 1_000_000, None, False),
    ],
)
def test_equality_by_hand(
    kernel: Kernel, kind: SqlType, equality: ColumnEquality, left: Any, right: Any, expected: bool
) -> None:
    assert answers(kernel, kind, equality, [(left, right)]) == [expected]


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=60, deadline=None)
@given(
    pairs=st.lists(st.tuples(NUMBERS, NUMBERS) | NUMBERS.map(lambda x: (x, math.nextafter(x, 0.0))), min_size=1),
    units=st.integers(1, 4),
)
def test_ulp_is_the_distance_in_units_of_the_larger(
    kernel: Kernel, pairs: list[tuple[float, float]], units: int
) -> None:
    def expected(left: float, right: float) -> bool:
        if left == right or (math.isnan(left) and math.isnan(right)):
            return True
        if not (math.isfinite(left) and math.isfinite(right)):
            return False
        larger = max(abs(left), abs(right))
        return abs(Fraction(left) - Fraction(right)) <= units * Fraction(math.ulp(larger))

    found = answers(kernel, sql.DOUBLE, rule(Rule.ULP, str(units)), pairs)

    assert found == [expected(left, right) for left, right in pairs]


AMOUNTS = st.decimals(min_value=D("-1e12"), max_value=D("1e12"), places=4)


@settings(max_examples=60, deadline=None)
@given(
    pairs=st.lists(st.tuples(AMOUNTS, AMOUNTS) | AMOUNTS.map(lambda x: (x, x + D("0.0101"))), min_size=1),
    tolerance=st.sampled_from(["0.01", "0.0101", "0.01010", "0.02", "7"]),
)
def test_absolute_tolerance_of_decimals_is_exact(
    kernel: Kernel, pairs: list[tuple[Decimal, Decimal]], tolerance: str
) -> None:
    found = answers(kernel, sql.decimal(20, 4), rule(Rule.ABS, tolerance), pairs)

    assert found == [abs(left - right) <= D(tolerance) for left, right in pairs]


@pytest.mark.parametrize(
    ("kind", "equality"),
    [
        (sql.decimal(38, 18), rule(Rule.REL, "1e-9")),
        (sql.decimal(38, 4), rule(Rule.ABS, "0.001")),
        (sql.decimal(20, 4), rule(Rule.SCALE, "2")),
        (sql.decimal(20, 4), EXACT),
    ],
)
def test_decimals_pass_through_no_float(kind: SqlType, equality: ColumnEquality) -> None:
    tree = equal(exp.column("l"), exp.column("r"), kind, equality)

    kinds = {cast.to.this for cast in tree.find_all(exp.Cast)}
    assert kinds <= {exp.DType.DECIMAL}
    assert not list(tree.find_all(exp.Literal)) or all(
        literal.is_string or literal.is_int for literal in tree.find_all(exp.Literal)
    )


@pytest.mark.parametrize(
    ("kind", "equality", "spark"),
    [
        (sql.BIGINT, EXACT, "l <=> r"),
        (sql.array(sql.INT), rule(Rule.BAG), "ARRAY_SORT(l) <=> ARRAY_SORT(r)"),
        (
            sql.timestamp(3),
            rule(Rule.WITHIN, "5"),
            "(l <=> r OR COALESCE((l <= r + INTERVAL '5' MILLISECOND AND r <= l + INTERVAL '5' MILLISECOND), FALSE))",
        ),
        (
            sql.decimal(10, 2),
            rule(Rule.ABS, "0.01"),
            "(l <=> r OR COALESCE((ABS(TRY_CAST(l AS DECIMAL(10, 2)) - TRY_CAST(r AS DECIMAL(10, 2))) <= "
            "CAST('0.01' AS DECIMAL(2, 2))), FALSE))",
        ),
    ],
)
def test_the_same_expression_is_rendered_for_spark(kind: SqlType, equality: ColumnEquality, spark: str) -> None:
    text = equal(exp.column("l"), exp.column("r"), kind, equality).sql("spark")

    sqlglot.parse_one(text, dialect="spark")
    assert text.replace("IS NOT DISTINCT FROM", "<=>") == spark


@pytest.mark.parametrize(
    ("kind", "equality", "message"),
    [
        (sql.STRING, rule(Rule.ABS, "1"), "compares"),
        (sql.decimal(10, 2), rule(Rule.ULP, "1"), "compares DOUBLE, FLOAT"),
        (sql.DOUBLE, rule(Rule.ABS, "-1"), "not 0 or more"),
        (sql.DOUBLE, rule(Rule.ABS, "NaN"), "not 0 or more"),
        (sql.DOUBLE, rule(Rule.ULP, "1.5"), "whole number"),
        (sql.decimal(10, 2), rule(Rule.SCALE, "3"), "no fewer"),
        (sql.BIGINT, ColumnEquality(ignore_case=True), "those of text"),
        (sql.decimal(38, 30), rule(Rule.REL, "1e-9"), "more than 37 digits"),
    ],
)
def test_a_rule_that_does_not_fit_the_type_is_refused(kind: SqlType, equality: ColumnEquality, message: str) -> None:
    with pytest.raises(VeloError, match=message):
        check_equality("c", kind, equality)


def test_defaults_are_exact_but_for_floating_point() -> None:
    assert default_equality(sql.decimal(10, 2)) == EXACT
    assert default_equality(sql.STRING) == EXACT
    assert str(default_equality(sql.DOUBLE)) == "rel 1e-9"
    assert str(default_equality(sql.FLOAT)) == "rel 1e-5"


@pytest.mark.parametrize(
    ("equality", "shown"),
    [
        (rule(Rule.ABS, "0.01"), "abs 0.01"),
        (rule(Rule.ABS, "1000000"), "abs 1000000"),
        (rule(Rule.ABS, "0"), "abs 0"),
        (rule(Rule.REL, "0.0000000025"), "rel 2.5e-9"),
        (rule(Rule.WITHIN, "500"), "within 500 ms"),
        (rule(Rule.WITHIN, "1080000000"), "within 1080000 s"),
        (rule(Rule.WITHIN, "1500"), "within 1.5 s"),
    ],
)
def test_tolerances_are_shown_as_one_writes_them(equality: ColumnEquality, shown: str) -> None:
    assert str(equality) == shown

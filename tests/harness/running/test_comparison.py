"""One value and a whole column compare alike, exactly, whatever the types."""

from __future__ import annotations

import operator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine import types as t
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.schema import RowSchema
from velo_engine.types import SqlType
from velo_harness.assertions.comparison import column_holds, described, value_holds
from velo_harness.relation import Relation
from velo_harness.spec import Comparison, Operator
from velo_harness.templates import TemplateScope
from velo_harness.yaml_source import YamlNode, YamlScalar

NOWHERE = Location("x.test.yaml", 1)
NOTHING = TemplateScope({}, {}, {})


def scalar(text: str, *, plain: bool = True) -> YamlNode:
    return YamlScalar(text, plain, NOWHERE)


def comparison(op: Operator, *texts: str) -> Comparison:
    return Comparison(op, tuple(scalar(text) for text in texts), NOWHERE)


def held(kind: SqlType, values: list[Any], compared: Comparison, zone: str = "UTC") -> list[bool]:
    schema = RowSchema.of(("v", kind))
    relation = Relation("r", schema, pa.table([pa.array(values, t.arrow_type(kind))], schema=schema.arrow()))
    return column_holds(relation, 0, compared, NOTHING, zone).tolist()


@pytest.mark.parametrize(
    ("kind", "values", "op", "operands", "expected"),
    [
        (t.INT, [1, 2, None], Operator.GREATER_THAN, ["1.5"], [False, True, False]),
        (t.BIGINT, [2**63 - 1], Operator.LESS_THAN, ["9223372036854775808"], [True]),
        (t.BIGINT, [2**53 + 1], Operator.EQUALS, ["9007199254740993"], [True]),
        (t.BIGINT, [2**53 + 1], Operator.EQUALS, ["9007199254740992"], [False]),
        (t.decimal(10, 2), [Decimal("0.10")], Operator.EQUALS, ["0.1"], [True]),
        (t.decimal(10, 2), [Decimal("0.10")], Operator.EQUALS, ["0.1000001"], [False]),
        (t.decimal(38, 10), [Decimal(10) ** 27], Operator.GREATER_THAN, ["1e27"], [False]),
        (t.decimal(10, 2), [Decimal("5")], Operator.LESS_THAN, ["1e60"], [True]),
        (t.decimal(10, 2), [Decimal("5"), Decimal("7")], Operator.BETWEEN, ["5", "6.99"], [True, False]),
        (t.DOUBLE, [0.1, float("nan"), -0.0, None], Operator.EQUALS, ["0.1"], [True, False, False, False]),
        (t.DOUBLE, [0.1, float("nan"), -0.0, None], Operator.EQUALS, ["0"], [False, False, True, False]),
        (t.DOUBLE, [0.1, float("nan"), None], Operator.EQUALS, [".nan"], [False, True, False]),
        (t.DOUBLE, [0.1, float("nan"), None], Operator.NOT_EQUALS, [".nan"], [True, False, False]),
        (t.STRING, ["a", "b", None], Operator.IN, ["a", "c"], [True, False, False]),
        (t.STRING, ["a", None], Operator.IN, ["a", "null"], [True, True]),
        (t.STRING, ["a", None], Operator.EQUALS, ["null"], [False, True]),
        (t.STRING, ["a", None], Operator.NOT_EQUALS, ["null"], [True, False]),
        (t.STRING, ["NO", "no"], Operator.EQUALS, ["NO"], [True, False]),
        (t.STRING, ["0123"], Operator.EQUALS, ["0123"], [True]),
        (t.STRING, ["abc", None], Operator.CONTAINS, ["b"], [True, False]),
        (t.STRING, ["abc", "b"], Operator.STARTS_WITH, ["a"], [True, False]),
        (t.STRING, ["abc", "b"], Operator.ENDS_WITH, ["b"], [False, True]),
        (t.STRING, ["abc", "b"], Operator.MATCHES, ["^a.c$"], [True, False]),
        (t.STRING, ["foobar", "foobaz"], Operator.MATCHES, ["foo(?!bar)"], [False, True]),
        (t.BOOLEAN, [True, False, None], Operator.EQUALS, ["true"], [True, False, False]),
        (t.DATE, [date(2025, 1, 1), date(2025, 1, 2)], Operator.GREATER_THAN, ["2025-01-01"], [False, True]),
        (t.timestamp(3), [datetime(2025, 1, 1, 12)], Operator.EQUALS, ["2025-01-01T12:00:00"], [True]),
        (t.array(t.INT), [[1, 2], None], Operator.NOT_EQUALS, ["null"], [True, False]),
    ],
)
def test_a_column_compares(
    kind: SqlType, values: list[Any], op: Operator, operands: list[str], expected: list[bool]
) -> None:
    assert held(kind, values, comparison(op, *operands)) == expected


def test_naive_times_of_an_instant_column_are_of_the_job_zone() -> None:
    noon_in_berlin = comparison(Operator.EQUALS, "2025-01-01 12:00:00")
    assert held(t.timestamp_ltz(3), [datetime(2025, 1, 1, 11)], noon_in_berlin, "Europe/Berlin") == [True]


@pytest.mark.parametrize(
    ("kind", "values", "compared", "code"),
    [
        (t.INT, [1], comparison(Operator.EQUALS, "one"), ErrorCode.BAD_VALUE),
        (t.INT, [1], comparison(Operator.CONTAINS, "1"), ErrorCode.TYPE_MISMATCH),
        (t.DATE, [date(2025, 1, 1)], comparison(Operator.EQUALS, "yesterday"), ErrorCode.BAD_VALUE),
        (t.BOOLEAN, [True], comparison(Operator.EQUALS, "maybe"), ErrorCode.BAD_VALUE),
    ],
)
def test_what_does_not_compare_is_an_error(
    kind: SqlType, values: list[Any], compared: Comparison, code: ErrorCode
) -> None:
    with pytest.raises(VeloError) as caught:
        held(kind, values, compared)
    assert caught.value.code is code
    assert caught.value.location == NOWHERE


ORDERED = {
    Operator.EQUALS: operator.eq,
    Operator.NOT_EQUALS: operator.ne,
    Operator.GREATER_THAN: operator.gt,
    Operator.LESS_THAN: operator.lt,
    Operator.GREATER_THAN_OR_EQUAL: operator.ge,
    Operator.LESS_THAN_OR_EQUAL: operator.le,
}
numbers = st.decimals(min_value=-(10**9), max_value=10**9, places=3)
operands = st.one_of(
    st.decimals(min_value=-(10**12), max_value=10**12, places=7), st.integers(-(10**15), 10**15), numbers
)


@settings(deadline=None)
@given(st.lists(numbers, min_size=1, max_size=5), operands, st.sampled_from(list(ORDERED)))
def test_decimals_compare_as_exact_numbers(values: list[Decimal], operand: Decimal | int, op: Operator) -> None:
    text = format(operand, "f") if isinstance(operand, Decimal) else str(operand)
    expected = [ORDERED[op](value, Decimal(text)) for value in values]
    assert held(t.decimal(20, 3), values, comparison(op, text)) == expected
    assert [value_holds(value, comparison(op, text), NOTHING) for value in values] == expected


@settings(deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5), operands, st.sampled_from(list(ORDERED)))
def test_integers_compare_as_exact_numbers(values: list[int], operand: Decimal | int, op: Operator) -> None:
    text = format(operand, "f") if isinstance(operand, Decimal) else str(operand)
    expected = [ORDERED[op](value, Decimal(text)) for value in values]
    assert held(t.BIGINT, values, comparison(op, text)) == expected


@pytest.mark.parametrize(
    ("actual", "op", "operands", "tolerance", "expected"),
    [
        (5, Operator.EQUALS, ["5.0"], None, True),
        (Decimal("5.01"), Operator.EQUALS, ["5"], Decimal("0.01"), True),
        (Decimal("5.011"), Operator.EQUALS, ["5"], Decimal("0.01"), False),
        (Decimal("5.01"), Operator.NOT_EQUALS, ["5"], Decimal("0.01"), False),
        (Decimal("4.99"), Operator.GREATER_THAN_OR_EQUAL, ["5"], Decimal("0.01"), True),
        (0.30000000000000004, Operator.EQUALS, ["0.3"], None, False),
        (0.30000000000000004, Operator.EQUALS, ["0.3"], Decimal("1e-9"), True),
        (None, Operator.GREATER_THAN, ["1"], None, False),
        (None, Operator.EQUALS, ["null"], None, True),
        (7, Operator.IN, ["5", "7"], None, True),
        (7, Operator.BETWEEN, ["5", "7"], None, True),
        ("abc", Operator.MATCHES, ["^a"], None, True),
    ],
)
def test_a_value_compares(actual, op: Operator, operands: list[str], tolerance: Decimal | None, expected: bool) -> None:
    assert value_holds(actual, comparison(op, *operands), NOTHING, tolerance=tolerance) is expected


def test_a_quoted_number_is_a_number_where_a_number_is_expected() -> None:
    quoted = Comparison(Operator.EQUALS, (scalar("5", plain=False),), NOWHERE)
    assert value_holds(5, quoted, NOTHING)
    assert held(t.BIGINT, [5], quoted) == [True]


def test_numbers_and_text_do_not_order() -> None:
    with pytest.raises(VeloError) as caught:
        value_holds(5, comparison(Operator.GREATER_THAN, "many"), NOTHING)
    assert caught.value.code is ErrorCode.TYPE_MISMATCH


@pytest.mark.parametrize(("actual", "operand"), [(1, "true"), (0, "false"), (True, "1")])
def test_numbers_and_truth_values_do_not_compare(actual, operand: str) -> None:
    with pytest.raises(VeloError) as caught:
        value_holds(actual, comparison(Operator.EQUALS, operand), NOTHING)
    assert caught.value.code is ErrorCode.TYPE_MISMATCH


def test_comparisons_are_described_in_words() -> None:
    assert described(comparison(Operator.BETWEEN, "1", "2.50"), NOTHING) == "between 1 and 2.50"
    assert described(comparison(Operator.IN, "a", "null"), NOTHING) == 'one of "a", null'

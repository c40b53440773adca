"""What unquoted text stands for when no column gives it a type: the YAML 1.2 core rules."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velo_harness.scalars import decimal_of, duration_ms_of, float_of, integer_of, is_null, plain_value
from velo_harness.yaml_source import parse_yaml


def plain(text):
    return plain_value(parse_yaml(f"a: {text}", "f").get("a"))


@pytest.mark.parametrize("text", ["null", "~", "Null", "NULL", ""])
def test_nulls(text):
    assert is_null(parse_yaml(f"a: {text}", "f").get("a"))
    assert plain(text) is None


@pytest.mark.parametrize(
    "text",
    ["NO", "no", "yes", "on", "off", "y", "n", "0123", "12:30:00", "2024-01-01", "1_000", "nil", "'true'", '"1"', "''"],
)
def test_what_stays_text(text):
    assert plain(text) == text.strip("'\"")
    assert isinstance(plain(text), str)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("TRUE", True)])
def test_booleans(text, value):
    assert plain(text) is value


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("-17", -17), ("+3", 3), ("0x1F", 31), ("0o17", 15), (str(10**30), 10**30)]
)
def test_whole_numbers(text, value):
    assert plain(text) == value
    assert isinstance(plain(text), int)


@pytest.mark.parametrize("text", ["12.30", "0.1", "-.5", "1e3", "1.5E-7", "3.", "100000000000000000000.01"])
def test_numbers_with_a_point_or_exponent_are_exact(text):
    assert isinstance(plain(text), Decimal)
    assert str(plain(text)) == str(Decimal(text))


def test_special_floats():
    assert plain(".inf") == float("inf")
    assert plain("-.INF") == float("-inf")
    assert plain(".nan") != plain(".nan")
    assert float_of("NaN") != float_of("NaN")
    assert float_of("text") is None


def test_nested_values():
    assert plain("{b: [1, x, null], c: {d: true}}") == {"b": [1, "x", None], "c": {"d": True}}


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("200ms", 200),
        ("5s", 5000),
        ("1.5 minutes", 90_000),
        ("4h", 14_400_000),
        ("2 days", 172_800_000),
        ("250", 250),
        ("1 M", 60_000),
    ],
)
def test_durations(text, milliseconds):
    assert duration_ms_of(text) == milliseconds


@pytest.mark.parametrize("text", ["", "5 parsecs", "-5s", "s", "1.2345s", "0.1ms"])
def test_what_is_no_duration(text):
    assert duration_ms_of(text) is None


@given(st.integers())
def test_every_integer_is_read_back(number):
    assert integer_of(str(number)) == number


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_every_decimal_keeps_its_digits(number):
    assert str(decimal_of(f"{number:f}")) == f"{number:f}"

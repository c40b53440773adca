"""Lengths of time in milliseconds."""

from __future__ import annotations

import pytest
from sqlglot import exp

from velo_engine.sql.durations import interval_ms, parse_duration


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("5s", 5_000),
        ("500ms", 500),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("2d", 172_800_000),
        ("1 minute", 60_000),
        ("10 Minutes", 600_000),
        ("30 sec", 30_000),
        ("1w", 604_800_000),
        ("1.5s", 1_500),
        ("1h 30m", 5_400_000),
        ("1h30m", 5_400_000),
        ("250", 250),
        ("0", 0),
        (" 5 s ", 5_000),
    ],
)
def test_a_duration_has_its_milliseconds(text, ms):
    assert parse_duration(text) == ms


@pytest.mark.parametrize(
    "text", ["", "soon", "5x", "-5s", "5 s x", "1 2", "1s 5", "1 month", "1 year", "0.5ms", "5,5s"]
)
def test_anything_else_is_not_a_duration(text):
    with pytest.raises(ValueError):
        parse_duration(text)


def test_intervals_have_milliseconds_when_their_unit_has_a_fixed_length():
    assert interval_ms(exp.Interval(this=exp.Literal.string("-2"), unit=exp.Var(this="HOUR"))) == -7_200_000
    with pytest.raises(ValueError, match="a month has no fixed length"):
        interval_ms(exp.Interval(this=exp.Literal.string("1"), unit=exp.Var(this="MONTH")))
    span = exp.IntervalSpan(this=exp.Var(this="DAY"), expression=exp.Var(this="HOUR"))
    with pytest.raises(ValueError, match="more than one unit"):
        interval_ms(exp.Interval(this=exp.Literal.string("1 2"), unit=span))

"""What a sample shows about values, and what it does not show."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from velo_engine import types as t
from velo_harness.inference.constraints import shown_constraints, text_pattern

DAYS = [date(2025, 1, 1) + timedelta(days=i % 7) for i in range(40)]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, 2, 3, 4, 5], t.BIGINT, ["sequence: { start: 1, step: 1 }"]),
        ([10, 20, 30, 40, 50, None], t.BIGINT, ["sequence: { start: 10, step: 10 }"]),
        ([5, 3, 9, 3], t.BIGINT, ["range: { min: 3, max: 9 }"]),
        ([10 * i * i for i in range(100)], t.BIGINT, ["range: { min: 0, max: 98010 }", "unique: true"]),
        ([200, 404, 500, 200] * 10, t.INT, ["enum: { values: [200, 404, 500], weights: [20, 10, 10] }"]),
        ([1, 2, 3, 2] * 10, t.INT, ["range: { min: 1, max: 3 }"]),
        ([Decimal("1.50"), Decimal("-2.25"), None], t.decimal(10, 2), ["range: { min: -2.25, max: 1.50 }"]),
        ([0.5, float("nan"), 2.0], t.DOUBLE, ["range: { min: 0.5, max: 2.0 }"]),
        ([True, False, True, True] * 5, t.BOOLEAN, ["probability: 0.75"]),
        ([True, False], t.BOOLEAN, []),
        (["paid", "open", "paid"] * 10, t.STRING, ["enum: { values: [paid, open], weights: [20, 10] }"]),
        (["paid", "open", "paid"], t.STRING, ["length: { min: 4, max: 4 }"]),
        ([f"C-{i:04d}" for i in range(30)], t.STRING, ['pattern: "C-[0-9]{4}"']),
        ([f"u{i}@shop{i}.example.com" for i in range(30)], t.STRING, ["faker: email"]),
        (["word" * (1 + i % 25) + str(i) * (i % 2) for i in range(100)], t.STRING, ["length: { min: 4, max: 102 }"]),
        (
            [datetime(2025, 1, 1, 10), datetime(2025, 1, 1, 11, 0, 0, 250000)],
            t.timestamp(3),
            ['start: "2025-01-01T10:00:00"', 'end: "2025-01-01T11:00:00.251000"'],
        ),
        (
            [datetime(2025, 1, 1, 11), datetime(2025, 1, 1, 10)],
            t.timestamp_ltz(3),
            ['start: "2025-01-01T10:00:00Z"', 'end: "2025-01-01T11:00:00.001000Z"', "sequential: false"],
        ),
        (DAYS, t.DATE, ['start: "2025-01-01"', 'end: "2025-01-08"']),
        ([[1, 2], [3]], t.array(t.INT), ["length: { min: 1, max: 2 }"]),
        ([b"abc", b"d"], t.BYTES, ["length: { min: 1, max: 3 }"]),
        (["x" * 300_000], t.STRING, ["length: { min: 100000, max: 100000 }"]),
        (["x", "y" * 100_001], t.STRING, ["length: { min: 1, max: 100000 }"]),
        ([None, None], t.BIGINT, []),
        ([datetime.max], t.timestamp(3), []),
    ],
)
def test_what_is_shown(values, kind, expected):
    assert shown_constraints(values, kind) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["AB-12", "XY-99"], "[A-Z]{2}-[0-9]{2}"),
        (["AB-1", "XYZ-123"], "[A-Z]{2,3}-[0-9]{1,3}"),
        (["1.5", "2.5"], r"[0-9]{1}\.5"),
        (["(a1)", "(b2)"], r"\([a-z]{1}[0-9]{1}\)"),
        (["abc", "xyz"], None),
        (["a1", "1a"], None),
        (["", ""], None),
        (["é1", "é2"], "é[0-9]{1}"),
    ],
)
def test_patterns(values, expected):
    found = text_pattern(values)
    assert found == expected
    assert found is None or all(re.fullmatch(found, value) for value in values)

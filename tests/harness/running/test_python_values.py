"""Values for people, also those that Python's own types cannot hold."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pytest

from velo_harness.relation import python_value

BEFORE_YEAR_ONE = -62_166_441_600_000_000
"""0000-01-10 in microseconds since the epoch."""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (pa.scalar(0, pa.timestamp("us")), datetime(1970, 1, 1)),
        (pa.scalar(None, pa.timestamp("us")), None),
        (pa.scalar(BEFORE_YEAR_ONE, pa.timestamp("us")), "0000-01-10 00:00:00.000000"),
        (pa.scalar(4_000_000, pa.date32()), "12921-08-18"),
    ],
)
def test_a_moment_outside_pythons_years_is_its_text(value: pa.Scalar, expected: object) -> None:
    assert python_value(value) == expected

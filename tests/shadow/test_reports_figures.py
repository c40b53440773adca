"""Figures of reports are written as people read them."""

from __future__ import annotations

import pytest

from velo_shadow.reports.performance_rows import milliseconds_text
from velo_shadow.reports.wording import percent_text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0.25, "0.25 ms"),
        (12.0, "12 ms"),
        (45_000.0, "45 s"),
        (5.4e6, "90 min"),
        (36e5 * 30, "30 h"),
        (2.8e10, "324 days"),
    ],
)
def test_latencies_have_a_unit_that_fits(milliseconds: float, text: str) -> None:
    assert milliseconds_text(milliseconds) == text


@pytest.mark.parametrize(
    ("rate", "text"), [(0.0, "0 %"), (6e-7, "0.00006 %"), (0.00123, "0.12 %"), (0.017, "1.7 %"), (1.0, "100 %")]
)
def test_rates_are_percentages_without_an_exponent(rate: float, text: str) -> None:
    assert percent_text(rate) == text

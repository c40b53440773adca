"""Latency and rate, counted in bounded space: figures by hand."""

from __future__ import annotations

import numpy as np
import pytest

from velo_shadow.model import SidePerformance
from velo_shadow.stream.tallies import Tallies


def test_latencies_are_right_within_a_hundredth_however_they_come() -> None:
    late = np.arange(1, 100_001)
    event = 10**12 + np.arange(100_000) * 10
    written = event + late
    tallies = Tallies()
    for first in range(0, 100_000, 7_000):
        piece = slice(first, first + 7_000)
        tallies.add(event[piece], np.ones(len(event[piece]), np.bool_), written[piece])

    found = tallies.performance()

    assert found.latency_avg_ms == 50_000.5
    assert found.latency_p50_ms == pytest.approx(50_000, rel=0.011)
    assert found.latency_p95_ms == pytest.approx(95_000, rel=0.011)
    assert found.latency_p99_ms == pytest.approx(99_000, rel=0.011)
    assert found.rows_per_second == pytest.approx(100_000 / (written[-1] - written[0]) * 1000)
    assert len(tallies.latencies) < 600


def test_what_nobody_says_is_missing() -> None:
    tallies = Tallies()
    tallies.add(np.array([5, 6]), np.array([True, False]), np.array([-1, 9]))

    assert tallies.performance() == SidePerformance()


def test_a_row_written_before_its_time_has_no_latency() -> None:
    tallies = Tallies()
    tallies.add(np.array([2000, 2000]), np.array([True, True]), np.array([1000, 3000]))

    found = tallies.performance()

    assert (found.latency_avg_ms, found.latency_p50_ms, found.rows_per_second) == (500.0, 0.0, 1.0)

"""Scenarios as two streams; `python -m tests.shadow.scenarios.interleaved` runs a hundred interleavings of all."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.shadow.scenarios.interleaved import one_run
from tests.shadow.scenarios.scenario import scenarios

SEEDS = [
    sorted(scenarios()).index(name) + len(scenarios()) * turn
    for turn, name in enumerate(("interval_join", "left_join", "top_n", "tumbling"))
]
"""One of an append stream without and with windows, one of retractions, one of upserts."""


@pytest.mark.parametrize("seed", SEEDS)
def test_streams_in_any_interleaving_show_no_false_difference(seed: int, tmp_path: Path) -> None:
    seen = one_run(seed, tmp_path, most_steps=1)

    assert seen.is_right, seen

"""Killed and started again: a few times here, more often by `python -m tests.shadow.kills`."""

from __future__ import annotations

from tests.shadow import kills


def test_killed_comparisons_find_what_uninterrupted_ones_do() -> None:
    assert kills.check(1, seed=5, kinds=["append by key"], rows=120) == 0

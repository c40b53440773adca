"""Every operator was asked in every situation that means something for it."""

from __future__ import annotations

from collections import Counter

from tests.oracle.case import load, recorded_paths
from tests.oracle.matrix import counted, holes, impossible, matrix

COUNTS = counted(load(path) for path in recorded_paths())


def test_no_operator_has_an_unnamed_hole() -> None:
    assert holes(COUNTS) == [], "record a case, or say in impossible.yaml why there is none"


def test_impossible_pairs_are_about_groups_that_exist() -> None:
    assert {group for group, _ in impossible()} <= {group for group, _ in COUNTS}


def test_the_matrix_shows_holes() -> None:
    counts: Counter[tuple[str, str]] = Counter({("tumble", "nulls"): 2, ("tumble", "cases"): 2})
    text = matrix(counts)
    assert "hole: no case of tumble with late" in text
    assert "hole: no case of tumble with nulls" not in text
    assert "hole: no case of tumble with ties" not in text, "impossible"

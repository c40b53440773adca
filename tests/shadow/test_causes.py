"""Causes: differences that a person wrote, and what a person would say of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from velo_shadow.causes.explaining import explained
from velo_shadow.model import Cause, Difference, Kind

PAGE = Path(__file__).resolve().parents[2] / "docs" / "shadow-causes.md"
T = datetime(2026, 3, 1, 12, 0, 0, 123456)


def value(left: Any, right: Any, key: int = 1, column: str = "c") -> Difference:
    return Difference(Kind.VALUE, {"k": key}, column, left, right)


@pytest.mark.parametrize(
    ("left", "right", "cause", "evidence"),
    [
        (None, "x", Cause.NULL_OR_ABSENT, "the left side has NULL"),
        ("", None, Cause.NULL_OR_ABSENT, "an empty text"),
        ("streaming", "stream", Cause.TRUNCATED_TEXT, "the right text ends after 6 of 9"),
        ("ab", "abc", Cause.UNKNOWN, ""),
        ("stream", "stream ", Cause.UNKNOWN, ""),
        ("abcd", "abce", Cause.UNKNOWN, ""),
        (0.1 + 0.2, 0.3, Cause.FLOAT_ASSOCIATION, "1 units in the last place"),
        (1.0, 1.1, Cause.UNKNOWN, ""),
        (1.0, float("nan"), Cause.UNKNOWN, ""),
        (Decimal("2.005"), Decimal("2.01"), Cause.DECIMAL_ROUNDING, "the right is rounded (half up) to 2 digits"),
        (Decimal("2.35"), Decimal("2.359"), Cause.DECIMAL_ROUNDING, "the left is cut"),
        (Decimal("2.34"), Decimal("2.35"), Cause.DECIMAL_ROUNDING, "one unit of the last digit apart (0.01)"),
        (Decimal("2.34"), Decimal("2.36"), Cause.UNKNOWN, ""),
        (Decimal("2.3"), Decimal("7.25"), Cause.UNKNOWN, ""),
        (7, 8, Cause.UNKNOWN, ""),
        (T, T.replace(microsecond=123000), Cause.TIME_PRECISION, "the right time has 3 digits"),
        (T.replace(microsecond=0), T, Cause.TIME_PRECISION, "the left time has 0 digits"),
        (T, T + timedelta(microseconds=77), Cause.UNKNOWN, ""),
        (T, T + timedelta(hours=1), Cause.TIME_ZONE, "+1 h off in 1 of 1"),
        (T, T - timedelta(hours=5, minutes=30), Cause.TIME_ZONE, "-5.5 h off"),
        (T, T + timedelta(minutes=7), Cause.UNKNOWN, ""),
        (T, T + timedelta(days=400), Cause.UNKNOWN, ""),
    ],
)
def test_causes_of_single_values(left: Any, right: Any, cause: Cause, evidence: str) -> None:
    (found,) = explained([value(left, right)])

    assert found.cause is cause
    assert evidence in found.evidence


def test_an_offset_that_few_differences_have_is_no_zone() -> None:
    differences = [value(T, T + timedelta(hours=i % 20 + 1), key=i) for i in range(40)]

    assert {found.cause for found in explained(differences)} == {Cause.UNKNOWN}


def test_both_halves_of_a_year_have_their_offset() -> None:
    differences = [value(T, T + timedelta(hours=1 + i % 2), key=i) for i in range(40)]

    assert {found.cause for found in explained(differences)} == {Cause.TIME_ZONE}


def test_swapped_columns_are_those_of_one_row() -> None:
    swapped = [value("a", "b", column="x"), value("b", "a", column="y")]
    elsewhere = [value("a", "b", column="x"), value("b", "a", key=2, column="y")]

    assert {found.cause for found in explained(swapped)} == {Cause.SWAPPED_COLUMNS}
    assert {found.cause for found in explained(elsewhere)} == {Cause.UNKNOWN}


def test_rows_without_a_partner_have_no_cause_by_their_values() -> None:
    lone = Difference(Kind.MISSING, {"k": 1}, left={"a": None}, right=None)

    assert explained([lone]) == (lone,)


def test_rows_that_changed_places_are_a_tie() -> None:
    def row(key: int, left: tuple[str, int], right: tuple[str, int]) -> list[Difference]:
        whole = {"k": key, "x": left[0], "y": left[1], "price": 5}
        sides = zip("xy", left, right, strict=True)
        return [Difference(Kind.VALUE, {"k": key}, name, one, other, row=whole) for name, one, other in sides]

    elsewhere, first, second = row(0, ("b", 21), ("a", 11)), row(1, ("a", 10), ("b", 20)), row(2, ("b", 20), ("a", 10))
    last = row(3, ("c", 30), ("d", 40))

    found = explained([*elsewhere, *first, *second, *last])

    assert [one.cause for one in found] == [Cause.UNKNOWN] * 2 + [Cause.TOP_N_TIE] * 6
    assert found[2].evidence == "the row has changed places with that of k=2 with the same price=5"
    assert found[6].evidence.startswith("in the last place another row with the same price=5; 2 rows")


def test_single_values_that_changed_places_are_no_tie() -> None:
    differences = [value(True, False, key=1), value(False, True, key=2)]

    assert {found.cause for found in explained(differences)} == {Cause.UNKNOWN}


def test_the_page_names_every_cause() -> None:
    rows = [
        line.split("|")[1].strip(" `") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "
    ]

    assert sorted(rows[1:]) == sorted(cause.value for cause in Cause)

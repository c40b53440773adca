"""Waivers: what they accept, and what they must not hide."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from velo_engine.errors import VeloError
from velo_shadow.model import Cause, Difference, Kind
from velo_shadow.waivers import read_waivers, waived_rows

TODAY = date(2026, 6, 1)
HEAD = "waivers:\n  - owner: ann\n    reason: agreed\n    expires: 2026-06-01\n"


def value(key: int, column: str, cause: Cause = Cause.UNKNOWN) -> Difference:
    return Difference(Kind.VALUE, {"k": key}, column, 1, 2, row={"k": key}, cause=cause)


MISSING = Difference(Kind.MISSING, {"k": 9}, left={}, row={"k": 9})
FOUND = [
    value(1, "a", Cause.DECIMAL_ROUNDING),
    value(2, "a", Cause.DECIMAL_ROUNDING),
    value(2, "b"),
    value(3, "b"),
    MISSING,
]


def waived(tmp_path: Path, text: str) -> int:
    (tmp_path / "waivers.yaml").write_text(text)
    return waived_rows(FOUND, read_waivers(tmp_path / "waivers.yaml"), TODAY)


@pytest.mark.parametrize(
    ("selecting", "rows"),
    [
        ("column: a", 1),  # row 2 differs in b, too
        ("column: b", 1),
        ("cause: decimal scale or rounding", 1),
        ("kind: value", 3),
        ("kind: missing", 1),
        ("key: { k: 2 }", 1),
        ("key: { k: 3 }\n    column: b", 1),
    ],
)
def test_rows_are_accepted_when_all_their_differences_are(tmp_path: Path, selecting: str, rows: int) -> None:
    assert waived(tmp_path, f"{HEAD}    {selecting}\n") == rows


def test_two_waivers_accept_together(tmp_path: Path) -> None:
    text = f"{HEAD}    column: a\n" + HEAD.removeprefix("waivers:\n") + "    column: b\n"

    assert waived(tmp_path, text) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{HEAD}    column: c\n", "matches no difference"),
        (f"{HEAD}    column: a\n    key: {{ k: 3 }}\n", "matches no difference"),
        (HEAD.replace("2026-06-01", "2026-05-31") + "    column: a\n", "held until 2026-05-31"),
        (HEAD.replace("2026-06-01", "soon") + "    column: a\n", "must be a day"),
        (HEAD, "would accept every difference"),
        (f"{HEAD}    colunm: a\n", "is no key here"),
        (f"{HEAD}    cause: rounding\n", "is no cause"),
        (HEAD.replace("    reason: agreed\n", "") + "    column: a\n", 'has no "reason"'),
        ("- a\n", "must be an object"),
        ("waivers: 3\n", "holds no list"),
    ],
)
def test_what_is_no_use_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(VeloError, match=message):
        waived(tmp_path, text)

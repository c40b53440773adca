"""Sides that somebody got wrong: a message and exit code 2, and neither a defect nor a verdict."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.shadow.command import velo

ROWS = "id,v,n,t\n1,a,5,2026-01-01 00:00:00\n2,b,6,2026-01-01 00:00:05\n"


def compare(folder: Path, left: str, right: str, *options: str, ending: str = "csv") -> tuple[int, str]:
    """Exit code and output of a comparison by `id`."""
    (folder / f"left.{ending}").write_text(left, encoding="utf-8")
    (folder / f"right.{ending}").write_text(right, encoding="utf-8")
    sides = "--left", str(folder / f"left.{ending}"), "--right", str(folder / f"right.{ending}")
    return velo(["shadow", *sides, "--key", "id", *options])


def test_text_is_no_event_time(tmp_path: Path) -> None:
    code, output = compare(tmp_path, ROWS, ROWS, "--time-column", "v")

    assert code == 2
    assert '"v" is to be the event time and is STRING, no time' in output
    assert compare(tmp_path, ROWS, ROWS, "--time-column", "v", "--ignore", "v")[0] == 2


@pytest.mark.parametrize("name", ["n", "t"])
def test_milliseconds_and_times_are_event_time(tmp_path: Path, name: str) -> None:
    assert compare(tmp_path, ROWS, ROWS, "--time-column", name)[0] == 0


def test_a_column_without_values_may_become_event_time(tmp_path: Path) -> None:
    code, output = compare(tmp_path, "id,t\n", "id,t\n", "--time-column", "t")

    assert code == 4
    assert "no rows on either side: nothing to compare" in output


def test_numbers_of_rows_are_written_as_people_do(tmp_path: Path) -> None:
    many = "id,v\n" + "".join(f"{i},a\n" for i in range(1200))

    assert "\n  1 row with other values\n" in compare(tmp_path, ROWS, ROWS.replace("a,5", "x,5"))[1]
    assert "\n  1,200 compared, none differs\n" in compare(tmp_path, many, many)[1]
    assert "299,570 more equal ones are needed" in compare(tmp_path, ROWS, ROWS, "--bound", "0.00001")[1]

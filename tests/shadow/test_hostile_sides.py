"""Sides that somebody got wrong: a message and exit code 2, and neither a defect nor a verdict."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
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


@pytest.mark.parametrize("control", ["left.csv", "right.csv", "elsewhere/../right.csv"])
def test_a_control_is_neither_side(tmp_path: Path, control: str) -> None:
    (tmp_path / "elsewhere").mkdir()

    code, output = compare(tmp_path, ROWS, ROWS.replace("a,5", "x,5"), "--control", str(tmp_path / control))

    assert code == 2  # the right as its own control would excuse all its differences
    assert f"--control and --{Path(control).stem} are the same stream" in output


@pytest.mark.parametrize("control", ["a.csv", "./b.csv"])
def test_a_control_of_a_config_is_neither_side(tmp_path: Path, control: str) -> None:
    for name, rows in (("a", ROWS), ("b", ROWS.replace("a,5", "x,5"))):
        (tmp_path / f"{name}.csv").write_text(rows, encoding="utf-8")
    sink = f"{{name: s, key: [id], left: {{file: a.csv}}, right: {{file: b.csv}}, control: {{file: {control}}}}}"
    (tmp_path / "shadow_config.yaml").write_text(f"job: j\nsinks: [{sink}]\n", encoding="utf-8")

    code, output = velo(["shadow", str(tmp_path)])

    assert code == 2
    assert "the control and the" in output


def test_a_file_is_called_by_its_straight_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "job").mkdir()
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(ROWS, encoding="utf-8")
    sink = "{name: s, key: [id], left: {file: ../a.csv}, right: {file: ../b.csv}}"
    (tmp_path / "job" / "shadow_config.yaml").write_text(f"job: j\nsinks: [{sink}]\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    code, output = velo(["shadow", "job"])

    assert code == 0
    assert "left   a.csv: 2 rows" in output


@pytest.mark.parametrize("text", ["{", '{"id": NaN}', "[1, 2]", "id,v"])
def test_a_record_that_is_no_json_is_no_difference(tmp_path: Path, text: str) -> None:
    good = '{"id": 1}\n'

    code, output = compare(tmp_path, good, f"{good}{text}\n", ending="jsonl")

    assert code == 2
    assert "error[VELO3004]" in output
    assert "right.jsonl:2:1" in output


def test_decimals_that_no_type_holds_are_no_difference(tmp_path: Path) -> None:
    for name, kind in (("left", pa.decimal128(38, 0)), ("right", pa.decimal128(38, 38))):
        value = Decimal(f"0.{'1' * 38}") if kind.scale else Decimal("1" * 38)
        table = pa.table({"id": [1], "v": pa.array([value], kind)})
        parquet.write_table(table, tmp_path / f"{name}.parquet")
    sides = "--left", str(tmp_path / "left.parquet"), "--right", str(tmp_path / "right.parquet")

    assert velo(["shadow", *sides, "--key", "id"])[0] == 2


def test_times_that_differ_in_nanoseconds_are_not_called_the_same(tmp_path: Path) -> None:
    left = "id,v\n1,2026-01-01 00:00:00.123456789\n"

    code, output = compare(tmp_path, left, left.replace("789", "788"))

    assert code == 1
    assert "same time" not in output
    assert "1 x unknown" in output


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (["n=abs:1,rel:1"], '"abs:1" and "rel:1" are two rules for one column'),
        (["n=abs:1", "n=abs:100"], 'what equal means in "n" is said twice'),
        (["v=trim", "v=case"], 'what equal means in "v" is said twice'),
    ],
)
def test_rules_that_contradict_each_other_are_refused(tmp_path: Path, rules: list[str], message: str) -> None:
    code, output = compare(tmp_path, ROWS, ROWS, *(part for rule in rules for part in ("--equal", rule)))

    assert code == 2
    assert message in output


@pytest.mark.parametrize(("key", "message"), [("", "--key names no column"), ("id,id", '"id" stands twice in the key')])
def test_a_key_is_not_made_up(tmp_path: Path, key: str, message: str) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(ROWS, encoding="utf-8")

    code, output = velo(["shadow", "--left", str(tmp_path / "a.csv"), "--right", str(tmp_path / "b.csv"), "--key", key])

    assert code == 2
    assert message in output


def test_times_after_the_year_9999(tmp_path: Path) -> None:
    for name in ("a", "b"):
        table = pa.table({"id": [1], "t": pa.array([2**62], pa.timestamp("us"))})
        parquet.write_table(table, tmp_path / f"{name}.parquet")
    sides = "--left", str(tmp_path / "a.parquet"), "--right", str(tmp_path / "b.parquet")

    code, output = velo(["shadow", *sides, "--key", "id"])

    assert code == 2
    assert "a time is before the year 1 or after the year 9999" in output


def test_one_row_is_a_row(tmp_path: Path) -> None:
    one = "id\n1\n"
    reports = [option for name in ("r.md", "r.html") for option in ("--report", str(tmp_path / name))]

    output = compare(tmp_path, one, one, *reports)[1]

    assert "left.csv: 1 row\n" in output
    assert "1 column compared" in output
    for name in ("r.md", "r.html"):
        assert "1 rows" not in (tmp_path / name).read_text(encoding="utf-8")


def test_a_side_that_takes_back_what_it_never_gave_is_not_safe(tmp_path: Path) -> None:
    rows = "op,id,v\n+I,1,a\n"
    options = "--left-changelog", "retract", "--right-changelog", "retract"

    code, output = compare(tmp_path, rows + "-D,2,a\n", rows + "-D,9,z\n", *options)

    assert code == 4, output
    assert "the left side takes back 1 row that it never gave" in output
    assert "the right side takes back 1 row that it never gave" in output
    assert compare(tmp_path, rows, rows, *options)[0] == 0


@pytest.mark.parametrize("changelog", ["append", "upsert"])
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, changelog: str) -> None:
    options = "--left-changelog", changelog, "--right-changelog", changelog

    code, output = compare(tmp_path, "", '{"op": "+I", "id": 1, "v": "a"}\n', *options, ending="jsonl")

    assert code == 2, output
    assert "the left side, left.jsonl, is empty: it has neither rows nor names of columns" in output.replace(
        str(tmp_path) + "/", ""
    )


def test_the_report_says_that_causes_are_of_the_first_rows_that_differ(tmp_path: Path) -> None:
    left, right = ("id,v\n" + "".join(f"{i},{v}\n" for i in range(10_001)) for v in ("a", "b"))

    code, output = compare(tmp_path, left, right)

    assert code == 1
    assert "causes of the first 10,000 of 10,001 differing rows, in order of the key:" in output
    assert "causes of the first" not in compare(tmp_path, ROWS, ROWS.replace("a,5", "x,5"))[1]

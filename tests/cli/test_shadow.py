"""`velo shadow` over two files: verdicts, messages and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import jsonschema
import pyarrow as pa
import pytest
from pyarrow import parquet

from velo_harness.json_schemas import shipped_text
from velo_shadow.reports.json_report import shadow_schema

ROWS = [
    (1, "10.00", "a", "2026-01-01T00:00:00Z"),
    (2, "20.50", "b", "2026-01-01T00:00:01Z"),
    (3, "30.25", None, "2026-01-01T00:00:02Z"),
]
Row = tuple[int, str, str | None, str]


def csv_text(rows: list[Row]) -> str:
    return "id,amount,name,ts\n" + "".join(f"{i},{a},{n or ''},{t}\n" for i, a, n, t in rows)


def write(path: Path, rows: list[Row]) -> Path:
    """The rows in the format that the ending says."""
    records = [{"id": i, "amount": Decimal(a), "name": n, "ts": datetime.fromisoformat(t)} for i, a, n, t in rows]
    lines = [f'{{"id":{i},"amount":{a},"name":{json.dumps(n)},"ts":"{t}"}}' for i, a, n, t in rows]
    match path.suffix:
        case ".csv":
            path.write_text(csv_text(rows))
        case ".jsonl":
            path.write_text("\n".join(lines))
        case ".json":
            path.write_text(f"[{','.join(lines)}]")
        case ".parquet":
            schema = pa.schema(
                {"id": pa.int64(), "amount": pa.decimal128(12, 4), "name": pa.string(), "ts": pa.timestamp("ms", "UTC")}
            )
            parquet.write_table(pa.Table.from_pylist(records, schema), path)
        case ".avro":
            decimal = {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}
            fields: list[dict[str, Any]] = [
                {"name": "id", "type": "long"},
                {"name": "amount", "type": decimal},
                {"name": "name", "type": ["null", "string"]},
                {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            ]
            with path.open("wb") as file:
                fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, records)
    return path


ENDINGS = ("csv", "json", "jsonl", "parquet", "avro")


@pytest.mark.parametrize("ending", ENDINGS)
def test_equal_rows_in_two_formats_are_safe(command: Callable[..., Any], tmp_path: Path, ending: str) -> None:
    left = write(tmp_path / "flink.csv", ROWS)
    right = write(tmp_path / f"velo.{ending}", ROWS[::-1])

    ran = command("velo", "shadow", "--left", left, "--right", right, "--key", "id")

    assert (ran.code, ran.err) == (0, "")
    assert "3 equal, 0 with other values, 0 only left, 0 only right" in ran.out
    assert "SAFE" in ran.out


@pytest.mark.parametrize("ending", ENDINGS)
def test_one_wrong_cent_is_found_and_named(command: Callable[..., Any], tmp_path: Path, ending: str) -> None:
    wrong = [*ROWS[:1], (2, "20.51", "b", ROWS[1][3]), *ROWS[2:]]
    left, right = write(tmp_path / "flink.parquet", ROWS), write(tmp_path / f"velo.{ending}", wrong)

    ran = command("velo", "shadow", "--left", left, "--right", right, "--key", "id", "--report", "out.json")

    document = json.loads((tmp_path / "out.json").read_text())
    (difference,) = document["sinks"][0]["differences"]
    assert ran.code == 1
    assert "NOT SAFE" in ran.out
    assert (difference["key"], difference["column"]) == ({"id": 2}, "amount")
    assert [Decimal(difference["left"]), Decimal(difference["right"])] == [Decimal("20.50"), Decimal("20.51")]


def test_the_report_keeps_its_schema_and_fits_the_migration_report(command: Callable[..., Any], tmp_path: Path) -> None:
    left, right = write(tmp_path / "a.csv", ROWS), write(tmp_path / "b.csv", ROWS[1:])

    command("velo", "shadow", "--left", left, "--right", right, "--key", "id", "--report", "reports/shadow.json")

    document = json.loads((tmp_path / "reports/shadow.json").read_text())
    jsonschema.Draft202012Validator(shadow_schema()).validate(document)
    migration = json.loads(shipped_text("migration-report"))
    jsonschema.Draft202012Validator({**migration["$defs"]["part_file"], "$defs": migration["$defs"]}).validate(document)
    gathered = command("velo", "report", "reports", "--require", "shadow")
    assert gathered.code == 1
    assert "NOT SAFE" in gathered.out


def test_a_tolerance_makes_values_equal_and_the_report_states_it(command: Callable[..., Any], tmp_path: Path) -> None:
    wrong = [*ROWS[:2], (3, "30.26", None, ROWS[2][3])]
    left, right = write(tmp_path / "a.csv", ROWS), write(tmp_path / "b.csv", wrong)

    ran = command("velo", "shadow", "--left", left, "--right", right, "--key", "id", "--equal", "amount=abs:0.01")

    assert ran.code == 0
    assert "amount: abs 0.01" in ran.out


def test_without_a_key_multiplicity_counts(command: Callable[..., Any], tmp_path: Path) -> None:
    left, right = write(tmp_path / "a.csv", [*ROWS, ROWS[0]]), write(tmp_path / "b.csv", ROWS)

    ran = command("velo", "shadow", "--left", left, "--right", right)

    assert ran.code == 1
    assert "3 equal, 0 with other values, 1 only left, 0 only right" in ran.out


def test_a_row_delivered_twice_is_no_difference_by_key(command: Callable[..., Any], tmp_path: Path) -> None:
    left, right = write(tmp_path / "a.csv", ROWS), write(tmp_path / "b.csv", [*ROWS, ROWS[0]])

    ran = command("velo", "shadow", "--left", left, "--right", right, "--key", "id")

    assert ran.code == 0
    assert "delivered again, identical: 0 left, 1 right" in ran.out


def test_accepted_differences_do_not_block_and_the_report_counts_them(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    wrong = [*ROWS[:2], (3, "30.26", None, ROWS[2][3])]
    left, right = write(tmp_path / "a.csv", ROWS), write(tmp_path / "b.csv", wrong)
    waiver = "waivers:\n  - {owner: ann, reason: agreed, expires: 9999-12-31, column: COLUMN}\n"
    words = ("velo", "shadow", "--left", left, "--right", right, "--key", "id", "--waivers", "w.yaml")

    (tmp_path / "w.yaml").write_text(waiver.replace("COLUMN", "amount"))
    accepted = command(*words, "--report", "out.json")
    (tmp_path / "w.yaml").write_text(waiver.replace("COLUMN", "name"))
    useless = command(*words)

    assert (accepted.code, useless.code) == (0, 2)
    assert json.loads((tmp_path / "out.json").read_text())["sinks"][0]["waived"] == 1
    assert "w.yaml:2:5" in useless.err


@pytest.mark.parametrize("empty", ["left", "right", "both"])
def test_an_empty_side_is_never_safe(command: Callable[..., Any], tmp_path: Path, empty: str) -> None:
    left = write(tmp_path / "a.csv", ROWS if empty == "right" else [])
    right = write(tmp_path / "b.csv", ROWS if empty == "left" else [])

    ran = command("velo", "shadow", "--left", left, "--right", right, "--key", "id")

    assert ran.code == 4
    assert "INCONCLUSIVE" in ran.out
    assert "no rows on " in ran.out


@pytest.mark.parametrize("ending", ENDINGS)
def test_clocks_years_apart_are_never_safe(command: Callable[..., Any], tmp_path: Path, ending: str) -> None:
    old = [(i, a, n, t.replace("2026", "2019")) for i, a, n, t in ROWS]
    left, right = write(tmp_path / "a.csv", old), write(tmp_path / f"b.{ending}", ROWS)
    words = ("velo", "shadow", "--left", left, "--right", right, "--key", "id")

    by_default = command(*words)
    ignored = command(*words, "--ignore", "ts", "--time-column", "ts")

    assert by_default.code == 1
    assert ignored.code == 4
    assert "no event time in common" in ignored.out
    assert "2019-01-01" in ignored.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--key", "nr"], 'a.csv, has no column "nr", which is to be the key'),
        (["--key", "id", "--ignore", "nme"], 'neither side has a column "nme"'),
        (["--key", "id", "--equal", "name=abs:1"], '"abs" compares'),
        (["--key", "id", "--equal", "name"], "not of the form COLUMN=RULE"),
        (["--key", "id", "--equal", "name=abss:1"], 'did you mean "abs"?'),
        (["--key", "id", "--equal", "amount=abs"], "it is written abs:NUMBER"),
        (["--key", "id", "--equal", "amount=abs:x"], '"x" is no tolerance'),
        (["--key", "id", "--equal", "id=abs:1"], "which is compared exactly"),
    ],
)
def test_what_cannot_be_compared_is_said(
    command: Callable[..., Any], tmp_path: Path, words: list[str], message: str
) -> None:
    left, right = write(tmp_path / "a.csv", ROWS), write(tmp_path / "b.csv", ROWS)

    ran = command("velo", "shadow", "--left", left, "--right", right, *words)

    assert ran.code == 2
    assert message in ran.err
    assert "SAFE" not in ran.out


def test_a_missing_file_an_unknown_format_and_no_parquet(command: Callable[..., Any], tmp_path: Path) -> None:
    right = write(tmp_path / "b.csv", ROWS)
    (tmp_path / "a.parquet").write_text("no parquet")
    (tmp_path / "a.xml").write_text("<a/>")

    ran = [command("velo", "shadow", "--left", name, "--right", right) for name in ("x.csv", "a.xml", "a.parquet")]

    assert [one.code for one in ran] == [2, 2, 2]
    assert 'there is no file "x.csv"' in ran[0].err
    assert "says no format" in ran[1].err
    assert "is no Parquet file" in ran[2].err


def test_schemas_that_do_not_fit(command: Callable[..., Any], tmp_path: Path) -> None:
    parquet.write_table(pa.table({"id": [1], "v": ["x"]}), tmp_path / "a.parquet")
    parquet.write_table(pa.table({"id": [1], "v": [1.5]}), tmp_path / "b.parquet")
    parquet.write_table(pa.table({"id": [1]}), tmp_path / "c.parquet")
    words = ("velo", "shadow", "--key", "id", "--left", "a.parquet", "--right")

    types, lacking = command(*words, "b.parquet"), command(*words, "c.parquet")

    assert (types.code, lacking.code) == (2, 2)
    assert 'column "v" is STRING on the left and DOUBLE on the right' in types.err
    assert 'lacks "v", which the other side has' in lacking.err


@pytest.mark.parametrize("right", ["b.jsonl", "b.parquet"])
def test_numbers_that_have_become_texts_are_never_safe(command: Callable[..., Any], tmp_path: Path, right: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1, "v": "7"}\n')
    (tmp_path / "b.jsonl").write_text('{"id": 1, "v": 7}\n')
    parquet.write_table(pa.table({"id": [1], "v": [7]}), tmp_path / "b.parquet")
    words = ("velo", "shadow", "--key", "id", "--left", "a.jsonl", "--right", right)

    refused, accepted = command(*words), command(*words, "--equal", "v=text")
    within = command(*words, "--equal", "v=abs:1")

    assert (refused.code, accepted.code, within.code) == (2, 0, 2), "a tolerance is not about types"
    assert 'the type of column "v" has changed: it is text on the left and no text on the right' in refused.err


def test_a_missing_column_equals_null_when_asked(command: Callable[..., Any], tmp_path: Path) -> None:
    parquet.write_table(pa.table({"id": [1], "v": pa.array([None], pa.string())}), tmp_path / "a.parquet")
    parquet.write_table(pa.table({"id": [1]}), tmp_path / "b.parquet")

    ran = command(
        "velo", "shadow", "--key", "id", "--left", "a.parquet", "--right", "b.parquet", "--equal", "v=missing"
    )

    assert ran.code == 0


@pytest.mark.parametrize(
    ("written", "other"),
    [
        ("20.50", "twenty"),
        ("20.50", "2e1"),
        ("2026-01-01T00:00:01Z", "2026-01-01T02:00:01+02:00"),
        ("2026-01-01T00:00:01Z", "2026-01-01T00:00:01.0000001Z"),
    ],
)
def test_text_that_does_not_fit_the_other_sides_type_is_refused(
    command: Callable[..., Any], tmp_path: Path, written: str, other: str
) -> None:
    left = write(tmp_path / "a.parquet", ROWS)
    right = tmp_path / "b.csv"
    right.write_text(csv_text(ROWS).replace(written, other))

    ran = command("velo", "shadow", "--left", left, "--right", right, "--key", "id")

    assert ran.code == 2
    assert other in ran.err
    assert "SAFE" not in ran.out


def test_text_with_more_digits_than_the_other_sides_type_is_not_rounded(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    left = write(tmp_path / "a.parquet", ROWS)  # 4 digits after the point
    right = tmp_path / "b.csv"
    right.write_text(csv_text(ROWS).replace("20.50", "20.50001"))

    ran = command("velo", "shadow", "--left", left, "--right", right, "--key", "id")

    assert ran.code == 1
    assert "20.50001" in ran.out

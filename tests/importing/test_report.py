"""The conversion report and the folder of an import, by the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from velo_cli.import_output import import_text
from velo_cli.velo import app
from velo_engine.engine import Engine
from velo_engine.sql.flink.script import parse_script
from velo_harness.json_schemas import shipped_text
from velo_harness.reports.migration import Part, gather
from velo_import.convert.job import convert_job
from velo_import.folder import Written
from velo_import.model import Generated, MutationScore, Survivor
from velo_import.report import Reported, report_data, report_markdown

GOOD = """
CREATE TABLE t (a INT, PRIMARY KEY (a) NOT ENFORCED) WITH ('connector' = 'jdbc', 'url' = 'there');
SELECT a FROM t;
"""
PARTLY = GOOD + "SELECT f(a, '|') FROM t;\n"
BAD = "CREATE FUNCTION f AS 'F';\n"


def data(text: str) -> dict[str, object]:
    return report_data([Reported(convert_job("job", [parse_script(text, file="job.sql")]))])


@pytest.mark.parametrize(("text", "status"), [(GOOD, "passed"), (PARTLY, "inconclusive"), (BAD, "failed")])
def test_the_report_has_the_form_that_velo_report_gathers(text: str, status: str) -> None:
    schema = json.loads(shipped_text("migration-report"))
    report = data(text)

    Draft202012Validator({"$ref": "#/$defs/part_file", "$defs": schema["$defs"]}).validate(report)
    assert report["status"] == status


def test_totals_are_those_of_the_constructs() -> None:
    report = data(PARTLY)

    assert report["facts"] == {
        "jobs": 1, "statements": 2, "statements converted": 1, "tables": 1, "constructs": 5,
        "same by rule": 2, "same, proven against recorded Flink": 1, "differs": 0, "stand-in": 1, "not converted": 1,
        "data schemas": 0, "tested": 0, "assertions": 0, "skipped tests": 0, "metrics": 0, "alerts": 0,
        "mutants killed": 0, "mutants survived": 0,
    }  # fmt: skip
    assert report["headline"] == "1 of 2 statements converted, 1 not"


def test_markdown_has_a_row_for_every_construct() -> None:
    job = convert_job("job", [parse_script(PARTLY, file="job.sql")])

    rows = [line for line in report_markdown([Reported(job)]).splitlines() if line.startswith("| job.sql:")]

    assert len(rows) == len(job.constructs)
    assert all(row.replace("\\|", "").count("|") == 7 for row in rows)


# --- the command ---


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["import", *args])
    error = result.exception
    return (getattr(error, "exit_code", result.exit_code), result.stdout, result.stderr)


def test_an_import_writes_a_folder_and_twice_changes_nothing(tmp_path: Path) -> None:
    script, output = tmp_path / "job.sql", tmp_path / "converted"
    script.write_text(PARTLY, encoding="utf-8")

    code, _, messages = run(str(script), "--output", str(output))

    assert code == 0
    assert "not converted: job.sql:4: " in messages
    assert (output / "original" / "job.sql").read_text(encoding="utf-8") == PARTLY
    program = (output / "app.sql").read_text(encoding="utf-8")
    assert list(Engine().plan(program).statements) == ["select_1"]
    assert gather(output, (Part.IMPORT,)).line
    assert "nothing was written" in run(str(script), "--output", str(output))[2]


def test_changed_files_stay_unless_forced(tmp_path: Path) -> None:
    script, output = tmp_path / "job.sql", tmp_path / "converted"
    script.write_text(GOOD, encoding="utf-8")
    run(str(script), "--output", str(output))
    (output / "app.sql").write_text("-- mine\n", encoding="utf-8")

    assert run(str(script), "--output", str(output))[0] == 2
    assert (output / "app.sql").read_text(encoding="utf-8") == "-- mine\n"
    assert run(str(script), "--output", str(output), "--force")[0] == 0
    assert (output / "app.sql").read_text(encoding="utf-8") != "-- mine\n"


def test_dry_run_writes_nothing_and_strict_leaves_with_one(tmp_path: Path) -> None:
    script, output = tmp_path / "job.sql", tmp_path / "converted"
    script.write_text(PARTLY, encoding="utf-8")

    code, page, _ = run(str(script), "--output", str(output), "--dry-run", "--strict")

    assert (code, output.exists()) == (1, False)
    assert page.startswith("# Conversion report")


def test_several_jobs_have_a_folder_each(tmp_path: Path) -> None:
    folder, output = tmp_path / "jobs", tmp_path / "converted"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.sql").write_text(GOOD, encoding="utf-8")

    assert run(str(folder), "--output", str(output))[0] == 0
    assert sorted(str(path.relative_to(output)) for path in output.rglob("app.sql")) == ["one/app.sql", "two/app.sql"]
    totals = json.loads((output / "conversion_report.json").read_text(encoding="utf-8"))["totals"]
    assert (totals["jobs"], totals["statements"]) == (2, 2)


def test_a_note_of_one_of_several_jobs_says_which(tmp_path: Path) -> None:
    one, two = (
        Reported(convert_job(name, [parse_script(GOOD, file=f"{name}.sql")]), Generated(notes=("look here",)))
        for name in ("one", "two")
    )
    text = import_text([one, two], Written(), tmp_path)
    assert "note: one: look here" in text
    assert "note: two: look here" in text
    assert "note: look here" in import_text([one], Written(), tmp_path)


def test_a_folder_that_cannot_be_written_or_read(tmp_path: Path) -> None:
    script = tmp_path / "job.sql"
    script.write_text(GOOD, encoding="utf-8")
    (tmp_path / "file").write_text("", encoding="utf-8")

    assert run(str(script), "--output", str(tmp_path / "file" / "below"))[0] == 2
    assert run(str(tmp_path / "missing.sql"))[0] == 2


COLUMNS = """
CREATE TABLE t (a INT, b STRING, c AS a + 1) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
CREATE TABLE u (d INT) WITH ('connector' = 'kafka', 'topic' = 'u', 'format' = 'json');
INSERT INTO u SELECT a FROM t;
"""


def test_markdown_has_one_row_for_the_columns_of_a_table_and_the_json_has_one_for_each() -> None:
    job = Reported(convert_job("job", [parse_script(COLUMNS, file="job.sql")]))

    rows = report_markdown([job])

    assert "| job.sql:2 | `a, b` | 2 columns | the same columns |  |  |" in rows
    assert "| job.sql:2 | `c AS a + 1` | computed column |" in rows
    assert "| job.sql:3 | `d INT` | column |" in rows
    assert report_data([job])["jobs"][0]["totals"]["constructs"] == 7, "two tables, four columns, an INSERT"


@pytest.mark.parametrize(("killed", "mark"), [(0, "!"), (1, "✓")])
def test_a_score_below_a_half_has_no_tick(killed: int, mark: str, tmp_path: Path) -> None:
    survivor = Survivor("q", "o", 1, "a", "b", "a row")
    made = Generated(score=MutationScore(killed, (survivor,), killed + 1, killed + 1))
    job = convert_job("job", [parse_script(GOOD, file="job.sql")])

    text = import_text([Reported(job, made)], Written(), tmp_path)

    assert f"{mark} mutation score" in text
    assert ("the report says what input" in text) == (mark == "!")


def test_secrets_of_the_kept_input_are_told_and_production_options_are_shown_without(tmp_path: Path) -> None:
    script = GOOD.replace("'url' = 'there'", "'url' = 'jdbc:there', 'password' = 'hidden'")
    job = Reported(convert_job("job", [parse_script(script, file="job.sql")]))
    told = "original/ holds options that look like secrets (t: password): do not commit them"

    report = report_markdown([job])

    assert told in report
    assert f"note: {told}" in import_text([job], Written(), tmp_path)
    assert "| t | url | jdbc:there |" in report
    assert "| t | password | *** |" in report
    assert "hidden" not in report
    assert "original/ holds" not in report_markdown([Reported(convert_job("job", [parse_script(GOOD)]))])

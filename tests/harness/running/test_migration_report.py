"""The migration report: what a folder of JSON reports says together, and the verdict."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from tests.harness.running.test_reports import EVIL, failure, query

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.coverage.points import CoverPoint
from velo_harness.reports.json_report import run_json
from velo_harness.reports.migration import Part, Status, gather
from velo_harness.reports.migration_pages import migration_html, migration_json, migration_markdown
from velo_harness.result import Outcome, RunResult

SCHEMA = json.loads((files("velo_harness") / "schemas/migration_report.schema.json").read_text())
IMPORTED = {
    "schema_version": 1,
    "kind": "import",
    "status": "passed",
    "headline": "3 of 3 queries were converted",
    "facts": {"queries": 3, "by hand": None},
    "findings": [{"message": "a UDF was left out", "level": "warning", "location": {"file": "job.sql", "line": 4}}],
}
SHADOWED = {"schema_version": 1, "kind": "shadow", "status": "passed", "headline": "1,234,567 rows, all the same"}
MUTATED = {
    "schema_version": 1,
    "kind": "mutation",
    "score": 0.75,
    "threshold": 0.9,
    "counts": {"killed": 3, "survived": 1},
    "programs": [
        {
            "file": "a.sql",
            "mutants": [
                {"operator": "drop_where", "statement": "q", "outcome": "survived", "line": 3, "mutated": "FROM t"},
                {"operator": "drop_where", "statement": "q", "outcome": "killed", "mutated": "FROM u"},
            ],
        }
    ],
}
PASSED = RunResult((query(),), (), 1000)
FAILED = RunResult((query(), query(Outcome.FAILED, failures=(failure(),))), (), 1000)


def put(folder: Path, name: str, content: object) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.fixture
def complete(tmp_path: Path) -> Path:
    """All that is needed, passed."""
    put(tmp_path, "import.json", IMPORTED)
    put(tmp_path, "nested/tests.json", run_json(PASSED))
    put(tmp_path, "shadow.json", SHADOWED)
    return tmp_path


def test_all_that_is_needed_makes_it_ready(complete: Path) -> None:
    report = gather(complete)
    assert (report.verdict, report.exit_code) == (Status.PASSED, 0)
    assert report.line == (
        "Ready to migrate: import: 3 of 3 queries were converted; tests: 1 passed in 1.00 s; shadow: 1,234,567 rows, all the same"
    )
    assert report.status(Part.MUTATION) is Status.NOT_RUN


@pytest.mark.parametrize("missing", ["import.json", "nested/tests.json", "shadow.json"])
def test_what_was_not_run_leaves_it_open(complete: Path, missing: str) -> None:
    (complete / missing).unlink()
    report = gather(complete)
    assert (report.verdict, report.exit_code) == (Status.INCONCLUSIVE, 4)
    assert report.line == f"Not proven: {Path(missing).stem}: not run"


def test_only_what_is_required_is_missed(complete: Path) -> None:
    (complete / "shadow.json").unlink()
    assert gather(complete, (Part.IMPORT, Part.TESTS)).verdict is Status.PASSED


def test_a_failing_query_forbids_it(complete: Path) -> None:
    put(complete, "more.json", run_json(FAILED))
    report = gather(complete)
    assert (report.verdict, report.exit_code) == (Status.FAILED, 1)
    assert report.line == "Not ready to migrate: tests: 1 passed, 1 failed in 1.00 s"
    (remark,) = next(found for found in report.parts[Part.TESTS] if found.findings).findings
    assert str(remark.location) == "x.test.yaml:7:5"


def test_a_mutation_score_below_its_threshold_forbids_it(complete: Path) -> None:
    put(complete, "mutation.json", MUTATED)
    report = gather(complete)
    assert report.line == "Not ready to migrate: mutation: 75.0 % of the mutants were noticed, below 90 %"
    assert [str(f.location) for f in report.parts[Part.MUTATION][0].findings] == ["a.sql:3:1"]
    put(complete, "mutation.json", MUTATED | {"threshold": 0.7})
    assert gather(complete).verdict is Status.PASSED


def test_coverage_of_a_test_run_is_a_part_of_its_own(complete: Path) -> None:
    point = CoverPoint("a.sql", 2, 7, "condition", "amount > 1", "q", {"true": 3, "false": 0})
    put(complete, "nested/tests.json", run_json(RunResult((query(coverage=(point,)),))))
    (found,) = gather(complete).parts[Part.COVERAGE]
    assert found.headline == "50.0 % of the outcomes of the SQL were seen"
    assert found.findings[0].message == "condition amount > 1: never false"


def test_an_inconclusive_part_leaves_it_open(complete: Path) -> None:
    put(complete, "shadow.json", SHADOWED | {"status": "inconclusive", "headline": "too few rows"})
    assert gather(complete).line == "Not proven: shadow: too few rows"


@pytest.mark.parametrize(
    "content", ["[1]", "{}", "not json", '{"kind": "import"}', '{"schema_version": 3, "kind": "other"}']
)
def test_json_of_others_is_left_alone(complete: Path, content: str) -> None:
    put(complete, "package.json", content)
    assert gather(complete).verdict is Status.PASSED


@pytest.mark.parametrize(
    ("change", "problem"),
    [({"status": "fine"}, "status"), ({"headline": 3}, "headline"), ({"schema_version": 2}, "schema_version 2")],
)
def test_a_report_without_its_form_is_an_error_that_names_it(complete: Path, change: dict, problem: str) -> None:
    put(complete, "import.json", IMPORTED | change)
    with pytest.raises(VeloError, match=problem) as refused:
        gather(complete)
    assert refused.value.code is ErrorCode.BAD_VALUE
    assert "import.json" in refused.value.message


def test_the_parts_fit_the_schema_that_they_are_documented_by() -> None:
    part_file = {"$ref": "#/$defs/part_file", "$defs": SCHEMA["$defs"]}
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for content in (IMPORTED, SHADOWED):
        jsonschema.validate(content, part_file)


def test_the_json_page_fits_its_schema_whatever_it_holds(complete: Path) -> None:
    put(complete, "shadow.json", SHADOWED | {"headline": EVIL.replace("\ud800", ""), "status": "failed"})
    put(complete, "mutation.json", MUTATED)
    report = gather(complete)
    document = json.loads(migration_json(report))
    jsonschema.validate(document, SCHEMA)
    assert document["verdict"]["status"] == "failed"
    assert document["parts"]["coverage"] == {"status": "not run", "reports": []}


def test_pages_say_the_verdict_and_every_part(complete: Path) -> None:
    put(complete, "mutation.json", MUTATED)
    report = gather(complete)
    for page in (migration_markdown(report), migration_html(report)):
        for text in ("Not ready to migrate", "3 of 3 queries were converted", "SQL coverage", "not run", "drop"):
            assert text in page


def test_nothing_hostile_or_secret_gets_into_the_pages(complete: Path) -> None:
    hostile = "<script>alert(1)</script> @team \x1b[2J password=hunter2 | `x`"
    put(
        complete,
        "shadow.json",
        SHADOWED | {"headline": hostile, "facts": {hostile: hostile}, "findings": [{"message": hostile}]},
    )
    report = gather(complete)
    for page in (migration_markdown(report), migration_html(report), migration_json(report)):
        assert "\x1b" not in page
        assert "hunter2" not in page
    for page in (migration_markdown(report), migration_html(report)):
        assert "<script>alert" not in page
    assert "@team" not in migration_markdown(report)


@pytest.mark.parametrize(("arguments", "code"), [((), 4), (("--require", "tests"), 0)])
def test_the_command_leaves_with_the_verdict(arguments: tuple[str, ...], code: int, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from velo_cli.velo import app

    put(tmp_path, "tests.json", run_json(PASSED))
    pages = [tmp_path / name for name in ("out/page.html", "out/page.md")]
    ran = CliRunner().invoke(app, ["report", str(tmp_path), *arguments, *(f"--report={page}" for page in pages)])
    assert ran.exit_code == code, ran.output
    assert pages[0].read_text().startswith("<!DOCTYPE html>")
    assert pages[1].read_text().startswith("### ")

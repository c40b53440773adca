"""`--velo-report` writes the reports that velo-test writes, with and without xdist."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from tests.pytest_plugin.conftest import Project

SCHEMA = json.loads((files("velo_harness") / "schemas/report.schema.json").read_text())


def report(path: Path) -> dict:
    found = json.loads(path.read_text())
    jsonschema.validate(found, SCHEMA)
    return found


def outcomes(found: dict) -> dict[str, str]:
    return {q["query"]: q["outcome"] for q in found["queries"]}


@pytest.fixture
def failing(project: Project) -> Project:
    project.spec("equals: 1", "equals: 2")
    return project


def test_several_reports_are_written_by_their_endings(failing: Project) -> None:
    names = ("out/r.json", "out/r.html", "out/r.md", "out/r.xml", "out/r.txt")
    ran = failing.run(*(f"--velo-report={name}" for name in names))

    ran.assert_outcomes(passed=1, failed=1)
    found = report(failing.root / "out/r.json")
    assert outcomes(found) == {"large": "passed", "small": "failed"}
    assert found["queries"][1]["failures"][0]["actual"] == "1 record"
    assert found["queries"][0]["profile"]["columns"][0]["name"] == "id"
    assert (failing.root / "out/r.html").read_text().startswith("<!DOCTYPE html>")
    assert "1 failed" in (failing.root / "out/r.md").read_text()
    assert ElementTree.parse(failing.root / "out/r.xml").getroot().get("failures") == "1"
    ran.stdout.fnmatch_lines(["velostream: report in out/r.json"])


def test_without_the_option_nothing_is_written(project: Project) -> None:
    before = sorted(project.root.rglob("*.*"))
    project.run()
    assert [p for p in sorted(project.root.rglob("*.*")) if p not in before and "__pycache__" not in p.parts] == []


def test_marks_count_as_pytest_counts_them(project: Project) -> None:
    project.spec("    tags: [money]", "    marks: [{ xfail: known }]")
    project.spec("  - name: small\n", "  - name: small\n    skip: not today\n")
    project.run("--velo-report=r.json", "-o", "xfail_strict=true")

    found = report(project.root / "r.json")
    assert outcomes(found) == {"large": "failed", "small": "skipped"}
    assert "XPASS(strict)" in found["queries"][0]["error"]["message"]
    assert found["queries"][1]["skip_reason"] == "not today"


def test_an_expected_failure_is_skipped(failing: Project) -> None:
    failing.spec("  - name: small\n", "  - name: small\n    marks: [{ xfail: known }]\n")
    failing.run("--velo-report=r.json").assert_outcomes(passed=1, xfailed=1)

    found = report(failing.root / "r.json")
    assert outcomes(found) == {"large": "passed", "small": "skipped"}
    assert found["queries"][1]["skip_reason"] == "failed as expected: known"


def test_a_spec_that_does_not_load_is_in_the_report(project: Project) -> None:
    project.spec("application: orders", "aplication: orders\napplication: orders")
    project.run("--velo-report=r.json")

    (broken,) = report(project.root / "r.json")["file_errors"]
    assert (broken["file"], broken["error"]["code"]) == ("specs/orders.test.yaml", "VELO2002")


@pytest.mark.slow
def test_results_of_the_workers_of_xdist_are_gathered_in_order(failing: Project) -> None:
    names = [f"q{number}" for number in range(6)]
    sql = "".join(f"CREATE STREAM {name} AS SELECT id FROM orders;\n" for name in names)
    rows = "inputs: [{ source: orders, rows: [{ id: 1, amount: 1 }] }]"
    queries = "".join(f"  - name: {name}\n    {rows}\n    expect: {{ rows: [{{ id: 1 }}] }}\n" for name in names)
    failing.write("specs/more.sql", sql)
    failing.write("specs/more.test.yaml", f"application: more\nqueries:\n{queries}")
    failing.write("specs/broken.test.yaml", "application: broken\nquerys: []\nqueries: []\n")
    plugins = ("-n", "2", "-p", "no:randomly", "-p", "no:cacheprovider")
    failing.pytester.runpytest_subprocess(*plugins, "--velo-report=r.json", "--continue-on-collection-errors")

    found = report(failing.root / "r.json")
    assert [q["query"] for q in found["queries"]] == [*names, "large", "small"]
    assert outcomes(found)["small"] == "failed"
    assert [broken["file"] for broken in found["file_errors"]] == ["specs/broken.test.yaml"]


def test_changes_since_an_earlier_report_are_told(project: Project) -> None:
    project.run("--velo-report=old.json")
    project.spec("equals: 1", "equals: 2")
    project.run("--velo-report=new.json", "--velo-report=new.md", "--velo-compare-to=old.json")

    trend = report(project.root / "new.json")["trend"]
    assert trend["against"] == "old.json"
    assert trend["newly_failing"] == ["specs/orders.test.yaml::small"]
    assert "**1 newly failing:** <code>specs/orders.test.yaml::small</code>" in (project.root / "new.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--velo-compare-to=old.json"], "has no effect without --velo-report"),
        (["--velo-compare-to=nothing.json", "--velo-report=r.json"], "there is no report*nothing.json"),
    ],
)
def test_what_cannot_be_reported_is_a_usage_error(project: Project, arguments: list[str], message: str) -> None:
    ran = project.run(*arguments)
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines([f"*{message}*"])


def test_a_report_that_cannot_be_written_makes_the_run_fail(project: Project) -> None:
    ran = project.run("--velo-report=specs/orders.sql/r.json")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stdout.fnmatch_lines(["*VELO3002*cannot be written*"])


def test_failures_are_annotated_in_github_actions(failing: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    ran = failing.run()
    ran.stdout.fnmatch_lines(["::error file=specs/orders.test.yaml,line=15,col=15,title=small%3A record_count::*"])

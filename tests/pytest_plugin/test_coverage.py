"""`--velo-cov`: SQL coverage of a pytest run, with and without xdist."""

from __future__ import annotations

import json

import pytest
from tests.pytest_plugin.conftest import Project

# `large`: amount > 10 is false, true, true; never NULL. `small`: amount <= 10 is true, false; never NULL.
SUMMARY = "*specs/orders.sql*66.7 %*4 of 6 outcomes"


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_the_summary_is_that_of_all_items(project: Project, workers: tuple[str, ...]) -> None:
    ran = project.run("--velo-cov", *workers)

    ran.assert_outcomes(passed=2)
    ran.stdout.fnmatch_lines(
        [
            "*SQL coverage*",
            SUMMARY,
            "*line 3: condition amount > 10: no row was NULL",
            "*line 7: condition amount <= 10: *NULL",
        ]
    )


@pytest.mark.parametrize(("percent", "code"), [("66", 0), ("67", 1)])
def test_the_threshold(project: Project, percent: str, code: int) -> None:
    ran = project.run(f"--velo-cov-fail-under={percent}")

    ran.assert_outcomes(passed=2)
    assert ran.ret == code
    assert ("SQL coverage is below 67 %" in ran.stdout.str()) == bool(code)


def test_annotated_sql_and_the_json_report(project: Project) -> None:
    project.run("--velo-cov", "--velo-cov-annotate=out/cov.txt", "--velo-report=out/r.json")

    lines = (project.root / "out/cov.txt").read_text().splitlines()
    assert "!    3 | SELECT id, amount FROM orders WHERE amount > 10" in lines
    found = json.loads((project.root / "out/r.json").read_text())
    assert found["coverage"] == {"share": 4 / 6, "files": [{"file": "specs/orders.sql", "share": 4 / 6}]}
    assert [p["seen"] for p in found["queries"][0]["coverage"] if p["line"] == 3] == [
        {"true": 2, "false": 1, "NULL": 0}
    ]


def test_without_the_option_nothing_is_said(project: Project) -> None:
    assert "SQL coverage" not in project.run().stdout.str()

"""The reports of `velo-test run`: several in one run, comparisons, annotations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def change(project: Path, old: str, new: str) -> None:
    path = project / "orders.test.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_several_reports_in_one_run_and_one_on_stdout(command, project: Path) -> None:
    names = ("r.json", "r.html", "r.md", "r.xml")
    ran = command("velo-test", "run", ".", *(f"--report=out/{name}" for name in names), "--output", "github")
    assert (ran.code, ran.out) == (0, "")
    starts = [(project / "out" / name).read_text()[:14] for name in names]
    assert [start.split()[0] for start in starts] == ["{", "<!DOCTYPE", "###", "<?xml"]
    assert ran.err.splitlines()[-4:] == [f"report in out/{name}" for name in names]
    assert json.loads((project / "out/r.json").read_text())["queries"][0]["profile"]["columns"][0]["name"] == "id"


def test_nothing_is_measured_for_plots_that_nobody_asked_for(
    command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("measured")

    monkeypatch.setattr("velo_harness.query_run.profile_of", refuse)
    assert command("velo-test", "run", ".", "--report", "r.xml", "--report", "r.md").code == 0
    assert "measured" in command("velo-test", "run", ".", "--report", "r.json").err


def test_what_changed_is_told(command, project: Path) -> None:
    command("velo-test", "run", ".", "--report", "old.json")
    change(project, "rows: [{ id: 2, amount: 12.50 }]", "rows: []")
    ran = command("velo-test", "run", ".", "--compare-to", "old.json", "--output", "markdown")
    assert ran.code == 1
    assert "since old.json:\n  1 newly failing\n    orders.test.yaml::large\n" in ran.err
    assert "- **1 newly failing:** <code>orders.test.yaml::large</code>" in ran.out


def test_a_comparison_with_nothing_is_an_error_before_anything_runs(command, project: Path) -> None:
    ran = command("velo-test", "run", ".", "--compare-to", "old.json", "--report", "r.json")
    assert ran.code == 2
    assert "VELO3001" in ran.err
    assert not (project / "r.json").exists()


@pytest.mark.parametrize(("output", "where"), [("github", "out"), ("json", "err"), (None, "err")])
def test_failures_are_annotated_in_actions(
    command, project: Path, monkeypatch: pytest.MonkeyPatch, output: str | None, where: str
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    change(project, "rows: [{ id: 2, amount: 12.50 }]", "rows: []")
    ran = command("velo-test", "run", ".", *(("--output", output) if output else ()))
    texts = {"out": ran.out, "err": ran.err}
    lines = [line for line in texts.pop(where).splitlines() if line.startswith("::error ")]
    assert len(lines) == 1
    assert lines[0].startswith("::error file=orders.test.yaml,line=")
    assert "::error" not in texts.popitem()[1]

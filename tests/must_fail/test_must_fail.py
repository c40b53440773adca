"""Wrong specs and wrong data: each fails, at the place marked `# here`, for the reason that its head states.

A file says in comments why it is wrong, how it ends (`# outcome: failed` or `error`) and a regular expression that its
reason, and no other file's, fulfils (`# fails:`).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from velo_cli.velo_test import app
from velo_engine.errors import Location, VeloError
from velo_harness.assertion_types import ASSERTION_TYPES
from velo_harness.reports.text import query_text
from velo_harness.result import CheckFailure, QueryResult
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("*/*.yaml"))
EXPECTED_KINDS = {f"expect.{kind}" for kind in ("rows", "rows_file", "changelog", "late", "error")}


@dataclass(frozen=True)
class Ending:
    """How a spec ended: the first thing that is wrong with it."""

    outcome: str
    reason: str
    check: str
    location: Location | None
    result: QueryResult | None = None


@dataclass(frozen=True)
class Stated:
    """What the head of a file states."""

    outcome: str
    fails: str
    line: int | None
    """Of the mark `# here`."""


def stated(path: Path) -> Stated:
    text = path.read_text(encoding="utf-8")
    outcome, fails = (re.search(rf"^# {key}: (.+)$", text, re.MULTILINE) for key in ("outcome", "fails"))
    assert outcome is not None
    assert fails is not None
    marked = [n for n, line in enumerate(text.splitlines(), 1) if line.endswith((" # here", " -- here"))]
    assert len(marked) <= 1
    return Stated(outcome[1], fails[1], marked[0] if marked else None)


@cache
def ending(path: Path) -> Ending:
    try:
        spec = load_spec(path)
    except VeloError as error:
        return of_error(error, "error")
    for query in spec.queries:
        result = run_query(spec, query, RunSettings(), item=query.name, rerun=f"velo-test run {path}")
        if result.error is not None:
            return of_error(result.error, result.outcome.value, result)
        if result.failures:
            return of_failure(result.failures[0], result)
    return Ending("passed", "", "", None)


def of_error(error: VeloError, outcome: str, result: QueryResult | None = None) -> Ending:
    return Ending(outcome, f"{error.code.name}: {error.message}", error.code.name, error.location, result)


def of_failure(failure: CheckFailure, result: QueryResult) -> Ending:
    finding = failure.finding
    rows = " | ".join(", ".join(f"{name}={value}" for name, value in row.items()) for row in finding.examples)
    hints = "; ".join(note for note in finding.notes if not note.startswith("why it is missing"))
    reason = f"{failure.check}: expected {finding.expected}; actual {finding.actual}; rows {rows}; {hints}"
    return Ending(result.outcome.value, reason, failure.check, failure.location, result)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_it_fails_for_its_reason(path: Path) -> None:
    wanted, found = stated(path), ending(path)

    assert found.outcome == wanted.outcome, found
    assert re.search(wanted.fails, found.reason), found.reason
    if wanted.line is not None:
        assert found.location is not None
        assert found.location.line == wanted.line
        assert Path(found.location.file).name == path.name


def test_the_reasons_are_distinct() -> None:
    reasons = {path: ending(path).reason for path in FILES}
    shared = [
        (path.name, other.name)
        for path in FILES
        for other, reason in reasons.items()
        if other != path and re.search(stated(path).fails, reason)
    ]
    assert shared == []
    assert len(FILES) >= 200


def test_every_type_of_assertion_and_every_kind_of_expectation_fails_somewhere() -> None:
    checks = {found.check for path in FILES if (found := ending(path)).outcome == "failed"}
    assert set(ASSERTION_TYPES) <= checks
    assert checks >= EXPECTED_KINDS


FAILED = [p for p in FILES if p.parent.name in ("assertions", "expectations") and stated(p).outcome == "failed"]


@pytest.mark.parametrize("path", FAILED, ids=lambda path: path.stem)
def test_a_failure_says_all_that_a_person_needs(path: Path) -> None:
    found = ending(path)
    assert found.result is not None
    text = query_text(found.result)

    assert "  expected: " in text
    assert "  actual:   " in text
    assert f"  --> {found.location}" in text
    assert found.location is not None
    assert found.location.text.strip() in text
    assert text.endswith(f"run it again: velo-test run {path}")


def some_of_each_check() -> Iterator[Path]:
    """One file for each check that fails."""
    seen: set[str] = set()
    for path in FAILED:
        check = ending(path).check
        if check not in seen:
            seen.add(check)
            yield path


def test_the_command_that_a_failure_names_runs_just_that_query_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER.parents[1])
    for path in some_of_each_check():
        first = CliRunner().invoke(app, ["run", str(path)])
        commands = re.findall(r"run it again: velo-test (.+)$", first.output, re.MULTILINE)
        again = CliRunner().invoke(app, shlex.split(commands[0]))

        assert again.exit_code == first.exit_code != 0, again.output
        assert len(re.findall(r"^  [✗!] ", again.output, re.MULTILINE)) == 1, again.output
        assert re.findall(r"^  --> .+$", again.output, re.MULTILINE) == re.findall(
            r"^  --> .+$", first.output, re.MULTILINE
        )

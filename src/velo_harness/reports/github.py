"""Annotations for GitHub Actions: each failure as a workflow command at the line of its check.

The form is that of GitHub's page "Workflow commands for GitHub Actions".
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from velo_engine.errors import Location, VeloError
from velo_harness.reports.shown_values import printable, printable_lines
from velo_harness.reports.text import check_text
from velo_harness.result import CheckFailure, QueryResult, RunResult

IN_ACTIONS = "GITHUB_ACTIONS"
"""The environment variable that says where we run."""
WORKSPACE = "GITHUB_WORKSPACE"
"""… and the one with the folder that annotated paths are relative to."""


def run_annotations(run: RunResult) -> str:
    """One line a failure, error and warning; empty when there is none."""
    lines = [_of_error(broken.error, f"{broken.file}: not loaded", broken.file) for broken in run.file_errors]
    for query in run.queries:
        lines += _of_query(query)
    return "".join(f"{line}\n" for line in lines)


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether a run is one of GitHub Actions, which reads annotations from what a step prints."""
    return environment.get(IN_ACTIONS) == "true"


def silenced(text: str) -> str:
    """Text of a step in which GitHub reads no commands, whatever stands in it."""
    token = secrets.token_hex(16)
    return f"::stop-commands::{token}\n{text}\n::{token}::"


def _of_query(q: QueryResult) -> Iterator[str]:
    if q.error is not None:
        yield _of_error(q.error, q.query, q.spec_file)
    for failure in q.failures:
        yield _of_check("error", q, failure)
    for warning in q.warnings:
        yield _of_check("warning", q, warning)


def _of_check(command: str, q: QueryResult, failure: CheckFailure) -> str:
    text = f"{check_text(failure)}\nrun it again: {q.rerun}"
    return _command(command, f"{q.query}: {failure.check}", text, failure.location)


def _of_error(error: VeloError, title: str, file: str) -> str:
    return _command("error", title, printable_lines(str(error)), error.location or Location(file, 1))


def _command(command: str, title: str, text: str, place: Location) -> str:
    properties = {"file": _in_workspace(place.file), "line": str(place.line), "col": str(place.column), "title": title}
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{command} {written}::{_message(text)}"


def _in_workspace(file: str) -> str:
    """The path as GitHub knows it: from the top of the repository."""
    top = os.environ.get(WORKSPACE)
    if not top:
        return file
    path = Path(file).absolute()
    return path.relative_to(top).as_posix() if path.is_relative_to(top) else file


def _message(text: str) -> str:
    clean = "\n".join(printable(line) for line in printable_lines(text).split("\n"))
    return clean.replace("%", "%25").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")

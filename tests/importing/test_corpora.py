"""Real scripts: nothing crashes, every converted program plans, and every token of the input is accounted for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.importing import coverage
from tests.importing.flink_verdicts import refused
from velo_engine.engine import Engine
from velo_engine.sql.flink.script import FlinkScript
from velo_import.convert.job import convert_job
from velo_import.inputs.files import JobInput, read_jobs
from velo_import.model import Outcome

FOLDER = Path(__file__).parents[3] / "shared" / "corpora" / "flink-sql"
NAMES = sorted(path.name for path in FOLDER.iterdir()) if FOLDER.is_dir() else []

pytestmark = pytest.mark.skipif(not NAMES, reason="the collection of Flink SQL scripts is not here")

_NO_TOKENS = re.compile(r"--[^\n]*|//[^\n]*|/\*.*?\*/|;|\s+", re.DOTALL)
_FRAME = re.compile(
    r"(?:EXECUTE)?(?:STATEMENT)?(?:SET)?BEGIN(?:STATEMENT)?(?:SET)?|STATEMENTSET(?:BEGIN)?|END", re.IGNORECASE
)


SAMPLED = 6
"""Jobs of a corpus that every run converts; all of them take a minute, and are slow tests."""


@pytest.mark.parametrize("name", NAMES)
def test_every_statement_of_a_sample_is_accounted_for(name: str) -> None:
    found = read_jobs(FOLDER / name)
    _check(found[:: -(-len(found) // SAMPLED)])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_statement_of_a_corpus_is_accounted_for(name: str) -> None:
    _check(read_jobs(FOLDER / name))


def _check(job_inputs: Sequence[JobInput]) -> None:
    """Nothing crashes, all that is converted is planned, and every statement and token is in the report."""
    for job_input in job_inputs:
        job = convert_job(job_input.name, job_input.scripts)

        plan = Engine().plan(job.app_sql, variables={})
        assert {s.name for s in job.statements if s.sql is not None} == set(plan.statements)
        lines = {(c.location.file, c.location.line) for c in job.constructs}
        assert not _left_over(job_input.scripts[-1]), "the other scripts are the last ones of jobs of their own"
        for script in job_input.scripts:
            for statement in script.statements:
                first = statement.place.location.line
                last = first + script.text.count("\n", statement.place.start, statement.place.end)
                assert any((script.file, line) in lines for line in range(first, last + 1)), statement.place.location
        for one in job.unconverted:
            (construct,) = one.constructs
            assert construct.outcome is Outcome.NOT_CONVERTED
            assert construct.reason


def _left_over(script: FlinkScript) -> str:
    """What stands outside all statements, but for comments and frames of statement sets."""
    text = list(script.text)
    for statement in script.statements:
        text[statement.place.start : statement.place.end] = " " * (statement.place.end - statement.place.start)
    return _FRAME.sub("", _NO_TOKENS.sub("", "".join(text)))


def test_the_page_of_coverage_says_what_was_counted() -> None:
    assert coverage.PAGE.read_text(encoding="utf-8") == coverage.page(coverage.kept(), refused())


def test_a_sample_of_the_corpora_comes_to_what_was_counted() -> None:
    """Every fortieth job: all of them take a minute, by `python -m tests.importing.coverage`."""
    kept = coverage.kept()
    for job_input in list(coverage.job_inputs())[::40]:
        for digest, one in coverage.of_job(job_input):
            if one.reason is None:
                assert kept[digest].reason is None, job_input.name
            if kept[digest].reason is not None:
                assert one.reason is not None, job_input.name

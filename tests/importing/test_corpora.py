"""Real scripts: nothing crashes, every converted program plans, and every token of the input is accounted for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.importing import coverage
from velo_engine.engine import Engine
from velo_engine.sql.flink.script import FlinkScript
from velo_import.convert.job import convert_job
from velo_import.inputs.files import read_jobs
from velo_import.model import Outcome

FOLDER = Path(__file__).parents[3] / "shared" / "corpora" / "flink-sql"
NAMES = sorted(path.name for path in FOLDER.iterdir()) if FOLDER.is_dir() else []

pytestmark = pytest.mark.skipif(not NAMES, reason="the collection of Flink SQL scripts is not here")

_NO_TOKENS = re.compile(r"--[^\n]*|//[^\n]*|/\*.*?\*/|;|\s+", re.DOTALL)
_FRAME = re.compile(
    r"(?:EXECUTE)?(?:STATEMENT)?(?:SET)?BEGIN(?:STATEMENT)?(?:SET)?|STATEMENTSET(?:BEGIN)?|END", re.IGNORECASE
)


@pytest.mark.parametrize("name", NAMES)
def test_every_statement_of_a_corpus_is_accounted_for(name: str) -> None:
    for job_input in read_jobs(FOLDER / name):
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


def test_the_page_of_coverage_is_what_the_corpora_give() -> None:
    assert coverage.PAGE.read_text(encoding="utf-8") == coverage.page(coverage.counted())

"""Real scripts: nothing crashes, every converted program plans, and every token of the input is accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.importing import coverage
from tests.importing.flink_verdicts import refused
from velo_import.convert.job import convert_job
from velo_import.inputs.files import read_jobs

FOLDER = Path(__file__).parents[3] / "shared" / "corpora" / "flink-sql"
NAMES = sorted(path.name for path in FOLDER.iterdir()) if FOLDER.is_dir() else []

pytestmark = pytest.mark.skipif(not NAMES, reason="the collection of Flink SQL scripts is not here")

SAMPLED = 4
"""Jobs of a corpus that are converted here; all of them are by `python -m tests.importing.coverage`."""


@pytest.mark.parametrize("name", NAMES)
def test_every_statement_of_a_sample_is_accounted_for(name: str) -> None:
    found = read_jobs(FOLDER / name)
    for job_input in found[:: -(-len(found) // SAMPLED)]:
        coverage.check(job_input, convert_job(job_input.name, job_input.scripts))


def test_the_page_of_coverage_says_what_was_counted() -> None:
    assert coverage.PAGE.read_text(encoding="utf-8") == coverage.page(coverage.kept(), refused())


def test_a_sample_of_the_corpora_comes_to_what_was_counted() -> None:
    """Some jobs: all of them take a minute, by `python -m tests.importing.coverage`."""
    kept = coverage.kept()
    for job_input in list(coverage.job_inputs())[::90]:
        for digest, one in coverage.of_job(job_input):
            if one.reason is None:
                assert kept[digest].reason is None, job_input.name
            if kept[digest].reason is not None:
                assert one.reason is not None, job_input.name

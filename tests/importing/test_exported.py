"""Exported programs give on Flink what the programs give here: recorded answers, in value, type and kind of row."""

from __future__ import annotations

import pytest

from tests.importing.exported import exported, programs, question
from tests.importing.roundtrip import ROOT, results
from tests.oracle.case import CASES, load
from tests.oracle.comparison import difference
from tests.oracle.engine_runner import run_program
from velo_engine import JobOptions

PROGRAMS = programs()


@pytest.mark.parametrize("name", PROGRAMS)
def test_flinks_answer_to_the_exported_program_is_the_engines_to_the_program(name: str) -> None:
    text = PROGRAMS[name]["program"]
    case = load(CASES / "exported" / f"{name}.json")
    columns, query = question(exported(text))
    asked = {table: " ".join(given.columns.split()) for table, given in case.definition.tables.items()}
    assert (columns, query) == (asked, case.definition.query), "Flink was asked something else: record it again"
    answer = run_program(text, case.definition, JobOptions(batch_size=10_000))
    assert case.answer.error is None
    assert case.answer.changelog
    found = difference(case.answer, answer, case.definition.compare)
    assert found is None, found


def test_there_are_cases_for_every_kind_of_query() -> None:
    assert len(PROGRAMS) >= 20
    texts = " ".join(entry["program"] for entry in PROGRAMS.values())
    for word in (
        "TUMBLING",
        "SLIDING",
        "CUMULATING",
        "SESSION",
        "WITHIN",
        "LEFT JOIN",
        "ROW_NUMBER",
        "OVER w",
        "UNION",
    ):
        assert word in texts


@pytest.mark.parametrize(
    "spec",
    [
        "tiers/tier1/05_casts.test.yaml",
        "tiers/tier2/03_hopping.test.yaml",
        "tiers/tier2/05_session.test.yaml",
        "tiers/tier3/05_interval.test.yaml",
        "tiers/tier4/05_deduplication.test.yaml",
        "tiers/tier5/08_pivot.test.yaml",
    ],
)
def test_specs_hold_for_the_program_that_is_exported_and_imported_again(spec: str) -> None:
    """`python -m tests.importing.roundtrip` does this with all specs of tiers/ and specs/."""
    found = list(results(ROOT / spec))
    assert found
    assert {became for _, became, _ in found} == {"same"}, found

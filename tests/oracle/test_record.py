"""A real Flink still gives the recorded answers: two cases of one input here, all cases with `make oracle`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.oracle.case import CASES, Answer, load
from tests.oracle.comparison import difference
from tests.oracle.record import Flink, FlinkMissingError, ask, drift, record

pytestmark = [pytest.mark.flink, pytest.mark.slow]


@pytest.fixture(scope="module")
def flink() -> Iterator[Flink]:
    try:
        running = Flink()
    except FlinkMissingError as missing:
        pytest.skip(str(missing))
    with running:
        yield running


@pytest.mark.parametrize(
    "name",
    ["group_by/having_comes_and_goes", "tumble/closing_boundary"],
)
def test_flink_gives_the_recorded_answer(flink: Flink, name: str) -> None:
    """Schema and changes; which row caused which change depends on the load of the machine in so short a run."""
    case = load(CASES / f"{name}.json")
    again = record(flink, case.definition)
    assert replace(again, answer=replace(again.answer, events=())) == replace(
        case, answer=replace(case.answer, events=())
    )


def test_a_changed_answer_is_drift(flink: Flink) -> None:
    case = load(CASES / "tumble" / "no_delay.json")
    changelog = case.answer.changelog[:-1]
    changed = replace(case, answer=Answer(case.answer.schema, changelog, case.answer.events[:-1]))
    assert drift(flink, case) is None
    assert "more changes than expected" in str(drift(flink, changed))


def test_a_job_that_fails_gives_its_root_cause(flink: Flink) -> None:
    case = load(CASES / "arithmetic" / "int_divided_by_zero.json")
    answer = ask(flink, case.definition, quiet_ms=1)
    assert answer == Answer(error="ArithmeticException: / by zero")
    assert difference(case.answer, answer, case.definition.compare) is None

"""One fault of each kind; `python -m tests.shadow.faults` makes hundreds, with new seeds in every run."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.shadow.faults.__main__ import is_good, table
from tests.shadow.faults.command import measured_by_command
from tests.shadow.faults.fault import Part, sound_sides
from tests.shadow.faults.measuring import KINDS, Case, Outcome, case_of, compared, measured, written
from tests.shadow.scenarios.scenario import scenarios

from velo_shadow.model import Cause, Decision

FIRST = 50 * len(KINDS)
"""A multiple of the number of kinds, so that each seed is one of them."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Outcome]:
    return [measured(case_of(FIRST + i), tmp_path_factory.mktemp("fault")) for i in range(len(KINDS))]


def test_every_kind_of_fault_is_found_and_never_safe(outcomes: Sequence[Outcome]) -> None:
    assert sorted(one.kind for one in outcomes) == sorted(KINDS)
    assert [one for one in outcomes if not (one.found and one.refused and one.located)] == []


def test_nine_faults_in_ten_are_explained_and_placed(outcomes: Sequence[Outcome]) -> None:
    assert is_good(outcomes), table(outcomes, FIRST)


@pytest.mark.parametrize("kind", ["letter case", "type change"])
def test_the_command_refuses_as_the_library_does(kind: str, tmp_path: Path) -> None:
    assert measured_by_command(case_of(FIRST + sorted(KINDS).index(kind)), tmp_path)


@pytest.mark.parametrize("name", scenarios())
def test_rows_in_any_order_and_delivered_again_are_safe(name: str, tmp_path: Path) -> None:
    side, chance = sound_sides()[name], random.Random(name)
    endings = chance.sample(("parquet", "jsonl"), 2)
    again = chance.sample(list(side.rows), 7)
    delivered = [*side.rows, *again]
    chance.shuffle(delivered)
    left, right = (tmp_path / f"{i}.{ending}" for i, ending in enumerate(endings))

    result = compared(side.scenario, written(side.reference, side, left), written(delivered, side, right))

    assert result.verdict.decision is Decision.SAFE
    assert (result.counts.matched, result.counts.different) == (len(side.reference), 0)
    assert (result.counts.left_copies, result.counts.right_copies) == (0, 7)


def test_what_is_measured_can_fail(tmp_path: Path) -> None:
    case = _case("letter case")
    harmless = replace(case, fault=replace(case.fault, rows=case.side.rows))
    other_cause = replace(case, fault=replace(case.fault, causes=frozenset({Cause.TIME_ZONE})))
    other_part = replace(case, fault=replace(case.fault, part=Part(case.side.key[0], "nobody")))

    equal = measured(harmless, tmp_path)
    assert not equal.refused
    assert not is_good([equal])
    assert not measured(other_cause, tmp_path).explained
    assert measured(other_part, tmp_path).placed is False


def _case(kind: str) -> Case:
    return case_of(FIRST + sorted(KINDS).index(kind))

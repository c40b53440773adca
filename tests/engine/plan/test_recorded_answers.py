"""Types, changelog modes and upsert keys of plans, held against what a real Flink answered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import pytest
from tests.oracle.case import Case, load, recorded_paths
from tests.oracle.engine_runner import program_text
from tests.oracle.known_differences import NOT_PLANNED

from velo_engine.plan.changelog import changelog_mode
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.plan.planner import plan_program
from velo_engine.plan.upsert_keys import upsert_keys
from velo_engine.sql.parser import parse_program

NAME = "select_1"
_ATTRIBUTE = re.compile(r" \*(ROWTIME|PROCTIME)\*$")
"""How Flink marks a type as a time attribute."""
_INTO_SINKS = {
    "upsert_sinks",
    "not_null_sinks",
    "imported/amounts_of_days",
    "imported/amounts_less_coupons_of_days",
    "imported/enriched_orders_by_key",
}
"""Groups and cases in which a sink by key was written: what it got is not what its query gives."""
CASES = {
    name: path
    for path in recorded_paths()
    if not {name := f"{path.parent.name}/{path.stem}", path.parent.name} & (NOT_PLANNED | _INTO_SINKS)
    if name != "top_n/range_over_groups_without_rank"  # Flink's answer is no changelog
}


@cache
def _planned(name: str) -> tuple[Case, PlannedProgram]:
    case = load(CASES[name])
    return case, plan_program(parse_program(program_text(case.definition), variables={}))


@pytest.mark.parametrize("name", CASES)
def test_columns_have_the_names_and_types_that_flink_gives_them(name: str) -> None:
    case, program = _planned(name)
    if case.answer.error is not None:
        return  # it failed while it ran, and no schema was recorded: that it plans is all there is to say
    columns = [(c.name, str(c.type)) for c in program.statements[NAME].plan.schema.columns]
    assert columns == [(column, _ATTRIBUTE.sub("", kind)) for column, kind in case.answer.schema]


@pytest.mark.parametrize("name", CASES)
def test_the_changelog_mode_allows_the_changes_that_flink_made(name: str) -> None:
    case, program = _planned(name)
    mode = changelog_mode(program.statements[NAME].plan, program.statements)
    kinds = {change[0] for change in case.answer.changelog}
    assert mode.updates or not kinds & {"-U", "+U"}
    assert mode.deletes or "-D" not in kinds


@pytest.mark.parametrize("name", CASES)
def test_writing_by_an_upsert_key_gives_the_same_table(name: str) -> None:
    """A sink that keeps one row a key, and removes it by key, ends with the rows that all changes leave."""
    case, program = _planned(name)
    changes = case.answer.changelog
    for key in upsert_keys(program.statements[NAME].plan, program.statements):
        assert _upserted(changes, sorted(key)) == _folded(changes)


def _upserted(changes: Sequence[tuple[str | None, ...]], key: Sequence[int]) -> list[tuple[str | None, ...]]:
    rows: dict[tuple[str | None, ...], tuple[str | None, ...]] = {}
    for kind, *values in changes:
        identity = tuple(values[i] for i in key)
        if kind in ("+I", "+U"):
            rows[identity] = tuple(values)
        else:
            del rows[identity]
    return sorted(rows.values(), key=repr)


def _folded(changes: Sequence[tuple[str | None, ...]]) -> list[tuple[str | None, ...]]:
    rows: list[tuple[str | None, ...]] = []
    for kind, *values in changes:
        if kind in ("+I", "+U"):
            rows.append(tuple(values))
        else:
            rows.remove(tuple(values))
    return sorted(rows, key=repr)

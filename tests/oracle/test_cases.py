"""The recorded cases are what the definitions ask for, well formed, and hard where they say so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.oracle.case import CASES, Case, Definition, Situation, load, recorded_paths, text_of
from tests.oracle.comparison import fold
from tests.oracle.definition_files import all_definitions

PATHS = recorded_paths()
LARGEST_TOTAL = 3_000_000
"""Bytes of all recorded cases."""

WATERMARK = re.compile(r"WATERMARK FOR (\w+) AS \w+(?: - INTERVAL '([\d.]+)' SECOND)?")
INTERVAL = re.compile(r"INTERVAL '(\d+)' (SECOND|MINUTE|HOUR|DAY)")
MILLISECONDS = {"SECOND": 1_000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000}


def test_every_definition_is_recorded_as_it_stands() -> None:
    recorded = {path: load(path).definition for path in PATHS}
    defined = {definition.path: definition for definition in all_definitions()}
    changed = [str(p.relative_to(CASES)) for p in recorded.keys() | defined if recorded.get(p) != defined.get(p)]
    assert changed == [], "record them: python -m tests.oracle.record new"


def test_names_are_unique() -> None:
    paths = [definition.path for definition in all_definitions()]
    assert len(paths) == len(set(paths))


def test_the_cases_stay_small() -> None:
    assert sum(path.stat().st_size for path in PATHS) < LARGEST_TOTAL


@pytest.mark.parametrize("path", PATHS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_case_is_well_formed(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    case = load(path)
    assert text_of(case) == text
    assert (path.parent.name, path.stem) == (case.definition.group, case.definition.name)
    assert case.flink == "2.3.0"
    if case.answer.error is None:
        fold(case.answer.changelog)
        assert len(case.answer.events) == len(case.answer.changelog)
        assert list(case.answer.events) == sorted(case.answer.events)
        assert {len(change) for change in case.answer.changelog} <= {1 + len(case.answer.schema)}


@pytest.mark.parametrize("path", PATHS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_case_is_as_hard_as_it_says(path: Path) -> None:
    case = load(path)
    missing = [s for s in case.definition.situations if s in CHECKS and not CHECKS[s](case)]
    assert missing == []


def _has_nulls(case: Case) -> bool:
    return any(value is None for row in _rows(case.definition) for value in row.values())


def _has_duplicates(case: Case) -> bool:
    """Rows that are equal, or equal in everything that tells groups apart: the rows' key."""
    keys = [row.get("k", tuple(row.values())) for row in _rows(case.definition)]
    return len(set(keys)) < len(keys)


def _is_empty(case: Case) -> bool:
    return any(not table.rows for table in case.definition.tables.values())


def _is_error(case: Case) -> bool:
    return case.answer.error is not None


def _is_zoned(case: Case) -> bool:
    return "table.local-time-zone" in case.definition.config


def _is_out_of_order(case: Case) -> bool:
    return any(time < newest for time, newest, _ in _times(case.definition))


def _has_late_rows(case: Case) -> bool:
    return any(time <= newest - delay for time, newest, delay in _times(case.definition))


def _touches_a_boundary(case: Case) -> bool:
    """A row, or the watermark after it, is within 2 ms of a multiple of the query's shortest interval."""
    step = min(int(n) * MILLISECONDS[unit] for n, unit in INTERVAL.findall(case.definition.query))
    moments = [m for time, _, delay in _times(case.definition) for m in (time, time - delay)]
    return any(min(m % step, -m % step) <= 2 for m in moments) or _is_zoned(case)


CHECKS: dict[Situation, Callable[[Case], bool]] = {
    Situation.NULLS: _has_nulls,
    Situation.DUPLICATES: _has_duplicates,
    Situation.EMPTY: _is_empty,
    Situation.ERROR: _is_error,
    Situation.TIME_ZONE: _is_zoned,
    Situation.OUT_OF_ORDER: _is_out_of_order,
    Situation.LATE: _has_late_rows,
    Situation.BOUNDARY: _touches_a_boundary,
}


def _rows(definition: Definition) -> Iterator[dict[str, object]]:
    for table in definition.tables.values():
        for row in table.rows:
            yield dict(row)


def _times(definition: Definition) -> Iterator[tuple[float, float, float]]:
    """Per row of an input with event time: its time, the newest time before it, the watermark's delay; milliseconds."""
    for table in definition.tables.values():
        found = WATERMARK.search(table.columns)
        if found is None:
            continue
        newest = float("-inf")
        for row in table.rows:
            time = _milliseconds(row.get(found[1], row.get("ms")))
            yield time, newest, float(found[2] or 0) * 1000
            newest = max(newest, time)


def _milliseconds(value: object) -> float:
    if isinstance(value, str):
        moment = datetime.fromisoformat(value.removesuffix("Z"))
        return round(moment.replace(tzinfo=UTC).timestamp() * 1000)
    assert isinstance(value, int)
    return value

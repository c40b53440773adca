"""Which situations a case is in, as far as that can be seen in its input and query."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from types import MappingProxyType

from tests.oracle.case import Case, Definition, Situation

WATERMARK = re.compile(r"WATERMARK FOR (\w+) AS \w+(?: - INTERVAL '([\d.]+)' SECOND)?")
INTERVAL = re.compile(r"INTERVAL '(\d+)' (SECOND|MINUTE|HOUR|DAY)")
MILLISECONDS = {"SECOND": 1_000, "MINUTE": 60_000, "HOUR": 3_600_000, "DAY": 86_400_000}
MANY = 3
"""Keys."""
NEAR_MS = 2


def situations_of(case: Case) -> set[Situation]:
    """The situations that a case names, and those that can be seen."""
    checks = {**CHECKS, Situation.MANY_KEYS: _has_many_keys, Situation.TWO_STEPS: _has_long_steps}
    return set(case.definition.situations) | {situation for situation, check in checks.items() if check(case)}


def _has_nulls(case: Case) -> bool:
    return any(value is None for row in _rows(case.definition) for value in row.values())


def _has_duplicates(case: Case) -> bool:
    """Rows that are equal, or equal in everything that tells groups apart: the rows' key."""
    keys = [json.dumps(row.get("k", list(row.values()))) for row in _rows(case.definition)]
    return len(set(keys)) < len(keys)


def _has_many_keys(case: Case) -> bool:
    return any(
        len({json.dumps(row.get("k")) for row in table.rows}) >= MANY for table in case.definition.tables.values()
    )


def _is_empty(case: Case) -> bool:
    """Some input has no rows, or none of them gets as far as the result."""
    return not case.answer.changelog or any(not table.rows for table in case.definition.tables.values())


def _is_error(case: Case) -> bool:
    return case.answer.error is not None


def _is_zoned(case: Case) -> bool:
    return "table.local-time-zone" in case.definition.config


def _is_out_of_order(case: Case) -> bool:
    return any(time < newest for time, newest, _ in _times(case.definition))


def _has_late_rows(case: Case) -> bool:
    return any(time <= newest - delay for time, newest, delay in _times(case.definition))


def _touches_a_boundary(case: Case) -> bool:
    """A row, or the watermark after it, is within 2 ms of a multiple of the query's shortest interval; or a row is within
    2 ms of the watermark before it, of a row of another input, or of 1970."""
    return _is_zoned(case) or _meets_a_multiple(case) or _meets_a_moment(case)


def _has_long_steps(case: Case) -> bool:
    """One row moves the watermark past two multiples of the query's shortest interval."""
    step = _shortest_interval(case)
    return step is not None and any(
        newest != float("-inf") and (time - delay) // step - (newest - delay) // step >= 2
        for time, newest, delay in _times(case.definition)
    )


def _shortest_interval(case: Case) -> int | None:
    intervals = [(int(n), unit) for n, unit in INTERVAL.findall(case.definition.query) if int(n)]
    return min((n * MILLISECONDS[unit] for n, unit in intervals), default=None)


def _meets_a_multiple(case: Case) -> bool:
    step = _shortest_interval(case)
    if step is None:
        return False
    moments = [m for time, _, delay in _times(case.definition) for m in (time, time - delay)]
    return any(min(m % step, -m % step) <= NEAR_MS for m in moments)


def _meets_a_moment(case: Case) -> bool:
    times = list(_times(case.definition))
    if any(min(abs(time - (newest - delay)), abs(time)) <= NEAR_MS for time, newest, delay in times):
        return True
    by_table = [
        [row["ts"] for row in table.rows] for table in case.definition.tables.values() if "FOR ts" in table.columns
    ]
    stamps = sorted((_milliseconds(ts), i) for i, column in enumerate(by_table) for ts in column if ts is not None)
    return any(b[0] - a[0] <= NEAR_MS and a[1] != b[1] for a, b in pairwise(stamps))


CHECKS: Mapping[Situation, Callable[[Case], bool]] = MappingProxyType(
    {
        Situation.NULLS: _has_nulls,
        Situation.DUPLICATES: _has_duplicates,
        Situation.EMPTY: _is_empty,
        Situation.ERROR: _is_error,
        Situation.TIME_ZONE: _is_zoned,
        Situation.OUT_OF_ORDER: _is_out_of_order,
        Situation.LATE: _has_late_rows,
        Situation.BOUNDARY: _touches_a_boundary,
    }
)


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
            value = row.get(found[1], row.get("ms"))
            if value is None:
                continue
            time = _milliseconds(value)
            yield time, newest, float(found[2] or 0) * 1000
            newest = max(newest, time)


def _milliseconds(value: object) -> float:
    if isinstance(value, str):
        moment = datetime.fromisoformat(value.removesuffix("Z"))
        return round(moment.replace(tzinfo=UTC).timestamp() * 1000)
    assert isinstance(value, int)
    return value


"""The situations that can be seen; `test_cases.py` holds cases to them."""

"""Where the differences are: the value of a column, the hour or the range that holds nearly all, but not of the rows.

A part is only named when so many differing rows would rarely lie in it by accident, whichever part it had been.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from velo_engine.types import NUMERICS, TIMESTAMPS, TypeName, arrow_type
from velo_harness.reports.shown_values import text_of
from velo_shadow.alignment import Relation, output_name, side_rows
from velo_shadow.causes.context import row_of
from velo_shadow.diff import MAX_DIFFERENCES
from velo_shadow.model import ComparisonPlan, Difference, PlanColumn, Segment, Side
from velo_shadow.rate_bound import at_most
from velo_shadow.sql_engine import SqlEngine

LEAST_ROWS = 3
"""Differing rows from which a segment says something."""
LEAST_SHARE = 0.8
"""Of the differing rows that a value holds to be named; a range holds all."""
_MOST_OF_ALL = 0.5
"""Of all rows: a segment with more of them says little."""
_BY_ACCIDENT = 0.05
"""The probability below which nobody takes it for one."""
_RANGE_BY_ACCIDENT = 0.005
"""Less, for every column has a range of all differences."""
_NESTED = (TypeName.ARRAY, TypeName.MAP, TypeName.ROW, TypeName.MULTISET)
_ORDERED = NUMERICS | TIMESTAMPS | {TypeName.DATE}


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the rows that may be a segment."""

    column: PlanColumn
    first: Any
    last: Any
    held: int
    """Differing rows in it."""
    is_hour: bool = False
    is_range: bool = False

    @property
    def dimension(self) -> str:
        """What is divided into parts."""
        prefix = "hour of " if self.is_hour else "range of " if self.is_range else ""
        return f"{prefix}{self.column.name}"

    @property
    def value(self) -> str:
        """Which part it is."""
        return f"{text_of(self.first)} to {text_of(self.last)}" if self.is_range else text_of(self.first)

    def condition(self, name: str, number: int) -> str:
        """Whether a row lies in it, as SQL; `velo_wanted` has its values as `f0 …`, `l0 …`."""
        if self.is_range:
            return f"a.{name} BETWEEN w.f{number} AND w.l{number}"
        value = f"DATE_TRUNC('hour', a.{name})" if self.is_hour else f"a.{name}"
        return f"{value} IS NOT DISTINCT FROM w.f{number}"

    def is_rare(self, size: int, total: int, different: int) -> bool:
        """Whether so many of the differing rows would rarely lie in a part of this size."""
        share = size / total
        if not 0 < share <= _MOST_OF_ALL:
            return False
        if self.is_range:  # all points of `different` within so much of the whole
            chance = different * share ** (different - 1) - (different - 1) * share**different
            return chance < _RANGE_BY_ACCIDENT
        # in any one of about 1 / share parts
        return (1 - at_most(self.held - 1, different, share)) / share < _BY_ACCIDENT


def segments(
    engine: SqlEngine,
    plan: ComparisonPlan,
    relations: tuple[Relation, Relation],
    differences: Sequence[Difference],
    tables: Mapping[str, pa.Table],
) -> tuple[Segment, ...]:
    """The segments of the rows that differ, those with the fewest rows beside first. `rows` counts both sides' rows."""
    rows = list({row_of(one.row): one.row for one in differences}.values())
    if len(rows) < LEAST_ROWS:
        return ()
    is_all = len(rows) < MAX_DIFFERENCES  # else others differ as well
    parts = [part for column in (*plan.key, *plan.columns) for part in _parts(column, rows, with_ranges=is_all)]
    if not parts:
        return ()
    changed = {one.column for one in differences}
    sizes, total = _sizes(engine, plan, relations, parts, tables, changed)
    rare = [(part, size) for part, size in zip(parts, sizes, strict=True) if part.is_rare(size, total, len(rows))]
    named = _without_wide_ranges(rare)
    found = [Segment(part.dimension, part.value, part.held, size) for part, size in named]
    return tuple(sorted(found, key=lambda s: (-s.differences, s.rows, s.dimension)))


def _without_wide_ranges(parts: Sequence[tuple[_Part, int]]) -> list[tuple[_Part, int]]:
    """Columns that go together have ranges alike: only the narrowest say more than values do, and than each other."""
    values = [(part, size) for part, size in parts if not part.is_range]
    narrowest = min((size for part, size in parts if part.is_range), default=0)
    if any(size <= narrowest for _, size in values):
        return values
    return [*values, *((part, size) for part, size in parts if part.is_range and size == narrowest)]


def _parts(column: PlanColumn, rows: Sequence[Mapping[str, Any]], *, with_ranges: bool) -> list[_Part]:
    """The value, or hour, of a column that most of the rows have, and the range of all."""
    if column.type.name in _NESTED:
        return []
    values = [row[column.name] for row in rows]
    is_time = column.type.name in TIMESTAMPS
    value, held = Counter(_hour(value) if is_time else value for value in values).most_common(1)[0]
    found = []
    if held >= LEAST_SHARE * len(rows):
        found.append(_Part(column, value, value, held, is_hour=is_time))
    known = [value for value in values if _is_ordered(value)]
    if with_ranges and column.type.name in _ORDERED and len(known) == len(values) and min(known) != max(known):
        found.append(_Part(column, min(known), max(known), len(known), is_range=True))
    return found


def _hour(value: Any) -> Any:
    return value.replace(minute=0, second=0, microsecond=0) if isinstance(value, datetime) else value


def _is_ordered(value: Any) -> bool:
    """NaN has no place, and NULL none."""
    return isinstance(value, date) or (value is not None and value == value)


def _sizes(
    engine: SqlEngine,
    plan: ComparisonPlan,
    relations: tuple[Relation, Relation],
    parts: Sequence[_Part],
    tables: Mapping[str, pa.Table],
    changed: Container[str | None],
) -> tuple[list[int], int]:
    """Rows of both sides in each part, and all. Of a column that differs the left's rows stand for both: parts are
    made from its values, which the right does not have.
    """
    wanted = pa.table(
        {
            f"{place}{number}": pa.array([value], arrow_type(part.column.type))
            for number, part in enumerate(parts)
            for place, value in (("f", part.first), ("l", part.last))
        }
    )
    conditions = [part.condition(output_name(plan, part.column.name), i) for i, part in enumerate(parts)]
    counts = [f"COUNT(CASE WHEN {condition} THEN 1 END) AS n{i}" for i, condition in enumerate(conditions)]
    sizes, total = [0] * len(parts), 0
    for side, relation in zip(Side, relations, strict=True):
        sql = f"SELECT {', '.join(counts)}, COUNT(*) AS total FROM ({side_rows(plan, relation)}) AS a"
        found = engine.query_written(f"{sql} CROSS JOIN velo_wanted AS w", {**tables, "velo_wanted": wanted})
        row = found.to_pylist()[0]
        for number, part in enumerate(parts):
            times = 1 if part.column.name not in changed else 2 if side is Side.LEFT else 0
            sizes[number] += times * row[f"n{number}"]
        total += row["total"]
    return sizes, total

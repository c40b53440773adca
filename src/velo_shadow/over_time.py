"""How the rows lie over event time, and those that differ among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import pyarrow as pa

from velo_engine.types import TIMESTAMPS, TypeName
from velo_shadow.alignment import Relation, output_name, side_rows
from velo_shadow.causes.context import row_of
from velo_shadow.model import ComparisonPlan, Difference, TimeBin
from velo_shadow.sql_engine import SqlEngine

MOST_BINS = 60
_DAY = 86_400
_WIDTHS = (1, 10, 60, 600, 3600, 6 * 3600, _DAY, 7 * _DAY, 30 * _DAY, 365 * _DAY)
"""Seconds that a bin may be long."""
_EPOCH = datetime(1970, 1, 1)

Span = tuple[Any, Any] | None
"""First and last value of the time column."""


def over_time(
    engine: SqlEngine,
    plan: ComparisonPlan,
    relations: tuple[Relation, Relation],
    spans: Sequence[Span],
    differences: Sequence[Difference],
    tables: Mapping[str, pa.Table],
) -> tuple[TimeBin, ...]:
    """At most about `MOST_BINS` bins of equal length; () without a compared column of times, or without rows."""
    column = next((one for one in (*plan.key, *plan.columns) if one.name == plan.time_column), None)
    if column is None or column.type.name not in {*TIMESTAMPS, TypeName.DATE}:
        return ()
    known = [_moment(value) for span in spans if span is not None for value in span]
    if not known:
        return ()
    seconds = _width(min(known), max(known))
    name = output_name(plan, column.name)
    rows: Counter[int] = Counter()
    for relation in relations:
        # The side with more rows in a bin says how many there are: most rows are on both.
        rows |= _counted(engine, f"SELECT {name} AS t FROM ({side_rows(plan, relation)}) AS a", seconds, tables)
    moments = {row_of(one.row): one.time for one in differences if one.time is not None}
    different = Counter((_moment(at) - _EPOCH) // timedelta(seconds=seconds) for at in moments.values())
    return tuple(
        TimeBin(_EPOCH + place * timedelta(seconds=seconds), seconds, rows[place], different[place])
        for place in sorted(rows)
    )


def _counted(engine: SqlEngine, times: str, seconds: int, tables: Mapping[str, pa.Table]) -> Counter[int]:
    """Rows by bin, numbered from the epoch."""
    sql = (
        f"SELECT CAST(FLOOR(EPOCH(t) / {seconds}) AS BIGINT) AS place, COUNT(*) AS rows "
        f"FROM ({times}) AS b WHERE t IS NOT NULL GROUP BY place"
    )
    found = engine.query_written(sql, tables)
    return Counter(dict(zip(found.column("place").to_pylist(), found.column("rows").to_pylist(), strict=True)))


def _width(first: datetime, last: datetime) -> int:
    span = (last - first).total_seconds()
    return next((width for width in _WIDTHS if span / width < MOST_BINS), _WIDTHS[-1])


def _moment(value: Any) -> datetime:
    """A value of the time column; those with a zone are in UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    assert isinstance(value, date)
    return datetime.combine(value, time())

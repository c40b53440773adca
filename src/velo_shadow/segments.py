"""Where the differences are: the value of a column, or the hour, that holds nearly all of them but not of the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from velo_engine.kernel import Kernel
from velo_engine.types import TIMESTAMPS, TypeName, arrow_type
from velo_harness.reports.shown_values import text_of
from velo_shadow.alignment import Relation, output_name, side_rows
from velo_shadow.causes.context import row_of
from velo_shadow.model import ComparisonPlan, Difference, PlanColumn, Segment

LEAST_ROWS = 3
"""Differing rows from which a segment says something."""
LEAST_SHARE = 0.8
"""Of the differing rows that a segment holds to be named."""
_MOST_OF_ALL = 0.5
"""Of all rows: a segment with more of them says little."""
_NESTED = (TypeName.ARRAY, TypeName.MAP, TypeName.ROW, TypeName.MULTISET)


def segments(
    kernel: Kernel,
    plan: ComparisonPlan,
    relations: tuple[Relation, Relation],
    differences: Sequence[Difference],
    tables: Mapping[str, pa.Table],
) -> tuple[Segment, ...]:
    """The segments of the rows that differ, those with the fewest rows beside first. `rows` counts both sides' rows."""
    rows = {row_of(one.row): one.row for one in differences}
    if len(rows) < LEAST_ROWS:
        return ()
    found = []
    for column in (*plan.key, *plan.columns):
        if column.type.name in _NESTED:
            continue
        is_time = column.type.name in TIMESTAMPS
        value, held = Counter(_place(row[column.name], is_time) for row in rows.values()).most_common(1)[0]
        if held < LEAST_SHARE * len(rows):
            continue
        counted = [_rows_with(kernel, plan, one, column, value, tables) for one in relations]
        size, total = sum(n for n, _ in counted), sum(n for _, n in counted)
        if size <= _MOST_OF_ALL * total:
            dimension = f"hour of {column.name}" if is_time else column.name
            found.append(Segment(dimension, text_of(value), held, size))
    return tuple(sorted(found, key=lambda s: (-s.differences, s.rows, s.dimension)))


def _place(value: Any, is_time: bool) -> Any:
    if is_time and isinstance(value, datetime):
        return value.replace(minute=0, second=0, microsecond=0)
    return value


def _rows_with(
    kernel: Kernel,
    plan: ComparisonPlan,
    relation: Relation,
    column: PlanColumn,
    value: Any,
    tables: Mapping[str, pa.Table],
) -> tuple[int, int]:
    """Rows of a side with this value (of times: in this hour), and all."""
    name = output_name(plan, column.name)
    shown = f"DATE_TRUNC('hour', a.{name})" if column.type.name in TIMESTAMPS else f"a.{name}"
    wanted = pa.table({"value": pa.array([value], arrow_type(column.type))})
    sql = (
        f"SELECT COUNT(CASE WHEN {shown} IS NOT DISTINCT FROM w.value THEN 1 END) AS held, COUNT(*) AS total "
        f"FROM ({side_rows(plan, relation)}) AS a CROSS JOIN velo_wanted AS w"
    )
    row = kernel.query_written(sql, {**tables, "velo_wanted": wanted}).to_pylist()[0]
    return row["held"], row["total"]

"""From what a side gives to rows of the kernel: typed, with their times and their fingerprints.

A table of rows, incoming or standing, has the plan's columns as `k0 …`, `c0 …` (`alignment`) and beside them

| column | holds |
|---|---|
| `velo_time` | event time, ms; where a row has none, the latest of its side before it; else of its writing |
| `velo_moment` | what both sides must have passed for the row to be judged, ms; -2^63 where nothing says |
| `velo_partition` | where it came from |
| `velo_kind`, `velo_n` | RowKind, and the record's number in its side |
| `velo_f0`, `velo_f1` | fingerprint: two hashes of all columns. Rows with the same are the same |

A false match takes two different rows among those compared with 128 equal bits of hash: with 10^10 rows 10^-19.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from velo_engine.batch import Bools, Int64s
from velo_engine.types import FLOATS, INTEGERS, TIMESTAMPS, SqlType, TypeName
from velo_shadow.alignment import Relation, roles, side_rows
from velo_shadow.model import ComparisonPlan, PlanColumn, Side
from velo_shadow.stream.changes import Changes
from velo_shadow.stream.rows import BATCH

UNKNOWN_MS = -(2**63)
"""Of a time that nothing says."""
_GIVEN = ("velo_time", "velo_moment", "velo_partition", "velo_kind", "velo_n")
_DAY_MS = 86_400_000


def concatenated(batches: Sequence[Changes]) -> Changes:
    """Several, one after the other, as one."""
    if len(batches) == 1:
        return batches[0]
    return Changes(
        pa.concat_tables([batch.table for batch in batches]),
        np.concatenate([batch.kinds for batch in batches]),
        np.concatenate([batch.timestamps_ms for batch in batches]),
        np.concatenate([batch.partitions for batch in batches]),
    )


def event_times(plan: ComparisonPlan, table: pa.Table) -> tuple[Int64s, Bools]:
    """By the plan's time column: milliseconds since the epoch, and which rows have one."""
    none = np.zeros(len(table), np.int64), np.zeros(len(table), np.bool_)
    kind = time_type(plan)
    if kind is None or plan.time_column not in table.column_names:
        return none
    column = table.column(plan.time_column)
    if kind.name in TIMESTAMPS and pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms", tz=column.type.tz), safe=False).cast(pa.int64())
    elif kind.name is TypeName.DATE and pa.types.is_date(column.type):
        column = pc.multiply(column.cast(pa.int32()).cast(pa.int64()), _DAY_MS)
    elif kind.name in INTEGERS and pa.types.is_integer(column.type):
        column = column.cast(pa.int64())
    else:
        return none
    known = column.is_valid().to_numpy()
    return column.fill_null(0).to_numpy(), known


def time_type(plan: ComparisonPlan) -> SqlType | None:
    """The type of the time column; of one that is not compared, TIMESTAMP. None: the plan has none."""
    if plan.time_column is None:
        return None
    types = {column.name: column.type for column in (*plan.key, *plan.columns)}
    return types.get(plan.time_column, SqlType(TypeName.TIMESTAMP))


def moments(times: Int64s, known: Bools, before: int | None) -> tuple[Int64s, Int64s]:
    """Times with the gaps filled, and per row the latest time of its side so far; `before` is that of earlier rows."""
    latest = np.maximum.accumulate(
        np.concatenate([[UNKNOWN_MS if before is None else before], _or_unknown(times, known)])
    )
    return np.where(known, times, latest[:-1]), latest[1:]


def _or_unknown(times: Int64s, known: Bools) -> Int64s:
    return np.where(known, times, UNKNOWN_MS)


def batch_table(changes: Changes, times: Int64s, moment: Int64s, first: int) -> pa.Table:
    """The stream's columns with those beside; `first` is the number of the first record."""
    numbers = np.arange(first, first + len(changes))
    values = (times, moment, changes.partitions, changes.kinds, numbers)
    table = changes.table
    for name, value in zip(_GIVEN, values, strict=True):
        table = table.append_column(name, pa.array(value))
    return table


def incoming_rows(plan: ComparisonPlan, side: Side, schema: pa.Schema) -> str:
    """The SELECT that makes rows from the batch."""
    zoned = frozenset(f.name for f in schema if pa.types.is_timestamp(f.type) and f.type.tz is not None)
    typed = side_rows(plan, Relation(BATCH, tuple(schema.names), zoned), _GIVEN)
    first, second = fingerprints(plan, side)
    return f"SELECT *, {first} AS velo_f0, {second} AS velo_f1 FROM ({typed}) AS typed"


def fingerprints(plan: ComparisonPlan, side: Side, prefix: str = "") -> tuple[str, str]:
    """The two hashes of a row, over columns `prefix` k0 …

    A row with a value that is not equal to itself under the plan (NaN, -0.0 where set so) is never met by one of the
    other side, by its fingerprint.
    """
    found = roles(plan)
    names = [f"{prefix}k{i}" for i in range(len(found.by))] + [f"{prefix}c{i}" for i in range(len(found.compared))]
    odd = " OR ".join(
        condition for i, column in enumerate(found.compared) for condition in _odd(column, f"{prefix}c{i}")
    )
    salt = f"CASE WHEN {odd} THEN '{side}' ELSE '' END" if odd else "''"
    return f"HASH({salt}, {', '.join(names)})", f"HASH({', '.join(reversed(names))}, 'velo', {salt})"


def _odd(column: PlanColumn, name: str) -> list[str]:
    if column.type.name not in FLOATS:
        return []
    equality = column.equality
    conditions = [] if equality.nan_equals_nan else [f"COALESCE(ISNAN({name}), FALSE)"]
    return conditions if equality.signed_zeros_equal else [*conditions, f"COALESCE({name} = 0, FALSE)"]

"""What a run gives out in the end, so that two runs can be compared: final contents, late rows, dead letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from velo_engine.schema import RowSchema
from velo_engine.types import FLOATS
from velo_harness.bags import BagDifference, ComparedColumn, compare_bags
from velo_harness.execution import Execution
from velo_harness.spec import Tolerance

FLOAT_TOLERANCE = Tolerance(relative=Decimal("1e-9"))
"""Sums of floats depend on their order in the last digits."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The end of one run."""

    final: Mapping[str, tuple[RowSchema, pa.Table]]
    """By statement."""
    late: Mapping[str, tuple[tuple[object, ...], ...]]
    """By statement the rows that came too late, sorted."""
    partly_late: Mapping[str, int]
    """By statement how many rows were late for some of their windows."""
    dead_letters: int


def contents_of(execution: Execution, statements: Sequence[str]) -> Contents:
    """The end of a run, of the statements that are checked."""
    results = execution.result.statements
    late = {name: _late_rows(result.late) for name, result in results.items()}
    final = {name: (results[name].schema, results[name].final) for name in statements}
    partly = {name: result.accounting.partly_late for name, result in results.items()}
    return Contents(final, late, partly, execution.result.dead_letter_count)


def _late_rows(late: pa.Table) -> tuple[tuple[object, ...], ...]:
    columns = [late.column(name).to_pylist() for name in late.schema.names if name != "late_by_ms"]
    return tuple(sorted(zip(*columns, strict=True), key=repr)) if columns else ()


def same_fates(one: Contents, other: Contents) -> bool:
    """Whether the same rows were late and as many records had no result."""
    return (one.late, one.partly_late, one.dead_letters) == (other.late, other.partly_late, other.dead_letters)


def difference(one: Contents, other: Contents, ignored: Sequence[str]) -> tuple[str, BagDifference] | None:
    """The first statement whose final contents differ, and how; None when all are the same."""
    for name, (schema, table) in one.final.items():
        _, other_table = other.final[name]
        columns = [
            ComparedColumn(
                column.name,
                (column.type, _physical(schema, i, table)),
                (column.type, _physical(schema, i, other_table)),
                FLOAT_TOLERANCE if column.type.name in FLOATS else None,
            )
            for i, column in enumerate(schema.columns)
            if column.name not in ignored
        ]
        found = compare_bags(columns, len(table), len(other_table))
        if len(found.missing) or len(found.unexpected):
            return name, found
    return None


def _physical(schema: RowSchema, position: int, table: pa.Table) -> pa.ChunkedArray:
    return table.column(position).cast(schema.physical().field(position).type)

"""Nodes that put relations together or make rows of their own: unions, constants, several rows out of one, order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from velo_engine.plan.expressions import Expression
from velo_engine.schema import RowSchema

if TYPE_CHECKING:
    from velo_engine.functions.table_functions import TableFunction
    from velo_engine.plan.nodes import JoinKind, PlanNode, SortKey


@dataclass(frozen=True, slots=True)
class Union:
    """UNION ALL: the changes of all inputs as they come; of one event those of the first input first.

    The inputs have the same types; the watermark is the lowest of theirs. Source: Flink's StreamExecUnion.
    """

    sources: tuple[PlanNode, ...]
    schema: RowSchema


@dataclass(frozen=True, slots=True)
class Values:
    """Constant rows, given out when the job starts, before any record; then the input has ended for whoever reads it.

    The expressions have no columns. Source: Flink's StreamExecValues, a bounded source.
    """

    rows: tuple[tuple[Expression, ...], ...]
    schema: RowSchema


@dataclass(frozen=True, slots=True)
class Correlate:
    """Joins every row with the rows that a table function makes of some of its columns. INNER or LEFT.

    Output: the input columns, then the function's, padded with NULL where LEFT finds none. `condition` is over that
    row and may be None. Row kinds are the input's. Source: Flink's StreamExecCorrelate.
    """

    input: PlanNode
    function: TableFunction
    args: tuple[int, ...]
    kind: JoinKind
    condition: Expression | None
    schema: RowSchema


@dataclass(frozen=True, slots=True)
class Expand:
    """Gives out one row per projection for every input row, in the order of `projections`.

    Source: Flink's StreamExecExpand, which grouping sets are planned with (DecomposeGroupingSetsRule).
    """

    input: PlanNode
    projections: tuple[tuple[Expression, ...], ...]
    schema: RowSchema


@dataclass(frozen=True, slots=True)
class TemporalSort:
    """ORDER BY event time: rows, never taken back, leave in the order of their time as the watermark passes.

    `order` sorts rows of the same time; else they stay as they came. A row that is not after the last row given out is
    late. Source: Flink's RowTimeSortOperator.
    """

    input: PlanNode
    time_column: int
    order: tuple[SortKey, ...]
    schema: RowSchema

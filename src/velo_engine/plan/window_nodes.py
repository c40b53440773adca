"""Nodes of windows besides their aggregation: rows with their windows, and what is done with such rows once a window.

A row carries its window in columns: `window_start` and `window_end`, TIMESTAMP(3), wall-clock times of the session's
zone when the event time that was cut is TIMESTAMP_LTZ (`local_time`). All nodes but the window table itself wait for
the watermark to reach `window_end` - 1 ms, give rows out that never change, and drop rows whose window has passed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from velo_engine.plan.expressions import Expression
    from velo_engine.plan.nodes import JoinKind, LateData, PlanNode, SortKey, WindowSpec
    from velo_engine.schema import RowSchema


@dataclass(frozen=True, slots=True)
class WindowTable:
    """A window table function: each row once for every window that takes it.

    Output: the input's columns, then `window_start`, `window_end` and `window_time` (of the type of `time_column`, the
    window's last millisecond). TUMBLE, HOP and CUMULATE give rows out as they come and know no late rows; SESSION, per
    value of the `partition` columns, when the session closes. Source: Flink's AlignedWindowTableFunctionOperator and
    UnalignedWindowTableFunctionOperator.
    """

    input: PlanNode
    window: WindowSpec
    time_column: int
    partition: tuple[int, ...]
    late_data: LateData
    schema: RowSchema
    by_event_time: bool = True
    """Otherwise `time_column` holds processing time; `window_time` then is the time at which the row is given out."""


@dataclass(frozen=True, slots=True)
class WindowTopN:
    """The rows number `first` to `limit` of every partition, in `order`; ties keep their order of arrival.

    The `partition` columns hold the bounds of the window, of which `end_column` is the end. Output: the input's
    columns, then the rank (BIGINT) when `with_rank`. Source: Flink's WindowRankProcessor.
    """

    input: PlanNode
    end_column: int
    local_time: bool
    partition: tuple[int, ...]
    order: tuple[SortKey, ...]
    first: int
    limit: int
    with_rank: bool
    late_data: LateData
    schema: RowSchema


@dataclass(frozen=True, slots=True)
class WindowDeduplicate:
    """The first or last row of every partition by its event time; of equal times the first or last to arrive.

    The `partition` columns hold the bounds of the window, of which `end_column` is the end. Output: the input's
    columns. Source: Flink's RowTimeWindowDeduplicateProcessor.
    """

    input: PlanNode
    end_column: int
    local_time: bool
    partition: tuple[int, ...]
    time_column: int
    keeps_last: bool
    late_data: LateData
    schema: RowSchema


@dataclass(frozen=True, slots=True)
class WindowJoin:
    """Joins the rows of both sides that are in the same window, when it closes.

    The keys hold the bounds of the window; `left_end` and `right_end` are its ends. `condition` is over left ++ right
    and may be None. Output: left ++ right, or the left columns for SEMI and ANTI. Source: Flink's
    WindowJoinOperator.
    """

    left: PlanNode
    right: PlanNode
    kind: JoinKind
    left_keys: tuple[int, ...]
    right_keys: tuple[int, ...]
    null_safe_keys: frozenset[int]
    """Those among the keys, by number, of which NULL equals NULL (IS NOT DISTINCT FROM)."""
    left_end: int
    right_end: int
    local_time: bool
    condition: Expression | None
    late_data: LateData
    schema: RowSchema

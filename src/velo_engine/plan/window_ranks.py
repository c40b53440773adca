"""Top-N and deduplication per window: a ranking whose PARTITION BY holds both bounds of the window.

Source: Flink's StreamPhysicalWindowRankRule and StreamPhysicalWindowDeduplicateRule.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from velo_engine.plan.context import QueryContext
from velo_engine.plan.nodes import LateData, SortKey, WindowDeduplicate, WindowTopN
from velo_engine.plan.relation import Relation
from velo_engine.plan.windows import refuse_lateness
from velo_engine.schema import Column, RowSchema
from velo_engine.types import BIGINT


def ranked_in_window(relation: Relation, partition: Sequence[int], at: exp.Expr, context: QueryContext) -> bool:
    """Whether a ranking by `partition` is one per window, given out when the window closes.

    Raises SQL_UNSUPPORTED, as Flink does, when the windows are cut by processing time.
    """
    windows = relation.windows
    if windows is None or not windows.bounded_by(partition):
        return False
    if not windows.by_event_time:
        raise context.text.unsupported("a Top-N per window over processing time", at, "window an event-time column")
    refuse_lateness("a Top-N per window", at, context.allowed_lateness_ms, context.text)
    return True


def window_top_n(
    relation: Relation,
    partition: Sequence[int],
    order: Sequence[SortKey],
    ranks: tuple[int, int],
    rank_name: str | None,
    late_data: LateData,
) -> WindowTopN:
    """The rows of `ranks`, first and last included, of each partition; with a rank column when it has a name."""
    schema = relation.node.schema
    if rank_name is not None:
        schema = RowSchema((*schema.columns, Column(rank_name, BIGINT.as_nullable(False))))
    end, local, keys = _window_keys(relation, partition)
    first, limit = ranks
    return WindowTopN(
        input=relation.node,
        end_column=end,
        local_time=local,
        partition=keys,
        order=tuple(order),
        first=first,
        limit=limit,
        with_rank=rank_name is not None,
        late_data=late_data,
        schema=schema,
    )


def window_deduplicate(
    relation: Relation, partition: Sequence[int], order: SortKey, late_data: LateData
) -> WindowDeduplicate:
    """The first row of each partition by the event time `order`, or the last where it descends."""
    end, local, keys = _window_keys(relation, partition)
    return WindowDeduplicate(
        input=relation.node,
        end_column=end,
        local_time=local,
        partition=keys,
        time_column=order.column,
        keeps_last=order.descending,
        late_data=late_data,
        schema=relation.node.schema,
    )


def _window_keys(relation: Relation, partition: Sequence[int]) -> tuple[int, bool, tuple[int, ...]]:
    """The end of the window, whether it is a local time, and the columns that partition the rows.

    Those are the end, which tells windows apart, and those of `partition` that are no bounds, as in Flink's rules: the
    start of a padded row is NULL.
    """
    windows = relation.windows
    assert windows is not None, "ranked_in_window says so"
    end = next(i for i in windows.ends if i in partition)
    return end, windows.local_time, tuple(i for i in partition if i == end or i not in windows.bounds)

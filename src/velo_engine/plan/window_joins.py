"""Window joins: joins on equal bounds of the windows that the rows of both sides carry.

Source: Flink's WindowJoinUtil.satisfyWindowJoin: equal starts and equal ends, of windows cut in the same way over times
of the same type. Otherwise the bounds are values like any other, and the join is a regular one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from velo_engine.plan.context import QueryContext
from velo_engine.plan.keyed_sides import KeyedSides
from velo_engine.plan.nodes import JoinKind, WindowJoin
from velo_engine.plan.relation import Relation, WindowColumns
from velo_engine.plan.windows import refuse_lateness


def window_join(
    keyed: KeyedSides, kind: JoinKind, using: Sequence[str], at: exp.Expr, context: QueryContext
) -> Relation | None:
    """The join of both sides per window; None when their keys do not hold the bounds of one window.

    Raises SQL_UNSUPPORTED, as Flink does, when the windows are cut by processing time.
    """
    left, right = keyed.left.windows, keyed.right.windows
    if left is None or right is None:
        return None
    pairs = list(zip(keyed.left_keys, keyed.right_keys, strict=True))
    starts = [(a, b) for a, b in pairs if a in left.starts and b in right.starts]
    ends = [(a, b) for a, b in pairs if a in left.ends and b in right.ends]
    if not (starts and ends and _same_windows(left, right)):
        return None
    if not left.by_event_time:
        raise context.text.unsupported(
            "a join per window over processing time", at, "window an event-time column, or join first"
        )
    refuse_lateness("a join per window", at, context.allowed_lateness_ms, context.text)
    node = WindowJoin(
        left=keyed.left.node,
        right=keyed.right.node,
        kind=kind,
        left_keys=keyed.left_keys,
        right_keys=keyed.right_keys,
        null_safe_keys=keyed.null_safe,
        left_end=ends[0][0],
        right_end=ends[0][1],
        local_time=left.local_time,
        condition=keyed.condition,
        late_data=context.late_data,
        schema=keyed.schema(kind),
    )
    return _with_times(keyed, keyed.result(node, kind, using), kind)


def _same_windows(left: WindowColumns, right: WindowColumns) -> bool:
    same_time = left.time_type.as_nullable() == right.time_type.as_nullable()
    return left.by_event_time is right.by_event_time and same_time and left.spec == right.spec


def _with_times(keyed: KeyedSides, relation: Relation, kind: JoinKind) -> Relation:
    """Time attributes and the bounds of windows stay what they are, also those of a side that may be padded
    (FlinkRelMdWindowProperties.getJoinWindowProperties)."""
    left, right = keyed.left, keyed.right
    windows = left.windows
    assert windows is not None
    assert right.windows is not None
    if kind.one_sided:
        return replace(relation, event_times=left.event_times, processing_times=left.processing_times, windows=windows)
    moved = _moved(right.windows, keyed)
    joined = replace(
        windows,
        starts=(*windows.starts, *moved.starts),
        ends=(*windows.ends, *moved.ends),
        times=(*windows.times, *moved.times),
    )
    return replace(
        relation,
        event_times=(*left.event_times, *map(keyed.moved, right.event_times)),
        processing_times=left.processing_times | frozenset(map(keyed.moved, right.processing_times)),
        windows=joined,
    )


def _moved(windows: WindowColumns, keyed: KeyedSides) -> WindowColumns:
    starts, ends, times, partition = (
        tuple(map(keyed.moved, columns)) for columns in (windows.starts, windows.ends, windows.times, windows.partition)
    )
    return replace(windows, starts=starts, ends=ends, times=times, partition=partition)

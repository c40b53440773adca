"""Leaves out what no one reads: columns, aggregate calls, ranks.

Not only to save work: a group of which nobody reads the aggregates that changed does not change, so that fewer updates
leave it, and a Top-N whose rank nobody reads gives out other changes. Flink's planner does the same
(PruneAggregateCallRule, the transposition of projections with filters, joins, unions and ranks).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum

from velo_engine.plan.call_columns import call_columns, is_selection, merged
from velo_engine.plan.expressions import AggregateCall, ColumnRef, Expression, Literal, columns_of
from velo_engine.plan.kept_ranks import with_kept_rank
from velo_engine.plan.nodes import (
    AssignWatermark,
    Expand,
    Filter,
    GroupAggregate,
    IntervalJoin,
    OverAggregate,
    PlanNode,
    Project,
    RegularJoin,
    Scan,
    SortKey,
    TemporalJoin,
    TopN,
    Union,
    WindowAggregate,
    WindowTopN,
    inputs,
)
from velo_engine.plan.rewrite import map_columns
from velo_engine.plan.used_columns import arguments_of, given
from velo_engine.schema import Column, RowSchema
from velo_engine.types import INT

Columns = frozenset[int]
Kept = tuple[int, ...]
"""The columns that a pruned node still has, by their positions before, in order."""

BOUNDS = 3
"""The last columns of a window aggregate are no calls."""


def pruned(node: PlanNode) -> PlanNode:
    """The plan with the same columns, without what nobody reads below it."""
    return _pruned(node, _all(node), _Above.PROJECTION)[0]


class _Above(Enum):
    """What reads a node. Flink makes one projection of those that follow each other, and an OVER that it does not read
    is gone; below anything else OVER is an operator already, and stays."""

    PROJECTION = "a projection, a plain aggregation, or the result"
    OPERATOR = "another operator"
    WINDOW = "a window table function: in Flink it is below the projection of what it aggregates"


def _pruned(node: PlanNode, wanted: Columns, above: _Above) -> tuple[PlanNode, Kept]:
    """`node` with at least the wanted columns."""
    match node:
        case Project():
            return _project(node, wanted, above)
        case Expand():
            return _expand(node, wanted)
        case Scan():
            return _scan(node, wanted)
        case Filter():
            below, kept = _pruned(node.input, wanted | columns_of(node.predicate), _Above.OPERATOR)
            return Filter(below, _moved(node.predicate, _places(kept)), below.schema), kept
        case AssignWatermark():
            below, kept = _pruned(node.input, wanted | given(node.time_column, node.partition_column), _Above.OPERATOR)
            place = _places(kept)
            column = None if node.partition_column is None else place(node.partition_column)
            moved = replace(node, input=below, time_column=place(node.time_column), partition_column=column)
            return replace(moved, schema=below.schema), kept
        case GroupAggregate():
            return _group_aggregate(node, wanted)
        case WindowAggregate():
            return _window_aggregate(node, wanted)
        case TopN():
            return _top_n(node, wanted)
        case WindowTopN():
            return _window_top_n(node, wanted)
        case RegularJoin() | IntervalJoin() | TemporalJoin():
            return _join(node, wanted)
        case Union():
            return _union(node, wanted)
        case OverAggregate():
            return _over(node, wanted, above)
        case _:
            return _whole(node), tuple(range(len(node.schema)))


def _whole(node: PlanNode) -> PlanNode:
    """A node that reads all columns of its input, or of which that is not known; pruned below its inputs."""
    below = [_pruned(child, _all(child), _Above.OPERATOR)[0] for child in inputs(node)]
    names = [name for name in ("input", "left", "right", "table") if hasattr(node, name)]
    assert len(names) == len(below), f"how {type(node).__name__} names its inputs is not known here"
    return replace(node, **dict(zip(names, below, strict=True))) if below else node  # type: ignore[arg-type]


def _project(node: Project, wanted: Columns, above: _Above) -> tuple[PlanNode, Kept]:
    own = _of_over(node)
    if own and (above is not _Above.PROJECTION or _stays(node.input)):
        wanted |= own
    kept = _at_least_one(wanted)
    expressions = [node.expressions[i] for i in kept]
    reader = above if own else _Above.OPERATOR if above is _Above.WINDOW else _Above.PROJECTION
    below, places = _pruned(node.input, columns_of(*expressions), reader)
    place = _places(places)
    return Project(below, tuple(_moved(e, place) for e in expressions), node.schema.select(kept)), kept


def _scan(node: Scan, wanted: Columns) -> tuple[PlanNode, Kept]:
    """What a record has besides its own columns is not built when nobody reads it; of those all are kept, since which
    are decoded is the same for all statements (`used_columns`)."""
    width = len(node.source.schema)
    kept = tuple(i for i in range(len(node.schema)) if i < width or i in wanted)
    system = tuple(node.system_columns[i - width] for i in kept if i >= width)
    return Scan(node.source, system, node.schema.select(kept)), kept


def _expand(node: Expand, wanted: Columns) -> tuple[PlanNode, Kept]:
    """Grouping sets: an aggregation in Flink until after this."""
    kept = _at_least_one(wanted)
    rows = [[row[i] for i in kept] for row in node.projections]
    read = columns_of(*(expression for row in rows for expression in row))
    below, places = _pruned(node.input, read, _Above.PROJECTION)
    place = _places(places)
    projections = tuple(tuple(_moved(expression, place) for expression in row) for row in rows)
    return Expand(below, projections, node.schema.select(kept)), kept


def _of_over(node: Project) -> Columns:
    """The columns of the projection that OVER stands in which hold its results."""
    if not isinstance(node.input, OverAggregate):
        return frozenset()
    width = len(node.input.input.schema)
    return frozenset(i for i, e in enumerate(node.expressions) if any(c >= width for c in columns_of(e)))


def _stays(node: PlanNode) -> bool:
    return isinstance(node, OverAggregate) and node.is_read


def _group_aggregate(node: GroupAggregate, wanted: Columns) -> tuple[PlanNode, Kept]:
    used = _used_calls(len(node.keys), len(node.calls), wanted)
    if not node.keys and not used:
        used = list(range(len(node.calls)))[:1]
    node = with_kept_rank(node, used)
    calls = [node.calls[i] for i in used]
    arguments = arguments_of(node.calls) | frozenset(node.unused_args)
    read = frozenset(node.keys) | arguments
    below, places = _pruned(node.input, read, _Above.PROJECTION) if read else (_rows_only(node.input), ())
    place = _places(places)
    kept = (*range(len(node.keys)), *(len(node.keys) + i for i in used))
    moved = replace(
        node,
        input=below,
        keys=tuple(place(key) for key in node.keys),
        calls=_moved_calls(calls, place),
        schema=node.schema.select(kept),
        unused_args=tuple(place(i) for i in sorted(arguments - arguments_of(calls))),
    )
    return moved, kept


def _rows_only(node: PlanNode) -> PlanNode:
    """`node` where only the number of its rows matters: of what it computes OVER stays, which Flink has made an
    operator when it puts a constant there (PruneCountStarInputRule)."""
    while isinstance(node, Project) and not _of_over(node):
        node = node.input
    below = _pruned(node, frozenset(), _Above.OPERATOR)[0]
    zero = INT.as_nullable(False)
    return Project(below, (Literal(0, zero),), RowSchema((Column("$f0", zero),)))


def _window_aggregate(node: WindowAggregate, wanted: Columns) -> tuple[PlanNode, Kept]:
    used = _used_calls(len(node.keys), len(node.calls), wanted)
    calls = [node.calls[i] for i in used]
    arguments = arguments_of(node.calls) | frozenset(node.unused_args)
    read = frozenset(node.keys) | arguments | {node.time_column}
    below, places = _pruned(node.input, read, _Above.WINDOW if node.of_table_function else _Above.PROJECTION)
    place = _places(places)
    width = len(node.schema)
    kept = (*range(len(node.keys)), *(len(node.keys) + i for i in used), *range(width - BOUNDS, width))
    moved = replace(
        node,
        input=below,
        time_column=place(node.time_column),
        keys=tuple(place(key) for key in node.keys),
        calls=_moved_calls(calls, place),
        schema=node.schema.select(kept),
        unused_args=tuple(place(i) for i in sorted(arguments - arguments_of(calls))),
    )
    return moved, kept


def _top_n(node: TopN, wanted: Columns) -> tuple[PlanNode, Kept]:
    width = len(node.input.schema)
    sorted_by = frozenset(key.column for key in node.order)
    read = _below(wanted, width) | frozenset(node.partition) | sorted_by | given(node.limit_column)
    if node.of_limit:
        below, places = _pruned(node.input, read | call_columns(node.input), _Above.OPERATOR)
    else:
        below, places = _ordered(node.input, read)
    place = _places(places)
    with_rank = node.with_rank and width in wanted
    kept = (*places, width) if with_rank else places
    moved = replace(
        node,
        input=below,
        partition=tuple(place(i) for i in node.partition),
        order=_moved_order(node.order, place),
        with_rank=with_rank,
        limit_column=None if node.limit_column is None else place(node.limit_column),
        schema=node.schema.select(kept),
    )
    return moved, kept


def _ordered(node: PlanNode, read: Columns) -> tuple[PlanNode, Kept]:
    """What a ranking or OVER reads, at least the columns `read`: where it only selects columns, no call below goes."""
    if not isinstance(node, Project) or _of_over(node):
        return _pruned(node, read | call_columns(node), _Above.OPERATOR)
    project = merged(node)
    if not is_selection(project):
        return _pruned(node, read, _Above.OPERATOR)
    kept = tuple(sorted(read))
    values = [project.expressions[i] for i in kept]
    below, places = _pruned(project.input, columns_of(*values) | call_columns(project.input), _Above.OPERATOR)
    place = _places(places)
    return Project(below, tuple(_moved(value, place) for value in values), node.schema.select(kept)), kept


def _window_top_n(node: WindowTopN, wanted: Columns) -> tuple[PlanNode, Kept]:
    width = len(node.input.schema)
    sorted_by = frozenset(key.column for key in node.order)
    read = _below(wanted, width) | frozenset(node.partition) | sorted_by | {node.end_column}
    below, places = _pruned(node.input, read, _Above.OPERATOR)
    place = _places(places)
    with_rank = node.with_rank and width in wanted
    kept = (*places, width) if with_rank else places
    moved = replace(
        node,
        input=below,
        end_column=place(node.end_column),
        partition=tuple(place(i) for i in node.partition),
        order=_moved_order(node.order, place),
        with_rank=with_rank,
        schema=node.schema.select(kept),
    )
    return moved, kept


def _join(node: RegularJoin | IntervalJoin | TemporalJoin, wanted: Columns) -> tuple[PlanNode, Kept]:
    width = len(node.left.schema)
    read = wanted | columns_of(*([] if node.condition is None else [node.condition]))
    times = (given(), given())
    if not isinstance(node, RegularJoin):
        times = (given(node.left_time), given(node.right_time))
    left, left_kept = _pruned(node.left, _below(read, width) | frozenset(node.left_keys) | times[0], _Above.OPERATOR)
    right_read = frozenset(i - width for i in read if i >= width) | frozenset(node.right_keys) | times[1]
    right, right_kept = _pruned(node.right, right_read, _Above.OPERATOR)
    both = (*left_kept, *(i + width for i in right_kept))
    place, left_place, right_place = _places(both), _places(left_kept), _places(right_kept)
    kept = left_kept if node.kind.one_sided else both
    moved = replace(
        node,
        left=left,
        right=right,
        left_keys=tuple(left_place(i) for i in node.left_keys),
        right_keys=tuple(right_place(i) for i in node.right_keys),
        condition=None if node.condition is None else _moved(node.condition, place),
        schema=node.schema.select(kept),
    )
    if isinstance(moved, RegularJoin):
        return moved, kept
    left_time = None if moved.left_time is None else left_place(moved.left_time)
    right_time = None if moved.right_time is None else right_place(moved.right_time)
    return replace(moved, left_time=left_time, right_time=right_time), kept  # type: ignore[arg-type]


def _over(node: OverAggregate, wanted: Columns, above: _Above) -> tuple[PlanNode, Kept]:
    """Without any call nothing waits for the watermark, and no row is late."""
    width = len(node.input.schema)
    kept_whole = node.is_read or above is not _Above.PROJECTION
    used = [i for i in range(len(node.calls)) if width + i in wanted or kept_whole]
    if not used:
        return _pruned(node.input, wanted, above)
    kept = (*range(width), *(width + i for i in used))
    calls = tuple(node.calls[i] for i in used)
    everything = _all(node.input)
    below = _ordered(node.input, everything) if call_columns(node.input) else _pruned(node.input, everything, above)
    return replace(node, input=below[0], calls=calls, schema=node.schema.select(kept), is_read=True), kept


def _union(node: Union, wanted: Columns) -> tuple[PlanNode, Kept]:
    """What one input keeps, all keep."""
    while True:
        found = [_pruned(source, wanted, _Above.OPERATOR) for source in node.sources]
        kept = frozenset(i for _, places in found for i in places)
        if kept == wanted:
            break
        wanted = kept
    positions = tuple(sorted(wanted))
    sources = tuple(below if places == positions else _columns(below, places, positions) for below, places in found)
    return Union(sources, node.schema.select(positions)), positions


def _columns(node: PlanNode, places: Kept, wanted: Kept) -> PlanNode:
    at = [places.index(i) for i in wanted]
    return Project(node, tuple(ColumnRef(i, node.schema.types[i]) for i in at), node.schema.select(at))


def _used_calls(keys: int, calls: int, wanted: Columns) -> list[int]:
    return [i for i in range(calls) if keys + i in wanted]


def _moved_calls(calls: Sequence[AggregateCall], place: Callable[[int], int]) -> tuple[AggregateCall, ...]:
    return tuple(
        replace(
            call,
            args=tuple(place(i) for i in call.args),
            filter=None if call.filter is None else place(call.filter),
        )
        for call in calls
    )


def _moved_order(order: Sequence[SortKey], place: Callable[[int], int]) -> tuple[SortKey, ...]:
    return tuple(replace(key, column=place(key.column)) for key in order)


def _moved(expression: Expression, place: Callable[[int], int]) -> Expression:
    return map_columns(expression, place)


def _places(kept: Kept) -> Callable[[int], int]:
    """Where a column is now."""
    return {old: new for new, old in enumerate(kept)}.__getitem__


def _at_least_one(wanted: Columns) -> Kept:
    return tuple(sorted(wanted)) or (0,)


def _all(node: PlanNode) -> Columns:
    return frozenset(range(len(node.schema)))


def _below(columns: Columns, width: int) -> Columns:
    return frozenset(i for i in columns if i < width)

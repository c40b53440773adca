"""Grouping by the bounds of an earlier window.

A query whose keys contain the start and the end of the window that its rows carry (`WindowColumns`) aggregates in that
window: one final row a key and window. Where the window was cut right below, by a window table function with nothing
but projections and filters between that leave the bounds alone, the aggregate cuts the window itself, and of HOP and
CUMULATE adds up slices (Flink's PullUpWindowTableFunctionIntoWindowAggregateRule; with floating-point numbers one can
tell). Otherwise the window stays attached to the rows (WindowAttachedWindowingStrategy).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from velo_engine.plan.aggregate_nodes import Windowing
from velo_engine.plan.aggregates import BoundAggregate
from velo_engine.plan.expressions import ColumnRef, Expression, columns_of
from velo_engine.plan.group_keys import GroupKey
from velo_engine.plan.nodes import Filter, PlanNode, Project, WindowKind, WindowSpec, WindowTable
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation, WindowColumns, project
from velo_engine.plan.rewrite import map_columns
from velo_engine.plan.windows import WindowStyle, refuse_gaps

_ATTACHED = WindowSpec(WindowKind.ATTACHED, 1, 1)


@dataclass(frozen=True, slots=True)
class AttachedWindow:
    """The earlier window as a window of this query."""

    windowing: Windowing
    relation: Relation
    """What is aggregated."""
    keys: tuple[GroupKey, ...]
    """All keys but those that the window gives out, over `relation`."""
    calls: tuple[BoundAggregate, ...]
    """Over `relation`."""
    outputs: Mapping[Expression, int | str]
    """What a grouped expression is in the result: a key, by number, or a bound of the window."""


def attached_window(
    relation: Relation,
    keys: Sequence[GroupKey],
    calls: Sequence[BoundAggregate],
    group: exp.Expr | None,
    text: ProgramText,
) -> AttachedWindow | None:
    """The window whose start and end are both among `keys`; None when there is none."""
    windows = relation.windows
    columns = {key.expression.index for key in keys if isinstance(key.expression, ColumnRef)}
    if windows is None or not windows.bounded_by(columns):
        return None
    if windows.spec.kind is WindowKind.SESSION and not _by_session_keys(keys, calls, windows):
        return None
    refuse_gaps(windows.spec, WindowStyle.TABLE_FUNCTION, group, text)
    bounds = [key.expression for key in keys if getattr(key.expression, "index", None) in windows.bounds]
    if group is not None and any(bound.type.nullable for bound in bounds):
        hint = "group by the bounds of the side of the join that always has a row"
        raise text.unsupported("GROUP BY the bounds of a window that a row may be without", group, hint)
    below = _pulled_up(relation.node, windows)
    if below is not None and not _use(windows.bounds, [arg for call in calls for arg in _parts(call)]):
        return _cut_here(relation, windows, keys, calls, below)
    if not windows.by_event_time:
        return None
    return _carried(relation, windows, keys, calls)


def _by_session_keys(keys: Sequence[GroupKey], calls: Sequence[BoundAggregate], windows: WindowColumns) -> bool:
    """Whether the keys beside the bounds are those of the session (WindowUtil.validGroupKeyPartitionKey).

    A window_time that a call reads, too, is a plain timestamp below the aggregation, and no bound any more.
    """
    columns = {getattr(key.expression, "index", None) for key in keys}
    read = {arg.index for call in calls for arg in call.args if isinstance(arg, ColumnRef)}
    return columns - (windows.bounds - (read & set(windows.times))) == set(windows.partition)


def _carried(
    relation: Relation, windows: WindowColumns, keys: Sequence[GroupKey], calls: Sequence[BoundAggregate]
) -> AttachedWindow:
    """The window stays with the rows. Its start is a key like any other; the end of the window is that of the rows."""
    types = relation.node.schema.types
    end = next(i for i in windows.ends if any(key.expression == ColumnRef(i, types[i]) for key in keys))
    given: dict[Expression, str] = {ColumnRef(i, types[i]): "window_time" for i in windows.times}
    given |= {ColumnRef(i, types[i]): "window_end" for i in windows.ends}
    own = tuple(key for key in keys if key.expression not in given)
    outputs: dict[Expression, int | str] = {key.expression: i for i, key in enumerate(own)}
    outputs |= {key.expression: given[key.expression] for key in keys if key.expression in given}
    windowing = Windowing(_ATTACHED, ColumnRef(end, types[end]), windows.time_type)
    return AttachedWindow(windowing, relation, own, tuple(calls), outputs)


@dataclass(frozen=True, slots=True)
class _Below:
    """A plan without the window table that it stood on."""

    node: PlanNode
    time: int
    """Where the time is that the window cuts."""
    moved: Mapping[int, int]
    """Where the columns of the plan with the window table are; the bounds are gone."""


def _cut_here(
    relation: Relation,
    windows: WindowColumns,
    keys: Sequence[GroupKey],
    calls: Sequence[BoundAggregate],
    below: _Below,
) -> AttachedWindow:
    """The aggregate cuts the window itself."""
    types = relation.node.schema.types
    given: dict[Expression, str] = {ColumnRef(i, types[i]): "window_time" for i in windows.times}
    given |= {ColumnRef(i, types[i]): "window_start" for i in windows.starts}
    given |= {ColumnRef(i, types[i]): "window_end" for i in windows.ends}
    move = _mover(below.moved)
    own = [key for key in keys if key.expression not in given]
    outputs: dict[Expression, int | str] = {key.expression: i for i, key in enumerate(own)}
    outputs |= {key.expression: given[key.expression] for key in keys if key.expression in given}
    moved_calls = tuple(
        replace(
            call,
            args=tuple(map_columns(arg, move) for arg in call.args),
            filter=None if call.filter is None else map_columns(call.filter, move),
        )
        for call in calls
    )
    return AttachedWindow(
        Windowing(
            windows.spec,
            ColumnRef(below.time, below.node.schema.types[below.time]),
            windows.time_type,
            windows.by_event_time,
        ),
        replace(relation, node=below.node, fields=(), event_times=(), processing_times=frozenset(), windows=None),
        tuple(replace(key, expression=map_columns(key.expression, move)) for key in own),
        moved_calls,
        outputs,
    )


def _pulled_up(node: PlanNode, windows: WindowColumns) -> _Below | None:
    """`node` without the window table below it; None when something between uses the bounds."""
    if isinstance(node, WindowTable):
        width = len(node.input.schema)
        return _Below(node.input, node.time_column, {i: i for i in range(width)})
    if not isinstance(node, Filter | Project):
        return None
    below = _pulled_up(node.input, windows)
    if below is None:
        return None
    width = len(node.input.schema)
    gone = frozenset(i for i in range(width) if i not in below.moved)
    move = _mover(below.moved)
    if isinstance(node, Filter):
        if _use(gone, [node.predicate]):
            return None
        return replace(below, node=Filter(below.node, map_columns(node.predicate, move), below.node.schema))
    kept = [(i, e) for i, e in enumerate(node.expressions) if not (isinstance(e, ColumnRef) and e.index in gone)]
    if _use(gone, [e for _, e in kept]):
        return None
    expressions = [map_columns(e, move) for _, e in kept]
    names = [node.schema.names[i] for i, _ in kept]
    moved = {i: position for position, (i, _) in enumerate(kept)}
    time = ColumnRef(below.time, below.node.schema.types[below.time])
    found = next((i for i, e in enumerate(expressions) if e == time), None)
    if found is None:
        found = len(expressions)
        expressions.append(time)
        names.append(below.node.schema.names[below.time])
    return _Below(project(below.node, expressions, names), found, moved)


def _mover(moved: Mapping[int, int]) -> Callable[[int], int]:
    return lambda index: moved[index]


def _parts(call: BoundAggregate) -> list[Expression]:
    return [*call.args, *([] if call.filter is None else [call.filter])]


def _use(columns: frozenset[int], expressions: Sequence[Expression]) -> bool:
    """Whether any of `expressions` reads one of `columns`."""
    return not columns_of(*expressions).isdisjoint(columns)

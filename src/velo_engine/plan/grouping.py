"""GROUP BY and aggregates of one SELECT: the aggregate node, and what names mean above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from velo_engine.plan.aggregate_nodes import BOUNDS, Windowing, group_aggregate, window_aggregate
from velo_engine.plan.aggregate_scope import AggregateScope
from velo_engine.plan.aggregate_syntax import aggregates_in
from velo_engine.plan.aggregates import BoundAggregate, bind_aggregate
from velo_engine.plan.attached_windows import AttachedWindow, attached_window
from velo_engine.plan.context import QueryContext
from velo_engine.plan.expressions import ColumnRef, Expression
from velo_engine.plan.group_keys import Grouping, GroupKey, group_keys
from velo_engine.plan.relation import Relation, WindowColumns
from velo_engine.plan.scope import RelationScope
from velo_engine.plan.select_list import SelectItem
from velo_engine.plan.windows import (
    QueryWindow,
    WindowStyle,
    bound_column,
    check_grouping,
    check_session_emission,
    check_session_partition,
    time_position,
    window_functions,
)


@dataclass(frozen=True, slots=True)
class Aggregated:
    """A planned aggregation and the scope of everything above it."""

    relation: Relation
    scope: AggregateScope


def is_aggregating(select: exp.Select) -> bool:
    """Whether `select` groups or aggregates."""
    having = select.args.get("having")
    roots = [*select.expressions, *([] if having is None else [having])]
    return select.args.get("group") is not None or next(aggregates_in(roots), None) is not None


def aggregate(
    select: exp.Select,
    relation: Relation,
    items: Sequence[SelectItem],
    window: QueryWindow | None,
    others: Sequence[exp.Expr],
    aliases: Mapping[str, Expression],
    context: QueryContext,
) -> Aggregated:
    """The aggregation of `select` over `relation`. `others` are expressions besides the items that stand above it."""
    text = context.text
    below = RelationScope(relation, text, clause="an aggregating query")
    having = select.args.get("having")
    above = [*(item.node for item in items), *others, *([] if having is None else [having])]
    nodes = list(aggregates_in(above))
    bound = [bind_aggregate(node, below) for node in nodes]
    calls = tuple(dict.fromkeys(bound))
    grouping = group_keys(select, items, window, below)
    attached = None if window is not None else attached_window(relation, grouping.keys, select.args.get("group"), text)
    keys = grouping.keys if attached is None else attached.keys
    if window is not None:
        check_session_emission(window, context.emit, context.allowed_lateness_ms, text)
        windowing: Windowing | None = _windowing(window, grouping, relation, below)
    else:
        windowing = None if attached is None else attached.windowing
    planned = _planned(relation, keys, calls, windowing, attached, context)
    outputs = _Outputs(planned, keys, calls, windowed=windowing is not None)
    by_node = {id(node): outputs.call(call) for node, call in zip(nodes, bound, strict=True)}
    by_node |= {node: outputs.bound(name) for node, name in window_functions(above, window, below).items()}

    def window_column(column: exp.Column) -> ColumnRef | None:
        name = None if window is None else bound_column(column, below, window)
        return None if name is None else outputs.bound(name)

    columns = {key.expression: outputs.key(i) for i, key in enumerate(keys)}
    if attached is not None:
        columns |= {expression: outputs.bound(name) for expression, name in attached.bounds.items()}
    compound = [key.node for key in keys if not isinstance(key.node, exp.Column)]
    return Aggregated(planned, AggregateScope(below, columns, compound, by_node, window_column, aliases))


def _windowing(window: QueryWindow, grouping: Grouping, relation: Relation, below: RelationScope) -> Windowing:
    """The query's own window over the event time of `relation`."""
    text = below.text
    check_grouping(window, grouping.bounds, text)
    partition = [text.bind(node, below) for node in window.partition_by]
    check_session_partition(window, [key.expression for key in grouping.keys], partition, text)
    position = time_position(window, relation, below)
    kind = relation.node.schema.types[position]
    # The type of TUMBLE_ROWTIME and its like is that of the column; window_time is never NULL.
    time_type = kind if window.style is WindowStyle.GROUP_FUNCTION else kind.as_nullable(False)
    return Windowing(window.spec, ColumnRef(position, kind), time_type)


def _planned(
    relation: Relation,
    keys: Sequence[GroupKey],
    calls: Sequence[BoundAggregate],
    windowing: Windowing | None,
    attached: AttachedWindow | None,
    context: QueryContext,
) -> Relation:
    """The aggregate node, and what is time in its result."""
    if windowing is None:
        node = group_aggregate(relation, keys, calls)
        return Relation(node, (), reference=relation.reference, bounded=relation.bounded)
    windowed = window_aggregate(relation, keys, calls, windowing, context)
    first = len(windowed.schema) - len(BOUNDS)
    windows = WindowColumns(windowing.spec, first, first + 1, windowing.time_type)
    if attached is not None and relation.windows is not None:
        starts = [i for i, key in enumerate(keys) if getattr(key.expression, "index", None) == relation.windows.start]
        windows = WindowColumns(relation.windows.spec, starts[0], first + 1, windowing.time_type)
    return Relation(windowed, (), (first + 2,), windows=windows, bounded=relation.bounded)


class _Outputs:
    """The columns of an aggregate node: keys, calls, and of a window its bounds."""

    def __init__(
        self, planned: Relation, keys: Sequence[GroupKey], calls: Sequence[BoundAggregate], windowed: bool
    ) -> None:
        self._types = planned.node.schema.types
        self._calls = {call: len(keys) + i for i, call in enumerate(calls)}
        first = len(self._types) - len(BOUNDS)
        self._bounds = {name: first + i for i, name in enumerate(BOUNDS)} if windowed else {}

    def key(self, position: int) -> ColumnRef:
        """Key number `position`."""
        return ColumnRef(position, self._types[position])

    def call(self, call: BoundAggregate) -> ColumnRef:
        """The result of an aggregate call."""
        return ColumnRef(self._calls[call], self._types[self._calls[call]], call.location)

    def bound(self, name: str) -> ColumnRef:
        """A bound of the window."""
        return ColumnRef(self._bounds[name], self._types[self._bounds[name]])

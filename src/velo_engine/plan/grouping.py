"""GROUP BY and aggregates of one SELECT: the aggregate node, and what names mean above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from velo_engine.plan.aggregate_nodes import BOUNDS, Windowing, group_aggregate, window_aggregate
from velo_engine.plan.aggregate_scope import AggregateScope
from velo_engine.plan.aggregate_syntax import aggregates_in
from velo_engine.plan.aggregates import BoundAggregate, bind_aggregate
from velo_engine.plan.attached_windows import AttachedWindow, attached_window
from velo_engine.plan.context import QueryContext
from velo_engine.plan.expressions import Call, Case, Cast, ColumnRef, Expression
from velo_engine.plan.group_keys import Grouping, GroupKey, group_keys
from velo_engine.plan.grouping_sets import expanded, grouping_calls, grouping_value, missing_keys
from velo_engine.plan.nodes import Values, WindowKind
from velo_engine.plan.over_windows import over_parts, overs_in
from velo_engine.plan.relation import (
    Relation,
    WindowColumns,
    columns_through_projection,
    window_through_projection,
)
from velo_engine.plan.scope import RelationScope
from velo_engine.plan.select_list import SelectItem
from velo_engine.plan.windows import (
    QueryWindow,
    WindowStyle,
    bound_column,
    check_session_emission,
    gives_rowtime,
    time_position,
    window_functions,
)
from velo_engine.schema import RowSchema


@dataclass(frozen=True, slots=True)
class Aggregated:
    """A planned aggregation and the scope of everything above it."""

    relation: Relation
    scope: AggregateScope


def is_aggregating(select: exp.Select) -> bool:
    """Whether `select` groups or aggregates."""
    having = select.args.get("having")
    roots = [*select.expressions, *([] if having is None else [having])]
    roots += over_parts(tuple(overs_in(select.expressions)), select)
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
    grouping = group_keys(select, items, window, below)
    bound = _bound_aggregates(nodes, grouping, below)
    calls = tuple(dict.fromkeys(bound))
    relation, keys, number = _expanded(relation, grouping)
    group = select.args.get("group")
    attached = None if window is not None else attached_window(relation, keys, calls, group, text)
    if attached is not None:
        planned = attached_aggregate(attached, context)
        keys = attached.keys
    else:
        windowing = None
        if window is not None:
            check_session_emission(window, context.emit, context.allowed_lateness_ms, text)
            windowing = _windowing(window, relation, below, above)
        planned = _planned(relation, keys, calls, windowing, context)
        if window is not None and window.style is WindowStyle.GROUP_FUNCTION:
            # The bounds of the older group windows are values like any other.
            planned = replace(planned, windows=None)
    outputs = _Outputs(planned, keys, calls, windowed=window is not None or attached is not None)
    by_node: dict[int, Expression] = {id(node): outputs.call(call) for node, call in zip(nodes, bound, strict=True)}
    by_node |= {node: outputs.bound(name) for node, name in window_functions(above, window, below).items()}

    def window_column(column: exp.Column) -> ColumnRef | None:
        name = None if window is None else bound_column(column, below, window)
        return None if name is None else outputs.bound(name)

    if attached is None:
        columns = {key.expression: outputs.key(i) for i, key in enumerate(keys)}
    else:
        columns = {expression: outputs.of(output) for expression, output in attached.outputs.items()}
    if number is not None:
        of_set = columns[number.key]
        columns = {key.expression: columns[at] for key, at in zip(grouping.keys, number.columns, strict=True)}
    for node in grouping_calls(above):
        value = _grouping_value(node, grouping, below, None if number is None else of_set)
        by_node[id(node)] = value
    compound = [key.node for key in grouping.keys if not isinstance(key.node, exp.Column)]
    return Aggregated(planned, AggregateScope(below, columns, compound, by_node, window_column, aliases))


def _bound_aggregates(nodes: Sequence[exp.Expr], grouping: Grouping, below: RelationScope) -> list[BoundAggregate]:
    """The calls that `nodes` write.

    Calcite types an argument as if keys were NULL that a grouping set leaves out, though the call reads them as they
    are (AggregatingSelectScope.nullifyType); of an operator it does so for the first operand only.
    """
    bound = [bind_aggregate(node, below) for node in nodes]
    left_out = missing_keys([key.expression for key in grouping.keys], grouping.sets)
    if not left_out:
        return bound
    relation = below.relation
    columns = [
        replace(column, type=column.type.as_nullable(column.type.nullable or i in left_out))
        for i, column in enumerate(relation.node.schema.columns)
    ]
    typed = RelationScope(relation.on(Values((), RowSchema(tuple(columns)))), below.text)
    as_typed = [bind_aggregate(node, typed) for node in nodes]
    return [
        replace(call, may_be_null=any(map(_is_typed_as_null, other.args)))
        for call, other in zip(bound, as_typed, strict=True)
    ]


_OPERATORS = frozenset({"plus", "minus", "times", "divide"})
_OF_ALL_ARGUMENTS = frozenset({"greatest", "least"})


def _is_typed_as_null(argument: Expression) -> bool:
    """Whether an argument, over keys that may be NULL, has a type that may be; as recorded answers show."""
    match argument:
        case Cast() | Case(opaque=False):
            return argument.type.nullable
        case Call(function=function) if function in _OF_ALL_ARGUMENTS:
            return argument.type.nullable
        case Call(function=function, args=(first, second)) if function in _OPERATORS:
            return first.type.nullable or _is_typed_as_null(second)
        case Call(args=args):
            return any(_is_typed_as_null(arg) for arg in args)
        case _:
            return False


@dataclass(frozen=True, slots=True)
class _SetColumns:
    """Where the rows of grouping sets have the keys, and the number of their set."""

    columns: tuple[ColumnRef, ...]
    key: ColumnRef


def _expanded(relation: Relation, grouping: Grouping) -> tuple[Relation, Sequence[GroupKey], _SetColumns | None]:
    """The rows to group and by what: with grouping sets every row once per set, and the number of the set as a key."""
    if not grouping.sets:
        return relation, grouping.keys, None
    node, columns, number = expanded(relation.node, [key.expression for key in grouping.keys], grouping.sets)
    keys = [replace(key, expression=column) for key, column in zip(grouping.keys, columns, strict=True)]
    keys.append(GroupKey(exp.column("$e"), number, "$e"))
    return relation.on(node), keys, _SetColumns(tuple(columns), number)


def _grouping_value(node: exp.Expr, grouping: Grouping, below: RelationScope, number: ColumnRef | None) -> Expression:
    """What a call of GROUPING and its like is above the aggregation."""
    places = {key.expression: i for i, key in enumerate(grouping.keys)}

    def key_of(argument: exp.Expr) -> int | None:
        return places.get(below.text.bind(argument, below))

    return grouping_value(node, key_of, grouping.sets, len(grouping.keys), number, below.text)


def _windowing(window: QueryWindow, relation: Relation, below: RelationScope, above: Sequence[exp.Expr]) -> Windowing:
    """The query's own window over a time of `relation`, for expressions `above` it."""
    position = time_position(window, relation, below)
    kind = relation.node.schema.types[position]
    # The type of TUMBLE_ROWTIME and its like is that of the column; window_time is never NULL.
    of_column = window.style is WindowStyle.GROUP_FUNCTION or gives_rowtime(above, window)
    time_type = kind if of_column else kind.as_nullable(False)
    by_event_time = position not in relation.processing_times
    of_table_function = window.style is WindowStyle.TABLE_FUNCTION
    return Windowing(window.spec, ColumnRef(position, kind), time_type, by_event_time, of_table_function)


def attached_aggregate(attached: AttachedWindow, context: QueryContext) -> Relation:
    """The aggregation in an earlier window, and where its result has the bounds."""
    planned = _planned(attached.relation, attached.keys, attached.calls, attached.windowing, context)
    windows = planned.windows
    assert windows is not None, "a windowed aggregate has bounds"
    if attached.windowing.spec.kind is WindowKind.ATTACHED:
        earlier = attached.relation.windows
        assert earlier is not None
        at = {getattr(key.expression, "index", None): i for i, key in enumerate(attached.keys)}
        windows = replace(
            windows,
            spec=earlier.spec,
            starts=tuple(at[i] for i in earlier.starts if i in at),
            partition=tuple(at[i] for i in earlier.partition),
        )
    return replace(planned, windows=windows)


def _planned(
    relation: Relation,
    keys: Sequence[GroupKey],
    calls: Sequence[BoundAggregate],
    windowing: Windowing | None,
    context: QueryContext,
) -> Relation:
    """The aggregate node, and what is time in its result."""
    if windowing is None:
        node = group_aggregate(relation, keys, calls)
        grouped_by = [key.expression for key in keys]
        times = columns_through_projection(relation.event_times, grouped_by)
        return Relation(
            node,
            (),
            windows=_grouped_windows(relation.windows, grouped_by),
            reference=relation.reference,
            bounded=relation.bounded,
            grouped_times=times,
        )
    windowed = window_aggregate(relation, keys, calls, windowing, context)
    start = len(windowed.schema) - len(BOUNDS)
    time = start + 2
    partition = tuple(range(len(keys))) if windowing.spec.kind is WindowKind.SESSION else ()
    windows = WindowColumns(
        windowing.spec, (start,), (start + 1,), (time,), windowing.time_type, partition, windowing.by_event_time
    )
    if windowing.by_event_time:
        return Relation(windowed, (), (time,), windows=windows, bounded=relation.bounded)
    return Relation(windowed, (), (), frozenset({time}), windows=windows, bounded=relation.bounded)


def _grouped_windows(windows: WindowColumns | None, keys: Sequence[Expression]) -> WindowColumns | None:
    """Where groups that are not aggregated in their window still have its bounds (FlinkRelMdWindowProperties)."""
    columns = {key.index for key in keys if isinstance(key, ColumnRef)}
    if windows is None or not windows.bounded_by(columns):
        return None
    return window_through_projection(windows, keys)


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

    def of(self, output: int | str) -> ColumnRef:
        """A key by number, or a bound of the window by name."""
        return self.key(output) if isinstance(output, int) else self.bound(output)

    def bound(self, name: str) -> ColumnRef:
        """A bound of the window."""
        return ColumnRef(self._bounds[name], self._types[self._bounds[name]])

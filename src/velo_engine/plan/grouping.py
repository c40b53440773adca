"""GROUP BY: the keys of a query, the aggregate node they make, and what names mean above it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.aggregate_syntax import aggregates_in
from velo_engine.plan.aggregates import BoundAggregate, aggregate_call, bind_aggregate
from velo_engine.plan.context import QueryContext
from velo_engine.plan.expressions import AggregateCall, ColumnRef, Expression, walk
from velo_engine.plan.nodes import GroupAggregate, PlanNode, WindowAggregate
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation, WindowColumns, project
from velo_engine.plan.rewrite import map_columns
from velo_engine.plan.scope import RelationScope
from velo_engine.plan.select_list import SelectItem
from velo_engine.plan.windows import (
    QueryWindow,
    bound_column,
    check_grouping,
    check_session_partition,
    time_position,
    window_functions,
)
from velo_engine.schema import Column, RowSchema
from velo_engine.sql.syntax import GroupWindow
from velo_engine.types import timestamp

BOUND_TYPE = timestamp(3).as_nullable(False)
"""Of window_start and window_end."""


@dataclass(frozen=True, slots=True)
class GroupKey:
    """One GROUP BY item."""

    node: exp.Expr
    expression: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Grouping:
    """GROUP BY without its window."""

    keys: tuple[GroupKey, ...]
    bounds: tuple[str, ...]
    """Bounds of the query's window that are grouped by."""


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
    grouping = group_keys(select, items, window, below)
    roots = [*(item.node for item in items), *others]
    having = select.args.get("having")
    if having is not None:
        roots.append(having)
    nodes = list(aggregates_in(roots))
    bound = [bind_aggregate(node, below) for node in nodes]
    calls = list(dict.fromkeys(bound))
    if window is None:
        _refuse_attached_window(relation, grouping, select, text)
        planned = _group_aggregate(relation, grouping, calls)
    else:
        check_grouping(window, grouping.bounds, text)
        planned = _window_aggregate(relation, grouping, calls, window, below, context)
    first = len(grouping.keys)
    types = planned.node.schema.types
    call_columns = {
        id(node): ColumnRef(first + calls.index(b), types[first + calls.index(b)], b.location)
        for node, b in zip(nodes, bound, strict=True)
    }
    positions = _bound_positions(planned, window)
    functions = {
        node: ColumnRef(positions[name], types[positions[name]])
        for node, name in window_functions(roots, window, below).items()
    }

    def window_column(column: exp.Column) -> ColumnRef | None:
        name = None if window is None else bound_column(column, below, window)
        return None if name is None else ColumnRef(positions[name], types[positions[name]], text.locate(column))

    scope = AggregateScope(below, grouping.keys, {**call_columns, **functions}, window_column, aliases)
    return Aggregated(planned, scope)


def group_keys(
    select: exp.Select, items: Sequence[SelectItem], window: QueryWindow | None, below: RelationScope
) -> Grouping:
    """The keys, each once: columns, expressions, ordinals and aliases of select items."""
    text = below.text
    keys: dict[Expression, GroupKey] = {}
    bounds: list[str] = []
    for written in _group_items(select, text):
        node, alias = _referred(written, items, below)
        functions = window_functions([node], window, below)
        bound = functions.get(id(node)) or (None if window is None else bound_column(node, below, window))
        if bound is not None:
            bounds.append(bound)
            continue
        if next(aggregates_in([node]), None) is not None:
            raise text.error(ErrorCode.INVALID_GROUPING, "an aggregate cannot be grouped by", written)
        expression = text.bind(node, below)
        name = alias or (node.name if isinstance(node, exp.Column) else f"$key{len(keys)}")
        keys.setdefault(expression, GroupKey(node, expression, name))
    return Grouping(tuple(keys.values()), tuple(bounds))


def _group_items(select: exp.Select, text: ProgramText) -> list[exp.Expr]:
    group = select.args.get("group")
    if group is None:
        return []
    for arg, value in group.args.items():
        if value and arg != "expressions":
            raise text.unsupported(f"GROUP BY {arg.replace('_', ' ').upper()}", group)
    for item in group.expressions:
        if isinstance(item, exp.Cube | exp.Rollup | exp.GroupingSets | exp.Tuple):
            raise text.unsupported(f"GROUP BY {item.key.upper()}", item)
    return [item for item in group.expressions if not isinstance(item, GroupWindow)]


def _referred(node: exp.Expr, items: Sequence[SelectItem], below: RelationScope) -> tuple[exp.Expr, str | None]:
    """The expression that a GROUP BY item means, and the alias when it is one: an ordinal counts select items from 1, a
    name that no input column has may be an alias."""
    if isinstance(node, exp.Literal) and node.is_int:
        position = int(node.this)
        if not 1 <= position <= len(items):
            raise below.text.error(
                ErrorCode.INVALID_GROUPING, f"GROUP BY {position}, but the select list has {len(items)} items", node
            )
        return items[position - 1].node, items[position - 1].alias
    if isinstance(node, exp.Column) and not node.table and not below.has(node.name):
        for item in items:
            if item.alias == node.name:
                return item.node, item.alias
    return node, None


def _group_aggregate(relation: Relation, grouping: Grouping, calls: Sequence[BoundAggregate]) -> Relation:
    below, column = _columns_for(relation.node, _needed(grouping, calls))
    planned = [aggregate_call(call, column) for call in calls]
    schema = RowSchema((*_key_columns(grouping), *_call_columns(planned)))
    keys = tuple(column[key.expression] for key in grouping.keys)
    return Relation(
        GroupAggregate(below, keys, tuple(planned), schema), (), reference=relation.reference, bounded=relation.bounded
    )


def _window_aggregate(
    relation: Relation,
    grouping: Grouping,
    calls: Sequence[BoundAggregate],
    window: QueryWindow,
    scope: RelationScope,
    context: QueryContext,
) -> Relation:
    time_at = time_position(window, relation, scope)
    time = ColumnRef(time_at, relation.node.schema.types[time_at])
    partition = [scope.text.bind(node, scope) for node in window.partition_by]
    check_session_partition(window, [key.expression for key in grouping.keys], partition, scope.text)
    below, column = _columns_for(relation.node, [*_needed(grouping, calls), time])
    planned = [aggregate_call(call, column) for call in calls]
    bounds = (
        Column("window_start", BOUND_TYPE),
        Column("window_end", BOUND_TYPE),
        Column("window_time", time.type.as_nullable(False)),
    )
    schema = RowSchema((*_key_columns(grouping), *_call_columns(planned), *bounds))
    node = WindowAggregate(
        input=below,
        window=window.spec,
        time_column=column[time],
        keys=tuple(column[key.expression] for key in grouping.keys),
        calls=tuple(planned),
        emit=context.emit,
        allowed_lateness_ms=context.allowed_lateness_ms,
        late_data=context.late_data,
        schema=schema,
    )
    start = len(schema) - len(bounds)
    windows = WindowColumns(window.spec, start, start + 1)
    return Relation(node, (), (start + 2,), windows=windows, bounded=relation.bounded)


def _needed(grouping: Grouping, calls: Sequence[BoundAggregate]) -> list[Expression]:
    """What must be columns of the aggregate's input."""
    needed = [key.expression for key in grouping.keys]
    for call in calls:
        needed += call.args
        if call.filter is not None:
            needed.append(call.filter)
    return needed


def _columns_for(node: PlanNode, needed: Sequence[Expression]) -> tuple[PlanNode, Mapping[Expression, int]]:
    """`node`, projected where `needed` holds more than columns, and the column of each expression."""
    unique = list(dict.fromkeys(needed))
    columns: dict[Expression, int] = {e: e.index for e in unique if isinstance(e, ColumnRef)}
    if len(columns) == len(unique):
        return node, columns
    names = [node.schema.names[e.index] if isinstance(e, ColumnRef) else f"${i}" for i, e in enumerate(unique)]
    return project(node, unique, names), {e: i for i, e in enumerate(unique)}


def _key_columns(grouping: Grouping) -> list[Column]:
    return [Column(key.name, key.expression.type) for key in grouping.keys]


def _call_columns(calls: Sequence[AggregateCall]) -> list[Column]:
    return [Column(f"${call.function}{i}", call.type) for i, call in enumerate(calls)]


def _bound_positions(planned: Relation, window: QueryWindow | None) -> Mapping[str, int]:
    if window is None:
        return {}
    start = len(planned.node.schema) - 3
    return {"window_start": start, "window_end": start + 1, "window_time": start + 2}


def _refuse_attached_window(relation: Relation, grouping: Grouping, select: exp.Select, text: ProgramText) -> None:
    """Flink runs an aggregate grouped by the bounds of an earlier window as a window aggregate of its own
    (WindowAttachedWindowingStrategy), with one final row a window; a plain aggregate would give updates instead."""
    windows = relation.windows
    keys = {key.expression.index for key in grouping.keys if isinstance(key.expression, ColumnRef)}
    if windows is not None and {windows.start, windows.end} <= keys:
        raise text.unsupported(
            "grouping by the bounds of an earlier window",
            select.args["group"],
            "window the result over its window_time, with a size of its own",
        )


class AggregateScope:
    """What names mean above an aggregation: keys, aggregates, window bounds, aliases of earlier select items."""

    def __init__(
        self,
        below: RelationScope,
        keys: Sequence[GroupKey],
        planned: Mapping[int, ColumnRef],
        window_column: Callable[[exp.Column], ColumnRef | None],
        aliases: Mapping[str, Expression],
    ) -> None:
        self.text = below.text
        self._below = below
        self._keys: dict[Expression, ColumnRef] = {
            key.expression: ColumnRef(i, key.expression.type) for i, key in enumerate(keys)
        }
        self._compound = frozenset(type(key.node) for key in keys if not isinstance(key.node, exp.Column))
        self._planned = planned
        """By node id: the columns of aggregates and of TUMBLE_START and its like."""
        self._window_column = window_column
        self._aliases = aliases

    def resolve(self, column: exp.Column) -> Expression:
        """A window bound, a key, or an alias of an earlier item."""
        bound = self._window_column(column)
        if bound is not None:
            return bound
        try:
            found = self._below.resolve(column)
        except VeloError:
            if not column.table and column.name in self._aliases:
                return self._aliases[column.name]
            raise
        over_keys = self._over_keys(found)
        if over_keys is not None:
            return over_keys
        raise self.text.error(
            ErrorCode.INVALID_GROUPING,
            f'"{column.name}" is neither in GROUP BY nor inside an aggregate',
            column,
            f"add {column.sql()} to GROUP BY, or aggregate it, for example with LAST_VALUE({column.sql()})",
        )

    def _over_keys(self, found: Expression) -> Expression | None:
        """`found` over the output: a key, or a field of a key that is a ROW."""
        if found in self._keys:
            return self._keys[found]
        inputs = [part for part in walk(found) if isinstance(part, ColumnRef)]
        if not all(column in self._keys for column in inputs):
            return None
        positions = {column.index: self._keys[column].index for column in inputs}
        return map_columns(found, positions.__getitem__)

    def planned(self, node: exp.Expr) -> Expression | None:
        """The output column of an aggregate, of a window function, or of a key that is an expression."""
        found = self._planned.get(id(node))
        if found is not None:
            return found
        if type(node) in self._compound:
            key = self._matching_key(node)
            if key is not None:
                return key
        return self._below.planned(node)

    def _matching_key(self, node: exp.Expr) -> Expression | None:
        """The key that `node` computes, if any; what is not an expression of the input is none."""
        if next(aggregates_in([node]), None) is not None:
            return None
        try:
            return self._keys.get(self.text.bind(node, self._below))
        except VeloError:
            return None

"""One query: FROM, WHERE, GROUP BY, HAVING, the select list, DISTINCT, ORDER BY … LIMIT, in this order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.plan.aggregate_nodes import BOUNDS
from velo_engine.plan.attached_windows import AttachedWindow, attached_window
from velo_engine.plan.bound_select import (
    BoundSelect,
    bind_select,
    event_time_item,
    is_event_time_item,
    projected,
    refuse_clauses,
    where,
    with_columns,
)
from velo_engine.plan.constant_rows import plan_values
from velo_engine.plan.context import QueryContext
from velo_engine.plan.expressions import ColumnRef
from velo_engine.plan.from_clause import plan_from
from velo_engine.plan.group_keys import GroupKey
from velo_engine.plan.grouping import attached_aggregate
from velo_engine.plan.ordering import ORDERING_ARGS, Ordering, ordered, ordering_of
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.ranked import plan_ranked
from velo_engine.plan.relation import (
    Relation,
    fields_of,
    project,
    through_projection,
    window_through_projection,
)
from velo_engine.plan.select_list import SelectItem, select_items
from velo_engine.plan.set_operations import distinct, plan_set_operation
from velo_engine.plan.top_n import match_ranked
from velo_engine.plan.windows import find_window
from velo_engine.schema import RowSchema


@dataclass(frozen=True, slots=True)
class PlannedQuery:
    """The result of a query and what its select list says about it."""

    relation: Relation
    key: tuple[int, ...] = ()
    """Columns marked PRIMARY KEY."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other names of output columns."""


def plan_query(query: exp.Query, context: QueryContext) -> PlannedQuery:
    """The plan of `query`. Raises SQL_UNSUPPORTED for what is not a SELECT."""
    context = context.inside(query)
    while isinstance(query, exp.Subquery) and not any(v for k, v in query.args.items() if k not in ("this", "alias")):
        query = query.this
        context = context.inside(query)
    if isinstance(query, exp.Select):
        return _plan_select(query, context)
    if isinstance(query, exp.Values):
        return PlannedQuery(plan_values(query, context.text))
    if not isinstance(query, exp.SetOperation):
        raise context.text.unsupported(type(query).__name__.upper(), query)
    if any(query.args.get(arg) for arg in ORDERING_ARGS):
        return _plan_select(_around(query), context)
    return PlannedQuery(plan_set_operation(query, context))


def _around(query: exp.SetOperation) -> exp.Select:
    """A SELECT that orders the rows of `query`, which then says nothing of their order."""
    inner = query.copy()
    ordering = {arg: inner.args.pop(arg) for arg in ORDERING_ARGS if inner.args.get(arg) is not None}
    star = exp.Star()
    star.meta.update(next((node.meta for node in inner.walk() if node.meta), {}))
    return exp.Select(expressions=[star], from_=exp.From(this=exp.Subquery(this=inner)), **ordering)


def _plan_select(select: exp.Select, context: QueryContext) -> PlannedQuery:
    text = context.text
    refuse_clauses(select, text)
    window = find_window(select, text)
    ranked = match_ranked(select, context)
    conditions: Sequence[exp.Expr]
    if ranked is not None:
        relation, conditions = plan_ranked(ranked), ranked.other_conditions
    else:
        relation, conditions = plan_from(select, window, event_time_item(select), context)
    relation = where(relation, conditions, select, context)
    ordering = ordering_of(select, context)
    items = select_items(select, relation, text)
    bound = bind_select(select, items, relation, window, [item.this for item in ordering.order], context)
    if select.args.get("distinct"):
        columns = _selected(bound, ordering, text)
        planned = ordered(_distinct(select, bound, context), ordering, columns, len(items), context)
    elif ordering.order:
        relation, columns = with_columns(bound, bound.others)
        planned = ordered(relation, ordering, columns, len(items), context)
    else:
        planned = _with_computed_time(bound, projected(bound, bound.expressions, _names(items)), context)
        planned = ordered(planned, ordering, (), len(items), context)
    return PlannedQuery(planned, tuple(i for i, item in enumerate(items) if item.key), _aliases(items))


def _names(items: Sequence[SelectItem]) -> list[str]:
    return [item.name for item in items]


def _aliases(items: Sequence[SelectItem]) -> Mapping[str, str]:
    """`o.order_id` for a column that was selected so and has no alias."""
    return {
        ".".join(part.name for part in item.node.parts): item.name
        for item in items
        if item.alias is None and isinstance(item.node, exp.Column) and item.node.table
    }


def _selected(bound: BoundSelect, ordering: Ordering, text: ProgramText) -> Sequence[int]:
    """Which select items the ORDER BY of SELECT DISTINCT names."""
    for item, expression in zip(ordering.order, bound.others, strict=True):
        if expression not in bound.expressions:
            raise text.error(
                ErrorCode.INVALID_GROUPING, "SELECT DISTINCT is ordered by what it selects alone", item, "select it"
            )
    return [bound.expressions.index(expression) for expression in bound.others]


def _distinct(select: exp.Select, bound: BoundSelect, context: QueryContext) -> Relation:
    """SELECT DISTINCT is GROUP BY over the whole select list, without aggregates."""
    text = context.text
    if select.args["distinct"].args.get("on") is not None:
        raise text.unsupported("DISTINCT ON", select)
    below = projected(bound, bound.expressions, _names(bound.items))
    schema = below.node.schema
    keys = [
        GroupKey(select, ColumnRef(i, t), n) for i, (n, t) in enumerate(zip(schema.names, schema.types, strict=True))
    ]
    attached = attached_window(below, keys, (), select, text)
    if attached is not None:
        return _distinct_in_window(attached, schema, context)
    return replace(distinct(below, context), grouped_times=frozenset(below.event_times))


def _distinct_in_window(attached: AttachedWindow, schema: RowSchema, context: QueryContext) -> Relation:
    """SELECT DISTINCT with the bounds of a window: once, when it closes."""
    planned = attached_aggregate(attached, context)
    types = planned.node.schema.types
    first = len(types) - len(BOUNDS)
    positions = [
        output if isinstance(output, int) else first + BOUNDS.index(output)
        for output in (attached.outputs[ColumnRef(i, t)] for i, t in enumerate(schema.types))
    ]
    expressions = [ColumnRef(i, types[i]) for i in positions]
    node = project(planned.node, expressions, schema.names)
    event, processing = through_projection(planned, expressions)
    windows = window_through_projection(planned.windows, expressions)
    return Relation(node, fields_of(node.schema), event, processing, windows, bounded=planned.bounded)


def _with_computed_time(bound: BoundSelect, relation: Relation, context: QueryContext) -> Relation:
    """An aggregating query may name the event time of its result with `… AS _EVENT_TIME`."""
    if not bound.aggregating:
        return relation
    for position, item in enumerate(bound.items):
        if is_event_time_item(item.alias) and position not in relation.event_times[:1]:
            return context.relations.retimed(relation, position, item.node)
    return relation

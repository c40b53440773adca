"""One query: FROM, WHERE, GROUP BY, HAVING, the select list, DISTINCT, ORDER BY … LIMIT, in this order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from velo_engine.plan.aggregate_nodes import BOUNDS
from velo_engine.plan.attached_windows import AttachedWindow, attached_window
from velo_engine.plan.bound_select import (
    BoundSelect,
    bind_select,
    event_time_item,
    filtered,
    is_event_time_item,
    projected,
    refuse_clauses,
    with_columns,
)
from velo_engine.plan.context import QueryContext
from velo_engine.plan.expressions import ColumnRef
from velo_engine.plan.from_clause import plan_from
from velo_engine.plan.group_keys import GroupKey
from velo_engine.plan.grouping import attached_aggregate
from velo_engine.plan.nodes import GroupAggregate
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
from velo_engine.plan.top_n import check_top_n, match_ranked, sort_key, top_n
from velo_engine.plan.windows import find_window
from velo_engine.schema import RowSchema

_SET_OPERATIONS = {"Union": "UNION", "Intersect": "INTERSECT", "Except": "EXCEPT"}


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
    name = _SET_OPERATIONS.get(type(query).__name__, type(query).__name__.upper())
    raise context.text.unsupported(name, query)


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
    for condition in conditions:
        relation = filtered(relation, condition, select, text)
    order = _order(select, text)
    items = select_items(select, relation, text)
    bound = bind_select(select, items, relation, window, [item.this for item in order], context)
    if select.args.get("distinct"):
        planned = _distinct(select, bound, context)
    elif order:
        planned = _first_rows(select, bound, order, text)
    else:
        planned = _with_computed_time(bound, projected(bound, bound.expressions, _names(items)), context)
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


def _order(select: exp.Select, text: ProgramText) -> tuple[exp.Ordered, ...]:
    order, limit = select.args.get("order"), select.args.get("limit")
    if order is not None and limit is None:
        raise text.unsupported("ORDER BY without LIMIT over a stream", order, "add LIMIT n for a maintained Top-N")
    if limit is not None and order is None:
        raise text.unsupported("LIMIT without ORDER BY", limit, "say which rows come first with ORDER BY")
    return () if order is None else tuple(order.expressions)


def _first_rows(select: exp.Select, bound: BoundSelect, order: Sequence[exp.Ordered], text: ProgramText) -> Relation:
    """ORDER BY … LIMIT n: a Top-N without partition (Flink's SortLimit)."""
    relation, columns = with_columns(bound, bound.others)
    keys = [sort_key(ordered, column) for ordered, column in zip(order, columns, strict=True)]
    check_top_n(relation, keys, select.args["order"], text)
    node = top_n(relation, (), keys, _limit(select.args["limit"], text), None)
    listed = RowSchema(node.schema.columns[: len(bound.items)])
    refs = [ColumnRef(i, t) for i, t in enumerate(listed.types)]
    return Relation(project(node, refs, listed.names), fields_of(listed), bounded=relation.bounded)


def _limit(limit: exp.Expr, text: ProgramText) -> int:
    count = limit.args.get("expression")
    if not (isinstance(limit, exp.Limit) and isinstance(count, exp.Literal) and count.is_int and int(count.this) > 0):
        raise text.unsupported("this LIMIT", limit, "write LIMIT and a whole number greater than 0")
    if limit.args.get("offset") is not None:
        raise text.unsupported("LIMIT with an offset", limit)
    return int(count.this)


def _distinct(select: exp.Select, bound: BoundSelect, context: QueryContext) -> Relation:
    """SELECT DISTINCT is GROUP BY over the whole select list, without aggregates."""
    text = context.text
    if select.args["distinct"].args.get("on") is not None:
        raise text.unsupported("DISTINCT ON", select)
    if select.args.get("order") is not None:
        raise text.unsupported("SELECT DISTINCT with ORDER BY", select.args["order"], "order a query around it")
    below = projected(bound, bound.expressions, _names(bound.items))
    schema = below.node.schema
    keys = [GroupKey(select, ColumnRef(i, t), n) for i, (n, t) in enumerate(zip(schema.names, schema.types, strict=True))]
    attached = attached_window(below, keys, (), select, text)
    if attached is not None:
        return _distinct_in_window(attached, schema, context)
    node = GroupAggregate(below.node, tuple(range(len(schema))), (), schema)
    return Relation(node, fields_of(schema), bounded=below.bounded)


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

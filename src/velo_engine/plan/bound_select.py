"""The select list, WHERE and HAVING of one SELECT as expressions over one relation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.plan.context import QueryContext
from velo_engine.plan.expressions import ColumnRef, Expression
from velo_engine.plan.grouping import aggregate, is_aggregating
from velo_engine.plan.nodes import Filter
from velo_engine.plan.over import plan_over
from velo_engine.plan.over_windows import over_parts, overs_in
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import (
    Relation,
    columns_through_projection,
    fields_of,
    project,
    system_name,
    through_projection,
    window_through_projection,
)
from velo_engine.plan.scope import RelationScope
from velo_engine.plan.select_list import SelectItem, unique_name, unwrapped
from velo_engine.plan.subqueries import restricted, with_subqueries
from velo_engine.plan.unread_over import without_unread_over
from velo_engine.plan.windows import QueryWindow, WindowStyle, window_functions
from velo_engine.sql.expression_binder import Scope

_SUPPORTED_CLAUSES = frozenset(
    {
        "with_",
        "expressions",
        "distinct",
        "from_",
        "joins",
        "where",
        "group",
        "having",
        "order",
        "limit",
        "offset",
        "window_clause",
        "windows",
    }
)


_CLAUSE_NAMES = {"laterals": "LATERAL"}


@dataclass(frozen=True, slots=True)
class BoundSelect:
    """Select items as expressions over one relation."""

    relation: Relation
    items: tuple[SelectItem, ...]
    expressions: tuple[Expression, ...]
    others: tuple[Expression, ...]
    """What else was asked for, over the same relation."""
    aggregating: bool


def refuse_clauses(select: exp.Select, text: ProgramText) -> None:
    """Refuse every clause that is not planned, by its name."""
    for clause, value in select.args.items():
        if value and clause not in _SUPPORTED_CLAUSES:
            name = _CLAUSE_NAMES.get(clause) or clause.strip("_").replace("_", " ").upper()
            raise text.unsupported(name, _place(value, select, text))


def _place(value: object, select: exp.Select, text: ProgramText) -> exp.Expr:
    """Where a clause stands, as far as its parts know; else where the query does."""
    at = value[0] if isinstance(value, list) else value
    return at if isinstance(at, exp.Expr) and text.locate(at) is not None else select


def where(relation: Relation, conditions: Sequence[exp.Expr], select: exp.Select, context: QueryContext) -> Relation:
    """The rows of `relation` for which all WHERE `conditions` of `select` are true."""
    names = frozenset(aliases_of(select))
    scope = RelationScope(relation, context.text, clause="WHERE", later_aliases=names)
    return restricted(relation, scope, conditions, "WHERE", context)


def filtered(relation: Relation, condition: exp.Expr, select: exp.Select, text: ProgramText) -> Relation:
    """The rows of `relation` for which the WHERE `condition` of `select` is true."""
    scope = RelationScope(relation, text, clause="WHERE", later_aliases=frozenset(aliases_of(select)))
    predicate = text.condition(condition, scope, "WHERE")
    return relation.on(Filter(relation.node, predicate, relation.node.schema))


def bind_select(
    select: exp.Select,
    items: Sequence[SelectItem],
    relation: Relation,
    window: QueryWindow | None,
    others: Sequence[exp.Expr],
    context: QueryContext,
) -> BoundSelect:
    """`items` of `select`, and `others`, over the relation from which they are computed."""
    text = context.text
    aliases: dict[str, Expression] = {}
    others = [_output_reference(other, items) for other in others]
    scope: Scope
    overs = tuple(overs_in([*(item.node for item in items), *others]))
    parts = over_parts(overs, select)
    aggregating = is_aggregating(select)
    if aggregating:
        aggregated = aggregate(select, relation, items, window, [*others, *parts], aliases, context)
        scope, relation = aggregated.scope, aggregated.relation
    elif window is not None:
        what = "a window table function" if window.style is WindowStyle.TABLE_FUNCTION else "WINDOW"
        raise text.unsupported(f"{what} without aggregation", window.node, "aggregate, or leave the window away")
    else:
        window_functions([item.node for item in items], None, RelationScope(relation, text))
        scope = RelationScope(relation, text, aliases, clause="the select list")
    relation, scope = with_subqueries(relation, scope, [*(item.node for item in items), *others], context)
    having = select.args.get("having")
    if overs:
        relation = _having(having, relation, scope, aggregating, context)
        scope, relation = plan_over(select, overs, relation, scope, text)
    expressions = []
    for item in items:
        expression = _item_expression(item, relation, scope, aggregating, text)
        expressions.append(expression)
        if item.alias is not None:
            aliases.setdefault(item.alias, expression)
    bound_others = tuple(text.bind_column(other, scope) for other in others)
    if not overs:
        relation = _having(having, relation, scope, aggregating, context)
    return BoundSelect(relation, tuple(items), tuple(expressions), bound_others, aggregating)


def _having(
    having: exp.Expr | None, relation: Relation, scope: Scope, aggregating: bool, context: QueryContext
) -> Relation:
    """The groups that HAVING keeps."""
    if having is None:
        return relation
    if not aggregating:
        raise context.text.error(
            ErrorCode.INVALID_GROUPING, "HAVING without GROUP BY or an aggregate", having, "use WHERE"
        )
    return restricted(relation, scope, [having.this], "HAVING", context)


def _item_expression(
    item: SelectItem, relation: Relation, scope: Scope, aggregating: bool, text: ProgramText
) -> Expression:
    """The value of an item; `… AS _EVENT_TIME` was planned with FROM and is the event time now."""
    if not aggregating and is_event_time_item(item.alias) and relation.event_times:
        time = relation.event_times[0]
        return ColumnRef(time, relation.node.schema.types[time], text.locate(item.node))
    return text.bind_column(item.node, scope)


def aliases_of(select: exp.Select) -> list[str]:
    """The aliases of the select list."""
    return [alias for _, alias, _ in map(unwrapped, select.expressions) if alias is not None]


def is_event_time_item(alias: str | None) -> bool:
    """Whether a select item is `… AS _EVENT_TIME`."""
    return alias is not None and system_name(alias) == "_event_time"


def event_time_item(select: exp.Select) -> exp.Expr | None:
    """The value of the item `… AS _EVENT_TIME` of a query that does not aggregate."""
    found = [node for node, alias, _ in map(unwrapped, select.expressions) if is_event_time_item(alias)]
    return found[0] if found and not is_aggregating(select) else None


def _output_reference(node: exp.Expr, items: Sequence[SelectItem]) -> exp.Expr:
    """What ORDER BY means by an ordinal or by the name of an output column."""
    if isinstance(node, exp.Literal) and node.is_int and 1 <= int(node.this) <= len(items):
        return items[int(node.this) - 1].node
    if isinstance(node, exp.Column) and not node.table:
        return next((item.node for item in items if item.name == node.name), node)
    return node


def projected(bound: BoundSelect, expressions: Sequence[Expression], names: Sequence[str]) -> Relation:
    """`expressions` over the bound relation as a relation of their own."""
    below = bound.relation
    node = without_unread_over(project(below.node, expressions, names))
    event, processing = through_projection(below, expressions)
    windows = window_through_projection(below.windows, expressions)
    grouped = columns_through_projection(below.grouped_times, expressions)
    return Relation(
        node, fields_of(node.schema), event, processing, windows, below.reference, below.bounded, grouped_times=grouped
    )


def with_columns(bound: BoundSelect, needed: Sequence[Expression]) -> tuple[Relation, tuple[int, ...]]:
    """The select list, then a column for each of `needed` that is not in it; and where each of `needed` is."""
    expressions = list(bound.expressions)
    names = [item.name for item in bound.items]
    columns = []
    for expression in needed:
        if expression not in expressions:
            expressions.append(expression)
            names.append(unique_name("$order", names))
        columns.append(expressions.index(expression))
    return projected(bound, expressions, names), tuple(columns)

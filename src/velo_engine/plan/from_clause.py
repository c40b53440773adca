"""FROM: its items from left to right, each join on what stands left of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from itertools import groupby

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.functions import record_headers
from velo_engine.plan.aggregate_syntax import function_name
from velo_engine.plan.constant_rows import one_row, plan_values
from velo_engine.plan.context import CommonTable, QueryContext, Wanted
from velo_engine.plan.correlates import is_table_function, plan_correlate, plan_unnested
from velo_engine.plan.expressions import ColumnRef
from velo_engine.plan.join_tree import join_as_written, join_where
from velo_engine.plan.joins import JoinStep, Moment
from velo_engine.plan.lateral import is_lateral, plan_lateral, plan_lateral_top_n
from velo_engine.plan.match_recognize import plan_match
from velo_engine.plan.relation import Relation, system_name
from velo_engine.plan.scope import RelationScope
from velo_engine.plan.statement_properties import relation_name
from velo_engine.plan.window_tables import window_table
from velo_engine.plan.windows import QueryWindow
from velo_engine.sql.match_syntax import MatchRecognize
from velo_engine.sql.syntax import WindowTable

_TABLE_ARGS = frozenset({"this", "alias", "db", "catalog", "system_time"})
_QUERY_ARGS = frozenset({"this", "alias"})
_WINDOW_BOUNDS = frozenset({"_window_start", "_window_end"})


def plan_from(
    select: exp.Select, window: QueryWindow | None, event_time_item: exp.Expr | None, context: QueryContext
) -> tuple[Relation, Sequence[exp.Expr]]:
    """The relation that `select` reads, and the conditions of its WHERE that no join has taken.

    `event_time_item` is the value of its item `… AS _EVENT_TIME`: the relation then has it as its first event time.
    """
    text = context.text
    clause = select.args.get("from_")
    if clause is None:
        if select.args.get("where") is not None:
            raise text.unsupported("WHERE without FROM", select.args["where"])
        return one_row(), ()
    joins: Sequence[exp.Join] = select.args.get("joins") or ()
    used = _system_columns(select)
    wanted = _time_wanted(window, event_time_item, used)
    if any(join.args.get("within_ms") is not None for join in joins):
        wanted = replace(wanted, event_time=True)
    alias = _alias(clause.this)
    wanted = replace(wanted, system_columns=_for_alias(used, alias, leftmost=True), joined=context.joined)
    if isinstance(clause.this, WindowTable) and window is not None and window.node is clause.this:
        relation = _windowed_input(clause.this, wanted, context)
    else:
        relation = _item(clause.this, wanted, context)
    where = select.args.get("where")
    conditions: Sequence[exp.Expr] = () if where is None else (where.this,)
    ranked = plan_lateral_top_n(clause.this, joins[0], context) if joins and is_lateral(joins[0].this) else None
    if ranked is not None:
        relation, joins = ranked, joins[1:]
    for correlated, run in groupby(joins, lambda join: is_table_function(join.this) or is_lateral(join.this)):
        if correlated:
            for join in run:
                plan = plan_lateral if is_lateral(join.this) else plan_correlate
                relation = plan(relation, join, context)
        else:
            relation, conditions = _joined(relation, tuple(run), used, conditions, select, context)
    if joins and event_time_item is not None and not _is_timed(relation):
        relation = context.relations.timed(relation, Wanted(time_value=event_time_item, replaces=True))
    if event_time_item is not None and not relation.event_times:
        raise text.error(
            ErrorCode.MISSING_EVENT_TIME,
            "this value cannot be the event time of the relations in FROM",
            event_time_item,
        )
    return relation, conditions


def _is_timed(relation: Relation) -> bool:
    return bool(relation.event_times)


def _time_wanted(
    window: QueryWindow | None, event_time_item: exp.Expr | None, used: Sequence[tuple[str, str]]
) -> Wanted:
    needs_time = window is not None or any(name == "_event_time" for _, name in used)
    if event_time_item is not None:
        return Wanted(event_time=needs_time, time_value=event_time_item, replaces=True)
    return Wanted(event_time=needs_time, time_value=None if window is None else window.time_column)


def _system_columns(select: exp.Select) -> list[tuple[str, str]]:
    """The system columns that `select` uses outside its subqueries: alias (empty without one) and lower-case name."""
    found: dict[tuple[str, str], None] = {}
    for node in select.walk(prune=lambda n: n is not select and isinstance(n, exp.Query | exp.CTE | MatchRecognize)):
        if function_name(node) == "proctime":
            found["", "_processing_time"] = None
        elif function_name(node) in record_headers.NAMES:
            found["", record_headers.HEADERS] = None
        elif isinstance(node, exp.Column):
            name = system_name(node.name)
            if name is not None and name not in _WINDOW_BOUNDS:
                found[node.table, name] = None
    return list(found)


def _for_alias(used: Sequence[tuple[str, str]], alias: str, leftmost: bool) -> tuple[str, ...]:
    """Those of one FROM item; without alias they are the leftmost's."""
    return tuple(name for owner, name in used if name != "_event_time" and (owner == alias if owner else leftmost))


def _alias(item: exp.Expr) -> str:
    """The name by which a query reaches a FROM item."""
    if isinstance(item, WindowTable):
        alias = item.args.get("alias")
        return str(alias.name) if alias is not None else _alias(item.args["table"])
    if isinstance(item, exp.Table) and not item.alias:
        return relation_name(item)
    return str(item.alias)


def _joined(
    first: Relation,
    joins: Sequence[exp.Join],
    used: Sequence[tuple[str, str]],
    conditions: Sequence[exp.Expr],
    select: exp.Select,
    context: QueryContext,
) -> tuple[Relation, Sequence[exp.Expr]]:
    """`first` with `joins`, and what they leave of `conditions`."""
    steps: list[JoinStep] = []
    relation = first
    for join in joins:
        steps.append(_step(relation, join, used, context))
        relation = join_as_written(relation, steps[-1], context)
    if not conditions:
        return relation, ()
    where = reduce(lambda a, b: exp.And(this=a, expression=b), conditions)
    return join_where(first, steps, relation, where, select, context)


def _step(left: Relation, join: exp.Join, used: Sequence[tuple[str, str]], context: QueryContext) -> JoinStep:
    """What `join` reads beside `left`."""
    item = join.this
    if join.args.get("method") == "NATURAL":
        join = _natural(left, join, used, context)
    moment = _moment(item, left, context)
    wanted = Wanted(
        _for_alias(used, _alias(item), leftmost=False),
        event_time=join.args.get("within_ms") is not None,
        joined=True,
        looked_up=moment is not None and moment.column is None,
        versioned=moment is not None and moment.column is not None,
    )
    return JoinStep(join, _item(item, wanted, context), moment)


def _natural(left: Relation, join: exp.Join, used: Sequence[tuple[str, str]], context: QueryContext) -> exp.Join:
    """NATURAL JOIN as the join USING the columns that both sides have."""
    right = _item(join.this, Wanted(_for_alias(used, _alias(join.this), leftmost=False), joined=True), context)
    theirs = {field.name for field in right.star()}
    shared = [exp.to_identifier(field.name, quoted=True) for field in left.star() if field.name in theirs]
    natural = exp.Join(this=join.this, side=join.args.get("side"), kind=join.args.get("kind"))
    natural.set("using" if shared else "on", shared or exp.true())
    return natural


def _moment(item: exp.Expr, left: Relation, context: QueryContext) -> Moment | None:
    """The time as of which a join reads a table: processing time, or an event time of the left side."""
    system_time = item.args.get("system_time")
    if system_time is None:
        return None
    value = system_time.this
    if _is_processing_time(value, left, context):
        return Moment(value, None)
    found = context.text.bind(value, RelationScope(left, context.text, clause="FOR SYSTEM_TIME"))
    if isinstance(found, ColumnRef) and found.index in left.event_times:
        return Moment(value, found.index)
    raise context.text.unsupported(
        "FOR SYSTEM_TIME AS OF anything but a time attribute of the left side",
        value,
        "it takes the column below its watermark, or processing time: PROCTIME()",
    )


def _is_processing_time(value: exp.Expr, left: Relation, context: QueryContext) -> bool:
    if isinstance(value, exp.Column):
        if system_name(value.name) == "_processing_time":
            return True
        found = RelationScope(left, context.text, clause="FOR SYSTEM_TIME").resolve(value)
        return getattr(found, "index", None) in left.processing_times
    return function_name(value) == "proctime"


def _item(item: exp.Expr, wanted: Wanted, context: QueryContext) -> Relation:
    """One FROM item under its alias."""
    text = context.text
    if isinstance(item, WindowTable):
        timed = replace(wanted, event_time=True, time_value=item.args["time_column"])
        return window_table(item, _item(item.args["table"], timed, context), context)
    if isinstance(item, MatchRecognize):
        return _matched(item, wanted, context)
    if isinstance(item, exp.Subquery) and isinstance(item.this, exp.Values) and not item.this.alias:
        return _under(plan_values(item.this, text), item, context)
    if isinstance(item, exp.Subquery) and _is_joined(item.this):
        if item.alias:
            raise text.unsupported("an alias of a join in parentheses", item, "name its parts")
        return _parenthesised(item.this, wanted, context)
    if isinstance(item, exp.Table):
        return _table(item, wanted, context)
    if isinstance(item, exp.Subquery) and not any(value for arg, value in item.args.items() if arg not in _QUERY_ARGS):
        relation = context.relations.query(item.this, replace(context, joined=wanted.joined))
        return context.relations.timed(_under(relation, item, context), wanted)
    if isinstance(item, exp.Values):
        return _under(plan_values(item, text), item, context)
    if is_table_function(item):
        return plan_unnested(item, context)
    raise text.unsupported(f"{item.key.upper()} in FROM", item)


def _is_joined(inner: exp.Expr) -> bool:
    """Whether what stands in parentheses is a table or a join of some, no query (of which the joins are its own)."""
    if isinstance(inner, exp.Subquery):
        return bool(inner.args.get("joins"))
    return not isinstance(inner, exp.Query)


def _parenthesised(item: exp.Expr, wanted: Wanted, context: QueryContext) -> Relation:
    """`(a JOIN b ON …)`: the names of its parts are those of the query around it."""
    joins = item.args.get("joins") or ()
    first = item.copy()
    first.set("joins", None)
    relation = _item(first, replace(wanted, joined=wanted.joined and not joins), context)
    return _joined(relation, joins, (), (), exp.Select(), context)[0]


def _windowed_input(item: WindowTable, wanted: Wanted, context: QueryContext) -> Relation:
    """The table argument of a window table function whose query aggregates at once."""
    relation = _item(item.args["table"], wanted, context)
    alias = item.args.get("alias")
    return relation if alias is None else relation.under_alias(alias.name)


def _matched(item: MatchRecognize, wanted: Wanted, context: QueryContext) -> Relation:
    """The matches of MATCH_RECOGNIZE, whose clauses see the relation before it."""
    clauses = [part for arg, part in item.args.items() if arg != "this"]
    columns = [column for part in clauses for column in _columns_in(part)]
    system = dict.fromkeys(name for column in columns if (name := system_name(column.name)) is not None)
    timed = "_event_time" in system
    system.pop("_event_time", None)
    below = _item(item.this, Wanted(tuple(system), event_time=timed, joined=wanted.joined), context)
    return context.relations.timed(_under(plan_match(item, below, context.text), item, context), wanted)


def _columns_in(part: object) -> Sequence[exp.Column]:
    parts = part if isinstance(part, list) else [part]
    return [column for node in parts if isinstance(node, exp.Expression) for column in node.find_all(exp.Column)]


def _table(table: exp.Table, wanted: Wanted, context: QueryContext) -> Relation:
    for arg, value in table.args.items():
        if value and arg not in _TABLE_ARGS:
            raise context.text.unsupported(f"{arg.replace('_', ' ').upper()} in FROM", table)
    if not wanted.joined and (table.args.get("system_time")):
        raise context.text.unsupported("FOR SYSTEM_TIME AS OF outside a join", table)
    common = None if table.db else context.common_tables.get(table.name)
    if common is None:
        return _renamed(context.relations.named(table, wanted), table, context)
    relation = _common(common, table, replace(context, joined=wanted.joined))
    return context.relations.timed(_under(relation, table, context, default=table.name), wanted)


def _common(common: CommonTable, table: exp.Table, context: QueryContext) -> Relation:
    relation = context.relations.query(common.query, context.seeing(common.visible))
    return _with_names(relation, common.columns, table, context)


def _under(relation: Relation, item: exp.Expr, context: QueryContext, default: str = "") -> Relation:
    alias = item.alias or default
    relation = relation.under_alias(alias) if alias else relation
    return _renamed(relation, item, context)


def _renamed(relation: Relation, item: exp.Expr, context: QueryContext) -> Relation:
    """`… AS t (a, b)`."""
    alias = item.args.get("alias")
    columns = alias.args.get("columns") if isinstance(alias, exp.TableAlias) else None
    return _with_names(relation, tuple(column.name for column in columns or ()), item, context)


def _with_names(relation: Relation, names: Sequence[str], at: exp.Expr, context: QueryContext) -> Relation:
    if not names:
        return relation
    visible = relation.star()
    if len(names) != len(visible):
        raise context.text.error(
            ErrorCode.TYPE_MISMATCH, f"{len(names)} column names for a relation of {len(visible)} columns", at
        )
    new = dict(zip((field.position for field in visible), names, strict=True))
    fields = tuple(replace(field, name=new.get(field.position, field.name)) for field in relation.fields)
    return replace(relation, fields=fields)

"""FROM: its items from left to right, each join on what stands left of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.plan.aggregate_syntax import function_name
from velo_engine.plan.context import CommonTable, QueryContext, Wanted
from velo_engine.plan.joins import conjuncts, connecting, is_unconditional, plan_join
from velo_engine.plan.relation import Relation, system_name
from velo_engine.plan.scope import RelationScope
from velo_engine.plan.statement_properties import relation_name
from velo_engine.plan.windows import QueryWindow
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
        raise text.unsupported("SELECT without FROM", select)
    joins: Sequence[exp.Join] = select.args.get("joins") or ()
    if joins and isinstance(clause.this, WindowTable):
        raise text.unsupported("a join of a window table function", joins[0], "join first, then window the result")
    used = _system_columns(select)
    wanted = _time_wanted(window, event_time_item, used)
    alias = _alias(clause.this)
    wanted = replace(wanted, system_columns=_for_alias(used, alias, leftmost=True), joined=context.joined)
    relation = _item(clause.this, wanted, context)
    conditions = _conditions(select, joins)
    for join in joins:
        relation, conditions = _joined(relation, join, used, conditions, context)
    if joins and event_time_item is not None and not _is_timed(relation):
        relation = context.relations.timed(relation, Wanted(time_value=event_time_item, replaces=True))
    if event_time_item is not None and not relation.event_times:
        raise text.error(
            ErrorCode.MISSING_EVENT_TIME,
            "this value cannot be the event time of the relations in FROM",
            event_time_item,
        )
    return relation, conditions


def _conditions(select: exp.Select, joins: Sequence[exp.Join]) -> Sequence[exp.Expr]:
    """WHERE: in one piece, or, where `FROM a, b` leaves the join's condition to it, piece by piece."""
    where = select.args.get("where")
    if where is None:
        return ()
    return conjuncts(where.this) if any(is_unconditional(join) for join in joins) else (where.this,)


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
    for node in select.walk(prune=lambda n: isinstance(n, exp.Subquery | exp.CTE)):
        if function_name(node) == "proctime":
            found["", "_processing_time"] = None
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
    left: Relation,
    join: exp.Join,
    used: Sequence[tuple[str, str]],
    conditions: Sequence[exp.Expr],
    context: QueryContext,
) -> tuple[Relation, Sequence[exp.Expr]]:
    """`left` joined, and what it leaves of `conditions`."""
    item = join.this
    looked_up = _is_lookup(item, left, context)
    wanted = Wanted(_for_alias(used, _alias(item), leftmost=False), joined=True, looked_up=looked_up)
    right = _item(item, wanted, context)
    if not is_unconditional(join):
        written = join.args.get("on")
        own = [] if written is None else conjuncts(written)
        return plan_join(left, right, join, own, looked_up, context.text), conditions
    taken = connecting(left, right, conditions, context.text)
    rest = [condition for condition in conditions if condition not in taken]
    return plan_join(left, right, join, taken, looked_up, context.text), rest


def _is_lookup(item: exp.Expr, left: Relation, context: QueryContext) -> bool:
    """Whether a join's table is read FOR SYSTEM_TIME AS OF processing time; of event time is refused."""
    moment = item.args.get("system_time")
    if moment is None:
        return False
    value = moment.this
    if _is_processing_time(value, left, context):
        return True
    raise context.text.unsupported(
        "a temporal join as of event time", value, "FOR SYSTEM_TIME AS OF takes processing time: PROCTIME()"
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
        relation = _item(item.args["table"], wanted, context)
        alias = item.args.get("alias")
        return relation if alias is None else relation.under_alias(alias.name)
    if item.args.get("joins"):
        raise text.unsupported("a join in parentheses", item, "write a subquery")
    if isinstance(item, exp.Table):
        return _table(item, wanted, context)
    if isinstance(item, exp.Subquery) and not any(value for arg, value in item.args.items() if arg not in _QUERY_ARGS):
        relation = context.relations.query(item.this, replace(context, joined=wanted.joined))
        return context.relations.timed(_under(relation, item, context), wanted)
    raise text.unsupported(f"{item.key.upper()} in FROM", item)


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

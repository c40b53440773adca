"""Conditions over the query around, lifted out of the queries in FROM of a subquery.

`… WHERE o.k IN (SELECT t.k FROM (SELECT k, q FROM t WHERE t.x = o.x) AS t)` is the same as
`… IN (SELECT t.k FROM (SELECT k, q, x AS h FROM t) AS t WHERE t.h = o.x)`, where the query in FROM only selects and
filters, and no join pads its rows with NULL. The same goes for WITH of the subquery. Source: Calcite's
RelDecorrelator, which lifts what a filter says of the query around in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import TypeAlias

from sqlglot import exp

from velo_engine.plan.aggregate_syntax import aggregates_in
from velo_engine.plan.join_condition import conjuncts

_LIFTED = "$lifted"
_SHAPING = ("group", "having", "distinct", "limit", "offset", "with_", "window_clause", "match")


IsOuter: TypeAlias = Callable[[exp.Column, exp.Select], bool]
"""Whether a column within a query of FROM is one of the query around the subquery."""


def hoisted(select: exp.Select, is_outer: IsOuter) -> exp.Select:
    """`select`, the query of a subquery, with such conditions in its own WHERE; itself when there are none."""
    if any(isinstance(item, exp.Star) or item.is_star for item in select.expressions):
        return select
    found = select.copy()
    names = count()
    lifted: list[exp.Expr] = []
    for alias, query in _filters(found):
        lifted += _lifted(alias, query, names, is_outer)
    if not lifted:
        return select
    where = found.args.get("where")
    condition = None if where is None else where.this
    for part in lifted:
        condition = part if condition is None else exp.And(this=condition, expression=part)
    found.set("where", exp.Where(this=condition))
    return found


def _filters(select: exp.Select) -> Iterator[tuple[str, exp.Select]]:
    """The queries in FROM that only select and filter and whose rows no join pads, by their names there."""
    clause = select.args.get("with_")
    tables = {cte.alias: cte.this for cte in clause.expressions} if clause is not None else {}
    read = [table.name for table in select.find_all(exp.Table)]
    source, joins = select.args.get("from_"), select.args.get("joins") or []
    items = [*([] if source is None else [(source.this, "")]), *((join.this, _side(join)) for join in joins)]
    for position, (item, side) in enumerate(items):
        if side not in ("", "RIGHT") or any(_side(join) in ("RIGHT", "FULL") for join in joins[position:]):
            continue
        if isinstance(item, exp.Subquery) and item.alias:
            query: object = item.this
        elif isinstance(item, exp.Table) and not item.args.get("db") and read.count(item.name) == 1:
            query = tables.get(item.name)
        else:
            continue
        if isinstance(query, exp.Select) and _only_filters(query):
            yield item.alias_or_name, query


def _only_filters(query: exp.Select) -> bool:
    is_shaped = any(query.args.get(key) for key in _SHAPING) or query.find(exp.Window) is not None
    return not is_shaped and next(aggregates_in(query.expressions), None) is None


def _side(join: exp.Expr) -> str:
    """LEFT, RIGHT or FULL; nothing of other joins. A semi or anti join counts as FULL: it gives out one side alone."""
    if join.args.get("kind") in ("SEMI", "ANTI") or join.args.get("method"):
        return "FULL"
    return str(join.args.get("side") or "").upper()


def _lifted(alias: str, query: exp.Select, names: Iterator[int], is_outer: IsOuter) -> Iterator[exp.Expr]:
    """The conditions of `query` that speak of the query around, over columns that it gives out for them."""
    where = query.args.get("where")
    own = {table.alias_or_name for table in query.find_all(exp.Table, exp.Subquery)}
    kept: list[exp.Expr] = []
    for part in [] if where is None else conjuncts(where.this):
        columns = list(part.find_all(exp.Column))
        outside = [c for c in columns if c.table and c.table not in own and is_outer(c, query)]
        if not outside or part.find(exp.Query) is not None:
            kept.append(part)
            continue
        for column in columns:
            if not any(column is other for other in outside):
                name = f"{_LIFTED}{next(names)}"
                item = exp.Alias(this=column.copy(), alias=exp.to_identifier(name, quoted=True))
                query.set("expressions", [*query.expressions, item])
                column.replace(exp.column(exp.to_identifier(name, quoted=True), table=alias))
        yield part
    condition = None
    for part in kept:
        condition = part if condition is None else exp.And(this=condition, expression=part)
    query.set("where", None if condition is None else exp.Where(this=condition))

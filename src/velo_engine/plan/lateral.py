"""LATERAL subqueries: FROM items that speak of the columns of what stands left of them.

Such a subquery is planned beside the left side, and what it says of it is the condition of their join. The first rows
per key, `(SELECT DISTINCT k FROM t) AS x, LATERAL (SELECT … FROM t WHERE t.k = x.k ORDER BY … LIMIT n)`, are a Top-N.
Source: Calcite's RelDecorrelator, and Flink's CorrelateSortToRankRule, which knows this one form of LIMIT.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.plan.context import QueryContext
from velo_engine.plan.decorrelation import plan_inner
from velo_engine.plan.join_condition import bound_conjuncts, conjuncts
from velo_engine.plan.joins import filtered_below, join_kind, regular_join
from velo_engine.plan.keyed_sides import keyed_sides
from velo_engine.plan.nodes import JoinKind
from velo_engine.plan.relation import Field, Relation
from velo_engine.plan.scope import RelationScope
from velo_engine.plan.select_list import unwrapped

_RANK = "$rank"


def is_lateral(item: exp.Expr) -> bool:
    """Whether a FROM item is LATERAL (SELECT …)."""
    return isinstance(item, exp.Lateral) and isinstance(item.this, exp.Subquery)


def plan_lateral(left: Relation, join: exp.Join, context: QueryContext) -> Relation:
    """`left` joined with the LATERAL subquery on the right of `join`."""
    text = context.text
    kind = join_kind(join, text)
    if kind not in (JoinKind.INNER, JoinKind.LEFT):
        raise text.unsupported(f"{kind.value.upper()} JOIN LATERAL", join.this, "use LEFT JOIN")
    width = len(left.node.schema)
    inner = plan_inner(join.this.this, RelationScope(left, text, clause="LATERAL"), width, context)
    names = _names(join.this, inner.relation.node.schema.names[: inner.width], context)
    fields = tuple(Field(name, i, join.this.alias or None) for i, name in enumerate(names))
    right = replace(inner.relation, fields=fields)
    written = join.args.get("on")
    own = [] if written is None else bound_conjuncts(left, right, [written], text)
    below, beside, parts = filtered_below(left, right, kind, [*inner.parts, *own])
    return regular_join(keyed_sides(below, beside, parts), kind)


def plan_lateral_top_n(first: exp.Expr, join: exp.Join, context: QueryContext) -> Relation | None:
    """The first rows per key, when `first` and `join` ask for them in the form above; else None."""
    keys, ranked = _distinct_columns(first), join.this.this.this
    if keys is None or not isinstance(ranked, exp.Select) or join.args.get("on") is not None:
        return None
    limit, order = ranked.args.get("limit"), ranked.args.get("order")
    if limit is None or order is None or ranked.args.get("offset") is not None or not _same_table(first, ranked):
        return None
    compared = _compared_columns(ranked, first.alias)
    if compared is None or set(compared) != set(keys):
        return None
    items = [unwrapped(item) for item in ranked.expressions]
    if not all(isinstance(node, exp.Column) and not isinstance(node.this, exp.Star) for node, _, _ in items):
        return None
    names = [alias or node.name for node, alias, _ in items]
    columns = [compared[name] for name in keys]
    relation = context.relations.query(_ranked_query(ranked, columns, items), context)
    left_fields = [Field(name, i, first.alias or None) for i, name in enumerate(keys)]
    named = _names(join.this, names, context)
    right_fields = [Field(name, len(keys) + i, join.this.alias or None) for i, name in enumerate(named)]
    return replace(relation, fields=(*left_fields, *right_fields))


def _distinct_columns(item: exp.Expr) -> list[str] | None:
    """The output names of a subquery that only selects the distinct values of some columns of a table."""
    query = item.this if isinstance(item, exp.Subquery) else None
    if not isinstance(query, exp.Select) or query.args.get("where") is not None or query.args.get("joins"):
        return None
    items = [unwrapped(part) for part in query.expressions]
    if not all(isinstance(node, exp.Column) and not isinstance(node.this, exp.Star) for node, _, _ in items):
        return None
    group = query.args.get("group")
    if query.args.get("distinct") is None:
        grouped = [] if group is None else [part.name for part in group.expressions if isinstance(part, exp.Column)]
        if sorted(grouped) != sorted(node.name for node, _, _ in items):
            return None
    return [alias or node.name for node, alias, _ in items]


def _same_table(first: exp.Expr, ranked: exp.Select) -> bool:
    sources = [query.args.get("from_") for query in (first.this, ranked)]
    tables = [source.this if source is not None else None for source in sources]
    if ranked.args.get("joins") or not all(isinstance(table, exp.Table) for table in tables):
        return False
    return len({tuple(part.name for part in table.parts) for table in tables if table is not None}) == 1


def _compared_columns(ranked: exp.Select, outer: str) -> dict[str, exp.Column] | None:
    """By column of the outer side the column that WHERE compares it with; None when WHERE says anything else."""
    where = ranked.args.get("where")
    found: dict[str, exp.Column] = {}
    for part in [] if where is None else conjuncts(where.this):
        sides = [part.this, part.expression] if isinstance(part, exp.EQ) else []
        columns = [side for side in sides if isinstance(side, exp.Column)]
        outers = [column for column in columns if column.table == outer]
        if len(columns) != 2 or len(outers) != 1:
            return None
        found[outers[0].name] = columns[0] if columns[1] is outers[0] else columns[1]
    return found


def _ranked_query(
    ranked: exp.Select, columns: Sequence[exp.Column], items: Sequence[tuple[exp.Expr, str | None, bool]]
) -> exp.Select:
    """The Top-N pattern: the key columns, then the items, of the rows up to the limit."""
    window = exp.Window(
        this=exp.Anonymous(this="ROW_NUMBER"),
        partition_by=[column.copy() for column in columns],
        order=ranked.args["order"].copy(),
        over="OVER",
    )
    listed = [*columns, *(node for node, _, _ in items)]
    inner = exp.Select(
        expressions=[
            *(_as(node, f"$c{i}") for i, node in enumerate(listed)),
            exp.Alias(this=window, alias=exp.to_identifier(_RANK, quoted=True)),
        ],
        from_=ranked.args["from_"].copy(),
    )
    bound = exp.LTE(this=exp.column(_RANK, quoted=True), expression=ranked.args["limit"].expression.copy())
    return exp.Select(
        expressions=[exp.column(f"$c{i}", quoted=True) for i in range(len(listed))],
        from_=exp.From(this=exp.Subquery(this=inner)),
        where=exp.Where(this=bound),
    )


def _as(node: exp.Expr, name: str) -> exp.Alias:
    return exp.Alias(this=node.copy(), alias=exp.to_identifier(name, quoted=True))


def _names(item: exp.Expr, own: Sequence[str], context: QueryContext) -> Sequence[str]:
    """The columns of a LATERAL item, under the names of `AS t (a, b)` if there are any."""
    alias = item.args.get("alias")
    given = [column.name for column in (alias.args.get("columns") or ())] if isinstance(alias, exp.TableAlias) else []
    if given and len(given) != len(own):
        raise context.text.error(
            ErrorCode.TYPE_MISMATCH, f"{len(given)} column names for a relation of {len(own)} columns", item
        )
    return given or own

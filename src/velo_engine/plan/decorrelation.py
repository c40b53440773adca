"""Subqueries as relations of their own: what they say of the query around them becomes a condition between the two.

`SELECT … FROM t WHERE t.k = o.k AND t.q > 2` within a query over `o` is planned as `SELECT …, t.k FROM t WHERE t.q > 2`
and the condition `t.k = o.k` over both. With aggregates the columns of such conditions become keys of GROUP BY. Only
WHERE may speak of the query around. Source: Flink's SubQueryDecorrelator and Calcite's RelDecorrelator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from velo_engine.errors import VeloError
from velo_engine.plan.context import QueryContext
from velo_engine.plan.expressions import ColumnRef, Expression
from velo_engine.plan.grouping import is_aggregating
from velo_engine.plan.hoisting import hoisted
from velo_engine.plan.join_condition import conjuncts
from velo_engine.plan.relation import Relation
from velo_engine.plan.scope import RelationScope
from velo_engine.plan.set_operations import listed
from velo_engine.sql.expression_binder import Scope

_HIDDEN = "$outer"


@dataclass(frozen=True, slots=True)
class Inner:
    """A subquery planned beside the query around it."""

    relation: Relation
    """The select list, then the hidden columns of which `parts` speak."""
    width: int
    """Columns of the select list."""
    parts: tuple[Expression, ...]
    """Conditions over outer ++ inner."""
    select: exp.Query
    """The query itself, without parentheses."""

    @property
    def correlated(self) -> bool:
        """Whether it speaks of the query around it."""
        return bool(self.parts)

    @property
    def hidden(self) -> tuple[int, ...]:
        """The positions of the hidden columns."""
        return tuple(range(self.width, len(self.relation.node.schema)))


def plan_inner(query: exp.Expr, outer: Scope, width: int, context: QueryContext) -> Inner:
    """The subquery `query` within a query whose names are `outer`, over a relation of `width` columns."""
    context = context.as_subquery()
    while isinstance(query, exp.Subquery) and not query.args.get("with_"):
        query = query.this
    select: Any = query

    def is_outer(column: exp.Column, inner: exp.Select) -> bool:
        within = context.inside(select).inside(inner)
        own = RelationScope(context.relations.read(inner, within), context.text)
        return _is_outer(column, own, outer)

    if isinstance(select, exp.Select):
        select = hoisted(select, is_outer)
    found = _correlated(select, outer, context) if isinstance(select, exp.Select) else None
    if found is None or not found.conditions:
        relation = listed(context.relations.query(select, context))
        return Inner(relation, len(relation.node.schema), (), select)
    return _beside(select, found, outer, width, context)


@dataclass(frozen=True, slots=True)
class _Correlation:
    """The conditions of WHERE that speak of the query around, and the names of the subquery's own FROM."""

    conditions: tuple[exp.Expr, ...]
    own: tuple[exp.Expr, ...]
    scope: RelationScope


def _correlated(select: exp.Select, outer: Scope, context: QueryContext) -> _Correlation | None:
    if select.args.get("from_") is None:
        return None
    within = context.inside(select)
    scope = RelationScope(context.relations.read(select, within), context.text)
    where = select.args.get("where")
    parts = [] if where is None else conjuncts(where.this)
    outside = [part for part in parts if any(_is_outer(c, scope, outer) for c in _columns(part))]
    own = tuple(part for part in parts if not any(part is other for other in outside))
    for clause in ("expressions", "group", "having", "order"):
        value = select.args.get(clause)
        for node in value if isinstance(value, list) else [value]:
            column = next((c for c in _columns(node) if _is_outer(c, scope, outer)), None) if node is not None else None
            if column is not None:
                raise context.text.unsupported(
                    "a column of the query around a subquery, but for its WHERE,", column, "compare it in WHERE"
                )
    return _Correlation(tuple(outside), own, scope)


def _columns(node: exp.Expr) -> Iterator[exp.Column]:
    """The columns in `node`, those of further subqueries excepted."""
    for part in node.walk(bfs=False, prune=lambda n: isinstance(n, exp.Query)):
        if isinstance(part, exp.Column) and not isinstance(part.this, exp.Star):
            yield part


def _is_outer(column: exp.Column, own: Scope, outer: Scope) -> bool:
    return not _resolves(column, own) and _resolves(column, outer)


def _resolves(column: exp.Column, scope: Scope) -> bool:
    try:
        scope.resolve(column)
    except VeloError:
        return False
    return True


def _beside(select: exp.Select, found: _Correlation, outer: Scope, width: int, context: QueryContext) -> Inner:
    """The subquery without the conditions that speak of the query around, which become conditions between both."""
    for arg in ("limit", "offset"):
        if select.args.get(arg) is not None:
            raise context.text.unsupported("LIMIT in a correlated subquery", select.args[arg])
    grouped = is_aggregating(select)
    sides = [_own_sides(condition, found.scope, outer, grouped, context) for condition in found.conditions]
    hidden: dict[Expression, exp.Expr] = {}
    for node in (node for side in sides for node in side):
        hidden.setdefault(context.text.bind(node, found.scope), node)
    items = [
        exp.Alias(this=node.copy(), alias=exp.to_identifier(f"{_HIDDEN}{i}", quoted=True))
        for i, node in enumerate(hidden.values())
    ]
    inner = select.copy()
    inner.set("expressions", [*(item.copy() for item in select.expressions), *items])
    inner.set("where", _where(found.own))
    if grouped:
        inner.set("where", _where([*found.own, *(_is_not_null(node) for node in hidden.values())]))
        group = inner.args.get("group") or exp.Group(expressions=[])
        group.set("expressions", [*group.expressions, *(node.copy() for node in hidden.values())])
        inner.set("group", group)
    relation = listed(context.relations.query(inner, context))
    own_width = len(relation.node.schema) - len(items)
    types = relation.node.schema.types
    columns = {e: ColumnRef(width + own_width + i, types[own_width + i]) for i, e in enumerate(hidden)}
    planned = {id(node): columns[context.text.bind(node, found.scope)] for side in sides for node in side}
    scope = BetweenScope(planned, outer)
    parts = tuple(context.text.condition(condition, scope, "WHERE") for condition in found.conditions)
    return Inner(relation, own_width, parts, select)


def _own_sides(
    condition: exp.Expr, own: Scope, outer: Scope, grouped: bool, context: QueryContext
) -> Sequence[exp.Expr]:
    """The parts of `condition` that the subquery computes: its columns, or, to group by, one side of an equality."""
    if not grouped:
        return [column for column in _columns(condition) if not _is_outer(column, own, outer)]
    if isinstance(condition, exp.EQ):
        for side, other in ((condition.this, condition.expression), (condition.expression, condition.this)):
            of_side = [_is_outer(column, own, outer) for column in _columns(side)]
            if of_side and not any(of_side) and all(_is_outer(column, own, outer) for column in _columns(other)):
                return [side]
    raise context.text.unsupported(
        "an aggregate over what another comparison than = with the query around selects",
        condition,
        "compare one expression of each side with =",
    )


def _is_not_null(node: exp.Expr) -> exp.Expr:
    """What Flink's decorrelation leaves of an equality: a group of NULL has no match."""
    return exp.Not(this=exp.Is(this=node.copy(), expression=exp.Null()))


def _where(parts: Sequence[exp.Expr]) -> exp.Where | None:
    if not parts:
        return None
    condition = parts[0].copy()
    for part in parts[1:]:
        condition = exp.And(this=condition, expression=part.copy())
    return exp.Where(this=condition)


class BetweenScope:
    """Names of the query around, and nodes that stand for columns."""

    def __init__(self, planned: Mapping[int, Expression], outer: Scope) -> None:
        self._planned = planned
        self._outer = outer

    def resolve(self, column: exp.Column) -> Expression:
        """The column of the query around."""
        return self._outer.resolve(column)

    def planned(self, node: exp.Expression) -> Expression | None:
        """The column that stands for `node`."""
        found = self._planned.get(id(node))
        return self._outer.planned(node) if found is None else found

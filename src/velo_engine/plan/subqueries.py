"""Subqueries in expressions, planned as joins.

A conjunct of WHERE or HAVING that is [NOT] IN or [NOT] EXISTS is a semi or anti join. Any other subquery becomes a
column beside the rows of the query around it: a scalar one by a join with its only row, IN and EXISTS elsewhere by a
left join with the distinct rows, `> ALL` and its like by a join with their extremes and counts. Source: Flink's
FlinkSubQueryRemoveRule and Calcite's SubQueryRemoveRule, as recorded plans and changelogs show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from sqlglot import exp

from velo_engine.plan.aggregate_syntax import aggregates_in
from velo_engine.plan.context import QueryContext
from velo_engine.plan.decorrelation import BetweenScope, Inner, plan_inner
from velo_engine.plan.expressions import Call, Expression
from velo_engine.plan.join_condition import conjuncts
from velo_engine.plan.joins import filtered_below, stream_join
from velo_engine.plan.keyed_sides import keyed_sides
from velo_engine.plan.nodes import Correlate, Expand, Filter, JoinKind, PlanNode, TableJoin, TemporalJoin, inputs
from velo_engine.plan.null_rows import never_true
from velo_engine.plan.quantified import quantified
from velo_engine.plan.relation import Relation
from velo_engine.plan.rewrite import conjunction
from velo_engine.plan.subquery_rows import any_row
from velo_engine.plan.subquery_values import (
    Beside,
    compared_pairs,
    is_quantified,
    is_subquery,
    member,
    membership,
    query_of,
    value_beside,
)
from velo_engine.sql.expression_binder import Scope
from velo_engine.types import BOOLEAN

_TRUTH = BOOLEAN.as_nullable(False)


def subqueries_in(roots: Iterable[exp.Expr]) -> Iterator[exp.Expr]:
    """The outermost subqueries in `roots`, each with the operator that it belongs to, behind those of its operand."""
    for root in roots:
        for node in root.walk(bfs=False, prune=is_subquery):
            if is_subquery(node):
                yield from subqueries_in(_operands(node))
                yield node


def _operands(node: exp.Expr) -> list[exp.Expr]:
    """What stands left of IN, or of a comparison with ANY, SOME or ALL."""
    return [node.this] if isinstance(node, exp.In) or is_quantified(node) else []


def with_subqueries(
    relation: Relation, scope: Scope, roots: Iterable[exp.Expr], context: QueryContext
) -> tuple[Relation, Scope]:
    """`relation` with what the subqueries in `roots` need beside its own columns, and the scope in which they stand
    for values."""
    planned: dict[int, Expression] = {}
    for node in subqueries_in(roots):
        beside = value_beside(relation, BetweenScope(planned, scope), node, context)
        relation, planned[id(node)] = beside.joined(relation), beside.value
    return relation, BetweenScope(planned, scope) if planned else scope


def restricted(
    relation: Relation, scope: Scope, conditions: Sequence[exp.Expr], clause: str, context: QueryContext
) -> Relation:
    """The rows of `relation` for which all of `conditions` of `clause` are true. `scope` are the names they see."""
    if next(subqueries_in(conditions), None) is None:
        for condition in conditions:
            relation = _filtered(relation, [context.text.condition(condition, scope, clause)])
        return relation
    parts = [part for condition in conditions for part in _parts(condition)]
    asking = [part for part in parts if next(subqueries_in([part]), None) is not None]
    plain = [part for part in parts if not any(part is other for other in asking)]
    relation = _filtered(relation, [context.text.condition(part, scope, clause) for part in plain])
    for part in asking:
        relation = _restricted_by(relation, scope, part, clause, context)
    return relation


def _parts(condition: exp.Expr) -> list[exp.Expr]:
    """The conjuncts of a condition; `NOT (a OR b)` with a subquery in it is `NOT a AND NOT b`."""
    found: list[exp.Expr] = []
    for part in conjuncts(condition):
        inner = part.this if isinstance(part, exp.Not) else None
        while isinstance(inner, exp.Paren):
            inner = inner.this
        if isinstance(inner, exp.Or) and next(subqueries_in([inner]), None) is not None:
            found += [each for side in (inner.this, inner.expression) for each in _parts(exp.Not(this=side.copy()))]
        else:
            found.append(part)
    return found


def _filtered(relation: Relation, parts: Sequence[Expression]) -> Relation:
    predicate = conjunction(parts)
    return relation if predicate is None else relation.on(Filter(relation.node, predicate, relation.node.schema))


def _restricted_by(relation: Relation, scope: Scope, part: exp.Expr, clause: str, context: QueryContext) -> Relation:
    """`relation` where the conjunct `part`, which holds a subquery, is true."""
    node, negated = _without_not(part)
    among = quantified(node).membership if is_quantified(node) else None
    if isinstance(node, exp.In) and is_subquery(node):
        relation, scope = with_subqueries(relation, scope, [node.this], context)
        inner = _inner(query_of(node), scope, len(relation.node.schema), context)
        if _beside_correlation(relation, inner):
            return _with_members(relation, scope, node, negated, context)
        return _semi_join(relation, scope, node, inner, negated, context)
    if among is not None:
        relation, scope = with_subqueries(relation, scope, [node.this], context)
        inner = _inner(query_of(node), scope, len(relation.node.schema), context)
        return _semi_join(relation, scope, node, inner, among is not negated, context)
    if isinstance(node, exp.Exists):
        inner = _inner(_without_over(node.this), scope, len(relation.node.schema), context)
        if not _beside_correlation(relation, inner):
            return _existing(relation, inner, negated, context)
    return _where_value(relation, scope, part, clause, context)


def _beside_correlation(relation: Relation, inner: Inner) -> bool:
    """Whether rows below, or those of an uncorrelated subquery, come from a join that reads one side row by row.

    That is UNNEST, a table function, a temporal or a lookup join. Flink then makes no semi join (SubQueryDecorrelator)
    but the joins of Calcite's SubQueryRemoveRule.
    """
    return not inner.correlated and any(map(_is_correlated, (relation.node, inner.relation.node)))


def _is_correlated(node: PlanNode) -> bool:
    return isinstance(node, Correlate | TableJoin | TemporalJoin) or any(map(_is_correlated, inputs(node)))


def _with_members(relation: Relation, scope: Scope, node: exp.In, negated: bool, context: QueryContext) -> Relation:
    """The rows of `relation` for which IN, or NOT IN, is true, by joins with the distinct rows and their counts."""
    if not negated:
        return member(relation, scope, node, context).joined(relation)
    beside = membership(relation, scope, node, context, always_counted=True)
    denied = Call("not", (beside.value,), beside.value.type, beside.value.location)
    return _filtered(beside.joined(relation), [denied])


def _without_not(node: exp.Expr) -> tuple[exp.Expr, bool]:
    negated = False
    while isinstance(node, exp.Not | exp.Paren):
        negated ^= isinstance(node, exp.Not)
        node = node.this
    return node, negated


def _semi_join(
    relation: Relation, scope: Scope, node: exp.Expr, inner: Inner, negated: bool, context: QueryContext
) -> Relation:
    """The rows with a match, or without one; where it is not known, NOT IN takes it for a match."""
    pairs = compared_pairs(node, inner, scope, len(relation.node.schema), context)
    parts = [_null_aware(pair) if negated else pair for pair in pairs]
    return _matching(relation, inner, [*parts, *inner.parts], negated, context)


def _inner(query: exp.Expr, scope: Scope, width: int, context: QueryContext) -> Inner:
    """The subquery of a semi or anti join. Of a correlated one Flink loses the grouping sets: it groups by all keys
    (a defect of SubQueryDecorrelator, which we share since results are to be Flink's)."""
    inner = plan_inner(query, scope, width, context)
    if not inner.correlated or not _has_grouping_sets(inner.relation.node):
        return inner
    plain = query.copy()
    for group in plain.find_all(exp.Group):
        keys = {column.sql(): column for item in group.expressions for column in _keys_of(item)}
        group.set("expressions", list(keys.values()))
    return plan_inner(plain, scope, width, context)


def _has_grouping_sets(node: PlanNode) -> bool:
    return isinstance(node, Expand) or any(map(_has_grouping_sets, inputs(node)))


def _keys_of(item: exp.Expr) -> Iterator[exp.Expr]:
    """The keys that an item of GROUP BY names."""
    if isinstance(item, exp.GroupingSets | exp.Cube | exp.Rollup | exp.Tuple):
        for part in item.expressions:
            yield from _keys_of(part)
    else:
        yield item.this if isinstance(item, exp.Paren) else item


def _null_aware(pair: Expression) -> Expression:
    """`a = b OR a IS NULL OR b IS NULL`."""
    assert isinstance(pair, Call), "an equality is a call"
    unknown = tuple(Call("is_null", (arg,), _TRUTH) for arg in pair.args if arg.type.nullable)
    return Call("or", (*unknown, pair), BOOLEAN, pair.location) if unknown else pair


def _existing(relation: Relation, inner: Inner, negated: bool, context: QueryContext) -> Relation:
    if inner.correlated:
        return _matching(relation, inner, inner.parts, negated, context)
    return _matching(relation, replace(inner, relation=any_row(inner.relation)), (), negated, context)


def _without_over(query: exp.Expr) -> exp.Expr:
    """The query of EXISTS, whose select list nobody reads: OVER there is gone, as Flink prunes what is not read."""
    select = query.this if isinstance(query, exp.Subquery) else query
    if not isinstance(select, exp.Select) or not any(item.find(exp.Window) for item in select.expressions):
        return query
    if select.args.get("group") is None and next(aggregates_in(select.expressions), None) is not None:
        return query  # then it has a row in any case
    pruned = select.copy()
    pruned.set("expressions", [exp.Literal.number(1)])
    return pruned


def _matching(
    relation: Relation, inner: Inner, parts: Sequence[Expression], negated: bool, context: QueryContext
) -> Relation:
    kind = JoinKind.ANTI if negated else JoinKind.SEMI
    left, right, others = filtered_below(relation, inner.relation, kind, parts)
    joined = stream_join(keyed_sides(left, right, others), kind, inner.select, context)
    return replace(joined, fields=relation.fields)


def _where_value(relation: Relation, scope: Scope, part: exp.Expr, clause: str, context: QueryContext) -> Relation:
    """The rows for which a condition over the values of subqueries is true.

    Where the condition cannot be true without a row of the subquery, the join with it is an inner one; the condition is
    part of the last inner join.
    """
    planned: dict[int, Expression] = {}
    steps: list[Beside] = []
    wide = relation
    for node in subqueries_in([part]):
        steps.append(value_beside(wide, BetweenScope(planned, scope), node, context))
        wide, planned[id(node)] = steps[-1].joined(wide), steps[-1].value
    condition = context.text.condition(part, BetweenScope(planned, scope), clause)
    kinds = [_needed_kind(step, condition) for step in steps]
    wide = relation
    for step, kind in zip(steps[:-1], kinds[:-1], strict=True):
        wide = replace(step, kind=kind).joined(wide)
    last = replace(steps[-1], kind=kinds[-1])
    if kinds[-1] is JoinKind.INNER:
        return last.joined(wide, [condition])
    return _filtered(last.joined(wide), [condition])


def _needed_kind(step: Beside, condition: Expression) -> JoinKind:
    return JoinKind.INNER if never_true(condition, step.columns) else step.kind

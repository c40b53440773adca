"""The value of a subquery beside the rows of the query around it: by which join it comes there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.plan.aggregate_syntax import aggregates_in, function_name
from velo_engine.plan.context import QueryContext
from velo_engine.plan.decorrelation import BetweenScope, Inner, plan_inner
from velo_engine.plan.expressions import Call, Case, Cast, ColumnRef, Expression, Literal
from velo_engine.plan.grouping import is_aggregating
from velo_engine.plan.joins import regular_join
from velo_engine.plan.keyed_sides import keyed_sides
from velo_engine.plan.nodes import JoinKind
from velo_engine.plan.quantified import COMPARISONS, quantified, quantified_value
from velo_engine.plan.relation import Relation
from velo_engine.plan.rewrite import map_columns
from velo_engine.plan.select_list import unwrapped
from velo_engine.plan.subquery_rows import (
    COUNT,
    TRUTH,
    counts,
    distinct_rows,
    extremes,
    is_single_row,
    selected,
    single_value,
)
from velo_engine.sql.expression_binder import Scope
from velo_engine.types import BIGINT, BOOLEAN

_EXTREMES = 4
"""Columns of `extremes` before its keys."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A join that puts columns beside the rows of a query, and the value that a subquery has there."""

    before: int
    """Columns of the query's rows."""
    right: Relation
    parts: tuple[Expression, ...]
    """Conditions over both."""
    kind: JoinKind
    value: Expression
    earlier: Beside | None = None
    """A join that stands before it."""

    @property
    def columns(self) -> frozenset[int]:
        """Where the columns of the right side are."""
        return frozenset(range(self.before, self.before + len(self.right.node.schema)))

    def joined(self, left: Relation, conditions: Sequence[Expression] = ()) -> Relation:
        """`left` and the columns of the right side beside it, where `conditions` hold, too. No times are left."""
        if self.earlier is not None:
            left = self.earlier.joined(left)
        assert len(left.node.schema) == self.before, "the columns stand where the value looks for them"
        keyed = keyed_sides(left, self.right, [*self.parts, *conditions])
        added = len(keyed.left.node.schema) - self.before
        joined = regular_join(keyed, self.kind)
        width = len(self.right.node.schema)
        if len(joined.node.schema) > self.before + width:
            # Keys that were computed for the join stand between and behind.
            first = self.before + added
            joined = selected(joined, [*range(self.before), *range(first, first + width)])
        return replace(joined, fields=left.fields)


def is_subquery(node: exp.Expr) -> bool:
    """Whether `node` is a subquery together with the operator that it belongs to."""
    if isinstance(node, exp.In):
        return node.args.get("query") is not None
    return is_quantified(node) or isinstance(node, exp.Query | exp.Exists)


def is_quantified(node: exp.Expr) -> bool:
    """Whether `node` compares with ANY, SOME or ALL of a query."""
    return isinstance(node, COMPARISONS) and isinstance(node.expression, exp.Any | exp.All)


def query_of(node: exp.Expr) -> exp.Expr:
    """The query of IN, EXISTS, ANY, SOME and ALL."""
    found: exp.Expr
    if isinstance(node, exp.In):
        found = node.args["query"]
    else:
        found = node.expression.this if is_quantified(node) else node.this
    return found


def compared_pairs(
    node: exp.Expr, inner: Inner, scope: Scope, before: int, context: QueryContext
) -> tuple[Expression, ...]:
    """Operand = column for every column of the subquery, over both sides."""
    operands = node.this.expressions if isinstance(node.this, exp.Tuple) else [node.this]
    if len(operands) != inner.width:
        raise context.text.error(
            ErrorCode.TYPE_MISMATCH, f"{len(operands)} value(s) are compared with {inner.width} column(s)", node
        )
    types = inner.relation.node.schema.types
    return tuple(
        _compared(exp.EQ, operand, ColumnRef(before + i, types[i]), node, scope, context)
        for i, operand in enumerate(operands)
    )


def value_beside(relation: Relation, scope: Scope, node: exp.Expr, context: QueryContext) -> Beside:
    """The join that gives the value of the subquery `node` beside every row of `relation`."""
    if isinstance(node, exp.In):
        return membership(relation, scope, node, context)
    if isinstance(node, exp.Exists):
        return _existence(relation, scope, node, context)
    if is_quantified(node):
        return _quantified(relation, scope, node, context)
    return _scalar(relation, scope, node, context)


def _compared(
    comparison: type[exp.Expr],
    operand: exp.Expr,
    column: ColumnRef,
    node: exp.Expr,
    scope: Scope,
    context: QueryContext,
) -> Expression:
    """`operand` compared with a column of the subquery."""
    left, right = exp.column("left"), exp.column("right")
    value = context.text.bind(operand, scope)
    compared = comparison(this=left, expression=right)
    compared.meta.update(node.meta)
    return context.text.bind(compared, BetweenScope({id(left): value, id(right): column}, scope))


def _scalar(relation: Relation, scope: Scope, node: exp.Expr, context: QueryContext) -> Beside:
    """The only value of a subquery; NULL where it has no row."""
    before, place = len(relation.node.schema), context.text.locate(node)
    inner = plan_inner(node, scope, before, context)
    if inner.width != 1:
        raise context.text.error(ErrorCode.TYPE_MISMATCH, f"a scalar subquery has one column, not {inner.width}", node)
    _check_keyed(inner, node, context)
    if inner.correlated and _is_global(inner.select):
        return _aggregated(inner.select, scope, before, context)
    right = inner.relation
    if not is_single_row(right, inner.hidden, context):
        right = single_value(right, inner.hidden, place)
    value = ColumnRef(before, right.node.schema.types[0].as_nullable(), place)
    return Beside(before, right, inner.parts, JoinKind.LEFT, value)


def _is_global(select: exp.Expr) -> bool:
    """Whether a correlated query aggregates all rows that it is correlated with, and nothing filters the result."""
    return (
        isinstance(select, exp.Select)
        and is_aggregating(select)
        and not (select.args.get("group") or select.args.get("having") or select.args.get("distinct"))
    )


def _aggregated(select: exp.Query, scope: Scope, before: int, context: QueryContext) -> Beside:
    """The value of a correlated aggregation: computed beside the row, from aggregates that are NULL, or 0 for COUNT,
    where there is nothing to aggregate."""
    item = unwrapped(select.expressions[0])[0]
    calls = list(aggregates_in([item]))
    plain = select.copy()
    plain.set("expressions", [call.copy() for call in calls])
    inner = plan_inner(plain, scope, before, context)
    types = inner.relation.node.schema.types
    planned: dict[int, Expression] = {}
    for i, call in enumerate(calls):
        value: Expression = ColumnRef(before + i, types[i].as_nullable(), context.text.locate(call))
        planned[id(call)] = _zero_for_none(value) if _is_count(call) else value
    result = context.text.bind(item, BetweenScope(planned, scope))
    if not result.type.nullable:
        result = Cast(result, result.type.as_nullable(), location=result.location)
    return Beside(before, inner.relation, inner.parts, JoinKind.LEFT, result)


def _zero_for_none(count: Expression) -> Expression:
    return Case(((Call("is_null", (count,), TRUTH), Literal(0, COUNT)),), count, BIGINT, count.location)


def _is_count(call: exp.Expr) -> bool:
    while isinstance(call, exp.Filter):
        call = call.this
    return function_name(call) == "count"


def _check_keyed(inner: Inner, node: exp.Expr, context: QueryContext) -> None:
    """Beside every row stands one row of the subquery when both are compared for equality alone."""
    if not all(isinstance(part, Call) and part.function == "equals" for part in inner.parts):
        raise context.text.unsupported(
            "a subquery as a value that compares otherwise than by = with the query around it",
            node,
            "compare one expression of each side with =",
        )


def _existence(relation: Relation, scope: Scope, node: exp.Exists, context: QueryContext) -> Beside:
    before = len(relation.node.schema)
    inner = plan_inner(node.this, scope, before, context)
    _check_keyed(inner, node, context)
    right = distinct_rows(inner.relation, inner.hidden)
    there = ColumnRef(before + len(inner.hidden), BOOLEAN)
    value = Call("is_not_null", (there,), TRUTH, context.text.locate(node))
    return Beside(before, right, _moved(inner, before, 0), JoinKind.LEFT, value)


def member(relation: Relation, scope: Scope, node: exp.In, context: QueryContext) -> Beside:
    """The rows of which IN is true: by an inner join with the distinct rows."""
    before = len(relation.node.schema)
    inner = _members(node, scope, before, context)
    right = distinct_rows(inner.relation, tuple(range(inner.width)))
    pairs = compared_pairs(node, inner, scope, before, context)
    return Beside(before, right, pairs, JoinKind.INNER, Literal(True, TRUTH))


def _members(node: exp.In, scope: Scope, before: int, context: QueryContext) -> Inner:
    inner = plan_inner(node.args["query"], scope, before, context)
    if inner.correlated:
        raise context.text.unsupported("a correlated IN that is no condition of its own in WHERE or HAVING", node)
    return inner


def membership(
    relation: Relation, scope: Scope, node: exp.In, context: QueryContext, *, always_counted: bool = False
) -> Beside:
    """IN as a value: a join with the counts of rows where NULL is possible, or always, then with the distinct rows."""
    before, place = len(relation.node.schema), context.text.locate(node)
    inner = _members(node, scope, before, context)
    pairs = compared_pairs(node, inner, scope, before, context)
    columns = tuple(range(inner.width))
    operands = [pair.args for pair in pairs if isinstance(pair, Call)]
    certain = not always_counted and not any(arg.type.nullable for args in operands for arg in args)
    start = before if certain else before + 2
    parts = tuple(map_columns(pair, lambda i: i if i < before else i + start - before) for pair in pairs)
    found = Call("is_not_null", (ColumnRef(start + inner.width, BOOLEAN),), TRUTH, place)
    right = distinct_rows(inner.relation, columns)
    if certain:
        return Beside(start, right, parts, JoinKind.LEFT, found)
    counted = Beside(before, counts(inner.relation, columns), (), JoinKind.INNER, Literal(None, BOOLEAN))
    rows, known = ColumnRef(before, COUNT), ColumnRef(before + 1, COUNT)
    false, unknown = Literal(False, TRUTH), Literal(None, BOOLEAN)
    value = Case(
        (
            (Call("equals", (rows, Literal(0, COUNT)), TRUTH), false),
            *((Call("is_null", (left,), TRUTH), unknown) for left, _ in operands if left.type.nullable),
            (found, Literal(True, TRUTH)),
            (Call("less", (known, rows), TRUTH), unknown),
        ),
        false,
        BOOLEAN,
        place,
    )
    return Beside(start, right, parts, JoinKind.LEFT, value, counted)


def _quantified(relation: Relation, scope: Scope, node: exp.Expr, context: QueryContext) -> Beside:
    """A comparison with ANY, SOME or ALL: a join with the extreme and the counts of the subquery."""
    before = len(relation.node.schema)
    asked = quantified(node)
    inner = plan_inner(query_of(node), scope, before, context)
    if inner.width != 1:
        raise context.text.error(ErrorCode.TYPE_MISMATCH, f"it is compared with one column, not {inner.width}", node)
    if asked.membership is not None:
        raise context.text.unsupported("= ANY or <> ALL as a value", node, "write IN or NOT IN")
    _check_keyed(inner, node, context)
    right = extremes(inner.relation, inner.hidden, largest=asked.largest, distinct=asked.distinct)
    extreme = ColumnRef(before, right.node.schema.types[0])
    compared = _compared(asked.comparison, node.this, extreme, node, scope, context)
    value = quantified_value(asked, context.text.bind(node.this, scope), compared, before)
    kind = JoinKind.LEFT if inner.correlated else JoinKind.INNER
    return Beside(before, right, _moved(inner, before, _EXTREMES), kind, value)


def _moved(inner: Inner, before: int, first: int) -> tuple[Expression, ...]:
    """The conditions of `inner` where its hidden columns begin at column `first` of the right side."""
    moved = first - inner.width
    return tuple(map_columns(part, lambda i: i if i < before else i + moved) for part in inner.parts)

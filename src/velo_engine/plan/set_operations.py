"""UNION, INTERSECT and EXCEPT, with and without ALL, as Flink plans them.

UNION ALL is a node; UNION, INTERSECT and EXCEPT are its rows, or those of a semi or anti join, without duplicates; the
ALL forms count the rows of both sides and repeat each as often as the counts say. Source: Flink's
ReplaceIntersectWithSemiJoinRule, ReplaceMinusWithAntiJoinRule, RewriteIntersectAllRule and RewriteMinusAllRule.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.functions.table_functions import ReplicateRows
from velo_engine.plan.context import QueryContext
from velo_engine.plan.expressions import AggregateCall, Call, Case, Cast, ColumnRef, Expression, Literal
from velo_engine.plan.joins import regular_join
from velo_engine.plan.keyed_sides import keyed_sides
from velo_engine.plan.nodes import Correlate, Filter, GroupAggregate, JoinKind, Union
from velo_engine.plan.relation import (
    Relation,
    column_refs,
    common_windows,
    fields_of,
    project,
    window_through_projection,
)
from velo_engine.plan.upsert_keys import is_unique
from velo_engine.schema import Column, RowSchema
from velo_engine.sql.expression_binder import coerce
from velo_engine.type_rules import case_type
from velo_engine.types import BIGINT, BOOLEAN, SqlType

_NAMES = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}
_OWN_ARGS = frozenset({"this", "expression", "distinct", "with_"})

_COUNT = BIGINT.as_nullable(False)
_TRUTH = BOOLEAN.as_nullable(False)


def plan_set_operation(query: exp.SetOperation, context: QueryContext) -> Relation:
    """The result of `query`, which has neither ORDER BY nor LIMIT of its own."""
    operands = [context.relations.query(operand, context) for operand in _operands(query)]
    fitted = _fitted(operands, query, context)
    if isinstance(query, exp.Union):
        union = union_all(fitted)
        return distinct(union, context) if query.args.get("distinct") else union
    left, right = _nullable_alike(fitted)
    intersects = isinstance(query, exp.Intersect)
    if query.args.get("distinct"):
        kind = JoinKind.SEMI if intersects else JoinKind.ANTI
        matching = _matching(left, right, kind)
        return matching if _is_distinct(left, context) else distinct(matching, context)
    return _intersect_all(left, right) if intersects else _except_all(left, right)


def union_all(operands: Sequence[Relation]) -> Relation:
    """The rows of relations of the same types, under the names of the first.

    A column is event time when it is that of the first operand and the others have exactly its type: Flink takes equal
    types for the same, whatever they are time attributes of (FlinkTypeFactory.leastRestrictive).
    """
    first = operands[0]
    types = _common_types(operands)
    assert None not in types, "the operands were fitted to each other"
    schema = RowSchema(
        tuple(Column(n, t) for n, t in zip(first.node.schema.names, types, strict=True) if t is not None)
    )
    node = Union(tuple(operand.node for operand in operands), schema)
    processing = frozenset.intersection(*(operand.processing_times for operand in operands))
    bounded = all(operand.bounded for operand in operands)
    event = tuple(i for i in first.event_times if all(_same_type(first, operand, i) for operand in operands))
    windows = common_windows([operand.windows for operand in operands])
    return Relation(node, fields_of(schema), event, processing, windows, bounded=bounded)


def _same_type(first: Relation, other: Relation, column: int) -> bool:
    return bool(first.node.schema.types[column].as_nullable() == other.node.schema.types[column].as_nullable())


def distinct(relation: Relation, context: QueryContext) -> Relation:
    """Each row once. Nothing to do where the plan proves it (Flink's FlinkAggregateRemoveRule)."""
    schema = relation.node.schema
    if _is_distinct(relation, context):
        return Relation(relation.node, fields_of(schema), bounded=relation.bounded)
    node = GroupAggregate(relation.node, tuple(range(len(schema))), (), schema)
    return Relation(node, fields_of(schema), bounded=relation.bounded)


def _is_distinct(relation: Relation, context: QueryContext) -> bool:
    return is_unique(relation.node, range(len(relation.node.schema)), context.statements)


def _operands(query: exp.SetOperation) -> list[exp.Query]:
    """Both sides; of a chain of UNION ALL all."""
    left, right = query.this, query.expression
    chained = isinstance(left, exp.Union) and isinstance(query, exp.Union) and not query.args.get("distinct")
    if chained and not left.args.get("distinct") and not left.args.keys() - _OWN_ARGS and not left.args.get("with_"):
        return [*_operands(left), right]
    return [left, right]


def _fitted(operands: Sequence[Relation], query: exp.SetOperation, context: QueryContext) -> list[Relation]:
    """The operands with the same types, column by column."""
    name = _NAMES[type(query)]
    counts = {len(operand.star()) for operand in operands}
    if len(counts) > 1:
        numbers = " and ".join(str(len(operand.star())) for operand in operands)
        raise context.text.error(
            ErrorCode.TYPE_MISMATCH, f"the sides of {name} have {numbers} columns", query.expression
        )
    plain = [listed(operand) for operand in operands]
    types = _common_types(plain)
    for i, kind in enumerate(types):
        if kind is None:
            kinds = " and ".join(str(operand.node.schema.types[i].as_nullable()) for operand in plain)
            raise context.text.error(
                ErrorCode.TYPE_MISMATCH, f"column {i + 1} of {name} has no common type: {kinds}", query.expression
            )
    return [_cast(operand, [kind for kind in types if kind is not None]) for operand in plain]


def _common_types(operands: Sequence[Relation]) -> list[SqlType | None]:
    return [case_type(types) for types in zip(*(operand.node.schema.types for operand in operands), strict=True)]


def listed(relation: Relation) -> Relation:
    """The columns of `*` alone, under their names."""
    fields = relation.star()
    positions = [field.position for field in fields]
    types = relation.node.schema.types
    refs = [ColumnRef(i, types[i]) for i in positions]
    node = project(relation.node, refs, [field.name for field in fields])
    event = tuple(positions.index(time) for time in relation.event_times if time in positions)
    processing = frozenset(positions.index(time) for time in relation.processing_times if time in positions)
    windows = window_through_projection(relation.windows, refs)
    return Relation(node, fields_of(node.schema), event, processing, windows, bounded=relation.bounded)


def _cast(relation: Relation, types: Sequence[SqlType]) -> Relation:
    refs = column_refs(relation.node.schema)
    values = [_as(ref, kind.as_nullable(ref.type.nullable)) for ref, kind in zip(refs, types, strict=True)]
    return relation.on(project(relation.node, values, relation.node.schema.names))


def _as(ref: ColumnRef, kind: SqlType) -> Expression:
    value = ref if ref.type == kind else coerce(ref, kind)
    return value if value.type == kind else Cast(value, kind)  # strings of one length are values of another as they are


def _nullable_alike(operands: Sequence[Relation]) -> list[Relation]:
    """The operands with columns that may be NULL where those of any may."""
    nullable = [
        any(kind.nullable for kind in kinds) for kinds in zip(*(o.node.schema.types for o in operands), strict=True)
    ]
    alike = []
    for operand in operands:
        values = [
            Cast(ref, ref.type.as_nullable()) if wanted and not ref.type.nullable else ref
            for ref, wanted in zip(column_refs(operand.node.schema), nullable, strict=True)
        ]
        alike.append(operand.on(project(operand.node, values, operand.node.schema.names)))
    return alike


def _matching(left: Relation, right: Relation, kind: JoinKind) -> Relation:
    """The rows of `left` that are, or are not, among those of `right`; NULL equals NULL."""
    width = len(left.node.schema)
    parts = []
    for i, (a, b) in enumerate(zip(left.node.schema.types, right.node.schema.types, strict=True)):
        function = "is_not_distinct_from" if a.nullable or b.nullable else "equals"
        parts.append(Call(function, (ColumnRef(i, a), ColumnRef(width + i, b)), _TRUTH))
    return regular_join(keyed_sides(left, right, parts), kind)


def _intersect_all(left: Relation, right: Relation) -> Relation:
    """Every row as often as on the side where it is rarer."""
    there, absent = Literal(True, _TRUTH), Literal(None, BOOLEAN)
    marked = _marked(left, right, (there, absent), (absent, there))
    keys = tuple(range(len(left.node.schema)))
    counts = [AggregateCall("count", (len(keys) + i,), _COUNT) for i in (0, 1)]
    grouped = _grouped(marked, keys, counts)
    a, b = (ColumnRef(len(keys) + i, _COUNT) for i in (0, 1))
    one = Literal(1, _COUNT)
    both = Call("and", tuple(Call("greater_equal", (count, one), _TRUTH) for count in (a, b)), _TRUTH)
    fewer = Case(((Call("greater", (a, b), _TRUTH), b),), a, _COUNT)
    return _repeated(grouped, both, fewer, left, right)


def _except_all(left: Relation, right: Relation) -> Relation:
    """Every row of the left side as often as it is there more often than on the right."""
    marked = _marked(left, right, (Literal(1, _COUNT),), (Literal(-1, _COUNT),))
    keys = tuple(range(len(left.node.schema)))
    grouped = _grouped(marked, keys, [AggregateCall("sum", (len(keys),), _COUNT)])
    more = ColumnRef(len(keys), _COUNT)
    return _repeated(grouped, Call("greater", (more, Literal(0, _COUNT)), _TRUTH), more, left, right)


def _marked(left: Relation, right: Relation, of_left: Sequence[Literal], of_right: Sequence[Literal]) -> Union:
    """The rows of both sides, each behind its columns with the marks of its side."""
    sides = []
    for side, marks in ((left, of_left), (right, of_right)):
        schema = side.node.schema
        names = (*schema.names, *(f"$mark{i}" for i in range(len(marks))))
        sides.append(Relation(project(side.node, (*column_refs(schema), *marks), names), ()))
    node = union_all(sides).node
    assert isinstance(node, Union)
    return node


def _grouped(marked: Union, keys: tuple[int, ...], calls: Sequence[AggregateCall]) -> GroupAggregate:
    columns = [Column(f"$count{i}", call.type) for i, call in enumerate(calls)]
    return GroupAggregate(marked, keys, tuple(calls), RowSchema((*marked.schema.select(keys).columns, *columns)))


def _repeated(
    grouped: GroupAggregate, kept: Expression, times: Expression, left: Relation, right: Relation
) -> Relation:
    """The groups for which `kept` is true, each `times` times."""
    rows = grouped.schema.select(grouped.keys)
    filtered = Filter(grouped, kept, grouped.schema)
    counted = project(filtered, (times, *column_refs(rows)), ("$times", *rows.names))
    args = tuple(range(len(rows) + 1))
    schema = RowSchema((*counted.schema.columns, *rows.columns))
    node = Correlate(counted, ReplicateRows(rows), args, JoinKind.INNER, None, schema)
    copies = [ColumnRef(len(args) + i, kind) for i, kind in enumerate(rows.types)]
    result = project(node, copies, rows.names)
    return Relation(result, fields_of(rows), bounded=left.bounded and right.bounded)

"""The rows that a subquery contributes to a join: one per key, distinct ones, extremes and counts."""

from __future__ import annotations

from collections.abc import Sequence

from velo_engine.errors import Location
from velo_engine.plan.context import QueryContext
from velo_engine.plan.expressions import AggregateCall, Call, ColumnRef, Expression, Literal
from velo_engine.plan.nodes import Filter, GroupAggregate, PlanNode, Project
from velo_engine.plan.relation import Relation, append, column_refs, fields_of, project
from velo_engine.plan.upsert_keys import upsert_keys
from velo_engine.schema import Column, RowSchema
from velo_engine.types import BIGINT, BOOLEAN, INT

TRUTH = BOOLEAN.as_nullable(False)
COUNT = BIGINT.as_nullable(False)


def selected(relation: Relation, positions: Sequence[int]) -> Relation:
    """The columns at `positions`, in that order."""
    schema = relation.node.schema.select(positions)
    node = project(relation.node, [ColumnRef(i, relation.node.schema.types[i]) for i in positions], schema.names)
    return _relation(node, relation)


def is_single_row(relation: Relation, keys: Sequence[int], context: QueryContext) -> bool:
    """Whether the rows are those of an aggregation, one for each value of the columns `keys`.

    What is computed or filtered above the aggregation is not looked through, as Flink's planner does not.
    """
    node = relation.node
    while isinstance(node, Project) and all(isinstance(value, ColumnRef) for value in node.expressions):
        node = node.input
    proven = any(key <= frozenset(keys) for key in upsert_keys(relation.node, context.statements))
    return isinstance(node, GroupAggregate) and proven


def single_value(relation: Relation, keys: Sequence[int], place: Location | None) -> Relation:
    """The first column of the only row of each key, then `keys`. A second row is an error, at `place`."""
    call = AggregateCall("single_value", (0,), relation.node.schema.types[0].as_nullable(), location=place)
    grouped = _grouped(relation.node, keys, [call])
    return _relation(_calls_first(grouped), relation)


def any_row(relation: Relation) -> Relation:
    """One row without a name for its column while `relation` has any."""
    one = INT.as_nullable(False)
    marked = project(relation.node, [Literal(1, one)], ["$one"])
    lowest = _grouped(marked, (), [AggregateCall("min", (0,), INT)])
    there = Call("is_not_null", (ColumnRef(0, INT),), TRUTH)
    return _relation(Filter(lowest, there, lowest.schema), relation)


def distinct_rows(relation: Relation, positions: Sequence[int]) -> Relation:
    """The distinct values of the columns at `positions`, then TRUE."""
    below = selected(relation, positions).node
    if not positions:
        below = project(relation.node, [Literal(True, TRUTH)], ["$there"])
        return _relation(_grouped(below, (0,), []), relation)
    rows = _grouped(below, tuple(range(len(positions))), [])
    return _relation(append(rows, [("$there", Literal(True, TRUTH))]), relation)


def counts(relation: Relation, positions: Sequence[int]) -> Relation:
    """How many rows there are, and how many without NULL in the columns at `positions`."""
    calls = [AggregateCall("count", (), COUNT), AggregateCall("count", tuple(positions), COUNT)]
    return _relation(_grouped(relation.node, (), calls), relation)


def extremes(relation: Relation, keys: Sequence[int], *, largest: bool, distinct: bool) -> Relation:
    """Of the first column, for each value of the columns `keys`: the extreme, the count of rows and of values; then
    TRUE and `keys`. With `distinct` equal values count once."""
    node, kind = relation.node, relation.node.schema.types[0]
    if distinct:
        node = _grouped(selected(relation, (0, *keys)).node, tuple(range(1 + len(keys))), [])
        keys = tuple(range(1, 1 + len(keys)))
    calls = [
        AggregateCall("max" if largest else "min", (0,), kind.as_nullable()),
        AggregateCall("count", (), COUNT),
        AggregateCall("count", (0,), COUNT),
    ]
    grouped = _grouped(node, keys, calls)
    refs, names = column_refs(grouped.schema), grouped.schema.names
    width = len(keys)
    values: list[Expression] = [*refs[width:], Literal(True, TRUTH), *refs[:width]]
    return _relation(project(grouped, values, (*names[width:], "$there", *names[:width])), relation)


def _grouped(node: PlanNode, keys: Sequence[int], calls: Sequence[AggregateCall]) -> GroupAggregate:
    made = [Column(f"${call.function}{i}", call.type) for i, call in enumerate(calls)]
    return GroupAggregate(node, tuple(keys), tuple(calls), RowSchema((*node.schema.select(keys).columns, *made)))


def _calls_first(grouped: GroupAggregate) -> PlanNode:
    refs, names, width = column_refs(grouped.schema), grouped.schema.names, len(grouped.keys)
    return project(grouped, (*refs[width:], *refs[:width]), (*names[width:], *names[:width]))


def _relation(node: PlanNode, source: Relation) -> Relation:
    return Relation(node, fields_of(node.schema), bounded=source.bounded)

"""The rank of a Top-N that an aggregation above keeps although nobody reads it: every change of a rank goes out then.

Flink's planner has two plans for an aggregation over a projection over a ranking: with the projection, or without it,
where the filter of the ranking gives out what the projection reads and the number that it compares. The second is open
where the aggregation reads plain columns only, and it is cheaper where the projection computes something that nobody
reads any more, or gives a column out twice. Source: FlinkAggregateProjectMergeRule, the costs of FlinkLogicalCalc and
FlinkLogicalAggregate, and recorded plans.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from velo_engine.plan.contradictions import contradictory
from velo_engine.plan.expressions import ColumnRef, Literal, columns_of
from velo_engine.plan.nodes import Filter, GroupAggregate, PlanNode, Project, TopN
from velo_engine.plan.simplified import simplified
from velo_engine.plan.top_n import RANK_TYPE
from velo_engine.plan.used_columns import arguments_of
from velo_engine.schema import Column, RowSchema
from velo_engine.types import SqlType, TypeName

_SIZES = {
    TypeName.BOOLEAN: 1,
    TypeName.CHAR: 1,
    TypeName.TINYINT: 1,
    TypeName.SMALLINT: 2,
    TypeName.INT: 4,
    TypeName.FLOAT: 4,
    TypeName.BIGINT: 8,
    TypeName.DOUBLE: 8,
}
"""Bytes of a value on average; of other types more. Source: FlinkRelMdSize.averageTypeValueSize."""
_LARGE = 12
_OF_RANK = 8


def with_kept_rank(node: GroupAggregate, used: Collection[int]) -> GroupAggregate:
    """`node`, of whose calls those at `used` are read, with the rank among its unused arguments if Flink keeps it."""
    project = node.input
    if not isinstance(project, Project) or not _is_dearer(node, project, used):
        return node
    below = _ranked(project.input)
    if below is None:
        return node
    rank = ColumnRef(len(below.schema) - 1, RANK_TYPE)
    if rank in project.expressions:
        return node
    column = Column("$rank", RANK_TYPE)
    wide = Project(below, (*project.expressions, rank), RowSchema((*project.schema.columns, column)))
    return replace(node, input=wide, unused_args=(*node.unused_args, len(project.schema)))


def _is_dearer(node: GroupAggregate, project: Project, used: Collection[int]) -> bool:
    """Whether the aggregation reads plain columns, and the projection costs more than the rank."""
    values = [simplified(expression) for expression in project.expressions]
    filters = {call.filter for call in node.calls}

    def is_plain(i: int) -> bool:
        """A column as it is, or a constant; of a condition that may be NULL the projection computes IS TRUE."""
        if isinstance(values[i], Literal) or (values[i].type.name is TypeName.BOOLEAN and contradictory(values[i])):
            return True
        return isinstance(values[i], ColumnRef) and not (i in filters and values[i].type.nullable)

    read = frozenset(node.keys) | arguments_of([node.calls[i] for i in used])
    if not all(map(is_plain, read)):
        return False
    given = sorted(read | arguments_of(node.calls) | frozenset(node.unused_args))
    if not all(map(is_plain, given)):
        return True
    columns = [values[i] for i in given]
    again = [value.type for place, value in enumerate(columns) if value in columns[:place]]
    alone = _read_by_filters(project.input) - columns_of(*columns)
    types = project.input.schema.types
    return sum(map(_size, again)) >= _OF_RANK + sum(_size(types[i]) for i in alone)


def _size(kind: SqlType) -> int:
    return _SIZES.get(kind.name, _LARGE)


def _read_by_filters(node: PlanNode) -> frozenset[int]:
    """The columns that filters between the projection and the ranking read: they stand beside the rank."""
    if isinstance(node, Filter):
        return columns_of(node.predicate) | _read_by_filters(node.input)
    return frozenset()


def _ranked(node: PlanNode) -> PlanNode | None:
    """`node` with the rank as its last column; None where it is no ranking, or its rank is a constant."""
    if isinstance(node, Filter):
        below = _ranked(node.input)
        return None if below is None else replace(node, input=below, schema=below.schema)
    if not isinstance(node, TopN) or node.of_limit or (node.first == node.limit and node.limit_column is None):
        return None
    if node.with_rank:
        return node
    return replace(node, with_rank=True, schema=RowSchema((*node.schema.columns, Column("$rank", RANK_TYPE))))

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

from velo_engine.plan.expressions import ColumnRef
from velo_engine.plan.nodes import Filter, GroupAggregate, PlanNode, Project, TopN
from velo_engine.plan.simplified import simplified
from velo_engine.plan.top_n import RANK_TYPE
from velo_engine.plan.used_columns import arguments_of
from velo_engine.schema import Column, RowSchema
from velo_engine.types import SqlType, TypeName

_SMALL = {
    TypeName.BOOLEAN: 1,
    TypeName.TINYINT: 1,
    TypeName.SMALLINT: 2,
    TypeName.INT: 4,
    TypeName.FLOAT: 4,
    TypeName.DATE: 4,
    TypeName.TIME: 4,
}
"""Bytes of types that are smaller than a rank. Source: FlinkRelMdSize.averageTypeValueSize."""
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
    read = frozenset(node.keys) | arguments_of([node.calls[i] for i in used])
    if not all(isinstance(values[i], ColumnRef) for i in read):
        return False
    given = sorted(read | arguments_of(node.calls) | frozenset(node.unused_args))
    if not all(isinstance(values[i], ColumnRef) for i in given):
        return True
    again = [values[i].type for place, i in enumerate(given) if values[i] in [values[j] for j in given[:place]]]
    return sum(map(_size, again)) >= _OF_RANK


def _size(kind: SqlType) -> int:
    return _SMALL.get(kind.name, _OF_RANK)


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

"""Which columns of a relation come from aggregate calls: an aggregation sends updates of those that are read.

Flink's planner leaves calls out that nobody reads where a projection stands on an aggregation. It makes one projection
of those that follow each other, and of a select list with OVER that only names columns an operator without projection;
nor does a projection move below LIMIT. There all calls stay.
"""

from __future__ import annotations

from velo_engine.plan.expressions import ColumnRef, columns_of
from velo_engine.plan.nodes import Filter, GroupAggregate, PlanNode, Project, RegularJoin, TopN
from velo_engine.plan.rewrite import inlined


def call_columns(node: PlanNode) -> frozenset[int]:
    """The columns of `node` that are computed from aggregate calls below it."""
    match node:
        case GroupAggregate():
            return frozenset(range(len(node.keys), len(node.schema)))
        case Filter() | TopN():
            return call_columns(node.input)
        case Project():
            below = call_columns(node.input)
            return frozenset(i for i, e in enumerate(node.expressions) if columns_of(e) & below)
        case RegularJoin():
            left = call_columns(node.left)
            if node.kind.one_sided:
                return left
            return left | {len(node.left.schema) + i for i in call_columns(node.right)}
        case _:
            return frozenset()


def merged(node: Project) -> Project:
    """One projection in place of those that follow each other from `node` on."""
    while isinstance(node.input, Project):
        expressions = tuple(inlined(expression, node.input.expressions) for expression in node.expressions)
        node = Project(node.input.input, expressions, node.schema)
    return node


def is_selection(node: Project) -> bool:
    """Whether a projection only names columns."""
    return all(isinstance(e, ColumnRef) for e in node.expressions)

"""The rewrites of a statement's plan that show in its changes, in the order in which Flink's planner makes them.

They change which updates lead to a result, or when a row comes; the result only where Flink's own rules do. Each module
says which rules of Flink and Calcite it follows. Flink's phases are in its FlinkStreamProgram.
"""

from __future__ import annotations

from velo_engine.plan.aggregates_below_joins import with_aggregates_below_joins
from velo_engine.plan.changelog import Statements
from velo_engine.plan.constant_conditions import without_constant_conditions
from velo_engine.plan.nodes import PlanNode
from velo_engine.plan.pruning import pruned
from velo_engine.plan.reduced_aggregates import with_reduced_aggregates
from velo_engine.plan.removed_aggregates import without_distinct_of_one_row, without_single_row_aggregates
from velo_engine.plan.removed_joins import without_unread_joins
from velo_engine.plan.simplified_joins import with_simplified_joins
from velo_engine.plan.source_pushdown import pushed_down


def optimized(node: PlanNode, statements: Statements) -> PlanNode:
    """`node`, of the same columns, as Flink would run it. `statements` are those planned before it."""
    node = without_distinct_of_one_row(node)
    node = without_constant_conditions(node)
    node = with_simplified_joins(node)
    node = pushed_down(node)
    node = pruned(node)
    node = without_unread_joins(node, statements)
    node = with_aggregates_below_joins(node, statements)
    node = without_single_row_aggregates(node, statements)
    node = pruned(node)  # what was read only by what is gone
    return with_reduced_aggregates(node)

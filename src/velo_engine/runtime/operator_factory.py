"""Which operator runs a node of the plan. A new node gets its line in `FACTORIES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from velo_engine.operators.assign_watermark import AssignWatermark
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.group_aggregate import GroupAggregate
from velo_engine.operators.regular_join import RegularJoin
from velo_engine.operators.session_window import SessionWindow
from velo_engine.operators.top_n import TopN
from velo_engine.operators.window_aggregate import WindowAggregate
from velo_engine.plan import nodes
from velo_engine.plan.changelog import Statements, changelog_mode
from velo_engine.plan.monotonicity import unretracted_calls
from velo_engine.plan.nodes import PlanNode


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an operator must know about the plan and the job around it."""

    statements: Statements
    partitions: Mapping[str, int]
    """Partitions by source."""

    def retracting(self, node: PlanNode) -> bool:
        """Whether rows of `node` may be taken back."""
        return not changelog_mode(node, self.statements).insert_only


Factory: TypeAlias = Callable[[OperatorContext, Any, Surroundings], Operator]
"""Makes the operator of one node; the node is of the type under which the factory is listed."""


def make_operator(context: OperatorContext, node: PlanNode, around: Surroundings) -> Operator:
    """The operator that runs `node`, which is no scan, no projection or filter, and no join with a reference table."""
    return FACTORIES[type(node)](context, node, around)


def _assign_watermark(context: OperatorContext, node: nodes.AssignWatermark, around: Surroundings) -> Operator:
    return AssignWatermark(context, node, around.partitions.get(_scanned(node), 1))


def _group_aggregate(context: OperatorContext, node: nodes.GroupAggregate, around: Surroundings) -> Operator:
    return GroupAggregate(
        context,
        node,
        node.input.schema,
        retracting=around.retracting(node.input),
        unretracted=unretracted_calls(node, around.statements),
    )


def _window_aggregate(context: OperatorContext, node: nodes.WindowAggregate, _around: Surroundings) -> Operator:
    if node.window.kind is nodes.WindowKind.SESSION:
        return SessionWindow(context, node, node.input.schema)
    return WindowAggregate(context, node, node.input.schema)


def _regular_join(context: OperatorContext, node: nodes.RegularJoin, _around: Surroundings) -> Operator:
    return RegularJoin(context, node)


def _top_n(context: OperatorContext, node: nodes.TopN, around: Surroundings) -> Operator:
    return TopN(context, node, node.input.schema, retracting=around.retracting(node.input))


FACTORIES: Mapping[type, Factory] = {
    nodes.AssignWatermark: _assign_watermark,
    nodes.GroupAggregate: _group_aggregate,
    nodes.WindowAggregate: _window_aggregate,
    nodes.RegularJoin: _regular_join,
    nodes.TopN: _top_n,
}


def _scanned(node: PlanNode) -> str:
    """The source that feeds a watermark generator (nothing but projections stand between them)."""
    while not isinstance(node, nodes.Scan):
        if isinstance(node, nodes.Upstream):
            return ""
        (node,) = nodes.inputs(node)
    return node.source.name

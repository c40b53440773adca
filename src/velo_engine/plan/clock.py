"""Which plans need a clock that goes on while they run."""

from __future__ import annotations

from velo_engine.plan.nodes import AssignWatermark, IntervalJoin, PlanNode, WindowAggregate, WindowTable, inputs


def waits_for_the_clock(node: PlanNode) -> bool:
    """Whether anything in the plan happens because processing time has come."""
    match node:
        case WindowAggregate(by_event_time=False) | WindowTable(by_event_time=False) | IntervalJoin(left_time=None):
            return True
        case AssignWatermark() if node.idle_timeout_ms is not None:
            return True
        case _:
            return any(waits_for_the_clock(child) for child in inputs(node))

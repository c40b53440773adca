"""The state of aggregate calls in many groups at once, as arrays; shared by GROUP BY and windows."""

from velo_engine.operators.accumulators.base import StateColumn
from velo_engine.operators.accumulators.calls import AggregateCalls

__all__ = ["AggregateCalls", "StateColumn"]

"""One step of a running job as observers see it."""

from __future__ import annotations

from dataclasses import dataclass

from velo_engine.batch import ChangeBatch
from velo_engine.plan.nodes import PlanNode


@dataclass(frozen=True, slots=True)
class StepRun:
    """One operator has handled one span of events. The batches are the job's own: to be read, never changed."""

    at: int
    """The step's position in the pipeline; a step comes after those it reads."""
    statement: str
    node: PlanNode
    """What it runs; of a filter below a projection, which are one step, the projection."""
    reads: tuple[int, ...]
    """The steps that gave `inputs`."""
    inputs: tuple[ChangeBatch, ...]
    """Empty for the scan of a source."""
    output: ChangeBatch

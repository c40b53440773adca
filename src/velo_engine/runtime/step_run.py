"""One step of a running job as observers see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

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
    state: Callable[[], Mapping[str, pa.Table]] | None = None
    """The operator's state as saved tables, to be asked for before the step runs again; None: it has no operator."""

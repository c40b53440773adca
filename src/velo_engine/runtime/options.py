"""How a job is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.connectors.dead_letters import DeadLetter
from velo_engine.runtime.ingest import Span
from velo_engine.runtime.step_run import StepRun
from velo_engine.runtime.timeline import Tick


class EmitSemantics(Enum):
    """What an unwindowed aggregate gives out when a row leaves its result unchanged (property `emit.semantics`)."""

    VELOSTREAM = "velostream"
    """One updated row per input row, always."""
    FLINK = "flink"
    """Nothing."""


class FailureStrategy(Enum):
    """What happens to a record that does not decode or has no result (property `failure_strategy`).

    After the first join or aggregation a failing row always fails the job, as in Flink: state already contains it.
    """

    DEAD_LETTER = "dead_letter"
    """The record goes to the dead letter queue; its neighbours go on."""
    FAIL = "fail"
    """The job fails at once."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a running job stands."""

    records: int
    """Records read so far, over all sources."""
    finished: bool


@dataclass(frozen=True, slots=True)
class JobOptions:
    """Settings of one run; properties of the program fill what is None here."""

    batch_size: int = 10_000
    """Most events handled at once. Never changes a result."""
    emit: EmitSemantics | None = None
    failure_strategy: FailureStrategy | None = None
    time_zone: str | None = None
    """Session time zone; UTC when the program names none either."""
    now_ms: int | None = None
    """Processing time and CURRENT_TIMESTAMP, milliseconds since the epoch; None for the real clock."""
    timeline: tuple[Tick, ...] = ()
    """How processing time goes on from `now_ms` (0 if that is None), and moments without records, in their order."""
    paced: bool = False
    """The ticks are waited for on the machine's clock. Without `now_ms` their times say how long after the start."""
    unending: frozenset[str] = frozenset()
    """Sources whose event time does not end with their input: what waits for it stays open."""
    dead_letter_max_size: int | None = None
    """How many dead letters are kept; `DEFAULT_MAX_SIZE` when the program does not say either."""
    memory_limit: str | None = None
    """Most memory that the kernel takes before it spills to disk, such as `512MB`; None: what the process shares."""
    capture: bool = True
    """Keep every statement's changelog in memory for the result."""
    on_changes: Callable[[str, pa.Table], None] | None = None
    """Called with a statement and a batch of its changes, in physical form, as they are given out."""
    on_progress: Callable[[Progress], None] | None = None
    """Called after every batch; may raise to stop the job."""
    on_span: Callable[[Sequence[str], Span], None] | None = None
    """Called with the names of the sources and the records of each, once they are handled; may raise."""
    on_letter: Callable[[DeadLetter], None] | None = None
    """Called with every dead letter."""
    on_late: Callable[[str, Int64s], None] | None = None
    """Called with a statement and the events of rows that came too late for it."""
    on_step: Callable[[StepRun], None] | None = None
    """Called after every step of every batch, in the pipeline's order; may raise to stop the job."""

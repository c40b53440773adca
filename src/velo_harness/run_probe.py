"""What is measured of a job while it runs, when an assertion asks: memory, state, its clock, its metrics."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from velo_engine import JobOptions, Progress
from velo_engine.batch import Int64s
from velo_engine.runtime.step_run import StepRun
from velo_harness.metric_readings import MetricReading, metric_readings
from velo_harness.spec import AssertionSpec

if TYPE_CHECKING:
    from velo_engine.observability.metric_annotations import MetricDefinition
    from velo_engine.plan.nodes import PlannedProgram
    from velo_engine.runtime.job import Job


class Measure(Enum):
    """What can be measured."""

    MEMORY = "memory"
    STATE_ROWS = "state rows"
    STATE_BYTES = "state bytes"
    CLOCK = "clock"
    METRICS = "metrics"


def measures_for(assertions: Iterable[AssertionSpec]) -> frozenset[Measure]:
    """What the assertions need measured."""
    wanted: set[Measure] = set()
    for assertion in assertions:
        match assertion.type:
            case "memory_usage":
                wanted.add(Measure.MEMORY)
            case "state":
                wanted.add(Measure.STATE_ROWS)
                if assertion.parameters["max_bytes"] is not None:
                    wanted.add(Measure.STATE_BYTES)
            case "latency" | "table_freshness":
                wanted.add(Measure.CLOCK)
            case kind if kind.startswith("metric_"):
                wanted.add(Measure.METRICS)
    return frozenset(wanted)


@dataclass(frozen=True, slots=True)
class ClockReadings:
    """Processing time as a step function of events; milliseconds since the epoch."""

    opening: int
    seqs: Int64s
    """The events at which it moves, increasing."""
    values: Int64s

    @property
    def closing(self) -> int:
        """At the end of the run."""
        return int(self.values[-1]) if len(self.values) else self.opening

    def after(self, seqs: Int64s) -> Int64s:
        """Once each event has been handled."""
        known = np.concatenate([np.array([self.opening], np.int64), self.values])
        return known[np.searchsorted(self.seqs, seqs, side="right")]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one run; None where nobody asked."""

    source_records: Mapping[str, int] = field(default_factory=dict)
    """Records read from each source."""
    memory_before: int | None = None
    """Bytes of the process."""
    memory_peak: int | None = None
    """The most after any batch."""
    state_rows_peak: int | None = None
    """The most after any batch, of all statements of the job."""
    state_rows_end: int | None = None
    state_bytes_peak: int | None = None
    clock: ClockReadings | None = None
    metrics: tuple[MetricReading, ...] | None = None


class RunProbe:
    """Measures one job. `watching` before it is made, `attach` after, `measured` once it has ended."""

    def __init__(
        self,
        wanted: frozenset[Measure],
        program: PlannedProgram,
        definitions: Sequence[MetricDefinition] = (),
        time_zone: str = "UTC",
    ) -> None:
        """`definitions` are the metrics that the program declares. Errors: of these, at their place."""
        from velo_engine.observability.program_metrics import ProgramMetrics

        self._wanted = wanted
        self._job: Job | None = None
        self._memory_before = self._memory_peak = resident_bytes() if Measure.MEMORY in wanted else None
        self._state_rows = self._state_bytes = 0
        self._opening: int | None = None
        self._seqs: list[Int64s] = []
        self._values: list[Int64s] = []
        self._metrics = ProgramMetrics(program, definitions, time_zone=time_zone)

    def watching(self, options: JobOptions) -> JobOptions:
        """`options`, with hooks for what is to be measured before those that are there."""
        if self._wanted & {Measure.MEMORY, Measure.STATE_ROWS, Measure.STATE_BYTES}:
            then_progress = options.on_progress

            def progress(now: Progress) -> None:
                self._measure()
                if then_progress is not None:
                    then_progress(now)

            options = replace(options, on_progress=progress)
        if Measure.METRICS in self._wanted:
            then_changes = options.on_changes

            def changes(statement: str, rows: pa.Table) -> None:
                self._metrics.observe(statement, rows)
                if then_changes is not None:
                    then_changes(statement, rows)

            options = replace(options, on_changes=changes)
        if Measure.CLOCK in self._wanted:
            then_step = options.on_step

            def step(run: StepRun) -> None:
                self._read_clock(run)
                if then_step is not None:
                    then_step(run)

            options = replace(options, on_step=step)
        return options

    def attach(self, job: Job) -> None:
        """`job` is the one that runs with the options of `watching`."""
        self._job = job

    def measured(self) -> Measured:
        """What was measured; the job has ended."""
        job = self._job
        assert job is not None
        keeps_state = Measure.STATE_ROWS in self._wanted
        return Measured(
            source_records=dict(job.source_records),
            memory_before=self._memory_before,
            memory_peak=self._memory_peak,
            state_rows_peak=self._state_rows if keeps_state else None,
            state_rows_end=_state_rows(job) if keeps_state else None,
            state_bytes_peak=self._state_bytes if Measure.STATE_BYTES in self._wanted else None,
            clock=self._clock() if Measure.CLOCK in self._wanted else None,
            metrics=metric_readings(job, self._metrics) if Measure.METRICS in self._wanted else None,
        )

    def close(self) -> None:
        """Gives back what metrics hold."""
        self._metrics.close()

    def _measure(self) -> None:
        job = self._job
        assert job is not None
        if self._memory_peak is not None:
            self._memory_peak = max(self._memory_peak, resident_bytes())
        if Measure.STATE_ROWS in self._wanted:
            self._state_rows = max(self._state_rows, _state_rows(job))
        if Measure.STATE_BYTES in self._wanted:
            steps = (tables for at, tables in job.snapshot().items() if at >= 0)
            size = sum(table.nbytes for tables in steps for table in tables.values())
            self._state_bytes = max(self._state_bytes, size)

    def _read_clock(self, run: StepRun) -> None:
        """Processing time is the same at every step: the first of each span tells it."""
        if run.at:
            return
        time = run.output.processing_time
        if self._opening is None:
            self._opening = time.opening
        self._seqs.append(time.seqs)
        self._values.append(time.values)

    def _clock(self) -> ClockReadings | None:
        if self._opening is None:
            return None
        return ClockReadings(self._opening, np.concatenate(self._seqs), np.concatenate(self._values))


def _state_rows(job: Job) -> int:
    return sum(statement.state_rows for statement in job.statement_statistics().values())


def resident_bytes() -> int:
    """The memory of this process that is in use now; where the system does not say, the most it ever was."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

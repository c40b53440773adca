"""Running one query of a spec at volume, over generated records, and measuring it.

Checks are not evaluated: they speak of the inputs of the spec. Reference tables keep their rows; streams are generated
by their data schemas, whatever rows the spec gives them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from velo_engine import Progress
from velo_engine.errors import VeloError
from velo_engine.plan.nodes import PlannedProgram, SourceKind
from velo_harness.execution import Execution, ProgressHook
from velo_harness.query_run import QueryRun
from velo_harness.result import QueryResult
from velo_harness.run_probe import resident_bytes
from velo_harness.settings import RunSettings
from velo_harness.spec import Input, Query, Spec
from velo_harness.stress.stress_settings import StressSettings

BATCH_SECONDS = 0.05
"""With a rate: records that come within so much time are one batch."""
MOST_IN_A_BATCH = 10_000
MOST_RUNS = 10_000
WARM_UP_RECORDS = 1000


@dataclass(frozen=True, slots=True)
class Latencies:
    """Milliseconds from when a record was there until the batch that held it was done."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class StressResult:
    """What a stress run measured."""

    query: str
    records: int
    """Read, over all sources and runs."""
    output_rows: int
    runs: int
    elapsed_s: float
    """Without the making of inputs."""
    latency: Latencies
    peak_memory_bytes: int
    """Resident memory of the process, the most that was seen after a batch, inputs included."""
    memory_growth_bytes: int
    """Of it, what came since the inputs were made."""
    dead_letters: int
    late: int
    error: VeloError | None = None
    """What ended the run before its time."""

    @property
    def records_per_second(self) -> float:
        """Throughput."""
        return self.records / self.elapsed_s if self.elapsed_s else 0.0


@dataclass(slots=True)
class _Meter:
    """What is noted after each batch."""

    settings: StressSettings
    tell: ProgressHook | None
    batch: int
    total: int = 0
    """Records of one run."""
    began: float = 0.0
    records: int = 0
    peak: int = 0
    marks: list[tuple[int, float]] = field(default_factory=list)
    """Of this run: records read so far, and the time."""
    latencies: list[tuple[np.ndarray[tuple[int], np.dtype[np.float64]], int]] = field(default_factory=list)
    """Milliseconds, and how many records each of them stands for."""

    def begin(self) -> None:
        """A run begins: with a rate, when the first batch has come."""
        self.marks = [(0, time.perf_counter())]
        self.began = self.marks[0][1]
        self._wait_for(0)

    def note(self, progress: Progress) -> None:
        """A batch is done."""
        now = time.perf_counter()
        before, at = self.marks[-1]
        done = progress.records
        if done > before:
            self.latencies.append(self._latencies(before, done, at, now))
            self.marks.append((done, now))
            self.records += done - before
        self.peak = max(self.peak, resident_bytes())
        if self.tell is not None:
            self.tell(Progress(self.records, progress.finished))
        if not progress.finished:
            self._wait_for(done)
            self.marks[-1] = (self.marks[-1][0], time.perf_counter())

    def _latencies(
        self, before: int, done: int, at: float, now: float
    ) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], int]:
        rate = self.settings.rate_per_second
        if rate is None:
            return np.array([(now - at) * 1000]), done - before
        due = self.began + np.arange(before + 1, done + 1) / rate
        return (now - due) * 1000, 1

    def _wait_for(self, done: int) -> None:
        """Until the next batch has come."""
        rate = self.settings.rate_per_second
        if rate is not None:
            due = self.began + min(done + self.batch, self.total or done + self.batch) / rate
            time.sleep(max(due - time.perf_counter(), 0))

    def percentiles(self) -> Latencies:
        """Over all records."""
        if not self.latencies:
            return Latencies(0.0, 0.0, 0.0, 0.0)
        values = np.concatenate([values for values, _ in self.latencies])
        weights = np.concatenate([np.full(len(values), weight) for values, weight in self.latencies])
        order = np.argsort(values)
        reached = np.cumsum(weights[order]) / weights.sum()
        p50, p95, p99 = (float(values[order][np.searchsorted(reached, share)]) for share in (0.5, 0.95, 0.99))
        return Latencies(p50, p95, p99, float(values.max()))


def stress_query(
    spec: Spec,
    query: Query,
    settings: RunSettings,
    load: StressSettings,
    blank: QueryResult,
    on_progress: ProgressHook | None = None,
) -> StressResult:
    """Runs a query at volume. Errors: of preparing it and of making its inputs; those of the job are in the result."""
    _warm_up(spec, query, settings, blank)
    spec, query = _at_volume(spec, query, settings, load.records_of_each, blank)
    run = QueryRun(spec, query, settings, blank)
    prepared = run.prepared()
    inputs = run.inputs(prepared)
    total = sum(inputs.records.values())
    batch = MOST_IN_A_BATCH if settings.batch_size is None else settings.batch_size
    if load.rate_per_second is not None:
        batch = max(min(int(load.rate_per_second * BATCH_SECONDS), batch), 1)
    meter = _Meter(load, on_progress, batch, total)
    options = replace(run.job_options(), capture=False, batch_size=batch, on_progress=meter.note)
    at_first = meter.peak = resident_bytes()
    totals = _Totals()
    began = time.perf_counter()
    while True:
        meter.begin()
        try:
            with run.executed(prepared, inputs, options) as execution:
                totals.add(execution, prepared.targets)
        except VeloError as error:
            totals.error = error
            break
        over = load.rate_per_second is not None or load.duration_seconds is None
        if over or time.perf_counter() - began >= (load.duration_seconds or 0) or totals.runs >= MOST_RUNS:
            break
    return StressResult(
        query=query.name,
        records=meter.records,
        output_rows=totals.rows,
        runs=totals.runs,
        elapsed_s=time.perf_counter() - began,
        latency=meter.percentiles(),
        peak_memory_bytes=meter.peak,
        memory_growth_bytes=meter.peak - at_first,
        dead_letters=totals.dead_letters,
        late=totals.late,
        error=totals.error,
    )


@dataclass(slots=True)
class _Totals:
    runs: int = 0
    rows: int = 0
    dead_letters: int = 0
    late: int = 0
    error: VeloError | None = None

    def add(self, execution: Execution, targets: tuple[str, ...]) -> None:
        """A run that ended."""
        self.runs += 1
        self.dead_letters += execution.result.dead_letter_count
        for name, statement in execution.result.statements.items():
            self.late += statement.accounting.late
            if name in targets:
                self.rows += statement.accounting.emitted


def _warm_up(spec: Spec, query: Query, settings: RunSettings, blank: QueryResult) -> None:
    """A small run that is not measured: what happens once in a process is no part of throughput or latency."""
    small_spec, small = _at_volume(spec, query, settings, WARM_UP_RECORDS, blank)
    run = QueryRun(small_spec, small, settings, blank)
    prepared = run.prepared()
    with contextlib.suppress(VeloError), run.executed(prepared, run.inputs(prepared), run.job_options()):
        pass


def _at_volume(spec: Spec, query: Query, settings: RunSettings, records: int, blank: QueryResult) -> tuple[Spec, Query]:
    """The spec and the query with every stream generated, and no checks or time limit."""
    program = QueryRun(spec, query, settings, blank).prepared().program
    queries = {one.name: _loaded(one, program, records) for one in spec.queries}
    chosen = _loaded(query, program, records)
    return replace(spec, queries=tuple(queries.values())), replace(chosen, assertions=(), expect=None, outputs=())


def _loaded(query: Query, program: PlannedProgram, records: int) -> Query:
    """A query whose streams have `records` records each."""
    inputs = tuple(_generated(one, records) if _is_stream(one.source, program) else one for one in query.inputs)
    return replace(query, inputs=inputs, default_records=records, timeout_ms=NO_TIME_LIMIT_MS)


NO_TIME_LIMIT_MS = 24 * 3600 * 1000
"""A stress run takes what it takes."""


def _generated(given: Input, records: int) -> Input:
    if given.from_previous is not None:
        return given
    return replace(given, rows=None, data_file=None, timeline=None, boundaries=False, records=records)


def _is_stream(source: str, program: PlannedProgram) -> bool:
    return source in program.sources and program.sources[source].kind is SourceKind.STREAM


@dataclass(frozen=True, slots=True)
class Limits:
    """What a stress run must keep to; None: anything goes."""

    min_records_per_second: float | None = None
    max_p99_ms: float | None = None
    max_memory_mb: float | None = None
    max_dead_letters: int | None = None

    def broken_by(self, result: StressResult) -> list[str]:
        """What a result does not keep to, each as a line."""
        checks: list[tuple[float | None, float, str, Callable[[float, float], bool]]] = [
            (self.min_records_per_second, result.records_per_second, "records per second", lambda a, b: a >= b),
            (self.max_p99_ms, result.latency.p99_ms, "ms latency (p99)", lambda a, b: a <= b),
            (self.max_memory_mb, result.peak_memory_bytes / 1_000_000, "MB of memory", lambda a, b: a <= b),
            (self.max_dead_letters, result.dead_letters, "dead letters", lambda a, b: a <= b),
        ]
        broken = [
            f"{actual:,.1f} {what}, and the limit is {limit:,g}"
            for limit, actual, what, holds in checks
            if limit is not None and not holds(actual, limit)
        ]
        return broken if result.error is None else [result.error.message, *broken]

"""A job: drives the records of all sources through the pipeline, span by span, and keeps the books."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from velo_engine.batch import (
    INITIAL_WATERMARK,
    ChangeBatch,
    Int64s,
    StepFunction,
    empty_rows,
    numpy_column,
)
from velo_engine.connectors.dead_letters import DEFAULT_MAX_SIZE, DeadLetter, DeadLetterQueue
from velo_engine.connectors.source import Sink, Source, seekable
from velo_engine.kernel import Kernel
from velo_engine.operators.base import LateRows, RowFailures
from velo_engine.operators.values import OPENING_EVENT
from velo_engine.plan import nodes
from velo_engine.plan.clock import waits_for_the_clock
from velo_engine.plan.nodes import Emit, PlannedProgram, PlannedStatement, PlanNode, SourceKind, SourceTable
from velo_engine.plan.select_list import unique_name
from velo_engine.runtime.accounting import Accounting
from velo_engine.runtime.alignment import Alignment, all_idle
from velo_engine.runtime.checkpoint_file import fingerprint
from velo_engine.runtime.ingest import Span, spans
from velo_engine.runtime.letters import RowPlace, SpanLetters
from velo_engine.runtime.options import EmitSemantics, FailureStrategy, JobOptions, Progress
from velo_engine.runtime.pipeline import Pipeline, PipelineBuilder, SinkStep, Step, StepServices, closure
from velo_engine.runtime.result import JobResult, StatementResult, concatenated
from velo_engine.runtime.scan import scan_rows
from velo_engine.runtime.source_time import JobTime, SpanTime
from velo_engine.runtime.statistics import StatementStatistics
from velo_engine.runtime.step_run import StepRun
from velo_engine.runtime.timeline import Clock, FixedClock, PacedTimeline, SystemClock, Tick, Timeline
from velo_engine.schema import RowSchema

NO_EVENTS = np.empty(0, np.int64)

JOB_TIME = -1
"""In place of a step: the part of a snapshot that belongs to the job itself."""


@dataclass(slots=True)
class _StatementRun:
    """What one statement gave out so far."""

    plan: PlannedStatement
    sink: Sink | None
    accounting: Accounting = field(default_factory=Accounting)
    changes: list[pa.Table] = field(default_factory=list)
    sink_changes: list[pa.Table] = field(default_factory=list)
    """What the sink got, where that is not the changelog itself."""
    late: list[pa.Table] = field(default_factory=list)
    seconds: float = 0.0


class Job:
    """One run of a planned program.

    `open_source` gives the input of a source, `open_sink` the sink of a statement (None: nothing but the captured
    result). `clock` is where processing time comes from, where the options do not say; `forward_letter` gets every dead
    letter.
    """

    def __init__(
        self,
        program: PlannedProgram,
        targets: tuple[str, ...],
        options: JobOptions,
        kernel: Kernel,
        open_source: Callable[[SourceTable], Source],
        open_sink: Callable[[PlannedStatement], Sink | None],
        clock: Clock | None = None,
        forward_letter: Callable[[DeadLetter], None] | None = None,
        previous: Job | None = None,
    ) -> None:
        """`previous` is a job of the same program that this one goes on from, once `restore` has its state: sinks stay
        open, and what it gave out and counted stays."""
        self._program = program
        self._options = options
        self.kernel = kernel
        self._open_source = open_source
        names = closure(program, targets)
        self._streams = _streams(program, names)
        self._sources = [open_source(program.sources[name]) for name in self._streams]
        self._readers = [[n for n in names if s in program.statements[n].sources] for s in self._streams]
        self._queue: DeadLetterQueue = (
            previous._queue
            if previous is not None
            else DeadLetterQueue(
                DEFAULT_MAX_SIZE if options.dead_letter_max_size is None else options.dead_letter_max_size,
                forward=forward_letter,
            )
        )
        self._letters = SpanLetters(self._queue, options.failure_strategy or FailureStrategy.DEAD_LETTER, self._sources)
        self._runs: dict[str, _StatementRun] = (
            previous._runs
            if previous is not None
            else {n: _StatementRun(program.statements[n], open_sink(program.statements[n])) for n in names}
        )
        self._late_records: dict[str, int] = {}
        """Per statement the records of this span that came too late."""
        self.clock = clock or _ticking(options, program, [program.statements[name].plan for name in names])
        self._time = JobTime(
            self.clock.start(), tells_idleness=_tells_idleness(options.timeline), unending=options.unending
        )
        self._span_time = SpanTime(StepFunction.constant(self._time.now_ms), {}, {})
        self._alignments: dict[int, Alignment] = {}
        self.source_records: dict[str, int] = (
            dict.fromkeys(self._streams, 0) if previous is None else previous.source_records
        )
        """Records read so far, by source."""
        self.positions: dict[str, dict[tuple[str, int], int]] = {} if previous is None else previous.positions
        """By source, per topic and partition the offset behind the last record handled; kept where ticks restart."""
        self.next_seq = 0
        """The event that comes next."""
        self._watermarks: dict[str, int] = {} if previous is None else previous._watermarks
        self._seconds: float = 0.0 if previous is None else previous._seconds
        self._pipeline = self._built(targets)
        if previous is not None:
            _carry_counters(previous._pipeline, self._pipeline)
        self._opens = any(not step.inputs and step.scan is None for step in self._pipeline.steps)
        """Whether the next span is the first, and something in the program stands before the first record."""

    @property
    def records(self) -> int:
        """Records read so far, over all sources."""
        return sum(self.source_records.values())

    @property
    def emitted(self) -> int:
        """Changes given out so far, over all statements."""
        return sum(run.accounting.emitted for run in self._runs.values())

    @property
    def dead_letter_count(self) -> int:
        """Records set aside so far."""
        return self._queue.count

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the plan."""
        return fingerprint(self._program)

    def spans(self) -> Iterator[Span]:
        """The input still to be read."""
        ahead = not isinstance(self.clock, PacedTimeline)
        return spans(self._sources, self._options.batch_size, self.next_seq, self.clock, ahead=ahead)

    def run(self) -> JobResult:
        """Read all input to its end, complete the sinks, and give the result."""
        stopped = self.run_to_restart()
        assert not stopped, "restarts are for runtime.restarts"
        return self.finish()

    def run_to_restart(self) -> bool:
        """Read the input up to the next restart that ticks ask for, or to its end; whether it was a restart."""
        keeps_positions = any(tick.restart for tick in self._options.timeline)
        try:
            for span in self.spans():
                if any(tick.restart for _, tick in span.ticks):
                    return True
                self.step(span)
                if keeps_positions:
                    self._keep_positions(span)
        except BaseException:
            self.abort()
            raise
        finally:
            for source in self._sources:
                source.close()
        return False

    def seek(self, positions: Mapping[str, Mapping[tuple[str, int], int]]) -> None:
        """Read on at these positions, by source. Raises VeloError for a source that has none."""
        for source in self._sources:
            if source.name in positions:
                seekable(source).seek(positions[source.name])

    def _keep_positions(self, span: Span) -> None:
        for source, taken in zip(self._sources, span.slices, strict=True):
            if taken is None:
                continue
            own = self.positions.setdefault(source.name, {})
            topic = seekable(source).topic
            part = slice(taken.start, taken.stop)
            partitions, offsets = taken.batch.partition[part], taken.batch.offset[part]
            last = ((p, int(offsets[partitions == p].max())) for p in np.unique(partitions).tolist())
            failed = ((failure.partition, failure.offset) for _, failure in taken.failures)
            for partition, offset in (*last, *failed):
                own[topic, partition] = max(own.get((topic, partition), 0), offset + 1)

    def step(self, span: Span) -> None:
        """Handle one span of events."""
        began = time.perf_counter()
        if self._opens:
            span, self._opens = replace(span, first_seq=OPENING_EVENT), False
        self._letters.open(span, self._readers)
        self._span_time = self._time.over(span, self._streams)
        outputs: list[ChangeBatch] = []
        for step in self._pipeline.steps:
            outputs.append(self._run_step(step, span, outputs))
        for name, root in self._pipeline.roots.items():
            self._watermarks[name] = outputs[root].watermark.closing
            self._deliver(self._runs[name], outputs[root])
        self._settle(span, outputs)
        self._letters.close()
        self.next_seq = span.end_seq
        for name, taken in zip(self._streams, span.slices, strict=True):
            self.source_records[name] += 0 if taken is None else taken.records
        self._seconds += time.perf_counter() - began
        if self._options.on_span is not None:
            self._options.on_span(self._streams, span)
        if self._options.on_progress is not None:
            self._options.on_progress(Progress(self.records, span.last))

    def abort(self) -> None:
        """Give the sinks up after an error."""
        for run in self._runs.values():
            if run.sink is not None:
                run.sink.abort()

    def finish(self) -> JobResult:
        """Complete the sinks and give the result."""
        results = {name: self._result(run) for name, run in self._runs.items()}
        for run in self._runs.values():
            if run.sink is not None:
                run.sink.close()
        return JobResult(results, self._queue.letters, self._queue.count, self.records, self._seconds * 1000)

    def snapshot(self) -> dict[int, dict[str, pa.Table]]:
        """The state of every operator, by step, and the job's time."""
        state = {i: s.operator.snapshot() for i, s in enumerate(self._pipeline.steps) if s.operator is not None}
        state |= {at: step.operator.snapshot() for at, step in self._sink_steps()}
        reached = {"step": list(self._alignments), "ms": [a.reached for a in self._alignments.values()]}
        events = pa.table({"next": [self.next_seq], "opens": [self._opens]})
        return state | {JOB_TIME: self._time.snapshot() | {"alignments": pa.table(reached), "events": events}}

    def step_names(self, state: Mapping[int, Mapping[str, pa.Table]]) -> dict[int, str]:
        """What each step does that has tables in a snapshot, by its place there."""
        named = {i: f"{step.statement}: {step.name}" for i, step in enumerate(self._pipeline.steps)}
        named |= {at: f"{step.name} before a sink" for at, step in self._sink_steps()}
        return {at: named.get(at, "the job's time") for at, tables in state.items() if tables}

    def restore(self, state: Mapping[int, Mapping[str, pa.Table]]) -> None:
        """Load a snapshot of a job with the same plan. Steps that it does not name stay as they are."""
        operators = {i: s.operator for i, s in enumerate(self._pipeline.steps) if s.operator is not None}
        operators |= {at: step.operator for at, step in self._sink_steps()}
        for at, operator in operators.items():
            if at in state:
                operator.restore(state[at])
        self._time.restore(state[JOB_TIME])
        (events,) = state[JOB_TIME]["events"].to_pylist()
        self.next_seq, self._opens = events["next"], events["opens"]
        reached = state[JOB_TIME]["alignments"].to_pylist()
        self._alignments = {row["step"]: Alignment(row["ms"]) for row in reached}

    def _sink_steps(self) -> Iterator[tuple[int, SinkStep]]:
        """The operators before sinks, numbered after all other steps."""
        steps = (step for steps in self._pipeline.sinks.values() for step in steps)
        return enumerate(steps, len(self._pipeline.steps))

    def _built(self, targets: tuple[str, ...]) -> Pipeline:
        builder = PipelineBuilder(
            self._program,
            self.kernel,
            StepServices(self._failures, self._late, self._late_letters),
            emit_unchanged=self._options.emit is not EmitSemantics.FLINK,
            time_zone=self._options.time_zone or "UTC",
            partitions={s.name: getattr(s, "partitions", 1) for s in self._sources},
            table_rows=self._table_rows,
        )
        return builder.build(targets)

    def _run_step(self, step: Step, span: Span, outputs: Sequence[ChangeBatch]) -> ChangeBatch:
        run = self._runs[step.statement]
        began = time.perf_counter()
        read: list[ChangeBatch] = []
        if step.scan is not None:
            batch = self._scanned(step.scan, span)
            run.accounting.read += self._scanned_records(step.scan, span)
        else:
            assert step.operator is not None
            read = [outputs[i] for i in step.inputs] or [self._clock(span)]
            if len(read) > 1:
                read = self._alignments.setdefault(len(outputs), Alignment()).aligned(read)
            batch = step.operator.process(*read)
            if batch.idle is None and (idle := all_idle(read)) is not None:
                batch = replace(batch, idle=idle)
        run.seconds += time.perf_counter() - began
        if self._options.on_step is not None:
            state = None if step.operator is None else step.operator.snapshot
            at = len(outputs)
            self._options.on_step(StepRun(at, step.statement, step.node, step.inputs, tuple(read), batch, state))
        return batch

    def _scanned(self, scan: nodes.Scan, span: Span) -> ChangeBatch:
        taken = span.slices[self._streams.index(scan.source.name)]
        now = self._span_time
        rows = empty_rows(scan.schema) if taken is None else scan_rows(scan, taken, now.processing_time)
        end = span.end_seq + 1 if span.last else span.end_seq
        source = scan.source.name
        idle, stated = now.idle.get(source), now.stated.get(source, ())
        return ChangeBatch(rows, span.first_seq, end, now.watermarks[source], now.processing_time, idle, stated)

    def _clock(self, span: Span) -> ChangeBatch:
        """The events of a span without rows, for an operator without inputs."""
        start = StepFunction.constant(INITIAL_WATERMARK)
        rows = empty_rows(RowSchema(()))
        end = span.end_seq + 1 if span.last else span.end_seq
        return ChangeBatch(rows, span.first_seq, end, start, self._span_time.processing_time)

    def _scanned_records(self, scan: nodes.Scan, span: Span) -> int:
        taken = span.slices[self._streams.index(scan.source.name)]
        return 0 if taken is None else taken.records

    def _deliver(self, run: _StatementRun, batch: ChangeBatch) -> None:
        run.accounting.emitted += len(batch)
        if not len(batch):
            return
        if self._options.capture:
            run.changes.append(batch.rows)
        if self._options.on_changes is not None:
            self._options.on_changes(run.plan.name, batch.rows)
        steps = self._pipeline.sinks.get(run.plan.name, ())
        for step in steps:
            batch = step.operator.process(batch)
        if steps and self._options.capture:
            run.sink_changes.append(batch.rows)
        if run.sink is not None and len(batch):
            run.sink.write(batch.rows)

    def _settle(self, span: Span, outputs: Sequence[ChangeBatch]) -> None:
        """Count the fates of this span's records in every statement."""
        steps = self._pipeline.steps
        scanned: set[tuple[str, str]] = set()
        for step in steps:
            accounting = self._runs[step.statement].accounting
            if step.scan is not None:
                pair = step.statement, step.scan.source.name
                if pair in scanned:  # a record that does not decode is dead once for each scan
                    taken = span.slices[self._streams.index(step.scan.source.name)]
                    accounting.dead_lettered += 0 if taken is None else len(taken.failures)
                scanned.add(pair)
            accounting.read += sum(len(outputs[i]) for i in step.inputs if steps[i].statement != step.statement)
            accounting.accepted += sum(len(outputs[i]) for i in step.accepts)
        for name, run in self._runs.items():
            root = self._pipeline.roots[name]
            if steps[root].statement != name:
                run.accounting.read += len(outputs[root])
            if steps[root].statement != name or not steps[root].accepted:
                run.accounting.accepted += len(outputs[root])
            late = self._late_records.pop(name, 0)
            run.accounting.late += late
            run.accounting.dead_lettered += len(self._letters.dead.get(name, ())) + self._letters.dead_again.get(
                name, 0
            )
            run.accounting.accepted -= late + len(self._letters.dead_after_join.get(name, ()))

    def statement_statistics(self) -> dict[str, StatementStatistics]:
        """Where each statement stands."""
        return {name: self._statistics(run) for name, run in self._runs.items()}

    def _statistics(self, run: _StatementRun) -> StatementStatistics:
        name = run.plan.name
        watermark = self._watermarks.get(name, INITIAL_WATERMARK)
        return StatementStatistics(
            read=run.accounting.read,
            emitted=run.accounting.emitted,
            written=0 if run.sink is None else run.sink.written,
            late=run.accounting.late,
            watermark_ms=None if watermark == INITIAL_WATERMARK else watermark,
            state_rows=sum(s.counters.state_rows for s in self._pipeline.steps if s.statement == name),
        )

    def _result(self, run: _StatementRun) -> StatementResult:
        plan, accounting = run.plan, run.accounting
        own = [s for s in self._pipeline.steps if s.statement == plan.name]
        accounting.filtered = sum(s.counters.filtered for s in own if not s.accepted)
        accounting.partly_late = sum(s.counters.partly_late for s in own)
        accounting.state_rows = sum(s.counters.state_rows for s in own)
        accounting.written = 0 if run.sink is None else run.sink.written
        accounting.check(plan.name)
        late = _together(run.late) if run.late else pa.table({"late_by_ms": pa.array([], pa.int64())})
        key = plan.sink.upsert_key if plan.sink is not None else ()
        rows = concatenated(plan.plan.schema, run.changes)
        steps = self._pipeline.sinks.get(plan.name, ())
        written = concatenated(plan.plan.schema, run.sink_changes) if steps else rows
        accounting.state_rows += sum(step.counters.state_rows for step in steps)
        return StatementResult(
            plan.name, plan.plan.schema, plan.aliases, key, rows, written, late, accounting, run.seconds * 1000
        )

    def _failures(self, statement: str, place: RowPlace) -> RowFailures:
        def failed(rows: pa.Table, reasons: Sequence[str]) -> None:
            self._letters.fail_rows(statement, place, rows, reasons)

        return failed

    def _late(self, statement: str, schemas: Sequence[RowSchema], side: int, joined: bool) -> LateRows:
        """Keeps late rows with the columns of all inputs of their operator, NULL for those of the others."""
        schema = late_schema(schemas)
        first = sum(len(s) for s in schemas[:side])

        def too_late(rows: pa.Table, lateness_ms: Int64s) -> None:
            seqs = numpy_column(rows, "seq")
            if self._options.on_late is not None:
                self._options.on_late(statement, seqs)
            count = len(np.unique(seqs)) if joined else len(seqs)
            self._late_records[statement] = self._late_records.get(statement, 0) + count
            columns = [pa.nulls(len(seqs), field.type) for field in schema]
            columns[first : first + len(schemas[side])] = [rows.column(i) for i in range(len(schemas[side]))]
            if self._options.capture:
                self._runs[statement].late.append(pa.table([*columns[:-1], pa.array(lateness_ms)], schema=schema))

        return too_late

    def _late_letters(self, statement: str) -> LateRows:
        def too_late(rows: pa.Table, lateness_ms: Int64s) -> None:
            reasons = [f"late: every window of the row had closed {ms} ms before" for ms in lateness_ms.tolist()]
            # The window has taken the row in, as a join does: it was counted as accepted.
            self._letters.fail_rows(statement, RowPlace.JOINED, rows, reasons)

        return too_late

    def _table_rows(self, node: PlanNode) -> pa.Table:
        """The whole contents of a join's table side: a job of its own over bounded input."""
        name = "table of a join"
        statement = PlannedStatement(name, node, None, Emit.CHANGES, _upstreams(node), _scans(node), {})
        sources = {s: replace(self._program.sources[s], kind=SourceKind.STREAM) for s in self._program.sources}
        program = replace(self._program, statements={**self._program.statements, name: statement}, sources=sources)
        options = replace(self._options, capture=True, on_progress=None)
        job = Job(program, (name,), options, self.kernel, self._open_source, lambda _: None)
        result = job.run()
        for letter in result.dead_letters:
            self._queue.add(letter)
        final = result.statements[name].final
        return pa.table(final.columns, schema=node.schema.physical())


def _tells_idleness(ticks: Sequence[Tick]) -> bool:
    return any(tick.idle or tick.idle_partitions for tick in ticks)


def _carry_counters(old: Pipeline, new: Pipeline) -> None:
    """What became of the rows before a restart counts with those after it. State was restored: it counts itself."""
    for before, after in zip(old.steps, new.steps, strict=True):
        after.counters.filtered += before.counters.filtered
        after.counters.late += before.counters.late
        after.counters.partly_late += before.counters.partly_late
        after.counters.dead_lettered += before.counters.dead_lettered


def _ticking(options: JobOptions, program: PlannedProgram, plans: Sequence[PlanNode]) -> Clock:
    """Where the job's processing time comes from. The machine's clock moves it only where something depends on that."""
    if options.paced:
        return PacedTimeline(options.now_ms, options.timeline)
    if options.timeline:
        return Timeline(options.now_ms or 0, options.timeline)
    if options.now_ms is None and ("state.ttl" in program.properties or any(map(waits_for_the_clock, plans))):
        return SystemClock()
    return FixedClock(time.time_ns() // 1_000_000 if options.now_ms is None else options.now_ms)


def _together(tables: Sequence[pa.Table]) -> pa.Table:
    """Late rows of several operators as one table, NULL where an operator's input has no such column.

    A column of another type than one of its name before it gets a number behind its name that no column has.
    """
    types: dict[str, pa.DataType] = {}
    renamed = []
    for table in tables:
        names: list[str] = []
        for column in table.schema:
            others = {*table.schema.names, *names} - {column.name}
            name, number = column.name, 0
            while name in others or types.setdefault(name, column.type) != column.type:
                name, number = f"{column.name}{number}", number + 1
            names.append(name)
        renamed.append(table.rename_columns(names))
    return pa.concat_tables(renamed, promote_options="default")


def late_schema(schemas: Sequence[RowSchema]) -> pa.Schema:
    """The columns of late rows of an operator with these inputs, each name once, and `late_by_ms`."""
    fields: list[pa.Field] = []
    for column in (column for schema in schemas for column in schema.arrow()):
        fields.append(column.with_name(unique_name(column.name, [f.name for f in fields])))
    return pa.schema([*fields, pa.field("late_by_ms", pa.int64())])


def _streams(program: PlannedProgram, names: Sequence[str]) -> list[str]:
    """The stream sources of the statements, in order of appearance."""
    found: dict[str, None] = {}
    for name in names:
        for source in program.statements[name].sources:
            if program.sources[source].kind is SourceKind.STREAM:
                found.setdefault(source)
    return list(found)


def _scans(node: PlanNode) -> tuple[str, ...]:
    if isinstance(node, nodes.Scan):
        return (node.source.name,)
    return tuple(name for child in nodes.inputs(node) for name in _scans(child))


def _upstreams(node: PlanNode) -> tuple[str, ...]:
    if isinstance(node, nodes.Upstream):
        return (node.statement,)
    return tuple(name for child in nodes.inputs(node) for name in _upstreams(child))

"""Running one statement of a spec's program over its inputs, with its file sinks in a folder of their own."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from velo_engine import Engine, JobOptions, Progress
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.plan.nodes import PlannedProgram, PlannedStatement, SourceTable
from velo_harness.discovery import PathPolicy
from velo_harness.inputs import RunInputs, reads_own_file
from velo_harness.programs import ProgramText
from velo_harness.relation import Relation
from velo_harness.result import FaultCount
from velo_harness.run_probe import Measured, RunProbe
from velo_harness.spec import Spec
from velo_harness.topic_naming import TopicNaming

if TYPE_CHECKING:
    from velo_engine.connectors.topics import TopicStore
    from velo_engine.runtime.inputs import Input
    from velo_engine.runtime.result import JobResult, StatementResult
    from velo_harness.kafka.broker_run import BrokerRun
    from velo_harness.kafka.session import KafkaSession

ProgressHook = Callable[[Progress], None]

ADDRESS = "bootstrap.servers"


@dataclass(frozen=True, slots=True)
class Broker:
    """Where topics are when they are not in memory, and what they are called there."""

    session: KafkaSession
    naming: TopicNaming


@dataclass(frozen=True, slots=True)
class Execution:
    """What a run gave out, and where its files are."""

    result: JobResult
    program: PlannedProgram
    files: Mapping[Path, Path]
    """The path of a sink in the SQL → the file that this run wrote instead."""
    read_back: Mapping[str, Relation]
    """Statement → the records in its topic; empty when topics are in memory."""
    measured: Measured = field(default_factory=Measured)
    faults: tuple[FaultCount, ...] = ()
    """What was injected, and what became of it."""
    topics: TopicStore | None = None
    """The topics in memory; None when they are on a broker."""

    def records_of(self, statement: str) -> Relation:
        """Every record that a statement gave out, in order: the +I and +U rows."""
        if statement in self.read_back:
            return self.read_back[statement]
        return _captured(self.result.statements[statement])


def needed_statements(program: PlannedProgram, targets: tuple[str, ...]) -> list[str]:
    """`targets` and all statements they read, in program order."""
    needed: set[str] = set()
    waiting = list(targets)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting.extend(program.statements[name].reads)
    return [name for name in program.statements if name in needed]


def needed_sources(program: PlannedProgram, targets: tuple[str, ...]) -> dict[str, SourceTable]:
    """The sources that `targets` and all they read scan, in order of appearance."""
    names = dict.fromkeys(s for name in needed_statements(program, targets) for s in program.statements[name].sources)
    return {name: program.sources[name] for name in names}


@contextmanager
def executed(
    program: PlannedProgram,
    text: ProgramText,
    targets: tuple[str, ...],
    inputs: RunInputs,
    options: JobOptions,
    policy: PathPolicy,
    broker: Broker | None,
    probe: RunProbe | None = None,
) -> Iterator[Execution]:
    """Runs `targets`, with topics on `broker`, or in memory; `probe` measures the job.

    The files and topics that sinks wrote exist until the context ends: a test leaves nothing behind, and can run again.
    """
    for name, source in needed_sources(program, targets).items():
        if name not in inputs.engine and reads_own_file(source):
            place = source.locations.get("path")
            policy.resolve(_without_scheme(source.properties["path"]), text.base_dir, place)
    needed = needed_statements(program, targets)
    sinks = [name for name in needed if _file_of(program.statements[name]) is not None]
    with tempfile.TemporaryDirectory(prefix="velo-") if sinks else nullcontext("") as folder:
        redirected, files = _redirected(program, sinks, text.base_dir, Path(folder))
        if broker is None:
            engine = Engine(base_dir=text.base_dir, udf_paths=[text.base_dir])
            result, measured = _run(engine, in_memory(redirected), targets, inputs.engine, options, probe)
            yield Execution(result, program, files, {}, measured, topics=engine.topics)
            return
        with _on_broker(broker, redirected, needed, inputs) as run:
            engine = Engine(base_dir=text.base_dir, udf_paths=[text.base_dir], kafka=run.cluster)
            result, measured = _run(engine, run.program, targets, run.inputs, options, probe)
            result, records = _read_back(result, run, text.base_dir)
            yield Execution(result, program, files, records, measured)


def _run(
    engine: Engine,
    program: PlannedProgram,
    targets: tuple[str, ...],
    inputs: Mapping[str, Input],
    options: JobOptions,
    probe: RunProbe | None,
) -> tuple[JobResult, Measured]:
    """Runs the job to its end."""
    if probe is None:
        return engine.run(program, targets=targets, inputs=inputs, options=options), Measured()
    try:
        watched = probe.watching(options)
        result = engine.run(program, targets=targets, inputs=inputs, options=watched, on_job=probe.attach)
        return result, probe.measured()
    finally:
        probe.close()


def _on_broker(
    broker: Broker, program: PlannedProgram, statements: list[str], inputs: RunInputs
) -> AbstractContextManager[BrokerRun]:
    from velo_harness.kafka.broker_run import on_broker

    return on_broker(broker.session, broker.naming, program, statements, inputs.engine)


def _read_back(result: JobResult, run: BrokerRun, folder: Path) -> tuple[JobResult, dict[str, Relation]]:
    from velo_harness.kafka.read_back import read_back

    return read_back(result, run.program.statements, run.sinks, run.cluster, folder)


def _captured(result: StatementResult) -> Relation:
    """The +I and +U rows that the engine kept of a statement."""
    import pyarrow as pa
    import pyarrow.compute as pc

    changelog = result.changelog
    rows = changelog.select(list(range(len(result.schema))))
    kept = pc.is_in(changelog.column(len(result.schema)), pa.array(["+I", "+U"]))
    if pc.all(kept).as_py() is False:
        rows = rows.filter(kept)
    return Relation(result.name, result.schema, rows, result.aliases)


def in_memory(program: PlannedProgram) -> PlannedProgram:
    """The program with no sink on a cluster that it names: without a broker a test reaches none."""
    statements = dict(program.statements)
    for name, statement in program.statements.items():
        if statement.sink is not None and ADDRESS in statement.sink.properties:
            properties = {key: value for key, value in statement.sink.properties.items() if key != ADDRESS}
            statements[name] = replace(statement, sink=replace(statement.sink, properties=properties))
    return replace(program, statements=statements)


def _file_of(statement: PlannedStatement) -> str | None:
    """The path that a statement's sink writes, as the SQL has it."""
    return None if statement.sink is None else statement.sink.properties.get("path")


def _redirected(
    program: PlannedProgram, sinks: list[str], base_dir: Path, folder: Path
) -> tuple[PlannedProgram, dict[Path, Path]]:
    """The program with the file sinks of the statements `sinks` writing under `folder`."""
    statements: dict[str, PlannedStatement] = dict(program.statements)
    files: dict[Path, Path] = {}
    for number, name in enumerate(sinks):
        statement = statements[name]
        assert statement.sink is not None
        written = _without_scheme(statement.sink.properties["path"])
        target = folder / str(number) / Path(written).name
        files[(base_dir / written).resolve()] = target
        sink = replace(statement.sink, properties={**statement.sink.properties, "path": str(target)})
        statements[name] = replace(statement, sink=sink)
    return replace(program, statements=statements), files


def _without_scheme(path: str) -> str:
    return path.removeprefix("file://").split("?", 1)[0]


def job_options(
    spec: Spec, batch_size: int | None, timeout_ms: int, location: Location, on_progress: ProgressHook | None
) -> JobOptions:
    """The options of one query's job: its clock, its time zone, its time limit."""
    options = JobOptions(
        time_zone=spec.config.get("time_zone"),
        now_ms=int(spec.now.timestamp() * 1000) if spec.now is not None else None,
        on_progress=_time_limit(timeout_ms, location, on_progress),
    )
    return options if batch_size is None else replace(options, batch_size=batch_size)


def _time_limit(timeout_ms: int, location: Location, then: ProgressHook | None) -> ProgressHook:
    """A hook that stops the job after a batch that ends too late."""
    deadline = time.monotonic() + timeout_ms / 1000

    def check(progress: Progress) -> None:
        if time.monotonic() > deadline:
            message = f"the query did not finish within {timeout_ms} ms ({progress.records} records read)"
            raise VeloError(ErrorCode.TIMEOUT, message, location=location, hint="raise timeout_ms, or give fewer rows")
        if then is not None:
            then(progress)

    return check

"""Running a program: from file to file to the end, or on topics until it is stopped."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from velo_cli.live_run import LiveRun, program_metrics, run_live
from velo_cli.progress import ProgressLine
from velo_engine import Engine, JobOptions, Progress
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.runtime.job import Job
from velo_engine.runtime.result import JobResult
from velo_engine.sql.program import Program
from velo_harness.preparation import warning_text
from velo_harness.programs import shown_path
from velo_harness.reports.shown_values import printable_lines
from velo_harness.yaml_source import read_text

if TYPE_CHECKING:
    from velo_harness.generated_traffic import GeneratedTraffic


@dataclass(frozen=True, slots=True)
class FinishedJob:
    """A job that ran to its end."""

    file: str
    program: PlannedProgram
    result: JobResult
    shown: tuple[str, ...]
    """Statements whose result was kept to be shown."""


PROGRAM = "app.sql"
"""The program of a folder, as `velo import` writes it."""


def program_file(path: Path) -> Path:
    """The program that a path names: a file, or app.sql in a folder. Errors: FILE_NOT_FOUND for a folder without."""
    if not path.is_dir():
        return path
    if not (path / PROGRAM).is_file():
        jobs = sorted(file.parent.name for file in path.glob(f"*/{PROGRAM}"))
        hint = f"it has folders of programs: {', '.join(jobs[:5])}" if jobs else "velo import writes such a folder"
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f'the folder "{path}" has no {PROGRAM}', hint=hint)
    return path / PROGRAM


def run_program(
    sql: Path,
    *,
    base_dir: Path | None,
    variables: Mapping[str, str],
    batch_size: int | None,
    kafka: KafkaCluster | None,
    live: LiveRun,
    traffic: GeneratedTraffic | None = None,
) -> FinishedJob:
    """Runs every statement of a SQL file: to the end of its input, or, when it reads topics, until it is stopped.

    `traffic` makes the records of its topics; `kafka` is then its cluster.

    Errors: those of reading, parsing and running it; INFRASTRUCTURE_MISSING for a topic without a broker.
    """
    folder = (base_dir or sql.absolute().parent).absolute()
    engine = Engine(base_dir=folder, udf_paths=[folder], load_functions=True, kafka=kafka)
    given = {**os.environ, **variables}
    parsed = engine.parse(read_text(sql), file=shown_path(sql), variables=given)
    program = engine.plan(parsed, variables=given)
    if not program.statements:
        raise VeloError(
            ErrorCode.NO_TESTS,
            "the program has no query, so there is nothing to run",
            location=Location(shown_path(sql), 1),
            hint="a query is CREATE STREAM name AS SELECT …, INSERT INTO name SELECT … or SELECT …",
        )
    for warning in program.warnings:
        print(printable_lines(f"warning: {warning_text(warning)}"), file=sys.stderr)
    options = JobOptions() if batch_size is None else JobOptions(batch_size=batch_size)
    if traffic is not None:
        traffic.feed(program, sql)
    if _reads_topics(program, kafka):
        return FinishedJob(shown_path(sql), program, run_live(engine, parsed, program, live, options), ())
    if live.checkpoint_dir is not None or live.savepoint is not None:
        raise VeloError(
            ErrorCode.BAD_VALUE,
            "the program reads files only: it runs to their end, and has no checkpoints",
            hint="leave out --checkpoint-dir and --from-savepoint",
        )
    if live.metrics_port is not None:
        raise VeloError(
            ErrorCode.BAD_VALUE,
            "the program reads files only: it runs to their end, and nobody would read its metrics",
            hint="leave out --metrics-port; the summary says how it went",
        )
    shown = shown_statements(program)
    with ProgressLine() as line, contextlib.ExitStack() as open_things:
        line.step(0, sql.name)

        def moved_on(progress: Progress) -> None:
            line.touch(f"{progress.records:,} records")

        options = replace(options, on_progress=moved_on, capture=bool(shown))
        if live.page is None:
            result = engine.run(program, options=options)
        else:
            result = _run_watched(engine, parsed, program, live, options, open_things)
    return FinishedJob(shown_path(sql), program, result, tuple(shown))


def _run_watched(
    engine: Engine,
    parsed: Program,
    program: PlannedProgram,
    live: LiveRun,
    options: JobOptions,
    open_things: contextlib.ExitStack,
) -> JobResult:
    """Run over files to the end, on a page that shows it."""
    from velo_cli.file_metrics import job_statistics
    from velo_engine.observability.exposition import JobCollector, registry_of

    page = live.page
    assert page is not None
    name = program.properties.get("job.name", live.name)
    page.open(name, parsed)
    metrics = program_metrics(parsed, program)
    open_things.callback(metrics.close)

    def watch(job: Job) -> None:
        registry = registry_of(JobCollector(name, lambda: job_statistics(job), metrics))
        open_things.enter_context(page.watching(registry.collect))

    return engine.run(program, options=replace(options, on_changes=metrics.observe), on_job=watch)


def shown_statements(program: PlannedProgram) -> list[str]:
    """Statements whose result goes nowhere else: no sink, and no other statement reads them."""
    read = {name for statement in program.statements.values() for name in statement.reads}
    return [
        name
        for name, statement in program.statements.items()
        if name not in read and (statement.sink is None or "path" not in statement.sink.properties)
    ]


def _reads_topics(program: PlannedProgram, kafka: KafkaCluster | None) -> bool:
    """Whether any source is a topic. Raises VeloError when one is and nothing says where its broker is."""
    topics = [source for source in program.sources.values() if "path" not in source.properties]
    for source in topics:
        if kafka is None and "bootstrap.servers" not in source.properties:
            topic = source.properties.get("topic", source.name)
            raise VeloError(
                ErrorCode.INFRASTRUCTURE_MISSING,
                f'the source "{source.name}" reads the topic "{topic}", and nothing says where its broker is',
                location=source.locations.get("topic", source.locations.get("type")),
                hint="give the address with --brokers HOST:PORT or the property bootstrap.servers; give the source a "
                "path to read a file; or run without a broker: over generated records (--generate 100), or as a "
                "test (velo-test run)",
            )
    return bool(topics)


def refuse_existing(path: Path) -> None:
    """Errors: FILE_EXISTS, before a program runs in vain."""
    if path.exists():
        raise VeloError(ErrorCode.FILE_EXISTS, f'"{path}" exists; dead letters are never written over it')


def write_dead_letters(result: JobResult, path: Path) -> None:
    """Writes the dead letters as JSON lines. Errors: FILE_EXISTS, FILE_UNREADABLE."""
    try:
        with path.open("xb") as stream:
            for letter in result.dead_letters:
                stream.write(letter.to_json() + b"\n")
    except FileExistsError:
        raise VeloError(ErrorCode.FILE_EXISTS, f'"{path}" exists; dead letters are never written over it') from None
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise VeloError(ErrorCode.FILE_UNREADABLE, f'"{path}" cannot be written: {reason}') from None

"""Running a program on topics: until it is stopped, or its input ends."""

from __future__ import annotations

import contextlib
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from velo_cli.shown_changes import ShownChanges
from velo_cli.status_line import StatusLine
from velo_cli.stop_signals import stopped_by_signals
from velo_engine import Engine, JobOptions
from velo_engine.observability.exposition import JobCollector, registry_of
from velo_engine.observability.metric_annotations import metric_definitions
from velo_engine.observability.program_metrics import ProgramMetrics
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.runtime.checkpoints import CheckpointFolder
from velo_engine.runtime.control import JobControl
from velo_engine.runtime.live_job import LiveJob, LiveOptions
from velo_engine.runtime.live_settings import live_settings
from velo_engine.runtime.result import JobResult
from velo_engine.runtime.saved_state import Restored
from velo_engine.sql.program import Program

if TYPE_CHECKING:
    from velo_cli.dashboard_page import DashboardPage


@dataclass(frozen=True, slots=True)
class LiveRun:
    """What the command line says of a job that goes on."""

    name: str
    """Of the job, when the program gives it none."""
    checkpoint_dir: Path | None = None
    checkpoint_interval_ms: int | None = None
    savepoint: Path | None = None
    fresh: bool = False
    allow_lost_state: bool = False
    metrics_port: int | None = None
    metrics_host: str = "127.0.0.1"
    page: DashboardPage | None = None
    """Where the job is shown."""
    shows_changes: bool = True
    """Changes of statements without a sink go to stdout."""


def run_live(engine: Engine, parsed: Program, program: PlannedProgram, run: LiveRun, options: JobOptions) -> JobResult:
    """Run until SIGINT, SIGTERM, `velo stop`, or the end of all input. A second SIGINT does not wait for anything.

    Errors: those of the sources and sinks; a checkpoint that does not fit; metrics that mean nothing.
    """
    interval_ms = run.checkpoint_interval_ms
    if interval_ms is None:
        interval_ms = live_settings(program.properties).interval_ms
    live = LiveOptions(interval_ms / 1000, run.fresh, run.savepoint, run.allow_lost_state)
    place = run.checkpoint_dir
    if place is None and "checkpoint.dir" in program.properties:
        place = engine.base_dir / program.properties["checkpoint.dir"].removeprefix("file://")
    stop = threading.Event()
    name = program.properties.get("job.name", run.name)
    with contextlib.ExitStack() as open_things:
        metrics = program_metrics(parsed, program)
        open_things.callback(metrics.close)
        shown = ShownChanges(program, stop, wanted=run.shows_changes)

        def on_changes(statement: str, changes: pa.Table) -> None:
            metrics.observe(statement, changes)
            shown.show(statement, changes)

        options = replace(options, capture=False, on_changes=on_changes)
        folder = None if place is None else open_things.enter_context(CheckpointFolder(place))
        job = engine.live_job(program, name=name, folder=folder, live=live, options=options)
        open_things.callback(job.close)
        if run.metrics_port is not None:
            _serve_metrics(open_things, name, job, metrics, run, stop)
        _say_restored(job.start(), run)
        if folder is not None:
            open_things.enter_context(JobControl(job, folder.folder, stop))
        open_things.enter_context(stopped_by_signals(stop))
        open_things.enter_context(StatusLine(job.statistics, _outputs(program, shown), stop))
        if job.finished:
            print("the job has finished before: its input had ended; begin anew with --fresh", file=sys.stderr)
        if run.page is not None:
            run.page.open(name, parsed)
            registry = registry_of(JobCollector(name, job.statistics, metrics))
            open_things.enter_context(run.page.watching(registry.collect))
        result = job.run(stop)
        if run.page is not None:
            run.page.stays = not stop.is_set()
        return result


def program_metrics(parsed: Program, program: PlannedProgram) -> ProgramMetrics:
    """What the program declares, warning of metrics with too many sets of labels. Errors: metrics that mean nothing."""
    return ProgramMetrics(
        program,
        metric_definitions(parsed),
        time_zone=program.properties.get("time.zone", "UTC"),
        warn=lambda text: print(f"warning: {text}", file=sys.stderr, flush=True),
    )


def _outputs(program: PlannedProgram, shown: ShownChanges) -> set[str]:
    """The statements whose changes leave the job."""
    return {name for name, statement in program.statements.items() if statement.sink is not None or name in shown.names}


def _serve_metrics(
    open_things: contextlib.ExitStack,
    name: str,
    job: LiveJob,
    metrics: ProgramMetrics,
    run: LiveRun,
    stop: threading.Event,
) -> None:
    """Serve `/metrics` and `/health` as long as `open_things` are open."""
    from velo_engine.observability.health import Health, health_of
    from velo_engine.observability.server import MonitoringServer, is_loopback

    def health() -> Health:
        return health_of(name, job.statistics(), running=not stop.is_set())

    assert run.metrics_port is not None
    registry = registry_of(JobCollector(name, job.statistics, metrics))
    server = open_things.enter_context(MonitoringServer(run.metrics_host, run.metrics_port, registry, health))
    if not is_loopback(run.metrics_host):
        warning = f"warning: {run.metrics_host} is not a loopback address: others can read the metrics of this job"
        print(warning, file=sys.stderr)
    print(
        f"metrics: http://{server.address}/metrics  health: http://{server.address}/health", file=sys.stderr, flush=True
    )


def _say_restored(restored: Restored | None, run: LiveRun) -> None:
    if restored is None:
        return
    print(f"going on from {'the checkpoint' if run.savepoint is None else run.savepoint}", file=sys.stderr)
    for name in restored.empty:
        print(f"  begins without state: {name}", file=sys.stderr)
    for name in restored.lost:
        print(f"  state left behind: {name}", file=sys.stderr)

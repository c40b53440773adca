"""Running a program on topics: until it is stopped, or its input ends."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from velo_engine import Engine, JobOptions
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.runtime.checkpoints import CheckpointFolder
from velo_engine.runtime.control import JobControl
from velo_engine.runtime.live_job import LiveOptions
from velo_engine.runtime.live_settings import live_settings
from velo_engine.runtime.result import JobResult
from velo_engine.runtime.saved_state import Restored


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


def run_live(engine: Engine, program: PlannedProgram, run: LiveRun, options: JobOptions) -> JobResult:
    """Run until SIGINT, SIGTERM, `velo stop`, or the end of all input. A second SIGINT does not wait for anything.

    Errors: those of the sources and sinks; a checkpoint that does not fit.
    """
    interval_ms = run.checkpoint_interval_ms
    if interval_ms is None:
        interval_ms = live_settings(program.properties).interval_ms
    live = LiveOptions(interval_ms / 1000, run.fresh, run.savepoint, run.allow_lost_state)
    place = run.checkpoint_dir
    if place is None and "checkpoint.dir" in program.properties:
        place = engine.base_dir / program.properties["checkpoint.dir"].removeprefix("file://")
    stop = threading.Event()
    with contextlib.ExitStack() as open_things:
        folder = None if place is None else open_things.enter_context(CheckpointFolder(place))
        name = program.properties.get("job.name", run.name)
        job = engine.live_job(program, name=name, folder=folder, live=live, options=options)
        open_things.callback(job.close)
        _say_restored(job.start(), run)
        if folder is not None:
            open_things.enter_context(JobControl(job, folder.folder, stop))
        open_things.enter_context(_signals(stop))
        return job.run(stop)


@contextlib.contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM end the job after the batch it is in; the second SIGINT ends the process."""

    def asked(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        print("stopping after this batch", file=sys.stderr, flush=True)

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_restored(restored: Restored | None, run: LiveRun) -> None:
    if restored is None:
        return
    print(f"going on from {'the checkpoint' if run.savepoint is None else run.savepoint}", file=sys.stderr)
    for name in restored.empty:
        print(f"  begins without state: {name}", file=sys.stderr)
    for name in restored.lost:
        print(f"  state left behind: {name}", file=sys.stderr)

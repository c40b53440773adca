"""Jobs that are stopped and go on: state saved to a checkpoint file, a fresh job restored from it.

A tick with `restart` says where. All that a job keeps in memory goes through the file (`checkpoint_file`), the fresh
job finds its part of it (`saved_state`) and reads its sources on from the positions in it, as `velo run` does after a
crash. What was given out stays given out: the sinks, like brokers, stand outside.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from velo_engine.runtime.checkpoint_file import Checkpoint, read_checkpoint, write_checkpoint
from velo_engine.runtime.job import Job
from velo_engine.runtime.options import JobOptions
from velo_engine.runtime.result import JobResult
from velo_engine.runtime.saved_state import restored_operators
from velo_engine.runtime.timeline import Clock, PacedTimeline, Tick, Timeline


def run_with_restarts(make_job: Callable[[Clock, Job | None], Job], options: JobOptions) -> JobResult:
    """Run to the end of input. `make_job` gives a job with a clock, which goes on from another (None: it begins).

    Raises VeloError: as `Job.run`, and SQL_UNSUPPORTED for a source that cannot be read on.
    """
    rest = options.timeline
    job = make_job(_clock(rest, options), None)
    try:
        epoch = 0
        with tempfile.TemporaryDirectory(prefix="velo-restart-") as folder:
            while job.run_to_restart():
                epoch += 1
                path = Path(folder) / "checkpoint"
                write_checkpoint(path, _checkpoint(job, epoch))
                rest = _after_restart(rest)
                fresh = make_job(_clock(rest, options, job.clock), job)
                job.kernel.close()
                job = fresh
                _restore(job, read_checkpoint(path))
        return job.finish()
    finally:
        job.kernel.close()


def _clock(ticks: Sequence[Tick], options: JobOptions, before: Clock | None = None) -> Clock:
    if isinstance(before, PacedTimeline):
        return before.going_on(ticks)
    if options.paced:
        return PacedTimeline(options.now_ms, ticks)
    return Timeline(options.now_ms or 0, ticks)


def _after_restart(ticks: Sequence[Tick]) -> tuple[Tick, ...]:
    at = next(i for i, tick in enumerate(ticks) if tick.restart)
    return tuple(ticks[at + 1 :])


def _checkpoint(job: Job, epoch: int) -> Checkpoint:
    operators = job.snapshot()
    return Checkpoint(
        plan=job.fingerprint,
        epoch=epoch,
        positions=job.positions,
        operators=operators,
        steps=job.step_names(operators),
    )


def _restore(job: Job, saved: Checkpoint) -> None:
    names = job.step_names(job.snapshot())
    restored = restored_operators(job.fingerprint, names, tuple(saved.positions), saved, allow_lost=False)
    job.restore(restored.operators)
    job.seek(saved.positions)

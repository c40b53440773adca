"""A job that goes on: polls its sources, hands the records through the pipeline, checkpoints, and stops cleanly."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from velo_engine.connectors.kafka.connection import ConnectionState, ConnectionStatus
from velo_engine.connectors.records import Records
from velo_engine.connectors.source import LiveSource
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.runtime.checkpoint_file import Checkpoint, Positions, read_checkpoint, write_checkpoint
from velo_engine.runtime.checkpoints import CheckpointFolder, Schedule
from velo_engine.runtime.delivery import Delivery
from velo_engine.runtime.ingest import Span
from velo_engine.runtime.job import Job
from velo_engine.runtime.live_input import LiveInput
from velo_engine.runtime.measurements import Activity, Measurements
from velo_engine.runtime.result import JobResult
from velo_engine.runtime.saved_state import Restored, restored_operators
from velo_engine.runtime.statistics import CheckpointStatistics, ConnectionStatistics, JobStatistics, SourceStatistics

PATIENCE_S = 0.1
"""How long the sources are waited for before the job looks at everything else."""

MOST_GATHERING_S = 0.02
"""The longest pause between two batches."""


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How a live job is run."""

    checkpoint_interval_s: float = 1.0
    """Between checkpoints, and between the flushes of a job without a checkpoint folder."""
    fresh: bool = False
    """Begin anew although there is a checkpoint."""
    savepoint: Path | None = None
    """Begin with this state."""
    allow_lost_state: bool = False
    """State of a savepoint that no step of the program takes is left behind; otherwise that is an error."""


@dataclass(slots=True)
class SavepointRequest:
    """A savepoint that a running job is to write."""

    path: Path
    stops: bool
    """Whether the run ends there."""
    _done: threading.Event = field(default_factory=threading.Event)
    _error: VeloError | None = None

    def settle(self, error: VeloError | None) -> None:
        """It is written, or cannot be."""
        self._error = error
        self._done.set()

    def wait(self, timeout_s: float) -> None:
        """Wait until it is written. Raises VeloError when it cannot be, or not in this time."""
        if not self._done.wait(timeout_s):
            raise VeloError(ErrorCode.TIMEOUT, f"the job wrote no savepoint within {timeout_s:g} seconds")
        if self._error is not None:
            raise self._error


class LiveJob:
    """One run, from where the last one stopped."""

    def __init__(
        self,
        job: Job,
        sources: Sequence[LiveSource],
        delivery: Delivery,
        folder: CheckpointFolder | None,
        options: LiveOptions,
        *,
        batch_size: int,
        connections: Mapping[str, ConnectionState] | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sources` are those of `job`. Without a folder nothing outlives the process.

        `connections` are those of the sources, by name, and of the output, for the statistics.
        """
        self._job = job
        self._sources = sources
        self._delivery = delivery
        self._connections = connections or {}
        self._folder = folder
        self._options = options
        self._measurements = Measurements(monotonic_s=monotonic_s)
        self._input = LiveInput(sources, job.clock, batch_size, self._measurements)
        self._monotonic_s = monotonic_s
        self._schedule = Schedule(options.checkpoint_interval_s, monotonic_s)
        self.finished = False
        """All input has ended, in this run or in an earlier one."""
        self._epoch = 0
        self._step_s = 0.0
        """What the last batch took."""
        self._changed = False
        """Whether a record has come in or gone out since the last checkpoint."""
        self._stopping = False
        self._requests: queue.SimpleQueue[SavepointRequest] = queue.SimpleQueue()
        self._checkpoints = CheckpointStatistics()

    def start(self) -> Restored | None:
        """Take over what the run before left; what of it was used, None when there was nothing.

        Raises VeloError: the state does not fit the program, the broker is not there.
        """
        folder, options = self._folder, self._options
        saved = folder.read() if folder is not None and not options.fresh else None
        savepoint = None if options.savepoint is None else read_checkpoint(options.savepoint)
        if folder is not None and saved is not None and savepoint is not None:
            raise VeloError(
                ErrorCode.STATE_MISMATCH,
                f"{folder.folder} has a checkpoint, and the savepoint {options.savepoint} would replace it",
                hint="leave out --from-savepoint to go on from the checkpoint, or add --fresh to go back",
            )
        state = saved or savepoint
        restored = None if state is None else self._fitting(state)
        self._epoch = self._delivery.resume(saved, fresh=options.fresh or savepoint is not None)
        if state is not None and restored is not None:
            self._job.restore(restored.operators)
            self.finished = state.finished
            for source in self._sources:
                if source.name in state.positions:
                    source.seek(state.positions[source.name])
        return restored

    def run(self, stop: threading.Event) -> JobResult:
        """Goes on until `stop` is set or every source has ended, and gives what came of it.

        A stopped job keeps its state for the next run; windows that are open stay open. When all input has ended, event
        time ends too, as in `Job.run`, and the job has `finished`: further runs do nothing, until one is `fresh`.
        """
        try:
            while not (self.finished or self._input.ended or self._stopping or stop.is_set()):
                patience_s = min(PATIENCE_S, self._schedule.left_s) if self._changed else PATIENCE_S
                span = self._input.next(self._job.next_seq, patience_s)
                if span is not None:
                    self._step(span)
                if self._schedule.due:
                    self._checkpoint()
                self._serve()
                self._delivery.listen()
                self._measurements.turned()
                if span is not None and not self._input.full(span):
                    self._gather(stop)
            if not self.finished and not self._stopping and not stop.is_set():
                at = self._job.next_seq
                self._step(Span(at, at, (None,) * len(self._sources), last=True))
                self.finished = self._changed = True
            self._checkpoint()
            self._serve()
            return self._job.finish()
        except BaseException:
            self._job.abort()
            raise
        finally:
            self.close()

    def request_savepoint(self, path: Path, *, stop: bool = False) -> SavepointRequest:
        """Ask for the state to be written to `path`, and for the run to end there if `stop`; from any thread."""
        request = SavepointRequest(path, stop)
        self._requests.put(request)
        return request

    def statistics(self) -> JobStatistics:
        """Where the job stands; may be called from another thread."""
        return JobStatistics(
            records=self._job.records,
            sources={
                source.name: SourceStatistics(self._job.source_records[source.name], source.lag())
                for source in self._sources
            },
            statements=self._job.statement_statistics(),
            dead_letters=self._job.dead_letter_count,
            checkpoints=self._checkpoints,
            connections={name: _connection(state.status) for name, state in self._connections.items()},
            batches=self._measurements.batches.read(),
            latency=self._measurements.latency.read(),
            seconds=self._measurements.seconds(),
            silent_s=self._measurements.silent_s,
        )

    def close(self) -> None:
        """Give back connections and refuse what was asked for too late; may be called twice."""
        while not self._requests.empty():
            self._requests.get().settle(VeloError(ErrorCode.JOB_FAILED, "the job ended before it wrote the savepoint"))
        for source in self._sources:
            source.close()
        self._delivery.close()
        self._job.kernel.close()

    def _fitting(self, state: Checkpoint) -> Restored:
        names, sources = self._job.step_names(self._job.snapshot()), [source.name for source in self._sources]
        allow_lost = self._options.allow_lost_state
        return restored_operators(self._job.fingerprint, names, sources, state, allow_lost=allow_lost)

    def _step(self, span: Span) -> None:
        emitted = self._job.emitted
        began = self._monotonic_s()
        self._job.step(span)
        self._step_s = self._monotonic_s() - began
        self._measurements.stepped(self._step_s)
        self._measurements.taken(span)
        if not self._delivery.defers:
            self._measurements.published()
        # A clock that has moved on is no reason for a checkpoint: it will move on again.
        self._changed |= any(taken is not None for taken in span.slices) or self._job.emitted > emitted

    def _gather(self, stop: threading.Event) -> None:
        """Let records gather for as long as the last batch took.

        A batch costs milliseconds however small it is. A job that took every few records at once would spend all its
        time on that, and have nothing left for the broker and others on the machine. One that keeps up, which a batch
        that is not full says, spends half of its time at most; a record that comes after a pause waits for nothing.
        """
        rest_s = min(self._step_s, MOST_GATHERING_S, self._schedule.left_s)
        if rest_s > 0 and not self._input.ended:
            with self._measurements.spent(Activity.WAITING):
                stop.wait(rest_s)

    def _checkpoint(self) -> None:
        """Save the state, then complete the epoch; nothing when nothing has happened."""
        if not self._changed:
            self._schedule.skipped()
            return
        began = self._monotonic_s()
        outbox = self._delivery.prepare()
        prepared = self._monotonic_s()
        positions = self._positions()
        self._epoch += 1
        size = 0
        if self._folder is not None:
            size = self._folder.write(self._state(positions, outbox))
        saved = self._monotonic_s()
        self._delivery.complete(self._epoch, outbox, positions)
        done = self._monotonic_s()
        self._measurements.published()
        self._measurements.checkpointed(saved - prepared, prepared - began + done - saved)
        self._changed = False
        self._schedule.done(saved - prepared, prepared - began + done - saved)
        self._checkpoints = self._checkpoints.after(done - began, size, time.time_ns() // 1_000_000)

    def _state(self, positions: Mapping[str, Positions], outbox: tuple[Records, ...] = ()) -> Checkpoint:
        operators = self._job.snapshot()
        return Checkpoint(
            plan=self._job.fingerprint,
            epoch=self._epoch,
            positions=positions,
            operators=operators,
            steps=self._job.step_names(operators),
            outbox=outbox,
            finished=self.finished,
        )

    def _positions(self) -> dict[str, Positions]:
        return {source.name: source.positions() for source in self._sources}

    def _serve(self) -> None:
        """Write the savepoints that were asked for. All output before them is complete first."""
        while not self._requests.empty():
            request = self._requests.get()
            error = None
            try:
                self._checkpoint()
                write_checkpoint(request.path, self._state(self._positions()))
                self._stopping |= request.stops
            except VeloError as problem:
                error = problem
            request.settle(error)


def _connection(status: ConnectionStatus) -> ConnectionStatistics:
    return ConnectionStatistics(status.circuit.value, status.since_ms, status.problem)

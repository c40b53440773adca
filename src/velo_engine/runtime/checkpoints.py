"""The folder in which a job keeps its checkpoint, and when the next one is due."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.runtime.checkpoint_file import Checkpoint, read_checkpoint, write_checkpoint

SHARE_OF_TIME = 0.1
"""At most this share of a job's time goes into saving state: large states are saved less often than asked for."""
SHARE_WITH_OUTPUT = 0.5
"""At most this share goes into waiting for the output of checkpoints: a slow broker gets fewer, larger transactions."""
REMEMBERED = 3
"""Checkpoints whose times count."""


class CheckpointFolder:
    """Holds the checkpoint of one job (`checkpoint`) and, while the job runs, the lock against a second run."""

    def __init__(self, folder: Path) -> None:
        """Make the folder and lock it. Raises VeloError: it cannot be written, another process runs the job."""
        self.folder = folder
        self._path = folder / "checkpoint"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as problem:
            raise VeloError(
                ErrorCode.FILE_UNREADABLE, f"the checkpoint folder {folder} cannot be used: {problem.strerror}"
            ) from problem
        self._take_lock()

    def read(self) -> Checkpoint | None:
        """The latest checkpoint; None before the first."""
        return read_checkpoint(self._path) if self._path.exists() else None

    def write(self, checkpoint: Checkpoint) -> int:
        """Replace the checkpoint; its size in bytes."""
        return write_checkpoint(self._path, checkpoint)

    def close(self) -> None:
        """Let another process have the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> CheckpointFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take_lock(self) -> None:
        import fcntl

        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise VeloError(
                ErrorCode.STATE_MISMATCH,
                f"another process runs a job with the checkpoint folder {self.folder}",
                hint="stop it first, or give this job a folder of its own (--checkpoint-dir)",
            ) from None


class Schedule:
    """When a checkpoint is due."""

    def __init__(self, interval_s: float, monotonic_s: Callable[[], float]) -> None:
        self._interval_s = interval_s
        self._now = monotonic_s
        self._next = monotonic_s() + interval_s
        self._taken: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)

    @property
    def due(self) -> bool:
        """Whether the time has come."""
        return self._now() >= self._next

    @property
    def left_s(self) -> float:
        """Seconds until it comes; 0 when it has."""
        return max(0.0, self._next - self._now())

    def skipped(self) -> None:
        """There was nothing to save."""
        self._next = self._now() + self._interval_s

    def done(self, saving_s: float, delivering_s: float = 0.0) -> None:
        """A checkpoint has taken `saving_s` for the state and `delivering_s` for the output.

        What the last few took at least counts: a disk or a broker that is slow once says nothing about the next time,
        and the output of a job with exactly-once waits for it.
        """
        self._taken.append((saving_s, delivering_s))
        saving_s, delivering_s = (min(times) for times in zip(*self._taken, strict=True))
        pause_s = max(saving_s * (1 / SHARE_OF_TIME - 1), delivering_s * (1 / SHARE_WITH_OUTPUT - 1))
        self._next = self._now() + max(self._interval_s, pause_s)

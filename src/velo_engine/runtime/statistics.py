"""Where a running job stands, for the status line, the metrics and those who ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourceStatistics:
    """One source."""

    records: int
    """Read in this run."""
    lag: int | None
    """Records of its topics that are still to be read; None when unknown."""


@dataclass(frozen=True, slots=True)
class StatementStatistics:
    """One statement."""

    read: int
    """Records of its sources, and rows of the statements it reads."""
    emitted: int
    """Changes given out."""
    written: int
    """Records written to the sink."""
    late: int
    """Records for which every window had closed."""
    watermark_ms: int | None
    """Event time of its output, milliseconds since the epoch; None before there is any."""
    state_rows: int


@dataclass(frozen=True, slots=True)
class CheckpointStatistics:
    """The checkpoints of this run."""

    count: int = 0
    seconds: float = 0.0
    """What the last one took, with the output that it waited for."""
    total_seconds: float = 0.0
    size: int = 0
    """Bytes of the last one."""

    def after(self, seconds: float, size: int) -> CheckpointStatistics:
        """With one more."""
        return CheckpointStatistics(self.count + 1, seconds, self.total_seconds + seconds, size)


@dataclass(frozen=True, slots=True)
class JobStatistics:
    """The job."""

    records: int
    """Read in this run, over all sources."""
    sources: Mapping[str, SourceStatistics]
    statements: Mapping[str, StatementStatistics]
    dead_letters: int
    checkpoints: CheckpointStatistics

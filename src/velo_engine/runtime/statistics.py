"""Where a running job stands, for the status line, the metrics and those who ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from velo_engine.runtime.measurements import Distribution


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
    at_ms: int | None = None
    """When the last one was complete, milliseconds since the epoch."""

    def after(self, seconds: float, size: int, at_ms: int) -> CheckpointStatistics:
        """With one more."""
        return CheckpointStatistics(self.count + 1, seconds, self.total_seconds + seconds, size, at_ms)


@dataclass(frozen=True, slots=True)
class ConnectionStatistics:
    """The connection of a source, or of the output, to its cluster."""

    circuit: str
    """`closed`: brokers answer; `open`: none does, and they are waited for; `half-open`: none has answered yet."""
    since_ms: int
    """Milliseconds since the epoch; 0 for the start of the run."""
    problem: str | None
    """Why it is open."""


@dataclass(frozen=True, slots=True)
class JobStatistics:
    """The job."""

    records: int
    """Read in this run, over all sources."""
    sources: Mapping[str, SourceStatistics]
    statements: Mapping[str, StatementStatistics]
    dead_letters: int
    checkpoints: CheckpointStatistics
    connections: Mapping[str, ConnectionStatistics]
    """Of the sources, by name, and of the output, as `output`; what is not on a cluster has none."""
    batches: Distribution
    """Seconds that a batch takes."""
    latency: Distribution
    """Seconds from a record's timestamp until what it causes is handed out; with exactly-once, committed."""
    seconds: Mapping[str, float]
    """What the time went into, by `measurements.Activity`."""
    silent_s: float
    """Seconds since the job came round: more than a few when something holds it up."""

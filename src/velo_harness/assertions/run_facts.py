"""What assertions about a run, rather than its rows, look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from velo_engine.batch import Int64s
from velo_engine.connectors.dead_letters import DeadLetter
from velo_harness.relation import Relation
from velo_harness.run_probe import Measured


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Numbers and dead letters of one statement's run."""

    records: int = 0
    """Records read from the sources of the statement."""
    job_records: int = 0
    """Records read by the whole job."""
    job_seconds: float = 0.0
    """What the whole job worked, reading and decoding left out."""
    late: int = 0
    """Records for which every window had closed."""
    late_rows: Relation | None = None
    letters: tuple[DeadLetter, ...] = ()
    """Dead letters of the statement and those it reads, as far as they were kept."""
    lost_letters: int = 0
    """Dead letters of the job that were counted and not kept."""
    letter_topic: str | None = None
    """The topic of the dead letter queue, when the program names one."""
    topics: Mapping[str, str] = field(default_factory=dict)
    """Source → its topic."""
    now_ms: int = 0
    """The run's clock at its end, milliseconds since the epoch."""
    given_out_ms: Int64s | None = None
    """The run's clock when each record was given out; None when nobody asked."""
    measured: Measured = field(default_factory=Measured)

"""Whether a job is well: what `/health` answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from velo_engine.connectors.circuit import CircuitState
from velo_engine.runtime.statistics import JobStatistics

SILENT_S = 30.0
"""A job that has not come round for so long is stuck: in a batch, or waiting for a broker to take its output."""


@dataclass(frozen=True, slots=True)
class Health:
    """The answer."""

    well: bool
    problems: tuple[str, ...]
    document: dict[str, Any]
    """What is shown, as JSON."""


def health_of(job: str, now: JobStatistics, *, running: bool, now_s: Callable[[], float] = time.time) -> Health:
    """A job is well while it runs, comes round, and each of its connections stands."""
    problems = [] if running else ["the job is stopping"]
    if now.silent_s > SILENT_S:
        problems.append(f"the job has not come round for {now.silent_s:.0f} s")
    for name, connection in now.connections.items():
        if connection.circuit == CircuitState.OPEN.value:
            why = f": {connection.problem}" if connection.problem else ""
            problems.append(f"no broker answers {name}{why}")
    made = now.checkpoints.at_ms
    document = {
        "schema_version": 1,
        "status": "unhealthy" if problems else "healthy",
        "job": job,
        "problems": problems,
        "running": running,
        "records": now.records,
        "dead_letters": now.dead_letters,
        "lag": {name: source.lag for name, source in now.sources.items()},
        "connections": {name: connection.circuit for name, connection in now.connections.items()},
        "checkpoints": now.checkpoints.count,
        "last_checkpoint_age_s": None if made is None else round(max(now_s() - made / 1000, 0.0), 3),
    }
    return Health(not problems, tuple(problems), document)

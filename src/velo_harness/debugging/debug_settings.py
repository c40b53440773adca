"""How the debugger starts, as a spec says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from velo_engine.errors import Location


class LogLevel(IntEnum):
    """What the debugger says while the job runs; each level says what those before it say, too."""

    ERROR = 0
    """Records that went to the dead letter queue."""
    WARN = 1
    """Rows that came too late."""
    INFO = 2
    """Where it pauses, with the changes since the last pause."""
    DEBUG = 3
    """Every change as it is given out."""
    TRACE = 4
    """What every step gives out."""


@dataclass(frozen=True, slots=True)
class WrittenBreakpoint:
    """A breakpoint of a spec."""

    query: str
    after_record: int | None
    """Only behind this record of the run (from 1); None: whenever the query gives out a change."""
    location: Location = field(compare=False)


@dataclass(frozen=True, slots=True)
class DebugSettings:
    """How the debugger starts."""

    enabled: bool = False
    """Whether the other settings count. A plain run says once that it ignores them."""
    pause_on_start: bool = True
    breakpoints: tuple[WrittenBreakpoint, ...] = ()
    show_intermediate_values: bool = False
    """At every pause the rows that each step has made of the record are shown."""
    log_level: LogLevel = LogLevel.INFO

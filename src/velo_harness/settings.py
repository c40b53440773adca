"""What the person who starts a run may set: the same for pytest and for velo-test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from velo_harness.spec import Runner


class Update(StrEnum):
    """Whether expectations are written from what comes out."""

    OFF = "off"
    ALL = "all"
    """Those that do not hold, and those that are not there yet."""
    NEW_ONLY = "new_only"
    """Only those that are not there yet."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Settings of a run; None leaves the choice to the spec."""

    seed: int | None = None
    timeout_ms: int | None = None
    batch_size: int | None = None
    realtime: bool = False
    """Rates and waits of specs are kept in real time."""
    runner: Runner | None = None
    """Instead of the runners of specs."""
    record: bool = False
    """Flink is asked for the answers that the runner `recorded` replays."""
    strict: bool = False
    """What would be a warning is an error."""
    debug: bool = False
    """A defect of the program shows its traceback."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Values of `${NAME}` in SQL, over those of the environment, and of `variables.NAME` in templates."""
    allowed: tuple[Path, ...] = ()
    """Folders outside the project that paths may lead to."""
    update: Update = Update.OFF
    permute: int = 0
    """So many other orders of arrival are tried of each query."""
    coverage: bool = False
    """Runs say which ways through the SQL their rows have taken."""
    profile: bool = False
    """Reports of the run plot what queries gave out: distributions, lateness, throughput."""

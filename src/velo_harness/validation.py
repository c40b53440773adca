"""What a check of specs, programs and schemas finds without running them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from velo_engine.errors import ErrorCode, Location, VeloError


class Level(StrEnum):
    """How grave a finding is. The words are those of SARIF."""

    ERROR = "error"
    """The file cannot be used as it is."""
    WARNING = "warning"
    """It can, and someone should look; an error under `--strict`."""
    NOTE = "note"
    """Worth knowing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend, with its place."""

    code: ErrorCode
    message: str
    location: Location | None = None
    """None when no single place is to blame."""
    hint: str | None = None
    level: Level = Level.ERROR

    @classmethod
    def of(cls, error: VeloError) -> Finding:
        """The finding that says what an error says."""
        return cls(error.code, error.message, error.location, error.hint)

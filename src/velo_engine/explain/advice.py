"""Advice about a program that runs and may still not do what its writer expects. Each kind has a stable code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from velo_engine.errors import Location, underlined


class AdviceCode(Enum):
    """`(code, title)`."""

    UNBOUNDED_STATE = ("VELO8001", "state that grows without bound")
    NON_DETERMINISTIC = ("VELO8002", "a result that differs from run to run")
    NO_WATERMARK_DELAY = ("VELO8003", "event time without a watermark of its own")
    NO_UPSERT_KEY = ("VELO8004", "updates that no key identifies")
    NO_JOIN_KEY = ("VELO8005", "a join in which every row meets every row")

    @property
    def code(self) -> str:
        """`VELO8001`, …"""
        return self.value[0]

    @property
    def title(self) -> str:
        """What the code means."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Advice:
    """One piece of advice."""

    code: AdviceCode
    message: str
    hint: str
    location: Location | None = None
    """Of the statement, or of what in it the advice is about."""

    def __str__(self) -> str:
        """As errors are shown."""
        lines = [f"warning[{self.code.code}]: {self.message}"]
        if self.location is not None:
            lines += underlined(self.location)
        lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)

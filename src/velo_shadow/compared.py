"""What a comparison found, before it is judged: the same for two files and for two streams that go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from velo_shadow.diff import Diff
from velo_shadow.model import ComparisonPlan, Performance, Segment, Side, Subtracted, TimeBin
from velo_shadow.profile import SideProfile


@dataclass(frozen=True, slots=True)
class Compared:
    """Two sides, compared."""

    plan: ComparisonPlan
    diff: Diff
    segments: tuple[Segment, ...]
    spans: Mapping[Side, tuple[Any, Any] | None]
    """First and last event time of each side; None without time column or rows."""
    pending: int = 0
    """Rows or keys without an equal partner that a side's progress has not passed."""
    pending_rows: tuple[Mapping[str, Any], ...] = ()
    """The first of them, in order of time and key: `side`, and the columns of the key (of a bag, all)."""
    warm_up: int = 0
    """Rows or keys left out because their input began before the comparison did."""
    churn: Mapping[Side, int] = field(default_factory=dict)
    """Changes beside those that made the final rows. No error."""
    unmatched: Mapping[Side, int] = field(default_factory=dict)
    """Rows taken back more often than they were added."""
    performance: Performance | None = None
    subtracted: Subtracted | None = None
    """What the control took off; None without a control."""
    over_time: tuple[TimeBin, ...] = ()
    """Rows and differences by event time."""
    profile: Mapping[Side, SideProfile] | None = None
    """What the rows beside the differences are like; None: not known."""

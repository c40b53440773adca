"""Which rows can be compared: those that both sides have passed and whose whole input the comparison saw.

Until both sides' progress has passed a row's time it is pending, never a difference. A row whose input began before the
comparison did is warm-up: one side may know of it what the other never saw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from velo_shadow.model import Side

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one side has come in event time, in milliseconds since the epoch. None: nothing known yet."""

    watermark_ms: int | None = None
    """The last watermark that the side stated; it counts more than the times seen."""
    latest_ms: int | None = None
    """The latest event time seen."""

    def seen(self, time_ms: int) -> Progress:
        """After a row with this event time."""
        return replace(self, latest_ms=time_ms if self.latest_ms is None else max(self.latest_ms, time_ms))

    def stated(self, watermark_ms: int) -> Progress:
        """After this watermark; one that goes back counts for nothing."""
        before = self.watermark_ms
        return replace(self, watermark_ms=watermark_ms if before is None else max(before, watermark_ms))

    def passed_ms(self, grace_ms: int) -> int | None:
        """No row up to this time is to come: the watermark, else what is before the latest time seen less the grace.

        Rows and changes of the latest time itself may still come, as with Flink's watermark of ascending times.
        """
        if self.watermark_ms is not None:
            return self.watermark_ms
        return None if self.latest_ms is None else self.latest_ms - grace_ms - 1


@dataclass(frozen=True, slots=True)
class Finality:
    """The span of event time that can be compared: from `from_ms`, up to and including `until_ms`."""

    from_ms: int | None = None
    """None: the comparison saw the streams from their beginning."""
    until_ms: int | None = None
    """None: both sides have ended, or nothing is known of one (`nothing_final`)."""
    nothing_final: bool = False

    def states(self, begin_ms: Int64s, end_ms: Int64s) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Which rows are pending, and which are warm-up; by the first and last time of what each row sums up.

        For a row that stands for one event both are its time; for a window they are its start and its last moment.
        """
        none = np.zeros(len(end_ms), np.bool_)
        warm_up = none if self.from_ms is None else begin_ms < self.from_ms
        if self.nothing_final:
            return ~warm_up, warm_up
        pending = none if self.until_ms is None else end_ms > self.until_ms
        return pending & ~warm_up, warm_up


def finality(
    progress: Mapping[Side, Progress], *, grace_ms: int, started_ms: int | None = None, ended: bool = False
) -> Finality:
    """What both sides have passed. `ended`: both are complete (bounded files), so that nothing is pending."""
    if ended:
        return Finality(started_ms)
    passed = [progress[side].passed_ms(grace_ms) for side in Side]
    known = [value for value in passed if value is not None]
    if len(known) < len(passed):
        return Finality(started_ms, nothing_final=True)
    return Finality(started_ms, min(known))

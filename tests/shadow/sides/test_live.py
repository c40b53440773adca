"""The loop that reads two sides side by side: when it ends, what it tells, how it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.types import BIGINT, SqlType, timestamp
from velo_shadow.compared import Compared
from velo_shadow.folding import Changelog
from velo_shadow.live import compare_streams
from velo_shadow.model import ColumnEquality, ComparisonPlan, PlanColumn, Side
from velo_shadow.stream.changes import Changes, Positions
from velo_shadow.stream.comparator import StreamComparator, StreamView

EXACT = ColumnEquality()
PLAN = ComparisonPlan((PlanColumn("at", timestamp(3), EXACT),), (PlanColumn("id", BIGINT, EXACT),), "at")
APPEND = dict.fromkeys(Side, Changelog.APPEND)


class Clock:
    """Seconds that pass only by waiting for a side."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Scripted:
    """A side that gives the rows of a script: ids, an error, or None for nothing; ends behind it when bounded."""

    label = "scripted"
    types: Mapping[str, SqlType] = {"id": BIGINT, "at": timestamp(3)}

    def __init__(
        self, clock: Clock, script: Sequence[Sequence[int] | VeloError | None], *, bounded: bool = True
    ) -> None:
        self._clock, self._script, self._bounded = clock, script, bounded
        self.next = 0
        self.is_closed = False

    @property
    def ended(self) -> bool:
        return self._bounded and self.next >= len(self._script)

    def poll(self, limit: int, timeout_s: float) -> Changes | None:
        ids = self._script[self.next] if self.next < len(self._script) else None
        self.next += self.next < len(self._script)
        if isinstance(ids, VeloError):
            raise ids
        if ids is None:
            self._clock.now += timeout_s
            return None
        table = pa.table({"id": ids, "at": pa.array([i * 1_000_000 for i in ids], pa.timestamp("us"))})
        count = len(ids)
        return Changes(table, np.zeros(count, np.int8), np.full(count, -1), np.zeros(count, np.int32))

    def positions(self) -> Positions:
        return {("script", 0): self.next}

    def seek(self, positions: Positions) -> None:
        self.next = positions["script", 0]

    def close(self) -> None:
        self.is_closed = True


def run(
    folder: Path, left: Scripted, right: Scripted, clock: Clock, interval_s: float = 5.0, **options: object
) -> Compared:
    """Compare two scripts."""
    with StreamComparator(PLAN, APPEND, folder, interval_s=interval_s, clock=clock) as comparator:
        return compare_streams(
            {Side.LEFT: left, Side.RIGHT: right},
            comparator,
            clock=clock,
            **options,  # type: ignore[arg-type]
        )


def test_it_ends_with_both_sides(tmp_path: Path) -> None:
    clock = Clock()
    left, right = Scripted(clock, [[1, 2], None, [3]]), Scripted(clock, [None, [3], [1]])

    found = run(tmp_path, left, right, clock)

    assert (found.diff.counts.matched, found.diff.counts.missing, found.pending) == (2, 1, 0)
    assert left.is_closed
    assert right.is_closed


def test_it_ends_with_its_time_and_takes_what_is_there(tmp_path: Path) -> None:
    clock = Clock()
    waiting: list[list[int] | None] = [None] * 40
    left = Scripted(clock, [[1], *waiting, [2]], bounded=False)
    right = Scripted(clock, [[1], *waiting, [2]], bounded=False)

    found = run(tmp_path, left, right, clock, duration_ms=6_000)

    assert clock.now == pytest.approx(6.0, abs=0.5)
    assert (found.diff.counts.matched, found.pending) == (1, 0)

    later = run(tmp_path, Scripted(clock, left._script, bounded=False), Scripted(clock, right._script, bounded=False),
                clock, duration_ms=6_000)  # fmt: skip

    assert (later.diff.counts.matched, later.pending) == (2, 0)


def test_it_ends_when_it_is_told_to(tmp_path: Path) -> None:
    clock = Clock()
    left, right = Scripted(clock, [[1], [2], [3]], bounded=False), Scripted(clock, [[1], [2], [3]], bounded=False)

    found = run(tmp_path, left, right, clock, stop=lambda: left.next == 2)

    assert found.diff.counts.matched + found.pending == 2


def test_a_row_that_the_other_side_has_not_come_to_is_pending(tmp_path: Path) -> None:
    clock = Clock()
    left, right = Scripted(clock, [[1, 2, 9]], bounded=False), Scripted(clock, [[1, 5]], bounded=False)

    found = run(tmp_path, left, right, clock, duration_ms=1_000)

    # The right has come to 5: the left's 2 is missing, its 9 may still come; so may another change at 5, on the right.
    counts = found.diff.counts
    assert (counts.matched, counts.missing, counts.extra, found.pending) == (1, 1, 0, 2)


def test_it_tells_how_it_stands(tmp_path: Path) -> None:
    clock = Clock()
    views: list[StreamView] = []
    left, right = Scripted(clock, [[1], *[None] * 30, [2]]), Scripted(clock, [[1], *[None] * 30, [3]])

    run(tmp_path, left, right, clock, interval_s=1.0, on_view=views.append)

    assert 5 <= len(views) <= 8
    assert (views[0].steps, views[-1].matched) == (0, 1)


def test_after_an_error_it_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    clock = Clock()
    broken = VeloError(ErrorCode.SCHEMA_MISMATCH, "a record that does not fit")
    script: list[list[int] | VeloError | None] = [[1], [2], None, None, broken]
    left, right = Scripted(clock, script), Scripted(clock, [[1], [2], None, None, None, [3]])
    with pytest.raises(VeloError, match="does not fit"):
        run(tmp_path, left, right, clock, interval_s=0.1)
    assert right.is_closed

    mended = Scripted(clock, [*script[:4], [3]])
    found = run(tmp_path, mended, Scripted(clock, right._script), clock)

    assert (found.diff.counts.matched, found.diff.counts.left, found.diff.counts.right) == (3, 3, 3)

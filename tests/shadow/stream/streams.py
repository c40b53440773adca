"""Two streams for tests of the comparator: rows, how they are cut, and what the comparison of all of them at once says."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.kernel import Kernel
from velo_engine.types import BIGINT, DOUBLE, STRING, timestamp
from velo_shadow.alignment import Relation
from velo_shadow.compared import Compared
from velo_shadow.diff import Diff, diff
from velo_shadow.equality import default_equality
from velo_shadow.folding import KIND_COLUMN, Changelog, fold
from velo_shadow.model import ComparisonPlan, PlanColumn, Segment, Side, TimeBin
from velo_shadow.over_time import over_time
from velo_shadow.profile import SideProfile, profile
from velo_shadow.segments import segments
from velo_shadow.stream.changes import Changes, Positions
from velo_shadow.stream.comparator import StreamComparator

I, UB, UA, D = range(4)  # noqa: E741 - the row kinds of Flink
HOUR_MS = 3_600_000
Change = tuple[int, int, str | None, float | None, int | None]
"""Kind, id, name, size, time in ms."""

TYPES = {"id": BIGINT, "name": STRING, "size": DOUBLE, "at": timestamp(3)}
SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string()), ("size", pa.float64()), ("at", pa.timestamp("us"))])


def plan(*key: str, time_column: str | None = "at", grace_ms: int = 0) -> ComparisonPlan:
    """Compared by these columns; the others by what their types have as default."""
    columns = {name: PlanColumn(name, kind, default_equality(kind)) for name, kind in TYPES.items()}
    return ComparisonPlan(
        columns=tuple(column for name, column in columns.items() if name not in key),
        key=tuple(columns[name] for name in key),
        time_column=time_column,
        grace_ms=grace_ms,
    )


def table(rows: Sequence[Change]) -> pa.Table:
    """The columns of the stream."""
    columns = list(zip(*[row[1:] for row in rows], strict=True)) if rows else [()] * 4
    arrays = [pa.array(columns[0], pa.int64()), pa.array(columns[1], pa.string()), pa.array(columns[2], pa.float64())]
    times = pa.array([None if ms is None else ms * 1000 for ms in columns[3]], pa.int64()).cast(pa.timestamp("us"))
    return pa.table([*arrays, times], schema=SCHEMA)


def changes(rows: Sequence[Change], *, written: Sequence[int] | None = None) -> Changes:
    """As a reader gives them."""
    kinds = np.array([row[0] for row in rows], np.int8)
    stamps = np.full(len(rows), -1, np.int64) if written is None else np.array(written, np.int64)
    return Changes(table(rows), kinds, stamps, np.zeros(len(rows), np.int32))


@dataclass
class Feed:
    """Two streams that are read in pieces, in an order made from a seed, with a step now and then."""

    sides: Mapping[Side, Sequence[Change]]
    random: random.Random
    largest: int = 12
    """Rows of a piece, at most."""
    step_share: float = 0.15

    def run(
        self, comparator: StreamComparator, *, ended: bool = True, start: Mapping[Side, Positions] | None = None
    ) -> Compared:
        """Give all to the comparator from where it stands, then finish."""
        at = {side: (start or {}).get(side, {}).get(("rows", 0), 0) for side in Side}
        while any(at[side] < len(self.sides[side]) for side in Side):
            side = self.random.choice([side for side in Side if at[side] < len(self.sides[side])])
            end = min(len(self.sides[side]), at[side] + self.random.randint(1, self.largest))
            comparator.add(side, changes(self.sides[side][at[side] : end]))
            at[side] = end
            if self.random.random() < self.step_share:
                comparator.step(positions(at))
        return comparator.finish(ended, positions(at))


def positions(at: Mapping[Side, int]) -> dict[Side, Positions]:
    """As a reader states them."""
    return {side: {("rows", 0): number} for side, number in at.items()}


@dataclass(frozen=True)
class AtOnce:
    """What is found in complete sides."""

    diff: Diff
    segments: tuple[Segment, ...]
    over_time: tuple[TimeBin, ...]
    profile: Mapping[Side, SideProfile]


def at_once(
    compared: ComparisonPlan, sides: Mapping[Side, Sequence[Change]], changelog: Changelog, spans: Any
) -> AtOnce:
    """What the comparison of two complete files finds in what both streams leave."""
    with Kernel() as kernel:
        tables = {}
        for side in Side:
            kinds = pa.array([row[0] for row in sides[side]], pa.int8())
            stream = table(sides[side]).append_column(KIND_COLUMN, kinds)
            tables[f"final_{side}"] = fold(kernel, stream, changelog, compared.key_names).rows
        left, right = (Relation(f"final_{side}", tuple(TYPES)) for side in Side)
        found = diff(kernel, compared, left, right, tables=tables)
        return AtOnce(
            found,
            segments(kernel, compared, (left, right), found.differences, tables),
            over_time(kernel, compared, (left, right), list(spans.values()), found.differences, tables),
            profile(kernel, compared, (left, right), found.differences, tables),
        )


def comparator(folder: Path, compared: ComparisonPlan, changelog: Changelog, **settings: Any) -> StreamComparator:
    """For both sides the same changelog."""
    return StreamComparator(compared, dict.fromkeys(Side, changelog), folder, **settings)

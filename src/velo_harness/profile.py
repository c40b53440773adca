"""What reports plot of a query: how numeric columns are spread, how late rows were, how fast records were read."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow.compute as pc

from velo_engine import Progress
from velo_engine.types import NUMERICS
from velo_harness.relation import Relation
from velo_harness.result import ColumnProfile, Histogram, Profile

BINS = 24
"""Bars of a histogram."""
PROFILED_COLUMNS = 12
"""Numeric columns of one output that are looked at."""
SAMPLES = 120
"""Points of the curve of records read; of more, every other one is forgotten."""


@dataclass(slots=True)
class ReadingCurve:
    """How many records had been read when: a progress hook that remembers, and passes on what it hears."""

    then: Callable[[Progress], None] | None = None
    began: float = field(default_factory=time.perf_counter)
    points: list[tuple[float, int]] = field(default_factory=list)
    """Milliseconds since the start, records read so far."""

    def __call__(self, progress: Progress) -> None:
        """Remembers a point."""
        self.points.append(((time.perf_counter() - self.began) * 1000, progress.records))
        if len(self.points) > SAMPLES:
            self.points = self.points[1::2]
        if self.then is not None:
            self.then(progress)


def profile_of(output: Relation, late: Relation, late_by: str, curve: ReadingCurve | None) -> Profile:
    """The profile of one output; `late_by` is the column of `late` that says how late each row was, in milliseconds."""
    numeric = [i for i, column in enumerate(output.schema.columns) if column.type.name in NUMERICS]
    position = late.position(late_by)
    return Profile(
        columns=tuple(_column(output, i) for i in numeric[:PROFILED_COLUMNS]),
        lateness_ms=None if position is None else histogram(_floats(late, position)),
        reading=() if curve is None else tuple(curve.points),
    )


def histogram(values: np.typing.NDArray[np.float64]) -> Histogram | None:
    """Equally wide bins over finite `values`; None without any."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = float(finite.min()), float(finite.max())
    # Bins cannot be cut where they would be wider than a double can be, or narrower than it can tell.
    if not np.isfinite(high - low) or low + (high - low) / BINS <= low:
        return Histogram(low, high, (len(finite),))
    whole = bool(np.all(finite == np.rint(finite)))
    bins = min(BINS, int(high - low) + 1) if whole and high - low < BINS else BINS
    counts, _ = np.histogram(finite, bins, (low, high))
    return Histogram(low, high, tuple(int(count) for count in counts))


def _column(output: Relation, position: int) -> ColumnProfile:
    column, values = output.schema.columns[position], _floats(output, position)
    finite = values[np.isfinite(values)]
    return ColumnProfile(
        name=column.name,
        type=str(column.type.as_nullable()),
        rows=len(output),
        nulls=int(output.column(position).null_count),
        mean=_mean(finite),
        histogram=histogram(values),
    )


def _mean(values: np.typing.NDArray[np.float64]) -> float | None:
    """The mean; None without values, or when their sum is beyond every number."""
    if not len(values):
        return None
    with np.errstate(over="ignore"):
        mean = float(values.mean())
    return mean if np.isfinite(mean) else None


def _floats(relation: Relation, position: int) -> np.typing.NDArray[np.float64]:
    """The values of a numeric column that are not NULL."""
    values: np.typing.NDArray[np.float64] = pc.cast(
        relation.column(position).drop_null(), "float64", safe=False
    ).to_numpy()
    return values

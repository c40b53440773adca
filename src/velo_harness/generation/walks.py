"""Random walks, one for each group: each value is the one before times a random factor, kept in range by reflection.

All steps of all walks are made at once: in the logarithm a walk is a running sum, and a walk that is reflected at two
walls is the free walk folded like a strip of paper.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from velo_engine.batch import Int64s
from velo_harness.constraints import Distribution
from velo_harness.generation.numbers import Bounds
from velo_harness.generation.units import whole_units


def walk(rng: np.random.Generator, groups: Int64s, bounds: Bounds, distribution: Distribution) -> Int64s:
    """One unit per row. `groups` says which walk each row belongs to: codes 0, 1, …

    A range above 0 has relative steps (factors exp(drift + volatility * z)); a range that reaches 0 or below has steps
    relative to its width.
    """
    n = len(groups)
    walks = int(groups.max()) + 1 if n else 0
    relative = bounds.low > 0
    least, most = (np.log(bounds.low), np.log(bounds.high)) if relative else (bounds.low, bounds.high)
    step = 1.0 if relative else float(bounds.span)
    starts = rng.uniform(least, most, walks)
    if distribution.start is not None:
        start = distribution.start * bounds.unit.per_one
        starts[:] = np.log(max(start, 1e-300)) if relative else start
    steps = rng.normal(distribution.drift, distribution.volatility, n) * step
    values = _folded(_running(groups, starts, steps), float(least), float(most))
    return whole_units(np.exp(values) if relative else values, bounds.low, bounds.high)


def _running(groups: Int64s, starts: Any, steps: Any) -> Any:
    """Each group's start plus the running sum of its steps; its first row stands at the start."""
    order = np.argsort(groups, kind="stable")
    grouped = groups[order]
    first = np.flatnonzero(np.concatenate([[True], grouped[1:] != grouped[:-1]])) if len(groups) else np.empty(0, int)
    ordered = steps[order]
    ordered[first] = 0.0
    total = np.cumsum(ordered)
    lengths = np.diff(np.append(first, len(groups)))
    offset = np.repeat(starts[grouped[first]] - total[first], lengths)
    values = np.empty(len(groups))
    values[order] = total + offset
    return values


def _folded(values: Any, least: float, most: float) -> Any:
    """Values reflected at both walls until they lie between them."""
    width = most - least
    if width <= 0:
        return np.full(len(values), least)
    phase = np.mod(values - least, 2 * width)
    return least + np.where(phase > width, 2 * width - phase, phase)

"""Drawing from a set of values: by weight, with Walker's alias method (M. D. Vose, 1991), or evenly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_harness.constraints import Length

Drawing: TypeAlias = Callable[[np.random.Generator, int], Any]
"""Makes any number of values, each independent of the others, as an Arrow array."""

ROUNDS = 100
"""Drawings before a set of values is taken to be too small."""
LEAST_DRAWS = 256
LONGEST = 2**31 - 1


class AliasTable:
    """Draws indices by weight in constant time each: one column and one coin a draw."""

    def __init__(self, weights: Sequence[float]) -> None:
        n = len(weights)
        scaled = np.asarray(weights, np.float64) * (n / float(np.sum(np.asarray(weights, np.float64))))
        self._keep = np.ones(n)
        self._alias = np.arange(n)
        small = [i for i in range(n) if scaled[i] < 1.0]
        large = [i for i in range(n) if scaled[i] >= 1.0]
        while small and large:
            less, more = small.pop(), large.pop()
            self._keep[less] = scaled[less]
            self._alias[less] = more
            scaled[more] -= 1.0 - scaled[less]
            (small if scaled[more] < 1.0 else large).append(more)

    def draw(self, rng: np.random.Generator, n: int) -> Int64s:
        """`n` indices."""
        column = rng.integers(0, len(self._keep), n)
        return np.where(rng.random(n) < self._keep[column], column, self._alias[column])


def taken(values: pa.Array, codes: Any) -> pa.Array:
    """The values at `codes`."""
    return values.take(pa.array(codes))


def with_nulls(values: pa.Array, absent: Any) -> pa.Array:
    """The values, NULL where `absent`."""
    return values.take(pa.array(np.arange(len(values)), mask=absent))


def distinct(drawing: Drawing, n: int, rng: np.random.Generator, place: Location) -> pa.Array:
    """`n` different values, drawn until there are as many. Errors: BAD_VALUE when there do not seem to be."""
    kept = drawing(rng, n).unique()
    for _ in range(ROUNDS):
        if len(kept) >= n:
            return kept[:n]
        kept = pa.concat_arrays([kept, drawing(rng, max(n, 2 * (n - len(kept)), LEAST_DRAWS))]).unique()
    if len(kept) >= n:
        return kept[:n]
    message = f"{n} rows need as many different values, but there are only {len(kept)}"
    hint = "widen the range, the pattern or the set, or generate fewer records"
    raise VeloError(ErrorCode.BAD_VALUE, message, location=place, hint=hint)


def fitting(drawing: Drawing, length: Length, place: Location) -> Drawing:
    """The drawing, without texts that are too short or too long. Errors, when drawing: BAD_VALUE."""

    def limited(rng: np.random.Generator, n: int) -> pa.Array:
        import pyarrow.compute as pc

        shortest, longest = length.bounds(0, LONGEST)
        parts, have = [], 0
        for _ in range(ROUNDS):
            drawn = drawing(rng, n)
            lengths = pc.utf8_length(drawn)
            good = drawn.filter(pc.and_(pc.greater_equal(lengths, shortest), pc.less_equal(lengths, longest)))
            parts.append(good)
            have += len(good)
            if have >= n:
                return pa.concat_arrays(parts)[:n]
        message = f"hardly any value has a length of {shortest} to {longest}"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=place)

    return limited

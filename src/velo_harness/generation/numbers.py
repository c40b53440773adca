"""Ranges and distributions: drawing units between bounds.

Values beyond a bound are drawn again (a truncated distribution), so bounds gather no mass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.types import STRINGS, SqlType, TypeName
from velo_harness.constraints import DEFAULT_EXPONENT, Correlation, Distribution, Range, Sequence, Shape
from velo_harness.generation.units import Unit, unit_of, whole_units
from velo_harness.typed_values import typed_value

DEFAULT_SPAN = 1000
"""The width of a numeric range of which an end is open."""
DAY_SPAN = 365
"""The width, in days, of a range of dates of which an end is open."""
MAX_RANKS = 1_000_000
"""zipf: ranks that are told apart."""
REDRAWS = 100
"""Rounds of drawing again what fell beyond a bound, before the distribution is refused."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A range in units, both ends included."""

    unit: Unit
    low: int
    high: int
    open_low: bool = False
    """No lower bound is stated: `low` is only a guess that scales distributions, values may lie below."""
    open_high: bool = False

    @property
    def span(self) -> int:
        """high - low."""
        return self.high - self.low

    @property
    def least(self) -> int:
        """The smallest units allowed."""
        return self.unit.limits()[0] if self.open_low else self.low

    @property
    def most(self) -> int:
        """The greatest units allowed."""
        return self.unit.limits()[1] if self.open_high else self.high


def bounds_of(kind: SqlType, given: Range | None, distribution: Distribution | None, now_units: int | None) -> Bounds:
    """The range of a field. `now_units` is the end of times that have none (None: the type has no now)."""
    low = None if given is None or given.minimum is None else typed_value(given.minimum, kind)
    high = None if given is None or given.maximum is None else typed_value(given.maximum, kind)
    if now_units is not None:
        return _time_bounds(unit_of(kind), low, high, now_units)
    if kind.name is TypeName.TIME:
        unit = unit_of(kind)
        least, most = unit.limits()
        return Bounds(unit, least if low is None else unit.of(low), most if high is None else unit.of(high))
    likely = _likely(distribution)
    guess_low, guess_high = _guessed(kind, low, high) if likely is None else likely
    guess_low, guess_high = guess_low if low is None else low, guess_high if high is None else high
    unit = unit_of(kind, guess_low, guess_high)
    least, most = unit.limits()
    start, end = (min(max(unit.of(guess), least), most) for guess in (guess_low, guess_high))
    open_low, open_high = likely is not None and low is None, likely is not None and high is None
    return Bounds(unit, start, max(start, end), open_low, open_high)


def _likely(distribution: Distribution | None) -> tuple[float, float] | None:
    """Where the parameters of a distribution put most values; None when it follows from the range."""
    match distribution:
        case Distribution(shape=Shape.NORMAL, mean=float() as mean):
            spread = distribution.std_dev if distribution.std_dev is not None else abs(mean) / 6
            return mean - 3 * spread, mean + 3 * spread
        case Distribution(shape=Shape.EXPONENTIAL, mean=float() as mean):
            return 0.0, 5 * mean
        case Distribution(shape=Shape.EXPONENTIAL, rate=float() as rate):
            return 0.0, 5 / rate
        case Distribution(shape=Shape.LOG_NORMAL, mu=float() as mu):
            sigma = 1.0 if distribution.sigma is None else distribution.sigma
            return math.exp(min(mu - 3 * sigma, 700)), math.exp(min(mu + 3 * sigma, 700))
        case _:
            return None


def _guessed(kind: SqlType, low: Any, high: Any) -> tuple[Any, Any]:
    """Both ends of a numeric range; an open one follows from the other."""
    if low is None and high is None:
        return 0, _fitting(kind, DEFAULT_SPAN)
    if low is None:
        return (0 if high > 0 else high - DEFAULT_SPAN), high
    return low, (_fitting(kind, low + DEFAULT_SPAN) if high is None else high)


def _fitting(kind: SqlType, value: Any) -> Any:
    """`value`, or the greatest of a type that does not reach it."""
    if kind.name is TypeName.TINYINT:
        return min(value, 127)
    if kind.name is TypeName.DECIMAL:
        return min(value, 10 ** (kind.precision - kind.scale) - 1)
    return value


def _time_bounds(unit: Unit, low: Any, high: Any, now_units: int) -> Bounds:
    """Times end at now where no end is stated, and begin a year earlier where no beginning is."""
    year = DAY_SPAN if unit.kind.name is TypeName.DATE else DAY_SPAN * 86_400_000_000 // unit.microseconds
    greatest = unit.of(high) if high is not None else max(now_units, unit.of(low) if low is not None else now_units)
    return Bounds(unit, unit.of(low) if low is not None else greatest - year, greatest)


def draw(
    rng: np.random.Generator, n: int, bounds: Bounds, distribution: Distribution | None, place: Location
) -> Int64s:
    """`n` units within bounds. Random walks are drawn by `generation.walks`.

    Errors: BAD_VALUE, at `place`, for a distribution that hardly ever meets its range.
    """
    shape = distribution.shape if distribution is not None else Shape.UNIFORM
    if shape is Shape.UNIFORM or distribution is None:
        return _whole(rng.integers(bounds.low, bounds.high, n, endpoint=True))
    if shape is Shape.ZIPF:
        return _zipf(rng, n, bounds, DEFAULT_EXPONENT if distribution.exponent is None else distribution.exponent)
    drawn = _drawn(rng, n, bounds, distribution)
    for _ in range(REDRAWS):
        outside = np.flatnonzero((drawn < bounds.least) | (drawn > bounds.most))
        if len(outside) == 0:
            return whole_units(drawn, bounds.least, bounds.most)
        drawn[outside] = _drawn(rng, len(outside), bounds, distribution)
    message = f"hardly any value of this {shape} distribution lies in the field's range"
    raise VeloError(
        ErrorCode.BAD_VALUE, message, location=place, hint="move the range, or the distribution's parameters"
    )


def _drawn(rng: np.random.Generator, n: int, bounds: Bounds, distribution: Distribution) -> Any:
    """`n` values in (fractional) units, not yet cut at the bounds."""
    scale = bounds.unit.per_one
    if distribution.shape is Shape.NORMAL:
        middle = (bounds.low + bounds.high) / 2 if distribution.mean is None else distribution.mean * scale
        spread = bounds.span / 6 if distribution.std_dev is None else distribution.std_dev * scale
        return rng.normal(middle, spread, n)
    if distribution.shape is Shape.EXPONENTIAL:
        mean = distribution.mean if distribution.rate is None else 1 / distribution.rate
        return bounds.low + rng.exponential(bounds.span / 5 if mean is None else mean * scale, n)
    return _log_normal(rng, n, bounds, distribution)


def _log_normal(rng: np.random.Generator, n: int, bounds: Bounds, distribution: Distribution) -> Any:
    """By default the range is six standard deviations of the logarithm wide; one from 0 is shifted."""
    shift = 0 if bounds.low > 0 else bounds.low - max(bounds.span // 1000, 1)
    least, most = math.log(bounds.low - shift), math.log(max(bounds.high - shift, bounds.low - shift + 1))
    if distribution.mu is not None or distribution.sigma is not None:
        shift = 0
    mu = (least + most) / 2 if distribution.mu is None else distribution.mu + math.log(bounds.unit.per_one)
    sigma = (most - least) / 6 if distribution.sigma is None else distribution.sigma
    return shift + rng.lognormal(mu, sigma, n)


def _zipf(rng: np.random.Generator, n: int, bounds: Bounds, exponent: float) -> Int64s:
    """Rank 1 is the smallest value; a range of more than `MAX_RANKS` units is split into that many equal steps."""
    ranks = min(bounds.span + 1, MAX_RANKS)
    rank = zipf_ranks(rng, n, ranks, exponent)
    return _whole(bounds.low + (rank if ranks == bounds.span + 1 else np.rint(rank * (bounds.span / (ranks - 1)))))


def _whole(values: Any) -> Int64s:
    units: Int64s = values.astype(np.int64, copy=False)
    return units


def zipf_ranks(rng: np.random.Generator, n: int, ranks: int, exponent: float) -> Int64s:
    """`n` ranks 0 … ranks - 1, where rank k has a weight of (k + 1) ** -exponent."""
    heights = np.cumsum(np.arange(1, ranks + 1, dtype=np.float64) ** -exponent)
    return _whole(np.minimum(np.searchsorted(heights, rng.random(n) * heights[-1], side="right"), ranks - 1))


def walk_bounds(kind: SqlType, given: Range | None) -> Bounds:
    """The range of a random walk."""
    return bounds_of(kind, given, None, None)


def numbered(given: Sequence, n: int, kind: SqlType, place: Location) -> pa.Array:
    """start, start + step, … Errors: BAD_VALUE when the type does not reach so far."""
    if kind.name in STRINGS:
        return pa.array(int(given.start) + int(given.step) * np.arange(n)).cast(pa.string())
    last = given.start + given.step * max(n - 1, 0)
    unit = unit_of(kind, min(given.start, last), max(given.start, last))
    start, step = unit.of(given.start), unit.of(given.step)
    least, most = unit.limits()
    if not (least <= min(start, start + step * n) and max(start, start + step * n) <= most):
        raise VeloError(ErrorCode.BAD_VALUE, f"the sequence leaves the type {kind.as_nullable()}", location=place)
    if Decimal(step).scaleb(-unit.digits) != given.step or Decimal(start).scaleb(-unit.digits) != given.start:
        message = f"the sequence has more digits after the point than {kind.as_nullable()}"
        raise VeloError(ErrorCode.BAD_VALUE, message, location=place)
    return unit.array(start + step * np.arange(n, dtype=np.int64))


def correlated(rng: np.random.Generator, other: Any, given: Correlation, kind: SqlType, cut: Range | None) -> pa.Array:
    """factor * other + offset + noise, set to the ends of the range `cut` where it lies beyond."""
    values = other * given.factor + given.offset
    if given.noise:
        values = values + rng.normal(0.0, given.noise, len(values))
    bounds = bounds_of(kind, cut, None, None)
    unit = bounds.unit if cut is not None else unit_of(kind, *_ends(values))
    least, most = unit.limits()
    low = least if cut is None or cut.minimum is None else bounds.low
    high = most if cut is None or cut.maximum is None else bounds.high
    return unit.array(whole_units(values * unit.per_one, low, high))


def _ends(values: Any) -> tuple[float, float]:
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)

"""Tests of goodness of fit: how likely values are that lie so far from a distribution as those of a sample.

Chi-square (Pearson): the p-value is Q(k/2, x/2), the upper regularised incomplete gamma function, by its series and its
continued fraction (Press et al., Numerical Recipes, 3rd edition, section 6.2). Kolmogorov-Smirnov: the p-value is the
limiting distribution of the statistic with Stephens' correction for small samples (1970; Numerical Recipes, section
14.3). Both use no random numbers: the same sample gives the same p-value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Cdf: TypeAlias = Callable[[float], float]
"""P(X <= x)."""

LEAST_VALUES = 20
"""With fewer values neither test tells anything."""
LEAST_EXPECTED = 5.0
"""A cell in which fewer values are expected is joined with its neighbour (Cochran's rule)."""
MOST_CELLS = 50
_ITERATIONS = 1000
_PRECISION = 1e-15
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Fit:
    """What a test found."""

    test: str
    statistic: float
    p_value: float
    degrees: int | None = None
    """Of freedom, of chi-square."""

    def __str__(self) -> str:
        sign = "D" if self.degrees is None else f"chi-square({self.degrees})"
        return f"{sign} = {self.statistic:.4g}, p = {self.p_value:.3g}"


def chi_square(observed: Sequence[float], expected: Sequence[float]) -> Fit | None:
    """Pearson's test of counts against expected counts; None when fewer than two cells are left to compare."""
    cells = _joined(observed, expected)
    if len(cells) < 2:
        return None
    statistic = sum((seen - wanted) ** 2 / wanted for seen, wanted in cells)
    degrees = len(cells) - 1
    return Fit("chi_square", statistic, upper_gamma(degrees / 2, statistic / 2), degrees)


def kolmogorov_smirnov(values: Floats, cdf: Cdf) -> Fit:
    """The largest distance of the sample's distribution from `cdf`, and how likely one as large is."""
    ordered, counts = np.unique(values, return_counts=True)
    count = len(values)
    model = np.array([cdf(float(x)) for x in ordered])
    upto = np.cumsum(counts)
    above = upto / count - model
    below = model - (upto - counts) / count
    distance = float(max(above.max(), below.max(), 0.0))
    root = math.sqrt(count)
    return Fit("kolmogorov_smirnov", distance, kolmogorov((root + 0.12 + 0.11 / root) * distance))


def cells_of(cdf: Cdf, count: int, low: float, high: float, *, whole: bool) -> list[float]:
    """Inner bounds of cells that are about equally likely; with `whole`, halfway between whole numbers."""
    cells = max(2, min(MOST_CELLS, int(count // (2 * LEAST_EXPECTED))))
    bounds = [_quantile(cdf, i / cells, low, high) for i in range(1, cells)]
    return sorted({math.floor(bound) + 0.5 for bound in bounds} if whole else set(bounds))


def counts_between(values: Floats, bounds: Sequence[float]) -> list[int]:
    """How many values lie in each cell between the bounds; a value on a bound lies below it."""
    at = np.searchsorted(np.array(bounds), values, side="left")
    return [int(n) for n in np.bincount(at, minlength=len(bounds) + 1)]


def shares_between(cdf: Cdf, bounds: Sequence[float]) -> list[float]:
    """The probability of each cell between the bounds."""
    reached = [0.0, *(cdf(bound) for bound in bounds), 1.0]
    return [after - before for before, after in pairwise(reached)]


def normal_cdf(mean: float, std_dev: float) -> Cdf:
    """Of a normal distribution."""
    return lambda x: 0.5 * math.erfc((mean - x) / (std_dev * math.sqrt(2)))


def log_normal_cdf(mu: float, sigma: float) -> Cdf:
    """Of a distribution whose logarithm is normal."""
    normal = normal_cdf(mu, sigma)
    return lambda x: normal(math.log(x)) if x > 0 else 0.0


def exponential_cdf(rate: float) -> Cdf:
    """Of an exponential distribution from 0."""
    return lambda x: -math.expm1(-rate * x) if x > 0 else 0.0


def uniform_cdf(low: float, high: float) -> Cdf:
    """Of a uniform distribution."""
    return lambda x: min(max((x - low) / (high - low), 0.0), 1.0)


def upper_gamma(a: float, x: float) -> float:
    """Q(a, x), the upper regularised incomplete gamma function, for a > 0 and x >= 0."""
    if x <= 0:
        return 1.0
    factor = math.exp(-x + a * math.log(x) - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        for n in range(1, _ITERATIONS):
            term *= x / (a + n)
            total += term
            if abs(term) < abs(total) * _PRECISION:
                break
        return max(0.0, 1 - total * factor)
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    fraction = d
    for n in range(1, _ITERATIONS):
        step = -n * (n - a)
        b += 2
        d = 1 / (_nonzero(step * d + b))
        c = _nonzero(b + step / c)
        fraction *= d * c
        if abs(d * c - 1) < _PRECISION:
            break
    return factor * fraction


def kolmogorov(x: float) -> float:
    """Q_KS(x) = 2 * sum over j >= 1 of (-1)^(j-1) * exp(-2 j^2 x^2)."""
    if x < 0.2:  # 1 to more than ten digits, where the series needs too many terms
        return 1.0
    total = 0.0
    for j in range(1, 101):
        term = math.exp(-2 * (j * x) ** 2)
        total += term if j % 2 else -term
        if term < _PRECISION * abs(total):
            break
    return min(max(2 * total, 0.0), 1.0)


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _joined(observed: Sequence[float], expected: Sequence[float]) -> list[tuple[float, float]]:
    """The cells, each joined with the next ones until enough is expected; what is left over joins the last."""
    cells: list[tuple[float, float]] = []
    seen = wanted = 0.0
    for one, other in zip(observed, expected, strict=True):
        seen, wanted = seen + one, wanted + other
        if wanted >= LEAST_EXPECTED:
            cells.append((seen, wanted))
            seen = wanted = 0.0
    if cells and (seen or wanted):
        last = cells.pop()
        cells.append((last[0] + seen, last[1] + wanted))
    return cells


def _quantile(cdf: Cdf, share: float, low: float, high: float) -> float:
    """A value at which `cdf` reaches `share`, by bisection between `low` and `high`."""
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if cdf(middle) < share else (low, middle)
    return high

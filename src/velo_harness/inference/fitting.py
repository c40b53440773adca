"""The distribution that a sample of numbers comes from, when a test does not reject it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from velo_engine.types import INTEGERS, SqlType
from velo_harness.goodness_of_fit import (
    Cdf,
    Fit,
    Floats,
    cells_of,
    chi_square,
    counts_between,
    exponential_cdf,
    kolmogorov_smirnov,
    log_normal_cdf,
    normal_cdf,
    shares_between,
    uniform_cdf,
)
from velo_harness.inference.constraints import FITTED_ROWS

LEAST_P = 0.05
"""A sample that is less likely than this under a distribution is not of it."""
_SMALLEST = 1e-4
MOST_ROWS = 2000
"""Rows that are tested: with very many, no real data are of any distribution exactly."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A distribution that fits."""

    constraint: str
    """As the value of `distribution` in a data schema."""
    test: str
    """Which test says so, with its p-value."""


def fitted_distribution(values: Sequence[float], kind: SqlType) -> Fitted | None:
    """The simplest distribution that fits; None when none does, or the rows are too few.

    Parameters are estimated from the same rows, which makes the tests lenient (Lilliefors 1967): one of a few
    shapes is wanted, not a proof.
    """
    sample = np.array(values[:MOST_ROWS], dtype=np.float64)
    sample = sample[np.isfinite(sample)]
    if len(sample) < FITTED_ROWS or len(np.unique(sample)) < FITTED_ROWS / 4:
        return None
    whole = kind.name in INTEGERS
    for constraint, cdf in _candidates(sample):
        fit = _tested(sample, cdf, whole=whole)
        if fit is not None and fit.p_value >= LEAST_P:
            shape = constraint.strip("{ }").split(",")[0].removeprefix("type: ")
            return Fitted(constraint, f"{shape} by {fit.test}, p = {fit.p_value:.2g}")
    return None


def _tested(sample: Floats, cdf: Cdf, *, whole: bool) -> Fit | None:
    if not whole:
        return kolmogorov_smirnov(sample, cdf)
    low, high = float(sample.min()), float(sample.max())
    bounds = cells_of(cdf, len(sample), low, high, whole=True)
    expected = [share * len(sample) for share in shares_between(cdf, bounds)]
    return chi_square(counts_between(sample, bounds), expected)


def _candidates(sample: Floats) -> Iterator[tuple[str, Cdf]]:
    """The simplest first."""
    low, high = float(sample.min()), float(sample.max())
    mean, deviation = float(sample.mean()), float(sample.std(ddof=1))
    yield "uniform", uniform_cdf(low, high)
    if deviation > 0:
        yield f"{{ type: normal, mean: {_number(mean)}, std_dev: {_number(deviation)} }}", normal_cdf(mean, deviation)
    if low >= 0 and mean > low:
        # The generator's exponential begins at the smallest value of the range.
        above = mean - low
        yield f"{{ type: exponential, mean: {_number(above)} }}", _shifted(exponential_cdf(1 / above), low)
    if low > 0:
        logs = np.log(sample)
        mu, sigma = float(logs.mean()), float(logs.std(ddof=1))
        if sigma > 0:
            yield f"{{ type: log_normal, mu: {_number(mu)}, sigma: {_number(sigma)} }}", log_normal_cdf(mu, sigma)


def _shifted(cdf: Cdf, by: float) -> Cdf:
    return lambda x: cdf(x - by)


def _number(value: float) -> str:
    """Four digits: more would say more than a sample knows."""
    rounded = float(f"{value:.4g}")
    if math.isclose(rounded, round(rounded)):
        return f"{rounded:.0f}"
    return f"{rounded:g}" if abs(rounded) >= _SMALLEST else f"{rounded:.10f}"

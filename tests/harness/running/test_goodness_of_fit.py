"""Tests of goodness of fit, against values of printed tables and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from velo_harness import goodness_of_fit as fit

CHI_SQUARE_TABLE = [  # quantile, degrees of freedom, upper tail: NIST/SEMATECH e-Handbook, table 1.3.6.7.4
    (2.706, 1, 0.10),
    (3.841, 1, 0.05),
    (6.635, 1, 0.01),
    (10.828, 1, 0.001),
    (18.307, 10, 0.05),
    (23.209, 10, 0.01),
    (3.940, 10, 0.95),
    (43.773, 30, 0.05),
    (124.342, 100, 0.05),
    (77.929, 100, 0.95),
]


@pytest.mark.parametrize(("quantile", "degrees", "tail"), CHI_SQUARE_TABLE)
def test_the_tail_of_chi_square(quantile: float, degrees: int, tail: float) -> None:
    assert fit.upper_gamma(degrees / 2, quantile / 2) == pytest.approx(tail, rel=2e-3)


@pytest.mark.parametrize("x", [0.01, 0.5, 1.0, 1.5, 2.0, 10.0, 40.0])
def test_the_gamma_function_where_it_has_a_closed_form(x: float) -> None:
    assert fit.upper_gamma(1, x) == pytest.approx(math.exp(-x), rel=1e-12)
    assert fit.upper_gamma(0.5, x) == pytest.approx(math.erfc(math.sqrt(x)), rel=1e-12)
    assert fit.upper_gamma(3, x) == pytest.approx(math.exp(-x) * (1 + x + x * x / 2), rel=1e-12)


@pytest.mark.parametrize(
    ("x", "tail"), [(1.2238, 0.10), (1.3581, 0.05), (1.6276, 0.01), (1.9495, 0.001), (0.8276, 0.5)]
)
def test_the_tail_of_kolmogorov(x: float, tail: float) -> None:
    """Smirnov's table of the limiting distribution."""
    assert fit.kolmogorov(x) == pytest.approx(tail, rel=1e-3)


@pytest.mark.parametrize(
    ("count", "critical", "tail"), [(20, 0.29408, 0.05), (20, 0.35241, 0.01), (50, 0.18845, 0.05), (100, 0.13403, 0.05)]
)
def test_small_samples(count: int, critical: float, tail: float) -> None:
    """Exact critical values of D (Miller 1956), which Stephens' correction comes close to."""
    root = math.sqrt(count)
    assert fit.kolmogorov((root + 0.12 + 0.11 / root) * critical) == pytest.approx(tail, rel=0.03)


def test_chi_square_by_hand() -> None:
    found = fit.chi_square([10, 20, 30], [20, 20, 20])
    assert found is not None
    assert (found.statistic, found.degrees) == (10.0, 2)
    assert found.p_value == pytest.approx(math.exp(-5))  # two degrees of freedom: exp(-x / 2)


def test_cells_with_few_values_are_joined() -> None:
    found = fit.chi_square([3, 3, 20, 1], [4, 4, 18, 1])
    assert found is not None
    assert found.degrees == 1
    assert found.statistic == pytest.approx((6 - 8) ** 2 / 8 + (21 - 19) ** 2 / 19)
    assert fit.chi_square([3, 1], [3, 1]) is None


def test_the_distance_by_hand() -> None:
    found = fit.kolmogorov_smirnov(np.array([0.7, 0.1, 0.4]), fit.uniform_cdf(0, 1))
    assert found.statistic == pytest.approx(0.3)
    same = fit.kolmogorov_smirnov(np.array([0.5, 0.5, 0.5, 0.5]), fit.uniform_cdf(0, 1))
    assert same.statistic == pytest.approx(0.5)


DISTRIBUTIONS = {
    "uniform": (fit.uniform_cdf(2, 5), lambda rng, n: rng.uniform(2, 5, n)),
    "normal": (fit.normal_cdf(10, 3), lambda rng, n: rng.normal(10, 3, n)),
    "log_normal": (fit.log_normal_cdf(1, 0.5), lambda rng, n: rng.lognormal(1, 0.5, n)),
    "exponential": (fit.exponential_cdf(0.2), lambda rng, n: rng.exponential(5, n)),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_samples_of_the_distribution_are_rejected_as_often_as_stated(name: str) -> None:
    """Of 400 samples about 20 have p < 0.05: 8 to 35 is within three standard deviations."""
    cdf, draw = DISTRIBUTIONS[name]
    rng = np.random.default_rng(1)
    bounds = fit.cells_of(cdf, 100, -100, 100, whole=False)
    by_distance = by_cells = 0
    for _ in range(400):
        values = draw(rng, 100)
        by_distance += fit.kolmogorov_smirnov(values, cdf).p_value < 0.05
        cells = fit.chi_square(
            fit.counts_between(values, bounds), [100 * share for share in fit.shares_between(cdf, bounds)]
        )
        assert cells is not None
        by_cells += cells.p_value < 0.05
    assert 8 <= by_distance <= 35
    assert 8 <= by_cells <= 35


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_samples_of_another_distribution_are_rejected(name: str) -> None:
    cdf, draw = DISTRIBUTIONS[name]
    values = draw(np.random.default_rng(2), 2000) * 1.2
    assert fit.kolmogorov_smirnov(values, cdf).p_value < 1e-6


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_cells_are_about_equally_likely(name: str) -> None:
    cdf, _ = DISTRIBUTIONS[name]
    shares = fit.shares_between(cdf, fit.cells_of(cdf, 1000, -1000, 1000, whole=False))
    assert len(shares) == fit.MOST_CELLS
    assert shares == pytest.approx([1 / fit.MOST_CELLS] * fit.MOST_CELLS)

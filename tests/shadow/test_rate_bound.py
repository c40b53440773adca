"""The bound on a rate: against sums of the binomial's terms, in fractions where they are few, else from the largest."""

from __future__ import annotations

import math
import time
from fractions import Fraction

import pytest

from velo_shadow.rate_bound import at_most, upper_bound


def summed(k: int, n: int, rate: float) -> float:
    """The probability of at most k of n, term by term."""
    logarithm = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    term = math.exp(logarithm + k * math.log(rate) + (n - k) * math.log1p(-rate))
    terms = [term]
    for i in range(k, 0, -1):
        term *= i / (n - i + 1) * (1 - rate) / rate
        terms.append(term)
        if term < terms[0] * 1e-18:
            break
    return math.fsum(terms)


def halved(k: int, n: int) -> float:
    """The bound, by halving with sums."""
    low, high = k / n, 1.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if summed(k, n, middle) > 0.05 else (low, middle)
    return high


@pytest.mark.parametrize("n", [1, 2, 3, 10, 33, 100])
def test_probabilities_are_those_of_exact_sums(n: int) -> None:
    for k in sorted({0, min(1, n - 1), n // 3, n - 1}):
        for rate in (0.001, 0.1, 0.5, 0.77, 0.999):
            p = Fraction(rate)
            exact = sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))

            assert at_most(k, n, rate) == pytest.approx(float(exact), rel=1e-11, abs=1e-15)


@pytest.mark.parametrize(
    ("k", "n"),
    [(1, 2), (1, 1000), (7, 1000), (500, 1000), (999, 1000), (3, 200_000), (1234, 200_000), (150_000, 200_000)],
)
def test_bounds_are_those_of_sums(k: int, n: int) -> None:
    assert upper_bound(k, n) == pytest.approx(halved(k, n), rel=1e-9)


def test_of_ten_million_rows_it_takes_milliseconds() -> None:
    start = time.process_time()

    bounds = [upper_bound(k, 10_000_000) for k in (1, 1000, 5_000_000, 9_999_999)]

    assert time.process_time() - start < 1  # sums of terms took seven seconds for one of them
    assert bounds == sorted(bounds)
    assert bounds[2] == pytest.approx(0.5 + 1.6448536 * math.sqrt(0.25 / 1e7), abs=1e-7)  # the normal approximation
    assert bounds[3] < 1


def test_more_confidence_is_a_larger_bound() -> None:
    assert upper_bound(5, 100, 0.5) < upper_bound(5, 100) < upper_bound(5, 100, 0.999)

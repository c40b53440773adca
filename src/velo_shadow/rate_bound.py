"""How large a rate may be of which some cases were seen: the upper bound of Clopper and Pearson (1934).

The probability of at most k of n is the regularised incomplete beta function. Its continued fraction converges in about
the square root of n steps; its first factor is the binomial probability of k in Loader's form, which stays exact to the
last places where the logarithms of factorials, added up, would lose half of them.

Source: C. Loader, "Fast and Accurate Computation of Binomial Probabilities" (2000); W. J. Lentz (1976), the evaluation
of a continued fraction from its beginning.
"""

from __future__ import annotations

import math

CONFIDENCE = 0.95
_SMALLEST = 1e-300
"""What stands for a denominator of zero in Lentz's method."""
_EXACT = 1e-16
_STEPS = 1_000_000
"""Of the continued fraction; 10 million rows take some thousand."""


def upper_bound(differing: int, compared: int, confidence: float = CONFIDENCE) -> float:
    """The one-sided upper bound on a rate: `differing` of `compared` were seen.

    With none differing it is about 3 / compared (the rule of three). 1.0 when nothing was compared.
    """
    if differing >= compared:
        return 1.0
    if differing == 0:
        return -math.expm1(math.log(1 - confidence) / compared)
    low = differing / compared
    high = min(1.0, (differing + 4 * math.sqrt(differing) + 8) / compared)
    if at_most(differing, compared, high) > 1 - confidence:
        high = 1.0
    while True:  # halvings, until two neighbouring floats are left
        middle = (low + high) / 2
        if not low < middle < high:
            return high
        if at_most(differing, compared, middle) > 1 - confidence:
            low = middle
        else:
            high = middle


def at_most(k: int, n: int, rate: float) -> float:
    """The probability of at most k of n at this rate, 0 <= k < n."""
    if rate >= 1.0:
        return 0.0
    if rate <= 0.0:
        return 1.0
    first = rate * _probability(k, n, rate)
    if 1 - rate < (n - k + 1) / (n + 3):
        return min(1.0, first * _fraction(n - k, k + 1, 1 - rate))
    return max(0.0, 1 - first * (n - k) / (k + 1) * _fraction(k + 1, n - k, rate))


def _probability(k: int, n: int, rate: float) -> float:
    """Of exactly k of n."""
    if k == 0:
        return math.exp(n * math.log1p(-rate))
    exponent = _error(n) - _error(k) - _error(n - k) - _deviance(k, n * rate) - _deviance(n - k, n * (1 - rate))
    return math.exp(exponent) * math.sqrt(n / (2 * math.pi * k * (n - k)))


def _error(n: int) -> float:
    """The logarithm of n! less Stirling's formula for it."""
    if n < 16:
        return math.lgamma(n + 1) - (n + 0.5) * math.log(n) + n - 0.5 * math.log(2 * math.pi)
    square = n * n
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / square) / square) / square) / square) / n


def _deviance(x: float, mean: float) -> float:
    """x log(x / mean) + mean - x, without loss where both are near."""
    apart = (x - mean) / (x + mean)
    if abs(apart) >= 0.1:
        return x * math.log(x / mean) + mean - x
    total, term, power = (x - mean) * apart, 2 * x * apart, 1
    while True:
        term *= apart * apart
        power += 2
        more = total + term / power
        if more == total:
            return total
        total = more


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function, where x < (a + 1) / (a + b + 2)."""
    c = 1.0
    d = 1 / (1 - (a + b) * x / (a + 1) or _SMALLEST)
    result = d
    for m in range(1, _STEPS):
        even = a + 2 * m
        for numerator in (
            m * (b - m) * x / ((even - 1) * even),
            -(a + m) * (a + b + m) * x / (even * (even + 1)),
        ):
            d = 1 / (1 + numerator * d or _SMALLEST)
            c = 1 + numerator / c or _SMALLEST
            result *= c * d
        if abs(c * d - 1) < _EXACT:
            break
    return result

"""The verdict: bounds against tables and an exact sum of fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from velo_shadow.model import Counts, Decision
from velo_shadow.verdict import decide, further, upper_bound


def counts(matched: int, differing: int = 0, missing: int = 0, extra: int = 0) -> Counts:
    return Counts(matched + differing + missing, matched + differing + extra, matched, differing, missing, extra)


@pytest.mark.parametrize(
    ("k", "n", "bound"),
    [
        (0, 10, 0.258866),  # 1 - 0.05 ** (1 / 10)
        (0, 1000, 0.00299125),
        (1, 10, 0.394163),  # Clopper-Pearson tables, one-sided 95 %
        (5, 10, 0.777559),
        (10, 10, 1.0),
        (0, 0, 1.0),
    ],
)
def test_upper_bounds_of_tables(k: int, n: int, bound: float) -> None:
    assert upper_bound(k, n) == pytest.approx(bound, rel=1e-5)


@pytest.mark.parametrize(("k", "n"), [(1, 30), (7, 200), (40, 100), (99, 100)])
def test_at_the_bound_so_few_have_a_probability_of_five_percent(k: int, n: int) -> None:
    rate = Fraction(upper_bound(k, n))

    exact = sum(math.comb(n, i) * rate**i * (1 - rate) ** (n - i) for i in range(k + 1))

    assert float(exact) == pytest.approx(0.05, rel=1e-6)


def test_large_numbers_do_not_overflow() -> None:
    assert upper_bound(0, 10_000_000) == pytest.approx(2.9957e-7, rel=1e-4)
    assert 0.5 < upper_bound(5_000_000, 10_000_000) < 0.5003


def test_how_long_to_go_on_reaches_the_bound() -> None:
    more = further(1000, 0.001)

    assert upper_bound(0, 1000 + more) <= 0.001 < upper_bound(0, 1000 + more - 1)


@pytest.mark.parametrize(
    ("found", "decision"),
    [
        (counts(100), Decision.SAFE),
        (counts(100, differing=1), Decision.NOT_SAFE),
        (counts(100, missing=1), Decision.NOT_SAFE),
        (counts(100, extra=1), Decision.NOT_SAFE),
        (counts(0), Decision.INCONCLUSIVE),
        (counts(0, missing=5), Decision.INCONCLUSIVE),
        (Counts(1, 1, 0, 0, 0, 0), Decision.INCONCLUSIVE),
    ],
)
def test_every_difference_blocks_and_nothing_compared_is_never_safe(found: Counts, decision: Decision) -> None:
    assert decide(found).decision is decision


def test_waived_differences_do_not_block_and_the_others_do() -> None:
    assert decide(counts(100, differing=2), waived=2).decision is Decision.SAFE
    assert decide(counts(100, differing=3), waived=2).decision is Decision.NOT_SAFE


def test_what_is_missing_keeps_equal_rows_from_being_safe() -> None:
    verdict = decide(counts(100), missing=["the clocks are years apart"])

    assert (verdict.decision, verdict.reasons) == (Decision.INCONCLUSIVE, ("the clocks are years apart",))


@pytest.mark.parametrize(
    ("found", "pending", "decision"),
    [
        (counts(10), 10, Decision.SAFE),
        (counts(10), 11, Decision.INCONCLUSIVE),
        (counts(10, missing=1), 1000, Decision.NOT_SAFE),
    ],
)
def test_a_side_that_has_stopped_is_never_safe(found: Counts, pending: int, decision: Decision) -> None:
    """Of most rows nothing is known: what was equal before says nothing of them."""
    assert decide(found, pending=pending).decision is decision
    assert decide(found, pending=pending, waived=1).decision is not Decision.SAFE or pending <= found.compared


def test_rows_that_are_pending_are_no_empty_side() -> None:
    (reason,) = decide(counts(0), pending=1200).reasons

    assert reason == "no rows on either side that both sides have passed: 1,200 are pending"


def test_a_bound_that_is_required_and_not_reached_is_inconclusive() -> None:
    few, enough = decide(counts(2994), required=0.001), decide(counts(2995), required=0.001)

    assert (few.decision, few.needed, enough.decision) == (Decision.INCONCLUSIVE, 1, Decision.SAFE)
    assert decide(counts(10, differing=1), required=0.001).decision is Decision.NOT_SAFE

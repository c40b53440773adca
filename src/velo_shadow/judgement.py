"""From what a comparison found to its result: coverage, and the verdict with what speaks against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

from velo_shadow.causes.explaining import explained
from velo_shadow.compared import Compared
from velo_shadow.control import remarks
from velo_shadow.model import ComparisonResult, Counts, Coverage, Decision, Side
from velo_shadow.verdict import decide
from velo_shadow.waivers import Waiver, waived_rows


def judged(
    compared: Compared, *, waivers: Sequence[Waiver] = (), today: date, required: float | None = None
) -> ComparisonResult:
    """The result of a comparison: `today` tells which waivers hold, `required` is a bound.

    Errors: BAD_VALUE for a waiver that has expired or matches nothing.
    """
    counts = compared.diff.counts
    differences = explained(compared.diff.differences, compared)
    waived = waived_rows(differences, waivers, today)
    verdict = decide(counts, waived=waived, pending=compared.pending, required=required)
    doubts = [*_clocks_apart(compared), *_not_whole(compared)]
    if doubts and (verdict.decision is Decision.SAFE or not counts.matched + counts.differing):
        verdict = decide(counts, waived=waived, pending=compared.pending, missing=doubts, required=required)
    if compared.subtracted is not None:
        verdict = replace(verdict, reasons=(*verdict.reasons, *remarks(compared.subtracted)))
    return ComparisonResult(
        plan=compared.plan,
        counts=counts,
        differences=differences,
        causes=Counter(difference.cause for difference in differences),
        segments=compared.segments,
        coverage=_coverage(compared, counts),
        verdict=verdict,
        pending=compared.pending,
        pending_rows=compared.pending_rows,
        warm_up=compared.warm_up,
        waived=waived,
        churn=compared.churn,
        unmatched=compared.unmatched,
        performance=compared.performance,
        over_time=compared.over_time,
        subtracted=compared.subtracted,
    )


def _clocks_apart(compared: Compared) -> Iterator[str]:
    """What to say when the sides have no moment of event time in common."""
    left, right = (compared.spans[side] for side in Side)
    if left is None or right is None or (left[0] <= right[1] and right[0] <= left[1]):
        return
    yield (
        f'the sides have no event time in common: "{compared.plan.time_column}" runs from {left[0]} to {left[1]} '
        f"on the left, from {right[0]} to {right[1]} on the right"
    )


def _not_whole(compared: Compared) -> Iterator[str]:
    """What to say of a side that took back what it never gave: its rows are not known."""
    for side in Side:
        rows = compared.unmatched.get(side, 0)
        if rows:
            yield (
                f"the {side} side takes back {rows:,} row{'s' * (rows > 1)} that it never gave: "
                "compare it from its beginning, or say what its records mean (changelog)"
            )


def _coverage(compared: Compared, counts: Counts) -> Coverage:
    plan = compared.plan
    found = counts.matched + counts.differing
    ignored = {*plan.ignored, *(compared.subtracted.ignorable if compared.subtracted is not None else ())}
    return Coverage(
        columns=len(plan.key) + sum(name not in ignored for name in plan.column_names),
        columns_ignored=len(ignored),
        left=found / (found + counts.missing) if found else 0.0,
        right=found / (found + counts.extra) if found else 0.0,
    )

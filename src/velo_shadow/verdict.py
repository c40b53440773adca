"""May one switch? What was compared, what blocks, and how sure that makes one.

Every difference blocks, whatever its cause; a cause explains, it does not excuse. SAFE needs that something was
compared, on both sides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from velo_shadow.model import Counts, Decision, Verdict
from velo_shadow.rate_bound import CONFIDENCE, upper_bound

__all__ = ["CONFIDENCE", "WANTED_BOUND", "decide", "further", "upper_bound"]

WANTED_BOUND = 0.001
"""Upper bound on the true rate of differences that is asked for, to say how long to go on."""


def decide(
    counts: Counts,
    *,
    waived: int = 0,
    pending: int = 0,
    missing: Sequence[str] = (),
    required: float | None = None,
) -> Verdict:
    """The verdict.

    `missing`: what keeps the comparison from saying anything; `waived`: differing rows that are accepted; `required`:
    the bound without which equal rows are not enough (None: they are, and the verdict tells the way to WANTED_BOUND).
    """
    compared = counts.compared
    blocking = max(0, counts.different - waived)
    bound = upper_bound(blocking, compared)
    wanted = WANTED_BOUND if required is None else required
    needed = None if bound <= wanted or blocking else further(compared, wanted)
    lacking = [*missing, *_lacking(counts, pending, blocking)]
    if not lacking and blocking:
        return Verdict(Decision.NOT_SAFE, _blocking(counts, waived), compared, blocking, bound)
    if required is not None and needed:
        lacking.append(f"too few rows for a bound of {required:g}: {needed:,} more equal ones are needed")
    if lacking:
        return Verdict(Decision.INCONCLUSIVE, tuple(lacking), compared, blocking, bound, needed)
    none = f"none differs but the {waived:,} waived" if waived else "none differs"
    return Verdict(Decision.SAFE, (f"{compared:,} compared, {none}",), compared, 0, bound, needed)


def _lacking(counts: Counts, pending: int, blocking: int) -> list[str]:
    if counts.left and counts.right:
        waiting = f": {pending:,} are pending" if pending else ""
        if not counts.compared:
            return [f"no row could be compared{waiting}"]
        if blocking or pending <= counts.compared:
            return []
        # What stands still on one side is pending on the other for ever.
        return [f"only {counts.compared:,} compared, and {pending:,} pending: a side is behind, or has stopped"]
    sides = [name for name, rows in (("left", counts.left), ("right", counts.right)) if not rows]
    of = "either" if len(sides) > 1 else f"the {sides[0]}"
    if pending:
        return [f"no rows on {of} side that both sides have passed: {pending:,} are pending"]
    return [f"no rows on {of} side: nothing to compare"]


def _blocking(counts: Counts, waived: int) -> tuple[str, ...]:
    parts = [
        f"{rows:,} {what.replace('rows', 'row') if rows == 1 else what}"
        for rows, what in (
            (counts.differing, "rows with other values"),
            (counts.missing, "missing on the right"),
            (counts.extra, "only on the right"),
            (-waived, "of them waived"),
        )
        if rows
    ]
    return tuple(part.removeprefix("-") for part in parts)


def further(compared: int, wanted: float, confidence: float = CONFIDENCE) -> int:
    """How many more equal comparisons bring the bound of none differing to `wanted`."""
    needed = math.ceil(math.log(1 - confidence) / math.log1p(-wanted))
    return max(0, needed - compared)

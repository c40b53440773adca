"""May one switch? What was compared, what blocks, and how sure that makes one.

Every difference blocks, whatever its cause; a cause explains, it does not excuse. SAFE needs that something was
compared, on both sides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from velo_shadow.model import Counts, Decision, Verdict

CONFIDENCE = 0.95
WANTED_BOUND = 0.001
"""Upper bound on the true rate of differences that is asked for, to say how long to go on."""


def decide(
    counts: Counts, *, waived: int = 0, pending: int = 0, missing: Sequence[str] = (), wanted: float = WANTED_BOUND
) -> Verdict:
    """The verdict. `missing`: what keeps the comparison from saying anything; `waived`: differing rows accepted."""
    compared = counts.compared
    blocking = max(0, counts.different - waived)
    bound = upper_bound(blocking, compared)
    needed = None if bound <= wanted or blocking else further(compared, wanted)
    lacking = list(missing)
    if not counts.left or not counts.right:
        sides = [name for name, rows in (("left", counts.left), ("right", counts.right)) if not rows]
        lacking.append(f"no rows on the {' and the '.join(sides)} side{'s' * (len(sides) == 2)}: nothing to compare")
    elif not compared:
        lacking.append("no row could be compared" + (f": {pending} are pending" if pending else ""))
    if lacking:
        return Verdict(Decision.INCONCLUSIVE, tuple(lacking), compared, blocking, bound, needed)
    if blocking:
        return Verdict(Decision.NOT_SAFE, _blocking(counts, waived), compared, blocking, bound)
    return Verdict(Decision.SAFE, (f"{compared} compared, none differs",), compared, 0, bound, needed)


def _blocking(counts: Counts, waived: int) -> tuple[str, ...]:
    parts = [
        f"{rows} {what}"
        for rows, what in (
            (counts.differing, "rows with other values"),
            (counts.missing, "missing on the right"),
            (counts.extra, "only on the right"),
            (-waived, "of them waived"),
        )
        if rows
    ]
    return tuple(part.removeprefix("-") for part in parts)


def upper_bound(differing: int, compared: int, confidence: float = CONFIDENCE) -> float:
    """The one-sided upper bound of Clopper and Pearson (1934) on a rate: `differing` of `compared` were seen.

    With none differing it is about 3 / compared (the rule of three). 1.0 when nothing was compared.
    """
    if differing >= compared:
        return 1.0
    low, high = differing / compared, 1.0
    for _ in range(100):  # halvings: beyond the precision of a float
        middle = (low + high) / 2
        if _at_most(differing, compared, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def further(compared: int, wanted: float, confidence: float = CONFIDENCE) -> int:
    """How many more equal comparisons bring the bound of none differing to `wanted`."""
    needed = math.ceil(math.log(1 - confidence) / math.log1p(-wanted))
    return max(0, needed - compared)


def _at_most(k: int, n: int, rate: float) -> float:
    """The probability of at most k of n at this rate: the sum of the binomial's terms, from the largest down."""
    if rate >= 1.0:
        return 0.0
    if rate <= 0.0:
        return 1.0
    term = math.exp(
        math.lgamma(n + 1)
        - math.lgamma(k + 1)
        - math.lgamma(n - k + 1)
        + k * math.log(rate)
        + (n - k) * math.log1p(-rate)
    )
    total = term
    for i in range(k, 0, -1):
        term *= i / (n - i + 1) * (1 - rate) / rate
        total += term
        if term < total * 1e-16:
            break
    return min(1.0, total)

"""Times that are off by a zone, or were cut to fewer digits."""

from __future__ import annotations

from datetime import datetime, timedelta

from velo_shadow.causes.context import Context, Finding
from velo_shadow.model import Cause, Difference

_QUARTER = timedelta(minutes=15)
"""Offsets of all zones in use are multiples of it."""
_FURTHEST = timedelta(hours=26)
"""Between UTC-12 and UTC+14."""
_SHARE = 0.8
"""Of the column's differences that a zone must explain; two for the two halves of a year."""


def time_zone(difference: Difference, context: Context) -> Finding | None:
    """The right is ahead by an offset that zones have, and so it is in most of the column's differences."""
    apart = _apart(difference)
    if apart is None or not apart or abs(apart) > _FURTHEST or apart % _QUARTER:
        return None
    offsets = context.offsets[difference.column or ""]
    common = offsets.most_common(2)
    if apart not in dict(common) or sum(n for _, n in common) < _SHARE * offsets.total():
        return None
    hours = apart / timedelta(hours=1)
    return Finding(
        Cause.TIME_ZONE, f"the right is {hours:+g} h off in {offsets[apart]} of {offsets.total()} differences"
    )


def time_precision(difference: Difference, _context: Context) -> Finding | None:
    """Less than a second apart, and one side has no more than milliseconds or seconds."""
    apart = _apart(difference)
    if apart is None or abs(apart) >= timedelta(seconds=1):
        return None
    for digits, unit in ((0, 1_000_000), (3, 1_000)):
        for side, value in (("left", difference.left), ("right", difference.right)):
            if value.microsecond % unit == 0 and abs(apart) < timedelta(microseconds=unit):
                return Finding(Cause.TIME_PRECISION, f"the {side} time has {digits} digits of a second")
    return None


def _apart(difference: Difference) -> timedelta | None:
    left, right = difference.left, difference.right
    return right - left if isinstance(left, datetime) and isinstance(right, datetime) else None

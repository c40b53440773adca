"""Times that are off by a zone, or were cut to fewer digits."""

from __future__ import annotations

from datetime import datetime, timedelta

from velo_shadow.causes.context import Change, Context, Finding
from velo_shadow.model import Cause

QUARTER = timedelta(minutes=15)
"""Offsets of all zones in use are multiples of it."""
FURTHEST = timedelta(hours=26)
"""Between UTC-12 and UTC+14."""
_SHARE = 0.8
"""Of the column's differences that a zone must explain; two for the two halves of a year."""
_HOUR = timedelta(hours=1)
_COARSE = 3
"""Differences from which on times of whole minutes are no quarters of an hour apart by accident."""
_MINUTES = 3
"""Times that must all be cut to the minute: one or two are whole minutes by accident."""


def is_zone_offset(apart: timedelta) -> bool:
    """Whether two zones can be so far apart."""
    return bool(apart) and abs(apart) <= FURTHEST and not apart % QUARTER


def time_zone(change: Change, context: Context) -> Finding | None:
    """The right is ahead by an offset that zones have, and so it is in most of the column's differences."""
    apart = _apart(change)
    if apart is None or not is_zone_offset(apart):
        return None
    offsets = context.offsets[change.column]
    common = offsets.most_common(2)
    if apart not in dict(common) or sum(n for _, n in common) < _SHARE * offsets.total():
        return None
    if offsets.total() < _COARSE and apart % _HOUR and not _has_seconds(change.left):
        return None
    hours = apart / _HOUR
    return Finding(
        Cause.TIME_ZONE, f"the right is {hours:+g} h off in {offsets[apart]} of {offsets.total()} differences"
    )


def time_precision(change: Change, context: Context) -> Finding | None:
    """One side is the other cut to milliseconds or seconds; or, throughout the column, to minutes."""
    apart = _apart(change)
    if apart is None:
        return None
    for digits, unit in ((0, timedelta(seconds=1)), (3, timedelta(milliseconds=1))):
        for side, value in (("left", change.left), ("right", change.right)):
            if apart and _cut(max(change.left, change.right), unit) == value == min(change.left, change.right):
                return Finding(Cause.TIME_PRECISION, f"the {side} time has {digits} digits of a second")
    for side in ("left", "right"):
        number = context.once(_whole_minutes, change.column, side)
        if number >= _MINUTES:
            return Finding(Cause.TIME_PRECISION, f"the {side} times are whole minutes in {number} differences")
    return None


def _whole_minutes(context: Context, column: str, side: str) -> int:
    """In how many differences a side's times are those of the other cut to minutes; 0 when it is not so in all."""
    minute, other = timedelta(minutes=1), "right" if side == "left" else "left"
    changes = [one for one in context.changes[column] if _apart(one) is not None]
    return len(changes) if all(_cut(getattr(one, other), minute) == getattr(one, side) for one in changes) else 0


def _cut(value: datetime, unit: timedelta) -> datetime:
    return value - (value - datetime.min) % unit


def _has_seconds(value: datetime) -> bool:
    return bool(value.second or value.microsecond)


def _apart(change: Change) -> timedelta | None:
    left, right = change.left, change.right
    return right - left if isinstance(left, datetime) and isinstance(right, datetime) else None

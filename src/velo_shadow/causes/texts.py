"""Texts of which one is cut off."""

from __future__ import annotations

from collections import Counter

from velo_shadow.causes.context import Change, Context, Finding
from velo_shadow.model import Cause

_LEAST = 3
"""Characters that must be left, unless all texts of the column are cut alike: shorter beginnings agree by accident."""
_ALIKE = 3
"""Texts of which each is the beginning of the other: more than accident."""


def truncated(change: Change, context: Context) -> Finding | None:
    """One text is the beginning of the other."""
    cut = _cut(change)
    if cut is None:
        return None
    side, kept, length = cut
    alike = context.once(_cuts, change.column, side)
    if kept < _LEAST and alike.total() < _ALIKE:
        return None
    rule = f"; so do {alike.total()}, each after {kept}" if alike.total() > 1 and len(alike) == 1 else ""
    return Finding(Cause.TRUNCATED_TEXT, f"the {side} text ends after {kept} of {length} characters{rule}")


def _cuts(context: Context, column: str, side: str) -> Counter[int]:
    """The lengths that texts of a side are cut to, and how often."""
    cuts = [_cut(one) for one in context.changes[column]]
    return Counter(found[1] for found in cuts if found is not None and found[0] == side)


def _cut(change: Change) -> tuple[str, int, int] | None:
    """The side with the shorter text, its length and that of the longer; None: neither is the other's beginning."""
    left, right = change.left, change.right
    if not (isinstance(left, str) and isinstance(right, str)):
        return None
    shorter, longer = sorted((left, right), key=len)
    if not shorter or not longer.startswith(shorter) or not longer[len(shorter) :].strip():
        return None
    return "left" if shorter == left else "right", len(shorter), len(longer)

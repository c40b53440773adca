"""Texts of which one is cut off."""

from __future__ import annotations

from velo_shadow.causes.context import Context, Finding
from velo_shadow.model import Cause, Difference

_LEAST = 3
"""Characters that must be left: shorter beginnings agree by accident."""


def truncated(difference: Difference, _context: Context) -> Finding | None:
    """One text is the beginning of the other."""
    left, right = difference.left, difference.right
    if not (isinstance(left, str) and isinstance(right, str)):
        return None
    shorter, longer = sorted((left, right), key=len)
    if len(shorter) < _LEAST or not longer.startswith(shorter) or not longer[len(shorter) :].strip():
        return None
    side = "left" if shorter == left else "right"
    return Finding(Cause.TRUNCATED_TEXT, f"the {side} text ends after {len(shorter)} of {len(longer)} characters")

"""NULL on one side, a value on the other."""

from __future__ import annotations

from velo_shadow.causes.context import Context, Finding
from velo_shadow.model import Cause, Difference, Kind


def null_or_absent(difference: Difference, _context: Context) -> Finding | None:
    """The sides disagree about whether there is a value: an outer join, a default, an empty text read as NULL."""
    if difference.kind is not Kind.VALUE or (difference.left is None) == (difference.right is None):
        return None
    side, value = ("left", difference.right) if difference.left is None else ("right", difference.left)
    empty = " (an empty text)" if value == "" else ""
    return Finding(Cause.NULL_OR_ABSENT, f"the {side} side has NULL, the other a value{empty}")

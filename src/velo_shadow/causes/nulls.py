"""NULL on one side, a value on the other."""

from __future__ import annotations

from collections import Counter

from velo_shadow.causes.context import Change, Context, Finding
from velo_shadow.model import Cause


def _nulls(context: Context, column: str) -> Counter[str]:
    """By side, in how many differences of a column it alone has NULL."""
    changes = context.changes[column]
    return Counter("left" if one.left is None else "right" for one in changes if None in (one.left, one.right))


def null_or_absent(change: Change, context: Context) -> Finding | None:
    """The sides disagree about whether there is a value: an outer join, a default, an empty text read as NULL."""
    if (change.left is None) == (change.right is None):
        return None
    side, value = ("left", change.right) if change.left is None else ("right", change.left)
    empty = " (an empty text)" if value == "" else ""
    changes = context.changes[change.column]
    alike = context.once(_nulls, change.column)[side]
    often = f" in {alike} of {len(changes)} differences of the column" if len(changes) > 1 else ""
    return Finding(Cause.NULL_OR_ABSENT, f"the {side} side has NULL, the other a value{empty}{often}")

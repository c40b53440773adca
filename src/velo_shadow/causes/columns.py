"""Values that stand in each other's column."""

from __future__ import annotations

from velo_shadow.causes.context import Context, Finding, row_of
from velo_shadow.model import Cause, Difference, Kind


def swapped(difference: Difference, context: Context) -> Finding | None:
    """Two columns of one row hold each other's values."""
    if difference.kind is not Kind.VALUE:
        return None
    for name, other in context.rows[row_of(difference.key)].items():
        if name != difference.column and (other.left, other.right) == (difference.right, difference.left):
            return Finding(Cause.SWAPPED_COLUMNS, f'its value stands in "{name}" on the other side, and that one here')
    return None

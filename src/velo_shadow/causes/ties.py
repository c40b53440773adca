"""Rows that have changed places, as those of a Top-N do whose order its ORDER BY leaves open."""

from __future__ import annotations

from velo_shadow.causes.context import Context, Finding, exchange, row_of
from velo_shadow.model import Cause, Difference, Kind

_LEAST_COLUMNS = 2
"""That must be exchanged: single values agree by accident."""


def tie(difference: Difference, context: Context) -> Finding | None:
    """All that differs in the row stands exchanged in another row."""
    if difference.kind is not Kind.VALUE:
        return None
    row = context.rows[row_of(difference.key)]
    other = context.by_values.get(exchange(row, "right", "left"))
    if len(row) < _LEAST_COLUMNS or other is None or other == difference.key:
        return None
    key = ", ".join(f"{name}={value}" for name, value in other.items())
    return Finding(Cause.TOP_N_TIE, f"the row has changed places with that of {key}")

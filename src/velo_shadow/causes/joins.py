"""Rows that an outer join adds and an inner join does not have."""

from __future__ import annotations

from collections import defaultdict

from velo_shadow.causes.context import Context, Finding
from velo_shadow.causes.rows import Row
from velo_shadow.model import Cause, Side

_LEAST = 2
"""Rows of which one says nothing, and columns that are NULL in all of them, or nothing is padded."""
_SHARE = 0.8
"""Of the rows without partner that must be padded alike."""


def padded(context: Context) -> dict[int, Finding]:
    """Rows without partner that have NULLs in the same columns, as the padding of an outer join.

    Rows of the other side that are padded alike would speak against it: there, the join is an outer one as well.
    """
    found: dict[int, Finding] = {}
    for side in Side:
        lone = [row for row in context.rows if not row.changed and (row.left is None) == (side is Side.RIGHT)]
        groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        for row in lone:
            groups[tuple(name for name, value in row.any.items() if value is None)].append(row)
        for names, rows in groups.items():
            if len(names) < _LEAST or len(rows) < _LEAST or len(rows) < _SHARE * len(lone):
                continue
            if _padded_elsewhere(context, names, side.other):
                continue
            evidence = (
                f"only the {side} has rows with NULL in all of {', '.join(names)}, as an outer join adds them: "
                f"{len(rows)} of its {len(lone)} rows without partner"
            )
            for row in rows:
                found[row.members[0]] = Finding(Cause.JOIN_KIND, evidence)
    return found


def _padded_elsewhere(context: Context, names: tuple[str, ...], side: Side) -> bool:
    """Whether this side has such rows too, as far as is known."""
    rows = [row.left if side is Side.LEFT else row.right for row in context.single]
    return any(values is not None and all(values.get(name) is None for name in names) for values in rows)

"""Values that stand in each other's column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from velo_shadow.causes.context import Change, Context, Finding, changes_of
from velo_shadow.causes.rows import Row
from velo_shadow.model import Cause

_SHARE = 0.5
"""Of the rows in which both columns differ that must hold them exchanged: small numbers are so by accident."""


def swapped(context: Context) -> dict[int, Finding]:
    """Two columns of one row hold each other's values, and so they do in most rows that differ in both."""
    exchanged = [(row, one, other) for row in context.rows for one, other in _exchanged(row)]
    alike = Counter((one.column, other.column) for _, one, other in exchanged)
    both = Counter(pair for row in context.rows for pair in _pairs(row.changed))
    found: dict[int, Finding] = {}
    for row, one, other in exchanged:
        columns = one.column, other.column
        if alike[columns] < _SHARE * both[columns]:
            continue
        rows = f" ({alike[columns]} of {both[columns]} rows that differ in both)" if both[columns] > 1 else ""
        for change, there in ((one, other), (other, one)):
            evidence = f'its value stands in "{there.column}" on the other side, and that one here{rows}'
            places = row.members if row.is_paired else (row.members[row.changed.index(change.column)],)
            for place in places:
                found.setdefault(place, Finding(Cause.SWAPPED_COLUMNS, evidence))
    return found


def _exchanged(row: Row) -> Iterator[tuple[Change, Change]]:
    changes = [one for one in changes_of(row) if not isinstance(one.left, bool)]
    for number, one in enumerate(changes):
        for other in changes[number + 1 :]:
            if (one.left, one.right) == (other.right, other.left):
                yield one, other


def _pairs(names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for number, one in enumerate(names):
        for other in names[number + 1 :]:
            yield one, other

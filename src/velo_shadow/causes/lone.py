"""Rows without partner that are there once too often, or lie outside what the other side has seen."""

from __future__ import annotations

from velo_harness.reports.shown_values import text_of
from velo_shadow.causes.context import Context, Finding
from velo_shadow.causes.rows import row_of
from velo_shadow.model import Cause, Side

_LEAST = 3
"""Rows: one or two may lack at the beginning as anywhere else."""
_SHARE = 0.5
"""Of the side's rows without partner."""


def copies(context: Context) -> dict[int, Finding]:
    """Rows of a bag that the other side has as well, but less often."""
    profile = context.compared.profile if context.compared is not None else None
    found: dict[int, Finding] = {}
    if profile is None:
        return found
    for row in context.single:
        if row.changed:
            continue
        side = Side.LEFT if row.right is None else Side.RIGHT
        here, there = (profile[one].copies.get(row_of(row.any), 0) for one in (side, side.other))
        if there:
            often = f"{here} times on the {side}, {there} on the {side.other}" if here > there else "less often there"
            evidence = f"the {side.other} has the same row: it stands {often}"
            found[row.members[0]] = Finding(Cause.DUPLICATE_DELIVERY, evidence)
    return found


def outside(context: Context) -> dict[int, Finding]:
    """Rows before the other side's first: its state begins later. Rows after its last are only said to be."""
    compared = context.compared
    if compared is None or compared.plan.time_column is None:
        return {}
    name, found = compared.plan.time_column, dict[int, Finding]()
    for side in Side:
        span = compared.spans[side]
        lone = [row for row in context.rows if not row.changed and (row.left is None) == (side is Side.LEFT)]
        timed = [(row.any[name], row) for row in lone if row.any.get(name) is not None]
        if span is None or not timed:
            continue
        before = [(time, row) for time, row in timed if time < span[0]]
        if len(before) >= max(_LEAST, _SHARE * len(lone)):
            for time, row in before:
                begins = f"the {side} begins at {text_of(span[0])}, with {len(before)} rows of the other before"
                found[row.members[0]] = Finding(Cause.WARM_UP, f"its {name} is {text_of(time)}; {begins}")
        after = [(time, row) for time, row in timed if time > span[1]]
        if len(after) >= max(_LEAST, _SHARE * len(lone)):
            for time, row in after:
                ends = f"the {side} ends at {text_of(span[1])}, with {len(after)} rows of the other after"
                found[row.members[0]] = Finding(Cause.UNKNOWN, f"its {name} is {text_of(time)}; {ends}")
    return found

"""Rows without partner that lie outside what the other side has seen, or that are there once too often."""

from __future__ import annotations

from velo_harness.reports.shown_values import text_of
from velo_shadow.causes.context import Context, Finding
from velo_shadow.model import Cause, Side


def outside(context: Context) -> dict[int, Finding]:
    """Rows before the other side's first: its state begins later. Rows after its last are only said to be."""
    compared = context.compared
    if compared is None or compared.plan.time_column is None:
        return {}
    name, found = compared.plan.time_column, dict[int, Finding]()
    for row in context.rows:
        if row.changed:
            continue
        side = Side.LEFT if row.right is not None else Side.RIGHT
        span, time = compared.spans[side], row.any.get(name)
        if span is None or time is None:
            continue
        if time < span[0]:
            evidence = f"its {name} is {text_of(time)}, and the {side} begins at {text_of(span[0])}"
            found[row.members[0]] = Finding(Cause.WARM_UP, evidence)
        elif time > span[1]:
            evidence = f"its {name} is {text_of(time)}, and the {side} ends at {text_of(span[1])}"
            found[row.members[0]] = Finding(Cause.UNKNOWN, evidence)
    return found

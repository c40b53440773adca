"""Rows that show how the sides join: padded ones, and such as lie beyond the bounds of an interval."""

from __future__ import annotations

import math
from collections import defaultdict

from velo_shadow.causes.context import Context, Finding
from velo_shadow.causes.rows import Row
from velo_shadow.model import Cause, Side

_LEAST = 2
"""Rows of which one says nothing, and columns that are NULL in all of them, or nothing is padded."""
_SHARE = 0.8
"""Of the rows without partner that must be padded, or beyond a bound, alike."""
_BY_ACCIDENT = 0.05
"""The probability below which nobody takes it for one."""


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
    if context.compared is not None and context.compared.profile is not None:
        nulls = context.compared.profile[side].nulls
        return all(nulls.get(name, 0) > 0 for name in names)
    rows = [row.left if side is Side.LEFT else row.right for row in context.single]
    return any(values is not None and all(values.get(name) is None for name in names) for values in rows)


def unpartnered(context: Context) -> dict[int, Finding]:
    """Rows of which one side has NULL in all columns that differ, always the same several.

    They look like an outer join's rows whose partner has not come or was not found; why, they do not tell.
    """
    found: dict[int, Finding] = {}
    groups: dict[tuple[Side, tuple[str, ...]], list[Row]] = defaultdict(list)
    for row in context.rows:
        left, right = row.both
        for side, values, others in ((Side.LEFT, left, right), (Side.RIGHT, right, left)):
            names = row.changed
            if len(names) >= _LEAST and all(values[n] is None and others[n] is not None for n in names):
                groups[side, names].append(row)
    for (side, names), rows in groups.items():
        remark = f"{len(rows)} rows of the {side} have NULL in {', '.join(names)} together, as a join without partner"
        for row in rows:
            found |= dict.fromkeys(row.members, Finding(Cause.UNKNOWN, remark))
    return found


def beyond(context: Context) -> dict[int, Finding]:
    """Rows without partner whose two times are further apart, or nearer, than those of any row of the other side."""
    if context.compared is None or context.compared.profile is None:
        return {}
    found: dict[int, Finding] = {}
    for side in Side:
        lone = [row for row in context.rows if not row.changed and (row.left is None) == (side is Side.RIGHT)]
        other = context.compared.profile[side.other]
        for (first, second), (least, most) in other.apart.items():
            timed = [(row, row.any.get(first), row.any.get(second)) for row in lone]
            gaps = [(row, b - a) for row, a, b in timed if a is not None and b is not None]
            for beyond_most, bound in ((True, most), (False, least)):
                rows = [(row, gap) for row, gap in gaps if (gap > bound if beyond_most else gap < bound)]
                looked_at = 2 * len(other.apart)
                if not rows or len(rows) < _SHARE * len(lone) or not _is_rare(len(rows), other.rows, looked_at):
                    continue
                reach = "at most" if beyond_most else "at least"
                rule = f"on the {side.other} it is {reach} {bound}, in {other.rows} rows"
                for row, gap in rows:
                    evidence = f'"{second}" is {gap} after "{first}"; {rule}; so are {len(rows)} of {len(lone)} rows'
                    found.setdefault(row.members[0], Finding(Cause.WINDOW_BOUNDARY, evidence))
    return found


def _is_rare(beyond: int, rows: int, looked_at: int) -> bool:
    """Whether, of all rows, just these would rarely be the furthest by accident, in any of the ways looked at."""
    few = min(beyond, 4)
    return math.comb(few + rows, few) > looked_at / _BY_ACCIDENT

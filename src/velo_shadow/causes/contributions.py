"""Rows that sum up more on one side than on the other: contributions that came twice, late, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from velo_harness.reports.shown_values import text_of
from velo_shadow.causes.context import Context, Finding
from velo_shadow.causes.rows import Number, Row, cancel, is_number, less
from velo_shadow.causes.windows import groups_of
from velo_shadow.model import Cause, Side

_SHARE = 0.8
"""Of the rows with other contributions that must have fewer on the same side."""
_LEAST_TWICE = 2
"""Columns that must be doubled in a row, or rows in which one is."""


@dataclass(frozen=True, slots=True)
class Lack:
    """A row that sums up less on one side."""

    row: Row
    side: Side
    """The one that has less."""
    count: str
    """The column of whole numbers that tells: the one with the smallest values."""
    fewer: int
    others: tuple[str, ...]
    """Further columns that differ."""


def contributions(context: Context) -> dict[int, Finding]:
    """Counts that differ together with sums: one side's row sums up contributions that the other's does not."""
    found: dict[int, Finding] = {}
    lacking: list[Lack] = []
    twice = [row for row in context.rows if _doubled(row, context)]
    for row in context.rows:
        if row in twice:
            found |= _explain(row, Cause.DUPLICATE_DELIVERY, _twice_evidence(row, context))
        elif (lack := _lack(row, context)) is not None:
            lacking.append(lack)
    if not lacking:
        return found
    side = max(Side, key=lambda side: sum(lack.side is side for lack in lacking))
    alike = [lack for lack in lacking if lack.side is side]
    if len(alike) < _SHARE * len(lacking):
        return found
    is_windowed = bool(groups_of(context))
    for lack in alike:
        finding = _warm_up(lack, context) or (_late(lack, alike) if is_windowed else _state(lack, context))
        found |= dict.fromkeys(lack.row.members, finding)
    return found


def _explain(row: Row, cause: Cause, evidence: str) -> dict[int, Finding]:
    return dict.fromkeys(row.members, Finding(cause, evidence))


def _sums(row: Row, context: Context) -> list[tuple[str, Number, Number]]:
    """Columns of numbers that differ and stand on both sides, with the values of both."""
    left_values, right_values = row.both
    pairs = [(name, left_values[name], right_values[name]) for name in row.changed if name in context.numbers]
    return [(name, left, right) for name, left, right in pairs if is_number(left) and is_number(right)]


def _factor(left: Number, right: Number) -> int:
    """How often one number is the other's, from 2 on, negative where the left is the larger; 0: it is no multiple."""
    for sign, one, other in ((1, left, right), (-1, right, left)):
        for factor in (2, 3):
            if one and cancel([other, *[less(0, one)] * factor]):
                return sign * factor
    return 0


def _doubled(row: Row, context: Context) -> bool:
    """Whether a count and all sums that differ are the same multiple of the other side's."""
    sums = _sums(row, context)
    factors = {_factor(left, right) for _, left, right in sums}
    whole = any(isinstance(left, int) for _, left, _ in sums)
    return whole and len(sums) == len(row.changed) >= _LEAST_TWICE and len(factors) == 1 and 0 not in factors


def _twice_evidence(row: Row, context: Context) -> str:
    sums = _sums(row, context)
    factor = _factor(*sums[0][1:])
    side = "right" if factor > 0 else "left"
    shown = ", ".join(f"{name} is {text_of(left)} and {text_of(right)}" for name, left, right in sums)
    return f"the {side} sums up every contribution {abs(factor)} times: {shown}"


def _lack(row: Row, context: Context) -> Lack | None:
    """What a row lacks on one side: a count of at least one less, and another column that differs as well."""
    sums = _sums(row, context)
    counts = [
        (left + right, name, right - left)
        for name, left, right in sums
        if isinstance(left, int) and isinstance(right, int) and min(left, right) >= 0
    ]
    if not counts or len(row.changed) < 2 or row.is_paired:
        return None
    _, name, more = min(counts)
    if any((delta > 0) != (more > 0) for _, _, delta in counts):
        return None
    side = Side.LEFT if more > 0 else Side.RIGHT
    return Lack(row, side, name, abs(more), tuple(n for n in row.changed if n != name))


def _numbers(lack: Lack) -> str:
    """What the row lacks, in numbers."""
    left, right = lack.row.both
    more = left if lack.side is Side.RIGHT else right
    others = [f"{name} is {_short(left[name])} and {_short(right[name])}" for name in lack.others]
    return f"the {lack.side} lacks {lack.fewer} of {more[lack.count]} in {lack.count}; {', '.join(others)}"


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else text_of(value)


def _late(lack: Lack, alike: Sequence[Lack]) -> Finding:
    """Contributions of a window that no neighbouring window has: dropped, as late rows are."""
    rows = f" ({len(alike)} windows lack some on the {lack.side})" if len(alike) > 1 else ""
    return Finding(Cause.LATE_ON_ONE_SIDE, f"{_numbers(lack)}; no neighbouring window has them{rows}")


def _warm_up(lack: Lack, context: Context) -> Finding | None:
    """The row is of the side's first time, and the other side's stream begins earlier."""
    spans = {} if context.compared is None else context.compared.spans
    mine, other, time = spans.get(lack.side), spans.get(lack.side.other), _time(lack.row, context)
    if mine is None or other is None or time is None or mine[0] <= other[0] or time > mine[0]:
        return None
    begins = f"the {lack.side} begins at {text_of(mine[0])}, the {lack.side.other} at {text_of(other[0])}"
    return Finding(Cause.WARM_UP, f"{_numbers(lack)}; {begins}")


def _time(row: Row, context: Context) -> Any:
    name = None if context.compared is None else context.compared.plan.time_column
    return None if name is None else row.any.get(name)


def _state(lack: Lack, context: Context) -> Finding:
    """An aggregate that no window ends. What a time that moved says of the side's state."""
    left, right = lack.row.both
    mine, other = (left, right) if lack.side is Side.LEFT else (right, left)
    later = [n for n in lack.row.changed if _both_times(mine.get(n), other.get(n)) and mine[n] > other[n]]
    if not later:
        return Finding(Cause.UNKNOWN, _numbers(lack))
    name = later[0]
    first = min(_times_of(context, lack.side, name), default=mine[name])
    evidence = f"{_numbers(lack)}; its {name} is {text_of(mine[name])}, that of the other {text_of(other[name])}"
    if first <= other[name]:
        return Finding(Cause.TTL_EXPIRY, f"{evidence}, although the {lack.side} has rows from {text_of(first)} on")
    return Finding(Cause.WARM_UP, f"{evidence}, and no row of the {lack.side} begins before {text_of(first)}")


def _both_times(one: Any, other: Any) -> bool:
    return isinstance(one, datetime) and isinstance(other, datetime)


def _times_of(context: Context, side: Side, name: str) -> Iterable[datetime]:
    for row in context.single:
        values = row.left if side is Side.LEFT else row.right
        value = None if values is None else values.get(name)
        if isinstance(value, datetime):
            yield value

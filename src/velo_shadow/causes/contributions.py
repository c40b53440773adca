"""Rows that sum up more on one side than on the other: contributions that came twice, late, or not at all.

A count that differs together with a sum shows that contributions are lacking. Which ones they are, minima, maxima and
last times tell: a contribution that came twice moves none of them, any other one moves each with the probability of
being the smallest, the largest or the last of all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from velo_harness.reports.shown_values import text_of
from velo_shadow.causes.context import Context, Finding
from velo_shadow.causes.rows import Number, Row, cancel, is_number, less
from velo_shadow.causes.windows import are_windows, groups_of
from velo_shadow.model import Cause, Side

_SHARE = 0.8
"""Of the rows with other contributions that must have fewer on the same side."""
_BY_ACCIDENT = 0.05
"""The probability below which an extreme value that never moved is no accident."""
_NEAR = Fraction(1, 10**9)
"""Of floating-point numbers that are one multiple."""
_LEAST_CHOSEN = 10
"""Rows from which on it shows which contributions lack."""
_CHOSEN = 0.95
"""Of these rows, in which what lacks is larger, or smaller, than the mean."""
_LEAST_TWICE = 2
"""Columns that must be doubled in a row."""


@dataclass(frozen=True, slots=True)
class Lack:
    """A row that sums up less on one side."""

    row: Row
    side: Side
    """The one that has less."""
    count: str
    """The column of whole numbers that tells: the one with the smallest values."""
    fewer: int
    of: int
    """What the other side counts."""
    is_half: bool
    """Whether all numbers that differ are twice the other side's."""


def contributions(context: Context) -> dict[int, Finding]:
    """Counts that differ together with sums: one side's row sums up contributions that the other's does not."""
    lacking = [lack for row in context.rows if (lack := _lack(row, context)) is not None]
    if not lacking:
        return {}
    side = max(Side, key=lambda side: sum(lack.side is side for lack in lacking))
    alike = [lack for lack in lacking if lack.side is side]
    is_windowed = are_windows(context.once(groups_of))
    if len(alike) < _SHARE * len(lacking) or not (is_windowed or _may_be_sums(alike, context)):
        return {}
    group = _Group(alike, side, _extremes(alike, context), context, is_windowed)
    return {place: finding for lack in alike for finding in [group.finding(lack)] for place in lack.row.members}


def _lack(row: Row, context: Context) -> Lack | None:
    """What a row lacks on one side: a count of at least one less, and another column that differs as well."""
    sums = _sums(row, context)
    counts = [
        (left + right, name, right - left)
        for name, left, right in sums
        if isinstance(left, int) and isinstance(right, int) and min(left, right) >= 0 and name not in context.unique
    ]
    if not counts or len(row.changed) < 2 or row.is_paired:
        return None
    total, name, more = min(counts)
    if any((delta > 0) != (more > 0) for _, _, delta in counts):
        return None
    side = Side.LEFT if more > 0 else Side.RIGHT
    factors = {_is_twice(left, right) if more > 0 else _is_twice(right, left) for _, left, right in sums}
    is_half = len(sums) == len(row.changed) >= _LEAST_TWICE and factors == {True}
    return Lack(row, side, name, abs(more), (total + abs(more)) // 2, is_half)


def _may_be_sums(lacks: Sequence[Lack], context: Context) -> bool:
    """Whether rows without a window may sum up others: texts beside the key, and numbers of which all go together, are
    those of a single event whose numbers are wrong."""
    for name, value in lacks[0].row.any.items():
        is_fixed = all(name not in lack.row.changed for lack in lacks)
        if isinstance(value, str) and name not in context.key and is_fixed:
            return False
    together = sum(not lack.is_half and _go_together(lack, context) for lack in lacks)
    return together <= len(lacks) / 2


def _go_together(lack: Lack, context: Context) -> bool:
    """Whether all numbers that differ are one multiple of the other side's, as a price of a quantity is."""
    sums = {name: (Fraction(left), Fraction(right)) for name, left, right in _sums(lack.row, context)}
    first, second = sums[lack.count]
    return all(abs(left * second - right * first) <= abs(left * second) * _NEAR for left, right in sums.values())


def _sums(row: Row, context: Context) -> list[tuple[str, Number, Number]]:
    """Columns of numbers that differ and stand on both sides, with the values of both."""
    left_values, right_values = row.both
    pairs = [(name, left_values[name], right_values[name]) for name in row.changed if name in context.numbers]
    return [(name, left, right) for name, left, right in pairs if _is_finite(left) and _is_finite(right)]


def _is_finite(value: Any) -> bool:
    return is_number(value) and math.isfinite(value)


def _is_twice(half: Number, whole: Number) -> bool:
    return bool(half) and cancel([whole, less(0, half), less(0, half)])


@dataclass(frozen=True, slots=True)
class _Extreme:
    """A column that holds a minimum, a maximum or a last time: few contributions move it."""

    name: str
    moved: int
    """Rows in which it differs."""
    is_time: bool


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows that all lack contributions on one side."""

    lacks: Sequence[Lack]
    side: Side
    extremes: Sequence[_Extreme]
    context: Context
    is_windowed: bool

    def finding(self, lack: Lack) -> Finding:
        """What the row lacks, and why."""
        numbers = _numbers(lack)
        if lack.is_half:
            return Finding(Cause.DUPLICATE_DELIVERY, f"the {self.side.other} has all of it twice: {numbers}")
        chosen = self._chosen_by_value()
        if chosen is not None:
            return Finding(Cause.UNKNOWN, f"{numbers}; {chosen}")
        moved = [one for one in self.extremes if one.moved]
        repeated = self._unmoved(self.extremes)
        if not moved and (repeated < _BY_ACCIDENT or (self.extremes and any(one.is_half for one in self.lacks))):
            what = f"in {len(self.lacks)} rows with more on the {self.side.other} {_names(self.extremes)} never moved"
            by_accident = f"other contributions would leave them so with a probability of {repeated:.2g}"
            return Finding(Cause.DUPLICATE_DELIVERY, f"{numbers}; {what}: {by_accident}")
        return self._of_window(lack, moved) if self.is_windowed else self._of_state(lack)

    def _chosen_by_value(self) -> str | None:
        """That the contributions that lack are nearly all small ones, or large ones, as if a condition chose them."""
        if len(self.lacks) < _LEAST_CHOSEN:
            return None
        for name in self.context.numbers:
            parts = [_contribution(lack, name) for lack in self.lacks]
            known = [part for part in parts if part is not None]
            if len(known) < len(self.lacks):
                continue
            above = sum(part > mean for part, mean in known)
            for number, what in ((above, "more"), (len(known) - above, "less")):
                if number >= _CHOSEN * len(known):
                    of = f"{number} of {len(known)} rows"
                    return f"those that lack add {what} to {name} than the mean in {of}"
        return None

    def _unmoved(self, extremes: Sequence[object]) -> float:
        """How probable it is that contributions that lack at random are never the extreme ones."""
        logarithm = sum(math.log((lack.of - lack.fewer) / lack.of) for lack in self.lacks if lack.fewer < lack.of)
        return math.exp(logarithm * len(extremes))

    def _of_window(self, lack: Lack, moved: Sequence[_Extreme]) -> Finding:
        """Contributions of a window that no neighbouring window has: dropped, as late rows are, or never seen."""
        warm_up = self._begins_later(lack)
        if warm_up is not None:
            return Finding(Cause.WARM_UP, f"{_numbers(lack)}; {warm_up}")
        number, rows = len(self.lacks), self._rows
        windows = f"{number} of {rows} windows lack some on the {self.side}, and no neighbouring window has them"
        if number > rows / 2 and rows >= _LEAST_CHOSEN:
            return Finding(Cause.UNKNOWN, f"{_numbers(lack)}; {windows}: more than are ever late")
        if self._gone > number:
            return Finding(Cause.UNKNOWN, f"{_numbers(lack)}; {windows}; {self._gone} more are not there at all")
        if moved:
            extremes = ", ".join(f"{one.name} moved in {one.moved}" for one in moved)
            what = f"{extremes}, as contributions do that came but once"
            return Finding(Cause.LATE_ON_ONE_SIDE, f"{_numbers(lack)}; {windows}; {what}")
        either = f"late on the {self.side}, or twice on the {self.side.other}"
        return Finding(Cause.UNKNOWN, f"{_numbers(lack)}; {windows}: {either}")

    def _begins_later(self, lack: Lack) -> str | None:
        """That the row is of the side's first time, and the other side begins earlier."""
        compared = self.context.compared
        if compared is None or compared.plan.time_column is None:
            return None
        mine, other = compared.spans[self.side], compared.spans[self.side.other]
        time = lack.row.any.get(compared.plan.time_column)
        if mine is None or other is None or time is None or mine[0] <= other[0] or time > mine[0]:
            return None
        return f"the {self.side} begins at {text_of(mine[0])}, the {self.side.other} at {text_of(other[0])}"

    def _of_state(self, lack: Lack) -> Finding:
        """An aggregate that no window ends lacks what came first: its state was not there, or is no longer."""
        left, right = lack.row.both
        mine, other = (left, right) if self.side is Side.LEFT else (right, left)
        for name in lack.row.changed:
            if isinstance(mine[name], datetime) and isinstance(other[name], datetime) and mine[name] > other[name]:
                return self._began_anew(lack, name, mine[name], other[name])
        times = [one.name for one in self.extremes if one.is_time and not one.moved and self._is_last(one.name)]
        accident = self._unmoved(times)
        if not times or accident >= _BY_ACCIDENT / 5:
            return Finding(Cause.UNKNOWN, _numbers(lack))
        number, rows = len(self.lacks), self._rows
        last = f"in all of them {' and '.join(times)} is the same, so that the last of all never lacks"
        evidence = f"{_numbers(lack)}; {number} of {rows} rows lack some; {last}, by accident {accident:.2g} probable"
        if number > rows / 2:
            return Finding(Cause.WARM_UP, f"{evidence}; in most rows: state that was never there, or has expired")
        return Finding(Cause.TTL_EXPIRY, f"{evidence}; not in most rows: state that has expired, or was never there")

    @property
    def _gone(self) -> int:
        """Rows that the side lacks as a whole, less those that it has beside."""
        lone = [row for row in self.context.single if not row.changed]
        missing = sum((row.left is None) == (self.side is Side.LEFT) for row in lone)
        return 2 * missing - len(lone)

    @property
    def _rows(self) -> int:
        """All that were compared."""
        return self.context.compared.diff.counts.compared if self.context.compared is not None else len(self.lacks)

    def _is_last(self, name: str) -> bool:
        """Whether a time is the last of what a row sums up, not the first: then most lie in the later half of all."""
        times: list[datetime] = sorted(lack.row.any[name] for lack in self.lacks)
        middle = times[0] + (times[-1] - times[0]) / 2
        return sum(time > middle for time in times) > len(times) / 2

    def _began_anew(self, lack: Lack, name: str, mine: datetime, other: datetime) -> Finding:
        """A first time is later than on the other side: what was before is forgotten, or was never seen."""
        values = [row.left if self.side is Side.LEFT else row.right for row in self.context.single]
        first = min((one[name] for one in values if one is not None and one[name] is not None), default=mine)
        evidence = f"{_numbers(lack)}; the {self.side}"
        if first <= other:
            evidence = f"{evidence} has rows with {name} from {text_of(first)} on, but this not from {text_of(other)}"
            return Finding(Cause.TTL_EXPIRY, evidence)
        return Finding(Cause.WARM_UP, f"{evidence} has no row with {name} before {text_of(first)}")


def _contribution(lack: Lack, name: str) -> tuple[float, float] | None:
    """What a contribution that lacks adds to a sum, and what one adds in the mean; None: the column is no such sum."""
    left, right = lack.row.both
    less_values, more_values = (left, right) if lack.side is Side.LEFT else (right, left)
    fewer, more = less_values[name], more_values[name]
    if name == lack.count or not (_is_finite(fewer) and _is_finite(more)) or not 0 <= fewer < more:
        return None
    return (float(more) - float(fewer)) / lack.fewer, float(more) / lack.of


def _extremes(lacks: Sequence[Lack], context: Context) -> list[_Extreme]:
    """Columns that move no more often than an extreme value does. Those that the key determines tell nothing."""
    expected = sum(lack.fewer / lack.of for lack in lacks if lack.of)
    most = expected + 3 * math.sqrt(expected) + 1
    found = []
    for name, value in lacks[0].row.any.items():
        is_time = isinstance(value, datetime)
        counted = {lack.count for lack in lacks}
        if name in context.key or name in counted or not (is_time or name in context.numbers):
            continue
        if _is_determined(name, lacks, context):
            continue
        moved = sum(name in lack.row.changed for lack in lacks)
        if moved <= most and moved < len(lacks):
            found.append(_Extreme(name, moved, is_time))
    return found


def _is_determined(name: str, lacks: Sequence[Lack], context: Context) -> bool:
    """Whether a column has one value in all rows or, of a time, one distance from a time of the key."""
    values = [lack.row.any.get(name) for lack in lacks]
    if len(set(map(repr, values))) == 1:
        return True
    if not isinstance(values[0], datetime):
        return False
    for key in context.key:
        starts = [lack.row.any.get(key) for lack in lacks]
        if isinstance(starts[0], datetime):
            pairs = zip(starts, values, strict=True)
            if len({b - a for a, b in pairs if isinstance(a, datetime) and isinstance(b, datetime)}) <= 1:
                return True
    return False


def _names(extremes: Iterable[_Extreme]) -> str:
    return " and ".join(one.name for one in extremes)


def _numbers(lack: Lack) -> str:
    """What the row lacks, in numbers."""
    left, right = lack.row.both
    others = [f"{n} is {_short(left[n])} and {_short(right[n])}" for n in lack.row.changed if n != lack.count]
    return f"the {lack.side} lacks {lack.fewer} of {lack.of} in {lack.count}; {', '.join(others)}"


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else text_of(value)

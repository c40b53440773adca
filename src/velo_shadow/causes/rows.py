"""Rows that differ, with what is known of them on both sides: what detectors look at beside single values."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from velo_harness.reports.shown_values import text_of
from velo_shadow.model import Difference, Kind

Values: TypeAlias = Mapping[str, Any]
Number: TypeAlias = int | float | Decimal

_MOST_PAIRED = 2_000
"""Rows without partner from which pairs that differ in two columns are not looked for: it takes each two columns."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row that differs."""

    key: Values
    """By column, as the comparison paired by it."""
    left: Values | None
    """All columns; None: the left lacks the row."""
    right: Values | None
    changed: tuple[str, ...]
    """Columns that differ; of a row that one side lacks none."""
    members: tuple[int, ...]
    """Places of its differences among all."""
    is_paired: bool = False
    """Whether it stands for two rows without partner that belong together by all columns but `changed`."""

    @property
    def any(self) -> Values:
        """The row of the left, else that of the right."""
        return self.left if self.left is not None else self.right or {}

    @property
    def both(self) -> tuple[Values, Values]:
        """The row of the left and that of the right; nothing of a side that lacks it."""
        return self.left or {}, self.right or {}


def row_of(key: Values) -> str:
    """What tells rows apart by key, whatever types it has."""
    return repr(tuple(key.values()))


def rows_of(differences: Sequence[Difference]) -> list[Row]:
    """The rows that differ, in order: the differences of one row follow each other."""
    rows: list[Row] = []
    for place, one in enumerate(differences):
        if one.kind is not Kind.VALUE:
            whole = one.row or one.key
            left, right = (whole, None) if one.kind is Kind.MISSING else (None, whole)
            rows.append(Row(one.key, left, right, (), (place,)))
            continue
        last = rows[-1] if rows else None
        name = one.column or ""
        if last is not None and last.changed and name not in last.changed and _is_same(differences, last, one):
            left_values, right_values = last.both
            rows[-1] = replace(
                last,
                left={**left_values, name: one.left},
                right={**right_values, name: one.right},
                changed=(*last.changed, name),
                members=(*last.members, place),
            )
        else:
            whole = one.row or one.key
            rows.append(Row(one.key, {**whole, name: one.left}, {**whole, name: one.right}, (name,), (place,)))
    return rows


def _is_same(differences: Sequence[Difference], row: Row, one: Difference) -> bool:
    before = differences[row.members[0]]
    return before.row is one.row or (row_of(before.key) == row_of(one.key) and before.row == one.row)


def paired_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows, with pairs of lone ones (one of each side) put together where all but one column, or two, agree.

    A pair must be the only one that fits: else it says nothing.
    """
    lone = [row for row in rows if not row.changed and len(row.any) > 1]
    sides = [row for row in lone if row.right is None], [row for row in lone if row.left is None]
    found: dict[int, Row] = {}
    names = list(lone[0].any) if lone else []
    shown = {row.members[0]: {name: _nearly(row.any.get(name)) for name in names} for row in lone}
    if len(names) > 2:  # of two columns that agree in one every two rows are a pair
        for name in names:
            _pair(sides, (name,), shown, found)
        if len(lone) - len(found) <= _MOST_PAIRED and len(names) > 3:
            for i, first in enumerate(names):
                for second in names[i + 1 :]:
                    _pair(sides, (first, second), shown, found)
    result: list[Row] = []
    for row in rows:
        pair = found.get(row.members[0]) if not row.changed else None
        if pair is None:
            result.append(row)
        elif pair.members[0] == row.members[0]:
            result.append(pair)
    return result


def _pair(
    sides: tuple[list[Row], list[Row]],
    but: tuple[str, ...],
    shown: Mapping[int, Mapping[str, str]],
    found: dict[int, Row],
) -> None:
    names = next(iter(shown.values()))
    same = [name for name in names if name not in but]
    by_values: list[dict[tuple[str, ...], list[Row]]] = [defaultdict(list), defaultdict(list)]
    for rows, index in zip(sides, by_values, strict=True):
        for row in rows:
            if row.members[0] not in found:
                index[tuple(shown[row.members[0]][name] for name in same)].append(row)
    for values, lefts in by_values[0].items():
        rights = by_values[1].get(values, [])
        if len(lefts) == len(rights) == 1:
            left, right = lefts[0], rights[0]
            if any(shown[left.members[0]][name] == shown[right.members[0]][name] for name in but):
                continue
            pair = Row(left.key, left.any, right.any, but, (*left.members, *right.members), is_paired=True)
            found[left.members[0]] = found[right.members[0]] = pair


def _nearly(value: Any) -> str:
    """A value up to the order of additions of floating point."""
    return f"{value:.9g}" if isinstance(value, float) else repr(value)


def is_number(value: Any) -> bool:
    """Whether a value is one that sums are made of."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def numbers_of(rows: Iterable[Row], key: Iterable[str]) -> tuple[str, ...]:
    """Columns beside the key that hold numbers."""
    excluded, found = set(key), dict[str, None]()
    for row in rows:
        for values in (row.left, row.right):
            for name, value in (values or {}).items():
                if name not in excluded and is_number(value):
                    found[name] = None
    return tuple(found)


def times_in(values: Values, names: Iterable[str]) -> tuple[datetime, ...]:
    """The times among these columns, in order."""
    return tuple(sorted(values[name] for name in names if isinstance(values.get(name), datetime)))


def less(first: Any, second: Any) -> Number:
    """`first - second`, where None is nothing, and a decimal never passes through a float."""
    first, second = (0 if value is None else value for value in (first, second))
    if isinstance(first, float) or isinstance(second, float):
        return float(first) - float(second)
    result: Number = first - second
    return result


def cancel(deltas: Sequence[Number]) -> bool:
    """Whether changes add up to nothing; of floating point, up to the order of additions."""
    total = sum(deltas[1:], start=deltas[0]) if deltas else 0
    if isinstance(total, float):
        return abs(total) <= 1e-9 * sum(abs(float(delta)) for delta in deltas)
    return total == 0


def shown_key(values: Values, names: Iterable[str]) -> str:
    """Columns with their values, for people."""
    return ", ".join(f"{name}={text_of(values[name])}" for name in names if name in values)


def constant(values: Iterable[Any]) -> tuple[Any, int, int]:
    """The most frequent value, how often it stands there, and how many values there are."""
    counted = Counter(values)
    if not counted:
        return None, 0, 0
    value, number = counted.most_common(1)[0]
    return value, number, counted.total()

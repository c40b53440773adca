"""Rows that have changed places, as those of a Top-N do whose order its ORDER BY leaves open."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any

from velo_shadow.causes.context import Context, Finding
from velo_shadow.causes.rows import Row, is_number, shown_key
from velo_shadow.model import Cause

_LEAST_COLUMNS = 2
"""That must be exchanged: single values agree by accident."""


def ties(context: Context) -> dict[int, Finding]:
    """All that differs in a row stands in another row of the other side, and what rows can be ordered by is the same.

    Where an ordering column differs as well, the order itself differs: that is no tie, and only said.
    """
    places = _places(context)
    found: dict[int, Finding] = {}
    for row in context.rows:
        if row.is_paired or len(row.changed) < _LEAST_COLUMNS:
            continue
        other = next((o for o in places[_what(row, "right")] if o is not row and _is_near(row, o)), None)
        if other is None:
            continue
        key = shown_key(other.any, other.key)
        same = _ordering(row, other)
        if same:
            by = f"with the same {shown_key(row.any, same)}"
            finding = Finding(Cause.TOP_N_TIE, f"the row has changed places with that of {key} {by}")
        elif _what(other, "right") == _what(row, "left"):
            names = ", ".join(row.changed)
            finding = Finding(Cause.UNKNOWN, f"the row of {key} stands in its place, and they differ in {names}")
        else:
            continue
        found.update(dict.fromkeys(row.members, finding))
    return found | _at_the_end(context, found)


def _at_the_end(context: Context, found: Mapping[int, Finding]) -> dict[int, Finding]:
    """Rows of the last place whose counterpart has none. Others must have changed places that differ in the same."""
    exchanged = [row for row in context.rows if _is_tie(row, found)]
    alike = Counter(row.changed for row in exchanged)
    places = {name: [row.key[name] for row in exchanged] for name in _place_names(exchanged)}
    last = {name: max(values) for name, values in places.items() if all(map(is_number, values))}
    added: dict[int, Finding] = {}
    for row in context.rows:
        if row.members[0] in found or not alike[row.changed]:
            continue
        same = [name for name, value in _others(row).items() if is_number(value) or isinstance(value, date)]
        if not any(is_number(row.key[name]) and row.key[name] >= place for name, place in last.items()):
            continue
        evidence = (
            f"in the last place another row with the same {shown_key(row.any, same)}; "
            f"{alike[row.changed]} rows that differ in the same columns have changed places"
        )
        added |= dict.fromkeys(row.members, Finding(Cause.TOP_N_TIE, evidence))
    return added


def _place_names(exchanged: Sequence[Row]) -> set[str]:
    """Columns of the key that hold the place: those in which rows of one group differ."""
    return {
        name
        for row, other in pairwise(exchanged)
        for name in row.key
        if _is_near(row, other) and row.key[name] != other.key[name]
    }


def _is_tie(row: Row, found: Mapping[int, Finding]) -> bool:
    return row.members[0] in found and found[row.members[0]].cause is Cause.TOP_N_TIE


def _places(context: Context) -> dict[tuple[str, ...], list[Row]]:
    """By what differs in a row as the left has it, the rows."""
    places: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in context.rows:
        if len(row.changed) >= _LEAST_COLUMNS and not row.is_paired:
            places[_what(row, "left")].append(row)
    return places


def _what(row: Row, side: str) -> tuple[str, ...]:
    values = getattr(row, side)
    return tuple(f"{name}: {values[name]!r}" for name in sorted(row.changed))


def _is_near(row: Row, other: Row) -> bool:
    """Whether both are of one group: the keys differ in one column of numbers, the place."""
    names = [name for name in row.key if row.key[name] != other.key.get(name)]
    return len(names) == 1 and is_number(row.key[names[0]])


def _others(row: Row) -> dict[str, Any]:
    """What is the same on both sides beside the key."""
    return {name: value for name, value in row.any.items() if name not in row.key and name not in row.changed}


def _ordering(row: Row, other: Row) -> list[str]:
    """Columns with numbers or times that both rows have the same value in."""
    others = _others(other)
    return [
        name
        for name, value in _others(row).items()
        if (is_number(value) or isinstance(value, date)) and others.get(name) == value
    ]

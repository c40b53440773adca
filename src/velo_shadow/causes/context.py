"""What a detector is given beside the difference it is asked about, and what it answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from velo_shadow.model import Cause, Difference, Kind


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause with what shows it."""

    cause: Cause
    evidence: str


@dataclass(frozen=True, slots=True)
class Context:
    """All differences that are examined together."""

    rows: Mapping[str, Mapping[str, Difference]]
    """By row (`row_of`) the columns that differ in it."""
    offsets: Mapping[str, Counter[timedelta]]
    """By column of times: how far the right is ahead, and how often."""
    by_values: Mapping[tuple[str, ...], Mapping[str, Any]]
    """By what differs in a row (`exchange`), its key."""


def context_of(differences: Sequence[Difference]) -> Context:
    """What these differences have in common."""
    rows: dict[str, dict[str, Difference]] = defaultdict(dict)
    offsets: dict[str, Counter[timedelta]] = defaultdict(Counter)
    for one in differences:
        if one.kind is Kind.VALUE and one.column is not None:
            rows[row_of(one.key)][one.column] = one
            if isinstance(one.left, datetime) and isinstance(one.right, datetime):
                offsets[one.column][one.right - one.left] += 1
    by_values = {exchange(row, "left", "right"): next(iter(row.values())).key for row in rows.values()}
    return Context(rows, offsets, by_values)


def exchange(row: Mapping[str, Difference], first: str, second: str) -> tuple[str, ...]:
    """The columns that differ in a row with the values of one side, then with those of the other."""
    return tuple(f"{name}: {getattr(one, first)!r} {getattr(one, second)!r}" for name, one in sorted(row.items()))


def row_of(key: Mapping[str, Any]) -> str:
    """What tells rows apart by key, whatever types it has."""
    return repr(tuple(key.values()))

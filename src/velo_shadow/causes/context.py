"""What a detector is given beside the difference it is asked about, and what it answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from velo_engine.types import SqlType
from velo_shadow.model import Cause, ComparisonPlan, Difference, Kind


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause with what shows it."""

    cause: Cause
    evidence: str


@dataclass(frozen=True, slots=True)
class Context:
    """All differences that are examined together."""

    types: Mapping[str, SqlType]
    """Of every column that is compared."""
    rows: Mapping[str, Mapping[str, Difference]]
    """By row (`row_of`) the columns that differ in it."""
    offsets: Mapping[str, Counter[timedelta]]
    """By column of times: how far the right is ahead, and how often."""


def context_of(plan: ComparisonPlan, differences: Sequence[Difference]) -> Context:
    """What these differences have in common."""
    rows: dict[str, dict[str, Difference]] = defaultdict(dict)
    offsets: dict[str, Counter[timedelta]] = defaultdict(Counter)
    for one in differences:
        if one.kind is Kind.VALUE and one.column is not None:
            rows[row_of(one.key)][one.column] = one
            if isinstance(one.left, datetime) and isinstance(one.right, datetime):
                offsets[one.column][one.right - one.left] += 1
    return Context({c.name: c.type for c in (*plan.key, *plan.columns)}, rows, offsets)


def row_of(key: Mapping[str, Any]) -> str:
    """What tells rows apart by key, whatever types it has."""
    return repr(tuple(key.values()))

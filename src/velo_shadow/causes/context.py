"""What a detector is given beside the difference it is asked about, and what it answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from velo_shadow.causes.rows import Row, numbers_of, paired_rows, row_of, rows_of
from velo_shadow.compared import Compared
from velo_shadow.model import Cause, Difference

__all__ = ["Change", "Context", "Finding", "context_of", "row_of"]


Known = TypeVar("Known")


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause with what shows it. UNKNOWN with evidence: something is to be seen, but it proves no cause."""

    cause: Cause
    evidence: str


@dataclass(frozen=True, slots=True)
class Change:
    """A value that differs: of a row that both sides have, or of two rows that belong together by all other columns."""

    column: str
    left: Any
    right: Any
    row: Row


@dataclass(frozen=True, slots=True)
class Context:
    """All differences that are examined together."""

    rows: tuple[Row, ...]
    """Rows of one side that belong together by all but a column or two are one."""
    single: tuple[Row, ...]
    """The same rows, none put together."""
    key: tuple[str, ...]
    """Columns that a row is known by; empty: the sides are bags."""
    numbers: tuple[str, ...]
    """Columns beside the key that hold numbers."""
    unique: frozenset[str]
    """Columns of whole numbers that repeat no value, as far as is known: they count nothing."""
    changes: Mapping[str, tuple[Change, ...]]
    """By column."""
    offsets: Mapping[str, Counter[timedelta]]
    """By column of times: how far the right is ahead, and how often."""
    compared: Compared | None
    """The comparison; None: nothing is known beside the differences."""
    _known: dict[tuple[Any, ...], Any] = field(default_factory=dict, compare=False)

    def once(self, make: Callable[..., Known], *of: Any) -> Known:
        """What `make(self, *of)` finds; it is asked once, for it looks at all rows."""
        place = make, *of
        if place not in self._known:
            self._known[place] = make(self, *of)
        return self._known[place]  # type: ignore[no-any-return]


def context_of(differences: Sequence[Difference], compared: Compared | None = None) -> Context:
    """What these differences have in common."""
    single = rows_of(differences)
    rows = paired_rows(single)
    key = compared.plan.key_names if compared is not None else tuple(differences[0].key) if differences else ()
    changes: dict[str, list[Change]] = defaultdict(list)
    offsets: dict[str, Counter[timedelta]] = defaultdict(Counter)
    for row in rows:
        for change in changes_of(row):
            changes[change.column].append(change)
            if isinstance(change.left, datetime) and isinstance(change.right, datetime):
                offsets[change.column][change.right - change.left] += 1
    profiles = () if compared is None or compared.profile is None else compared.profile.values()
    return Context(
        tuple(rows),
        tuple(single),
        key,
        numbers_of(single, key),
        frozenset(name for profile in profiles for name in profile.unique),
        {name: tuple(found) for name, found in changes.items()},
        offsets,
        compared,
    )


def changes_of(row: Row) -> list[Change]:
    """The values that differ in a row."""
    left, right = row.both
    return [Change(name, left[name], right[name], row) for name in row.changed]

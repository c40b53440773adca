"""What a query reads: relations with known columns, tables that nothing declares, and names in scope."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from velo_engine.errors import Location
from velo_import.convert.inference.variables import Term, Variable

TableKey: TypeAlias = tuple[str, str, str]
"""Catalog, database and name."""


@dataclass(slots=True, eq=False)
class OpenTable:
    """A table that the input does not declare."""

    key: TableKey
    written: str
    location: Location
    """Where it is first named."""
    columns: dict[str, Variable] = field(default_factory=dict)
    """In the order in which they are first named."""
    event_times: dict[str, int] = field(default_factory=dict)
    """Columns that are used as event time, and how much that is worth."""
    lookup_keys: dict[str, None] = field(default_factory=dict)
    """Columns by which it is asked for the row of a time."""
    is_versioned: bool = False
    """Whether it is asked for its row at an event time."""
    is_read: bool = False
    written_columns: tuple[str, ...] | None = None
    """Of the first INSERT: its columns by position; None: nothing writes it."""
    like: list[OpenTable] = field(default_factory=list)
    """Tables whose rows stand in one set operation with those of this one."""

    def column(self, name: str) -> Variable:
        """The column `name`, which it has from now on."""
        return self.columns.setdefault(name, Variable(name))


@dataclass(frozen=True, slots=True)
class ReadRelation:
    """A relation in FROM, or the result of a query."""

    columns: tuple[tuple[str, Term], ...] = ()
    opens: tuple[OpenTable, ...] = ()
    """Tables all of whose columns it has, known or not."""
    takes_any: bool = False
    """Whether it may have columns of which nothing is known: the result of a function of the user."""
    lent: tuple[TableKey, ...] = ()
    """Tables all of whose columns it has, and that another script declares."""

    def find(self, name: str) -> tuple[bool, Term]:
        """Whether there surely is a column `name`, and its type."""
        for own, term in self.columns:
            if own == name:
                return True, term
        return False, None


@dataclass(slots=True)
class Scope:
    """The relations that expressions of a query see, by alias; `above` those of the query around it."""

    above: Scope | None = None
    relations: list[tuple[str, ReadRelation]] = field(default_factory=list)
    prefers_own: bool = False
    """Whether a column without a table is one of these relations if it can be: in a select list it hardly is one of
    the query around."""

    def levels(self) -> Iterator[Scope]:
        """This scope and those around it, the inmost first."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.above

    def called(self, alias: str) -> ReadRelation | None:
        """The inmost relation of that name."""
        for scope in self.levels():
            for name, relation in scope.relations:
                if name == alias:
                    return relation
        return None


@dataclass(slots=True)
class Attributions:
    """Unqualified columns that several open tables may have: which one does.

    They are gathered while all queries are read once, decided together, and looked up when they are read again.
    """

    gathered: list[tuple[str, tuple[OpenTable, ...]]] = field(default_factory=list)
    hits: dict[TableKey, dict[str, None]] = field(default_factory=dict)
    """Of tables that another script declares, the columns that are named and are there."""
    misses: dict[TableKey, dict[str, None]] = field(default_factory=dict)
    """Those that are named and are not there."""
    is_decided: bool = False

    def owner(self, name: str, candidates: tuple[OpenTable, ...]) -> OpenTable | None:
        """The table of `candidates` that has the column; None: not decided yet."""
        if len(candidates) == 1:
            return candidates[0]
        if not self.is_decided:
            self.gathered.append((name, candidates))
            return None
        return next((table for table in candidates if name in table.columns), candidates[0])

    def decide(self) -> None:
        """Give each gathered column to one of its candidates: to one that has it, else to the one it fits best."""
        waiting = list(dict.fromkeys(self.gathered))
        for name, candidates in sorted(waiting, key=lambda one: len(one[1])):
            if any(name in table.columns for table in candidates):
                continue
            others = [c for n, c in waiting if n == name]
            best = max(
                candidates,
                key=lambda table: (_likeness(name, table), sum(table in other for other in others)),
            )
            best.column(name)
        self.is_decided = True


def _likeness(column: str, table: OpenTable) -> int:
    """How much the name of a column looks like one of the table: by what stands before its `_`, by its last digit."""
    name = table.key[2].lower()
    lower = column.lower()
    if lower[-1:].isdigit() and name[-1:].isdigit():
        return 4 if lower[-1] == name[-1] else 0
    prefix, joined, _ = lower.partition("_")
    if not joined:
        return 0
    if any(own.lower().startswith(prefix + "_") for own in table.columns):
        return 5
    words = name.split("_")
    if prefix == "".join(word[:1] for word in words):
        return 4
    if name.startswith(prefix):
        return 3
    letters = iter(name)
    return 2 if name[:1] == prefix[:1] and all(letter in letters for letter in prefix) else 0

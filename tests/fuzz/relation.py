"""What the grammar builds: a query with what is known about its result."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import TypeVar

Choice = TypeVar("Choice")


class Kind(Enum):
    """A family of types; the exact ones are derived by Flink and by the engine, and compared."""

    INT = "int"
    BIGINT = "bigint"
    DECIMAL = "decimal"
    DOUBLE = "double"
    STRING = "string"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    ARRAY = "array"


NUMBERS = (Kind.INT, Kind.BIGINT, Kind.DECIMAL, Kind.DOUBLE)


class Ordering(IntEnum):
    """What is defined about the order of a changelog."""

    EXACT = 0
    """Everything."""
    BY_EVENT = 1
    """Which changes each event causes, not their order."""
    NET = 2
    """Only what each event changes in the table that the changelog builds: it depends on the order of its input."""


@dataclass(frozen=True)
class Column:
    """A column of a result, under a name that needs no quotes."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class Relation:
    """A query and its result."""

    query: str
    columns: tuple[Column, ...]
    shape: str
    """The operators it was built with, outermost first."""
    ordering: Ordering = Ordering.EXACT
    append_only: bool = True
    time: str | None = None
    """The row time."""
    key: tuple[str, ...] | None = None
    """Columns that tell all rows apart."""
    table: str | None = None
    """Set when this is a source itself."""
    named: tuple[tuple[str, str], ...] = ()
    """Queries that this one reads by name, to be put before it as WITH."""
    ordered_by_key: tuple[str, ...] = ()
    """With BY_EVENT: the changes of each of these keys do have an order."""
    window: tuple[str, str] | None = None
    """Columns of window bounds that Flink still knows to be such."""

    @property
    def text(self) -> str:
        """The whole statement."""
        if not self.named:
            return self.query
        return "WITH " + ", ".join(f"{name} AS ({query})" for name, query in self.named) + " " + self.query

    def of(self, *kinds: Kind) -> list[Column]:
        """The columns of these kinds."""
        return [column for column in self.columns if column.kind in kinds]

    def kind_of(self, name: str) -> Kind:
        """The kind of a column."""
        (kind,) = (column.kind for column in self.columns if column.name == name)
        return kind

    def source(self, alias: str) -> str:
        """How a FROM clause reads it."""
        return f"{self.table} AS {alias}" if self.table else f"({self.query}) AS {alias}"


@dataclass
class Context:
    """Chance, the sources, and names not used yet."""

    random: random.Random
    sources: Mapping[str, Relation]
    _numbers: dict[str, int] = field(default_factory=dict)

    def name(self, stem: str) -> str:
        """A fresh name."""
        number = self._numbers.get(stem, 0)
        self._numbers[stem] = number + 1
        return f"{stem}{number}"

    def chance(self, probability: float) -> bool:
        """True so often."""
        return self.random.random() < probability

    def pick(self, *options: Choice) -> Choice:
        """One of them."""
        return self.random.choice(options)

    def weighted(self, options: Mapping[Choice, float]) -> Choice:
        """One of them, by weight."""
        (chosen,) = self.random.choices(list(options), list(options.values()))
        return chosen

    def some(self, options: Sequence[Choice], least: int, most: int) -> list[Choice]:
        """Several different ones, in their order."""
        count = min(len(options), self.random.randint(least, most))
        return [options[i] for i in sorted(self.random.sample(range(len(options)), count))]

    def named(self, relation: Relation) -> tuple[str, tuple[tuple[str, str], ...]]:
        """A name under which TABLE can read it, and what WITH must define for that."""
        if relation.table is not None and relation.table in self.sources:
            return relation.table, relation.named
        name = self.name("v")
        return name, (*relation.named, (name, relation.query))


def worst(*orderings: Ordering) -> Ordering:
    """The least that is defined."""
    return max(orderings)

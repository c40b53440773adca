"""What names mean in a script of Flink's: catalogs, databases and objects, in force statement by statement.

A converted program has one space of names. An object is called there by the last part of its name; when two have the
same, by database and name, or with a number. CREATE makes a new object, also when DROP or another CREATE came before:
statements mean the one that was there when they stood.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from velo_engine.sql.dialect import VelostreamTokenizer
from velo_engine.sql.flink.names import name_parts
from velo_import.export.names import RESERVED

T = TypeVar("T")

DEFAULT_CATALOG = "default_catalog"
DEFAULT_DATABASE = "default_database"

_SIMPLE = re.compile(r"[A-Za-z_]\w*\Z")
_WORDS = frozenset(word for word in VelostreamTokenizer.KEYWORDS if word.isalpha())


@dataclass(slots=True)
class Catalog(Generic[T]):
    """The objects of a script and their names in the converted program."""

    catalog: str = DEFAULT_CATALOG
    database: str = DEFAULT_DATABASE
    _objects: dict[tuple[str, str, str], T] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def full(self, name: str) -> tuple[str, str, str]:
        """Catalog, database and object that a name means now."""
        parts = name_parts(name)
        if len(parts) == 1:
            return self.catalog, self.database, parts[0]
        if len(parts) == 2:
            return self.catalog, parts[0], parts[1]
        return parts[0], parts[1], ".".join(parts[2:])

    def flat_name(self, name: str) -> str:
        """A name in the converted program that no other object has, and never will have."""
        _, database, last = self.full(name)
        candidates = [last] if database == self.database else [last, f"{database}_{last}"]
        number = 1
        while (found := candidates[0]).casefold() in self._taken:
            candidates = candidates[1:] or [f"{last}_{(number := number + 1)}"]
        self._taken.add(found.casefold())
        return found

    def define(self, name: str, thing: T) -> None:
        """From now on `name` means `thing`."""
        self._objects[self.full(name)] = thing

    def find(self, name: str) -> T | None:
        """What `name` means now; None: nothing that the script defines."""
        return self._objects.get(self.full(name))

    def drop(self, name: str) -> T | None:
        """`name` means nothing from now on; what it meant."""
        return self._objects.pop(self.full(name), None)

    def use(self, name: str, *, catalog: bool) -> None:
        """USE CATALOG name, USE database, USE catalog.database."""
        if catalog:
            self.catalog, self.database = name, DEFAULT_DATABASE
        elif "." in name:
            self.catalog, _, self.database = name.partition(".")
        else:
            self.database = name


def quoted(name: str) -> str:
    """The name as it is written in a program, and in Flink SQL."""
    plain = _SIMPLE.match(name) is not None and name.upper() not in _WORDS | RESERVED
    return name if plain else f"`{name}`"

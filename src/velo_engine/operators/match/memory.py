"""What definitions remember of the rows that a partial match has taken: certain rows of variables, and aggregates.

A memory is a tuple that is never changed, so that the branches of a match can share it. It is made of the rows alone: a
restart takes the rows of a path again and has it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from velo_engine.operators.match.aggregates import Aggregate
from velo_engine.operators.match.partition import Memory, Take

Values: TypeAlias = tuple[Any, ...]
"""The prepared values of a row."""

_Update: TypeAlias = Callable[[Values, Memory], Any]


class MemoryLayout:
    """Which place of a memory holds what. A variable of None stands for the rows of all variables."""

    def __init__(self) -> None:
        self._places: dict[tuple[Any, ...], int] = {}
        self._initial: list[Any] = []
        self._updates: list[tuple[int | None, _Update]] = []
        """For each place the variable whose rows change it, and how."""

    def last(self, variable: int | None, offset: int) -> int:
        """The place of the row so many before the last; None while there is none."""
        key = ("last", variable, offset)
        if key not in self._places:
            before = self.last(variable, offset - 1) if offset else None
            self._add(key, None, variable, _newest if before is None else _moved(before))
        return self._places[key]

    def first(self, variable: int | None, offset: int) -> int:
        """The place of the row so many behind the first; None while there is none."""
        key = ("first", variable, offset)
        if key not in self._places:
            before = self.first(variable, offset - 1) if offset else None
            at = len(self._initial)
            self._add(key, None, variable, _kept(at, before))
        return self._places[key]

    def aggregate(self, variable: int | None, aggregate: Aggregate, key: tuple[Any, ...]) -> int:
        """The place of the state of an aggregate; `key` tells it from others."""
        key = ("aggregate", variable, *key)
        if key not in self._places:
            at = len(self._initial)
            self._add(key, aggregate.empty, variable, lambda values, memory: aggregate.add(memory[at], values))
        return self._places[key]

    @property
    def empty(self) -> Memory:
        """The memory of a match without rows."""
        return tuple(self._initial)

    def take(self, variable: int) -> Take:
        """What a row of `variable` makes of a memory."""
        concerned = [(at, update) for at, (whose, update) in enumerate(self._updates) if whose in (variable, None)]
        if not concerned:
            return _unchanged
        return _taking(concerned)

    def _add(self, key: tuple[Any, ...], initial: Any, variable: int | None, update: _Update) -> None:
        self._places[key] = len(self._initial)
        self._initial.append(initial)
        self._updates.append((variable, update))


def _unchanged(_values: Values, memory: Memory) -> Memory:
    return memory


def _taking(updates: Iterable[tuple[int, _Update]]) -> Take:
    updates = tuple(updates)

    def take(values: Values, memory: Memory) -> Memory:
        changed = list(memory)
        for at, update in updates:
            changed[at] = update(values, memory)
        return tuple(changed)

    return take


def _newest(values: Values, _memory: Memory) -> Values:
    return values


def _moved(before: int) -> _Update:
    return lambda _values, memory: memory[before]


def _kept(at: int, before: int | None) -> _Update:
    """The first row stays; a later one is the next to come once the one before it is there."""

    def update(values: Values, memory: Memory) -> Any:
        if memory[at] is not None:
            return memory[at]
        return values if before is None or memory[before] is not None else None

    return update

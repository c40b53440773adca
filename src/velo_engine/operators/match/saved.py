"""Partial and complete matches as Arrow tables, and back.

A path is stored once for all matches that share it: `paths` holds one link a row, each behind the link before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from velo_engine.batch import numpy_column
from velo_engine.operators.match.partition import NEVER_BEGUN, Matching, Memory, Partition, Path, Row

_NO_LINK = -1


def saved_partitions(partitions: Mapping[int, Partition]) -> dict[str, pa.Table]:
    """The queues of every partition, items in the order of their arrays, and the paths to which they refer."""
    links = _Links()
    matches: list[tuple[int, int, int, int, int]] = []
    for key, partition in partitions.items():
        for complete, queue in enumerate((partition.partial, partition.complete)):
            matches += [(key, complete, first, state, links.number(path)) for first, state, path, _, _ in queue]
    names = ("key", "complete", "first", "state", "path")
    return {
        "matches": _table(names, matches),
        "paths": _table(("row", "time", "place", "variable", "before"), links.rows),
    }


def restored_partitions(
    state: Mapping[str, pa.Table], row: Callable[[int, int], Row], matching: Matching
) -> dict[int, Partition]:
    """The partitions of a snapshot; `row` gives the row of a number and a time."""
    paths: list[_Restored] = []
    for number, time, place, variable, before in _rows(state["paths"], "row", "time", "place", "variable", "before"):
        taken = row(number, time)
        taken.place = place
        if before == _NO_LINK:
            path: Path = (taken, variable, None)
            paths.append(_Restored(path, matching.takes[variable](taken.values, matching.empty), taken))
        else:
            last = paths[before]
            memory = matching.takes[variable](taken.values, last.memory)
            paths.append(_Restored((taken, variable, last.path), memory, last.first))
    partitions: dict[int, Partition] = {}
    for key, complete, first, at, link in _rows(state["matches"], "key", "complete", "first", "state", "path"):
        if key not in partitions:
            partitions[key] = Partition(matching)
            partitions[key].partial = []
        queue = partitions[key].complete if complete else partitions[key].partial
        found = None if first == NEVER_BEGUN else paths[link]
        queue.append(matching.beginning() if found is None else (first, at, found.path, found.memory, found.first))
    return partitions


@dataclass(frozen=True, slots=True)
class _Restored:
    """A link of a path, what the definitions remember there, and the first row of the path."""

    path: Path
    memory: Memory
    first: Row


class _Links:
    """Numbers the links of paths, each behind the one before it."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, int, int, int]] = []
        self._numbers: dict[int, int] = {}
        """By the identity of a link; all of them live as long as the partitions do."""

    def number(self, path: Path | None) -> int:
        """The number of a path's last link."""
        fresh = []
        at: Path | None = path
        while at is not None and id(at) not in self._numbers:
            fresh.append(at)
            at = at[2]
        before = _NO_LINK if at is None else self._numbers[id(at)]
        for link in reversed(fresh):
            taken, variable, _ = link
            self.rows.append((taken.number, taken.time, taken.place, variable, before))
            before = self._numbers[id(link)] = len(self.rows) - 1
        return before


def _table(names: tuple[str, ...], rows: list[Any]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table([pa.array(column, pa.int64()) for column in columns], names=list(names))


def _rows(table: pa.Table, *names: str) -> Any:
    return zip(*(numpy_column(table, name).tolist() for name in names), strict=True)

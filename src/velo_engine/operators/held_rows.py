"""Rows that an operator keeps, as columns addressed by slot; slots that are given up are used again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.operators.vectors import Vector, VectorStore, from_arrow, single_array, to_arrow
from velo_engine.types import SqlType

NO_SLOT = -1
"""No row: all its columns are NULL."""


class HeldRows:
    """Rows of columns of these types. A slot says nothing about the order in which rows came."""

    def __init__(self, types: Sequence[SqlType]) -> None:
        self._types = tuple(types)
        self._free = np.empty(0, np.int64)
        self._clear()

    def __len__(self) -> int:
        """Rows held now."""
        return self._capacity - len(self._free)

    @property
    def capacity(self) -> int:
        """Every slot is below this number."""
        return self._capacity

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self._types)

    def slots(self) -> Int64s:
        """The slots of all rows held, ascending."""
        held = np.ones(self._capacity, np.bool_)
        held[self._free] = False
        return np.flatnonzero(held)

    def add(self, columns: Sequence[Any], count: int) -> Int64s:
        """Keep `count` rows, given as Arrow columns; their slots."""
        slots = self._allocate(count)
        if count:
            self._put(slots, columns)
        return slots

    def columns(self, slots: Int64s) -> list[Any]:
        """The columns of the rows in `slots`, as Arrow arrays; NULL for NO_SLOT."""
        missing = slots == NO_SLOT
        if not missing.any():
            return [to_arrow(s.get(slots), kind) for s, kind in zip(self._stores, self._types, strict=True)]
        if not len(self._stores[0]):
            return [pa.nulls(len(slots), to_arrow(s.get(slots[:0]), k).type) for s, k in self._pairs()]
        place = np.where(missing, 0, slots)
        out = []
        for store, kind in self._pairs():
            vector = store.get(place)
            valid = ~missing if vector.valid is None else vector.valid & ~missing
            out.append(to_arrow(type(vector)(vector.values, valid), kind))
        return out

    def vectors(self, slots: Int64s) -> list[Vector]:
        """The columns of the rows in `slots`, as numpy arrays."""
        return [store.get(slots) for store in self._stores]

    def free(self, slots: Int64s) -> None:
        """Give up these rows."""
        self._free = np.concatenate([self._free, slots])

    def restore(self, slots: Int64s, columns: Sequence[Any]) -> None:
        """Hold exactly these rows, in these slots."""
        self._clear()
        self._capacity = int(slots.max()) + 1 if len(slots) else 0
        taken = np.zeros(self._capacity, np.bool_)
        taken[slots] = True
        self._free = np.flatnonzero(~taken)
        if len(slots):
            self._put(slots, columns)

    def _pairs(self) -> zip[tuple[VectorStore, SqlType]]:
        return zip(self._stores, self._types, strict=True)

    def _put(self, slots: Int64s, columns: Sequence[Any]) -> None:
        for (store, kind), column in zip(self._pairs(), columns, strict=True):
            store.reserve(self._capacity)
            store.put(slots, from_arrow(single_array(column), kind))

    def _allocate(self, count: int) -> Int64s:
        reused = self._free[max(len(self._free) - count, 0) :]
        self._free = self._free[: len(self._free) - len(reused)]
        fresh = np.arange(self._capacity, self._capacity + count - len(reused))
        self._capacity += len(fresh)
        return np.concatenate([reused, fresh])

    def _clear(self) -> None:
        self._stores = [VectorStore(kind) for kind in self._types]
        self._free = np.empty(0, np.int64)
        self._capacity = 0

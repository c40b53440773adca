"""Aggregates whose state is a Python object per slot: a list, a bag, a text, a count of values.

Their results need all values (ARRAY_AGG, LISTAGG, COLLECT, PERCENTILE, …) or follow rows that are taken back by order
of arrival (FIRST_VALUE, LAST_VALUE), so arrays over slots do not help. Within a window (`fold`) a slot takes all its
rows at once; where every change is given out (`run`) each row makes a result, whose size is the cost.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.operators.accumulators.base import Accumulator, Argument
from velo_engine.operators.runs import EMPTY_SLOT, Runs
from velo_engine.operators.vectors import Vector, dtype_of, from_arrow, object_array, single_array, to_arrow
from velo_engine.types import SqlType, TypeName, arrow_type

_AS_THEY_ARE = frozenset(
    {TypeName.BOOLEAN, TypeName.TINYINT, TypeName.SMALLINT, TypeName.INT, TypeName.BIGINT, TypeName.FLOAT}
    | {TypeName.DOUBLE, TypeName.CHAR, TypeName.VARCHAR, TypeName.BINARY, TypeName.VARBINARY, TypeName.ARRAY}
    | {TypeName.MAP, TypeName.MULTISET, TypeName.ROW, TypeName.INTERVAL_DAY_TIME, TypeName.INTERVAL_YEAR_MONTH}
)
"""Types whose numpy values become the Python values that Arrow gives."""


class Held(ABC):
    """The state of one slot. An item is the value of the call's argument, of several a tuple; None is NULL."""

    @abstractmethod
    def change(self, item: Any, weight: int) -> None:
        """Add an item (`weight` is 1), or take one back (-1); in `load` as often as it is there."""

    @abstractmethod
    def result(self) -> Any:
        """The result in Python's form of the result's type; None is NULL."""

    @abstractmethod
    def entries(self) -> list[tuple[Any, int]]:
        """The whole state as items and how often each is there."""

    def extend(self, items: Sequence[Any]) -> None:
        """Add items in this order."""
        for item in items:
            self.change(item, 1)

    def load(self, entries: Iterable[tuple[Any, int]]) -> None:
        """Take over the `entries` of another one, after what is there."""
        for item, count in entries:
            self.change(item, count)


class HeldPerSlot(Accumulator):
    """One `Held` per slot."""

    def __init__(
        self,
        arguments: Sequence[SqlType],
        result: SqlType,
        new: Callable[[], Held],
        *,
        retractable: bool,
        mergeable: bool = True,
    ) -> None:
        super().__init__({})
        self._arguments = tuple(arguments)
        self._kind = result
        self._new = new
        self._slots: list[Held | None] = [None]
        self.retractable = retractable
        self.mergeable = mergeable

    def reserve(self, slots: int) -> None:
        """Make room for slots below `slots`."""
        self._slots += [None] * (slots - len(self._slots))

    def clear(self, slots: Int64s) -> None:
        """Back to the initial state."""
        for slot in slots.tolist():
            self._slots[slot] = None

    def run(self, runs: Runs, argument: Argument) -> Vector:
        """The result before and after each row; moves the slots on."""
        items = self._items(argument)
        weights = argument.counts().tolist()
        results: list[Any] = []
        row = 0
        spans = zip(runs.opening.tolist(), runs.closing.tolist(), (runs.lengths - 1).tolist(), strict=True)
        for opening, closing, rows in spans:
            held = self._slots[opening] or self._new()
            latest = held.result()
            results.append(latest)
            for item, weight in zip(items[row : row + rows], weights[row : row + rows], strict=True):
                if weight:
                    held.change(item, weight)
                    latest = held.result()
                results.append(latest)
            row += rows
            if closing >= 0:
                self._slots[closing] = held
        return self._vector(results)

    def fold(self, slots: Int64s, argument: Argument) -> None:
        """Moves the slots on, row after row."""
        if argument.weight is not None:
            counting = argument.weight != 0
            slots, argument = slots[counting], argument.take(counting)
        if not len(slots):
            return
        runs = Runs.of(slots)
        argument = argument.take(runs.order)
        items = self._items(argument)
        takes_back = argument.weight is not None and (argument.weight < 0).any()
        weights = argument.counts().tolist() if takes_back else None
        row = 0
        for slot, rows in zip(runs.opening.tolist(), (runs.lengths - 1).tolist(), strict=True):
            held = self._slots[slot]
            if held is None:
                held = self._slots[slot] = self._new()
            if weights is None:
                held.extend(items[row : row + rows])
            else:
                for item, weight in zip(items[row : row + rows], weights[row : row + rows], strict=True):
                    held.change(item, weight)
            row += rows

    def values(self, slots: Int64s) -> Vector:
        """The result of each slot."""
        empty = self._new().result()
        return self._vector([held.result() if held else empty for held in (self._slots[s] for s in slots.tolist())])

    def merged(self, slots: Int64s) -> Vector:
        """The result of the items of each row of slots, from left to right."""
        results = []
        for row in slots.tolist():
            joined = self._new()
            for slot in row:
                held = self._slots[slot]
                if slot != EMPTY_SLOT and held is not None:
                    joined.load(held.entries())
            results.append(joined.result())
        return self._vector(results)

    def snapshot(self, slots: Int64s) -> dict[str, Any]:
        """Per slot the lists of its items, one per argument, and of their counts."""
        entries = [held.entries() if held else [] for held in (self._slots[s] for s in slots.tolist())]
        offsets = pa.array(np.cumsum([0, *map(len, entries)]), pa.int32())
        counts = pa.array([n for e in entries for _, n in e], pa.int64())
        state = {"counts": pa.ListArray.from_arrays(offsets, counts)}
        items = [item for e in entries for item, _ in e]
        for i, kind in enumerate(self._arguments):
            own = items if len(self._arguments) == 1 else [item[i] for item in items]
            state[f"items{i}"] = pa.ListArray.from_arrays(offsets, pa.array(own, arrow_type(kind)))
        return state

    def restore(self, slots: Int64s, state: Mapping[str, Any]) -> None:
        """Takes over a snapshot."""
        counts = single_array(state["counts"])
        columns = [single_array(state[f"items{i}"]).flatten().to_pylist() for i in range(len(self._arguments))]
        items = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
        numbers = counts.flatten().to_pylist()
        row = 0
        for slot, length in zip(slots.tolist(), counts.value_lengths().to_pylist(), strict=True):
            if length:
                held = self._slots[slot] = self._new()
                held.load(zip(items[row : row + length], numbers[row : row + length], strict=True))
            row += length

    def _items(self, argument: Argument) -> list[Any]:
        first = _python_values(Vector(argument.values, argument.valid), self._arguments[0])
        if len(self._arguments) == 1:
            return first
        others = (_python_values(v, k) for v, k in zip(argument.others, self._arguments[1:], strict=True))
        return list(zip(first, *others, strict=True))

    def _vector(self, results: list[Any]) -> Vector:
        valid = np.fromiter((r is not None for r in results), np.bool_, len(results))
        if dtype_of(self._kind) == np.object_:
            return Vector(object_array(results), None if valid.all() else valid)
        return from_arrow(pa.array(results, arrow_type(self._kind)), self._kind)


def _python_values(vector: Vector, kind: SqlType) -> list[Any]:
    """Values as `to_pylist` of their Arrow column gives them; where that costs nothing without the detour."""
    if kind.name not in _AS_THEY_ARE:
        values: list[Any] = to_arrow(vector, kind).to_pylist()
        return values
    values = vector.values.tolist()
    if vector.valid is None:
        return values
    return [v if valid else None for v, valid in zip(values, vector.valid.tolist(), strict=True)]

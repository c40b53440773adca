"""MIN and MAX over rows that may be taken back: each group keeps all of its values.

Rules (Flink's MinWithRetractAggFunction, MaxWithRetractAggFunction): a value is there as long as it was added more
often than taken back; doubles compare as Double.compare does (-0.0 before 0.0, NaN after everything).

This is the one accumulator that walks its rows in Python: the result after a removal depends on all values left. A heap
with the counts beside it makes a row cost O(log n).
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.operators.accumulators.base import Accumulator, Argument
from velo_engine.operators.runs import Runs
from velo_engine.operators.vectors import Values, Vector, dtype_of, from_arrow, object_array, to_arrow
from velo_engine.types import BIGINT, BINARIES, FLOATS, STRINGS, SqlType, TypeName


class RetractableExtreme(Accumulator):
    """The least or the largest of the values that each slot holds."""

    mergeable = False

    def __init__(self, kind: SqlType, *, largest: bool) -> None:
        super().__init__({})
        self._kind = kind
        self._backwards = largest
        self._held: list[_Multiset | None] = [None]

    def reserve(self, slots: int) -> None:
        """Make room for slots below `slots`."""
        self._held += [None] * (slots - len(self._held))

    def clear(self, slots: Int64s) -> None:
        """Back to the initial state."""
        for slot in slots.tolist():
            self._held[slot] = None

    def run(self, runs: Runs, argument: Argument) -> Vector:
        """The result before and after each row; moves the slots on."""
        keys = self._keys(argument.values)
        weights = argument.counts().tolist()
        best: list[Any] = []
        row = 0
        spans = zip(runs.opening.tolist(), runs.closing.tolist(), (runs.lengths - 1).tolist(), strict=True)
        for opening, closing, rows in spans:
            held = self._held[opening] or _Multiset()
            best.append(held.least())
            for key, weight in zip(keys[row : row + rows], weights[row : row + rows], strict=True):
                if weight:
                    held.change(key, weight)
                best.append(held.least())
            row += rows
            if closing >= 0:
                self._held[closing] = held
        return self._result(best)

    def fold(self, slots: Int64s, argument: Argument) -> None:
        """Moves the slots on, row after row."""
        if len(slots):
            runs = Runs.of(slots)
            self.run(runs, argument.take(runs.order))

    def values(self, slots: Int64s) -> Vector:
        """The result of each slot."""
        return self._result([held.least() if held else None for held in (self._held[s] for s in slots.tolist())])

    def snapshot(self, slots: Int64s) -> dict[str, Any]:
        """Per slot the list of its values and the list of their counts."""
        counts = [dict(held.counts) if held else {} for held in (self._held[s] for s in slots.tolist())]
        offsets = pa.array(np.cumsum([0, *map(len, counts)]), pa.int32())
        values = to_arrow(self._result([key for c in counts for key in c]), self._kind)
        numbers = to_arrow(Vector(np.array([n for c in counts for n in c.values()], np.int64)), BIGINT)
        return {
            "values": pa.ListArray.from_arrays(offsets, values),
            "counts": pa.ListArray.from_arrays(offsets, numbers),
        }

    def restore(self, slots: Int64s, state: Mapping[str, Any]) -> None:
        """Takes over a snapshot."""
        values = state["values"].combine_chunks()
        keys = self._keys(from_arrow(values.flatten(), self._kind).values)
        numbers = state["counts"].combine_chunks().flatten().to_pylist()
        row = 0
        for slot, length in zip(slots.tolist(), values.value_lengths().to_pylist(), strict=True):
            held = self._held[slot] = _Multiset()
            for key, count in zip(keys[row : row + length], numbers[row : row + length], strict=True):
                held.change(key, count)
            row += length

    def _keys(self, values: Values) -> list[Any]:
        """Values as keys whose least is the result; MAX turns the order around."""
        if self._kind.name in FLOATS:
            bits = np.where(np.isnan(values), np.nan, values).astype(np.float64).view(np.int64)
            values = np.where(bits < 0, bits ^ np.int64(2**63 - 1), bits)
        keys: list[Any] = values.tolist()
        if not self._backwards:
            return keys
        if self._kind.name in STRINGS or self._kind.name in BINARIES:
            return [_Backwards(v) for v in keys]
        return [-int(v) for v in keys]

    def _result(self, keys: list[Any]) -> Vector:
        """Keys back as values; None is NULL."""
        valid = np.array([k is not None for k in keys], np.bool_)
        if self._kind.name in STRINGS or self._kind.name in BINARIES:
            values = object_array([k.value if isinstance(k, _Backwards) else k for k in keys])
        else:
            numbers = [0 if k is None else -k if self._backwards else k for k in keys]
            values = self._numbers(numbers)
        return Vector(values, None if valid.all() else valid)

    def _numbers(self, numbers: list[int]) -> Values:
        if self._kind.name in FLOATS:
            bits = np.array(numbers, np.int64)
            return np.where(bits < 0, bits ^ np.int64(2**63 - 1), bits).view(np.float64).astype(dtype_of(self._kind))
        if self._kind.name is TypeName.DECIMAL and any(abs(n) >= 2**63 for n in numbers):
            return object_array(numbers)
        return np.array(numbers, dtype_of(self._kind))


class _Multiset:
    """Counts of keys, and a heap of keys that may hold some whose count has gone back to zero."""

    __slots__ = ("_heap", "_waiting", "counts")

    def __init__(self) -> None:
        self.counts: dict[Any, int] = {}
        self._heap: list[Any] = []
        self._waiting: set[Any] = set()

    def change(self, key: Any, weight: int) -> None:
        """Add a key `weight` times; negative takes back."""
        count = self.counts.get(key, 0) + weight
        if count:
            self.counts[key] = count
        else:
            self.counts.pop(key, None)
        if count > 0 and key not in self._waiting:
            self._waiting.add(key)
            heapq.heappush(self._heap, key)

    def least(self) -> Any:
        """The least key with a positive count, or None."""
        heap = self._heap
        while heap and self.counts.get(heap[0], 0) <= 0:
            self._waiting.discard(heapq.heappop(heap))
        return heap[0] if heap else None


class _Backwards:
    """A value that sorts the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Backwards) -> bool:
        return bool(self.value > other.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Backwards) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(self.value)

"""MIN and MAX over frames that move forward: each partition keeps only the values that can still become the result.

A value is out of the question once a later one is as small (as large for MAX): that one stays longer. So what is kept
is a line of ever larger values, oldest first, whose first is the result; a value joins at the end and pushes out those
before it that are no better, and leaves at the front. A row costs constant time, whatever the size of the frame.

Rules (Flink's MinWithRetractAggFunction, MaxWithRetractAggFunction): doubles compare as Double.compare does, -0.0
before 0.0 and NaN after everything.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, Int64s, numpy_column
from velo_engine.operators.vectors import Values, Vector, dtype_of, from_arrow, to_arrow, vector_of
from velo_engine.types import FLOATS, SqlType

_NOT_SIGN = np.int64(2**63 - 1)


class SlidingExtreme:
    """One MIN or MAX over the frames of all partitions."""

    def __init__(self, kind: SqlType, *, largest: bool) -> None:
        self._kind = kind
        self._largest = largest
        self._lines: dict[int, deque[tuple[int, Any]]] = {}
        """Per partition (number of the row, key of its value)."""

    def run(self, code: Int64s, number: Int64s, oldest: Int64s, fresh: Bools, values: Values, counts: Bools) -> Vector:
        """The result for each joining row, over the rows of its frame that count.

        Rows stand partition by partition, numbered within it; `oldest` is the first number in the frame; `fresh` rows
        begin a frame anew.
        """
        starts = np.concatenate([[True], code[1:] != code[:-1]]) | fresh
        first = np.flatnonzero(starts)
        ends = np.append(first[1:], len(code)).tolist()
        begins = fresh[first].tolist()
        keys, numbers, low, counted = self._keys(values), number.tolist(), oldest.tolist(), counts.tolist()
        results: list[Any] = []
        advance = _largest_of if self._largest else _smallest_of
        for partition, begin, start, end in zip(code[first].tolist(), begins, first.tolist(), ends, strict=True):
            line = self._lines.get(partition)
            if line is None or begin:
                line = self._lines[partition] = deque()
            rows = zip(numbers[start:end], low[start:end], keys[start:end], counted[start:end], strict=True)
            advance(line, rows, results)
        return self._vector(results)

    def forget(self, partitions: Int64s) -> None:
        """These partitions are empty."""
        for partition in partitions.tolist():
            self._lines.pop(partition, None)

    def snapshot(self) -> pa.Table:
        """The values kept."""
        held = [(code, number, key) for code, line in self._lines.items() for number, key in line]
        vector = self._vector([key for _, _, key in held])
        return pa.table(
            {
                "partition": pa.array([code for code, _, _ in held], pa.int64()),
                "number": pa.array([number for _, number, _ in held], pa.int64()),
                "value": to_arrow(vector, self._kind),
            }
        )

    def restore(self, table: pa.Table) -> None:
        """Take over a snapshot; this object is new."""
        keys = self._keys(from_arrow(table.column("value"), self._kind).values)
        partitions, numbers = (numpy_column(table, name).tolist() for name in ("partition", "number"))
        for partition, number, key in zip(partitions, numbers, keys, strict=True):
            self._lines.setdefault(partition, deque()).append((number, key))

    def _keys(self, values: Values) -> list[Any]:
        """Values as what compares as Flink compares them."""
        if self._kind.name in FLOATS:
            bits = np.where(np.isnan(values), np.nan, values).astype(np.float64).view(np.int64)
            values = np.where(bits < 0, bits ^ _NOT_SIGN, bits)
        keys: list[Any] = values.tolist()
        return keys

    def _vector(self, keys: list[Any]) -> Vector:
        if self._kind.name not in FLOATS:
            return vector_of(keys, self._kind)
        valid = np.array([key is not None for key in keys], np.bool_)
        bits = np.array([0 if key is None else key for key in keys], np.int64)
        floats = np.where(bits < 0, bits ^ _NOT_SIGN, bits).view(np.float64).astype(dtype_of(self._kind))
        return Vector(floats, None if valid.all() else valid)


def _smallest_of(line: deque[tuple[int, Any]], rows: Any, results: list[Any]) -> None:
    for number, oldest, key, counts in rows:
        if counts:
            while line and line[-1][1] >= key:
                line.pop()
            line.append((number, key))
        while line and line[0][0] < oldest:
            line.popleft()
        results.append(line[0][1] if line else None)


def _largest_of(line: deque[tuple[int, Any]], rows: Any, results: list[Any]) -> None:
    for number, oldest, key, counts in rows:
        if counts:
            while line and line[-1][1] <= key:
                line.pop()
            line.append((number, key))
        while line and line[0][0] < oldest:
            line.popleft()
        results.append(line[0][1] if line else None)

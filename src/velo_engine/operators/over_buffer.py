"""ROWS WINDOW BUFFER n ROWS: the last n rows of the partition in arrival order, the present one included.

A row is given out at once, with values over the buffer as it is then. EXPIRE AFTER: the clock of a partition is the
highest event time that it has seen (processing time when the input has no event time); a row leaves once the clock has
gone on by more than the interval since it came. So rows leave in the order in which they came, late ones too.

Aggregates take rows in as they come. Functions of places (and FIRST_VALUE, LAST_VALUE beside ORDER BY) look at the rows
of the buffer in the order of ORDER BY, rows of equal order as they came; without ORDER BY as they came, and then all
rows are peers.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pyarrow as pa

from velo_engine.batch import Int64s, numpy_column
from velo_engine.operators.sort_order import Key, sort_keys
from velo_engine.operators.vectors import Vector, from_arrow, python_values, to_arrow, vector_of
from velo_engine.plan.nodes import SortKey
from velo_engine.plan.over_node import OverAggregate, PlacedCall
from velo_engine.schema import RowSchema

_NO_NUMBER = 2**63
"""Above the number of any row."""

_Row: TypeAlias = tuple[Key, int, tuple[Any, ...]]
"""A row in a buffer: its sort key, its number in the partition, the columns that the functions read. Numbers differ, so
that no comparison gets to the columns."""


@dataclass(slots=True)
class _Buffer:
    """The rows of one partition."""

    arrived: deque[tuple[int, _Row]] = field(default_factory=deque)
    """With the partition's clock when they came."""
    ordered: list[_Row] = field(default_factory=list)
    came: int = 0
    """How many rows there have been."""


class BufferPlaces:
    """The functions of places of one buffer."""

    def __init__(self, calls: Sequence[PlacedCall], schema: RowSchema, node: OverAggregate) -> None:
        assert node.frame.preceding is not None
        self._calls = tuple(calls)
        self._schema = schema
        self._size = node.frame.preceding + 1
        self._span = node.expire_ms
        self._sort = None if node.sort_column is None else _sort_key(node)
        used = {i for call in calls for i in call.args}
        self._used = sorted(used if self._sort is None else used | {self._sort.column})
        self._place = {column: at for at, column in enumerate(self._used)}
        self._buffers: dict[int, _Buffer] = {}

    def values(self, rows: pa.Table, code: Int64s, clock: Int64s) -> list[Vector]:
        """Per call the result for each row; `clock` is that of the row's partition."""
        columns = [python_values(rows.column(i), self._schema.types[i]) for i in self._used]
        keys = self._keys([rows.column(i) for i in range(len(self._schema))], len(code))
        values = zip(*columns, strict=True) if columns else iter([()] * len(code))
        results: list[list[Any]] = [[] for _ in self._calls]
        for partition, now, key, row in zip(code.tolist(), clock.tolist(), keys, values, strict=True):
            buffer = self._buffers.setdefault(partition, _Buffer())
            present = self._put(buffer, now, key, row)
            at = bisect_left(buffer.ordered, present)
            for call, result in zip(self._calls, results, strict=True):
                result.append(self._result(call, buffer.ordered, at))
        return [vector_of(result, call.type) for call, result in zip(self._calls, results, strict=True)]

    def snapshot(self) -> dict[str, pa.Table]:
        """The rows of all buffers."""
        held = [(code, b.came, now, row) for code, b in self._buffers.items() for now, row in b.arrived]
        columns = {
            "partition": pa.array([code for code, _, _, _ in held], pa.int64()),
            "came": pa.array([came for _, came, _, _ in held], pa.int64()),
            "clock": pa.array([now for _, _, now, _ in held], pa.int64()),
            "number": pa.array([row[1] for *_, row in held], pa.int64()),
        }
        for i, column in enumerate(self._used):
            kind = self._schema.types[column]
            columns[f"v{i}"] = to_arrow(vector_of([row[2][i] for *_, row in held], kind), kind)
        return {"rows": pa.table(columns)}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Take over a snapshot; this object is new."""
        table = state["rows"]
        code, came, clock, number = (
            numpy_column(table, name).tolist() for name in ("partition", "came", "clock", "number")
        )
        columns = [table.column(f"v{i}") for i in range(len(self._used))]
        arrays: list[Any] = [None] * len(self._schema)
        for column, array in zip(self._used, columns, strict=True):
            arrays[column] = array
        keys = self._keys(arrays, len(code))
        lists = [python_values(a, self._schema.types[i]) for i, a in zip(self._used, columns, strict=True)]
        values = zip(*lists, strict=True) if lists else iter([()] * len(code))
        for partition, count, now, its_number, key, row in zip(code, came, clock, number, keys, values, strict=True):
            buffer = self._buffers.setdefault(partition, _Buffer())
            buffer.came = count
            restored = (key, its_number, row)
            buffer.arrived.append((now, restored))
            insort(buffer.ordered, restored)

    def _keys(self, columns: Sequence[Any], count: int) -> list[Key]:
        if self._sort is None:
            return [()] * count
        column = self._sort.column
        return sort_keys([self._sort], [from_arrow(columns[column], self._schema.types[column])])

    def _put(self, buffer: _Buffer, now: int, key: Key, values: tuple[Any, ...]) -> _Row:
        """The row as it stands in the buffer; those that leave are gone."""
        row = (key, buffer.came, values)
        buffer.came += 1
        buffer.arrived.append((now, row))
        insort(buffer.ordered, row)
        oldest = None if self._span is None else now - self._span
        while len(buffer.arrived) > self._size or (oldest is not None and buffer.arrived[0][0] < oldest):
            _, gone = buffer.arrived.popleft()
            del buffer.ordered[bisect_left(buffer.ordered, gone)]
        return row

    def _result(self, call: PlacedCall, rows: list[_Row], at: int) -> Any:
        """The value of a call for the row at `at` of the ordered buffer."""
        count = len(rows)
        match call.function:
            case "lag" | "lead":
                other = at - call.number if call.function == "lag" else at + call.number
                if 0 <= other < count:
                    return self._value(rows[other], call, 0)
                return self._value(rows[at], call, 1) if len(call.args) > 1 else None
            case "nth_value":
                return self._value(rows[call.number - 1], call, 0) if call.number <= count else None
            case "first_value" | "last_value":
                ordered = rows if call.function == "first_value" else reversed(rows)
                return next((v for v in (self._value(row, call, 0) for row in ordered) if v is not None), None)
            case "row_number":
                return at + 1
            case "rank":
                return _first_peer(rows, at) + 1
            case "dense_rank":
                return len({row[0] for row in rows[: at + 1]})
            case "percent_rank":
                return _first_peer(rows, at) / (count - 1) if count > 1 else 0.0
            case "cume_dist":
                return bisect_left(rows, (rows[at][0], _NO_NUMBER)) / count
            case "ntile":
                return _bucket(at, count, call.number)
            case function:
                raise AssertionError(f"{function} is no function of places")

    def _value(self, row: _Row, call: PlacedCall, argument: int) -> Any:
        return row[2][self._place[call.args[argument]]]


def _sort_key(node: OverAggregate) -> SortKey:
    """NULL is the smallest value."""
    assert node.sort_column is not None
    return SortKey(node.sort_column, node.sort_descending, not node.sort_descending)


def _first_peer(rows: list[_Row], at: int) -> int:
    return bisect_left(rows, (rows[at][0],))


def _bucket(at: int, count: int, buckets: int) -> int:
    """NTILE of the row at `at` of `count`: the first buckets take one row more if need be."""
    size, more = divmod(count, buckets)
    larger = more * (size + 1)
    return (at // (size + 1) if at < larger else more + (at - larger) // size) + 1

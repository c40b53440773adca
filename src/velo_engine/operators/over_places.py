"""LAG, NTH_VALUE, NTILE, PERCENT_RANK and CUME_DIST over a frame that ends with the present row.

LAG follows Flink's LagAggFunction: rows of one time are taken in before any of them is given out, so all of them see
the same earlier row. The others, which Flink refuses over a stream, look at the rows of the frame and no others: the
present row is among the last of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s, numpy_column
from velo_engine.operators.over_frames import Fired
from velo_engine.operators.vectors import Vector, python_values, to_arrow, vector_of
from velo_engine.plan.over_node import OverFrame, PlacedCall
from velo_engine.schema import RowSchema


class Places:
    """The functions of places of one window by time; the state of a partition is how many rows it had, and of each
    function that looks at other rows the values it may still need."""

    def __init__(self, calls: Sequence[PlacedCall], schema: RowSchema, frame: OverFrame) -> None:
        self._calls = tuple(calls)
        self._schema = schema
        self._frame = frame
        self._seen: dict[int, int] = {}
        self._kept: list[dict[int, list[tuple[int, Any]]]] = [{} for _ in calls]
        """Per call and partition (time, value) of earlier rows."""

    def values(self, fired: Fired) -> list[Vector]:
        """Per call the result for each row."""
        first = np.flatnonzero(fired.starts)
        bounds = np.append(first, len(fired))
        partitions = fired.code[first].tolist()
        seen = np.array([self._seen.get(p, 0) for p in partitions], np.int64)
        segments = list(zip(partitions, first.tolist(), bounds[1:].tolist(), strict=True))
        base = np.repeat(seen - first, np.diff(bounds))
        results = [self._result(i, call, fired, segments, base) for i, call in enumerate(self._calls)]
        for partition, start, end in segments:
            self._seen[partition] = self._seen.get(partition, 0) + end - start
        return results

    def forget(self, partitions: Int64s) -> None:
        """These partitions are new again."""
        for partition in partitions.tolist():
            self._seen.pop(partition, None)
            for kept in self._kept:
                kept.pop(partition, None)

    def snapshot(self) -> dict[str, pa.Table]:
        """Counts, and the values kept."""
        tables = {"seen": pa.table({"partition": list(self._seen), "rows": list(self._seen.values())})}
        for i, (call, kept) in enumerate(zip(self._calls, self._kept, strict=True)):
            rows = [(partition, time, value) for partition, values in kept.items() for time, value in values]
            kind = self._schema.types[call.args[0]] if call.args else None
            if kind is not None:
                tables[f"kept{i}"] = pa.table(
                    {
                        "partition": pa.array([row[0] for row in rows], pa.int64()),
                        "time": pa.array([row[1] for row in rows], pa.int64()),
                        "value": to_arrow(vector_of([row[2] for row in rows], kind), kind),
                    }
                )
        return tables

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Take over a snapshot; this object is new."""
        seen = state["seen"]
        self._seen = dict(zip(seen.column("partition").to_pylist(), seen.column("rows").to_pylist(), strict=True))
        for i, call in enumerate(self._calls):
            if call.args:
                table = state[f"kept{i}"]
                values = python_values(table.column("value"), self._schema.types[call.args[0]])
                partitions, times = (numpy_column(table, name).tolist() for name in ("partition", "time"))
                for partition, time, value in zip(partitions, times, values, strict=True):
                    self._kept[i].setdefault(partition, []).append((time, value))

    def _result(
        self, i: int, call: PlacedCall, fired: Fired, segments: Sequence[tuple[int, int, int]], base: Int64s
    ) -> Vector:
        rows = base + fired.last_peer + 1
        match call.function:
            case "lag":
                return self._lag(i, call, fired, segments)
            case "nth_value":
                return self._nth_value(i, call, fired, segments)
            case "ntile":
                return Vector(buckets(base + np.arange(1, len(fired) + 1), rows, call.number))
            case "percent_rank":
                before = base + _first_peer(fired.last_peer)
                return Vector(before / np.maximum(rows - 1, 1))
            case "cume_dist":
                return Vector(np.ones(len(fired)))
            case function:
                raise AssertionError(f"{function} is planned otherwise")

    def _lag(self, i: int, call: PlacedCall, fired: Fired, segments: Sequence[tuple[int, int, int]]) -> Vector:
        kind = self._schema.types[call.args[0]]
        values = python_values(fired.rows.column(call.args[0]), kind)
        defaults = python_values(fired.rows.column(call.args[1]), kind) if len(call.args) > 1 else None
        peers = fired.last_peer.tolist()
        kept, out = self._kept[i], []
        for partition, start, end in segments:
            arena = [value for _, value in kept.get(partition, ())]
            back = len(arena) - start - call.number
            arena += values[start:end]
            for peer in peers[start:end]:
                at = peer + back
                out.append(arena[at] if at >= 0 else None if defaults is None else defaults[peer])
            kept[partition] = [(0, value) for value in arena[max(len(arena) - call.number, 0) :]]
        return vector_of(out, kind)

    def _nth_value(self, i: int, call: PlacedCall, fired: Fired, segments: Sequence[tuple[int, int, int]]) -> Vector:
        kind = self._schema.types[call.args[0]]
        values = python_values(fired.rows.column(call.args[0]), kind)
        times, peers = fired.time.tolist(), fired.last_peer.tolist()
        kept, out = self._kept[i], []
        for partition, start, end in segments:
            arena = [] if self._begins_anew(partition, fired, start) else kept.get(partition, [])
            offset = len(arena) - start
            arena = [*arena, *zip(times[start:end], values[start:end], strict=True)]
            first = 0
            for row in range(start, end):
                first = self._first_in_frame(arena, first, row + offset)
                at = first + call.number - 1
                out.append(arena[at][1] if at <= peers[row] + offset else None)
            kept[partition] = arena[: call.number] if self._frame.preceding is None else arena[first:]
        return vector_of(out, kind)

    def _begins_anew(self, partition: int, fired: Fired, start: int) -> bool:
        """Rows of an earlier epoch are out of the frame by their time, unless they came in this batch."""
        return start > 0 and fired.code[start - 1] == partition

    def _first_in_frame(self, arena: Sequence[tuple[int, Any]], first: int, row: int) -> int:
        preceding = self._frame.preceding
        if preceding is None:
            return 0
        if self._frame.rows:
            return max(first, row - preceding)
        while arena[first][0] < arena[row][0] - preceding:
            first += 1
        return first


def buckets(number: Int64s, rows: Int64s, count: int) -> Int64s:
    """NTILE: the bucket of row `number` (from 1) of `rows`, when the first buckets take one row more if need be."""
    size, more = np.divmod(rows, count)
    in_larger = more * (size + 1)
    later = more + (number - 1 - in_larger) // np.maximum(size, 1)
    found: Int64s = np.where(number <= in_larger, (number - 1) // (size + 1), later) + 1
    return found


def _first_peer(last_peer: Int64s) -> Int64s:
    """For each row the first of its peers, which stand together up to `last_peer`."""
    found: Int64s = np.searchsorted(last_peer, last_peer, side="left")
    return found

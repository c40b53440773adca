"""The rows within the frame of each partition, oldest first, and which of them leave when others join."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, Int64s, numpy_column
from velo_engine.schema import RowSchema

_MOST_CHUNKS = 16
_FEWEST_GONE = 4096


@dataclass(frozen=True, slots=True)
class Moves:
    """What happens to the frames as rows join them one after another."""

    leaves_at: Int64s
    """For each row that leaves, the joining row before which it does; ascending."""
    leaving: pa.Table
    """The rows that leave, in that order."""
    fresh: Bools
    """For each joining row whether its frame begins anew: what was in it is gone without leaving."""
    number: Int64s
    """Of each joining row: how many have joined its frame before it."""
    oldest: Int64s
    """The number of the oldest row in the frame once the row has joined."""


@dataclass(slots=True)
class _Queue:
    """Positions of a partition's rows in the log, as ranges `[start, end)`."""

    ranges: deque[tuple[int, int]]
    size: int
    epoch: int
    left: int = 0
    """How many rows have left."""


class FrameQueues:
    """Frames bounded by a number of rows, by a length of time, or both.

    Rows stand in a log in the order in which batches brought them, so that moving frames touches only the partitions
    that a batch touches; the log is rewritten when most of it is gone.
    """

    def __init__(self, schema: RowSchema, rows: int | None, span_ms: int | None) -> None:
        self._empty = schema.physical().empty_table()
        self._rows = rows
        self._span = span_ms
        self._queues: dict[int, _Queue] = {}
        self._clear()

    def _clear(self) -> None:
        self._chunks: list[pa.Table] = []
        self._time = np.empty(0, np.int64)
        self._held = 0
        self._logged = 0

    def __len__(self) -> int:
        return self._held

    def move(self, code: Int64s, time: Int64s, epoch: Int64s, rows: pa.Table) -> Moves:
        """Let `rows` join, whose columns are those of the schema; they stand partition by partition.

        Within a partition and epoch times do not fall.
        """
        base = self._logged
        self._append(time, rows)
        changes = np.concatenate([[True], (code[1:] != code[:-1]) | (epoch[1:] != epoch[:-1])])
        first = np.flatnonzero(changes)
        last = np.append(first[1:], len(code))
        fresh = np.zeros(len(code), np.bool_)
        limits = None if self._span is None else (time[last - 1] - self._span).tolist()
        held: list[int] = []
        left: list[int] = []
        counts: list[int] = []
        gone: list[tuple[int, int]] = []
        segments = zip(code[first].tolist(), epoch[first].tolist(), first.tolist(), last.tolist(), strict=True)
        for i, (partition, its_epoch, start, end) in enumerate(segments):
            queue = self._queues.get(partition)
            if queue is None or queue.epoch != its_epoch:
                self._held -= 0 if queue is None else queue.size
                fresh[start] = queue is not None
                queue = self._queues[partition] = _Queue(deque(), 0, its_epoch)
            held.append(queue.size)
            left.append(queue.left)
            queue.ranges.append((base + start, base + end))
            queue.size += end - start
            self._held += end - start
            excess = 0 if self._rows is None else max(queue.size - self._rows, 0)
            counts.append(self._leave(queue, excess, None if limits is None else limits[i], gone))
        leaving = _positions(gone)
        at = self._steps(leaving, np.array(counts), np.array(held), first, last, time)
        count = np.diff(np.append(first, len(code)))
        rows_left = np.searchsorted(at, np.arange(len(code)), side="right")
        before = np.cumsum(counts) - counts
        oldest = rows_left - np.repeat(before - np.array(left), count)
        number = np.arange(len(code)) - np.repeat(first - np.array(held) - np.array(left), count)
        moves = Moves(at, self._taken(leaving), fresh, number, oldest)
        self._compact()
        return moves

    def forget(self, partitions: Int64s) -> None:
        """These partitions are empty."""
        for partition in partitions.tolist():
            queue = self._queues.pop(partition, None)
            self._held -= 0 if queue is None else queue.size

    def snapshot(self) -> pa.Table:
        """The rows in the queues, with `partition`, `time`, `epoch` and how many have `left` it."""
        order = list(self._queues.items())
        sizes = [queue.size for _, queue in order]
        positions = _positions([part for _, queue in order for part in queue.ranges])
        columns = {
            "partition": np.repeat(np.array([partition for partition, _ in order], np.int64), sizes),
            "time": self._time[positions],
            "epoch": np.repeat(np.array([queue.epoch for _, queue in order], np.int64), sizes),
            "left": np.repeat(np.array([queue.left for _, queue in order], np.int64), sizes),
        }
        table = self._taken(positions)
        for name, values in columns.items():
            table = table.append_column(name, pa.array(values))
        return table

    def restore(self, table: pa.Table) -> None:
        """Take over a snapshot; this object is new."""
        names = ["partition", "time", "epoch", "left"]
        code, time, epoch, left = (numpy_column(table, name) for name in names)
        self._append(time, table.drop_columns(names))
        if not len(code):
            return
        first = np.flatnonzero(np.concatenate([[True], code[1:] != code[:-1]]))
        last = np.append(first[1:], len(code)).tolist()
        queues = zip(
            code[first].tolist(), epoch[first].tolist(), left[first].tolist(), first.tolist(), last, strict=True
        )
        for partition, its_epoch, gone, start, end in queues:
            self._queues[partition] = _Queue(deque([(start, end)]), end - start, its_epoch, gone)
            self._held += end - start

    def _leave(self, queue: _Queue, excess: int, oldest: int | None, gone: list[tuple[int, int]]) -> int:
        """Take rows from the front: `excess` of them, and all whose time is below `oldest`; how many."""
        count = 0
        ranges = queue.ranges
        while ranges:
            start, end = ranges[0]
            stop = min(end, start + excess - count)
            if oldest is not None and stop < end:
                if self._time[end - 1] < oldest:
                    stop = end
                elif self._time[start] < oldest:
                    stop = max(stop, start + int(np.searchsorted(self._time[start:end], oldest)))
            if stop <= start:
                break
            gone.append((start, stop))
            count += stop - start
            if stop < end:
                ranges[0] = (stop, end)
                break
            ranges.popleft()
        queue.size -= count
        queue.left += count
        self._held -= count
        return count

    def _steps(
        self, leaving: Int64s, counts: Int64s, held: Int64s, first: Int64s, last: Int64s, time: Int64s
    ) -> Int64s:
        """The joining row before which each leaving row leaves."""
        queue = np.repeat(np.arange(len(first)), counts)
        at = last[queue]
        if self._rows is not None:
            nth = np.arange(len(leaving)) - np.repeat(np.cumsum(counts) - counts, counts)
            at = np.minimum(at, first[queue] + nth + self._rows - held[queue])
        if self._span is not None and len(leaving):
            low = int(min(self._time[leaving].min(), time.min()))
            band = int(time.max()) - low + self._span + 2
            joins = np.repeat(np.arange(len(first)), last - first) * band + (time - low)
            leaves = queue * band + (self._time[leaving] - low) + self._span
            at = np.minimum(at, np.searchsorted(joins, leaves, side="right"))
        return at

    def _append(self, time: Int64s, rows: pa.Table) -> None:
        if self._logged + len(time) > len(self._time):
            room = np.zeros(max(2 * len(self._time), self._logged + len(time)), np.int64)
            room[: self._logged] = self._time[: self._logged]
            self._time = room
        self._time[self._logged : self._logged + len(time)] = time
        self._logged += len(time)
        if rows.num_columns:
            self._chunks.append(rows)
        if len(self._chunks) > _MOST_CHUNKS:
            self._chunks = [pa.concat_tables(self._chunks).combine_chunks()]

    def _taken(self, positions: Int64s) -> pa.Table:
        if not self._chunks or not len(positions):
            return self._empty
        return pa.concat_tables(self._chunks).take(pa.array(positions))

    def _compact(self) -> None:
        """Rewrite the log when most of it is gone."""
        if self._logged - self._held < max(_FEWEST_GONE, self._logged // 2):
            return
        positions = _positions([part for queue in self._queues.values() for part in queue.ranges])
        time, rows = self._time[positions], self._taken(positions)
        self._clear()
        self._append(time, rows)
        start = 0
        for queue in self._queues.values():
            queue.ranges = deque([(start, start + queue.size)] if queue.size else [])
            start += queue.size
        self._held = start


def _positions(ranges: Sequence[tuple[int, int]]) -> Int64s:
    """All numbers in ranges `[start, end)`, one range after another."""
    bounds = np.array(ranges, np.int64).reshape(-1, 2)
    lengths = bounds[:, 1] - bounds[:, 0]
    before = np.cumsum(lengths) - lengths
    positions: Int64s = np.arange(int(lengths.sum())) + np.repeat(bounds[:, 0] - before, lengths)
    return positions

"""Rows that wait for the end of the window they carry.

A row is late when the watermark before it has reached the end of its window - 1 ms (Flink's
TimeWindowUtil.isWindowFired). The rows are kept in chunks sorted by window end, so that those of complete windows are
cut off the front of each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, ChangeBatch, Int64s, StepFunction, empty_rows
from velo_engine.operators.base import Counters, LateRows
from velo_engine.operators.late_records import late_records
from velo_engine.operators.session_time import SessionTime
from velo_engine.schema import RowSchema

_SMALL_CHUNK = 8192
_FEWEST_TO_REDUCE = 65536

Reduce: TypeAlias = Callable[[pa.Table], pa.Table]
"""Leaves out rows that will not be needed when the windows close, and keeps the order of the others."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Rows by window end, then in order of arrival."""

    rows: pa.Table
    ends: Int64s
    """Local milliseconds."""


class WindowRows:
    """The rows of open windows. `end_column` holds the end of each row's window."""

    def __init__(self, schema: RowSchema, end_column: int, time: SessionTime, reduce: Reduce | None = None) -> None:
        self._schema = schema
        self._end = f"c{end_column}"
        self._time = time
        self._reduce = reduce
        self._chunks: list[_Chunk] = []
        self._count = 0
        self._reduce_at = _FEWEST_TO_REDUCE

    def __len__(self) -> int:
        return self._count

    def take_in(self, batch: ChangeBatch, watermark: StepFunction, late: LateRows, counters: Counters) -> None:
        """Keep the rows of a batch whose windows are open under `watermark`; hand over the others.

        A row without a window, of the padded side of an outer join, is late: Flink reads its end as 1970.
        """
        if not len(batch):
            return
        ends = self.ends(batch.rows)
        reached = watermark.before(batch.seq)
        behind = ends - 1 <= self._time.passed(reached)
        if batch.rows.column(self._end).null_count:
            behind |= batch.rows.column(self._end).is_null().to_numpy()
        rows = batch.rows
        if behind.any():
            self._hand_over(batch, ends, reached, behind, late, counters)
            rows, ends = rows.filter(pa.array(~behind)), ends[~behind]
        self._add(rows, ends)

    def complete(self, watermark: int) -> pa.Table | None:
        """Take the rows of windows out that `watermark` completes, by window end, then in order of arrival."""
        passed = int(self._time.passed(np.array([watermark]))[0])
        # A window is complete when its last millisecond has passed.
        due = [(chunk, int(np.searchsorted(chunk.ends - 1, passed, side="right"))) for chunk in self._chunks]
        if not any(count for _, count in due):
            return None
        self._chunks = [_Chunk(c.rows.slice(n), c.ends[n:]) for c, n in due if n < len(c.ends)]
        parts = [(c.rows.slice(0, n), c.ends[:n]) for c, n in due if n]
        rows = pa.concat_tables([rows for rows, _ in parts])
        self._count -= rows.num_rows
        if len(parts) == 1:
            return rows
        return rows.take(pa.array(np.argsort(np.concatenate([ends for _, ends in parts]), kind="stable")))

    def events(self, ends: Int64s, watermark: StepFunction) -> Int64s:
        """The event whose watermark step completes each window."""
        distinct, at = np.unique(ends, return_inverse=True)
        events: Int64s = watermark.first_reaching(self._time.timers(distinct - 1))[at]
        return events

    def ends(self, rows: pa.Table) -> Int64s:
        """The window end of each row, in local milliseconds; 1970 for none."""
        ends: Int64s = rows.column(self._end).cast(pa.int64()).fill_null(0).to_numpy() // 1000
        return ends

    def snapshot(self) -> pa.Table:
        """All rows; those of one window in order of arrival."""
        return pa.concat_tables([empty_rows(self._schema), *(chunk.rows for chunk in self._chunks)]).combine_chunks()

    def restore(self, table: pa.Table) -> None:
        """Continue from a snapshot."""
        self._chunks, self._count = [], 0
        if table.num_rows:
            self._add(table, self.ends(table))

    def _add(self, rows: pa.Table, ends: Int64s) -> None:
        if not len(ends):
            return
        self._chunks.append(_sorted(rows, ends))
        self._count += len(ends)
        while len(self._chunks) > 1 and _worth_merging(*self._chunks[-2:]):
            first, second = self._chunks[-2:]
            self._chunks[-2:] = [_merged([first, second])]
        if self._reduce is not None and self._count > self._reduce_at:
            rows = self._reduce(_merged(self._chunks).rows)
            self._chunks = [_Chunk(rows, self.ends(rows))]
            self._count = rows.num_rows
            self._reduce_at = max(_FEWEST_TO_REDUCE, 2 * self._count)

    def _hand_over(
        self,
        batch: ChangeBatch,
        ends: Int64s,
        reached: Int64s,
        behind: Bools,
        late: LateRows,
        counters: Counters,
    ) -> None:
        """Count the records that are late for all of their windows, or for some, and give the former away."""
        found = late_records(batch.seq, ends, behind)
        counters.partly_late += found.partly
        counters.late += found.late
        if found.late:
            late(batch.rows.take(pa.array(found.shown)), self._lateness(reached[found.shown], ends[found.shown]))

    def _lateness(self, reached: Int64s, ends: Int64s) -> Int64s:
        lateness: Int64s = np.minimum(reached, 2**62) - self._time.timers(ends - 1)
        return lateness


def _sorted(rows: pa.Table, ends: Int64s) -> _Chunk:
    if not (ends[1:] < ends[:-1]).any():
        return _Chunk(rows, ends)
    order = np.argsort(ends, kind="stable")
    return _Chunk(rows.take(pa.array(order)), ends[order])


def _worth_merging(first: _Chunk, second: _Chunk) -> bool:
    """Chunks double in size as they age, so that a row is copied seldom and there are few small ones."""
    return len(first.ends) <= 2 * len(second.ends) and len(first.ends) + len(second.ends) <= _SMALL_CHUNK


def _merged(chunks: list[_Chunk]) -> _Chunk:
    if len(chunks) == 1:
        return chunks[0]
    rows = pa.concat_tables([chunk.rows for chunk in chunks]).combine_chunks()
    return _sorted(rows, np.concatenate([chunk.ends for chunk in chunks]))

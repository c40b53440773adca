"""Top-N: the first rows of each partition, kept up to date.

Source: Flink's AppendOnlyTopNFunction, FastTop1Function and RetractableTopNFunction. A row that enters pushes those
behind it down; ties rank in order of arrival. With the rank in the output, or when ranks begin beyond 1, every push is
-U/+U of one rank; without it the row that falls out is deleted and the new one inserted. A row that is taken back pulls
the rows behind it up, the one behind rank N included.

Rows that cannot enter are sorted out by array comparison before any row is looked at; the others are few.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, ChangeBatch, Int64s, RowKind, empty_rows, make_rows, numpy_column, renumbered
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.keyed_rows import NO_TTL
from velo_engine.operators.keys import KeyDictionary
from velo_engine.operators.rank_changes import RankChanges
from velo_engine.operators.sort_order import Key, not_before, sort_keys
from velo_engine.operators.vectors import from_arrow
from velo_engine.plan import nodes
from velo_engine.schema import RowSchema


@dataclass(slots=True)
class _Partition:
    """Rows in order: sort keys and, beside them, row codes."""

    limit: int
    opened: int = 0
    """Processing time at which its rows were last loaded from state: with a TTL that is when some may have ended."""
    keys: list[Key] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    now: int = 0
    """With a TTL, the processing time of the row that is handled."""
    written: dict[Key, int] = field(default_factory=dict)
    """With a TTL, processing time at which the rows of a sort key were last written."""


class TopN(Operator):
    """See `plan.nodes.TopN`. With `retracting` the input may take rows back, and all rows are kept."""

    def __init__(
        self,
        context: OperatorContext,
        node: nodes.TopN,
        input_schema: RowSchema,
        *,
        retracting: bool,
        ttl_ms: int = NO_TTL,
    ) -> None:
        self._context = context
        self._node = node
        self._input = input_schema
        self._retracting = retracting
        self._ttl_ms = ttl_ms
        self._partition_keys = KeyDictionary(input_schema.select(node.partition).types) if node.partition else None
        self._rows = KeyDictionary(input_schema.types)
        self._uses: dict[int, int] = {}
        """Per row code how often it is held."""
        self._partitions: dict[int, _Partition] = {}
        self._numbered = node.with_rank or node.first > 1
        self._is_top_one = (node.first, node.limit, node.limit_column) == (1, 1, None)
        self._held = 0

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The changes to the first N."""
        (batch,) = inputs
        if not len(batch):
            return batch.with_rows(empty_rows(self._node.schema))
        rows = batch.rows
        if not self._retracting and (batch.kind == RowKind.UPDATE_BEFORE).any():
            # FastTop1Function over updates that only move rows up needs no old rows.
            rows = rows.filter(pa.array(batch.kind != RowKind.UPDATE_BEFORE))
        codes = self._partition_codes(rows)
        self._open_partitions(rows, codes)
        if not self._retracting and self._ttl_ms == NO_TTL:
            entering = self._may_enter(rows, codes)
            rows, codes = rows.filter(pa.array(entering)), codes[entering]
        changes = RankChanges(self._node.first)
        released: list[int] = []
        for taken_back, seq, code, key, row in self._each(rows, codes):
            partition = self._partitions[code]
            if self._ttl_ms != NO_TTL:
                released += self._expire(partition, int(batch.processing_time.before(np.array([seq]))[0]))
            if taken_back:
                released += self._take_back(partition, key, row, seq, changes)
            else:
                released += self._insert(partition, key, row, seq, changes)
        out = self._output(changes)
        self._release(released)
        self._context.counters.state_rows = self._held
        return batch.with_rows(out)

    def snapshot(self) -> dict[str, pa.Table]:
        """Partitions, rows, and which row stands where."""
        held = [
            (code, row, p.written[key])
            for code, p in self._partitions.items()
            for key, row in zip(p.keys, p.rows, strict=True)
        ]
        opened = [(code, p.limit, p.opened) for code, p in self._partitions.items()]
        tables = {
            "entries": _table(held, ("partition", "row", "written")),
            "opened": _table(opened, ("partition", "limit", "opened")),
            "rows": self._rows.snapshot(),
        }
        return tables if self._partition_keys is None else tables | {"partitions": self._partition_keys.snapshot()}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._rows.restore(state["rows"])
        if self._partition_keys is not None:
            self._partition_keys.restore(state["partitions"])
        opened = state["opened"].to_pylist()
        self._partitions = {p["partition"]: _Partition(p["limit"], p["opened"]) for p in opened}
        self._uses = {}
        entries = state["entries"]
        self._held = entries.num_rows
        codes = numpy_column(entries, "row")
        keys = self._sort_keys(self._rows.columns(codes))
        numbers = (numpy_column(entries, name).tolist() for name in ("partition", "row", "written"))
        for code, row, written, key in zip(*numbers, keys, strict=True):
            partition = self._partitions[code]
            partition.keys.append(key)
            partition.rows.append(row)
            partition.written[key] = written
            self._uses[row] = self._uses.get(row, 0) + 1

    def _partition_codes(self, rows: pa.Table) -> Int64s:
        if self._partition_keys is None:
            return np.zeros(rows.num_rows, np.int64)
        return self._partition_keys.encode([rows.column(i) for i in self._node.partition])

    def _open_partitions(self, rows: pa.Table, codes: Int64s) -> None:
        """Make those that are new; the first row of each says how many rows it has, where a column does."""
        seen, first = np.unique(codes, return_index=True)
        column = self._node.limit_column
        limits = [self._node.limit] * len(seen)
        if column is not None:
            vector = from_arrow(rows.column(column).take(pa.array(first)), self._input.types[column])
            valid = np.ones(len(seen), np.bool_) if vector.valid is None else vector.valid
            limits = np.where(valid, vector.values, 0).tolist()
        for code, limit in zip(seen.tolist(), limits, strict=True):
            if code not in self._partitions:
                self._partitions[code] = _Partition(limit)

    def _may_enter(self, rows: pa.Table, codes: Int64s) -> Bools:
        """Rows that stand before the last of a full list now; within the batch the bar only rises.

        Only for one number to order by; otherwise every row is looked at.
        """
        entering = np.ones(rows.num_rows, np.bool_)
        first = self._node.order[0]
        vector = from_arrow(rows.column(first.column), self._input.types[first.column])
        if len(self._node.order) > 1 or vector.values.dtype == object:
            return entering
        full, place = np.unique(codes, return_inverse=True)
        return ~not_before(first, vector, [self._bar(code) for code in full.tolist()], place)

    def _bar(self, code: int) -> Key | None:
        """What a row of this partition must be below, None when any row may enter."""
        partition = self._partitions[code]
        return None if not partition.keys or len(partition.keys) < partition.limit else partition.keys[-1]

    def _sort_keys(self, columns: list[pa.ChunkedArray]) -> list[Key]:
        types = self._input.types
        vectors = [from_arrow(columns[s.column], types[s.column]) for s in self._node.order]
        return sort_keys(self._node.order, vectors)

    def _each(self, rows: pa.Table, codes: Int64s) -> Iterator[tuple[bool, int, int, Key, int]]:
        """(taken back, seq, partition, sort key, row code) in order."""
        columns = [rows.column(i) for i in range(len(self._input))]
        back = (numpy_column(rows, "kind") & 1).astype(np.bool_).tolist()
        row_codes = self._rows.encode(columns).tolist()
        for row in row_codes:
            self._uses.setdefault(row, 0)
        return zip(
            back, numpy_column(rows, "seq").tolist(), codes.tolist(), self._sort_keys(columns), row_codes, strict=True
        )

    def _insert(self, partition: _Partition, key: Key, row: int, seq: int, changes: RankChanges) -> list[int]:
        """Put a row in; the rows that are no longer held."""
        limit = partition.limit
        at = bisect_right(partition.keys, key)
        if at >= limit and not self._retracting:
            return [row]
        before = partition.rows[: max(limit, 0)]
        partition.keys.insert(at, key)
        partition.rows.insert(at, row)
        partition.written[key] = partition.now
        self._uses[row] += 1
        self._held += 1
        if at < limit:
            self._pushed(before, row, at, limit, seq, changes)
        if self._retracting or len(partition.rows) <= limit:
            return []
        last = partition.keys.pop()
        fallen = partition.rows.pop()
        if not partition.keys or partition.keys[-1] != last:
            del partition.written[last]
        elif not self._numbered:
            partition.written[last] = partition.now
        self._uses[fallen] -= 1
        self._held -= 1
        return [fallen]

    def _expire(self, partition: _Partition, now: int) -> list[int]:
        """Forget rows whose state has ended by `now`; the rows that are no longer held.

        A Top-1 lives from its last change on (FastTop1Function keeps it in a cache that expires after write). A longer
        list is loaded once per TTL, without the sort keys that were not written since (AppendOnlyTopNFunction).
        """
        if not partition.keys:
            partition.opened = now
        if self._is_top_one:
            gone = [key for key in partition.keys if partition.written[key] + self._ttl_ms <= now]
        elif partition.opened + self._ttl_ms > now:
            gone = []
        else:
            partition.opened = now
            gone = [key for key, written in partition.written.items() if written + self._ttl_ms <= now]
        released = []
        for key in gone:
            start, stop = bisect_left(partition.keys, key), bisect_right(partition.keys, key)
            released += partition.rows[start:stop]
            del partition.keys[start:stop], partition.rows[start:stop]
            partition.written.pop(key, None)
        for row in released:
            self._uses[row] -= 1
            self._held -= 1
        partition.now = now
        return released

    def _pushed(self, before: list[int], row: int, at: int, limit: int, seq: int, changes: RankChanges) -> None:
        """The changes when `row` enters the first N at position `at`; `before` were the first N."""
        full = len(before) == limit
        if self._is_top_one and full and not self._retracting:
            # FastTop1Function: one row replaces the other.
            changes.add(RowKind.UPDATE_BEFORE, before[0], 1, seq)
            changes.add(RowKind.UPDATE_AFTER, row, 1, seq)
            return
        if not self._numbered:
            if full:
                changes.unranked(RowKind.DELETE, before[-1], seq)
            changes.unranked(RowKind.INSERT, row, seq)
            return
        moving = row
        for position in range(at, len(before)):
            changes.add(RowKind.UPDATE_BEFORE, before[position], position + 1, seq)
            changes.add(RowKind.UPDATE_AFTER, moving, position + 1, seq)
            moving = before[position]
        if not full:
            changes.add(RowKind.INSERT, moving, len(before) + 1, seq)

    def _take_back(self, partition: _Partition, key: Key, row: int, seq: int, changes: RankChanges) -> list[int]:
        """Take a row out; the rows that are no longer held. A row that is not there is ignored."""
        at = bisect_left(partition.keys, key)
        while at < len(partition.keys) and partition.keys[at] == key and partition.rows[at] != row:
            at += 1
        if at == len(partition.keys) or partition.keys[at] != key:
            return [row]
        limit = max(partition.limit, 0)
        shown = partition.rows[: limit + 1]
        del partition.keys[at], partition.rows[at]
        if key not in partition.keys[max(at - 1, 0) : at + 1]:
            partition.written.pop(key, None)
        self._uses[row] -= 1
        self._held -= 1
        if at < limit:
            self._pulled(shown, at, limit, seq, changes)
        return [row]

    def _pulled(self, shown: list[int], at: int, limit: int, seq: int, changes: RankChanges) -> None:
        """The changes when the row at position `at` leaves; `shown` were the first N + 1."""
        if not self._numbered:
            changes.unranked(RowKind.DELETE, shown[at], seq)
            if len(shown) > limit:
                changes.unranked(RowKind.INSERT, shown[limit], seq)
            return
        for position in range(at, min(limit, len(shown))):
            if position + 1 < len(shown):
                changes.add(RowKind.UPDATE_BEFORE, shown[position], position + 1, seq)
                changes.add(RowKind.UPDATE_AFTER, shown[position + 1], position + 1, seq)
            else:
                changes.add(RowKind.DELETE, shown[position], position + 1, seq)

    def _output(self, changes: RankChanges) -> pa.Table:
        if not changes.kind:
            return empty_rows(self._node.schema)
        columns = self._rows.columns(np.array(changes.row, np.int64))
        if self._node.with_rank:
            columns.append(pa.array(changes.rank, pa.int64()))
        seq = np.array(changes.seq, np.int64)
        return make_rows(self._node.schema, columns, np.array(changes.kind, np.int8), seq, renumbered(seq))

    def _release(self, rows: list[int]) -> None:
        """Forget rows that are held nowhere any more."""
        gone = sorted({row for row in rows if self._uses.get(row) == 0})
        if gone:
            self._rows.free(np.array(gone, np.int64))
            for row in gone:
                del self._uses[row]


def _table(rows: list[tuple[int, int, int]], names: tuple[str, str, str]) -> pa.Table:
    """Numbers under their names."""
    numbers = np.array(rows, np.int64).reshape(-1, len(names))
    return pa.table({name: numbers[:, i] for i, name in enumerate(names)})

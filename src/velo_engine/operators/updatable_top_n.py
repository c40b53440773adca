"""Top-N over updates that only move rows up: a row that falls out is forgotten, and the old row need not be told.

Source: Flink's UpdatableTopNFunction and its UpdatableTopNHelper. Rows are known by their upsert key. Rows of equal
sort keys stand in the order in which they came to that key; with ranks, all of those that share the last rank are kept.
An update that moves a row down all the same (NULL grew to a value) is taken as it is, and rows that fell out stay out.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, ChangeBatch, Int64s, RowKind, empty_rows, make_rows, numpy_column, renumbered
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.keyed_rows import NO_TTL, KeyedRows
from velo_engine.operators.keys import KeyDictionary
from velo_engine.operators.rank_changes import RankChanges
from velo_engine.operators.sort_order import Key, not_before, sort_keys
from velo_engine.operators.vectors import from_arrow, single_array
from velo_engine.plan.nodes import TopN

_VARIABLE_SIZE = 100
"""How many rows a partition may hold when a column says how many ranks it has (Flink's DEFAULT_TOPN_SIZE)."""

_FEWEST_KEYS = 1024


@dataclass(slots=True)
class _Partition:
    """Sort keys in order, and the rows of each in order, by the slot of their upsert key."""

    limit: int
    opened: int
    """Processing time at which it was made: it is forgotten a TTL later."""
    keys: list[Key] = field(default_factory=list)
    groups: list[list[int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(map(len, self.groups))

    def put(self, key: Key, slot: int) -> None:
        at = bisect_left(self.keys, key)
        if at == len(self.keys) or self.keys[at] != key:
            self.keys.insert(at, key)
            self.groups.insert(at, [])
        self.groups[at].append(slot)

    def remove(self, key: Key, slot: int) -> None:
        at = bisect_left(self.keys, key)
        self.groups[at].remove(slot)
        if not self.groups[at]:
            del self.keys[at], self.groups[at]

    def rank(self, key: Key, slot: int) -> int:
        at = bisect_left(self.keys, key)
        return sum(len(group) for group in self.groups[:at]) + self.groups[at].index(slot) + 1


@dataclass(slots=True)
class _Row:
    """A row of some partition."""

    key: Key
    at: int
    """Its number: of the batch, or below 0 the slot in which it is held, as -slot."""


class UpdatableTopN(Operator):
    """See `plan.nodes.TopN`. Takes +I and +U and lets -U pass by."""

    def __init__(self, context: OperatorContext, node: TopN, row_key: Sequence[int], *, ttl_ms: int = NO_TTL) -> None:
        """`row_key` is the upsert key of the input."""
        self._context = context
        self._node = node
        self._schema = node.input.schema
        self._ttl_ms = ttl_ms
        self._numbered = node.with_rank or node.first > 1
        self._size = node.limit if node.limit_column is None else _VARIABLE_SIZE
        self._rows = KeyedRows(self._schema, row_key, range(len(self._schema)), NO_TTL)
        self._partition_keys = KeyDictionary(self._schema.select(node.partition).types) if node.partition else None
        self._partitions: dict[int, _Partition] = {}
        self._members: dict[int, _Row] = {}

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The changes to the first N."""
        (batch,) = inputs
        rows = batch.rows
        kind = batch.kind
        if (kind == RowKind.UPDATE_BEFORE).any():
            rows = rows.filter(pa.array(kind != RowKind.UPDATE_BEFORE))
        if not rows.num_rows:
            return batch.with_rows(empty_rows(self._node.schema))
        codes, slots = self._partition_codes(rows), self._rows.slots(rows)
        candidates = np.flatnonzero(self._may_change(rows, codes, slots))
        changes = RankChanges(self._node.first)
        gone: set[int] = set()
        for row, seq, now, code, slot, key in self._each(batch, rows, candidates, codes, slots):
            partition = self._partition(rows, code, row, now, gone)
            if self._numbered:
                self._with_rank(partition, key, slot, row, seq, changes, gone)
            else:
                self._without_rank(partition, key, slot, row, seq, changes, gone)
        out = self._output(rows, changes)
        self._hold(rows, slots[candidates], gone)
        self._context.counters.state_rows = len(self._members)
        return batch.with_rows(out)

    def snapshot(self) -> dict[str, pa.Table]:
        """Partitions, and which row stands where."""
        held = [(code, slot) for code, p in self._partitions.items() for group in p.groups for slot in group]
        entries = np.array(held, np.int64).reshape(-1, 2)
        partitions = [(code, p.limit, p.opened) for code, p in self._partitions.items()]
        numbers = np.array(partitions, np.int64).reshape(-1, 3)
        tables = {
            "entries": pa.table({"partition": entries[:, 0], "slot": entries[:, 1]}),
            "partitions": pa.table({n: numbers[:, i] for i, n in enumerate(("partition", "limit", "opened"))}),
            **{f"rows.{name}": table for name, table in self._rows.snapshot().items()},
        }
        return tables if self._partition_keys is None else tables | {"partition_keys": self._partition_keys.snapshot()}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        if self._partition_keys is not None:
            self._partition_keys.restore(state["partition_keys"])
        self._rows.restore({n.removeprefix("rows."): t for n, t in state.items() if n.startswith("rows.")})
        opened = state["partitions"].to_pylist()
        self._partitions = {p["partition"]: _Partition(p["limit"], p["opened"]) for p in opened}
        slots = numpy_column(state["entries"], "slot")
        vectors = [self._rows.vector(order.column, slots) for order in self._node.order]
        self._members = {}
        codes = numpy_column(state["entries"], "partition").tolist()
        for code, slot, key in zip(codes, slots.tolist(), sort_keys(self._node.order, vectors), strict=True):
            self._partitions[code].put(key, slot)
            self._members[slot] = _Row(key, -slot)
        self._context.counters.state_rows = len(self._members)

    def _partition_codes(self, rows: pa.Table) -> Int64s:
        if self._partition_keys is None:
            return np.zeros(rows.num_rows, np.int64)
        return self._partition_keys.encode([rows.column(i) for i in self._node.partition])

    def _may_change(self, rows: pa.Table, codes: Int64s, slots: Int64s) -> Bools:
        """All rows of a key of which one is held or may enter now; within the batch the bar only rises.

        Only for one number to order by, without TTL; otherwise every row is looked at.
        """
        first = self._node.order[0]
        vector = from_arrow(rows.column(first.column), self._schema.types[first.column])
        if len(self._node.order) > 1 or vector.values.dtype == object or self._ttl_ms != NO_TTL:
            return np.ones(rows.num_rows, np.bool_)
        distinct, place = np.unique(codes, return_inverse=True)
        behind = not_before(first, vector, [self._bar(code) for code in distinct.tolist()], place)
        passing = self._rows.held.copy()
        passing[slots[~behind]] = True
        entering: Bools = passing[slots]
        return entering

    def _bar(self, code: int) -> Key | None:
        """What a row of this partition must be below, None when any row may enter."""
        partition = self._partitions.get(code)
        return None if partition is None or partition.size < self._size or not partition.keys else partition.keys[-1]

    def _each(
        self, batch: ChangeBatch, rows: pa.Table, chosen: Int64s, codes: Int64s, slots: Int64s
    ) -> Iterator[tuple[int, int, int, int, int, Key]]:
        """(row, seq, processing time, partition, slot, sort key) of the chosen rows in order."""
        types, at = self._schema.types, pa.array(chosen)
        vectors = [from_arrow(single_array(rows.column(o.column)).take(at), types[o.column]) for o in self._node.order]
        seq = numpy_column(rows, "seq")[chosen]
        now = batch.processing_time.before(seq)
        keys = sort_keys(self._node.order, vectors)
        lists = (chosen, seq, now, codes[chosen], slots[chosen])
        return zip(*(values.tolist() for values in lists), keys, strict=True)

    def _partition(self, rows: pa.Table, code: int, row: int, now: int, gone: set[int]) -> _Partition:
        """The partition of a row, made when there is none or its TTL has passed."""
        partition = self._partitions.get(code)
        if partition is not None and self._ttl_ms != NO_TTL and partition.opened + self._ttl_ms <= now:
            for group in partition.groups:
                self._drop(group, gone)
            partition = None
        if partition is None:
            column = self._node.limit_column
            limit = self._node.limit if column is None else rows.column(column)[row].as_py() or 0
            partition = self._partitions[code] = _Partition(limit, now)
        return partition

    def _drop(self, slots: Sequence[int], gone: set[int]) -> None:
        for slot in slots:
            del self._members[slot]
            gone.add(slot)

    def _takes(self, partition: _Partition, key: Key) -> bool:
        """Whether a row that is not held may enter (TopNBuffer.checkSortKeyInBufferRange)."""
        return not partition.keys or key < partition.keys[-1] or partition.size < self._size

    def _without_rank(
        self, partition: _Partition, key: Key, slot: int, row: int, seq: int, changes: RankChanges, gone: set[int]
    ) -> None:
        """The changes of one row when ranks are not told."""
        old = self._members.get(slot)
        if old is not None:
            if old.key != key:
                partition.remove(old.key, slot)
                partition.put(key, slot)
            self._members[slot] = _Row(key, row)
            changes.unranked(RowKind.UPDATE_BEFORE, old.at, seq)
            changes.unranked(RowKind.UPDATE_AFTER, row, seq)
        elif self._takes(partition, key):
            partition.put(key, slot)
            self._members[slot] = _Row(key, row)
            if partition.size > partition.limit:
                last = partition.groups[-1][-1]
                changes.unranked(RowKind.DELETE, self._members[last].at, seq)
                partition.remove(partition.keys[-1], last)
                self._drop([last], gone)
            changes.unranked(RowKind.INSERT, row, seq)

    def _with_rank(
        self, partition: _Partition, key: Key, slot: int, row: int, seq: int, changes: RankChanges, gone: set[int]
    ) -> None:
        """The changes of one row when ranks are told."""
        old = self._members.get(slot)
        if old is None:
            if self._takes(partition, key):
                partition.put(key, slot)
                self._members[slot] = _Row(key, row)
                self._entered(partition, _Row(key, row), seq, changes, gone)
            return
        old_rank = partition.rank(old.key, slot)
        self._members[slot] = _Row(key, row)
        if old.key == key:
            self._change(RowKind.UPDATE_BEFORE, old.at, old_rank, partition, seq, changes)
            self._change(RowKind.UPDATE_AFTER, row, old_rank, partition, seq, changes)
            return
        partition.remove(old.key, slot)
        partition.put(key, slot)
        if key < old.key:
            self._moved_up(partition, _Row(key, row), old, old_rank, seq, changes, gone)
        else:
            self._moved_down(partition, row, partition.rank(key, slot), old, old_rank, seq, changes)

    def _change(
        self, kind: RowKind, row: int, rank: int, partition: _Partition, seq: int, changes: RankChanges
    ) -> None:
        """One change, if the rank is told at all."""
        if rank <= partition.limit:
            changes.add(kind, row, rank, seq)

    def _entered(self, partition: _Partition, new: _Row, seq: int, changes: RankChanges, gone: set[int]) -> None:
        """The changes when a row that was not held has been put in: those behind it move down."""
        at = bisect_left(partition.keys, new.key) + 1
        rank = sum(map(len, partition.groups[:at]))
        if rank - len(partition.groups[at - 1]) > partition.limit:
            at, rank = self._visited(partition)
            self._cut(partition, at, gone)
            return
        current = new.at
        while at < len(partition.groups) and rank <= partition.limit:
            for slot in partition.groups[at]:
                if rank > partition.limit:
                    break
                previous = self._members[slot].at
                changes.add(RowKind.UPDATE_BEFORE, previous, rank, seq)
                changes.add(RowKind.UPDATE_AFTER, current, rank, seq)
                current, rank = previous, rank + 1
            at += 1
        if rank <= partition.limit:
            changes.add(RowKind.INSERT, current, rank, seq)
        else:
            self._cut(partition, at, gone)

    def _moved_up(
        self, partition: _Partition, new: _Row, old: _Row, old_rank: int, seq: int, changes: RankChanges, gone: set[int]
    ) -> None:
        """The changes when a held row has come to a better sort key: those between move down."""
        at = bisect_left(partition.keys, new.key) + 1
        rank = sum(map(len, partition.groups[:at]))
        if rank - len(partition.groups[at - 1]) > partition.limit:
            at, rank = self._visited(partition)
            self._cut(partition, at, gone)
            return
        current, retracted = new.at, False
        while at < len(partition.groups) and rank <= partition.limit:
            at += 1
            if old.key < partition.keys[at - 1]:
                break
            for slot in partition.groups[at - 1]:
                if rank >= old_rank:
                    break
                previous = self._members[slot].at
                self._change(RowKind.UPDATE_BEFORE, previous, rank, partition, seq, changes)
                if not retracted:
                    # Of one upsert key the old row is taken back before the new one is given out.
                    self._change(RowKind.UPDATE_BEFORE, old.at, old_rank, partition, seq, changes)
                    retracted = True
                self._change(RowKind.UPDATE_AFTER, current, rank, partition, seq, changes)
                current, rank = previous, rank + 1
        if rank > partition.limit:
            self._cut(partition, at, gone)
            return
        if not retracted:
            self._change(RowKind.UPDATE_BEFORE, old.at, old_rank, partition, seq, changes)
        self._change(RowKind.UPDATE_AFTER, current, rank, partition, seq, changes)

    def _moved_down(
        self, partition: _Partition, row: int, rank: int, old: _Row, old_rank: int, seq: int, changes: RankChanges
    ) -> None:
        """The changes when a held row has come to a worse sort key: those between move up, even past the last rank."""
        self._change(RowKind.UPDATE_BEFORE, old.at, old_rank, partition, seq, changes)
        ordered = [slot for group in partition.groups for slot in group]
        for position in range(old_rank, rank):
            moved = self._members[ordered[position - 1]].at
            self._change(RowKind.UPDATE_BEFORE, moved, position + 1, partition, seq, changes)
            self._change(RowKind.UPDATE_AFTER, moved, position, partition, seq, changes)
        self._change(RowKind.UPDATE_AFTER, row, rank, partition, seq, changes)

    def _visited(self, partition: _Partition) -> tuple[int, int]:
        """How many groups begin within the ranks, and the rank that the last of them reaches."""
        at = rank = 0
        while at < len(partition.groups) and rank <= partition.limit:
            rank += len(partition.groups[at])
            at += 1
        return at, rank

    def _cut(self, partition: _Partition, at: int, gone: set[int]) -> None:
        """Forget the groups from `at` on."""
        for group in partition.groups[at:]:
            self._drop(group, gone)
        del partition.keys[at:], partition.groups[at:]

    def _output(self, rows: pa.Table, changes: RankChanges) -> pa.Table:
        if not changes.kind:
            return empty_rows(self._node.schema)
        at = np.array(changes.row, np.int64)
        held, place = np.unique(-at[at < 0], return_inverse=True)
        source = at.copy()
        source[at < 0] = rows.num_rows + place
        taken = pa.array(source)
        columns = [
            pa.concat_arrays([single_array(rows.column(i)), array]).take(taken)
            for i, array in enumerate(self._rows.arrays(held))
        ]
        if self._node.with_rank:
            columns.append(pa.array(changes.rank, pa.int64()))
        seq = np.array(changes.seq, np.int64)
        return make_rows(self._node.schema, columns, np.array(changes.kind, np.int8), seq, renumbered(seq))

    def _hold(self, rows: pa.Table, touched: Int64s, gone: set[int]) -> None:
        """Hold the members' newest rows, and nothing of those that fell out."""
        out = np.array([slot for slot in gone if slot not in self._members], np.int64)
        self._rows.clear(out)
        members = [slot for slot in dict.fromkeys(touched.tolist()) if slot in self._members]
        new = [(slot, self._members[slot].at) for slot in members if self._members[slot].at >= 0]
        if new:
            slots, numbers = (np.array(part, np.int64) for part in zip(*new, strict=True))
            self._rows.put(slots, rows.take(pa.array(numbers)), np.zeros(len(slots), np.int64))
            for slot, _ in new:
                self._members[slot].at = -slot
        if self._rows.known > max(_FEWEST_KEYS, 2 * len(self._members)):
            self._rows.forget_unheld()

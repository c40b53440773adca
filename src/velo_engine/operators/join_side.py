"""One side of a regular join: the rows it holds, by key, and which of them a row that is taken back means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, Int8s, Int64s, numpy_column
from velo_engine.operators.equal_rows import equal_groups, row_hashes
from velo_engine.operators.held_rows import HeldRows
from velo_engine.operators.key_buckets import KeyBuckets, spread
from velo_engine.operators.keyed_rows import NO_TTL
from velo_engine.operators.vectors import Vector
from velo_engine.schema import RowSchema

NO_KEY = -1
"""The key code of a row that matches nothing: a part of its key is NULL."""

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class SideRows:
    """The rows of one side in a batch, in their order."""

    place: Int64s
    """Where each stands among the rows of both sides."""
    key: Int64s
    kind: Int8s
    slot: Int64s

    @property
    def adds(self) -> Bools:
        """Which come; the others are taken back."""
        adds: Bools = self.kind & 1 == 0
        return adds


@dataclass(frozen=True, slots=True)
class EqualRows:
    """Held rows, by key in their order, then rows of a batch: those with equal groups are equal and have one key."""

    slots: Int64s
    places: Int64s
    """Places in the batch; -1 for those held."""
    row: Int64s
    """Numbers in the batch; -1 for those held."""
    adds: Bools
    groups: Int64s


class JoinSide:
    """The held rows of one side. Equal rows are told apart by their order only."""

    def __init__(
        self, schema: RowSchema, *, counted: bool, ttl_ms: int = NO_TTL, unique: tuple[int, ...] | None = None
    ) -> None:
        """With a TTL rows with the same values in the columns `unique` replace each other; None: there is no key."""
        self.ttl_ms = ttl_ms
        self.unique = unique if ttl_ms != NO_TTL else None
        self.rows = HeldRows(schema.types)
        self.counted = counted
        """Whether the matches of its rows count: what is shown of a row depends on them."""
        self.buckets = KeyBuckets()
        self.matches = np.zeros(0, np.int64)
        """By slot, the number of rows of the other side that match."""
        self.written = np.zeros(0, np.int64)
        """By slot, with a TTL, the processing time at which the row was last written."""
        self.entry = np.zeros(0, np.int64)
        """By slot, during a batch, the slot that stands for all rows of the same entry of state; -1 for itself."""
        self.life = np.zeros(0, np.int64)
        """By slot, during a batch, in which life of its entry the row came."""
        self.ends = np.zeros(0, np.int64)
        """By slot, the place in the batch at which the row is taken back; NEVER outside a batch."""
        self._columns = tuple(range(len(schema.types))) if self.unique is None else self.unique
        """By which rows are equal."""
        self._types = schema.select(self._columns).types
        self._hashes = np.zeros(0, np.int64)
        self._keys = np.zeros(0, np.int64)
        """Key codes by slot."""
        self._retracts = ttl_ms != NO_TTL
        """Whether a row was ever taken back: only then, and with a TTL, are hashes kept."""
        self._sweep_at = -(2**63)

    def take(self, columns: list[pa.ChunkedArray], kind: Int8s, key: Int64s) -> Int64s:
        """Put a batch's rows into slots, also those taken back."""
        slots = self.rows.add(columns, len(kind))
        room = self.rows.capacity
        if len(self.ends) < room:
            more = max(room, 2 * len(self.ends), 64) - len(self.ends)
            self.ends = np.append(self.ends, np.full(more, NEVER))
            self.matches = np.append(self.matches, np.zeros(more, np.int64))
            self.written = np.append(self.written, np.zeros(more, np.int64))
            if self.ttl_ms != NO_TTL:
                self.entry = np.append(self.entry, np.full(more, -1))
                self.life = np.append(self.life, np.zeros(more, np.int64))
            self._hashes = np.append(self._hashes, np.zeros(more, np.int64))
            self._keys = np.append(self._keys, np.zeros(more, np.int64))
        self._keys[slots] = key
        if not self._retracts and bool((kind & 1).any()):
            self._retracts = True
            held = self.rows.slots()
            self._hash(held)
        elif self._retracts:
            self._hash(slots)
        return slots

    def mark_ends(self, batch: SideRows) -> Int64s:
        """Find the rows that are taken back, each the oldest equal one that is there; the slots of those held before.

        A row that nothing equal is there for is only passed on.
        """
        retracted = np.flatnonzero(~batch.adds & (batch.key != NO_KEY))
        if not len(retracted):
            return np.empty(0, np.int64)
        rows = self.equal_to(batch, retracted)
        # The rows of a group in order: held ones first, as they came.
        order = np.argsort(rows.groups, kind="stable")
        ended, by = (order[found] for found in paired(rows.groups[order], rows.adds[order]))
        self.ends[rows.slots[ended]] = rows.places[by]
        return rows.slots[ended[rows.places[ended] < 0]]

    def equal_to(self, batch: SideRows, asked: Int64s) -> EqualRows:
        """The held rows and those of the batch that equal one of the rows `asked` of the batch, and some others."""
        concerned = np.unique(batch.key[asked])
        wanted = np.unique(self._hashes[batch.slot[asked]])
        mine = np.flatnonzero(np.isin(batch.key, concerned))
        mine = mine[np.isin(self._hashes[batch.slot[mine]], wanted)]
        element, held = self.buckets.lookup(concerned)
        alike = np.isin(self._hashes[held], wanted)
        element, held = element[alike], held[alike]
        none = np.full(len(held), -1)
        slots = np.concatenate([held, batch.slot[mine]])
        keys = np.concatenate([concerned[element], batch.key[mine]])
        adds = np.concatenate([np.ones(len(held), np.bool_), batch.adds[mine]])
        groups = equal_groups(self._compared(slots), keys, self._hashes[slots])
        places, row = np.concatenate([none, batch.place[mine]]), np.concatenate([none, mine])
        return EqualRows(slots, places, row, adds, groups)

    def entries(self, slots: Int64s) -> Int64s:
        """During a batch, the slots that stand for the entries of these rows."""
        entry = self.entry[slots]
        return np.where(entry < 0, slots, entry)

    def sweep(self, now: int) -> int:
        """Once per TTL: give up the rows that have ended. Gives how many keys may have been left without rows."""
        if self.ttl_ms == NO_TTL or now < self._sweep_at:
            return 0
        self._sweep_at = now + self.ttl_ms
        held = self.rows.slots()
        ended = held[self.written[held] + self.ttl_ms <= now]
        self.rows.free(ended)
        return len(self.buckets.remove(self._keys[ended], ended))

    def matches_of(self, asking: SideRows, own: SideRows) -> tuple[Int64s, Int64s]:
        """For every row of the other side's batch, the rows of this side there at its place: (row, slot), in order."""
        row, held = self.buckets.lookup(asking.key)
        fresh_row, fresh = _earlier(asking, own)
        row, slot = np.concatenate([row, fresh_row]), np.concatenate([held, fresh])
        there = self.ends[slot] > asking.place[row]
        if len(fresh_row):
            order = np.argsort(row, kind="stable")
            order = order[there[order]]
            return row[order], slot[order]
        return (row, slot) if there.all() else (row[there], slot[there])

    def close(self, batch: SideRows, ended: Int64s) -> int:
        """After a batch: keep the rows that stay, give up the others and those `ended`.

        Gives how many keys may have been left without rows.
        """
        stays = batch.adds & (batch.key != NO_KEY) & (self.ends[batch.slot] == NEVER)
        self.buckets.add(batch.key[stays], batch.slot[stays])
        empty = self.buckets.remove(self._keys[ended], ended)
        gone = np.concatenate([batch.slot[~stays], ended])
        self.ends[gone] = NEVER
        self.rows.free(gone)
        return len(empty) + int(np.count_nonzero(~stays))

    def snapshot(self) -> pa.Table:
        """The rows, by key in their order."""
        keys, slots = self.buckets.items()
        names = ["key", "matches", "written", *(f"c{i}" for i in range(self.rows.width))]
        numbers = [pa.array(values) for values in (keys, self.matches[slots], self.written[slots])]
        return pa.table([*numbers, *self.rows.columns(slots)], names=names)

    def restore(self, table: pa.Table) -> None:
        """Hold exactly these rows."""
        count = table.num_rows
        self.rows.restore(np.empty(0, np.int64), [])
        self.buckets = KeyBuckets()
        self._retracts = True
        key = numpy_column(table, "key")
        slots = self.take(table.columns[3:], np.zeros(count, np.int8), key)
        self.matches[slots] = numpy_column(table, "matches")
        self.written[slots] = numpy_column(table, "written")
        self.buckets.add(key, slots)

    def _hash(self, slots: Int64s) -> None:
        self._hashes[slots] = row_hashes(self._compared(slots), self._types, len(slots))

    def _compared(self, slots: Int64s) -> list[Vector]:
        return [vector for i, vector in enumerate(self.rows.vectors(slots)) if i in self._columns]


def _earlier(asking: SideRows, own: SideRows) -> tuple[Int64s, Int64s]:
    """For every row of `asking` the rows with its key that came before it in the batch: (row, slot)."""
    added = np.flatnonzero(own.adds & (own.key != NO_KEY))
    nothing = np.empty(0, np.int64)
    if not len(added) or not len(asking.key):
        return nothing, nothing
    # By key and place, as one number: places are below `span`.
    span = int(max(asking.place[-1], own.place[-1])) + 1
    if int(own.key.max()) >= NEVER // span - 1:
        raise OverflowError("too many keys")
    order = np.argsort(own.key[added] * span + own.place[added], kind="stable")
    sorted_rows = added[order]
    ranks = own.key[sorted_rows] * span + own.place[sorted_rows]
    key = np.maximum(asking.key, 0)
    low = np.searchsorted(ranks, key * span)
    high = np.where(asking.key == NO_KEY, low, np.searchsorted(ranks, key * span + asking.place))
    counts = high - low
    return np.repeat(np.arange(len(key)), counts), own.slot[sorted_rows[spread(low, counts)]]


def paired(groups: Int64s, adds: Bools) -> tuple[Int64s, Int64s]:
    """Which row each row that is taken back ends: positions of the ended and of those that end them.

    Rows stand group after group in their order. Within a group the n-th that is taken back while one is there ends the
    n-th that came.
    """
    change = np.where(adds, 1, -1)
    begins = np.concatenate([[True], groups[1:] != groups[:-1]])
    starts = np.flatnonzero(begins)
    lengths = np.diff(np.append(starts, len(groups)))
    total = np.cumsum(change)
    base = np.repeat(total[starts] - change[starts], lengths)
    level = total - base
    # A row taken back while none is there leaves the count at zero: it is a new minimum below zero.
    offset = np.repeat(np.arange(len(starts)), lengths) * (2 * len(groups) + 2)
    lowest = np.minimum.accumulate(np.minimum(level, 0) - offset) + offset
    before = np.concatenate([[0], lowest[:-1]])
    before[starts] = 0
    ghost = ~adds & (level < before)
    ends = ~adds & ~ghost
    nth_end = _running_count(ends, starts, lengths)
    nth_add = _running_count(adds, starts, lengths)
    width = len(groups) + 1
    group = np.repeat(np.arange(len(starts)), lengths)
    add_at = np.flatnonzero(adds)
    end_at = np.flatnonzero(ends)
    by_rank = np.searchsorted(group[add_at] * width + nth_add[add_at], group[end_at] * width + nth_end[end_at])
    return add_at[by_rank], end_at


def _running_count(flags: Bools, starts: Int64s, lengths: Int64s) -> Int64s:
    total = np.cumsum(flags)
    counts: Int64s = total - np.repeat(total[starts] - flags[starts], lengths)
    return counts

"""State of one row for each key: which row it is, and when it was written.

State time-to-live is Flink's: a key counts as never seen once the time since its state was written reaches the TTL
(StateTtlConfig with OnCreateAndWrite and NeverReturnExpired); reading it does not prolong its life. Time is processing
time as the job's clock gives it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, ChangeBatch, Int64s
from velo_engine.operators.keys import KeyDictionary
from velo_engine.operators.vectors import Vector, VectorStore, enlarged, from_arrow, single_array, to_arrow
from velo_engine.schema import RowSchema
from velo_engine.types import SqlType

NO_TTL = 0
"""State lives for ever."""


class KeyedRows:
    """Rows by slot: the slot of a key is its code plus one, slot 0 holds nothing and is never written."""

    def __init__(self, schema: RowSchema, keys: Sequence[int], kept: Sequence[int], ttl_ms: int) -> None:
        """`kept` are the columns that are kept; without key columns there is one key."""
        self._key_columns = tuple(keys)
        self._kept = tuple(kept)
        self._types: tuple[SqlType, ...] = schema.select(self._kept).types
        self._keys = KeyDictionary(schema.select(self._key_columns).types) if keys else None
        self._stores = [VectorStore(kind) for kind in self._types]
        self._ttl_ms = ttl_ms
        self._sweep_at = -(2**63)
        self.held = np.zeros(1, np.bool_)
        """Whether a slot holds a row."""
        self.written = np.zeros(1, np.int64)
        """Processing time of the last write, by slot."""
        self.updated = np.zeros(1, np.bool_)
        """Whether the row in a slot has replaced another."""
        self.reserve()

    def __len__(self) -> int:
        """Rows held."""
        return int(self.held.sum())

    @property
    def known(self) -> int:
        """Keys that have a slot, with a row or without."""
        return 1 if self._keys is None else len(self._keys)

    def slots(self, rows: pa.Table) -> Int64s:
        """The slot of each row's key."""
        if self._keys is None:
            return np.ones(rows.num_rows, np.int64)
        slots = self._keys.encode([rows.column(i) for i in self._key_columns]) + 1
        self.reserve()
        return slots

    def reserve(self) -> None:
        """Make room for all slots."""
        room = 2 if self._keys is None else self._keys.capacity + 1
        for store in self._stores:
            store.reserve(room)
        if room > len(self.held):
            size = max(room, 2 * len(self.held))
            self.held, self.updated = enlarged(self.held, size), enlarged(self.updated, size)
            self.written = enlarged(self.written, size)

    def put(self, slots: Int64s, rows: pa.Table, now: Int64s) -> None:
        """Hold `rows` in `slots` from `now` on."""
        for store, column, kind in zip(self._stores, self._kept, self._types, strict=True):
            store.put(slots, from_arrow(single_array(rows.column(column)), kind))
        self.held[slots] = True
        self.written[slots] = now

    def vector(self, position: int, slots: Int64s) -> Vector:
        """One kept column of the rows in `slots`."""
        return self._stores[position].get(slots)

    def arrays(self, slots: Int64s) -> list[Any]:
        """The kept columns of the rows in `slots`, as Arrow arrays."""
        return [to_arrow(s.get(slots), kind) for s, kind in zip(self._stores, self._types, strict=True)]

    def picked(self, rows: pa.Table, slots: Int64s, source: Int64s) -> list[Any]:
        """The kept columns of the rows `source`, which counts through `rows` and then the rows in `slots`."""
        at = pa.array(source)
        held = zip(self._kept, self.arrays(slots), strict=True)
        return [pa.concat_arrays([single_array(rows.column(i)), array]).take(at) for i, array in held]

    def expired(self, written: Int64s, now: Int64s) -> Bools:
        """Whether state written then has ended now."""
        if self._ttl_ms == NO_TTL:
            return np.zeros(len(now), np.bool_)
        gone: Bools = written + self._ttl_ms <= now
        return gone

    @property
    def forgets(self) -> bool:
        """Whether there is a TTL."""
        return self._ttl_ms != NO_TTL

    def give(self, slots: Int64s, now: Int64s) -> None:
        """Of the keys in `slots` only remember, from `now` on, that their rows were given away."""
        for store in self._stores:
            store.clear(slots)
        self.held[slots] = self.updated[slots] = True
        self.written[slots] = now

    def clear(self, slots: Int64s) -> None:
        """Hold nothing in `slots`."""
        for store in self._stores:
            store.clear(slots)
        self.held[slots] = False
        self.updated[slots] = False

    def sweep(self, batch: ChangeBatch) -> None:
        """Once per TTL: let go what has ended, and forget its keys."""
        now = batch.processing_time.closing
        if self._ttl_ms == NO_TTL or now < self._sweep_at:
            return
        self._sweep_at = now + self._ttl_ms
        self.clear(np.flatnonzero(self.held & (self.written + self._ttl_ms <= now)))
        self.forget_unheld()

    def forget_unheld(self) -> None:
        """Free the codes of keys without a row."""
        if self._keys is not None:
            codes = self._keys.codes()
            unheld = codes[~self.held[codes + 1]]
            if len(unheld):
                self._keys.free(unheld)

    def snapshot(self) -> dict[str, pa.Table]:
        """The rows held, by slot, and their keys."""
        slots = np.flatnonzero(self.held)
        columns = dict(zip((f"r{i}" for i in range(len(self._types))), self.arrays(slots), strict=True))
        state = {"slot": slots, "written": self.written[slots], "updated": self.updated[slots], **columns}
        return {"rows": pa.table(state)} | ({} if self._keys is None else {"keys": self._keys.snapshot()})

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        if self._keys is not None:
            self._keys.restore(state["keys"])
        self.held[:] = False
        self.updated[:] = False
        self.reserve()
        table = state["rows"]
        slots = table.column("slot").to_numpy()
        for i, (store, kind) in enumerate(zip(self._stores, self._types, strict=True)):
            store.put(slots, from_arrow(single_array(table.column(f"r{i}")), kind))
        self.held[slots] = True
        self.written[slots] = table.column("written").to_numpy()
        self.updated[slots] = table.column("updated").to_numpy()

"""The open windows: which slot of the accumulators belongs to which key and window."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.operators.int64_map import ABSENT, Int64Map

_CODE_BITS = 32
_FIRST_SWEEP = 4096


class WindowSlots:
    """Slots of (key code, window end) pairs. Slot 0 is never used.

    Every window gets a number that is never used again, so closing a window leaves its entries behind in the index as
    garbage; they are swept once they are the majority. Pairs remember the order of their births: it is the order of
    their first rows and does not depend on how the input was cut into batches.
    """

    def __init__(self) -> None:
        self._index = Int64Map()
        self._sweep_at = _FIRST_SWEEP
        self._numbers: dict[int, int] = {}
        self._members: dict[int, list[Int64s]] = {}
        self._next_number = 0
        self._next_birth = 1
        self._free = np.zeros(0, np.int64)
        self._capacity = 1
        self.codes = np.zeros(1, np.int64)
        """Key code of each slot."""
        self.ends = np.zeros(1, np.int64)
        """Window end of each slot."""
        self.births = np.zeros(1, np.int64)
        """Number of each slot in order of first rows; 0 for an unused slot."""
        self.live = 0
        """Slots in use."""

    @property
    def capacity(self) -> int:
        """Every slot is below this number."""
        return self._capacity

    @property
    def open_ends(self) -> list[int]:
        """The windows that have slots, by end."""
        return sorted(self._members)

    def find_or_open(self, codes: Int64s, windows: Int64s, ends: Int64s) -> tuple[Int64s, Int64s, list[int]]:
        """The slot of each pair (`codes[i]`, `ends[windows[i]]`), opened where there is none.

        Also gives the slots opened, and the ends of the windows that had no slot before.
        """
        numbers, fresh = self._numbered(windows, ends)
        pairs = numbers[windows] << _CODE_BITS | codes
        slots = self._index.find(pairs)
        absent = np.flatnonzero(slots == ABSENT)
        if len(absent) == 0:
            return slots, absent, fresh
        distinct, first, inverse = np.unique(pairs[absent], return_index=True, return_inverse=True)
        arrival = np.argsort(first)
        opened = self._take(len(distinct))
        slot_of = np.empty(len(distinct), np.int64)
        slot_of[arrival] = opened
        slots[absent] = slot_of[inverse]
        self._index.insert(distinct, slot_of)
        rows = absent[first[arrival]]
        self._occupy(opened, codes[rows], ends[windows[rows]])
        return slots, opened, fresh

    def members(self, ends: Iterable[int]) -> Int64s:
        """The slots of these windows."""
        return _joined([part for end in ends for part in self._members[end]])

    def close(self, ends: Iterable[int]) -> Int64s:
        """Give up these windows; the slots they had."""
        closed: list[Int64s] = []
        for end in ends:
            del self._numbers[end]
            closed += self._members.pop(end)
        slots = _joined(closed)
        self.births[slots] = 0
        self.live -= len(slots)
        self._free = np.concatenate([self._free, slots])
        if len(self._index) >= self._sweep_at:
            self._sweep()
        return slots

    def snapshot(self) -> pa.Table:
        """The slots in use with their key codes and window ends, by birth."""
        slots = np.flatnonzero(self.births)
        slots = slots[np.argsort(self.births[slots])]
        return pa.table({"slot": slots, "code": self.codes[slots], "end": self.ends[slots]})

    def restore(self, table: pa.Table) -> None:
        """Take over a snapshot; this object is new."""
        slots, codes, ends = (table.column(name).to_numpy() for name in ("slot", "code", "end"))
        self._grow(int(slots.max()) + 1 if len(slots) else 1)
        unused = np.ones(self._capacity, np.bool_)
        unused[slots] = False
        unused[0] = False
        self._free = np.flatnonzero(unused)
        distinct, windows = np.unique(ends, return_inverse=True)
        numbers, _ = self._numbered(windows, distinct)
        self._index.insert(numbers[windows] << _CODE_BITS | codes, slots)
        self._occupy(slots, codes, ends)

    def _numbered(self, windows: Int64s, ends: Int64s) -> tuple[Int64s, list[int]]:
        """The number of each of `ends` that occurs among `windows`, and the ends that are new."""
        numbers = np.zeros(len(ends), np.int64)
        used = np.zeros(len(ends), np.bool_)
        used[windows] = True
        fresh = []
        for i in np.flatnonzero(used).tolist():
            end = int(ends[i])
            number = self._numbers.get(end)
            if number is None:
                number = self._numbers[end] = self._next_number
                self._next_number += 1
                self._members[end] = []
                fresh.append(end)
            numbers[i] = number
        return numbers, fresh

    def _take(self, count: int) -> Int64s:
        reused, self._free = self._free[:count], self._free[count:]
        fresh = np.arange(self._capacity, self._capacity + count - len(reused))
        self._grow(self._capacity + len(fresh))
        return np.concatenate([reused, fresh])

    def _grow(self, capacity: int) -> None:
        self._capacity = max(self._capacity, capacity)
        missing = self._capacity - len(self.codes)
        if missing > 0:
            room = np.zeros(max(missing, len(self.codes)), np.int64)
            self.codes = np.concatenate([self.codes, room])
            self.ends = np.concatenate([self.ends, room])
            self.births = np.concatenate([self.births, room])

    def _occupy(self, slots: Int64s, codes: Int64s, ends: Int64s) -> None:
        """Note whose the slots are; they are in order of birth."""
        self.codes[slots] = codes
        self.ends[slots] = ends
        self.births[slots] = np.arange(self._next_birth, self._next_birth + len(slots))
        self._next_birth += len(slots)
        self.live += len(slots)
        by_end = np.argsort(ends, kind="stable")
        ordered = ends[by_end]
        for part in np.split(by_end, np.flatnonzero(ordered[1:] != ordered[:-1]) + 1):
            if len(part):
                self._members[int(ends[part[0]])].append(slots[part])

    def _sweep(self) -> None:
        """Drop the entries of closed windows."""
        pairs, slots = self._index.items()
        numbers = np.sort(np.fromiter(self._numbers.values(), np.int64, len(self._numbers)))
        live = np.isin(pairs >> _CODE_BITS, numbers, assume_unique=False)
        self._index.rebuild(pairs[live], slots[live])
        self._sweep_at = max(_FIRST_SWEEP, 2 * len(self._index))


def _joined(parts: list[Int64s]) -> Int64s:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)

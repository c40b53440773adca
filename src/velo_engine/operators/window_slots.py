"""The open panes: which slot of the accumulators belongs to which key and pane."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.operators.int64_map import ABSENT, Int64Map

_CODE_BITS = 32
_FIRST_SWEEP = 4096


class WindowSlots:
    """Slots of (key code, pane) pairs. Slot 0 is never used.

    Every pane gets a number that is never used again, so closing one leaves its entries behind in the index as garbage;
    they are swept once they are the majority.
    """

    def __init__(self) -> None:
        self._index = Int64Map()
        self._sweep_at = _FIRST_SWEEP
        self._numbers: dict[int, int] = {}
        self._members: dict[int, list[Int64s]] = {}
        self._next_number = 0
        self._free = np.zeros(0, np.int64)
        self._capacity = 1
        self.codes = np.zeros(1, np.int64)
        """Key code of each slot."""
        self.panes = np.zeros(1, np.int64)
        """Pane of each slot."""
        self.births = np.zeros(1, np.int64)
        """Arrival of each slot's first row, a positive number; 0 for an unused slot."""
        self.live = 0
        """Slots in use."""

    @property
    def capacity(self) -> int:
        """Every slot is below this number."""
        return self._capacity

    @property
    def open_panes(self) -> list[int]:
        """The panes that have slots, ascending."""
        return sorted(self._members)

    def find_or_open(
        self, codes: Int64s, panes: Int64s, ends: Int64s, births: Int64s
    ) -> tuple[Int64s, Int64s, list[int]]:
        """The slot of each pair (`codes[i]`, `ends[panes[i]]`) of rows in order of arrival, opened where there is none.

        Also gives the slots opened, and the panes that had no slot before. `births[i]`: the arrival of the pair's row.
        """
        numbers, fresh = self._numbered(panes, ends)
        pairs = numbers[panes] << _CODE_BITS | codes
        slots = self._index.find(pairs)
        absent = np.flatnonzero(slots == ABSENT)
        if len(absent) == 0:
            return slots, absent, fresh
        distinct, first, inverse = np.unique(pairs[absent], return_index=True, return_inverse=True)
        opened = self._take(len(distinct))
        slots[absent] = opened[inverse]
        self._index.insert(distinct, opened)
        rows = absent[first]
        self._occupy(opened, codes[rows], ends[panes[rows]], births[rows])
        return slots, opened, fresh

    def members(self, windows: Sequence[Sequence[int]]) -> tuple[Int64s, Int64s, Int64s]:
        """The slots of several windows' panes: for each slot the window, the place of its pane in it, and the slot.

        `windows` gives each window's panes; those that are not open have no slots.
        """
        window, place, slots = [], [], []
        for i, panes in enumerate(windows):
            for j, pane in enumerate(panes):
                for part in self._members.get(pane, ()):
                    window.append(np.full(len(part), i))
                    place.append(np.full(len(part), j))
                    slots.append(part)
        return _joined(window), _joined(place), _joined(slots)

    def close(self, panes: Iterable[int]) -> Int64s:
        """Give up these panes; the slots they had."""
        closed: list[Int64s] = []
        for pane in panes:
            del self._numbers[pane]
            closed += self._members.pop(pane)
        slots = _joined(closed)
        self.births[slots] = 0
        self.live -= len(slots)
        self._free = np.concatenate([self._free, slots])
        if len(self._index) >= self._sweep_at:
            self._sweep()
        return slots

    def snapshot(self) -> pa.Table:
        """The slots in use with their key codes, panes and first arrivals."""
        slots = np.flatnonzero(self.births)
        columns = {"slot": slots, "code": self.codes[slots], "pane": self.panes[slots], "birth": self.births[slots]}
        return pa.table(columns)

    def restore(self, table: pa.Table) -> None:
        """Take over a snapshot; this object is new."""
        slots, codes, panes, births = (table.column(name).to_numpy() for name in ("slot", "code", "pane", "birth"))
        self._grow(int(slots.max()) + 1 if len(slots) else 1)
        unused = np.ones(self._capacity, np.bool_)
        unused[slots] = False
        unused[0] = False
        self._free = np.flatnonzero(unused)
        ends, at = np.unique(panes, return_inverse=True)
        numbers, _ = self._numbered(at, ends)
        self._index.insert(numbers[at] << _CODE_BITS | codes, slots)
        self._occupy(slots, codes, panes, births)

    def _numbered(self, panes: Int64s, ends: Int64s) -> tuple[Int64s, list[int]]:
        """The number of each of `ends` that occurs among `panes`, and the ends that are new."""
        numbers = np.zeros(len(ends), np.int64)
        used = np.zeros(len(ends), np.bool_)
        used[panes] = True
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
            self.panes = np.concatenate([self.panes, room])
            self.births = np.concatenate([self.births, room])

    def _occupy(self, slots: Int64s, codes: Int64s, panes: Int64s, births: Int64s) -> None:
        self.codes[slots] = codes
        self.panes[slots] = panes
        self.births[slots] = births
        self.live += len(slots)
        by_pane = np.argsort(panes, kind="stable")
        ordered = panes[by_pane]
        for part in np.split(by_pane, np.flatnonzero(ordered[1:] != ordered[:-1]) + 1):
            if len(part):
                self._members[int(panes[part[0]])].append(slots[part])

    def _sweep(self) -> None:
        """Drop the entries of closed panes."""
        pairs, slots = self._index.items()
        numbers = np.fromiter(self._numbers.values(), np.int64, len(self._numbers))
        live = np.isin(pairs >> _CODE_BITS, numbers)
        self._index.rebuild(pairs[live], slots[live])
        self._sweep_at = max(_FIRST_SWEEP, 2 * len(self._index))


def _joined(parts: list[Int64s]) -> Int64s:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)

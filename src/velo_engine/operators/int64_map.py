"""A hash map from int64 to int64 that is asked and filled whole arrays at a time.

Open addressing with linear probing over two numpy arrays (Knuth, TAOCP 6.4, algorithm L), Fibonacci hashing. A lookup
costs a few numpy calls and some nanoseconds a key, however many entries the map holds.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from velo_engine.batch import Bools, Int64s

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SMALLEST_BITS = 6

ABSENT = -1
"""The value of a key that the map does not hold."""


class Int64Map:
    """Values are non-negative; at most half of the table is used."""

    def __init__(self) -> None:
        self._allocate(_SMALLEST_BITS)

    def __len__(self) -> int:
        return self._used

    def find(self, keys: Int64s) -> Int64s:
        """The value of each key, ABSENT where there is none."""
        at = self._home(keys)
        values = self._values[at]
        lost = np.flatnonzero((self._keys[at] != keys) & (values != ABSENT))
        while len(lost):
            there = (at[lost] + 1) & self._mask
            at[lost] = there
            found = self._values[there]
            values[lost] = found
            lost = lost[(self._keys[there] != keys[lost]) & (found != ABSENT)]
        return values

    def insert(self, keys: Int64s, values: Int64s) -> None:
        """Add entries; the keys are distinct and not in the map."""
        self._reserve(self._used + len(keys))
        self._place(keys, values)

    def replace(self, keys: Int64s, values: Int64s) -> None:
        """Change the values of keys that the map holds. For a key given twice the last value counts."""
        at = self._home(keys)
        lost = np.flatnonzero(self._keys[at] != keys)
        while len(lost):
            at[lost] = (at[lost] + 1) & self._mask
            lost = lost[(self._keys[at[lost]] != keys[lost])]
        self._values[at] = values

    def items(self) -> tuple[Int64s, Int64s]:
        """All keys with their values, in no particular order."""
        used = self._values != ABSENT
        return self._keys[used], self._values[used]

    def retain(self, keep: Bools) -> None:
        """Keep only the entries (in the order of `items`) for which `keep` is true."""
        keys, values = self.items()
        self.rebuild(keys[keep], values[keep])

    def rebuild(self, keys: Int64s, values: Int64s) -> None:
        """Hold exactly these entries; the keys are distinct."""
        self._allocate(_SMALLEST_BITS)
        self.insert(keys, values)

    def _allocate(self, bits: int) -> None:
        size = 1 << bits
        self._mask = size - 1
        self._shift = np.uint64(64 - bits)
        self._keys = np.zeros(size, np.int64)
        self._values = np.full(size, ABSENT, np.int64)
        self._used = 0

    def _home(self, keys: Int64s) -> npt.NDArray[np.int64]:
        return ((keys.view(np.uint64) * _MULTIPLIER) >> self._shift).view(np.int64)

    def _reserve(self, entries: int) -> None:
        if 2 * entries <= self._mask + 1:
            return
        keys, values = self.items()
        self._allocate(int(4 * entries - 1).bit_length())
        self._place(keys, values)

    def _place(self, keys: Int64s, values: Int64s) -> None:
        self._used += len(keys)
        at = self._home(keys)
        while len(keys):
            empty = self._values[at] == ABSENT
            # Several keys may claim one empty place: the last write stays, the others see that and move on.
            self._keys[at[empty]] = keys[empty]
            placed = empty & (self._keys[at] == keys)
            self._values[at[placed]] = values[placed]
            rest = ~placed
            keys, values, at = keys[rest], values[rest], (at[rest] + 1) & self._mask

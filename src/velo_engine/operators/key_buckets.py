"""Which rows a key has: per key code a vector of slots in order of arrival, all vectors in one array.

A vector has room for a power of two of slots; when it is full its live slots move to a place of twice the room, and the
old place is used again. So rows are added, taken away and looked up in time that grows with their number, not with
what is held, and memory stays within a small factor of the rows held.
"""

from __future__ import annotations

import numpy as np

from velo_engine.batch import Int64s
from velo_engine.operators.runs import stable_order

_NO_SLOT = -1
_SMALL = 8
"""Gaps in so small a vector cost nothing."""


class KeyBuckets:
    """Keys and slots are small non-negative integers; a slot is in at most one bucket."""

    def __init__(self) -> None:
        self._arena = np.empty(0, np.int64)
        self._end = 0
        self._start = np.empty(0, np.int64)
        self._room = np.empty(0, np.int64)
        self._used = np.empty(0, np.int64)
        self._live = np.empty(0, np.int64)
        self._place = np.empty(0, np.int64)
        """Of each slot, where in the arena it stands."""
        self._vacant: dict[int, Int64s] = {}
        """By room, the starts of places that no key uses."""

    def live(self, keys: Int64s) -> Int64s:
        """The number of rows of each key."""
        self._reserve(keys)
        return self._live[keys]

    def live_keys(self) -> Int64s:
        """The keys that have rows, ascending."""
        return np.flatnonzero(self._live)

    def lookup(self, keys: Int64s) -> tuple[Int64s, Int64s]:
        """For every element of `keys` (-1 for none) the slots of its rows: (element, slot), in order."""
        known = np.where((keys >= 0) & (keys < len(self._used)), keys, -1)
        counts = np.where(known >= 0, self._used[known], 0) if len(self._used) else np.zeros(len(keys), np.int64)
        element = np.repeat(np.arange(len(keys)), counts)
        if not len(element):
            return element, element
        slots = self._arena[spread(self._start[known], counts)]
        there = slots != _NO_SLOT
        return (element, slots) if there.all() else (element[there], slots[there])

    def add(self, keys: Int64s, slots: Int64s) -> None:
        """Append rows to their keys, in order."""
        if not len(keys):
            return
        self._reserve(keys)
        order = stable_order(keys)
        ordered = keys[order]
        firsts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        distinct, counts = ordered[firsts], np.diff(np.append(firsts, len(keys)))
        full = self._used[distinct] + counts > self._room[distinct]
        self._move(distinct[full], self._live[distinct[full]] + counts[full])
        places = spread(self._start[distinct] + self._used[distinct], counts)
        self._put(places, slots[order])
        self._used[distinct] += counts
        self._live[distinct] += counts

    def remove(self, keys: Int64s, slots: Int64s) -> Int64s:
        """Take rows away; the keys that have none left."""
        if not len(keys):
            return keys
        self._arena[self._place[slots]] = _NO_SLOT
        distinct, counts = np.unique(keys, return_counts=True)
        self._live[distinct] -= counts
        empty: Int64s = distinct[self._live[distinct] == 0]
        self._vacate(empty)
        self._start[empty] = self._room[empty] = self._used[empty] = 0
        sparse = distinct[(self._used[distinct] > _SMALL) & (4 * self._live[distinct] < self._used[distinct])]
        self._move(sparse, self._live[sparse])
        return empty

    def items(self) -> tuple[Int64s, Int64s]:
        """(key, slot) of all rows, by key, each key's in order."""
        keys = self.live_keys()
        element, slots = self.lookup(keys)
        return keys[element], slots

    def _reserve(self, keys: Int64s) -> None:
        size = int(keys.max()) + 1 if len(keys) else 0
        if size > len(self._used):
            more = max(size, 2 * len(self._used), 64) - len(self._used)
            self._start, self._room, self._used, self._live = (
                np.append(a, np.zeros(more, np.int64)) for a in (self._start, self._room, self._used, self._live)
            )

    def _move(self, keys: Int64s, sizes: Int64s) -> None:
        """Give keys a place with room for `sizes` slots, and close the gaps of rows taken away."""
        if not len(keys):
            return
        rooms = np.int64(1) << np.ceil(np.log2(sizes)).astype(np.int64)
        element, slots = self.lookup(keys)
        self._vacate(keys)
        starts = np.empty(len(keys), np.int64)
        for room in np.unique(rooms).tolist():
            at = np.flatnonzero(rooms == room)
            starts[at] = self._places(room, len(at))
        self._start[keys], self._room[keys], self._used[keys] = starts, rooms, self._live[keys]
        self._put(spread(starts, np.bincount(element, minlength=len(keys))), slots)

    def _places(self, room: int, count: int) -> Int64s:
        vacant = self._vacant.get(room)
        reused = np.empty(0, np.int64)
        if vacant is not None:
            reused = vacant[max(len(vacant) - count, 0) :]
            self._vacant[room] = vacant[: len(vacant) - len(reused)]
        fresh = self._end + room * np.arange(count - len(reused))
        self._end += room * len(fresh)
        if self._end > len(self._arena):
            grown = np.empty(max(self._end, 2 * len(self._arena), 1024), np.int64)
            grown[: len(self._arena)] = self._arena
            self._arena = grown
        return np.concatenate([reused, fresh])

    def _vacate(self, keys: Int64s) -> None:
        rooms, starts = self._room[keys], self._start[keys]
        for room in np.unique(rooms[rooms > 0]).tolist():
            freed = starts[rooms == room]
            vacant = self._vacant.get(room)
            self._vacant[room] = freed if vacant is None else np.concatenate([vacant, freed])

    def _put(self, places: Int64s, slots: Int64s) -> None:
        self._arena[places] = slots
        size = int(slots.max()) + 1 if len(slots) else 0
        if size > len(self._place):
            grown = np.empty(max(size, 2 * len(self._place), 64), np.int64)
            grown[: len(self._place)] = self._place
            self._place = grown
        self._place[slots] = places


def spread(starts: Int64s, counts: Int64s) -> Int64s:
    """The numbers `start, start + 1, …` of every range, one range after the other."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    numbers: Int64s = np.arange(total) + np.repeat(starts - (ends - counts), counts)
    return numbers

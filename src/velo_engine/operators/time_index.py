"""Rows by key and time: which rows of a key have a time within bounds.

Rows stand in runs sorted by key and time, each batch's new rows in one of its own; runs of about the same length are
merged, so that there are few. Rows that are taken out stay in their runs until half of all are such.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from velo_engine.batch import Bools, Int64s
from velo_engine.operators.key_buckets import spread

SPAN_MS = 1 << 36
"""The times of rows held at once are less than this apart, about two years."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Sorted by `rank`."""

    rank: Int64s
    slot: Int64s
    number: Int64s


class TimeIndex:
    """Keys are small non-negative integers, times milliseconds. Each row has a number of its own beside its slot."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._base = 0
        self._total = 0
        self._live = 0
        self.key = np.zeros(0, np.int64)
        self.time = np.zeros(0, np.int64)
        self.number = np.zeros(0, np.int64)
        """By slot; the number is -1 where no row is."""

    def __len__(self) -> int:
        """Rows held."""
        return self._live

    def fits(self, times: Int64s) -> bool:
        """Whether rows of these times can be held beside those that are."""
        if not len(times):
            return True
        low, high = int(times.min()), int(times.max())
        if self._live:
            held = self.time[self.slots()]
            low, high = min(low, int(held.min())), max(high, int(held.max()))
        return high - low < SPAN_MS // 2

    @property
    def earliest(self) -> int:
        """Not after the time of any row."""
        return self._base

    def slots(self) -> Int64s:
        """The slots of all rows."""
        return np.flatnonzero(self.number >= 0)

    def add(self, slots: Int64s, keys: Int64s, times: Int64s, numbers: Int64s) -> None:
        """Hold these rows; `fits` has said that it can."""
        if not len(slots):
            return
        self._reserve(int(slots.max()) + 1)
        self.key[slots], self.time[slots], self.number[slots] = keys, times, numbers
        self._live += len(slots)
        self._total += len(slots)
        if not self._base <= int(times.min()) <= int(times.max()) < self._base + SPAN_MS:
            self._rebuild()
            return
        run = _sorted(self._rank(keys, times), slots, numbers)
        while self._runs and len(self._runs[-1].rank) <= 2 * len(run.rank):
            run = self._merged([self._runs.pop(), run])
        self._runs.append(run)

    def remove(self, slots: Int64s) -> None:
        """Take these rows out."""
        self.number[slots] = -1
        self._live -= len(slots)
        if self._total > 2 * self._live + 1024:
            self._rebuild()

    def within(self, keys: Int64s, low: Int64s, high: Int64s) -> tuple[Int64s, Int64s]:
        """For every element the rows of its key with `low <= time <= high`: (element, slot)."""
        elements, found = [], []
        last = self._base + SPAN_MS - 1
        low_rank = self._rank(keys, np.clip(low, self._base, last))
        high_rank = self._rank(keys, np.clip(high, self._base, last))
        none = (high < self._base) | (low > last) | (keys < 0)
        for run in self._runs:
            first = np.searchsorted(run.rank, low_rank)
            end = np.where(none, first, np.searchsorted(run.rank, high_rank, side="right"))
            counts = np.maximum(end - first, 0)
            at = spread(first, counts)
            slot = run.slot[at]
            there = self.number[slot] == run.number[at]
            elements.append(np.repeat(np.arange(len(keys)), counts)[there])
            found.append(slot[there])
        if not found:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        return np.concatenate(elements), np.concatenate(found)

    def first_after(self, keys: Int64s, time: int) -> tuple[Int64s, Int64s]:
        """For every element the first row of its key with a time after `time`, if there is one: (element, slot).

        Not always only the first: one of each run.
        """
        elements, found = [], []
        rank = self._rank(keys, np.full(len(keys), min(max(time + 1, self._base), self._base + SPAN_MS - 1)))
        for run in self._runs:
            at = np.searchsorted(run.rank, rank)
            open_ = np.flatnonzero(at < len(run.rank))
            while len(open_):
                slot = run.slot[at[open_]]
                same = self.key[slot] == keys[open_]
                there = self.number[slot] == run.number[at[open_]]
                elements.append(open_[same & there])
                found.append(slot[same & there])
                # An entry without its row is passed over; one of the next key ends the search.
                stale = ~there & (run.rank[at[open_]] < (keys[open_] + 1) * SPAN_MS)
                open_ = open_[stale]
                at[open_] += 1
                open_ = open_[at[open_] < len(run.rank)]
        if not found:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        return np.concatenate(elements), np.concatenate(found)

    def _rank(self, keys: Int64s, times: Int64s) -> Int64s:
        ranks: Int64s = keys * SPAN_MS + (times - self._base)
        return ranks

    def _rebuild(self) -> None:
        slots = self.slots()
        times = self.time[slots]
        self._base = int(times.min()) - SPAN_MS // 4 if len(times) else 0
        self._runs = [_sorted(self._rank(self.key[slots], times), slots, self.number[slots])] if len(slots) else []
        self._total = self._live

    def _merged(self, runs: list[_Run]) -> _Run:
        rank, slot, number = (np.concatenate([getattr(r, name) for r in runs]) for name in ("rank", "slot", "number"))
        there: Bools = self.number[slot] == number
        self._total -= len(there) - int(np.count_nonzero(there))
        return _sorted(rank[there], slot[there], number[there])

    def _reserve(self, size: int) -> None:
        more = max(size, 2 * len(self.key), 64) - len(self.key)
        if size > len(self.key):
            self.key = np.append(self.key, np.zeros(more, np.int64))
            self.time = np.append(self.time, np.zeros(more, np.int64))
            self.number = np.append(self.number, np.full(more, -1))


def _sorted(rank: Int64s, slot: Int64s, number: Int64s) -> _Run:
    order = np.argsort(rank, kind="stable")
    return _Run(rank[order], slot[order], number[order])

"""How long the rows of one side of a regular join live under state time-to-live.

Source: Flink's JoinRecordStateViews and OuterJoinRecordStateViews. Equal rows of a join key are one entry of state: how
often the row is there, on a counted side how many rows of the other side match it, and when it was written. Where the
input has a unique key an entry is the one row of that key, and a row that comes takes its place. An entry is written by
each of its rows that comes or is taken back while it is there; on a counted side also by each row of the other side
that matches it. It has ended when the TTL has passed since it was written (OnCreateAndWrite, NeverReturnExpired), and
what comes then begins a new one. Matches with rows of the other side that have ended are not counted down.

What writes or reads an entry is a touch. Touches that lie further apart than the TTL are in different lives of the
entry, so that the lives of all entries are found at once; a row is there for what touches its entry within its life.
"""

from __future__ import annotations

import numpy as np

from velo_engine.batch import Bools, Int64s
from velo_engine.operators.join_side import NEVER, NO_KEY, JoinSide, SideRows, paired

_LONG_AGO = -(2**62)
"""When an entry was written that was not there before the batch."""


class SideLives:
    """The entries of one side that a batch touches."""

    def __init__(self, side: JoinSide, own: SideRows, now: Int64s) -> None:
        """`now` is the processing time at each place of the batch. Before the batch's pairs are looked for."""
        self._side = side
        self._own = own
        self._now = now
        self._span = len(now) + 1
        self._rows = rows = side.equal_to(own, np.flatnonzero(own.key != NO_KEY))
        self._fresh = rows.places >= 0
        _, first, group = np.unique(rows.groups, return_index=True, return_inverse=True)
        # Held rows stand first: where there is one, it says when the entry was written.
        self._entry = rows.slots[first[group]]
        side.entry[rows.slots] = self._entry
        side.written[own.slot] = _LONG_AGO
        if side.unique is not None:
            self._replace()
        self._touched = np.empty(0, np.int64)

    def alive(self, slot: Int64s, place: Int64s) -> Bools:
        """Whether the row in each slot is there at the place of a row of the other side that matches it.

        Marks which rows end in this batch, and when entries were written.
        """
        rows, side, fresh = self._rows, self._side, self._fresh
        entry = np.concatenate([self._entry[fresh], side.entries(slot)])
        at = np.concatenate([rows.places[fresh], place])
        of_batch = np.isin(rows.groups, rows.groups[fresh])  # the other rows only look alike
        self._touched = np.unique(np.concatenate([rows.slots[of_batch], slot]))
        if not len(entry):
            return np.empty(0, np.bool_)
        writes = np.ones(len(entry), np.bool_)
        writes[len(entry) - len(slot) :] = side.counted
        order = np.lexsort((at, entry))
        touches = _Touches(side, entry[order], self._now[at[order]], writes[order])
        life = np.empty(len(entry), np.int64)
        life[order] = touches.life
        side.life[self._touched] = touches.opening[touches.run_of(side.entries(self._touched))]
        side.life[rows.slots[fresh]] = life[: len(entry) - len(slot)]
        if side.unique is None:
            self._take_back(len(entry))
        there: Bools = (side.life[slot] == life[len(entry) - len(slot) :]) & (side.ends[slot] > place)
        run = touches.run_of(side.entries(self._touched))
        dead = (side.life[self._touched] != touches.closing[run]) & (side.ends[self._touched] == NEVER)
        side.ends[self._touched[dead]] = 0
        side.written[self._touched] = touches.written[run]
        return there

    def ended(self) -> Int64s:
        """The slots of the rows held before that are not there any more."""
        held = np.setdiff1d(self._touched, self._own.slot)
        ended: Int64s = held[self._side.ends[held] != NEVER]
        return ended

    def count(self, slot: Int64s, place: Int64s, steps: Int64s, matches: Int64s) -> Int64s:
        """The matches that each row has before a row of the other side adds `steps` to them.

        `matches` is what each own row of the batch meets: a row that comes sets what its entry counts. The counts held
        are brought up to date.
        """
        rows, side = self._rows, self._side
        comes = self._fresh & rows.adds
        codes = self._entry[comes] * self._span + rows.places[comes]
        by_code = np.argsort(codes)
        codes, set_to = codes[by_code], matches[rows.row[comes]][by_code]

        def since(slots: Int64s, places: Int64s) -> tuple[Int64s, Int64s]:
            """The last row of the entry that came before: its place (-1 for none in the batch), and what it counted."""
            entry = side.entries(slots)
            found = np.searchsorted(codes, entry * self._span + places) - 1
            known = found >= 0
            if len(codes):
                known &= codes[found] // self._span == entry
                came = np.where(known, codes[found] % self._span, -1)
                return came, np.where(known, set_to[found], side.matches[slots])
            return np.full(len(slots), -1), side.matches[slots]

        width = self._span + 1
        order = np.lexsort((place, slot))
        keys = slot[order] * width + place[order] + 1
        total = np.concatenate([np.zeros(1, np.int64), np.cumsum(steps[order])])
        came, base = since(slot, place)
        upto = np.empty(len(slot), np.int64)
        upto[order] = np.arange(len(slot))
        before: Int64s = base + total[upto] - total[np.searchsorted(keys, slot * width + came + 1, side="right")]
        touched = self._touched
        came, base = since(touched, np.full(len(touched), len(self._now)))
        low = np.searchsorted(keys, touched * width + came + 1, side="right")
        high = np.searchsorted(keys, touched * width + self._span, side="right")
        side.matches[touched] = base + total[high] - total[low]
        return before

    def close(self) -> None:
        """After the batch."""
        self._side.entry[self._rows.slots] = -1

    def _replace(self) -> None:
        """Of an entry with a unique key the next row, also one that is taken back, ends the one that is there."""
        order = np.argsort(self._entry, kind="stable")
        follows = np.flatnonzero(self._entry[order][1:] == self._entry[order][:-1])
        before, after = order[follows], order[follows + 1]
        added = self._rows.adds[before]
        self._side.ends[self._rows.slots[before[added]]] = self._rows.places[after[added]]

    def _take_back(self, lives: int) -> None:
        """Which row of its entry, in the same life, each row that is taken back ends."""
        rows, side = self._rows, self._side
        groups = self._entry * (lives + 1) + side.life[rows.slots]
        order = np.argsort(groups, kind="stable")
        if len(order):
            ended, by = paired(groups[order], rows.adds[order])
            side.ends[rows.slots[order[ended]]] = rows.places[order[by]]


class _Touches:
    """Touches of entries, entry after entry in the order of their places."""

    def __init__(self, side: JoinSide, entry: Int64s, now: Int64s, writes: Bools) -> None:
        count = len(entry)
        first = np.concatenate([[True], entry[1:] != entry[:-1]])
        starts = np.flatnonzero(first)
        run = np.cumsum(first) - 1
        last = np.maximum.accumulate(np.where(writes, np.arange(count), -1))
        before = np.concatenate([[-1], last[:-1]])
        written = np.where(before >= starts[run], now[before], side.written[entry])
        gap = written + side.ttl_ms <= now
        passed = np.cumsum(gap & writes)
        self._entries = entry[starts]
        self.life: Int64s = np.where(writes, passed, passed + gap)
        """The life of its entry in which each touch lies; what only reads may lie after it."""
        self.opening: Int64s = passed[starts] - (gap & writes)[starts]
        """By run of touches: the life of what was there before the batch."""
        ends = np.append(starts[1:], count) - 1
        self.closing: Int64s = passed[ends]
        """By run: the last life."""
        wrote = last[ends] >= starts
        self.written: Int64s = np.where(wrote, now[last[ends]], side.written[self._entries])
        """By run: when the entry was last written."""

    def run_of(self, entries: Int64s) -> Int64s:
        """The runs of these entries, all of which are touched."""
        runs: Int64s = np.searchsorted(self._entries, entries)
        return runs

"""Which session each row belongs to, which rows are too late: Flink's merging windows for SESSION.

A row at *t* opens the window [t, t + gap). Windows that touch merge (MergingWindowSet, TimeWindow.intersects: start
<= other end). A row is late when the window it would end up in has closed: watermark >= end - 1 ms. So a row that is
late on its own is accepted when it meets a session that is still live; sessions that fired never merge again.

Sessions therefore depend on the order of arrival. Most keys of a batch do not show it: one pass over the rows in time
order gives the sessions, and is right when every two neighbours were both live when the later-arriving of them came.
The few other keys are walked row by row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from velo_engine.batch import INITIAL_WATERMARK, Bools, Int64s

LATE = -1
"""In place of a session: the row came too late."""

_BEFORE_BATCH = -1


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions of any number of keys; parallel arrays."""

    id: Int64s
    """Unique, and increasing in the order of opening."""
    key: Int64s
    start: Int64s
    end: Int64s
    """Exclusive: the last row's time plus the gap. Milliseconds."""

    @staticmethod
    def none() -> Sessions:
        """No session."""
        empty = np.empty(0, np.int64)
        return Sessions(empty, empty, empty, empty)

    def __len__(self) -> int:
        return len(self.id)

    def where(self, mask: Bools) -> Sessions:
        """Those that `mask` chooses."""
        return Sessions(self.id[mask], self.key[mask], self.start[mask], self.end[mask])

    def plus(self, other: Sessions) -> Sessions:
        """Both."""
        return Sessions(
            np.concatenate([self.id, other.id]),
            np.concatenate([self.key, other.key]),
            np.concatenate([self.start, other.start]),
            np.concatenate([self.end, other.end]),
        )


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a batch of rows does to the sessions of its keys."""

    row_session: Int64s
    """Per row the id of its session, or LATE."""
    sessions: Sessions
    """All sessions of the batch's keys after it, those included that closed on the way."""
    merged: dict[int, int]
    """Ids that no longer exist and the session that took each in."""


def assign(key: Int64s, time: Int64s, watermark: Int64s, gap: int, live: Sessions, next_id: int) -> Assignment:
    """Assign rows, given in order of arrival with the watermark before each, to sessions.

    `live` are the sessions of these keys that have not fired; ids from `next_id` on are free (one per row is enough).
    """
    order, count = _in_time_order(key, time, gap, live)
    island = _islands(order)
    unclear = np.unique(order.key[_broken_links(order, island, watermark)])
    plain = ~np.isin(order.key, unclear)
    result = _from_islands(order, island, plain, count, next_id)
    for k in unclear.tolist():
        rows = np.flatnonzero(key == k)
        _walk(result, k, rows, time, watermark, gap, live.where(live.key == k), next_id)
    return result.assignment()


@dataclass(frozen=True, slots=True)
class _Elements:
    """Rows and live sessions of a batch, by key and time."""

    key: Int64s
    start: Int64s
    end: Int64s
    arrival: Int64s
    """The row's position, or _BEFORE_BATCH for a session."""
    session: Int64s
    """The session's id, or LATE for a row."""
    highest_end: Int64s
    """Of the elements of the same key before this one; the smallest int for the first."""
    holder: Int64s
    """The arrival of the element that has it."""


class _Result:
    """An assignment being built."""

    def __init__(self, rows: int) -> None:
        self.row_session = np.full(rows, LATE, np.int64)
        self.found = [Sessions.none()]
        self.merged: dict[int, int] = {}

    def assignment(self) -> Assignment:
        sessions = self.found[0]
        for more in self.found[1:]:
            sessions = sessions.plus(more)
        return Assignment(self.row_session, sessions, self.merged)


def _in_time_order(key: Int64s, time: Int64s, gap: int, live: Sessions) -> tuple[_Elements, int]:
    n = len(key)
    keys = np.concatenate([live.key, key])
    start = np.concatenate([live.start, time])
    end = np.concatenate([live.end, time + gap])
    arrival = np.concatenate([np.full(len(live), _BEFORE_BATCH), np.arange(n)])
    session = np.concatenate([live.id, np.full(n, LATE)])
    by = np.lexsort((arrival, end, start, keys))
    keys, start, end, arrival, session = keys[by], start[by], end[by], arrival[by], session[by]
    rank = np.cumsum(np.concatenate([[0], keys[1:] != keys[:-1]]))
    # One running maximum over all keys: each key's ends are moved above those of the key before it.
    low = int(end.min())
    width = int(end.max()) - low + 1
    highest = np.maximum.accumulate((end - low) + rank * width) - rank * width + low
    first = np.concatenate([[True], keys[1:] != keys[:-1]])
    before = np.concatenate([[0], highest[:-1]])
    before[first] = np.iinfo(np.int64).min
    holds = np.maximum.accumulate(np.where(end == highest, np.arange(len(end)), 0))
    holder = np.concatenate([[0], arrival[holds[:-1]]])
    return _Elements(keys, start, end, arrival, session, before, holder), n


def _islands(order: _Elements) -> Int64s:
    """Numbers the elements that touch through others, in order."""
    return np.cumsum(order.start > order.highest_end) - 1


def _broken_links(order: _Elements, island: Int64s, watermark: Int64s) -> Bools:
    """Elements whose neighbour before them, or they themselves, had closed when the later-arriving of the two came.

    A row that is alone and late is no broken link: it is late.
    """
    linked = np.concatenate([[False], island[1:] == island[:-1]])
    wm = np.append(watermark, INITIAL_WATERMARK)
    later_is_this = order.holder < order.arrival
    live_then = np.where(later_is_this, order.highest_end - 1 > wm[order.arrival], order.end - 1 > wm[order.holder])
    alone = ~linked & np.append(~linked[1:], True)
    late_alone = alone & (order.arrival >= 0) & (order.end - 1 <= wm[order.arrival])
    broken: Bools = (linked & ~live_then) | late_alone
    return broken


def _from_islands(order: _Elements, island: Int64s, chosen: Bools, rows: int, next_id: int) -> _Result:
    """Each island of the chosen elements is a session."""
    result = _Result(rows)
    at = np.flatnonzero(chosen)
    if not len(at):
        return result
    starts = np.flatnonzero(np.concatenate([[True], island[at][1:] != island[at][:-1]]))
    number = np.cumsum(np.concatenate([[0], island[at][1:] != island[at][:-1]]))
    ids = np.where(order.session[at] >= 0, order.session[at], next_id + order.arrival[at])
    own = np.minimum.reduceat(ids, starts)
    result.found.append(
        Sessions(own, order.key[at][starts], order.start[at][starts], np.maximum.reduceat(order.end[at], starts))
    )
    is_row = order.arrival[at] >= 0
    result.row_session[order.arrival[at][is_row]] = own[number[is_row]]
    taken_in = ~is_row & (order.session[at] != own[number])
    result.merged.update(zip(order.session[at][taken_in].tolist(), own[number[taken_in]].tolist(), strict=True))
    return result


def _walk(
    result: _Result, key: int, rows: Int64s, time: Int64s, watermark: Int64s, gap: int, live: Sessions, next_id: int
) -> None:
    """One key, row by row: the rule itself."""
    open_ = [list(s) for s in zip(live.start.tolist(), live.end.tolist(), live.id.tolist(), strict=True)]
    closed: list[list[int]] = []
    for row, t, wm in zip(rows.tolist(), time[rows].tolist(), watermark[rows].tolist(), strict=True):
        closed += [s for s in open_ if s[1] - 1 <= wm]
        open_ = [s for s in open_ if s[1] - 1 > wm]
        met = [s for s in open_ if s[0] <= t + gap and t <= s[1]]
        if not met and t + gap - 1 <= wm:
            continue
        own = min((s[2] for s in met), default=next_id + row)
        grown = [min([t, *(s[0] for s in met)]), max([t + gap, *(s[1] for s in met)]), own]
        for s in met:
            if s[2] != own:
                result.merged[s[2]] = own
        open_ = [s for s in open_ if s not in met] + [grown]
        result.row_session[row] = own
    all_ = np.array(closed + open_, np.int64).reshape(-1, 3)
    result.found.append(Sessions(all_[:, 2], np.full(len(all_), key, np.int64), all_[:, 0], all_[:, 1]))

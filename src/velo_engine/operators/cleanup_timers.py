"""When the clean-up timers of an interval join fire, for all keys of a side at once.

A key without timer gets one from the first row that is cached, for the moment at which that row expires. When it fires,
the earliest row that came so far and has not expired sets it again. So a row that may set the timer knows, from the
step at which it expires, which row sets it next; the timers of a batch are the rows that the first one leads to.

Source: TimeIntervalJoin.registerCleanUpTimer and removeExpiredRows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from velo_engine.batch import Int64s

NO_TIMER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class CachedRows:
    """Cached rows of the keys in question, sorted by key and time."""

    group: Int64s
    """Number of the key, 0, 1, …"""
    time: Int64s
    expires: Int64s
    """The step of the clock at which it expires; the number of steps when not in this batch."""
    born: Int64s
    """Position in the batch; -1 for a row held before."""


@dataclass(frozen=True, slots=True)
class Firings:
    """What the timers do in a batch."""

    group: Int64s
    step: Int64s
    """Ascending by group and step."""
    time: Int64s
    """Of the row that set it."""
    pending: Int64s
    """By group, the time of the row that set the timer that is left; NO_TIMER without one."""


def firings(rows: CachedRows, first: Int64s, set_by: Int64s, steps: Int64s) -> Firings:
    """The timers of the groups. `first`: by group the step at which the timer that it has fires, or -1 without one.

    `set_by`: the time of the row that set it. `steps`: the position of every step of the clock.
    """
    groups, count, total = len(first), len(rows.group), len(steps)
    # Elements: the rows, then the timers that groups have.
    timed = np.flatnonzero(first >= 0)
    group = np.concatenate([rows.group, timed])
    step = np.concatenate([rows.expires, first[timed]])
    born = _Births.of(rows, total and int(steps[-1]))
    following = _following(rows, group, step, steps, born)
    starts = count + np.arange(len(timed))
    untimed = np.flatnonzero(first < 0)
    by_birth = born.order
    head = np.searchsorted(born.ranks, untimed * born.span)
    has = head < count
    has[has] = rows.group[by_birth[head[has]]] == untimed[has]
    visited = np.zeros(len(group) + 1, np.bool_)
    visited[starts] = True
    visited[by_birth[head[has]]] = True
    # Each round doubles the number of links that are followed; the last one finds nothing new.
    jump = np.append(following, len(group))
    reached = np.flatnonzero(visited)
    known = -1
    while len(reached) > known:
        known = len(reached)
        visited[jump[reached]] = True
        jump = jump[jump]
        visited[-1] = False
        reached = np.flatnonzero(visited)
    fired = reached[step[reached] < total]
    left = reached[(step[reached] == total) & (reached < count)]
    pending = np.full(groups, NO_TIMER)
    pending[group[left]] = rows.time[left]
    fired = fired[np.argsort(group[fired] * (total + 1) + step[fired])]
    time = np.concatenate([rows.time, set_by[timed]])
    return Firings(group[fired], step[fired], time[fired], pending)


def distinct(numbers: Int64s) -> Int64s:
    """The numbers that occur, ascending. (numpy's own is slower from some thousands on.)"""
    ordered = np.sort(numbers)
    if len(ordered) < 2:
        return ordered
    found: Int64s = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    return found


@dataclass(frozen=True, slots=True)
class _Births:
    """Rows by group and birth."""

    order: Int64s
    ranks: Int64s
    """Ascending: group * span + birth + 1."""
    span: int

    @staticmethod
    def of(rows: CachedRows, last: int) -> _Births:
        span = max(int(rows.born.max()) if len(rows.born) else 0, last) + 3
        ranks = rows.group * span + rows.born + 1
        order = np.argsort(ranks, kind="stable")
        return _Births(order, ranks[order], span)


def _following(rows: CachedRows, group: Int64s, step: Int64s, steps: Int64s, births: _Births) -> Int64s:
    """For a timer of each group that fires at each step the row that sets it again; len(group) for none."""
    count, total, none = len(rows.group), len(steps), len(group)
    following = np.full(len(group), none)
    asked = np.flatnonzero((step >= 0) & (step < total))
    if not count or not len(asked):
        return following
    moment = steps[step[asked]]
    width = total + 1
    at = np.searchsorted(rows.group * width + rows.expires, group[asked] * width + step[asked], side="right")
    ends = np.searchsorted(rows.group, group[asked], side="right")
    # The earliest time is that of the first row behind `at` that has come.
    open_ = np.flatnonzero(at < ends)
    least = _least_behind(rows)
    open_ = open_[least[at[open_]] < moment[open_]]
    while len(open_):
        there = rows.born[at[open_]] < moment[open_]
        following[asked[open_[there]]] = at[open_[there]]
        open_ = open_[~there]
        at[open_] += 1
    # Else the first row that comes later.
    later = np.flatnonzero(following[asked] == none)
    place = np.searchsorted(births.ranks, group[asked[later]] * births.span + moment[later] + 1)
    inside = place < count
    inside[inside] = rows.group[births.order[place[inside]]] == group[asked[later[inside]]]
    following[asked[later[inside]]] = births.order[place[inside]]
    return following


def _least_behind(rows: CachedRows) -> Int64s:
    """For every row the least birth among it and those behind it in its group."""
    span = int(rows.born.max()) + 2
    # Later groups get larger numbers, so that one running minimum from the end serves all.
    shifted = rows.born + 1 + rows.group * span
    least: Int64s = np.minimum.accumulate(shifted[::-1])[::-1]
    return least - rows.group * span - 1

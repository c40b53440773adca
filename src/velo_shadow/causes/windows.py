"""Windows whose boundaries lie elsewhere: rows of another time with the same values, or neighbours that share out
the same total in another way."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from velo_harness.reports.shown_values import text_of
from velo_shadow.causes.context import Context, Finding, changes_of
from velo_shadow.causes.decimals import rounding
from velo_shadow.causes.rows import Number, Row, Values, cancel, constant, is_number, less, times_in
from velo_shadow.causes.times import is_zone_offset, time_precision, time_zone
from velo_shadow.model import Cause, Side

_LEAST_SHIFTED = 3
"""Rows of which each has its values at another time: fewer agree by accident."""
_SHARE = 0.8
"""Of the rows in question that a shift must explain."""
_NEIGHBOURS = 12
"""Windows in a row among which a total may be shared out in another way."""


@dataclass(frozen=True, slots=True)
class Window:
    """A row of a window, among those of its group."""

    row: Row
    times: tuple[datetime, ...]
    """Of its key: its start and end, or one of both."""
    start: datetime
    """The first of all its times, on either side."""
    end: datetime


def groups_of(context: Context) -> dict[str, list[Window]]:
    """Windows in order of time by the key without times; of a bag by texts. Empty: rows are not known by times."""
    names = _known_by(context)
    groups: dict[str, list[Window]] = defaultdict(list)
    for row in context.single:
        times = times_in(row.any, names)
        if not times:
            continue
        group = [(name, row.any[name]) for name in names if not isinstance(row.any.get(name), datetime)]
        every = [*times_in(row.left or {}, row.any), *times_in(row.right or {}, row.any)]
        groups[repr(group)].append(Window(row, times, min(every), max(every)))
    for windows in groups.values():
        windows.sort(key=lambda window: (window.start, window.end))
    return groups


def are_windows(groups: Mapping[str, Sequence[Window]]) -> bool:
    """Whether rows are known by times that look like those of windows, not of single events: they have two times, or
    one without a fraction of a second."""
    windows = [window for some in groups.values() for window in some]
    return bool(windows) and all(window.start < window.end or not window.start.microsecond for window in windows)


def _known_by(context: Context) -> tuple[str, ...]:
    if context.key:
        return context.key
    names = context.single[0].any if context.single else {}
    return tuple(n for n in names if not any(is_number(row.any.get(n)) for row in context.single))


def shifted(context: Context) -> dict[int, Finding]:
    """The values of the left's rows stand at times of the right that are off by one offset; or all its rows do that
    the right lacks, whatever their values."""
    if not context.numbers:
        return {}
    groups = context.once(groups_of)
    return _by_values(groups, context) or _by_times(groups)


def _by_values(groups: Mapping[str, Sequence[Window]], context: Context) -> dict[int, Finding]:
    pairs = [pair for windows in groups.values() for pair in _same_values(windows, context)]
    offsets = Counter(offset for offset, _, _ in pairs)
    if not offsets:
        return {}
    offset, number = offsets.most_common(1)[0]
    rows = {id(window.row): window.row for windows in groups.values() for window in windows}
    lefts = sum(row.left is not None for row in rows.values())
    if number < _LEAST_SHIFTED or number < _SHARE * min(lefts, sum(row.right is not None for row in rows.values())):
        return {}
    what = f"the values of {number} of {lefts} rows of the left stand {_shown(offset)} on the right"
    cause = Cause.TIME_ZONE if is_zone_offset(offset) else Cause.WINDOW_BOUNDARY
    found: dict[int, Finding] = {}
    for one_offset, left, right in pairs:
        if one_offset == offset:
            for place in (*left.members, *right.members):
                found[place] = Finding(cause, what)
    return found


def _by_times(groups: Mapping[str, Sequence[Window]]) -> dict[int, Finding]:
    """Of every group both sides have as many rows without partner, and their times are off by one offset."""
    pairs: list[tuple[timedelta, Row, Row]] = []
    number = 0
    for windows in groups.values():
        lefts = [window for window in windows if window.row.right is None]
        rights = [window for window in windows if window.row.left is None]
        number += max(len(lefts), len(rights))
        for left, right in zip(lefts, rights, strict=False):
            if len(left.times) == len(right.times):
                apart = {there - here for here, there in zip(left.times, right.times, strict=True)}
                pairs += [(offset, left.row, right.row) for offset in apart if len(apart) == 1]
    offsets = Counter(offset for offset, _, _ in pairs)
    if not offsets:
        return {}
    offset, alike = offsets.most_common(1)[0]
    if not offset or alike < max(_LEAST_SHIFTED, _SHARE * number):
        return {}
    cause = Cause.TIME_ZONE if is_zone_offset(offset) else Cause.WINDOW_BOUNDARY
    evidence = f"{alike} of {number} windows that the right lacks stand there {_shown(offset)}, with other values"
    return {
        place: Finding(cause, evidence)
        for one_offset, left, right in pairs
        if one_offset == offset
        for place in (*left.members, *right.members)
    }


def _same_values(windows: Sequence[Window], context: Context) -> Iterator[tuple[timedelta, Row, Row]]:
    """Rows of the left with those of the right that have the same values at another time."""
    rights: dict[str, list[Window]] = defaultdict(list)
    for window in windows:
        if window.row.right is not None:
            rights[_values(window.row.right, context)].append(window)
    for window in windows:
        if window.row.left is None:
            continue
        for other in rights[_values(window.row.left, context)]:
            offset = other.times[-1] - window.times[-1]
            if offset and len(other.times) == len(window.times) and other.times[0] - window.times[0] == offset:
                yield offset, window.row, other.row


def _values(values: Values, context: Context) -> str:
    """Numbers and texts beside the key; times may move with the window."""
    shown = []
    for name, value in values.items():
        if name not in context.key and not isinstance(value, datetime):
            shown.append(f"{value:.9g}" if isinstance(value, float) else repr(value))
    return " ".join(shown)


def _shown(offset: timedelta) -> str:
    seconds = abs(offset / timedelta(seconds=1))
    size, unit = next((size, unit) for size, unit in ((3600, "h"), (60, "min"), (0, "s")) if seconds >= size)
    amount = f"{seconds / (size or 1):g} {unit}"
    return f"{amount} {'later' if offset > timedelta() else 'earlier'}"


def moved(context: Context) -> dict[int, Finding]:
    """Neighbouring windows of one key: what the right lacks in one it has in the others, in several columns."""
    found: dict[int, Finding] = {}
    if context.once(shifted):
        return found
    explained = {
        place
        for row in context.rows
        if _is_other_time(row, context) or _is_rounded(row, context)
        for place in row.members
    }
    groups = {
        group: [window for window in windows if window.row.members[0] not in explained]
        for group, windows in context.once(groups_of).items()
    }
    step = _step(groups.values())
    for windows in groups.values():
        start = 0
        while start < len(windows):
            size, names = _shared_out(windows[start : start + _NEIGHBOURS], step, context)
            for window in windows[start : start + size]:
                finding = Finding(Cause.WINDOW_BOUNDARY, _evidence(windows[start : start + size], names))
                found.update(dict.fromkeys(window.row.members, finding))
            start += max(1, size)
    return found


def lengths(context: Context) -> dict[int, Finding]:
    """All windows of the left have one length, and all of the right another one."""
    groups = [_counted(windows, context) for windows in context.once(groups_of).values()]
    spans = {side: [span for some in groups for span in _spans(some, side)] for side in Side}
    found = {side: constant(end - start for start, end, _ in some) for side, some in spans.items()}
    (left, of_left, every_left), (right, of_right, every_right) = found.values()
    if left == right or min(of_left, of_right) < _LEAST_SHIFTED or (of_left, of_right) != (every_left, every_right):
        return {}
    evidence = f"{of_left} windows of the left are {left} long, {of_right} of the right {right}"
    finding = Finding(Cause.WINDOW_BOUNDARY, evidence)
    return {place: finding for some in spans.values() for _, _, row in some for place in row.members}


def closed_early(context: Context) -> dict[int, Finding]:
    """One window of a side is several of the other that touch: sessions that touch are one, unless the first was closed
    when the rows of the second came.

    Source: Flink 2.3, `TimeWindow.intersects`: windows that meet in a moment are merged.
    """
    found: dict[int, Finding] = {}
    for windows in context.once(groups_of).values() if context.once(_have_many_lengths) else ():
        for side in Side:
            counted = _counted(windows, context)
            wholes, pieces = _spans(counted, side.other), _spans(counted, side)
            for start, end, whole in wholes:
                parts = _overlapping(pieces, start, end)
                meeting = next((b[0] for a, b in pairwise(parts) if b[0] <= a[1]), None)
                if meeting is None:
                    continue
                evidence = (
                    f"the {side.other}'s window from {text_of(start)} to {text_of(end)} is {len(parts)} on the {side}, "
                    f"which touch at {text_of(meeting)}: what came then was late for the first"
                )
                for row in (whole, *(part[2] for part in parts)):
                    found.update(dict.fromkeys(row.members, Finding(Cause.LATE_ON_ONE_SIDE, evidence)))
    return found


def _overlapping(
    pieces: Sequence[tuple[datetime, datetime, Row]], start: datetime, end: datetime
) -> Sequence[tuple[datetime, datetime, Row]]:
    """The windows, of those in order, that overlap a span; none of a session's begin far before it."""
    first = bisect_left(pieces, start, key=lambda piece: piece[0])
    last = bisect_left(pieces, end, key=lambda piece: piece[0])
    return [piece for piece in pieces[max(0, first - 1) : last] if start < piece[1]]


def _counted(windows: Sequence[Window], context: Context) -> list[Window]:
    """Those that a side lacks, or in which a number differs."""
    return [one for one in windows if not one.row.changed or {*one.row.changed} & {*context.numbers}]


def _have_many_lengths(context: Context) -> bool:
    """Whether windows are of any length, as sessions: others always touch."""
    spans = [span for some in context.once(groups_of).values() for side in Side for span in _spans(some, side)]
    return len({end - start for start, end, _ in spans}) > len(Side)


def _spans(windows: Sequence[Window], side: Side) -> list[tuple[datetime, datetime, Row]]:
    """Start, end and row of a side's windows, in order, where both times are known."""
    spans = []
    for window in windows:
        values = window.row.left if side is Side.LEFT else window.row.right
        times = times_in(values or {}, values or {})
        if len(times) > 1:
            spans.append((times[0], times[-1], window.row))
    return sorted(spans, key=lambda span: span[:2])


def bounds(context: Context) -> dict[int, Finding]:
    """Windows that differ in nothing but one of their times, and in that by one offset."""
    alone: dict[str, list[Row]] = defaultdict(list)
    for windows in context.once(groups_of).values():
        for window in windows:
            if len(window.row.changed) == 1:
                alone[window.row.changed[0]].append(window.row)
    found: dict[int, Finding] = {}
    for name, rows in alone.items():
        offsets = [_apart(row, name) for row in rows]
        offset, number, every = constant(offset for offset in offsets if offset is not None)
        if number < max(_LEAST_SHIFTED, _SHARE * every) or is_zone_offset(offset):
            continue
        evidence = f"{name} is {_shown(offset)} on the right in {number} of {every} windows that differ in it alone"
        for row, one in zip(rows, offsets, strict=True):
            if one == offset:
                found[row.members[0]] = Finding(Cause.WINDOW_BOUNDARY, evidence)
    return found


def _apart(row: Row, name: str) -> timedelta | None:
    left, right = row.both
    one, other = left[name], right[name]
    return other - one if isinstance(one, datetime) and isinstance(other, datetime) else None


def _is_other_time(row: Row, context: Context) -> bool:
    """Whether two rows are one but for a time that is cut, or of another zone."""
    return row.is_paired and any(
        time_precision(change, context) or time_zone(change, context) for change in changes_of(row)
    )


def _is_rounded(row: Row, context: Context) -> bool:
    """Whether all that differs is rounded: what neighbours are rounded by now and then adds up to nothing."""
    changes = changes_of(row) if row.left is not None and row.right is not None else []
    return bool(changes) and all(rounding(change, context) is not None for change in changes)


def _step(groups: Iterable[Sequence[Window]]) -> timedelta:
    """The smallest distance between two windows of one group."""
    gaps = (b.times[0] - a.times[0] for windows in groups for a, b in pairwise(windows))
    return min((gap for gap in gaps if gap), default=timedelta())


def _shared_out(windows: Sequence[Window], step: timedelta, context: Context) -> tuple[int, list[str]]:
    """How many windows from the first on have the same total on both sides, and in which columns; 0: none.

    Windows that overlap, as sessions do that are one on a side and two on the other, are not told apart.
    """
    end = windows[0].end
    for size, following in enumerate((*windows[1:], None), 1):
        if following is None or following.start >= end:
            names = conserved([window.row for window in windows[:size]], context) if size > 1 else []
            if names:
                return size, names
        if following is None or not _touches(windows[size - 1], end, following, step):
            break
        end = max(end, following.end)
    return 0, []


def conserved(rows: Sequence[Row], context: Context) -> list[str]:
    """Columns whose changes cancel: all whole numbers that change, and one column more if more change."""
    changing: dict[str, list[Number]] = {}
    for name in context.numbers:
        deltas = deltas_of(rows, name)
        if any(deltas):
            changing[name] = deltas
    kept = [name for name, deltas in changing.items() if cancel(deltas)]
    whole = [name for name, deltas in changing.items() if all(isinstance(delta, int) for delta in deltas)]
    enough = len(kept) >= min(2, len(changing))
    return kept if kept and enough and all(name in kept for name in whole) else []


def deltas_of(rows: Sequence[Row], name: str) -> list[Number]:
    """By how much the right has more in each row; a row that a side lacks is nothing."""
    return [less((row.right or {}).get(name), (row.left or {}).get(name)) for row in rows]


def _touches(last: Window, end: datetime, following: Window, step: timedelta) -> bool:
    """Whether a window begins where those before it end, or, where only one time is known, is the next there can be."""
    if last.start < last.end:
        return following.start <= end
    return following.start - last.start <= step


def _evidence(windows: Sequence[Window], names: Sequence[str]) -> str:
    name = names[0]
    shares = {
        side: " + ".join(text_of((getattr(window.row, side) or {}).get(name, 0)) for window in windows) for side in Side
    }
    total = sum((less((window.row.left or {}).get(name), 0) for window in windows), start=0)
    first, last = text_of(windows[0].start), text_of(max(window.end for window in windows))
    return (
        f"{len(windows)} neighbouring windows ({first} to {last}) share out the same total of {', '.join(names)}: "
        f"{name} is {shares[Side.LEFT]} on the left, {shares[Side.RIGHT]} on the right, {text_of(total)} in all"
    )

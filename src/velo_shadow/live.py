"""Two sides read side by side into a comparison, in one thread: to their ends, for a time, or until it is told to stop.

    opened = open_sides(left, right, key=["order_id"], folder=folder)
    with StreamComparator(opened.plan, opened.changelogs, folder) as comparator:
        compared = compare_streams(opened.readers(once=True), comparator)

Killed at any moment and called again over the same folder, it goes on where the last step was saved.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from velo_shadow.compared import Compared
from velo_shadow.model import Side
from velo_shadow.shown_decimals import without_room
from velo_shadow.stream.changes import Positions, StreamReader
from velo_shadow.stream.comparator import StreamComparator, StreamView

AT_ONCE = 10_000
"""Changes that are taken from a side before the other one is asked."""
VIEW_S = 1.0
"""Seconds between two views."""
_PATIENCE_S = 0.1
"""How long a side is waited for when neither had anything."""
_LAST_S = 5.0
"""Once its time is over, a comparison takes what has already been written, but not for longer."""


def compare_streams(
    readers: Mapping[Side, StreamReader],
    comparator: StreamComparator,
    *,
    duration_ms: int | None = None,
    clock: Callable[[], float] = time.monotonic,
    stop: Callable[[], bool] = lambda: False,
    on_view: Callable[[StreamView], None] | None = None,
    time_ends: bool = True,
) -> Compared:
    """Compare until both sides have ended, `duration_ms` are over or `stop` says so. Closes the readers.

    `time_ends`: a side that has ended has passed all times; otherwise what not both have passed stays pending, as of a
    job that goes on although its topic is read to the present end only. `clock`: seconds. `on_view` is told how it
    stands about once a second. A comparison of this folder that came to both ends before is not run again: its result
    is given.

    Raises VeloError: what the readers and the comparator raise; what was compared until the last step is kept.
    """
    try:
        places = comparator.restore()
        for side, positions in (places or {}).items():
            if positions:
                readers[side].seek(positions)
        if places is not None and comparator.has_ended:
            return without_room(comparator.finish(True, places))
        reading = _Reading(readers, comparator, clock, time_ends=time_ends)
        return without_room(reading.run(duration_ms, stop, on_view))
    finally:
        for reader in readers.values():
            reader.close()


class _Reading:
    """One run over both sides."""

    def __init__(
        self,
        readers: Mapping[Side, StreamReader],
        comparator: StreamComparator,
        clock: Callable[[], float],
        *,
        time_ends: bool,
    ) -> None:
        self._readers = readers
        self._comparator = comparator
        self._clock = clock
        self._time_ends = time_ends
        self._going_on = list(Side)

    def run(
        self, duration_ms: int | None, stop: Callable[[], bool], on_view: Callable[[StreamView], None] | None
    ) -> Compared:
        began = self._clock()
        until = None if duration_ms is None else began + duration_ms / 1000
        next_view = began
        came = True
        while self._going_on and not stop():
            if until is not None and self._clock() >= until:
                self._take_what_is_there(stop)
                break
            came = self._round(0.0 if came else _PATIENCE_S)
            if self._comparator.is_due():
                self._comparator.step(self._positions())
            if on_view is not None and self._clock() >= next_view:
                on_view(self._comparator.view())
                next_view = self._clock() + VIEW_S
        return self._comparator.finish(self._time_ends and not self._going_on, self._positions())

    def _take_what_is_there(self, stop: Callable[[], bool]) -> None:
        until = self._clock() + _LAST_S
        while self._going_on and self._clock() < until and not stop():
            if not self._round(_PATIENCE_S):
                break

    def _round(self, patience_s: float) -> bool:
        """Ask each side once; whether one of them had something."""
        came = False
        for side in list(self._going_on):
            reader = self._readers[side]
            changes = reader.poll(AT_ONCE, patience_s)
            if changes is not None:
                self._comparator.add(side, changes)
                came = True
            elif reader.ended:
                if self._time_ends:
                    self._comparator.side_ended(side)
                self._going_on.remove(side)
        return came

    def _positions(self) -> dict[Side, Positions]:
        return {side: reader.positions() for side, reader in self._readers.items()}

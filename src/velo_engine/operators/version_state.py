"""What a temporal join keeps: of each key the versions of the right side, and the left rows that wait.

Each key has one timer, for the least time among its waiting left rows and the versions that came since the timer last
fired. When it fires, left rows whose time the watermark has reached leave in their order of arrival, each with the
version of its time; then all versions but the newest that the watermark has reached, and newer ones, are forgotten. So
a late left row finds what is left, and none of the versions that ended before.

Source: Flink's TemporalRowTimeJoinOperator and TemporalRowTimeJoinHelper.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right, insort
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s, StepFunction
from velo_engine.operators.held_rows import NO_SLOT
from velo_engine.operators.interval_cache import Arrivals, MeetingLog, Meetings, in_order, table_of, tuples_of


@dataclass(slots=True)
class _Key:
    waiting: list[tuple[int, int]] = field(default_factory=list)
    """(time, slot) of left rows, in order of arrival."""
    times: list[int] = field(default_factory=list)
    """The times of versions, ascending."""
    versions: dict[int, int] = field(default_factory=dict)
    """Time -> slot."""
    timer: int | None = None


class VersionState:
    """The state of one operator. Times are milliseconds."""

    def __init__(self) -> None:
        self._keys: dict[int, _Key] = {}
        self._queue: list[tuple[int, int, int]] = []
        """(time, number, key) of timers; one counts only while the key says the same time."""
        self._number = 0

    def __len__(self) -> int:
        """Keys of which something is kept."""
        return len(self._keys)

    def keys(self) -> Int64s:
        """Their codes."""
        return np.array(sorted(self._keys), np.int64)

    def run(self, rows: Arrivals, watermark: StepFunction) -> Meetings:
        """Which left row leaves when, with which version; `forgotten` are versions that leave."""
        out = MeetingLog()
        right, key, time, slot = rows.right.tolist(), rows.key.tolist(), rows.time.tolist(), rows.slot.tolist()
        for seq, step, at in in_order(rows.seq, watermark):
            if step is not None:
                self._advance(step, seq, out)
                continue
            state = self._keys.setdefault(key[at], _Key())
            if right[at]:
                self._put(state, time[at], slot[at], out)
            else:
                state.waiting.append((time[at], slot[at]))
            if state.timer is None or state.timer > time[at]:
                self._set_timer(key[at], state, time[at])
        return out.meetings()

    def snapshot(self) -> dict[str, pa.Table]:
        """Waiting rows, versions, timers."""
        waiting = [(key, *row) for key, state in self._keys.items() for row in state.waiting]
        versions = [(key, t, state.versions[t]) for key, state in self._keys.items() for t in state.times]
        timers = [entry for entry in sorted(self._queue) if self._counts(entry)]
        return {
            "waiting": table_of(waiting, ("key", "time", "slot")),
            "versions": table_of(versions, ("key", "time", "slot")),
            "timers": table_of(timers, ("time", "number", "key")),
        }

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._keys = {}
        for key, time, slot in tuples_of(state["waiting"]):
            self._keys.setdefault(key, _Key()).waiting.append((time, slot))
        for key, time, slot in tuples_of(state["versions"]):
            found = self._keys.setdefault(key, _Key())
            found.times.append(time)
            found.versions[time] = slot
        self._queue = [(time, number, key) for time, number, key in tuples_of(state["timers"])]
        self._number = max((entry[1] for entry in self._queue), default=-1) + 1
        for time, _, key in self._queue:
            self._keys[key].timer = time

    def _put(self, state: _Key, time: int, slot: int, out: MeetingLog) -> None:
        """A version; of equal times the last to come counts."""
        replaced = state.versions.get(time)
        if replaced is None:
            insort(state.times, time)
        else:
            out.forgotten[1].append(replaced)
        state.versions[time] = slot

    def _advance(self, watermark: int, seq: int, out: MeetingLog) -> None:
        queue = self._queue
        while queue and queue[0][0] <= watermark:
            entry = heapq.heappop(queue)
            if self._counts(entry):
                self._fire(entry[2], watermark, seq, out)

    def _counts(self, entry: tuple[int, int, int]) -> bool:
        state = self._keys.get(entry[2])
        return state is not None and state.timer == entry[0]

    def _fire(self, key: int, watermark: int, seq: int, out: MeetingLog) -> None:
        state = self._keys[key]
        state.timer = None
        times, kept = state.times, []
        for row in state.waiting:
            time, slot = row
            if time > watermark:
                kept.append(row)
                continue
            at = bisect_right(times, time)
            out.add(seq, slot, state.versions[times[at - 1]] if at else NO_SLOT)
        state.waiting = kept
        ended = bisect_right(times, watermark) - 1
        if ended > 0:
            out.forgotten[1].extend(state.versions.pop(time) for time in times[:ended])
            del times[:ended]
        if kept:
            self._set_timer(key, state, min(kept)[0])
        elif not times:
            del self._keys[key]

    def _set_timer(self, key: int, state: _Key, time: int) -> None:
        state.timer = time
        heapq.heappush(self._queue, (time, self._number, key))
        self._number += 1

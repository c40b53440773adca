"""Live sessions: which rows join which, which are late, which close."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, ChangeBatch, Int64s, numpy_column
from velo_engine.operators.base import Counters, LateRows
from velo_engine.operators.late_records import records_of_late_rows
from velo_engine.operators.session_assigner import LATE, Sessions, assign
from velo_engine.operators.session_time import SessionTime


@dataclass(frozen=True, slots=True)
class Renames:
    """Sessions that others have taken in."""

    gone: Int64s
    """Ids that no longer exist, ascending."""
    taker: Int64s
    """The session that took each in."""

    def of(self, ids: Int64s) -> Int64s:
        """What the ids are now; `ids` itself where nothing was taken in."""
        if not len(self.gone) or not len(ids):
            return ids
        at = np.minimum(np.searchsorted(self.gone, ids), len(self.gone) - 1)
        return np.where(self.gone[at] == ids, self.taker[at], ids)


@dataclass(frozen=True, slots=True)
class Joined:
    """What a batch does to the sessions."""

    kept: Bools
    """Which rows are in time."""
    session: Int64s
    """The session id of each of those."""
    renames: Renames
    """Of sessions from before the batch."""


class LiveSessions:
    """The open sessions of any number of keys. `gap` in milliseconds."""

    def __init__(self, gap: int, time: SessionTime) -> None:
        self._gap = gap
        self._time = time
        self._live = Sessions.none()
        self._next_id = 0

    @property
    def keys(self) -> Int64s:
        """The key code of each live session."""
        return self._live.key

    def snapshot(self) -> dict[str, pa.Table]:
        """The sessions."""
        live = self._live
        return {
            "sessions": pa.table({"id": live.id, "key": live.key, "start": live.start, "end": live.end}),
            "next_id": pa.table({"id": np.array([self._next_id])}),
        }

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        sessions = state["sessions"]
        self._live = Sessions(*(numpy_column(sessions, n).copy() for n in ("id", "key", "start", "end")))
        self._next_id = int(numpy_column(state["next_id"], "id")[0])

    def join(self, batch: ChangeBatch, key: Int64s, instants: Int64s, late: LateRows, counters: Counters) -> Joined:
        """Assign the rows to sessions; hand over the late ones. Per row its key code and event time."""
        time = self._time.local(instants)
        watermark = self._time.passed(batch.watermark.before(batch.seq))
        touched = np.isin(self._live.key, key)
        found = assign(key, time, watermark, self._gap, self._live.where(touched), self._next_id)
        self._next_id += len(batch)
        self._live = self._live.where(~touched).plus(found.sessions)
        too_late = found.row_session == LATE
        if too_late.any():
            shown, partly = records_of_late_rows(batch.seq, too_late, np.zeros(len(batch), np.bool_))
            counters.late += len(shown)
            counters.partly_late += partly
            if len(shown):
                late(batch.rows.take(pa.array(shown)), (watermark - (time + self._gap - 1))[shown])
        merged: dict[int, int] = {}
        for gone in sorted(found.merged):
            # The oldest session takes the others in, so that where a session went is known before those it took in.
            taker = found.merged[gone]
            merged[gone] = merged.get(taker, taker)
        renames = Renames(np.array(list(merged), np.int64), np.array(list(merged.values()), np.int64))
        return Joined(~too_late, renames.of(found.row_session[~too_late]), renames)

    def close(self, watermark: int) -> Sessions | None:
        """Take the sessions out that `watermark` closes; None when there are none."""
        closing = self._live.end - 1 <= self._time.passed(np.array([watermark]))
        if not closing.any():
            return None
        closed = self._live.where(closing)
        self._live = self._live.where(~closing)
        return closed

"""The accumulators of live sessions: one a session, several where sessions have merged, put together at the end."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from velo_engine.batch import ChangeBatch, Int64s, empty_rows, numpy_column
from velo_engine.operators.accumulators import AggregateCalls
from velo_engine.operators.base import Counters, LateRows
from velo_engine.operators.live_sessions import LiveSessions
from velo_engine.operators.runs import EMPTY_SLOT
from velo_engine.operators.session_rows import ClosedSessions, closed_in_order
from velo_engine.operators.session_time import SessionTime
from velo_engine.operators.vectors import Vector
from velo_engine.operators.window_calls import signs
from velo_engine.schema import RowSchema

_NO_ROWS = empty_rows(RowSchema(()))


class SessionAccumulators:
    """Live sessions of any number of keys, with their accumulators. `gap` in milliseconds.

    Three parallel arrays, by session: the slot of `calls`, the id of the session, the arrival of the slot's first row.
    """

    def __init__(self, calls: AggregateCalls, gap: int, time: SessionTime) -> None:
        self._calls = calls
        self._time = time
        self._live = LiveSessions(gap, time)
        self._slot = self._session = self._birth = np.empty(0, np.int64)
        self._free: Int64s = np.empty(0, np.int64)
        self._capacity = 1
        self._rows_seen = 0
        self._closing: Int64s = np.empty(0, np.int64)

    @property
    def held(self) -> int:
        """Accumulators of live sessions."""
        return len(self._slot)

    def snapshot(self) -> dict[str, pa.Table]:
        """Live sessions and their accumulators."""
        columns = {"slot": self._slot, "session": self._session, "birth": self._birth}
        seen = pa.table({"rows": np.array([self._rows_seen])})
        return self._live.snapshot() | {"slots": pa.table(columns), "seen": seen} | self._calls.snapshot(self._slot)

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._live.restore(state)
        slots = state["slots"]
        self._slot, self._session, self._birth = (
            numpy_column(slots, name).copy() for name in ("slot", "session", "birth")
        )
        self._capacity = int(self._slot.max(initial=0)) + 1
        self._free = np.setdiff1d(np.arange(1, self._capacity), self._slot)
        self._rows_seen = int(numpy_column(state["seen"], "rows")[0])
        self._calls.reserve(self._capacity)
        self._calls.restore(state)

    def take_in(self, batch: ChangeBatch, key: Int64s, instants: Int64s, late: LateRows, counters: Counters) -> None:
        """Assign the rows to sessions, add them up, hand over the late ones. Per row its key code and event time."""
        joined = self._live.join(batch, key, instants, late, counters)
        session = joined.renames.of(self._session)
        if session is not self._session:
            by_session = np.argsort(session, kind="stable")
            self._session = session[by_session]
            self._slot, self._birth = self._slot[by_session], self._birth[by_session]
        if len(joined.session):
            slots = self._slots_of(joined.session, np.flatnonzero(joined.kept) + self._rows_seen)
            rows = None if joined.kept.all() else np.flatnonzero(joined.kept)
            self._calls.fold(slots, batch.rows, rows, signs(batch.kind))
        self._rows_seen += len(batch)

    def close(self, batch: ChangeBatch) -> ClosedSessions | None:
        """The sessions that the batch's watermark steps close; None when there are none. Ask for `results` next."""
        closed = self._live.close(batch.watermark.closing)
        if closed is None:
            return None
        belongs = np.isin(self._session, closed.id)
        session, birth = self._session[belongs], self._birth[belongs]
        self._closing = self._slot[belongs]
        self._slot, self._session, self._birth = (a[~belongs] for a in (self._slot, self._session, self._birth))
        starts = np.flatnonzero(np.concatenate([[True], session[1:] != session[:-1]]))
        opened = np.minimum.reduceat(birth, starts)[np.searchsorted(session[starts], closed.id)]
        return closed_in_order(closed, opened, session, _NO_ROWS, self._live.keys, self._time, batch.watermark)

    def results(self, closed: ClosedSessions) -> list[Vector]:
        """The results of the sessions that `close` has just given, whose accumulators are then free."""
        at, slots = closed.session_of_row, self._closing
        order = np.argsort(at, kind="stable")
        at, slots = at[order], slots[order]
        first = np.searchsorted(at, np.arange(len(closed.seq)))
        nth = np.arange(len(at)) - first[at]
        matrix = np.full((len(closed.seq), int(nth.max()) + 1), EMPTY_SLOT)
        matrix[at, nth] = slots
        values = self._calls.values(matrix[:, 0]) if matrix.shape[1] == 1 else self._calls.merged(matrix)
        self._calls.clear(slots)
        self._free = np.concatenate([self._free, slots])
        return values

    def _slots_of(self, session: Int64s, arrival: Int64s) -> Int64s:
        """The slot of each row's session, opened where it has none."""
        ids, first, row = np.unique(session, return_index=True, return_inverse=True)
        at = np.searchsorted(self._session, ids)
        known = np.append(self._session, -1)[at] == ids
        slots = np.append(self._slot, 0)[at]
        if not known.all():
            opened = self._take(int((~known).sum()))
            slots[~known] = opened
            everything = np.concatenate([self._session, ids[~known]])
            order = np.argsort(everything, kind="stable")
            self._session = everything[order]
            self._slot = np.concatenate([self._slot, opened])[order]
            self._birth = np.concatenate([self._birth, arrival[first[~known]]])[order]
        return slots[row]

    def _take(self, count: int) -> Int64s:
        reused, self._free = self._free[:count], self._free[count:]
        fresh = np.arange(self._capacity, self._capacity + count - len(reused))
        self._capacity += len(fresh)
        self._calls.reserve(self._capacity)
        return np.concatenate([reused, fresh])

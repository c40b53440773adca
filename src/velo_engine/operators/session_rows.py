"""The rows of live sessions, given back when their session closes.

`session_assigner` states the rules of merging and lateness. Over TIMESTAMP_LTZ all of it happens in local time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from velo_engine.batch import ChangeBatch, Int64s, empty_rows, numpy_column
from velo_engine.operators.base import Counters, LateRows
from velo_engine.operators.session_assigner import LATE, Sessions, assign
from velo_engine.operators.session_time import SessionTime
from velo_engine.schema import RowSchema


@dataclass(frozen=True, slots=True)
class ClosedSessions:
    """Sessions in the order of closing: by event, by end, then in the order of opening; and their rows."""

    seq: Int64s
    """The event whose watermark step closes each."""
    start: Int64s
    """Local milliseconds, like `end`."""
    end: Int64s
    last_instant: Int64s
    """The instant of the last millisecond of each."""
    rows: pa.Table
    """In order of arrival."""
    session_of_row: Int64s
    """Position among the sessions."""
    gone_keys: Int64s
    """Key codes that have no live session any more."""


class SessionRows:
    """Live sessions of any number of keys, with their rows. `gap` in milliseconds."""

    def __init__(self, schema: RowSchema, gap: int, time: SessionTime) -> None:
        self._gap = gap
        self._time = time
        self._live = Sessions.none()
        self._rows = empty_rows(schema)
        self._row_session: Int64s = np.empty(0, np.int64)
        self._next_id = 0

    @property
    def rows_held(self) -> int:
        """Rows of live sessions."""
        return int(self._rows.num_rows)

    def snapshot(self) -> dict[str, pa.Table]:
        """Live sessions and their rows."""
        live = self._live
        return {
            "sessions": pa.table({"id": live.id, "key": live.key, "start": live.start, "end": live.end}),
            "rows": self._rows.append_column("session", pa.array(self._row_session)),
            "next_id": pa.table({"id": np.array([self._next_id])}),
        }

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        sessions = state["sessions"]
        self._live = Sessions(*(numpy_column(sessions, n).copy() for n in ("id", "key", "start", "end")))
        self._row_session = numpy_column(state["rows"], "session").copy()
        self._rows = state["rows"].drop_columns(["session"])
        self._next_id = int(numpy_column(state["next_id"], "id")[0])

    def take_in(self, batch: ChangeBatch, key: Int64s, instants: Int64s, late: LateRows, counters: Counters) -> None:
        """Assign the rows to sessions, keep them, hand over the late ones. Per row its key code and event time."""
        rows = batch.rows
        time = self._time.local(instants)
        watermark = self._time.passed(batch.watermark.before(batch.seq))
        touched = np.isin(self._live.key, key)
        found = assign(key, time, watermark, self._gap, self._live.where(touched), self._next_id)
        self._next_id += len(batch)
        self._live = self._live.where(~touched).plus(found.sessions)
        too_late = found.row_session == LATE
        if too_late.any():
            counters.late += int(too_late.sum())
            late(rows.filter(pa.array(too_late)), (watermark - (time + self._gap - 1))[too_late])
            rows = rows.filter(pa.array(~too_late))
        kept = np.concatenate([self._row_session, found.row_session[~too_late]])
        if found.merged:
            kept = np.array([found.merged.get(s, s) for s in kept.tolist()], np.int64)
        self._row_session = kept
        self._rows = pa.concat_tables([self._rows, rows])

    def close(self, batch: ChangeBatch) -> ClosedSessions | None:
        """The sessions that the batch's watermark steps close; None when there are none."""
        closing_mask = self._live.end - 1 <= self._time.passed(np.array([batch.watermark.closing]))
        if not closing_mask.any():
            return None
        closing = self._live.where(closing_mask)
        self._live = self._live.where(~closing_mask)
        belongs = np.isin(self._row_session, closing.id)
        rows, row_session = self._rows.filter(pa.array(belongs)), self._row_session[belongs]
        self._rows = self._rows.filter(pa.array(~belongs)).combine_chunks()
        self._row_session = self._row_session[~belongs]
        seq = batch.watermark.first_reaching(self._time.timers(closing.end - 1))
        opened = _first_rows(closing.id, row_session)
        order = np.lexsort((opened, closing.end, seq))
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        by_id = np.argsort(closing.id)
        session_of_row = place[by_id[np.searchsorted(closing.id[by_id], row_session)]]
        return ClosedSessions(
            seq=seq[order],
            start=closing.start[order],
            end=closing.end[order],
            last_instant=self._time.instants(closing.end[order] - 1),
            rows=rows,
            session_of_row=session_of_row,
            gone_keys=np.setdiff1d(closing.key, self._live.key),
        )


def _first_rows(ids: Int64s, row_session: Int64s) -> Int64s:
    """For each session the position of its first row."""
    found, first = np.unique(row_session, return_index=True)
    return first[np.searchsorted(found, ids)]

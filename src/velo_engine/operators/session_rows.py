"""The rows of live sessions, given back when their session closes; and what a closed session is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from velo_engine.batch import ChangeBatch, Int64s, StepFunction, empty_rows, numpy_column
from velo_engine.operators.base import Counters, LateRows
from velo_engine.operators.live_sessions import LiveSessions
from velo_engine.operators.session_assigner import Sessions
from velo_engine.operators.session_time import SessionTime
from velo_engine.schema import RowSchema


@dataclass(frozen=True, slots=True)
class ClosedSessions:
    """Sessions in the order of closing: by event, by end, then in the order of opening; and what they held."""

    seq: Int64s
    """The event whose watermark step closes each."""
    key: Int64s
    """The key code of each."""
    start: Int64s
    """Local milliseconds, like `end`."""
    end: Int64s
    last_instant: Int64s
    """The instant of the last millisecond of each."""
    gone_keys: Int64s
    """Key codes that have no live session any more."""
    rows: pa.Table
    """In order of arrival; none where accumulators were kept."""
    session_of_row: Int64s
    """Position among the sessions of each row, or of each accumulator."""


def closed_in_order(
    closed: Sessions,
    opened: Int64s,
    held: Int64s,
    rows: pa.Table,
    live_keys: Int64s,
    time: SessionTime,
    watermark: StepFunction,
) -> ClosedSessions:
    """`closed` in order. `opened`: what tells which of them opened first; `held`: the session id of each row or
    accumulator."""
    seq = watermark.first_reaching(time.timers(closed.end - 1))
    order = np.lexsort((opened, closed.end, seq))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    by_id = np.argsort(closed.id)
    return ClosedSessions(
        seq=seq[order],
        key=closed.key[order],
        start=closed.start[order],
        end=closed.end[order],
        last_instant=time.instants(closed.end[order] - 1),
        gone_keys=np.setdiff1d(closed.key, live_keys),
        rows=rows,
        session_of_row=place[by_id[np.searchsorted(closed.id[by_id], held)]],
    )


class SessionRows:
    """Live sessions of any number of keys, with their rows. `gap` in milliseconds."""

    def __init__(self, schema: RowSchema, gap: int, time: SessionTime) -> None:
        self._time = time
        self._live = LiveSessions(gap, time)
        self._rows = empty_rows(schema)
        self._row_session: Int64s = np.empty(0, np.int64)

    @property
    def held(self) -> int:
        """Rows of live sessions."""
        return int(self._rows.num_rows)

    def snapshot(self) -> dict[str, pa.Table]:
        """Live sessions and their rows."""
        return self._live.snapshot() | {"rows": self._rows.append_column("session", pa.array(self._row_session))}

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._live.restore(state)
        self._row_session = numpy_column(state["rows"], "session").copy()
        self._rows = state["rows"].drop_columns(["session"])

    def take_in(self, batch: ChangeBatch, key: Int64s, instants: Int64s, late: LateRows, counters: Counters) -> None:
        """Assign the rows to sessions, keep them, hand over the late ones. Per row its key code and event time."""
        joined = self._live.join(batch, key, instants, late, counters)
        rows = batch.rows if joined.kept.all() else batch.rows.filter(pa.array(joined.kept))
        self._row_session = np.concatenate([joined.renames.of(self._row_session), joined.session])
        self._rows = pa.concat_tables([self._rows, rows])

    def close(self, batch: ChangeBatch) -> ClosedSessions | None:
        """The sessions that the batch's watermark steps close, with their rows; None when there are none."""
        closed = self._live.close(batch.watermark.closing)
        if closed is None:
            return None
        belongs = np.isin(self._row_session, closed.id)
        rows, session = self._rows.filter(pa.array(belongs)), self._row_session[belongs]
        self._rows = self._rows.filter(pa.array(~belongs)).combine_chunks()
        self._row_session = self._row_session[~belongs]
        ids, first = np.unique(session, return_index=True)
        opened = first[np.searchsorted(ids, closed.id)]
        return closed_in_order(closed, opened, session, rows, self._live.keys, self._time, batch.watermark)

"""Which records are late when a record may have become several rows, one for each of its windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from velo_engine.batch import Bools, Int64s


@dataclass(frozen=True, slots=True)
class LateRecords:
    """What became of the records of a batch whose rows carry their windows."""

    late: int
    """Records all of whose rows came too late."""
    partly: int
    """Records of which some rows did."""
    shown: Int64s
    """A row of each late record: those of its last window."""


def records_of_late_rows(seq: Int64s, late: Bools, partly: Bools) -> tuple[Int64s, int]:
    """The late records of rows in order of events, a row of each, and how many others have rows late or partly late.

    A record may have become several rows: the one that it takes back and the new one.
    """
    new = seq[1:] != seq[:-1]
    record = np.cumsum(np.concatenate([[False], new]))
    some = np.bincount(record, ~late) > 0
    missing = np.bincount(record, late | partly) > 0
    shown = np.flatnonzero(~some[record] & np.concatenate([new, [True]]))
    return shown, int((missing & some).sum())


def late_records(seq: Int64s, ends: Int64s, behind: Bools) -> LateRecords:
    """Rows in order of events, their window ends, and whether each is too late for its window."""
    record = np.cumsum(np.concatenate([[False], seq[1:] != seq[:-1]]))
    count = int(record[-1]) + 1
    missing = np.bincount(record, behind, count) > 0
    some = np.bincount(record, ~behind, count) > 0
    last = np.full(count, np.iinfo(np.int64).min)
    np.maximum.at(last, record, ends)
    late = missing & ~some
    shown = np.flatnonzero(late[record] & (ends == last[record]))
    return LateRecords(int(late.sum()), int((missing & some).sum()), shown)

"""Rows that wait for the watermark: kept in arrival order, taken out when their time has come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, Int64s, numpy_column

_FEWEST_DEAD = 1024


@dataclass(frozen=True, slots=True)
class Waiting:
    """Rows and what is known of each."""

    rows: pa.Table
    code: Int64s
    """Of the partition."""
    time: Int64s
    """Milliseconds since the epoch."""
    epoch: Int64s
    """How often the partition had been cleaned up when the row came."""

    def where(self, keep: Bools) -> Waiting:
        """Some of them."""
        return Waiting(self.rows.filter(pa.array(keep)), self.code[keep], self.time[keep], self.epoch[keep])

    def at(self, positions: Int64s) -> Waiting:
        """The rows at `positions`, in that order."""
        taken = self.rows.take(pa.array(positions))
        return Waiting(taken, self.code[positions], self.time[positions], self.epoch[positions])

    def plus(self, other: Waiting) -> Waiting:
        """These, then the others."""
        return Waiting(
            pa.concat_tables([self.rows, other.rows]),
            np.concatenate([self.code, other.code]),
            np.concatenate([self.time, other.time]),
            np.concatenate([self.epoch, other.epoch]),
        )


class PendingRows:
    """Rows not given out yet. Rows taken out are only marked, and dropped once they are the majority."""

    def __init__(self, empty: pa.Table) -> None:
        none = np.empty(0, np.int64)
        self._held = Waiting(empty, none, none, none)
        self._live = np.empty(0, np.bool_)

    def __len__(self) -> int:
        return int(self._live.sum())

    @property
    def code(self) -> Int64s:
        """The partition of each row, those taken out included."""
        return self._held.code

    @property
    def time(self) -> Int64s:
        """The time of each row, those taken out included."""
        return self._held.time

    @property
    def live(self) -> Bools:
        """Which rows are not taken out."""
        return self._live

    def add(self, rows: Waiting) -> None:
        """Keep rows."""
        if len(rows.code):
            self._held = self._held.plus(rows)
            self._live = np.concatenate([self._live, np.ones(len(rows.code), np.bool_)])

    def take(self, positions: Int64s) -> Waiting:
        """Take rows out, in the order given."""
        taken = self._held.at(positions)
        self._live[positions] = False
        if len(self._live) - int(self._live.sum()) > max(_FEWEST_DEAD, len(self._live) // 2):
            self._held = self._held.where(self._live)
            self._live = np.ones(len(self._held.code), np.bool_)
        return taken

    def snapshot(self) -> pa.Table:
        """The rows that wait, then `partition` and `epoch`."""
        held = self._held.where(self._live)
        columns = {"partition": held.code, "time": held.time, "epoch": held.epoch}
        table = held.rows
        for name, values in columns.items():
            table = table.append_column(f"{name}", pa.array(values))
        return table

    def restore(self, table: pa.Table) -> None:
        """Replace the content by a snapshot."""
        names = ["partition", "time", "epoch"]
        code, time, epoch = (numpy_column(table, name).copy() for name in names)
        self._held = Waiting(table.drop_columns(names), code, time, epoch)
        self._live = np.ones(len(code), np.bool_)

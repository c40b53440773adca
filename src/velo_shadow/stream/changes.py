"""What a side gives to a comparison that goes on, and who reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import pyarrow as pa

from velo_engine.batch import Int8s, Int32s, Int64s
from velo_engine.types import SqlType

Positions: TypeAlias = dict[tuple[str, int], int]
"""Per topic (or file) and partition the offset of the next record."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Consecutive records of one side, decoded."""

    table: pa.Table
    """The stream's columns by name, in the Arrow types of the side's SQL types; of a tombstone all but the key NULL."""
    kinds: Int8s
    """Per row its `RowKind`; of an upsert stream a record is INSERT or UPDATE_AFTER, a tombstone is DELETE."""
    timestamps_ms: Int64s
    """Per row when its record was written, milliseconds since the epoch; -1 where nothing says."""
    partitions: Int32s
    """Per row; 0 for files."""

    def __len__(self) -> int:
        """Rows."""
        return int(self.table.num_rows)


class StreamReader(Protocol):
    """One side: a topic, or a file that is read as if it were one."""

    @property
    def label(self) -> str:
        """What reports and messages call it, such as `kafka://totals`."""

    @property
    def types(self) -> Mapping[str, SqlType]:
        """The stream's columns."""

    @property
    def ended(self) -> bool:
        """Whether it is bounded and all of it has been given out."""

    def poll(self, limit: int, timeout_s: float) -> Changes | None:
        """Up to about `limit` next changes; None when nothing came within the timeout, or the side has ended."""

    def positions(self) -> Positions:
        """Where the next poll goes on."""

    def seek(self, positions: Positions) -> None:
        """Goes on at these positions; before the first poll."""

    def close(self) -> None:
        """Gives back what is open; may be called twice."""

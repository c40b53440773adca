"""The partitions of a topic in the order in which their records were written.

A reader that catches up gets the partitions one after the other, each with all that it has. How far the side has come
in event time would then be known from one partition while another has not begun, and rows of that would count as
missing on the other side. So a record waits until every partition that still has records has come to its time.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, Int64s
from velo_shadow.stream.changes import Changes

MOST_WAITING = 200_000
"""Rows that wait; with more, the partition that holds them back is not waited for."""


class PartitionOrder:
    """Holds back the rows of partitions that are ahead of others."""

    def __init__(self) -> None:
        self._held: list[tuple[Changes, Int64s, Int64s]] = []
        """Rows with the offsets of their records, and the times by which they are ordered."""
        self._latest: dict[int, int] = {}
        """By partition the latest time that it has come to."""
        self._count = 0

    def add(self, changes: Changes, offsets: Int64s) -> None:
        """Take in the rows of consecutive records; `offsets` are those of the rows' records."""
        times = changes.timestamps_ms.copy()
        for partition in np.unique(changes.partitions).tolist():
            rows = changes.partitions == partition
            # A record never overtakes an earlier one of its partition.
            before = self._latest.get(partition, -1)
            times[rows] = np.maximum.accumulate(np.concatenate([[before], times[rows]]))[1:]
            self._latest[partition] = int(times[rows][-1])
        if len(changes):
            self._held.append((changes, offsets, times))
            self._count += len(changes)

    def passed(self, behind: AbstractSet[int]) -> Changes | None:
        """The rows, in order, up to the time that all partitions which are `behind` have come to; None: there are none.

        A partition is behind while it has records that were not taken in.
        """
        if self._count > MOST_WAITING or not behind:
            return self.rest()
        until = min(self._latest.get(partition, -1) for partition in behind)
        if not self._held or not any(bool((times <= until).any()) for _, _, times in self._held):
            return None
        changes, offsets, times = self._together()
        ready = times <= until
        self._keep(changes, offsets, times, ~ready)
        return _picked(changes, times, ready)

    def rest(self) -> Changes | None:
        """All that is held, in order; None: nothing is."""
        if not self._held:
            return None
        changes, _, times = self._together()
        self._held, self._count = [], 0
        return _picked(changes, times, np.ones(len(times), np.bool_))

    def waiting(self) -> dict[int, int]:
        """By partition the offset of the first record that is held."""
        found: dict[int, int] = {}
        for changes, offsets, _ in self._held:
            for partition in np.unique(changes.partitions).tolist():
                first = int(offsets[changes.partitions == partition].min())
                found[partition] = min(first, found.get(partition, first))
        return found

    def _together(self) -> tuple[Changes, Int64s, Int64s]:
        held = [changes for changes, _, _ in self._held]
        changes = Changes(
            pa.concat_tables([one.table for one in held]),
            np.concatenate([one.kinds for one in held]),
            np.concatenate([one.timestamps_ms for one in held]),
            np.concatenate([one.partitions for one in held]),
        )
        offsets = np.concatenate([offsets for _, offsets, _ in self._held])
        return changes, offsets, np.concatenate([times for _, _, times in self._held])

    def _keep(self, changes: Changes, offsets: Int64s, times: Int64s, kept: Bools) -> None:
        self._count = int(np.count_nonzero(kept))
        rows = Changes(
            changes.table.filter(pa.array(kept)),
            changes.kinds[kept],
            changes.timestamps_ms[kept],
            changes.partitions[kept],
        )
        self._held = [(rows, offsets[kept], times[kept])] if self._count else []


def _picked(changes: Changes, times: Int64s, taken: Bools) -> Changes:
    """Rows by their times; of one time, as they were taken in."""
    rows = np.flatnonzero(taken)
    rows = rows[np.argsort(times[rows], kind="stable")]
    return Changes(
        changes.table.take(pa.array(rows)), changes.kinds[rows], changes.timestamps_ms[rows], changes.partitions[rows]
    )

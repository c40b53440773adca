"""Offsets that a group has committed, and those that wait for the end of a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from velo_harness.kafka.embedded.protocol import NO_LEADER_EPOCH

Partition = tuple[str, int]
"""Topic and number."""


@dataclass(frozen=True, slots=True)
class CommittedOffset:
    """Where a group goes on in one partition, and what it noted there."""

    offset: int
    leader_epoch: int = NO_LEADER_EPOCH
    metadata: str = ""


class GroupOffsets:
    """The offsets of one group."""

    def __init__(self) -> None:
        self.committed: dict[Partition, CommittedOffset] = {}
        self._pending: dict[int, dict[Partition, CommittedOffset]] = {}

    def commit(self, offsets: Mapping[Partition, CommittedOffset]) -> None:
        """Commits at once."""
        self.committed.update(offsets)

    def commit_in_transaction(self, producer_id: int, offsets: Mapping[Partition, CommittedOffset]) -> None:
        """Keeps offsets until the transaction of this producer ends."""
        self._pending.setdefault(producer_id, {}).update(offsets)

    def end_transaction(self, producer_id: int, *, committed: bool) -> None:
        """The offsets of the transaction count from now on, or never."""
        offsets = self._pending.pop(producer_id, {})
        if committed:
            self.committed.update(offsets)

    def unstable(self, partition: Partition) -> bool:
        """Whether an open transaction may still change the offset of this partition (KIP-447)."""
        return any(partition in offsets for offsets in self._pending.values())

    def forget_topic(self, name: str) -> None:
        """Drops the offsets of a topic that is gone."""
        for offsets in (self.committed, *self._pending.values()):
            for partition in [p for p in offsets if p[0] == name]:
                del offsets[partition]

"""What one partition knows of the producers that write to it: epochs and sequence numbers (KIP-98).

A producer numbers its records per partition. A batch that was sent again is recognised by its numbers and answered with
the offset it already has; a gap is refused, and so is an epoch older than the newest seen.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from velo_harness.kafka.embedded.protocol import ErrorNumber, KafkaError
from velo_harness.kafka.embedded.record_batches import RecordBatch

REMEMBERED_BATCHES = 5
"""Batches per producer that are recognised when they come again: as many as a client keeps in flight."""

_SEQUENCES = 1 << 31


@dataclass(frozen=True, slots=True)
class AppendedBatch:
    """A batch as it was appended."""

    first_sequence: int
    last_sequence: int
    base_offset: int
    last_offset: int


@dataclass(slots=True)
class ProducerEntry:
    """One producer in one partition."""

    epoch: int
    last_timestamp: int = -1
    batches: deque[AppendedBatch] = field(default_factory=lambda: deque(maxlen=REMEMBERED_BATCHES))

    @property
    def last_sequence(self) -> int:
        """Number of its last record in its epoch; -1 before the first."""
        return self.batches[-1].last_sequence if self.batches else -1


class PartitionProducers:
    """The producers of one partition."""

    def __init__(self) -> None:
        self.entries: dict[int, ProducerEntry] = {}

    def duplicate(self, batch: RecordBatch) -> AppendedBatch | None:
        """The batch as it was appended before, when it was.

        Raises:
            KafkaError: an old epoch (INVALID_PRODUCER_EPOCH), or numbers that do not follow (OUT_OF_ORDER_...).
        """
        entry = self.entries.get(batch.producer_id)
        if entry is None:  # as in Kafka: whatever was before may have been deleted
            return None
        if batch.producer_epoch < entry.epoch:
            message = f"epoch {batch.producer_epoch} of producer {batch.producer_id} is older than {entry.epoch}"
            raise KafkaError(ErrorNumber.INVALID_PRODUCER_EPOCH, message)
        if batch.producer_epoch > entry.epoch:
            expected = 0
        else:
            for known in entry.batches:
                if (known.first_sequence, known.last_sequence) == (batch.base_sequence, batch.last_sequence):
                    return known
            expected = (entry.last_sequence + 1) % _SEQUENCES
        if batch.base_sequence != expected:
            message = f"producer {batch.producer_id} sent sequence {batch.base_sequence}, {expected} was next"
            raise KafkaError(ErrorNumber.OUT_OF_ORDER_SEQUENCE_NUMBER, message)
        return None

    def appended(self, batch: RecordBatch, base_offset: int) -> None:
        """Remembers a batch that is now in the log."""
        entry = self.at_epoch(batch.producer_id, batch.producer_epoch)
        entry.last_timestamp = batch.max_timestamp
        last_offset = base_offset + batch.last_offset_delta
        entry.batches.append(AppendedBatch(batch.base_sequence, batch.last_sequence, base_offset, last_offset))

    def at_epoch(self, producer_id: int, epoch: int) -> ProducerEntry:
        """The entry of a producer; a new epoch starts its numbers anew and shuts the old one out."""
        entry = self.entries.get(producer_id)
        if entry is None or entry.epoch != epoch:
            entry = self.entries[producer_id] = ProducerEntry(epoch)
        return entry

"""Transactions: one producer per transactional id, what its open transaction touches, and how it ends (KIP-98).

Ending one writes all its markers at once, so that the states of Kafka in which markers are on their way do not exist.
A producer is fenced by its epoch: whoever asks for the transactional id next gets a higher one, and its predecessor's
open transaction is aborted; a transaction that is open for too long ends the same way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from velo_harness.kafka.embedded.deadlines import Deadline, Deadlines
from velo_harness.kafka.embedded.group_coordinator import Groups
from velo_harness.kafka.embedded.offsets import Partition
from velo_harness.kafka.embedded.protocol import ErrorNumber, KafkaError
from velo_harness.kafka.embedded.record_batches import NO_PRODUCER, RecordBatch
from velo_harness.kafka.embedded.topics import Topics

MAX_TIMEOUT_MS = 900_000
"""Kafka's default for `transaction.max.timeout.ms`."""

NO_EPOCH = -1
_LAST_EPOCH = 32_766
"""Of a producer that can be used: one more, the highest, is left for aborting its last transaction."""


class TransactionState(Enum):
    """States, by the names that clients see."""

    EMPTY = "Empty"
    ONGOING = "Ongoing"
    COMMITTED = "CompleteCommit"
    ABORTED = "CompleteAbort"


@dataclass(frozen=True, slots=True)
class ProducerId:
    """A producer and its epoch."""

    id: int
    epoch: int


NO_PRODUCER_ID = ProducerId(NO_PRODUCER, NO_EPOCH)


@dataclass(slots=True)
class TransactionalProducer:
    """What is known of a transactional id."""

    transactional_id: str
    producer: ProducerId
    timeout_ms: int
    before: ProducerId = NO_PRODUCER_ID
    """The producer that the last renewal replaced: asked again for the same renewal, the answer is the same."""
    state: TransactionState = TransactionState.EMPTY
    started_ms: int = -1
    partitions: dict[Partition, None] = field(default_factory=dict)
    groups: dict[str, None] = field(default_factory=dict)
    deadline: Deadline | None = None


class Transactions:
    """The transactional ids of the broker, and the ids of all its producers."""

    def __init__(self, topics: Topics, groups: Groups, deadlines: Deadlines) -> None:
        self._topics = topics
        self._groups = groups
        self._deadlines = deadlines
        self._next_producer_id = 1
        self._by_name: dict[str, TransactionalProducer] = {}
        self._by_producer: dict[int, TransactionalProducer] = {}

    def all(self) -> list[TransactionalProducer]:
        """Every transactional id, in order of creation."""
        return list(self._by_name.values())

    def find(self, transactional_id: str) -> TransactionalProducer | None:
        """What is known of this transactional id, or None."""
        return self._by_name.get(transactional_id)

    # --- producers

    def new_producer(self) -> ProducerId:
        """A producer without transactions."""
        producer = ProducerId(self._next_producer_id, 0)
        self._next_producer_id += 1
        return producer

    def renew(self, transactional_id: str, timeout_ms: int, current: ProducerId) -> ProducerId:
        """The producer that may use the transactional id from now on. Its predecessor is shut out.

        `current` is the producer that asks for a new epoch of its own (KIP-360), or NO_PRODUCER_ID.

        Raises:
            KafkaError: INVALID_REQUEST, INVALID_TRANSACTION_TIMEOUT; PRODUCER_FENCED: `current` is not current.
        """
        if not transactional_id:
            raise KafkaError(ErrorNumber.INVALID_REQUEST)
        if not 0 < timeout_ms <= MAX_TIMEOUT_MS:
            raise KafkaError(ErrorNumber.INVALID_TRANSACTION_TIMEOUT)
        known = self._by_name.get(transactional_id)
        if known is None:
            known = TransactionalProducer(transactional_id, self.new_producer(), timeout_ms)
            self._by_name[transactional_id] = self._by_producer[known.producer.id] = known
            return known.producer
        if current.epoch != NO_EPOCH and current != known.producer:
            if current == known.before:
                return known.producer
            raise KafkaError(ErrorNumber.PRODUCER_FENCED)
        if known.state is TransactionState.ONGOING:
            self._abort_and_fence(known)
        before = known.producer
        self._raise_epoch(known)
        known.before = before if current.epoch != NO_EPOCH else NO_PRODUCER_ID
        known.timeout_ms = timeout_ms
        known.state = TransactionState.EMPTY
        return known.producer

    def _raise_epoch(self, known: TransactionalProducer) -> None:
        if known.producer.epoch < _LAST_EPOCH:
            known.producer = ProducerId(known.producer.id, known.producer.epoch + 1)
            return
        known.producer = self.new_producer()
        self._by_producer[known.producer.id] = known

    # --- what a transaction touches

    def add_partitions(self, transactional_id: str, producer: ProducerId, partitions: Iterable[Partition]) -> None:
        """Makes partitions part of the transaction, which starts with the first. Raises KafkaError."""
        known = self._current(transactional_id, producer)
        self._open(known)
        known.partitions.update(dict.fromkeys(partitions))

    def add_group(self, transactional_id: str, producer: ProducerId, group_id: str) -> None:
        """Makes the offsets of a group part of the transaction. Raises KafkaError."""
        known = self._current(transactional_id, producer)
        self._groups.found_or_made(group_id)
        self._open(known)
        known.groups[group_id] = None

    def _open(self, known: TransactionalProducer) -> None:
        if known.state is TransactionState.ONGOING:
            return
        known.state = TransactionState.ONGOING
        known.started_ms = self._deadlines.now_ms()
        known.deadline = self._deadlines.after(known.timeout_ms, lambda: self._abort_and_fence(known))

    def check_append(self, partition: Partition, batch: RecordBatch) -> None:
        """Checks that a transactional batch belongs to an open transaction that has this partition.

        Raises:
            KafkaError: INVALID_PRODUCER_ID_MAPPING, INVALID_PRODUCER_EPOCH (a newer producer took over),
                INVALID_TXN_STATE (KIP-890: otherwise nothing would ever end it).
        """
        known = self._by_producer.get(batch.producer_id)
        if known is None:
            raise KafkaError(ErrorNumber.INVALID_PRODUCER_ID_MAPPING)
        if known.producer != ProducerId(batch.producer_id, batch.producer_epoch):
            raise KafkaError(ErrorNumber.INVALID_PRODUCER_EPOCH)
        if known.state is not TransactionState.ONGOING or partition not in known.partitions:
            raise KafkaError(ErrorNumber.INVALID_TXN_STATE, f"{partition} is not part of an open transaction")

    def check_offsets(self, transactional_id: str, producer: ProducerId, group_id: str) -> None:
        """The same for the offsets of a group. Raises KafkaError."""
        known = self._current(transactional_id, producer)
        if known.state is not TransactionState.ONGOING or group_id not in known.groups:
            raise KafkaError(ErrorNumber.INVALID_TXN_STATE, f"group {group_id} is not part of an open transaction")

    # --- the end

    def end(self, transactional_id: str, producer: ProducerId, *, committed: bool) -> None:
        """Commits or aborts. Asked again, the answer is the same. Raises KafkaError."""
        known = self._current(transactional_id, producer)
        ended = TransactionState.COMMITTED if committed else TransactionState.ABORTED
        if known.state is TransactionState.ONGOING:
            self._finish(known, ended)
        elif known.state is not ended:
            raise KafkaError(ErrorNumber.INVALID_TXN_STATE)

    def _abort_and_fence(self, known: TransactionalProducer) -> None:
        """Aborts under a higher epoch: what its producer still sends is refused."""
        known.producer = ProducerId(known.producer.id, known.producer.epoch + 1)
        self._finish(known, TransactionState.ABORTED)

    def _finish(self, known: TransactionalProducer, ended: TransactionState) -> None:
        committed = ended is TransactionState.COMMITTED
        now_ms = self._deadlines.now_ms()
        if known.deadline is not None:
            known.deadline.cancel()
        known.state = ended
        partitions, known.partitions = known.partitions, {}
        groups, known.groups = known.groups, {}
        for group_id in groups:
            group = self._groups.find(group_id)
            if group is not None:
                group.offsets.end_transaction(known.producer.id, committed=committed)
        for topic_name, index in partitions:
            topic = self._topics.find(topic_name)
            if topic is not None and index < len(topic.partitions):  # else deleted meanwhile
                log = topic.partitions[index]
                log.end_transaction(known.producer.id, known.producer.epoch, now_ms, committed=committed)

    def _current(self, transactional_id: str, producer: ProducerId) -> TransactionalProducer:
        known = self._by_name.get(transactional_id)
        if known is None or known.producer.id != producer.id:
            raise KafkaError(ErrorNumber.INVALID_PRODUCER_ID_MAPPING)
        if known.producer.epoch != producer.epoch:
            raise KafkaError(ErrorNumber.PRODUCER_FENCED)
        return known

"""Transactions without network: fencing, timeouts, what commits and what does not."""

from __future__ import annotations

import pytest

from tests.kafka.embedded.clock import ManualClock
from tests.kafka.embedded.made_batches import made
from velo_harness.kafka.embedded.cluster import Cluster
from velo_harness.kafka.embedded.offsets import CommittedOffset
from velo_harness.kafka.embedded.protocol import ErrorNumber, KafkaError
from velo_harness.kafka.embedded.transactions import NO_PRODUCER_ID, ProducerId, TransactionState

TIMEOUT_MS = 60_000
PARTITION = ("t", 0)


class Broker:
    """A cluster with a topic of two partitions, and short words for what producers ask."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.cluster = Cluster(lambda: self.clock.now)
        self.clock.deadlines = self.cluster.deadlines
        self.topic = self.cluster.topics.create("t", 2, {})
        self.log = self.topic.partitions[0]
        self.transactions = self.cluster.transactions

    def producer(self, name: str = "tx", current: ProducerId = NO_PRODUCER_ID) -> ProducerId:
        return self.transactions.renew(name, TIMEOUT_MS, current)

    def write(self, producer: ProducerId, sequence: int = 0, *, add: bool = True, name: str = "tx") -> int:
        if add:
            self.transactions.add_partitions(name, producer, [PARTITION])
        batch = made(producer_id=producer.id, epoch=producer.epoch, sequence=sequence, transactional=True)
        return self.cluster.append(*PARTITION, batch).base_offset

    def state(self, name: str = "tx") -> TransactionState:
        known = self.transactions.find(name)
        assert known is not None
        return known.state


@pytest.fixture
def broker() -> Broker:
    return Broker()


def refusal(action: object, *args: object, **options: object) -> ErrorNumber:
    with pytest.raises(KafkaError) as error:
        action(*args, **options)  # type: ignore[operator]
    return error.value.number


def test_a_commit_writes_a_marker_to_each_partition(broker: Broker) -> None:
    producer = broker.producer()
    broker.transactions.add_partitions("tx", producer, [("t", 0), ("t", 1)])
    broker.write(producer)
    assert broker.log.stable_offset == 0
    broker.transactions.end("tx", producer, committed=True)
    assert [log.end_offset for log in broker.topic.partitions] == [2, 1]
    assert (broker.log.stable_offset, broker.state()) == (2, TransactionState.COMMITTED)


def test_ending_again_is_answered_alike_but_not_otherwise(broker: Broker) -> None:
    producer = broker.producer()
    assert refusal(broker.transactions.end, "tx", producer, committed=True) is ErrorNumber.INVALID_TXN_STATE
    broker.write(producer)
    broker.transactions.end("tx", producer, committed=True)
    broker.transactions.end("tx", producer, committed=True)
    assert broker.log.end_offset == 2
    assert refusal(broker.transactions.end, "tx", producer, committed=False) is ErrorNumber.INVALID_TXN_STATE


def test_a_successor_aborts_what_its_predecessor_left_and_shuts_it_out(broker: Broker) -> None:
    old = broker.producer()
    broker.write(old)
    new = broker.producer()
    assert new.id == old.id
    assert new.epoch > old.epoch
    assert (broker.log.stable_offset, broker.log.end_offset) == (2, 2)
    (aborted,) = broker.log.aborted_in(0, broker.log.read(0, 1, 1000, at_least=1))
    assert (aborted.producer_id, aborted.first_offset) == (old.id, 0)
    assert refusal(broker.write, old, 1, add=False) is ErrorNumber.INVALID_PRODUCER_EPOCH
    assert refusal(broker.write, old, 1) is ErrorNumber.PRODUCER_FENCED
    assert refusal(broker.transactions.end, "tx", old, committed=True) is ErrorNumber.PRODUCER_FENCED
    assert refusal(broker.producer, current=old) is ErrorNumber.PRODUCER_FENCED
    assert broker.write(new) == 2


def test_a_transaction_that_is_open_too_long_is_aborted_and_its_producer_fenced(broker: Broker) -> None:
    producer = broker.producer()
    broker.write(producer)
    broker.clock.advance(TIMEOUT_MS - 100)
    assert broker.state() is TransactionState.ONGOING
    broker.clock.advance(100)
    assert broker.state() is TransactionState.ABORTED
    assert broker.log.stable_offset == 2
    assert refusal(broker.transactions.end, "tx", producer, committed=True) is ErrorNumber.PRODUCER_FENCED
    assert broker.write(broker.producer()) == 2


def test_the_time_of_a_transaction_starts_with_it(broker: Broker) -> None:
    producer = broker.producer()
    for sequence in range(3):
        broker.clock.advance(TIMEOUT_MS - 1000)
        broker.write(producer, sequence)
        broker.transactions.end("tx", producer, committed=True)
    broker.clock.advance(2 * TIMEOUT_MS)
    assert broker.state() is TransactionState.COMMITTED


def test_records_belong_to_a_transaction_that_has_their_partition(broker: Broker) -> None:
    producer = broker.producer()
    assert refusal(broker.write, producer, add=False) is ErrorNumber.INVALID_TXN_STATE
    broker.write(producer)
    broker.transactions.end("tx", producer, committed=True)
    assert refusal(broker.write, producer, 1, add=False) is ErrorNumber.INVALID_TXN_STATE
    stranger = ProducerId(999, 0)
    assert refusal(broker.write, stranger, add=False) is ErrorNumber.INVALID_PRODUCER_ID_MAPPING
    assert refusal(broker.write, stranger) is ErrorNumber.INVALID_PRODUCER_ID_MAPPING


def test_a_producer_may_raise_its_own_epoch_and_ask_for_it_twice(broker: Broker) -> None:
    first = broker.producer()
    second = broker.producer(current=first)
    assert second == ProducerId(first.id, first.epoch + 1)
    assert broker.producer(current=first) == second  # the answer was lost
    third = broker.producer(current=second)
    assert refusal(broker.producer, current=first) is ErrorNumber.PRODUCER_FENCED
    assert third.epoch == second.epoch + 1


def test_a_producer_whose_epochs_are_used_up_gets_a_new_id(broker: Broker) -> None:
    first = broker.producer()
    latest = first
    for _ in range(32_766):
        latest = broker.producer()
    assert latest == ProducerId(first.id, 32_766)
    broker.write(latest)
    successor = broker.producer()
    assert successor.id != first.id
    assert successor.epoch == 0
    assert broker.log.stable_offset == broker.log.end_offset == 2
    assert refusal(broker.transactions.end, "tx", latest, committed=True) is ErrorNumber.INVALID_PRODUCER_ID_MAPPING
    assert broker.write(successor) == 2


@pytest.mark.parametrize("committed", [True, False])
def test_offsets_count_when_the_transaction_commits(broker: Broker, committed: bool) -> None:
    producer = broker.producer()
    assert refusal(broker.transactions.check_offsets, "tx", producer, "g") is ErrorNumber.INVALID_TXN_STATE
    broker.transactions.add_group("tx", producer, "g")
    broker.transactions.check_offsets("tx", producer, "g")
    offsets = broker.cluster.groups.group("g").offsets
    offsets.commit({PARTITION: CommittedOffset(1)})
    offsets.commit_in_transaction(producer.id, {PARTITION: CommittedOffset(5)})
    assert offsets.unstable(PARTITION)
    assert offsets.committed == {PARTITION: CommittedOffset(1)}
    broker.transactions.end("tx", producer, committed=committed)
    assert not offsets.unstable(PARTITION)
    assert offsets.committed == {PARTITION: CommittedOffset(5 if committed else 1)}


def test_a_successor_drops_the_offsets_its_predecessor_left(broker: Broker) -> None:
    producer = broker.producer()
    broker.transactions.add_group("tx", producer, "g")
    offsets = broker.cluster.groups.group("g").offsets
    offsets.commit_in_transaction(producer.id, {PARTITION: CommittedOffset(5)})
    broker.producer()
    assert offsets.committed == {}
    assert not offsets.unstable(PARTITION)


def test_transactional_ids_do_not_disturb_each_other(broker: Broker) -> None:
    one, two = broker.producer("one"), broker.producer("two")
    assert one.id != two.id
    broker.write(one, name="one")
    broker.write(two, name="two")
    broker.transactions.end("two", two, committed=True)
    assert broker.log.stable_offset == 0
    broker.transactions.end("one", one, committed=True)
    assert broker.log.stable_offset == 4


def test_a_topic_deleted_meanwhile_does_not_keep_a_transaction_from_ending(broker: Broker) -> None:
    producer = broker.producer()
    broker.write(producer)
    broker.cluster.delete_topic("t")
    broker.transactions.end("tx", producer, committed=True)
    assert broker.state() is TransactionState.COMMITTED


@pytest.mark.parametrize(
    ("name", "timeout_ms", "error"),
    [
        ("", 1, ErrorNumber.INVALID_REQUEST),
        ("tx", 0, ErrorNumber.INVALID_TRANSACTION_TIMEOUT),
        ("tx", 900_001, ErrorNumber.INVALID_TRANSACTION_TIMEOUT),
    ],
)
def test_a_producer_that_cannot_be_is_refused(broker: Broker, name: str, timeout_ms: int, error: ErrorNumber) -> None:
    assert refusal(broker.transactions.renew, name, timeout_ms, NO_PRODUCER_ID) is error

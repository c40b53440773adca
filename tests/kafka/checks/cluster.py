"""A broker under test, and the clients with which a check speaks to it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

PATIENCE = 30.0
"""Seconds until a check gives up waiting. Only a broker that does not answer makes a check take this long."""

_PAUSE = 0.02


def unique(prefix: str) -> str:
    """A name for a topic, group or transactional id that no other check uses."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Ask until the condition holds. Raises AssertionError when it does not hold in time."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        time.sleep(_PAUSE)


def values(messages: Iterable[Message]) -> list[Any]:
    """The messages' values, in the order in which they came."""
    return [message.value() for message in messages]


def numbered(count: int, partition: int = 0) -> list[dict[str, Any]]:
    """Records `0`, `1`, … for one partition."""
    return [{"value": b"%d" % number, "partition": partition} for number in range(count)]


class Cluster:
    """The clients of one check; `close()` ends those that would go on speaking to the broker."""

    def __init__(self, bootstrap_servers: str) -> None:
        # Clients that are still there when the broker goes would say so on standard error, at level 3.
        self._common: dict[str, str | int | float | bool] = {"bootstrap.servers": bootstrap_servers, "log_level": 2}
        self._consumers: list[Consumer] = []
        self.admin = AdminClient(self._common)

    def close(self) -> None:
        """Close the consumers, also those that the check has closed already."""
        for consumer in self._consumers:
            consumer.close()

    # -- topics

    def new_topic(self, partitions: int = 1, name: str = "", config: Mapping[str, str] | None = None) -> str:
        """Create a topic that keeps records of any age, and wait until clients see it."""
        name = name or unique("topic")
        topic = NewTopic(name, partitions, 1, config={"retention.ms": "-1", **(config or {})})
        self.admin.create_topics([topic])[name].result(PATIENCE)
        eventually(lambda: self.partitions(name) == list(range(partitions)), f"{partitions} partitions of {name}")
        return name

    def partitions(self, topic: str) -> list[int]:
        """The topic's partitions that have a leader; none when there is no such topic."""
        described = self.admin.list_topics(timeout=PATIENCE).topics.get(topic)
        return [] if described is None else sorted(p.id for p in described.partitions.values() if p.leader >= 0)

    # -- producers

    def producer(self, **config: Any) -> Producer:
        """A producer; options are written with underscores: `linger_ms=50`.

        Without a callback for errors confluent-kafka raises a fatal one out of whatever call is just serving delivery
        reports, which may be in the middle of one (SystemError). What is refused comes with the reports, too.
        """
        settings = {"message.timeout.ms": 20_000, "error_cb": lambda _error: None}
        return Producer({**self._common, **settings, **_dotted(config)})

    def transactional_producer(self, transactional_id: str = "", **config: Any) -> Producer:
        """A producer that may begin a transaction."""
        producer = self.producer(transactional_id=transactional_id or unique("txn"), **config)
        producer.init_transactions(PATIENCE)
        return producer

    def write(self, topic: str, records: Iterable[Mapping[str, Any]], **config: Any) -> list[tuple[int, int]]:
        """Write the records with a producer of their own; where each is: (partition, offset), in order of delivery."""
        return produce(self.producer(**config), topic, records)

    def end(self, commit_or_abort: Callable[[float], None], topic: str) -> None:
        """End a transaction by this method of its producer, and wait until readers of partition 0 see that."""
        commit_or_abort(PATIENCE)
        self.wait_until_settled(topic)

    def wait_until_settled(self, topic: str, partitions: Sequence[int] = (0,)) -> None:
        """Wait until no transaction is open in the partitions.

        Kafka answers a commit once the decision is on record; its markers reach the partitions a moment later.
        """

        def settled() -> bool:
            return all(
                self.end_offsets(topic, partition, "read_committed") == self.end_offsets(topic, partition)
                for partition in partitions
            )

        eventually(settled, f"no open transaction in {topic}")

    # -- consumers

    def consumer(self, group: str = "", **config: Any) -> Consumer:
        """A consumer that says when a partition ends, and does not commit unless told to."""
        options = {
            "group.id": group or unique("group"),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 200,
        }
        consumer = Consumer({**self._common, **options, **_dotted(config)})
        self._consumers.append(consumer)
        return consumer

    def subscribed(self, topic: str, group: str = "", **config: Any) -> Consumer:
        """A consumer that is a member of its group for the topic (or a pattern, `^…`)."""
        consumer = self.consumer(group, **config)
        consumer.subscribe([topic])
        return consumer

    def assigned(
        self,
        topic: str,
        partitions: Sequence[int] = (0,),
        offset: int = OFFSET_BEGINNING,
        group: str = "",
        **config: Any,
    ) -> Consumer:
        """A consumer that reads the partitions from an offset, without being a member of a group."""
        consumer = self.consumer(group, **config)
        # A client that does not know the leaders when it is assigned partitions waits for half a second.
        consumer.list_topics(topic, timeout=PATIENCE)
        consumer.assign([TopicPartition(topic, partition, offset) for partition in partitions])
        return consumer

    def read_all(self, topic: str, partitions: Sequence[int] = (0,), **config: Any) -> list[Message]:
        """All there is now, read from the beginning to the end of each partition (read_committed unless told otherwise)."""
        consumer = self.assigned(topic, partitions, **{"isolation_level": "read_committed", **config})
        return read_to_end(consumer, partitions)

    def end_offsets(self, topic: str, partition: int = 0, isolation: str = "read_uncommitted") -> tuple[int, int]:
        """The first offset and the one after the last that a reader may see."""
        consumer = self.consumer(isolation_level=isolation)
        first, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=PATIENCE)
        return first, end

    def offset_for_time(self, topic: str, timestamp: int) -> int:
        """The first offset in partition 0 of a record at `timestamp` (epoch milliseconds) or later; -1 when there is none."""
        (found,) = self.consumer().offsets_for_times([TopicPartition(topic, 0, timestamp)], timeout=PATIENCE)
        return int(found.offset)

    def committed(self, group: str, topic: str, partition: int = 0) -> int:
        """The group's offset in a partition; negative when it has none."""
        (found,) = self.consumer(group).committed([TopicPartition(topic, partition)], timeout=PATIENCE)
        return int(found.offset)


def produce(producer: Producer, topic: str, records: Iterable[Mapping[str, Any]]) -> list[tuple[int, int]]:
    """Write the records and wait until all are acknowledged; where each is. Raises KafkaException for one refused."""
    written: list[tuple[int, int]] = []
    refused: list[KafkaError] = []

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        if error is None:
            written.append(place(message))
        else:
            refused.append(error)

    for record in records:
        producer.produce(topic, on_delivery=on_delivery, **record)
    unacknowledged = producer.flush(PATIENCE)
    if refused:
        raise KafkaException(refused[0])
    assert unacknowledged == 0
    return written


def read_to_end(consumer: Consumer, partitions: Sequence[int]) -> list[Message]:
    """What an assigned consumer gets until every partition has ended."""
    messages: list[Message] = []
    ended: set[int] = set()
    deadline = time.monotonic() + PATIENCE
    while ended != set(partitions):
        assert time.monotonic() < deadline, f"{len(messages)} messages, and of {partitions} only {ended} ended"
        for message in consumer.consume(1000, 0.05):
            if _is_end(message):
                ended.add(place(message)[0])
            else:
                messages.append(message)
    return messages


def read(consumer: Consumer, count: int) -> list[Message]:
    """The next `count` messages. The end of a partition that comes behind the last of them is left to be read."""
    messages: list[Message] = []
    deadline = time.monotonic() + PATIENCE
    while len(messages) < count:
        assert time.monotonic() < deadline, f"{len(messages)} of {count} messages: {values(messages[-5:])}"
        missing = count - len(messages)
        messages += [message for message in consumer.consume(missing, 0.05) if not _is_end(message)]
    return messages


def wait_for_end(consumer: Consumer) -> None:
    """Poll until the consumer has nothing more to read in some partition. Fails when there is a message."""
    deadline = time.monotonic() + PATIENCE
    while True:
        message = consumer.poll(0.05)
        if message is not None:
            assert _is_end(message), f"a message: {message.value()!r}"
            return
        assert time.monotonic() < deadline, "neither a message nor the end of a partition"


def wait_for_assignment(consumer: Consumer, partitions: Sequence[int]) -> None:
    """Poll until exactly these partitions are assigned to the member."""

    def assigned() -> bool:
        consumer.poll(0.05)
        return sorted(partition.partition for partition in consumer.assignment()) == list(partitions)

    eventually(assigned, f"assignment of {partitions}")


def place(message: Message) -> tuple[int, int]:
    """The message's partition and offset."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset


def _is_end(message: Message) -> bool:
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(error)
    return error is not None


def _dotted(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("_", "."): value for name, value in config.items()}

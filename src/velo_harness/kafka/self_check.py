"""Whether a broker does what test runs rest on; one that does not would lose or show rows without a word.

Ten records in one batch with timestamps of years ago: the end of the partition must be 10, the records must be there
with their timestamps, and a record of an aborted transaction behind them must not be seen. Brokers that fail this exist
(mock clusters, half-compatible servers), and a bounded read on them is wrong and looks right.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from velo_engine.connectors.kafka.client import KafkaCluster, kafka_error
from velo_engine.connectors.kafka.connection import ConnectionState
from velo_engine.connectors.kafka.open_client import open_consumer, open_producer
from velo_engine.errors import ErrorCode, VeloError

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError

RECORDS = 10
FIRST_MS = 1_577_836_800_000
"""The first timestamp, 2020-01-01: older than any retention by default."""
TIMEOUT_S = 30.0
_HINT = "use another broker: tests on this one could lose rows, or see rows that are not there, silently"


def check_broker(cluster: KafkaCluster, topic: str, transactional_id: str) -> None:
    """Check the broker with an empty topic of one partition.

    Raises VeloError INFRASTRUCTURE_MISSING that says what the broker does wrong.
    """
    from confluent_kafka import KafkaException

    consumer = open_consumer(cluster, ConnectionState())
    try:
        _write_batch(cluster, topic)
        ends = _ends(consumer, topic)
        if ends != (0, RECORDS):
            raise _wrong(
                cluster, f"says after a batch of {RECORDS} records that offsets go from {ends[0]} to {ends[1]}"
            )
        _abort_one(cluster, topic, transactional_id)
        _check_seen(cluster, _read(consumer, topic, _ends(consumer, topic)[1]))
    except KafkaException as problem:
        raise kafka_error(problem, cluster, "checking the broker") from None
    finally:
        consumer.close()


def _write_batch(cluster: KafkaCluster, topic: str) -> None:
    """The records, as one batch: the client waits for all of them before it sends."""
    deliveries = _Deliveries()
    producer = open_producer(cluster, ConnectionState(), {"linger.ms": 1000}, deliveries.callbacks())
    for number in range(RECORDS):
        producer.produce(topic, b"%d" % number, partition=0, timestamp=FIRST_MS + number)
    if producer.flush(TIMEOUT_S):
        raise _wrong(cluster, f"does not acknowledge {RECORDS} records")
    deliveries.check()


def _abort_one(cluster: KafkaCluster, topic: str, transactional_id: str) -> None:
    deliveries = _Deliveries()
    producer = open_producer(cluster, ConnectionState(), {"transactional.id": transactional_id}, deliveries.callbacks())
    producer.init_transactions(TIMEOUT_S)
    producer.begin_transaction()
    producer.produce(topic, b"aborted", partition=0, timestamp=FIRST_MS)
    # Without this the client would give the record up before it is sent, and nothing would be checked.
    if producer.flush(TIMEOUT_S):
        raise _wrong(cluster, "does not acknowledge a record of a transaction")
    deliveries.check()
    producer.abort_transaction(TIMEOUT_S)


class _Deliveries:
    """Keeps the first error of a record."""

    def __init__(self) -> None:
        self._error: KafkaError | None = None

    def callbacks(self) -> dict[str, Any]:
        """For the configuration of a producer."""
        return {"on_delivery": self._delivered}

    def check(self) -> None:
        """Raises KafkaException when a record was refused."""
        from confluent_kafka import KafkaException

        if self._error is not None:
            raise KafkaException(self._error)

    def _delivered(self, error: KafkaError | None, message: Any) -> None:  # noqa: ARG002 - as the client calls it
        self._error = self._error or error


def _ends(consumer: Consumer, topic: str) -> tuple[int, int]:
    """The first and the next offset of the topic's partition."""
    from confluent_kafka import TopicPartition

    first, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=TIMEOUT_S)
    return first, end


def _check_seen(cluster: KafkaCluster, seen: list[tuple[bytes | None, int]]) -> None:
    values = [value for value, _ in seen]
    if b"aborted" in values:
        raise _wrong(cluster, "shows a record of an aborted transaction to readers of committed records")
    if values != [b"%d" % number for number in range(RECORDS)]:
        raise _wrong(cluster, f"gives {len(values)} of {RECORDS} records back")
    times = [timestamp for _, timestamp in seen]
    if times != [FIRST_MS + number for number in range(RECORDS)]:
        raise _wrong(cluster, f"changes timestamps: the first record was written with {FIRST_MS} and has {times[0]}")


def _read(consumer: Consumer, topic: str, end: int) -> list[tuple[bytes | None, int]]:
    """Values and timestamps from the start to `end`."""
    from confluent_kafka import KafkaError, KafkaException, TopicPartition

    consumer.assign([TopicPartition(topic, 0, 0)])
    seen: list[tuple[bytes | None, int]] = []
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        for message in consumer.consume(RECORDS + 1, 0.1):
            error = message.error()
            if error is None:
                seen.append((message.value(), message.timestamp()[1]))
            elif error.code() == KafkaError._PARTITION_EOF:
                if (message.offset() or 0) >= end:
                    return seen
            else:
                raise KafkaException(error)
    return seen


def _wrong(cluster: KafkaCluster, what: str) -> VeloError:
    message = f"the broker at {cluster.bootstrap_servers} {what}"
    return VeloError(ErrorCode.INFRASTRUCTURE_MISSING, message, hint=_HINT)

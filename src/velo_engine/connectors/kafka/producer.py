"""Writing records to topics of a cluster: with acknowledgement, or in transactions of one epoch each."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import count, repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from velo_engine.batch import Int64s
from velo_engine.connectors.kafka.client import KafkaCluster, kafka_error
from velo_engine.connectors.kafka.connection import ConnectionState, metadata, raise_if_fatal
from velo_engine.connectors.kafka.open_client import (
    Settings,
    await_coordinator,
    coordinator_may_answer,
    open_admin,
    open_consumer,
    open_producer,
)
from velo_engine.connectors.records import Records
from velo_engine.errors import ErrorCode, VeloError

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Producer

_PATIENCE_S = 0.5
_FLUSH_S = 0.01
"""The client wakes up for failures only, so it is asked often whether all is done."""
_BY_KEY = -1
_EPOCH = "epoch="
MOST_ATTEMPTS = 10
"""Of one transaction, when the broker wants it to be given up and begun anew."""
_KEEP_BROKERS = {"metadata.recovery.strategy": "none"}
"""When all brokers were away, librdkafka 2.16 else forgets the coordinator of the transaction and waits for ever."""
_STEP_S = 1.0
"""How long a step of a transaction is waited for before it is taken up again."""
_BACKOFF_S = 0.05
_LONGEST_BACKOFF_S = 5.0


class KafkaWriter:
    """Writes records, each acknowledged by the cluster once `flush` returns.

    The producer is idempotent: it retries without duplicates and without changing the order, for as long as a broker is
    away. A record that the cluster refuses fails the next call.
    """

    def __init__(self, cluster: KafkaCluster, settings: Settings | None = None) -> None:
        """Raises VeloError when no broker answers in time."""
        self.connection = ConnectionState()
        self._cluster = cluster
        self._deliveries = _Deliveries()
        self._producer = open_producer(cluster, self.connection, settings, self._deliveries.callbacks())
        metadata(self._producer, self.connection, cluster, "opening a producer")

    def write(self, records: Records) -> None:
        """Hands the records to the client, which sends them in the background; waits while its queue is full."""
        from confluent_kafka import KafkaException

        try:
            _produce(self._producer, records, self._check)
            self._producer.poll(0)
        except KafkaException as problem:
            raise kafka_error(problem, self._cluster, f"writing to {records.topic}") from None
        self._check()

    def flush(self) -> None:
        """Waits until all records are acknowledged, however long. Raises VeloError for one that is refused."""
        from confluent_kafka import KafkaException

        try:
            while _flushed(self._producer, _FLUSH_S):
                self._check()
        except KafkaException as problem:
            raise kafka_error(problem, self._cluster, "writing") from None
        self._check()

    def listen(self) -> None:
        """Hears what the client has to say of its connection. Raises VeloError for a record that was refused."""
        self._producer.poll(0)
        self._check()

    def close(self) -> None:
        """Gives up records that are not acknowledged."""
        _close(self._producer)

    def _check(self) -> None:
        self._deliveries.check(self._cluster)
        raise_if_fatal(self.connection, self._cluster, "writing")


class TransactionalWriter:
    """Writes each epoch of a job in one transaction with the offsets that it covers: exactly once.

    There is one per job and cluster. Opening a second one with the same id fences the first, whose next transaction
    fails. Source: KIP-98, KIP-447.
    """

    def __init__(
        self,
        cluster: KafkaCluster,
        transactional_id: str,
        group_id: str,
        settings: Settings | None = None,
    ) -> None:
        """Raises VeloError for settings that the client does not take."""
        self.connection = ConnectionState()
        self._cluster = cluster
        self._id = transactional_id
        self._group_id = group_id
        self._timeout_s = cluster.connect_timeout_s
        self._deliveries = _Deliveries()
        self._producer = open_producer(
            cluster,
            self.connection,
            {**_KEEP_BROKERS, **(settings or {}), "transactional.id": transactional_id},
            self._deliveries.callbacks(),
        )
        # A transaction names the group by an object that only a consumer gives.
        consumer = open_consumer(cluster, ConnectionState(), {"group.id": group_id})
        self._group = consumer.consumer_group_metadata()
        consumer.close()

    def committed(self) -> int | None:
        """The last epoch that is seen to be committed, None when there is none; predecessors are left alone.

        It may be behind: a commit is seen a moment after it was acknowledged. Raises as `open`.
        """
        from confluent_kafka import KafkaException

        metadata(self._producer, self.connection, self._cluster, self._doing)
        try:
            return self._committed_epoch(settled=False)
        except KafkaException as problem:
            raise self._failed(problem.args[0]) from None

    def open(self) -> int | None:
        """Fence and settle the predecessors; the last epoch that is committed, None when there is none.

        Raises VeloError: no broker answers, it does not let us in.
        """
        from confluent_kafka import KafkaException

        metadata(self._producer, self.connection, self._cluster, self._doing)
        try:
            self._retried(lambda: self._producer.init_transactions(self._timeout_s))
            return self._committed_epoch(settled=True)
        except KafkaException as problem:
            raise self._failed(problem.args[0]) from None

    def publish(self, epoch: int, records: Iterable[Records], offsets: Mapping[tuple[str, int], int]) -> None:
        """One transaction: the records, and the offsets, committed to the group as of `epoch`.

        The epoch stands in the metadata of the offsets, so there must be one at least. Brokers that are away are waited
        for. VeloError: another job took over the id (JOB_FAILED), a record is refused, the transaction was given up
        `MOST_ATTEMPTS` times.
        """
        from confluent_kafka import KafkaException, TopicPartition

        if not offsets:
            raise ValueError("an epoch is kept with offsets, but there are none")
        batches = tuple(records)
        ends = [TopicPartition(t, p, offset, f"{_EPOCH}{epoch}") for (t, p), offset in offsets.items()]
        for attempt in count(1):
            try:
                self._producer.begin_transaction()
                for batch in batches:
                    _produce(self._producer, batch, self._check)
                self._retried(lambda: self._producer.send_offsets_to_transaction(ends, self._group, _STEP_S))
                self._retried(lambda: self._producer.commit_transaction(_STEP_S))
            except KafkaException as problem:
                self._abort(problem.args[0], attempt)
            else:
                return

    def listen(self) -> None:
        """Hears what the client has to say of its connection."""
        self._producer.poll(0)

    def close(self) -> None:
        """Gives up a transaction that is not committed."""
        _close(self._producer)

    @property
    def _doing(self) -> str:
        return f"writing in transactions as {self._id}"

    def _committed_epoch(self, *, settled: bool) -> int | None:
        """The greatest epoch in the metadata of the group's offsets; `settled` waits for transactions under way."""
        from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException

        await_coordinator(self._cluster, self._group_id)
        admin = open_admin(self._cluster)
        deadline = time.monotonic() + self._timeout_s
        while True:
            asked = admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(self._group_id)], require_stable=settled, request_timeout=self._timeout_s
            )
            try:
                found = asked[self._group_id].result().topic_partitions or ()
                break
            except KafkaException as problem:
                if time.monotonic() >= deadline or not coordinator_may_answer(problem.args[0]):
                    raise
            time.sleep(_BACKOFF_S)
        epochs = [_epoch(t.metadata) for t in found]
        return max((epoch for epoch in epochs if epoch is not None), default=None)

    def _retried(self, step: Callable[[], object]) -> None:
        """Does a step of a transaction until it is done: those that may be repeated say so in their error."""
        from confluent_kafka import KafkaException

        while True:
            try:
                step()
            except KafkaException as problem:
                if not problem.args[0].retriable():
                    raise
                self._producer.poll(0)  # so that the connection's state is known while it is waited for
            else:
                return

    def _abort(self, error: KafkaError, attempt: int) -> None:
        """Gives up the transaction, to begin it anew. Raises VeloError when that is of no use."""
        from confluent_kafka import KafkaException

        self._deliveries.check(self._cluster)
        if not error.txn_requires_abort() or attempt >= MOST_ATTEMPTS:
            raise self._failed(error) from None
        self._producer.purge()
        try:
            self._retried(lambda: self._producer.abort_transaction(self._timeout_s))
        except KafkaException as problem:
            raise self._failed(problem.args[0]) from None
        time.sleep(min(_BACKOFF_S * 2**attempt, _LONGEST_BACKOFF_S))

    def _failed(self, error: KafkaError) -> VeloError:
        from confluent_kafka import KafkaError as E

        if error.code() in (E._FENCED, E.PRODUCER_FENCED, E.INVALID_PRODUCER_EPOCH):
            return VeloError(
                ErrorCode.JOB_FAILED,
                f"another job writes as {self._id} since, and this one may not any more",
                hint="run a job once only; jobs under one name replace each other (--name gives another)",
            )
        return kafka_error(error, self._cluster, self._doing)

    def _check(self) -> None:
        raise_if_fatal(self.connection, self._cluster, self._doing)


class _Deliveries:
    """Keeps the first record that was refused."""

    def __init__(self) -> None:
        self._error: KafkaError | None = None
        self._topic: str | None = None

    def callbacks(self) -> dict[str, Any]:
        """For the configuration of the producer, which reports failures only (`delivery.report.only.error`)."""
        return {"on_delivery": self._delivered}

    def check(self, cluster: KafkaCluster) -> None:
        """Raises VeloError once when a record was refused."""
        error, self._error = self._error, None
        if error is not None:
            raise kafka_error(error, cluster, f"writing to {self._topic}")

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        from confluent_kafka import KafkaError as E

        purged = error is not None and error.code() in (E._PURGE_QUEUE, E._PURGE_INFLIGHT)
        if error is not None and self._error is None and not purged:
            self._error, self._topic = error, message.topic()


def _produce(producer: Producer, records: Records, check: Callable[[], None]) -> None:
    """Queue the records; `check` is called while the queue is full."""
    produce, topic, size = producer.produce, records.topic, len(records)
    keys = repeat(None, size) if records.keys is None else records.keys
    partitions = repeat(_BY_KEY, size) if records.partitions is None else records.partitions.tolist()
    times = repeat(0, size) if records.timestamps_ms is None else _times(records.timestamps_ms)
    headers: Iterable[Any] = (
        repeat(None, size) if records.headers is None else [list(h) or None for h in records.headers]
    )
    for value, key, partition, stamp, header in zip(records.values, keys, partitions, times, headers, strict=True):
        while True:
            try:
                # By position, which is much faster: topic, value, key, partition, callback, on_delivery, …
                produce(topic, value, key, partition, None, None, stamp, header)
            except BufferError:
                producer.poll(_PATIENCE_S)
                check()
            else:
                break


def _flushed(producer: Producer, timeout_s: float) -> int:
    """How many records are left after waiting for acknowledgements. Raises KafkaException."""
    from confluent_kafka import KafkaError, KafkaException

    try:
        return producer.flush(timeout_s)
    except SystemError:
        # What the client raises, without saying why, when it turned fatal meanwhile; its error callback has been told.
        return len(producer)
    except:
        problem: object = sys.exc_info()[1]
        if isinstance(problem, KafkaError):
            raise KafkaException(problem) from None
        raise


def _close(producer: Producer) -> None:
    """Gives up what is queued. An error of a client that is given up is nobody's business any more."""
    from confluent_kafka import KafkaException

    producer.purge()
    with contextlib.suppress(KafkaException):
        _flushed(producer, _PATIENCE_S)


def _times(timestamps_ms: Int64s) -> list[int]:
    """As the client takes them: 0 means the time of writing, so the first millisecond of 1970 becomes the second."""
    times: list[int] = np.where(timestamps_ms == 0, 1, timestamps_ms).tolist()
    return times


def _epoch(metadata: str | None) -> int | None:
    """The epoch in the metadata of an offset."""
    text = (metadata or "").removeprefix(_EPOCH)
    return int(text) if metadata and metadata.startswith(_EPOCH) and text.isdecimal() else None

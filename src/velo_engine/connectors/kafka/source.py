"""Reading a topic of a cluster: to its end, in one deterministic order, or on and on.

Partitions are assigned, all of them, and not divided among the members of a group: a job keeps its positions itself. A
group's offsets are a start, and are committed for others to see. Partitions that are added while a job runs are read
from its next start on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from velo_engine.batch import Int64s
from velo_engine.connectors.decode_records import ReadRecords, RecordDecoder
from velo_engine.connectors.kafka.client import KafkaCluster, kafka_error
from velo_engine.connectors.kafka.connection import ConnectionState, may_pass, metadata, raise_if_fatal
from velo_engine.connectors.kafka.merge import SEQUENCE_HEADER, KafkaMessage, PartitionMerge
from velo_engine.connectors.kafka.open_client import Settings, open_consumer
from velo_engine.connectors.kafka.start import EVERYTHING, Boundary, Place, offsets_at
from velo_engine.connectors.record_formats import KeyedFormat
from velo_engine.connectors.source import Headers, SourceBatch, elsewhere
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.base import Format
from velo_engine.schema import RowSchema

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

FETCHED_AT_ONCE = 10_000
"""Records that are taken from the client in one call while reading to the end."""
MOST_WAITING = 200_000
"""Records that wait for those of other partitions before full partitions are paused."""
STALLED_S = 60.0
"""A bounded read fails when brokers are away for so long."""
_LOG_APPEND_TIME = 2
"""confluent_kafka.TIMESTAMP_LOG_APPEND_TIME."""
_PATIENCE_S = 0.5
_HEAR_EVERY_S = 0.25
_LEADER_WAIT_S = 0.05
"""Before a partition of a new topic, or of a broker that starts, is asked for again."""


class KafkaSource:
    """One topic. Either `read` to the end that it has at the first call, or `poll` for what comes."""

    def __init__(
        self,
        topic: str,
        decoder: Format | KeyedFormat,
        schema: RowSchema,
        cluster: KafkaCluster,
        *,
        name: str | None = None,
        upsert_key: Sequence[int] = (),
        settings: Settings | None = None,
        start: Boundary = EVERYTHING,
        end: Boundary | None = None,
        group: str | None = None,
    ) -> None:
        """`start` and `end` are about polling; with a `group` what has been handled is committed to it.

        Raises VeloError: no broker, no such topic, and what `kafka_error` knows.
        """
        self.name = name or topic
        self.schema = schema
        self.topic = topic
        self.connection = ConnectionState()
        self._cluster = cluster
        self._decoder = RecordDecoder(decoder, schema, upsert_key)
        self._group = group
        self._start, self._end = start, end
        self._timeout_s = cluster.connect_timeout_s
        self._doing = f"reading {topic}"
        self._consumer = open_consumer(
            cluster, self.connection, {**(settings or {}), **({} if group is None else {"group.id": group})}
        )
        self._closed = False
        self._merge: PartitionMerge | None = None
        self._paused: set[int] = set()
        self._positions: dict[int, int] = {}
        self._sought: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        """Per partition the offset where reading ends; empty when it goes on."""
        self._open: set[int] = set()
        """Partitions that have not come to their end."""
        self._polled = 0
        self._heard: dict[int, int] | None = None
        """Per partition its end, as last heard."""
        self._hear_next = 0.0
        try:
            found = metadata(self._consumer, self.connection, cluster, self._doing, topic=topic)
        except VeloError:
            self.close()
            raise
        self._numbers = sorted(found.topics[topic].partitions)

    @property
    def partitions(self) -> int:
        """How many partitions the topic has; each makes a watermark of its own."""
        return len(self._numbers)

    def read(self, limit: int) -> SourceBatch | None:
        """Up to `limit` next records in the order of `merge`; None at the end.

        Everything from the earliest record to the end that the topic has at the first call.
        """
        if self._merge is None:
            self._begin(EVERYTHING, Boundary(Place.LATEST))
            self._merge = PartitionMerge(self._numbers)
            for p in self._numbers:
                if p not in self._open:
                    self._merge.finish(p)
        heard = time.monotonic()
        while True:
            messages, orders = self._merge.take(limit)
            if messages:
                return self._batch(messages, orders)
            if not self._open:
                return None
            if self._fetch(self._merge):
                heard = time.monotonic()
            elif time.monotonic() - heard > STALLED_S:
                raise self._stalled()

    def poll(self, limit: int, timeout_s: float) -> SourceBatch | None:
        """What is there, at most `limit` records; None when nothing came within the timeout."""
        if not self._positions:
            self._begin(self._start, self._end)
        if self.ended:
            return None
        deadline = time.monotonic() + timeout_s
        messages: list[KafkaMessage] = []
        left_s = timeout_s
        while not messages:  # what came may be the word that there is no more, or a record behind the end
            messages = self._consumed(limit, left_s)
            self._hear_ends()
            if self._ends:
                messages = [m for m in messages if m.offset() < self._ends[m.partition()]]
            left_s = deadline - time.monotonic()
            if not messages and (left_s <= 0 or self.ended):
                return None
        orders = np.arange(self._polled, self._polled + len(messages), dtype=np.int64)
        self._polled += len(messages)
        return self._batch(messages, orders)

    @property
    def ended(self) -> bool:
        """Whether the source is bounded and all of it has been given out."""
        return bool(self._ends) and not self._open

    def positions(self) -> dict[tuple[str, int], int]:
        """Per partition the offset behind the last record given out; before the first, where it starts."""
        if not self._positions:
            self._begin(self._start, self._end)
        return {(self.topic, p): offset for p, offset in self._positions.items()}

    def ends(self) -> dict[tuple[str, int], int]:
        """Per partition the offset before which polling ends; none when it goes on."""
        if not self._positions:
            self._begin(self._start, self._end)
        return {(self.topic, p): offset for p, offset in self._ends.items()}

    def behind(self) -> frozenset[int]:
        """Partitions with records that polling has not given out yet, as last heard; all, while nothing is known."""
        if self._ends:
            return frozenset(self._open)
        if self._heard is None:
            return frozenset(self._numbers)
        return frozenset(p for p, end in self._heard.items() if self._positions[p] < end)

    def seek(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Goes on at these positions; partitions without one at the source's own start. Before the first poll.

        Raises VeloError when they are of another topic.
        """
        self._sought = {p: offset for (topic, p), offset in positions.items() if topic == self.topic}
        if positions and not self._sought:
            raise elsewhere(self.name, f"the topic {self.topic}", positions)

    def acknowledge(self, positions: Mapping[tuple[str, int], int]) -> None:
        """What is before these positions has been handled: the group's offsets say so, for others to see."""
        from confluent_kafka import TopicPartition

        if self._group is not None and positions:
            offsets = [TopicPartition(topic, p, offset) for (topic, p), offset in positions.items()]
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def lag(self) -> int | None:
        """Records between the positions and the ends of the partitions, as last heard; None when unknown.

        May be asked from any thread: the client itself, which another thread may be polling, is left alone.
        """
        ends = self._heard
        return None if ends is None else sum(max(end - self._positions[p], 0) for p, end in ends.items())

    def close(self) -> None:
        """Gives back the client."""
        if not self._closed:
            self._closed = True
            self._consumer.close()

    def _hear_ends(self) -> None:
        """Note the ends of the partitions, which the client knows from its fetches; now and then is enough."""
        from confluent_kafka import TopicPartition

        now = time.monotonic()
        if now < self._hear_next:
            return
        ends: dict[int, int] = {}
        for p in self._numbers:
            known = self._consumer.get_watermark_offsets(TopicPartition(self.topic, p), cached=True)
            if known is None or known[1] < 0:
                return
            ends[p] = known[1]
        self._heard = ends
        self._hear_next = now + _HEAR_EVERY_S

    def _begin(self, start: Boundary, end: Boundary | None) -> None:
        """Find where reading starts and ends, and assign the partitions."""
        from confluent_kafka import KafkaException, TopicPartition

        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                self._place(start, end)
                break
            except KafkaException as problem:
                if not may_pass(problem.args[0]) or time.monotonic() >= deadline:
                    raise kafka_error(self.connection.refusal or problem, self._cluster, self._doing) from None
            time.sleep(_LEADER_WAIT_S)
        self._positions |= self._sought
        self._open = {p for p in self._numbers if not self._ends or self._positions[p] < self._ends[p]}
        self._consumer.assign([TopicPartition(self.topic, p, self._positions[p]) for p in sorted(self._open)])

    def _place(self, start: Boundary, end: Boundary | None) -> None:
        """Ask for the offsets of both boundaries. Raises KafkaException."""
        ranges = {p: self._range(p) for p in self._numbers}
        self._positions = offsets_at(start, self._consumer, self.topic, ranges, self._timeout_s)
        if end is not None:
            self._ends = offsets_at(end, self._consumer, self.topic, ranges, self._timeout_s)

    def _range(self, partition: int) -> tuple[int, int]:
        """The first and the next offset of a partition, as readers of committed records see it."""
        from confluent_kafka import TopicPartition

        found = self._consumer.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=self._timeout_s)
        if found is None:
            raise self._stalled()
        return found[0], found[1]

    def _fetch(self, merge: PartitionMerge) -> bool:
        """Take what the client has into the merge; whether there was anything."""
        before = set(self._open)
        messages = self._consumed(FETCHED_AT_ONCE, _PATIENCE_S)
        by_partition: dict[int, list[KafkaMessage]] = {}
        for message in messages:
            by_partition.setdefault(message.partition(), []).append(message)
        for p, found in by_partition.items():
            end = self._ends[p]
            merge.add(p, [m for m in found if m.offset() < end] if found[-1].offset() >= end else found)
        for p in before - self._open:
            merge.finish(p)
        self._balance(merge)
        return bool(messages) or before != self._open

    def _balance(self, merge: PartitionMerge) -> None:
        """Pause partitions whose records wait for those of others, so that they do not fill the memory."""
        from confluent_kafka import TopicPartition

        waiting = merge.waiting
        total = sum(waiting.values())
        if not self._paused and total > MOST_WAITING:
            empty = [p for p in merge.unfinished if not waiting[p]]
            full = {p for p in merge.unfinished if waiting[p]}
            if empty and full:
                self._consumer.pause([TopicPartition(self.topic, p) for p in full])
                self._paused = full
        elif self._paused and total < MOST_WAITING // 2:
            self._consumer.resume([TopicPartition(self.topic, p) for p in self._paused & self._open])
            self._paused = set()

    def _consumed(self, limit: int, timeout_s: float) -> list[KafkaMessage]:
        """The next records from the client: waits for the first one only. Keeps positions and ends."""
        from confluent_kafka import KafkaException

        try:
            messages: list[Any] = [*self._consumer.consume(1, timeout_s)]
            if messages and limit > 1:
                messages += self._consumer.consume(limit - 1, 0)
        except KafkaException as problem:
            raise kafka_error(problem, self._cluster, self._doing) from None
        raise_if_fatal(self.connection, self._cluster, self._doing)
        if any([m.error() for m in messages]):  # noqa: C419 - a list is twice as fast
            self._meet([m for m in messages if m.error() is not None])
            messages = [m for m in messages if m.error() is None]
        if messages:
            if self.connection.status.up is not True:
                self.connection.alive()
            last = {m.partition(): m.offset() for m in messages}
            for p, offset in last.items():
                self._reached(p, offset + 1)
        return messages

    def _meet(self, messages: Sequence[KafkaMessage]) -> None:
        """Events and errors among the records. What may pass is left to the client, which tries again."""
        from confluent_kafka import KafkaError as E

        for message in messages:
            error = message.error()
            assert error is not None
            if error.code() == E._PARTITION_EOF:
                self._reached(message.partition(), message.offset())
            elif error.code() in (E._AUTO_OFFSET_RESET, E.OFFSET_OUT_OF_RANGE):
                raise self._lost(message)
            elif _is_final(error):
                raise kafka_error(error, self._cluster, self._doing)

    def _reached(self, partition: int, offset: int) -> None:
        """All before `offset` has been read."""
        end = self._ends.get(partition)
        self._positions[partition] = max(self._positions[partition], offset if end is None else min(offset, end))
        if end is not None and offset >= end:
            self._open.discard(partition)

    def _batch(self, messages: list[KafkaMessage], orders: Int64s) -> SourceBatch:
        if len(self._numbers) == 1:
            partition = np.full(len(messages), self._numbers[0], np.int32)
        else:
            partition = np.array([m.partition() for m in messages], np.int32)
        return self._decoder.batch(
            ReadRecords(
                values=[m.value() for m in messages],
                partition=partition,
                offset=np.array([m.offset() for m in messages], np.int64),
                timestamp_ms=np.array([m.timestamp()[1] for m in messages], np.int64),
                order=orders,
                keys=lambda: [m.key() for m in messages],
                headers=lambda: [_headers(m) for m in messages],
                appended=lambda: np.array([m.timestamp()[0] == _LOG_APPEND_TIME for m in messages], np.bool_),
            )
        )

    def _lost(self, message: KafkaMessage) -> VeloError:
        return VeloError(
            ErrorCode.STATE_MISMATCH,
            f"{self.topic}[{message.partition()}]: the log does not have offset "
            f"{self._positions[message.partition()]} any more",
            hint="records were deleted (retention) before they were read, or the topic was made anew; start afresh, "
            "or from a savepoint whose offsets are there",
        )

    def _stalled(self) -> VeloError:
        from confluent_kafka import KafkaError

        error = self.connection.refusal or self.connection.last_error or KafkaError(KafkaError._TIMED_OUT)
        return kafka_error(error, self._cluster, self._doing)


def _is_final(error: KafkaError) -> bool:
    """Whether trying again does not help."""
    from confluent_kafka import KafkaError as E

    return error.fatal() or error.code() in (
        E.UNKNOWN_TOPIC_OR_PART,
        E._UNKNOWN_TOPIC,
        E._UNKNOWN_PARTITION,
        E.TOPIC_AUTHORIZATION_FAILED,
        E.GROUP_AUTHORIZATION_FAILED,
    )


def _headers(message: KafkaMessage) -> Headers:
    """The record's headers without the sequence, which is how tests carry an order."""
    return tuple(header for header in message.headers() or () if header[0] != SEQUENCE_HEADER)

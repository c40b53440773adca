"""Records on their way to a topic, and what takes them: a topic in memory, a Kafka cluster, an outbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from velo_engine.batch import Int32s, Int64s
from velo_engine.connectors.source import Headers
from velo_engine.connectors.topics import TopicStore


@dataclass(frozen=True, slots=True)
class Records:
    """Columns of equal length, to one topic, in order."""

    topic: str
    values: Sequence[bytes | None]
    """None is a tombstone."""
    keys: Sequence[bytes | None] | None = None
    """None: no record has a key."""
    timestamps_ms: Int64s | None = None
    """Milliseconds since the epoch; `NO_TIMESTAMP` for a record that has none. None: what the topic gives records by
    itself (Kafka the time of writing, a topic in memory none)."""
    headers: Sequence[Headers] | None = None
    partitions: Int32s | None = None
    """None: by key as Kafka's default partitioner does (murmur2); without key, where the writer likes."""

    def __len__(self) -> int:
        return len(self.values)


class RecordWriter(Protocol):
    """Takes records."""

    def write(self, records: Records) -> None:
        """Takes records, in order. May return before they are acknowledged; waits when too many are under way."""

    def flush(self) -> None:
        """Waits until all records are acknowledged. Raises VeloError when one is not."""

    def listen(self) -> None:
        """Hears of the connection, for those who look at its state while there is nothing to write."""

    def close(self) -> None:
        """Gives back what is open, without waiting for records; may be called twice."""


class MemoryWriter:
    """Writes to in-memory topics, which are made when first written to."""

    def __init__(self, topics: TopicStore) -> None:
        self._topics = topics

    def write(self, records: Records) -> None:
        """Appends the records."""
        topics, name = self._topics, records.topic
        topic = topics.get(name) if name in topics else topics.create(name)
        topic.append_batch(
            records.values,
            keys=records.keys,
            timestamps_ms=records.timestamps_ms,
            partitions=records.partitions,
            headers=records.headers,
        )

    def flush(self) -> None:
        """Appended records are there."""

    def listen(self) -> None:
        """There is no connection."""

    def close(self) -> None:
        """Nothing is open."""

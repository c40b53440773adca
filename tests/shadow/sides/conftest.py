"""A broker, and topics with records on it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.producer import KafkaWriter
from velo_engine.connectors.kafka.topic_admin import make_topic
from velo_engine.connectors.records import Records
from velo_harness.kafka.embedded import EmbeddedBroker
from velo_shadow.config import TopicStream


class Topics:
    """Writes topics of one broker."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.brokers = bootstrap_servers
        self._cluster = KafkaCluster(bootstrap_servers)
        self._writer = KafkaWriter(self._cluster)
        self._numbers = itertools.count()

    def make(self, partitions: int = 1, **stream: object) -> TopicStream:
        """A new topic."""
        name = f"side-{next(self._numbers)}"
        make_topic(self._cluster, name, partitions)
        return TopicStream(name, self.brokers, **stream)  # type: ignore[arg-type]

    def write(
        self,
        stream: TopicStream,
        values: Sequence[bytes | None],
        *,
        keys: Sequence[bytes | None] | None = None,
        timestamps_ms: Sequence[int] | None = None,
        partitions: Sequence[int] | None = None,
    ) -> TopicStream:
        """Write records; the stream, for brevity."""
        times = None if timestamps_ms is None else np.array(timestamps_ms, np.int64)
        where = None if partitions is None else np.array(partitions, np.int32)
        self._writer.write(Records(stream.topic, values, keys, times, partitions=where))
        self._writer.flush()
        return stream

    def close(self) -> None:
        """Give back the client."""
        self._writer.close()


@pytest.fixture(scope="session")
def bootstrap_servers() -> Iterator[str]:
    """The address of the embedded broker."""
    with EmbeddedBroker() as broker:
        yield broker.bootstrap_servers


@pytest.fixture(scope="session")
def topics(bootstrap_servers: str) -> Iterator[Topics]:
    """Topics of the embedded broker."""
    made = Topics(bootstrap_servers)
    yield made
    made.close()

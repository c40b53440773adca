"""What every test of the connectors is given: a cluster, topics, and sources over them."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from velo_engine import types
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.producer import KafkaWriter
from velo_engine.connectors.kafka.source import KafkaSource
from velo_engine.connectors.kafka.topic_admin import make_topic
from velo_engine.connectors.source import SourceBatch
from velo_engine.formats import open_format
from velo_engine.schema import RowSchema

NUMBERS = RowSchema.of(("n", types.BIGINT))


@pytest.fixture
def cluster(kafka_bootstrap: str) -> KafkaCluster:
    """A broker of each kind in turn."""
    return KafkaCluster(kafka_bootstrap)


@pytest.fixture
def new_topic(cluster: KafkaCluster) -> Callable[..., str]:
    """Makes a topic that no other test uses."""

    def make(partitions: int = 1) -> str:
        name = f"connectors-{uuid.uuid4().hex[:12]}"
        make_topic(cluster, name, partitions)
        return name

    return make


@pytest.fixture
def writer(cluster: KafkaCluster) -> Iterator[KafkaWriter]:
    """An open writer."""
    opened = KafkaWriter(cluster)
    yield opened
    opened.close()


@pytest.fixture
def open_source(cluster: KafkaCluster) -> Iterator[Callable[..., KafkaSource]]:
    """Opens sources of one BIGINT column `n`, and closes them in the end."""
    opened: list[KafkaSource] = []

    def source(topic: str, schema: RowSchema = NUMBERS, **options: Any) -> KafkaSource:
        opened.append(KafkaSource(topic, open_format("json", schema, {}), schema, cluster, **options))
        return opened[-1]

    yield source
    for one in opened:
        one.close()


def read_all(source: Any, limit: int = 1000) -> list[SourceBatch]:
    """Every batch up to the end."""
    batches = []
    while (batch := source.read(limit)) is not None:
        batches.append(batch)
    return batches


def poll_until(source: KafkaSource, count: int, limit: int = 1000) -> list[SourceBatch]:
    """Batches with `count` records in all."""
    batches: list[SourceBatch] = []
    for _ in range(200):
        if sum(b.records for b in batches) >= count or source.ended:
            return batches
        batch = source.poll(limit, 0.1)
        if batch is not None:
            batches.append(batch)
    raise AssertionError(f"only {sum(b.records for b in batches)} of {count} records came")


def numbers(batches: list[SourceBatch]) -> list[int]:
    """The column of all rows."""
    return [n for batch in batches for n in batch.table.column("c0").to_pylist()]


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

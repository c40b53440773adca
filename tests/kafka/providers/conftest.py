"""Sessions on brokers, and what asks a broker about its topics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from velo_engine.connectors.kafka.client import KafkaCluster
from velo_harness.kafka.external import ExternalProvider
from velo_harness.kafka.session import KafkaSession


@pytest.fixture(autouse=True)
def ledgers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the ledgers of a test are."""
    monkeypatch.setenv("VELO_CACHE", str(tmp_path / "cache"))
    for name in ("VELO_KAFKA_BOOTSTRAP_SERVERS", "VELO_KAFKA_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache" / "kafka-ledgers"


@pytest.fixture
def cluster(kafka_bootstrap: str) -> KafkaCluster:
    """A broker of each kind in turn."""
    return KafkaCluster(kafka_bootstrap)


@pytest.fixture
def session(cluster: KafkaCluster) -> Iterator[KafkaSession]:
    """A session on a cluster that others use too."""
    opened = KafkaSession(ExternalProvider(cluster))
    yield opened
    opened.close()

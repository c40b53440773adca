"""The brokers of the Kafka tests, one of each kind per session (and per worker of pytest-xdist)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tools.kafka.installation import why_unavailable
from tools.kafka.real_kafka import RealKafka

from velo_harness.kafka.embedded import EmbeddedBroker


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a real Kafka where there is none; by a mark, which the summary folds to one line a file."""
    reason = why_unavailable()
    if reason is not None:
        for item in items:
            if item.get_closest_marker("real_kafka") or "real_kafka" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(reason=reason))


@dataclass(frozen=True)
class Provider:
    """A broker that answers, and which kind it is: `embedded` or `real`."""

    name: str
    bootstrap_servers: str


@pytest.fixture(scope="session")
def embedded_kafka() -> Iterator[str]:
    """The address of the embedded broker."""
    with EmbeddedBroker() as broker:
        yield broker.bootstrap_servers


@pytest.fixture(scope="session")
def real_kafka() -> Iterator[str]:
    """The address of a real Apache Kafka. Tests that ask for it are marked `real_kafka`."""
    with RealKafka() as kafka:
        yield kafka.bootstrap_servers


@pytest.fixture(scope="session", params=["embedded", pytest.param("real", marks=pytest.mark.real_kafka)])
def kafka_provider(request: pytest.FixtureRequest) -> Provider:
    """A broker; a test that asks for it runs against each kind."""
    return Provider(request.param, request.getfixturevalue(f"{request.param}_kafka"))


@pytest.fixture(scope="session")
def kafka_bootstrap(kafka_provider: Provider) -> str:
    """The address of a broker; a test that asks for it runs against each kind."""
    return kafka_provider.bootstrap_servers

"""What every check is given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kafka.checks.cluster import Cluster


@pytest.fixture
def cluster(kafka_bootstrap: str) -> Iterator[Cluster]:
    """A broker of each kind in turn, with clients made for the check."""
    clients = Cluster(kafka_bootstrap)
    yield clients
    clients.close()

"""Everything the broker knows, without the network: what the handlers of requests work on."""

from __future__ import annotations

from collections.abc import Callable

from velo_harness.kafka.embedded.deadlines import Deadlines
from velo_harness.kafka.embedded.topics import Topics

CLUSTER_ID = "velostream-embedded"


class Cluster:
    """The state of the broker: one node that leads every partition and coordinates every group and transaction."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self.deadlines = Deadlines(clock_ms)
        self.topics = Topics()

    def now_ms(self) -> int:
        """The broker's time."""
        return self.deadlines.now_ms()

    def delete_topic(self, name: str) -> None:
        """Removes a topic with its records. Raises KafkaError."""
        self.topics.delete(name)

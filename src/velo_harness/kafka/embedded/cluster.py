"""Everything the broker knows, without the network: what the handlers of requests work on."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from velo_harness.kafka.embedded.deadlines import Deadlines
from velo_harness.kafka.embedded.group_coordinator import Groups
from velo_harness.kafka.embedded.log import Appended
from velo_harness.kafka.embedded.record_batches import RecordBatch
from velo_harness.kafka.embedded.topics import Topics
from velo_harness.kafka.embedded.transactions import Transactions


class Cluster:
    """The state of the broker: one node that leads every partition and coordinates every group and transaction."""

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self.id = f"velostream-embedded-{uuid.uuid4().hex[:12]}"
        """By which clients tell clusters apart."""
        self.deadlines = Deadlines(clock_ms)
        self.topics = Topics()
        self.groups = Groups(self.deadlines)
        self.transactions = Transactions(self.topics, self.groups, self.deadlines)

    def append(self, topic: str, partition: int, batches: Sequence[RecordBatch]) -> Appended:
        """Appends what a producer sent to a partition. Raises KafkaError."""
        log = self.topics.partition(topic, partition)
        for batch in batches:
            if batch.transactional:
                self.transactions.check_append((topic, partition), batch)
        return log.append(batches, self.topics.topic(topic).rules, self.deadlines.now_ms())

    def delete_topic(self, name: str) -> None:
        """Removes a topic, its records, and what groups committed in it. Raises KafkaError."""
        self.topics.delete(name)
        self.groups.forget_topic(name)

"""What a test asks a broker about its topics, with a plain client."""

from __future__ import annotations

import time
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

PATIENCE = 30.0


def own_topics(bootstrap_servers: str) -> set[str]:
    """The topics that there are, without Kafka's own."""
    found = AdminClient({"bootstrap.servers": bootstrap_servers}).list_topics(timeout=PATIENCE).topics
    return {name for name in found if not name.startswith("__")}


def settings_of(bootstrap_servers: str, topic: str) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    found = admin.describe_configs([resource])[resource].result(PATIENCE)
    return {name: entry.value for name, entry in found.items()}


def records_in(bootstrap_servers: str, topic: str, count: int) -> list[Message]:
    """The first `count` records, by partition and offset."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "looks"})
    partitions = consumer.list_topics(topic, timeout=PATIENCE).topics[topic].partitions
    consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
    found: list[Any] = []
    deadline = time.monotonic() + PATIENCE
    while len(found) < count and time.monotonic() < deadline:
        found += [m for m in consumer.consume(count, 0.1) if m.error() is None]
    consumer.close()
    return sorted(found, key=lambda m: (m.partition(), m.offset()))

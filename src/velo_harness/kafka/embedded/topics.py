"""Topics: their partitions and settings."""

from __future__ import annotations

import re
from collections.abc import Mapping

from velo_harness.kafka.embedded.log import PartitionLog
from velo_harness.kafka.embedded.protocol import ErrorNumber, KafkaError
from velo_harness.kafka.embedded.topic_configs import RecordRules, checked_configs

DEFAULT_PARTITIONS = 1
MAX_PARTITIONS = 10_000
"""Of one topic: a number beyond it is a mistake, and each partition costs memory."""

_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")


class Topic:
    """One topic."""

    def __init__(self, name: str, partitions: int, configs: Mapping[str, str]) -> None:
        self.name = name
        self.partitions = [PartitionLog() for _ in range(partitions)]
        self.configure(configs)

    def configure(self, configs: Mapping[str, str]) -> None:
        """Replaces its settings by these (checked ones)."""
        self.configs = dict(configs)
        self.rules = RecordRules.of(self.configs)


class Topics:
    """The topics of the broker, in order of creation."""

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}

    def __len__(self) -> int:
        return len(self._topics)

    def all(self) -> list[Topic]:
        """Every topic."""
        return list(self._topics.values())

    def find(self, name: str) -> Topic | None:
        """The topic of this name, or None."""
        return self._topics.get(name)

    def topic(self, name: str) -> Topic:
        """The topic of this name. Raises KafkaError (UNKNOWN_TOPIC_OR_PARTITION)."""
        topic = self._topics.get(name)
        if topic is None:
            raise KafkaError(ErrorNumber.UNKNOWN_TOPIC_OR_PARTITION, f"there is no topic {name}")
        return topic

    def partition(self, name: str, index: int) -> PartitionLog:
        """The log of a partition. Raises KafkaError (UNKNOWN_TOPIC_OR_PARTITION)."""
        partitions = self.topic(name).partitions
        if not 0 <= index < len(partitions):
            raise KafkaError(ErrorNumber.UNKNOWN_TOPIC_OR_PARTITION, f"topic {name} has no partition {index}")
        return partitions[index]

    def check_new(self, name: str, partitions: int, configs: Mapping[str, str | None]) -> dict[str, str]:
        """What `create` checks; gives the settings. Raises KafkaError."""
        if name in (".", "..") or not _NAME.fullmatch(name):
            message = f'"{name}" cannot be a topic name: 1 to 249 of a-z, A-Z, 0-9, ".", "_" and "-", not "." or ".."'
            raise KafkaError(ErrorNumber.INVALID_TOPIC_EXCEPTION, message)
        if name in self._topics:
            raise KafkaError(ErrorNumber.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
        if not 1 <= partitions <= MAX_PARTITIONS:
            message = f"Number of partitions must be from 1 to {MAX_PARTITIONS}, not {partitions}"
            raise KafkaError(ErrorNumber.INVALID_PARTITIONS, message)
        return checked_configs(configs)

    def create(self, name: str, partitions: int, configs: Mapping[str, str | None]) -> Topic:
        """Makes a topic. Raises KafkaError (it exists; name, number or a setting is wrong)."""
        checked = self.check_new(name, partitions, configs)
        topic = self._topics[name] = Topic(name, partitions, checked)
        return topic

    def delete(self, name: str) -> None:
        """Removes a topic with its records. Raises KafkaError."""
        topic = self.topic(name)
        del self._topics[name]
        for log in topic.partitions:
            log.tell_deleted()

    def check_more_partitions(self, name: str, count: int) -> None:
        """What `add_partitions` checks. Raises KafkaError."""
        there = len(self.topic(name).partitions)
        if not there < count <= MAX_PARTITIONS:
            message = f"Topic {name} has {there} partitions: {count} is not more, or more than {MAX_PARTITIONS}"
            raise KafkaError(ErrorNumber.INVALID_PARTITIONS, message)

    def add_partitions(self, name: str, count: int) -> None:
        """Gives a topic `count` partitions, more than it has. Raises KafkaError."""
        self.check_more_partitions(name, count)
        partitions = self.topic(name).partitions
        partitions += [PartitionLog() for _ in range(count - len(partitions))]

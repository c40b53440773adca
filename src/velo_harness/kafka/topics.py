"""Making and deleting topics: many in one request, since each request costs a cluster tens of milliseconds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from velo_engine.connectors.kafka.client import KafkaCluster, kafka_error
from velo_engine.connectors.kafka.open_client import open_admin
from velo_harness.kafka.providers import TopicRules

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

TIMEOUT_S = 30.0
_PAUSE_S = 0.02
_DAY_MS = 24 * 60 * 60 * 1000
_UNLIMITED = str(2**63 - 1)
_OVERHEAD_BYTES = 4096
"""Of a batch of one record: its headers, key and frame."""
_DEFAULT_MAX_BYTES = 1_048_588
_TEST_MAX_BYTES = 100 * 1024 * 1024
"""In memory a record may have any size, so on brokers that are there for tests the limit is far away."""
_NO_SUCH_CONFIG = ("message.timestamp.after.max.ms",)
"""Settings that clusters before Kafka 3.6 refuse, and do not need."""


@dataclass(frozen=True, slots=True)
class NewTopic:
    """A topic to be made."""

    name: str
    partitions: int = 1
    oldest_ms: int | None = None
    """The timestamp of the oldest record that will be written with one of its own; milliseconds since 1970."""
    largest_bytes: int = 0
    """Of a record's value and key."""
    replication: int | None = None
    """None: as the cluster does by default; on the clusters of tests one."""


class TopicAdmin:
    """Makes and deletes topics of one cluster."""

    def __init__(self, cluster: KafkaCluster, rules: TopicRules) -> None:
        """Raises VeloError for a property that the client does not take."""
        self._cluster = cluster
        self._rules = rules
        self._admin: AdminClient = open_admin(cluster)
        self._left_out: tuple[str, ...] = ()

    def create(self, topics: Sequence[NewTopic], now_ms: int) -> None:
        """Make the topics, in one request; they have leaders when this returns.

        Raises VeloError with what the cluster says against one of them.
        """
        from confluent_kafka import KafkaError

        if not topics:
            return
        problem = self._asked_for(topics, now_ms)
        if problem is not None and problem.code() == KafkaError.INVALID_CONFIG and not self._left_out:
            self._left_out = _NO_SUCH_CONFIG
            problem = self._asked_for(topics, now_ms)
        if problem is not None:
            raise kafka_error(problem, self._cluster, "creating topics")
        for topic in topics:
            self._wait_for_leaders(topic)

    def delete(self, names: Iterable[str]) -> list[str]:
        """Delete topics; the names of those that are gone now, also of those that were not there.

        Raises VeloError when the cluster does not answer.
        """
        from confluent_kafka import KafkaError, KafkaException

        wanted = list(names)
        if not wanted:
            return []
        gone: list[str] = []
        for name, future in self._admin.delete_topics(wanted, request_timeout=TIMEOUT_S).items():
            try:
                future.result()
            except KafkaException as refused:
                error = refused.args[0]
                if error.code() in (KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN):
                    raise kafka_error(error, self._cluster, "deleting topics") from None
                if error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
            gone.append(name)
        return gone

    def _asked_for(self, topics: Sequence[NewTopic], now_ms: int) -> Any:
        """Ask for those topics that are not there yet from an earlier try; the first error, None when all are made."""
        from confluent_kafka import KafkaError, KafkaException
        from confluent_kafka.cimpl import NewTopic as Request

        requests = [Request(t.name, t.partitions, self._replication(t), config=self._config(t, now_ms)) for t in topics]
        found: KafkaError | None = None
        for future in self._admin.create_topics(requests, request_timeout=TIMEOUT_S).values():
            try:
                future.result()
            except KafkaException as refused:
                repeated = self._left_out and refused.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
                if not repeated:
                    found = found or refused.args[0]
        return found

    def _replication(self, topic: NewTopic) -> int:
        if not self._rules.shared:
            return 1
        return -1 if topic.replication is None else topic.replication

    def _config(self, topic: NewTopic, now_ms: int) -> dict[str, str]:
        """Records keep whatever timestamp they have, and are not deleted for it while the run lasts."""
        retention = -1
        if self._rules.shared:
            age = 0 if topic.oldest_ms is None else max(0, now_ms - topic.oldest_ms)
            retention = age + _DAY_MS
        config = {
            "retention.ms": str(retention),
            "cleanup.policy": "delete",
            "message.timestamp.type": "CreateTime",
            "message.timestamp.after.max.ms": _UNLIMITED,
        }
        needed = topic.largest_bytes + _OVERHEAD_BYTES
        if not self._rules.shared:
            config["max.message.bytes"] = str(max(needed, _TEST_MAX_BYTES))
        elif needed > _DEFAULT_MAX_BYTES:
            config["max.message.bytes"] = str(needed)
        return {key: value for key, value in config.items() if key not in self._left_out}

    def _wait_for_leaders(self, topic: NewTopic) -> None:
        """Wait until clients that ask for the topic are told its leaders; a cluster answers before all brokers know."""
        from confluent_kafka import KafkaError, KafkaException

        deadline = time.monotonic() + TIMEOUT_S
        problem = KafkaError(KafkaError._TIMED_OUT)
        while time.monotonic() < deadline:
            try:
                found = self._admin.list_topics(topic.name, timeout=TIMEOUT_S).topics[topic.name]
            except KafkaException as refused:
                raise kafka_error(refused, self._cluster, f"creating {topic.name}") from None
            led = [p for p in found.partitions.values() if p.leader >= 0]
            if found.error is None and len(led) == topic.partitions:
                return
            problem = found.error or problem
            time.sleep(_PAUSE_S)
        raise kafka_error(problem, self._cluster, f"creating {topic.name}")

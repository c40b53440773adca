"""Kafka for one test session: the provider is started once, checked, and given back with nothing left on it."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.producer import KafkaWriter
from velo_engine.errors import VeloError
from velo_harness.kafka.ledger import Ledger
from velo_harness.kafka.providers import KafkaChoice, KafkaProvider, chosen_provider
from velo_harness.kafka.self_check import check_broker
from velo_harness.kafka.topics import NewTopic, TopicAdmin
from velo_harness.topic_naming import TopicNaming, topic_name

_SELF_CHECK = "self-check"
LARGEST_RECORD_BYTES = "1000000000"
"""That the client takes at all; what a topic takes is said when it is made."""


@dataclass(frozen=True, slots=True)
class RunTopics:
    """The topics of one run of one query."""

    cluster: KafkaCluster
    writer: KafkaWriter
    names: Mapping[str, str]
    """What the run calls a topic → its name on the cluster."""


class KafkaSession:
    """The broker of a test session.

    It starts when it is first asked for; a start that fails fails the same way every time, without being tried again.
    """

    def __init__(self, provider: KafkaProvider, environment: Mapping[str, str] | None = None) -> None:
        """`environment` gives values of topic names; by default that of the process."""
        self.provider = provider
        self._environment = os.environ if environment is None else environment
        self._id = secrets.token_hex(4)
        self._runs = 0
        self._cluster: KafkaCluster | None = None
        self._refusal: VeloError | None = None
        self._admin: TopicAdmin | None = None
        self._writer: KafkaWriter | None = None
        self._ledger: Ledger | None = None

    def start(self) -> KafkaCluster:
        """The cluster, once it has passed the self-check. Raises VeloError with what is wrong with it."""
        if self._refusal is not None:
            raise self._refusal
        if self._cluster is None:
            try:
                self._cluster = self._started()
            except VeloError as refusal:
                self._refusal = refusal
                self.close()
                raise
        return self._cluster

    def close(self) -> None:
        """Deletes the topics that are left, and stops the provider. May be called twice."""
        try:
            if self._writer is not None:
                self._writer.close()
            if self._ledger is not None:
                self._ledger.close()
        finally:
            self._writer = self._admin = self._ledger = self._cluster = None
            self.provider.stop()

    @contextmanager
    def topics(self, wanted: Sequence[NewTopic], naming: TopicNaming) -> Iterator[RunTopics]:
        """Topics for one run, made in one request, under names that no other run has; deleted when the run ends.

        The names in `wanted` are those that the run uses. Raises VeloError.
        """
        cluster = self.start()
        assert self._writer is not None
        self._runs += 1
        run_id = f"{self._id}-{self._runs}"
        names = {topic.name: topic_name(naming, topic.name, run_id, self._environment) for topic in wanted}
        with self._existing([replace(topic, name=names[topic.name]) for topic in wanted]):
            yield RunTopics(cluster, self._writer, names)

    def _started(self) -> KafkaCluster:
        given = self.provider.start()
        cluster = replace(given, properties={"message.max.bytes": LARGEST_RECORD_BYTES, **given.properties})
        self._admin = TopicAdmin(cluster, self.provider.rules)
        if self.provider.rules.shared:
            self._ledger = Ledger(self._id, cluster.bootstrap_servers)
        name = topic_name(TopicNaming(), _SELF_CHECK, self._id, self._environment)
        with self._existing([NewTopic(name, oldest_ms=0)]):
            check_broker(cluster, name, name)
        self._writer = KafkaWriter(cluster)
        return cluster

    @contextmanager
    def _existing(self, topics: Sequence[NewTopic]) -> Iterator[None]:
        """The topics are there until the context ends; the ledger knows of them before the cluster does."""
        assert self._admin is not None
        names = [topic.name for topic in topics]
        try:
            if self._ledger is not None:
                self._ledger.enter(names)
            self._admin.create(topics, time.time_ns() // 1_000_000)
            yield
        finally:
            if not self.provider.rules.kept:
                gone = self._admin.delete(names)
                if self._ledger is not None:
                    self._ledger.strike(gone)


def chosen_session(choice: KafkaChoice, environment: Mapping[str, str] | None = None) -> KafkaSession | None:
    """The session on the provider that is asked for, not yet started; None: topics are in memory.

    Raises VeloError for a choice that contradicts itself.
    """
    provider = chosen_provider(choice, os.environ if environment is None else environment)
    return None if provider is None else KafkaSession(provider, environment)

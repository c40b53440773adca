"""What is on a cluster, for people: its topics, its consumer groups and how far they are behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from velo_engine.connectors.kafka.client import KafkaCluster, kafka_error
from velo_engine.connectors.kafka.connection import ConnectionState, metadata
from velo_engine.connectors.kafka.open_client import await_coordinator, open_admin, open_consumer
from velo_engine.errors import ErrorCode, VeloError, did_you_mean

if TYPE_CHECKING:
    from confluent_kafka import TopicPartition


@dataclass(frozen=True, slots=True)
class PartitionView:
    """One partition."""

    number: int
    first_offset: int
    next_offset: int
    """What comes next gets it; records of open transactions have theirs already."""


@dataclass(frozen=True, slots=True)
class TopicView:
    """One topic."""

    name: str
    partitions: tuple[PartitionView, ...]
    replicas: int

    @property
    def records(self) -> int:
        """Offsets between the ends: more than there are records, where some were compacted or mark transactions."""
        return sum(p.next_offset - p.first_offset for p in self.partitions)


@dataclass(frozen=True, slots=True)
class GroupView:
    """One consumer group."""

    name: str
    state: str
    members: int


@dataclass(frozen=True, slots=True)
class GroupOffset:
    """How far a group is in one partition."""

    topic: str
    partition: int
    offset: int
    """The record that it reads next."""
    next_offset: int
    metadata: str
    """What the group noted with the offset, such as the epoch of a job."""

    @property
    def lag(self) -> int:
        """Records that are still to be read."""
        return max(self.next_offset - self.offset, 0)


class ClusterView:
    """Asks one cluster. Every method raises VeloError: no broker answers, it does not let us see."""

    def __init__(self, cluster: KafkaCluster) -> None:
        """Raises VeloError when no broker answers in time."""
        self._cluster = cluster
        self._timeout_s = cluster.connect_timeout_s
        state = ConnectionState()
        consumer = open_consumer(cluster, state)
        try:
            metadata(consumer, state, cluster, "looking for a broker")
        finally:
            consumer.close()
        self._admin = open_admin(cluster)

    def topics(self, *, internal: bool = False) -> list[TopicView]:
        """All topics, by name; those of Kafka itself only when `internal`."""
        found = self._listed()
        names = sorted(name for name in found if internal or not name.startswith("__"))
        return self._viewed({name: found[name] for name in names})

    def topic(self, name: str) -> TopicView:
        """One topic. Raises VeloError with the nearest name when there is none."""
        found = self._listed()
        if name not in found:
            raise VeloError(
                ErrorCode.INFRASTRUCTURE_MISSING,
                f'there is no topic "{name}" on Kafka at {self._cluster.bootstrap_servers}',
                hint=did_you_mean(name, found, noun="topic"),
            )
        return self._viewed({name: found[name]})[0]

    def groups(self) -> list[GroupView]:
        """All consumer groups, by name."""
        names = sorted(g.group_id for g in self._result(self._admin.list_consumer_groups(), "listing groups").valid)
        if not names:
            return []
        described = self._admin.describe_consumer_groups(names, request_timeout=self._timeout_s)
        views = [(name, self._result(described[name], f"describing the group {name}")) for name in names]
        return [GroupView(name, view.state.name.lower(), len(view.members)) for name, view in views]

    def group_offsets(self, group: str) -> list[GroupOffset]:
        """How far `group` is, by topic and partition. Raises VeloError when it has committed nothing."""
        from confluent_kafka import ConsumerGroupTopicPartitions

        await_coordinator(self._cluster, group)
        asked = self._admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group)], request_timeout=self._timeout_s
        )
        found = self._result(asked[group], f"reading the offsets of the group {group}").topic_partitions or []
        kept = [place for place in found if place.error is None and place.offset >= 0]
        if not kept:
            raise VeloError(
                ErrorCode.INFRASTRUCTURE_MISSING,
                f'the group "{group}" has committed nothing on Kafka at {self._cluster.bootstrap_servers}',
                hint=did_you_mean(group, [g.name for g in self.groups()], noun="group"),
            )
        ends = self._ends(((t.topic, t.partition) for t in kept), first=False)
        views = [
            GroupOffset(t.topic, t.partition, t.offset, ends.get((t.topic, t.partition), t.offset), t.metadata or "")
            for t in kept
        ]
        return sorted(views, key=lambda v: (v.topic, v.partition))

    def _listed(self) -> Mapping[str, Any]:
        from confluent_kafka import KafkaException

        try:
            return self._admin.list_topics(timeout=self._timeout_s).topics
        except KafkaException as problem:
            raise kafka_error(problem, self._cluster, "listing topics") from None

    def _viewed(self, found: Mapping[str, Any]) -> list[TopicView]:
        places = [(name, p) for name, topic in found.items() for p in topic.partitions]
        firsts, ends = self._ends(places, first=True), self._ends(places, first=False)
        views = []
        for name, topic in found.items():
            partitions = [PartitionView(p, firsts[name, p], ends[name, p]) for p in sorted(topic.partitions)]
            replicas = max((len(p.replicas) for p in topic.partitions.values()), default=0)
            views.append(TopicView(name, tuple(partitions), replicas))
        return views

    def _ends(self, places: Iterable[tuple[str, int]], *, first: bool) -> dict[tuple[str, int], int]:
        """The first offset of each partition, or the next one."""
        from confluent_kafka import TopicPartition, admin

        untyped: Any = admin
        spec = untyped.OffsetSpec.earliest() if first else untyped.OffsetSpec.latest()
        wanted: dict[TopicPartition, Any] = {TopicPartition(topic, p): spec for topic, p in places}
        if not wanted:
            return {}
        asked = self._admin.list_offsets(wanted, request_timeout=self._timeout_s)
        return {
            (place.topic, place.partition): self._result(answer, f"asking for the ends of {place.topic}").offset
            for place, answer in asked.items()
        }

    def _result(self, future: Any, doing: str) -> Any:
        from confluent_kafka import KafkaException

        try:
            return future.result()
        except KafkaException as problem:
            raise kafka_error(problem, self._cluster, doing) from None

"""Consumer groups: members, assignments, committed offsets, and their administration."""

from __future__ import annotations

import subprocess
import sys

import pytest
from confluent_kafka import (
    OFFSET_STORED,
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from tests.kafka.checks.cluster import (
    PATIENCE,
    Cluster,
    eventually,
    numbered,
    place,
    read,
    unique,
    values,
    wait_for_assignment,
    wait_for_end,
)

REAL_ONLY = pytest.mark.parametrize(
    "kafka_provider", [pytest.param("real", marks=pytest.mark.real_kafka)], indirect=True
)
EMBEDDED_ONLY = pytest.mark.parametrize("kafka_provider", ["embedded"], indirect=True)

SOON = {"session_timeout_ms": 1000}
"""So that a member that says nothing is taken for dead after a second."""

MEMBER_THAT_HANGS = """
import sys, time
from confluent_kafka import Consumer

address, group, topic, patience = sys.argv[1:]
consumer = Consumer(
    {"bootstrap.servers": address, "group.id": group, "session.timeout.ms": 1000, "heartbeat.interval.ms": 200}
)
consumer.subscribe([topic])
deadline = time.monotonic() + float(patience)
while not consumer.assignment() and time.monotonic() < deadline:
    consumer.poll(0.05)
print("assigned" if consumer.assignment() else "never assigned", flush=True)
sys.stdin.read()
"""


def test_a_group_goes_on_where_it_committed(cluster: Cluster) -> None:
    topic, group = cluster.new_topic(2), unique("group")
    cluster.write(topic, numbered(10, partition=0) + numbered(10, partition=1))
    first = cluster.subscribed(topic, group)
    assert len(read(first, 20)) == 20
    first.commit(asynchronous=False)
    first.close()
    assert [cluster.committed(group, topic, partition) for partition in (0, 1)] == [10, 10]
    cluster.write(topic, [{"value": b"new", "partition": 0}] * 3)
    second = cluster.subscribed(topic, group)
    assert values(read(second, 3)) == [b"new"] * 3
    wait_for_end(second)


@pytest.mark.parametrize("strategy", ["range", "roundrobin", "cooperative-sticky"])
def test_two_members_share_the_partitions_and_one_takes_over_from_the_other(cluster: Cluster, strategy: str) -> None:
    topic, group = cluster.new_topic(4), unique("group")
    cluster.write(topic, [record for partition in range(4) for record in numbered(10, partition)])
    members = [cluster.subscribed(topic, group, partition_assignment_strategy=strategy) for _ in range(2)]
    seen: set[tuple[int, int]] = set()

    def shared_and_read() -> bool:
        for member in members:
            for message in member.consume(10, 0.05):
                if message.error() is None:
                    seen.add(place(message))
        assigned = [member.assignment() for member in members]
        shared = sorted(partition.partition for partitions in assigned for partition in partitions)
        return all(assigned) and shared == [0, 1, 2, 3] and len(seen) == 40

    eventually(shared_and_read, "4 partitions shared, 40 records read")
    members[1].close()
    wait_for_assignment(members[0], [0, 1, 2, 3])


def test_a_member_that_died_is_replaced_when_its_session_ends(cluster: Cluster, kafka_bootstrap: str) -> None:
    topic, group = cluster.new_topic(2), unique("group")
    command = [sys.executable, "-c", MEMBER_THAT_HANGS, kafka_bootstrap, group, topic, str(PATIENCE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as member:
        assert member.stdout is not None
        assert member.stdout.readline() == b"assigned\n"
        member.kill()
    wait_for_assignment(cluster.subscribed(topic, group, **SOON), [0, 1])


def test_a_static_member_keeps_its_partitions_while_it_is_away_for_a_moment(cluster: Cluster) -> None:
    topic, group = cluster.new_topic(2), unique("group")
    first = cluster.subscribed(topic, group, group_instance_id="one")
    wait_for_assignment(first, [0, 1])
    member = first.memberid()
    first.close()
    # The broker still counts the one that left as a member: a static one does not say that it leaves.
    described = cluster.admin.describe_consumer_groups([group])[group].result(PATIENCE)
    assert [m.group_instance_id for m in described.members] == ["one"]
    again = cluster.subscribed(topic, group, group_instance_id="one")
    wait_for_assignment(again, [0, 1])
    assert again.memberid() != member


def _consumer_of_the_new_protocol(kafka_bootstrap: str, topic: str) -> Consumer:
    config = {
        "bootstrap.servers": kafka_bootstrap,
        "group.id": unique("group"),
        "group.protocol": "consumer",
        "auto.offset.reset": "earliest",
        "log_level": 0,
    }
    consumer = Consumer(config)
    consumer.subscribe([topic])
    return consumer


@REAL_ONLY
def test_the_new_group_protocol_works(cluster: Cluster, kafka_bootstrap: str) -> None:
    """KIP-848, `group.protocol = consumer`."""
    topic = cluster.new_topic(2)
    cluster.write(topic, numbered(5))
    consumer = _consumer_of_the_new_protocol(kafka_bootstrap, topic)
    assert len(read(consumer, 5)) == 5
    consumer.close()


@EMBEDDED_ONLY
def test_the_new_group_protocol_is_refused(cluster: Cluster, kafka_bootstrap: str) -> None:
    """KIP-848 needs flexible versions, which the embedded broker does not have: the client is told, and does not hang."""
    topic = cluster.new_topic(2)
    consumer = _consumer_of_the_new_protocol(kafka_bootstrap, topic)
    with pytest.raises(KafkaException, match=r"ConsumerGroupHeartbeat.*API version not supported") as refusal:
        read(consumer, 1)
    assert refusal.value.args[0].code() == KafkaError._FATAL


def test_a_pattern_finds_the_topics(cluster: Cluster) -> None:
    prefix = unique("pattern")
    for name in ("a", "b"):
        cluster.write(cluster.new_topic(name=f"{prefix}-{name}"), numbered(5))
    consumer = cluster.subscribed(f"^{prefix}-.*")
    assert {message.topic() for message in read(consumer, 10)} == {f"{prefix}-a", f"{prefix}-b"}


def test_offsets_can_be_committed_without_being_a_member(cluster: Cluster) -> None:
    topic, group = cluster.new_topic(), unique("group")
    cluster.write(topic, numbered(10))
    committing = cluster.consumer(group)
    committing.commit(offsets=[TopicPartition(topic, 0, 4, metadata="epoch=7")], asynchronous=False)
    (found,) = cluster.consumer(group).committed([TopicPartition(topic, 0)], timeout=PATIENCE)
    assert (found.offset, found.metadata) == (4, "epoch=7")
    reading = cluster.assigned(topic, offset=OFFSET_STORED, group=group)
    assert read(reading, 6)[0].offset() == 4


def test_a_group_that_committed_nothing_has_no_offset(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    assert cluster.committed(unique("group"), topic) < 0


def test_a_new_group_may_begin_at_the_end(cluster: Cluster) -> None:
    topic = cluster.new_topic()
    cluster.write(topic, [{"value": b"old"}] * 3)
    consumer = cluster.subscribed(topic, auto_offset_reset="latest")
    wait_for_end(consumer)
    cluster.write(topic, [{"value": b"new"}])
    assert values(read(consumer, 1)) == [b"new"]


def test_a_commit_of_a_member_that_was_replaced_is_refused(cluster: Cluster) -> None:
    topic, group = cluster.new_topic(), unique("group")
    replaced = cluster.subscribed(topic, group, group_instance_id="one")
    wait_for_assignment(replaced, [0])
    successor = cluster.subscribed(topic, group, group_instance_id="one")
    wait_for_assignment(successor, [0])
    with pytest.raises(KafkaException) as refusal:
        replaced.commit(offsets=[TopicPartition(topic, 0, 5)], asynchronous=False)
    assert refusal.value.args[0].code() in (KafkaError.FENCED_INSTANCE_ID, KafkaError._FENCED)


def _member(cluster: Cluster) -> tuple[str, str, Consumer]:
    """A topic with nine records, a group, and its only member, which has read them."""
    topic, group = cluster.new_topic(), unique("group")
    cluster.write(topic, numbered(9))
    consumer = cluster.subscribed(topic, group)
    read(consumer, 9)
    return topic, group, consumer


def test_a_group_is_listed(cluster: Cluster) -> None:
    _, group, _ = _member(cluster)
    listed = cluster.admin.list_consumer_groups(request_timeout=PATIENCE).result(PATIENCE)
    assert group in [listing.group_id for listing in listed.valid]
    assert not listed.errors


def test_a_described_group_has_its_member_and_assignment(cluster: Cluster) -> None:
    topic, group, _ = _member(cluster)
    described = cluster.admin.describe_consumer_groups([group])[group].result(PATIENCE)
    assert described.state == ConsumerGroupState.STABLE
    assert described.partition_assignor == "range"
    (member,) = described.members
    assert [(p.topic, p.partition) for p in member.assignment.topic_partitions] == [(topic, 0)]


def test_a_groups_offsets_can_be_listed_and_altered(cluster: Cluster) -> None:
    topic, group, consumer = _member(cluster)
    consumer.commit(asynchronous=False)
    consumer.close()

    def listed() -> dict[tuple[str, int], int]:
        asked = cluster.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
        return {(p.topic, p.partition): p.offset for p in asked[group].result(PATIENCE).topic_partitions}

    assert listed() == {(topic, 0): 9}
    back = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 3)])
    cluster.admin.alter_consumer_group_offsets([back])[group].result(PATIENCE)
    assert listed() == {(topic, 0): 3}


def test_a_group_without_members_can_be_deleted(cluster: Cluster) -> None:
    topic, group, consumer = _member(cluster)
    consumer.commit(asynchronous=False)
    consumer.close()
    cluster.admin.delete_consumer_groups([group])[group].result(PATIENCE)
    listed = cluster.admin.list_consumer_groups().result(PATIENCE)
    assert group not in [listing.group_id for listing in listed.valid]
    assert cluster.committed(group, topic) < 0


def test_a_group_with_members_cannot_be_deleted(cluster: Cluster) -> None:
    _, group, _ = _member(cluster)
    with pytest.raises(KafkaException) as refusal:
        cluster.admin.delete_consumer_groups([group])[group].result(PATIENCE)
    assert refusal.value.args[0].code() == KafkaError.NON_EMPTY_GROUP

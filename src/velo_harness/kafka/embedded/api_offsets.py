"""Requests about the offsets of groups: committed at once or in a transaction, read, deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from velo_harness.kafka.embedded.cluster import Cluster
from velo_harness.kafka.embedded.groups import Group, GroupState
from velo_harness.kafka.embedded.offsets import CommittedOffset, Partition
from velo_harness.kafka.embedded.protocol import (
    NO_LEADER_EPOCH,
    NO_OFFSET,
    NO_REFUSAL,
    Api,
    ErrorNumber,
    refusal_of,
)
from velo_harness.kafka.embedded.requests import Request
from velo_harness.kafka.embedded.transactions import ProducerId
from velo_harness.kafka.embedded.wire import Reader, Writer

_NOTHING_COMMITTED = CommittedOffset(NO_OFFSET, NO_LEADER_EPOCH, "")

Item = TypeVar("Item")

Topics = list[tuple[str, list[int]]]
Offsets = list[tuple[str, list[tuple[int, CommittedOffset]]]]


def offset_commit(cluster: Cluster, request: Request) -> None:
    """OffsetCommit: by a member, or by anyone for a group without members."""
    body, version = request.body, request.version
    group_id, generation, member_id = body.string(), body.int32(), body.string()
    instance_id = body.nullable_string() if version >= 7 else None
    if version <= 4:
        body.int64()
    topics = _read_offsets(body, leader_epochs=version >= 6)

    def commit() -> None:
        group = cluster.groups.found_or_made(group_id) if generation < 0 else cluster.groups.member_group(group_id)
        group.check_commit(member_id, instance_id, generation)
        group.offsets.commit(_by_partition(cluster, topics))

    error = refusal_of(commit)
    written = request.writer()
    if version >= 3:
        written.int32(0)
    _write_errors(cluster, written, topics, error.number)
    request.reply(written)


def transactional_offset_commit(cluster: Cluster, request: Request) -> None:
    """TxnOffsetCommit: the offsets count when the transaction is committed."""
    body, version = request.body, request.version
    transactional_id, group_id = body.string(), body.string()
    producer = ProducerId(body.int64(), body.int16())
    member = (body.int32(), body.string(), body.nullable_string()) if version >= 3 else None
    topics = _read_offsets(body, leader_epochs=version >= 2)

    def commit() -> None:
        cluster.transactions.check_offsets(transactional_id, producer, group_id)
        group = cluster.groups.found_or_made(group_id)
        if member is not None:
            generation, member_id, instance_id = member
            group.check_transactional_commit(member_id, instance_id, generation)
        group.offsets.commit_in_transaction(producer.id, _by_partition(cluster, topics))

    number = refusal_of(commit).number
    if number is ErrorNumber.PRODUCER_FENCED:  # which this request does not know
        number = ErrorNumber.INVALID_PRODUCER_EPOCH
    written = request.writer().int32(0)
    _write_errors(cluster, written, topics, number)
    request.reply(written.tags())


def _read_offsets(body: Reader, *, leader_epochs: bool) -> Offsets:
    def partition() -> tuple[int, CommittedOffset]:
        index, offset = body.int32(), body.int64()
        leader_epoch = body.int32() if leader_epochs else NO_LEADER_EPOCH
        metadata = body.nullable_string() or ""
        body.tags()
        return index, CommittedOffset(offset, leader_epoch, metadata)

    return body.array(lambda: _read_topic(body, partition))


def _read_topic(body: Reader, partition: Callable[[], Item]) -> tuple[str, list[Item]]:
    name, partitions = body.string(), body.array(partition)
    body.tags()
    return name, partitions


def _by_partition(cluster: Cluster, topics: Offsets) -> dict[Partition, CommittedOffset]:
    """The offsets of partitions that are there."""
    return {
        (name, index): offset
        for name, partitions in topics
        for index, offset in partitions
        if refusal_of(cluster.topics.partition, name, index) is NO_REFUSAL
    }


def _write_errors(cluster: Cluster, written: Writer, topics: Offsets, error: ErrorNumber) -> None:
    written.array_length(len(topics))
    for name, partitions in topics:
        written.string(name).array_length(len(partitions))
        for index, _ in partitions:
            number = error or refusal_of(cluster.topics.partition, name, index).number
            written.int32(index).int16(number).tags()
        written.tags()


def offset_fetch(cluster: Cluster, request: Request) -> None:
    """OffsetFetch: of partitions, or of all that the group has committed in."""
    body, version = request.body, request.version
    group_id = body.string()
    asked = body.nullable_array(lambda: _read_topic(body, body.int32))
    stable_only = version >= 7 and body.boolean()
    group = cluster.groups.find(group_id)
    topics = asked if asked is not None else _committed_topics(group)
    written = request.writer()
    if version >= 3:
        written.int32(0)
    written.array_length(len(topics))
    for name, partitions in topics:
        written.string(name).array_length(len(partitions))
        for index in partitions:
            error, committed = _committed(group, (name, index), stable_only=stable_only)
            written.int32(index).int64(committed.offset)
            if version >= 5:
                written.int32(committed.leader_epoch)
            written.string(committed.metadata).int16(error).tags()
        written.tags()
    if version >= 2:
        written.int16(ErrorNumber.NONE)
    request.reply(written.tags())


def _committed_topics(group: Group | None) -> Topics:
    topics: dict[str, list[int]] = {}
    for name, index in sorted(group.offsets.committed) if group is not None else ():
        topics.setdefault(name, []).append(index)
    return list(topics.items())


def _committed(group: Group | None, partition: Partition, *, stable_only: bool) -> tuple[ErrorNumber, CommittedOffset]:
    if group is None:
        return ErrorNumber.NONE, _NOTHING_COMMITTED
    if stable_only and group.offsets.unstable(partition):
        return ErrorNumber.UNSTABLE_OFFSET_COMMIT, _NOTHING_COMMITTED
    return ErrorNumber.NONE, group.offsets.committed.get(partition, _NOTHING_COMMITTED)


def offset_delete(cluster: Cluster, request: Request) -> None:
    """OffsetDelete: of a group without members; with members, they count as subscribed to every topic."""
    body = request.body
    group_id = body.string()
    topics = body.array(lambda: _read_topic(body, body.int32))
    group = cluster.groups.find(group_id)
    if group is None:
        request.reply(request.writer().int16(ErrorNumber.GROUP_ID_NOT_FOUND).int32(0).array_length(0))
        return
    subscribed = group.state is not GroupState.EMPTY
    written = request.writer().int16(ErrorNumber.NONE).int32(0).array_length(len(topics))
    for name, partitions in topics:
        written.string(name).array_length(len(partitions))
        for index in partitions:
            if not subscribed:
                group.offsets.committed.pop((name, index), None)
            written.int32(index).int16(ErrorNumber.GROUP_SUBSCRIBED_TO_TOPIC if subscribed else ErrorNumber.NONE)
    request.reply(written)


HANDLERS = {
    Api.OFFSET_COMMIT: offset_commit,
    Api.TXN_OFFSET_COMMIT: transactional_offset_commit,
    Api.OFFSET_FETCH: offset_fetch,
    Api.OFFSET_DELETE: offset_delete,
}

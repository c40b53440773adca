"""Requests of consumer groups: joining, assigning, staying, leaving, and a look at them from outside."""

from __future__ import annotations

from velo_harness.kafka.embedded.api_cluster import OPERATIONS_UNKNOWN
from velo_harness.kafka.embedded.cluster import Cluster
from velo_harness.kafka.embedded.group_members import NO_GENERATION, Joined, Joining, Synced
from velo_harness.kafka.embedded.groups import Group, GroupState
from velo_harness.kafka.embedded.protocol import Api, ErrorNumber, KafkaError, refusal_of
from velo_harness.kafka.embedded.requests import Request
from velo_harness.kafka.embedded.wire import Writer

_NO_ASSIGNMENT = -1


def join_group(cluster: Cluster, request: Request) -> None:
    """JoinGroup: answered when all members have joined."""
    body, version = request.body, request.version
    group_id, session_timeout_ms = body.string(), body.int32()
    joining = Joining(  # arguments are evaluated in this order, which is that of the message
        session_timeout_ms=session_timeout_ms,
        rebalance_timeout_ms=body.int32() if version >= 1 else session_timeout_ms,
        member_id=body.string(),
        instance_id=body.nullable_string() if version >= 5 else None,
        protocol_type=body.string(),
        protocols=body.array(lambda: (body.string(), body.data())),
        client_id=request.client_id,
        client_host=request.client_host,
        id_required=version >= 4,
    )

    def answer(joined: Joined) -> None:
        written = request.writer()
        if version >= 2:
            written.int32(0)
        written.int16(joined.error).int32(joined.generation).string(joined.protocol)
        written.string(joined.leader_id).string(joined.member_id).array_length(len(joined.members))
        for member_id, instance_id, subscription in joined.members:
            written.string(member_id)
            if version >= 5:
                written.string(instance_id)
            written.data(subscription)
        request.reply(written)

    try:
        known = cluster.groups.find(group_id) if joining.member_id else cluster.groups.found_or_made(group_id)
        if known is None:
            raise KafkaError(ErrorNumber.UNKNOWN_MEMBER_ID)
    except KafkaError as refused:
        answer(Joined(joining.member_id, refused.number, NO_GENERATION))
    else:
        known.join(joining, answer)


def sync_group(cluster: Cluster, request: Request) -> None:
    """SyncGroup: answered when the leader has assigned."""
    body, version = request.body, request.version
    group_id, generation, member_id = body.string(), body.int32(), body.string()
    instance_id = body.nullable_string() if version >= 3 else None
    assignments = dict(body.array(lambda: (body.string(), body.data())))

    def answer(synced: Synced) -> None:
        written = request.writer()
        if version >= 1:
            written.int32(0)
        request.reply(written.int16(synced.error).data(synced.assignment))

    group = cluster.groups.find(group_id)
    if group is None:
        answer(Synced(ErrorNumber.UNKNOWN_MEMBER_ID))
    else:
        group.sync(member_id, instance_id, generation, assignments, answer)


def heartbeat(cluster: Cluster, request: Request) -> None:
    """Heartbeat: the member is there, and learns whether it has to join again."""
    body = request.body
    group_id, generation, member_id = body.string(), body.int32(), body.string()
    instance_id = body.nullable_string() if request.version >= 3 else None
    written = request.writer()
    if request.version >= 1:
        written.int32(0)
    error = refusal_of(lambda: cluster.groups.member_group(group_id).heartbeat(member_id, instance_id, generation))
    request.reply(written.int16(error.number))


def leave_group(cluster: Cluster, request: Request) -> None:
    """LeaveGroup: of one member, or (from version 3 on) of several."""
    body, version = request.body, request.version
    group_id = body.string()
    leaving = body.array(lambda: (body.string(), body.nullable_string())) if version >= 3 else [(body.string(), None)]
    errors = [refusal_of(_leave, cluster, group_id, member, instance).number for member, instance in leaving]
    written = request.writer()
    if version >= 1:
        written.int32(0)
    if version < 3:
        request.reply(written.int16(errors[0]))
        return
    written.int16(ErrorNumber.NONE).array_length(len(leaving))
    for (member_id, instance_id), error in zip(leaving, errors, strict=True):
        written.string(member_id).string(instance_id).int16(error)
    request.reply(written)


def _leave(cluster: Cluster, group_id: str, member_id: str, instance_id: str | None) -> None:
    cluster.groups.member_group(group_id).leave(member_id, instance_id)


def describe_groups(cluster: Cluster, request: Request) -> None:
    """DescribeGroups: state and members; a group that is not there is dead."""
    body, version = request.body, request.version
    names = body.array(body.string)
    written = request.writer()
    if version >= 1:
        written.int32(0)
    written.array_length(len(names))
    for name in names:
        group = cluster.groups.find(name)
        written.int16(ErrorNumber.NONE).string(name)
        if group is None:
            written.string(GroupState.DEAD.value).string("").string("").array_length(0)
        else:
            _write_group(written, group, version)
        if version >= 3:
            written.int32(OPERATIONS_UNKNOWN)
    request.reply(written)


def _write_group(written: Writer, group: Group, version: int) -> None:
    stable = group.state is GroupState.STABLE
    members = group.members.all()
    written.string(group.state.value).string(group.protocol_type).string(group.protocol if stable else "")
    written.array_length(len(members))
    for member in members:
        written.string(member.member_id)
        if version >= 4:
            written.string(member.instance_id)
        written.string(member.client_id).string(member.client_host)
        written.data(member.subscription(group.protocol) if stable else b"").data(member.assignment)


def list_groups(cluster: Cluster, request: Request) -> None:
    """ListGroups: all of them, or those in certain states."""
    body, version = request.body, request.version
    states = body.array(body.string) if version >= 4 else []
    groups = [group for group in cluster.groups.all() if not states or group.state.value in states]
    written = request.writer()
    if version >= 1:
        written.int32(0)
    written.int16(ErrorNumber.NONE).array_length(len(groups))
    for group in groups:
        written.string(group.group_id).string(group.protocol_type)
        if version >= 4:
            written.string(group.state.value)
        written.tags()
    request.reply(written.tags())


def delete_groups(cluster: Cluster, request: Request) -> None:
    """DeleteGroups: those without members."""
    names = request.body.array(request.body.string)
    written = request.writer().int32(0).array_length(len(names))
    for name in names:
        written.string(name).int16(refusal_of(cluster.groups.delete, name).number)
    request.reply(written)


def refuse_new_protocol(_cluster: Cluster, request: Request) -> None:
    """ConsumerGroupHeartbeat: the newer group protocol (KIP-848) is not here.

    It is offered and then refused, as by a Kafka where it is switched off: a client whose broker does not even offer it
    waits forever.
    """
    message = "the embedded broker has the classic group protocol only: group.protocol=classic"
    written = request.writer().int32(0).int16(ErrorNumber.UNSUPPORTED_VERSION).string(message)
    request.reply(written.string(None).int32(0).int32(0).int8(_NO_ASSIGNMENT).tags())


HANDLERS = {
    Api.JOIN_GROUP: join_group,
    Api.SYNC_GROUP: sync_group,
    Api.HEARTBEAT: heartbeat,
    Api.LEAVE_GROUP: leave_group,
    Api.DESCRIBE_GROUPS: describe_groups,
    Api.LIST_GROUPS: list_groups,
    Api.DELETE_GROUPS: delete_groups,
    Api.CONSUMER_GROUP_HEARTBEAT: refuse_new_protocol,
}

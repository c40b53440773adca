"""Requests about the cluster: what it speaks, where it is, which topics it has."""

from __future__ import annotations

from velo_harness.kafka.embedded.cluster import Cluster
from velo_harness.kafka.embedded.protocol import LEADER_EPOCH, NODE_ID, SUPPORTED, Api, ErrorNumber, KafkaError
from velo_harness.kafka.embedded.requests import Request
from velo_harness.kafka.embedded.topics import DEFAULT_PARTITIONS, Topic
from velo_harness.kafka.embedded.wire import Writer

OPERATIONS_UNKNOWN = -(2**31)
"""Stands for "authorized operations": there is no authorisation."""


def api_versions(_cluster: Cluster, request: Request) -> None:
    """ApiVersions: the kinds and versions of requests. A version too new is answered in version 0 (KIP-35)."""
    version = request.version if request.version_supported else 0
    error = ErrorNumber.NONE if request.version_supported else ErrorNumber.UNSUPPORTED_VERSION
    answer = request.writer().int16(error).array_length(len(SUPPORTED))
    for api, versions in SUPPORTED.items():
        lowest = versions.lowest if versions.advertised_lowest is None else versions.advertised_lowest
        answer.int16(api).int16(lowest).int16(versions.highest).tags()
    if version >= 1:
        answer.int32(0)
    request.reply(answer.tags())


def metadata(cluster: Cluster, request: Request) -> None:
    """Metadata: the node, and the partitions of topics; makes topics that are not there, where the client asks."""
    body, version = request.body, request.version
    names = body.nullable_array(body.string)
    create = body.boolean() if version >= 4 else True
    answer = request.writer()
    if version >= 3:
        answer.int32(0)
    answer.array_length(1).int32(NODE_ID).string(request.broker.host).int32(request.broker.port).string(None)
    if version >= 2:
        answer.string(cluster.id)
    answer.int32(NODE_ID)
    if names is None:
        names = [topic.name for topic in cluster.topics.all()]
    answer.array_length(len(names))
    for name in names:
        _write_topic(answer, name, _found_or_made(cluster, name, create=create), version)
    if version >= 8:
        answer.int32(OPERATIONS_UNKNOWN)
    request.reply(answer)


def _found_or_made(cluster: Cluster, name: str, *, create: bool) -> Topic | ErrorNumber:
    topic = cluster.topics.find(name)
    if topic is not None:
        return topic
    if not create:
        return ErrorNumber.UNKNOWN_TOPIC_OR_PARTITION
    try:
        return cluster.topics.create(name, DEFAULT_PARTITIONS, {})
    except KafkaError as error:
        return error.number


def _write_topic(answer: Writer, name: str, topic: Topic | ErrorNumber, version: int) -> None:
    error, partitions = (ErrorNumber.NONE, len(topic.partitions)) if isinstance(topic, Topic) else (topic, 0)
    answer.int16(error).string(name).boolean(False).array_length(partitions)
    for index in range(partitions):
        answer.int16(ErrorNumber.NONE).int32(index).int32(NODE_ID)
        if version >= 7:
            answer.int32(LEADER_EPOCH)
        answer.int32_array([NODE_ID]).int32_array([NODE_ID])
        if version >= 5:
            answer.int32_array([])
    if version >= 8:
        answer.int32(OPERATIONS_UNKNOWN)


def find_coordinator(_cluster: Cluster, request: Request) -> None:
    """FindCoordinator: this node, for every group and transactional id."""
    request.body.string()
    answer = request.writer()
    if request.version >= 1:
        answer.int32(0)
    answer.int16(ErrorNumber.NONE)
    if request.version >= 1:
        answer.string(None)
    request.reply(answer.int32(NODE_ID).string(request.broker.host).int32(request.broker.port))


def describe_cluster(cluster: Cluster, request: Request) -> None:
    """DescribeCluster: the one node."""
    answer = request.writer().int32(0).int16(ErrorNumber.NONE).string(None).string(cluster.id).int32(NODE_ID)
    answer.array_length(1).int32(NODE_ID).string(request.broker.host).int32(request.broker.port).string(None).tags()
    request.reply(answer.int32(OPERATIONS_UNKNOWN).tags())


HANDLERS = {
    Api.API_VERSIONS: api_versions,
    Api.METADATA: metadata,
    Api.FIND_COORDINATOR: find_coordinator,
    Api.DESCRIBE_CLUSTER: describe_cluster,
}

"""Requests of transactional producers, and a look at them from outside."""

from __future__ import annotations

from velo_harness.kafka.embedded.cluster import Cluster
from velo_harness.kafka.embedded.offsets import Partition
from velo_harness.kafka.embedded.protocol import NO_OFFSET, NO_REFUSAL, Api, ErrorNumber, KafkaError, refusal_of
from velo_harness.kafka.embedded.requests import Request
from velo_harness.kafka.embedded.transactions import NO_PRODUCER_ID, ProducerId, TransactionalProducer
from velo_harness.kafka.embedded.wire import Writer

_NO_COORDINATOR_EPOCH = -1


def init_producer_id(cluster: Cluster, request: Request) -> None:
    """InitProducerId: an id for a producer; for a transactional one the next epoch of its own."""
    body, version = request.body, request.version
    transactional_id, timeout_ms = body.nullable_string(), body.int32()
    current = ProducerId(body.int64(), body.int16()) if version >= 3 else NO_PRODUCER_ID
    error, producer = NO_REFUSAL, NO_PRODUCER_ID
    try:
        if transactional_id is None:
            producer = cluster.transactions.new_producer()
        else:
            producer = cluster.transactions.renew(transactional_id, timeout_ms, current)
    except KafkaError as refused:
        error = refused
    written = request.writer().int32(0).int16(_known_since(4, version, error.number))
    request.reply(written.int64(producer.id).int16(producer.epoch).tags())


def _known_since(first_version: int, version: int, error: ErrorNumber) -> ErrorNumber:
    """PRODUCER_FENCED is known from a certain version on; before, the same was told as INVALID_PRODUCER_EPOCH."""
    if error is ErrorNumber.PRODUCER_FENCED and version < first_version:
        return ErrorNumber.INVALID_PRODUCER_EPOCH
    return error


def add_partitions(cluster: Cluster, request: Request) -> None:
    """AddPartitionsToTxn: all of them, or none."""
    body = request.body
    transactional_id, producer = body.string(), ProducerId(body.int64(), body.int16())
    topics = body.array(lambda: (body.string(), body.array(body.int32)))
    partitions = [(name, index) for name, indexes in topics for index in indexes]
    errors: dict[Partition, ErrorNumber] = {
        partition: refusal_of(cluster.topics.partition, *partition).number for partition in partitions
    }
    if any(errors.values()):
        errors = {partition: error or ErrorNumber.OPERATION_NOT_ATTEMPTED for partition, error in errors.items()}
    else:
        refused = refusal_of(cluster.transactions.add_partitions, transactional_id, producer, partitions).number
        errors = dict.fromkeys(partitions, _known_since(2, request.version, refused))
    written = request.writer().int32(0).array_length(len(topics))
    for name, indexes in topics:
        written.string(name).array_length(len(indexes))
        for index in indexes:
            written.int32(index).int16(errors[name, index])
    request.reply(written)


def add_offsets(cluster: Cluster, request: Request) -> None:
    """AddOffsetsToTxn: the offsets of a group become part of the transaction."""
    body = request.body
    transactional_id, producer, group_id = body.string(), ProducerId(body.int64(), body.int16()), body.string()
    error = refusal_of(cluster.transactions.add_group, transactional_id, producer, group_id).number
    request.reply(request.writer().int32(0).int16(_known_since(2, request.version, error)))


def end_transaction(cluster: Cluster, request: Request) -> None:
    """EndTxn: commits or aborts."""
    body = request.body
    transactional_id, producer, committed = body.string(), ProducerId(body.int64(), body.int16()), body.boolean()
    error = refusal_of(cluster.transactions.end, transactional_id, producer, committed=committed).number
    request.reply(request.writer().int32(0).int16(_known_since(2, request.version, error)))


def list_transactions(cluster: Cluster, request: Request) -> None:
    """ListTransactions: all transactional ids, or those of certain states or producers."""
    body = request.body
    states, producers = body.array(body.string), body.array(body.int64)
    found = [
        known
        for known in cluster.transactions.all()
        if (not states or known.state.value in states) and (not producers or known.producer.id in producers)
    ]
    written = request.writer().int32(0).int16(ErrorNumber.NONE).array_length(0).array_length(len(found))
    for known in found:
        written.string(known.transactional_id).int64(known.producer.id).string(known.state.value).tags()
    request.reply(written.tags())


def describe_transactions(cluster: Cluster, request: Request) -> None:
    """DescribeTransactions: state, producer and partitions of transactional ids."""
    names = request.body.array(request.body.string)
    written = request.writer().int32(0).array_length(len(names))
    for name in names:
        _write_transaction(written, name, cluster.transactions.find(name))
    request.reply(written.tags())


def _write_transaction(written: Writer, name: str, known: TransactionalProducer | None) -> None:
    if known is None:
        written.int16(ErrorNumber.TRANSACTIONAL_ID_NOT_FOUND).string(name).string("").int32(0).int64(-1)
        written.int64(NO_PRODUCER_ID.id).int16(NO_PRODUCER_ID.epoch).array_length(0).tags()
        return
    topics: dict[str, list[int]] = {}
    for topic, index in known.partitions:
        topics.setdefault(topic, []).append(index)
    written.int16(ErrorNumber.NONE).string(name).string(known.state.value).int32(known.timeout_ms)
    written.int64(known.started_ms).int64(known.producer.id).int16(known.producer.epoch).array_length(len(topics))
    for topic, indexes in topics.items():
        written.string(topic).int32_array(indexes).tags()
    written.tags()


def describe_producers(cluster: Cluster, request: Request) -> None:
    """DescribeProducers: who writes to partitions with sequence numbers."""
    body = request.body

    def topic() -> tuple[str, list[int]]:
        name, indexes = body.string(), body.array(body.int32)
        body.tags()
        return name, indexes

    topics = body.array(topic)
    written = request.writer().int32(0).array_length(len(topics))
    for name, indexes in topics:
        written.string(name).array_length(len(indexes))
        for index in indexes:
            _write_producers(written, cluster, name, index)
        written.tags()
    request.reply(written.tags())


def _write_producers(written: Writer, cluster: Cluster, topic: str, index: int) -> None:
    written.int32(index)
    try:
        log = cluster.topics.partition(topic, index)
    except KafkaError as refused:
        written.int16(refused.number).string(refused.message).array_length(0).tags()
        return
    entries = log.producers.entries
    written.int16(ErrorNumber.NONE).string(None).array_length(len(entries))
    for producer_id, entry in entries.items():
        written.int64(producer_id).int32(entry.epoch).int32(entry.last_sequence).int64(entry.last_timestamp)
        written.int32(_NO_COORDINATOR_EPOCH).int64(log.open_transactions.get(producer_id, NO_OFFSET)).tags()
    written.tags()


HANDLERS = {
    Api.INIT_PRODUCER_ID: init_producer_id,
    Api.ADD_PARTITIONS_TO_TXN: add_partitions,
    Api.ADD_OFFSETS_TO_TXN: add_offsets,
    Api.END_TXN: end_transaction,
    Api.LIST_TRANSACTIONS: list_transactions,
    Api.DESCRIBE_TRANSACTIONS: describe_transactions,
    Api.DESCRIBE_PRODUCERS: describe_producers,
}

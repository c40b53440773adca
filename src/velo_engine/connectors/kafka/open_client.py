"""Opens the clients of confluent-kafka; nothing of theirs reaches standard error."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from velo_engine.connectors.kafka.client import (
    ClientRole,
    KafkaCluster,
    client_configuration,
    kafka_error,
    quiet_logger,
)
from velo_engine.connectors.kafka.connection import ConnectionState, may_pass, metadata

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Producer
    from confluent_kafka.admin import AdminClient

Settings = Mapping[str, str | int | bool]

_PAUSE_S = 0.05
"""Before a coordinator is asked again."""


def open_consumer(cluster: KafkaCluster, state: ConnectionState, settings: Settings | None = None) -> Consumer:
    """A consumer without assignment. Raises VeloError for a property that the client does not take."""
    from confluent_kafka import Consumer

    opened: Consumer = _opened(Consumer, cluster, ClientRole.CONSUMER, {**(settings or {})}, state.callbacks())
    return opened


def open_producer(
    cluster: KafkaCluster,
    state: ConnectionState,
    settings: Settings | None = None,
    callbacks: Mapping[str, Any] | None = None,
) -> Producer:
    """A producer. `callbacks` are further ones (`on_delivery`). Raises as `open_consumer`."""
    from confluent_kafka import Producer

    opened: Producer = _opened(
        Producer, cluster, ClientRole.PRODUCER, settings, {**state.callbacks(), **(callbacks or {})}
    )
    return opened


def open_admin(cluster: KafkaCluster, settings: Settings | None = None) -> AdminClient:
    """An administration client. Raises as `open_consumer`."""
    from confluent_kafka.admin import AdminClient

    opened: AdminClient = _opened(AdminClient, cluster, ClientRole.ADMIN, settings, {})
    return opened


def check_cluster(cluster: KafkaCluster) -> None:
    """Raises VeloError with what to do unless a broker of `cluster` answers in time and lets us in."""
    state = ConnectionState()
    consumer = open_consumer(cluster, state)
    try:
        metadata(consumer, state, cluster, "looking for a broker")
    finally:
        consumer.close()


def await_coordinator(cluster: KafkaCluster, group: str) -> None:
    """Wait until the coordinator of `group` answers. Raises VeloError when it does not in time.

    To be called before an administration client asks for the group's offsets: librdkafka 2.16 crashes the process when
    a broker answers that client NOT_COORDINATOR, as one that has just started does. A consumer waits instead.
    """
    from confluent_kafka import KafkaException, TopicPartition

    consumer = open_consumer(cluster, ConnectionState(), {"group.id": group})
    deadline = time.monotonic() + cluster.connect_timeout_s
    try:
        while True:
            try:
                consumer.committed([TopicPartition("velo", 0)], timeout=cluster.connect_timeout_s)
                return
            except KafkaException as problem:
                if time.monotonic() >= deadline or not coordinator_may_answer(problem.args[0]):
                    doing = f"looking for the offsets of the group {group}"
                    raise kafka_error(problem, cluster, doing) from None
            time.sleep(_PAUSE_S)
    finally:
        consumer.close()


def coordinator_may_answer(error: KafkaError) -> bool:
    """Whether the coordinator of a group is there soon (a broker has just started), or a transaction about to end."""
    from confluent_kafka import KafkaError as E

    return may_pass(error) or error.code() in (
        E.COORDINATOR_LOAD_IN_PROGRESS,
        E.COORDINATOR_NOT_AVAILABLE,
        E.NOT_COORDINATOR,
        E.UNSTABLE_OFFSET_COMMIT,
    )


def _opened(
    kind: Any, cluster: KafkaCluster, role: ClientRole, settings: Settings | None, callbacks: Mapping[str, Any]
) -> Any:
    from confluent_kafka import KafkaException

    configuration = {**client_configuration(cluster, role, settings), **callbacks}
    try:
        return kind(configuration, logger=quiet_logger())
    except KafkaException as problem:
        raise kafka_error(problem, cluster, f"opening a {role.value}") from None

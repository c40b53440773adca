"""The connection of a client to its cluster: whether it stands, and the first answer of a broker."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from velo_engine.connectors.circuit import CircuitState
from velo_engine.connectors.kafka.client import KafkaCluster, kafka_error

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Producer

STATISTICS_INTERVAL_MS = 1000
"""How often a client says which brokers it is connected to."""
_TRY_S = 0.5


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """Whether brokers answer. `up` is None before the first answer and the first failure."""

    up: bool | None = None
    since_ms: int = 0
    """Milliseconds since the epoch."""
    problem: str | None = None
    """Why not, as the client says it."""

    @property
    def circuit(self) -> CircuitState:
        """The same as a circuit breaker says it: librdkafka stops sending and tries brokers again by itself."""
        if self.up is None:
            return CircuitState.HALF_OPEN
        return CircuitState.CLOSED if self.up else CircuitState.OPEN


class _Broker(msgspec.Struct):
    state: str = ""


class _Statistics(msgspec.Struct):
    brokers: dict[str, _Broker] = {}


class ConnectionState:
    """What the callbacks of one client tell about its connection. `status` may be read from any thread."""

    def __init__(self, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self.status = ConnectionStatus()
        self.refusal: KafkaError | None = None
        """The broker is there and does not let us in; no waiting mends that."""
        self.fatal: KafkaError | None = None
        """The client can do no more."""
        self.last_error: KafkaError | None = None
        self._now_ms = now_ms

    def callbacks(self) -> dict[str, Any]:
        """For the configuration of the client, which calls them in its `poll` or `consume`."""
        return {
            "error_cb": self.failed,
            "stats_cb": self.heard,
            "statistics.interval.ms": STATISTICS_INTERVAL_MS,
        }

    def failed(self, error: KafkaError) -> None:
        """The client met an error. librdkafka tries again by itself, unless it is fatal."""
        from confluent_kafka import KafkaError as E

        if error.fatal():
            self.fatal = error
        if error.code() == E._ALL_BROKERS_DOWN:
            self._set(up=False)
            return
        self.last_error = error
        if self.status.up is False and self.status.problem is None:
            self.status = replace(self.status, problem=error.str())
        handshake = error.code() == E._SSL or "SSL handshake failed" in error.str()
        if handshake or error.code() in (E._AUTHENTICATION, E.SASL_AUTHENTICATION_FAILED):
            self.refusal = error

    def heard(self, statistics: str) -> None:
        """The client's statistics, as JSON."""
        brokers = msgspec.json.decode(statistics, type=_Statistics).brokers.values()
        if any(broker.state == "UP" for broker in brokers):
            self.alive()
        elif self.status.up and self.last_error is not None:
            self._set(up=False)

    def alive(self) -> None:
        """A broker has answered."""
        self.refusal = None
        self._set(up=True)

    def _set(self, *, up: bool) -> None:
        if self.status.up is not up:
            problem = None if up or self.last_error is None else self.last_error.str()
            self.status = ConnectionStatus(up, self._now_ms(), problem)


def metadata(
    client: Consumer | Producer,
    state: ConnectionState,
    cluster: KafkaCluster,
    doing: str,
    *,
    topic: str | None = None,
) -> Any:
    """The brokers and topics of the cluster (all topics, or one).

    Waits for a broker as long as the cluster says. Raises VeloError: none answers, it does not let us in, and for
    `topic` that there is none.
    """
    from confluent_kafka import KafkaException

    deadline = time.monotonic() + cluster.connect_timeout_s
    while True:
        try:
            found = _listed(client, topic, min(_TRY_S, max(deadline - time.monotonic(), 0.01)))
        except KafkaException as problem:
            serve_callbacks(client)
            failure = state.refusal or state.last_error or problem.args[0]
            if state.refusal is not None or time.monotonic() >= deadline or not may_pass(problem.args[0]):
                raise kafka_error(failure, cluster, doing) from None
            continue
        serve_callbacks(client)
        state.alive()
        error = None if topic is None else found.topics[topic].error
        if error is None:
            return found
        if not may_pass(error) or time.monotonic() >= deadline:
            raise kafka_error(error, cluster, doing)
        time.sleep(0.05)


def _listed(client: Consumer | Producer, topic: str | None, timeout_s: float) -> Any:
    return client.list_topics(timeout=timeout_s) if topic is None else client.list_topics(topic, timeout=timeout_s)


def may_pass(error: KafkaError) -> bool:
    """Whether an answer may be another one soon: a broker that starts, a topic that is being made."""
    from confluent_kafka import KafkaError as E

    return error.retriable() or error.code() in (
        E._TRANSPORT,
        E._TIMED_OUT,
        E._ALL_BROKERS_DOWN,
        E.LEADER_NOT_AVAILABLE,
        E.NOT_LEADER_FOR_PARTITION,
        E.REQUEST_TIMED_OUT,
    )


def serve_callbacks(client: Consumer | Producer) -> None:
    """Lets a client call back what it has to say; no record may be waiting in a consumer."""
    client.poll(0)


def raise_if_fatal(state: ConnectionState, cluster: KafkaCluster, doing: str) -> None:
    """Raises VeloError when the client can do no more."""
    if state.fatal is not None:
        raise kafka_error(state.fatal, cluster, doing)

"""Kafka clusters: where they are, how their clients are configured, and what their errors mean to a person.

Client properties have librdkafka's names. The names of the Java client are taken too where there is a librdkafka
property of the same meaning; those that only tune the Java client are left out.
Source: librdkafka's CONFIGURATION.md; Kafka's documentation of producer and consumer configurations.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from velo_engine.connectors.kafka.java_properties import parse_java_properties, without_jaas
from velo_engine.errors import ErrorCode, VeloError

ENVIRONMENT_PREFIX = "VELO_KAFKA_"
NOT_CLIENT_PROPERTIES = frozenset({"VELO_KAFKA_IMAGE"})
"""Variables with the prefix that are settings of other parts."""

_SECURITY = ("security.", "sasl.", "ssl.")
_RENAMED = {
    "fetch.max.wait.ms": "fetch.wait.max.ms",
    "max.request.size": "message.max.bytes",
    "receive.buffer.bytes": "socket.receive.buffer.bytes",
    "send.buffer.bytes": "socket.send.buffer.bytes",
    "ssl.truststore.location": "ssl.ca.location",
    "ssl.truststore.certificates": "ssl.ca.pem",
    "ssl.keystore.certificate.chain": "ssl.certificate.pem",
    "ssl.keystore.key": "ssl.key.pem",
    "sasl.mechanism": "sasl.mechanisms",
    "sasl.kerberos.service.name": "sasl.kerberos.service.name",
    "sasl.login.callback.handler.class": "",
    "sasl.client.callback.handler.class": "",
}
_JAVA_ONLY = frozenset(
    """auto.include.jmx.reporter buffer.memory client.dns.lookup config.providers default.api.timeout.ms
    exclude.internal.topics interceptor.classes key.deserializer key.serializer max.block.ms max.poll.records
    metadata.max.idle.ms metric.reporters metrics.num.samples metrics.recording.level metrics.sample.window.ms
    partition.discovery.interval.ms partitioner.class sasl.login.class security.providers
    ssl.endpoint.identification.algorithm.class ssl.keymanager.algorithm ssl.keystore.type ssl.protocol ssl.provider
    ssl.secure.random.implementation ssl.trustmanager.algorithm ssl.truststore.password ssl.truststore.type
    throw.on.fetch.stable.offset value.deserializer value.serializer""".split()  # noqa: SIM905 - one word a line
)
_FILES = ("ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.keystore.location")


class ClientRole(Enum):
    """What a client is for."""

    CONSUMER = "consumer"
    PRODUCER = "producer"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class KafkaCluster:
    """A Kafka cluster, and how clients reach it."""

    bootstrap_servers: str
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    """For every client: security and the like. They may hold secrets, so no message shows them."""
    topic_prefix: str = ""
    """Before the names of topics and groups in programs, on this cluster: runs of tests keep apart by it."""
    connect_timeout_s: float = 10.0
    """How long a broker is waited for when a client is opened."""


def client_configuration(
    cluster: KafkaCluster, role: ClientRole, settings: Mapping[str, str | int | bool] | None = None
) -> dict[str, Any]:
    """The configuration of a confluent-kafka client: `settings` over the cluster's properties over our defaults.

    Raises VeloError for a file that a property names and that is not there.
    """
    defaults = _DEFAULTS[role]
    merged = {**defaults, **_translated({**cluster.properties, **(settings or {})})}
    if role is ClientRole.PRODUCER and str(merged.get("acks", "all")) not in ("all", "-1"):
        # Whoever asks for fewer acknowledgements asks for no idempotence, which needs them all.
        merged["enable.idempotence"] = False
    for key in _FILES:
        if key in merged and not Path(str(merged[key])).exists():
            raise VeloError(ErrorCode.FILE_NOT_FOUND, f"{key}: there is no file {merged[key]}")
    return {**merged, "bootstrap.servers": cluster.bootstrap_servers}


_DEFAULTS: Mapping[ClientRole, Mapping[str, str | int | bool]] = {
    ClientRole.CONSUMER: {
        "group.id": "velo",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "fetch.wait.max.ms": 100,
        "fetch.error.backoff.ms": 100,
        # A second, the client's default, is how long a reader that catches up would wait again and again.
        "fetch.queue.backoff.ms": 5,
    },
    ClientRole.PRODUCER: {
        "acks": "all",
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "linger.ms": 5,
        "batch.size": 524288,
        "queue.buffering.max.messages": 200_000,
        "queue.buffering.max.kbytes": 131_072,
        # A broker that is away is waited for, however long: nothing is given up.
        "message.timeout.ms": 0,
        "delivery.report.only.error": True,
    },
    ClientRole.ADMIN: {},
}


SECRETS = {
    "sasl.jaas.config": "KAFKA_PASSWORD",
    "sasl.password": "KAFKA_PASSWORD",
    "ssl.key.password": "KAFKA_SSL_KEY_PASSWORD",
    "ssl.keystore.password": "KAFKA_SSL_KEYSTORE_PASSWORD",
    "ssl.truststore.password": "KAFKA_SSL_TRUSTSTORE_PASSWORD",
}
"""Properties that are never empty, and the variables that an import writes for them."""


def settings_of(properties: Mapping[str, str], *, given: bool) -> dict[str, str]:
    """The client properties among those of a source or sink.

    When the cluster was `given` from outside, those about security are for another one and left out.
    """
    prefix = "properties."
    found = {key[len(prefix) :]: value for key, value in properties.items() if key.startswith(prefix)}
    return {key: value for key, value in found.items() if not (given and key.startswith(_SECURITY))}


def _translated(properties: Mapping[str, str | int | bool]) -> dict[str, str | int | bool]:
    """The properties under librdkafka's names. Raises VeloError for a Java key store, which librdkafka cannot read."""
    found: dict[str, str | int | bool] = {}
    for key, value in _without_empty_secrets(properties).items():
        if str(value).endswith(".jks") or (key.endswith("store.type") and str(value).upper() == "JKS"):
            raise VeloError(
                ErrorCode.BAD_PROPERTY,
                f"{key}: Java key stores are not read by this client",
                hint="export the certificates as PEM: ssl.ca.location, ssl.certificate.location, ssl.key.location",
            )
        name = _RENAMED.get(key, key)
        if name and name not in _JAVA_ONLY:
            found[name] = value
    return found


def _without_empty_secrets(properties: Mapping[str, str | int | bool]) -> dict[str, str | int | bool]:
    """The properties with the login of `sasl.jaas.config`. Raises VeloError for a secret that nothing set."""
    _check_set(properties)
    found = without_jaas(properties)
    _check_set(found)
    return found


def _check_set(properties: Mapping[str, str | int | bool]) -> None:
    key = next((key for key, value in properties.items() if key in SECRETS and value == ""), None)
    if key is not None:
        hint = f"set the variable that the program takes it from, such as {SECRETS[key]}"
        raise VeloError(ErrorCode.UNSET_VARIABLE, f"{key} is empty", hint=hint)


def cluster_from(
    bootstrap_servers: str | None, file: Path | None = None, environment: Mapping[str, str] | None = None
) -> KafkaCluster | None:
    """The cluster that a command line, a file of client properties and `VELO_KAFKA_*` variables name.

    The command line's address counts before the environment's, that before the file's; so do other properties.
    `VELO_KAFKA_SASL_PASSWORD` is `sasl.password`. None when nothing names an address.
    """
    properties = {} if file is None else read_client_file(file)
    properties |= {
        name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("_", "."): value
        for name, value in (environment or {}).items()
        if name.startswith(ENVIRONMENT_PREFIX) and name not in NOT_CLIENT_PROPERTIES
    }
    named = properties.pop("bootstrap.servers", None)
    address = bootstrap_servers or named
    return None if not address else KafkaCluster(address, properties)


def read_client_file(file: Path) -> dict[str, str]:
    """The properties in a file as Kafka's own tools take (`--command-config`). Raises VeloError: it cannot be read."""
    try:
        return parse_java_properties(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f"there is no file {file}") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise VeloError(ErrorCode.FILE_UNREADABLE, f"cannot read {file}: {problem}") from problem


def quiet_logger() -> logging.Logger:
    """Takes what librdkafka would write to standard error; its errors reach people through `kafka_error`."""
    logger = logging.getLogger("velo.kafka.client")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger


_LOCAL = re.compile(r"^(Local|Broker): ")


def kafka_error(problem: Any, cluster: KafkaCluster, doing: str) -> VeloError:
    """What a person is told about `problem`, a KafkaError or KafkaException met while `doing` something.

    INFRASTRUCTURE_MISSING where the cluster is not there or does not let us in; BAD_PROPERTY for a client property that
    librdkafka does not take.
    """
    from confluent_kafka import KafkaError, KafkaException

    error = problem.args[0] if isinstance(problem, KafkaException) else problem
    text = _LOCAL.sub("", error.str())
    if error.code() == KafkaError._INVALID_ARG:
        return VeloError(ErrorCode.BAD_PROPERTY, f"{doing}: {_sentence(text)}", hint=_property_hint(text))
    at = f"Kafka at {cluster.bootstrap_servers}"
    known = _explained(error.code(), text, speaks_tls="SSL" in cluster.properties.get("security.protocol", "").upper())
    if known is None:
        code = ErrorCode.JOB_FAILED if error.fatal() else ErrorCode.INFRASTRUCTURE_MISSING
        return VeloError(code, f"{at}: {doing}: {_sentence(text)} ({error.name()})")
    what, hint = known
    return VeloError(ErrorCode.INFRASTRUCTURE_MISSING, f"{at}: {doing}: {what}", hint=hint)


def _explained(code: int, text: str, *, speaks_tls: bool) -> tuple[str, str] | None:
    """What an error code means and what to do."""
    from confluent_kafka import KafkaError as E

    if code == E._SSL or "SSL" in text or "certificate" in text:
        return (
            f"no secure connection: {_sentence(text)}",
            "check security.protocol (SSL or SASL_SSL only where the listener speaks TLS) and ssl.ca.location",
        )
    if code in (E._AUTHENTICATION, E.SASL_AUTHENTICATION_FAILED, E.ILLEGAL_SASL_STATE, E.UNSUPPORTED_SASL_MECHANISM):
        return (
            f"the broker does not accept the credentials: {_sentence(text)}",
            "check security.protocol, sasl.mechanism, sasl.username and sasl.password",
        )
    if code == E._RESOLVE:
        return f"the address does not resolve: {_sentence(text)}", "check the host name in the bootstrap address"
    if code in (E._TRANSPORT, E._ALL_BROKERS_DOWN, E._TIMED_OUT, E.NETWORK_EXCEPTION, E.BROKER_NOT_AVAILABLE):
        protocol = "speaks TLS, as security.protocol says" if speaks_tls else "is not a TLS one (security.protocol)"
        return (
            f"no broker answers: {_sentence(text)}",
            f"check that Kafka runs there and that its listener {protocol}; give another address with --brokers",
        )
    if code in (E.UNKNOWN_TOPIC_OR_PART, E._UNKNOWN_TOPIC, E._UNKNOWN_PARTITION):
        return "there is no such topic", "create it, or correct the topic property; velo kafka topics lists them"
    if code in (E.TOPIC_AUTHORIZATION_FAILED, E.GROUP_AUTHORIZATION_FAILED, E.CLUSTER_AUTHORIZATION_FAILED,
                E.TRANSACTIONAL_ID_AUTHORIZATION_FAILED):  # fmt: skip
        return "this user is not authorised", "grant READ, WRITE or DESCRIBE on it to this user (kafka-acls)"
    if code in (E.MSG_SIZE_TOO_LARGE, E.RECORD_LIST_TOO_LARGE, E.INVALID_MSG_SIZE):
        return (
            "a record is larger than the topic or the client takes",
            "raise max.message.bytes of the topic and producer.message.max.bytes of the sink",
        )
    return None


def _property_hint(text: str) -> str:
    named = re.search(r'No such configuration property: "([^"]+)"', text)
    if named is None:
        return "client properties are those of librdkafka (CONFIGURATION.md)"
    return f'"{named[1]}" is not a property of librdkafka, whose names Kafka clients take here (CONFIGURATION.md)'


def _sentence(text: str) -> str:
    """The text of librdkafka without the addresses and states around it."""
    text = text.replace("Local: ", "").replace("Broker: ", "")
    text = re.sub(r"^(\w+://)?[\w.\-\[\]:]+/(bootstrap|\d+): ", "", text.removeprefix("Failed to create producer: "))
    text = re.sub(r" \(after \d+ms in state \w+\)", "", text)
    return re.sub(r"ipv[46]#", "", text)

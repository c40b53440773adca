"""Where a test run's Kafka comes from: topics in memory, the embedded broker, containers, a cluster that exists.

Every provider gives a cluster; what is done with it (topics, records, results) is the same for all, in `session` and
`broker_run`. Without a provider topics are in memory, and no broker is asked for anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from velo_engine.connectors.kafka.client import KafkaCluster, cluster_from
from velo_engine.errors import ErrorCode, VeloError, nearest

if TYPE_CHECKING:
    from velo_harness.kafka.embedded import EmbeddedBroker

MEMORY = "memory"
EMBEDDED = "embedded"
CONTAINERS = "containers"
EXTERNAL = "external"

IMAGE_VARIABLE = "VELO_KAFKA_IMAGE"
"""The environment variable with the image of containers, where the command line names none."""

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s:,/\[\]]+):\d{1,5}")


@dataclass(frozen=True, slots=True)
class KafkaChoice:
    """What the person who starts a run says about Kafka; nothing said is topics in memory."""

    kafka: str | None = None
    """`memory`, `embedded`, or the addresses of a cluster (`host:port`, with commas between several)."""
    use_testcontainers: bool = False
    reuse_containers: bool = False
    """A container of an earlier run is used again, and stays for the next."""
    keep_containers: bool = False
    """The container and its topics stay when the run ends."""
    image: str | None = None
    config_file: Path | None = None
    """Client properties, as Kafka's own tools take them."""


@dataclass(frozen=True, slots=True)
class TopicRules:
    """How topics are made on the cluster of a provider, and whether they stay."""

    shared: bool = False
    """Others use the cluster: retention is finite, and a ledger on disk lets topics be deleted after a crash."""
    kept: bool = False
    """Topics stay when the run ends, to be looked at."""


class KafkaProvider(Protocol):
    """Gives a cluster for the time of a test session."""

    @property
    def name(self) -> str:
        """`embedded`, `containers` or `external`, as reports call it."""

    @property
    def rules(self) -> TopicRules:
        """How topics are made on it."""

    @property
    def stays(self) -> str | None:
        """What is left when the session has ended, for people; None: nothing that was not there before."""

    def start(self) -> KafkaCluster:
        """The cluster, ready for clients. Raises VeloError INFRASTRUCTURE_MISSING with what to do."""

    def stop(self) -> None:
        """Gives back what `start` took; may be called at any time, and twice."""


class EmbeddedProvider:
    """A broker in a thread of this process."""

    name = EMBEDDED
    rules = TopicRules()
    stays = None

    def __init__(self) -> None:
        self._broker: EmbeddedBroker | None = None

    def start(self) -> KafkaCluster:
        """Starts the broker on a free port of the loopback interface."""
        from velo_harness.kafka.embedded import EmbeddedBroker

        self._broker = EmbeddedBroker()
        self._broker.start()
        return KafkaCluster(self._broker.bootstrap_servers)

    def restart(self) -> None:
        """Stops the broker and starts it again: the same address, and what it holds is still there."""
        if self._broker is not None:
            self._broker.stop()
            self._broker.start()

    def drop_connections(self) -> None:
        """Cuts all connections of clients."""
        if self._broker is not None:
            self._broker.drop_connections()

    def stop(self) -> None:
        """Stops the broker; what it holds is gone."""
        if self._broker is not None:
            self._broker.stop()
            self._broker = None


ProviderFactory: TypeAlias = Callable[[], KafkaProvider]

_ADDED: dict[str, ProviderFactory] = {}


def add_provider(name: str, factory: ProviderFactory) -> None:
    """Makes `--kafka name` choose a provider. Raises ValueError when the name is taken or could be an address."""
    if name in (MEMORY, EMBEDDED, CONTAINERS, EXTERNAL) or name in _ADDED:
        raise ValueError(f'there is already a Kafka provider "{name}"')
    if not re.fullmatch(r"\w[\w-]*", name):
        raise ValueError(f'"{name}" cannot be the name of a Kafka provider')
    _ADDED[name] = factory


def remove_provider(name: str) -> None:
    """Takes an added provider back."""
    _ADDED.pop(name, None)


def chosen_provider(choice: KafkaChoice, environment: Mapping[str, str]) -> KafkaProvider | None:
    """The provider that is asked for; None: topics are in memory.

    The command line counts before `VELO_KAFKA_*` of the environment, and both before addresses in specs and programs.
    Raises VeloError for choices that contradict each other or that have no effect.
    """
    containers = choice.use_testcontainers or choice.reuse_containers or choice.keep_containers
    if containers:
        if choice.kafka is not None:
            raise _contradiction("--kafka and --use-testcontainers both say where Kafka is", "give one of them")
        if choice.config_file is not None:
            raise _contradiction("--kafka-config has no effect on containers", "leave it out")
        from velo_harness.kafka.containers import DEFAULT_IMAGE, ContainerProvider

        image = choice.image or environment.get(IMAGE_VARIABLE) or DEFAULT_IMAGE
        return ContainerProvider(image, reuse=choice.reuse_containers, keep=choice.keep_containers)
    if choice.image is not None:
        raise _contradiction("--kafka-image has no effect without containers", "add --use-testcontainers")
    if choice.kafka in (MEMORY, EMBEDDED):
        if choice.config_file is not None:
            raise _contradiction(f"--kafka-config has no effect on --kafka {choice.kafka}", "leave it out")
        return None if choice.kafka == MEMORY else EmbeddedProvider()
    if choice.kafka in _ADDED:
        if choice.config_file is not None:
            raise _contradiction(f"--kafka-config has no effect on --kafka {choice.kafka}", "leave it out")
        return _ADDED[choice.kafka]()
    cluster = cluster_from(choice.kafka, choice.config_file, environment)
    if cluster is None:
        if choice.config_file is None:
            return None
        message = f"{choice.config_file} does not say where Kafka is"
        hint = "give --kafka HOST:PORT, or bootstrap.servers in the file"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=hint)
    _check_addresses(cluster.bootstrap_servers)
    from velo_harness.kafka.external import ExternalProvider

    return ExternalProvider(cluster)


def _check_addresses(written: str) -> None:
    """Raises VeloError for text that is no list of addresses."""
    for address in written.split(","):
        if _ADDRESS.fullmatch(address.strip().partition("://")[2] or address.strip()) is None:
            close = nearest(written, (MEMORY, EMBEDDED, *_ADDED))
            hint = (
                f"write HOST:PORT, {', '.join((*_ADDED, EMBEDDED))} or memory"
                if close is None
                else f'did you mean "{close}"?'
            )
            raise VeloError(ErrorCode.BAD_VALUE, f'"{written}" is not where a Kafka is', hint=hint)


def _contradiction(message: str, hint: str) -> VeloError:
    return VeloError(ErrorCode.BAD_VALUE, message, hint=hint)

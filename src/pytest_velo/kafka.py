"""The broker of a pytest session: opened by the first query that runs, closed when pytest ends. Each worker has one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_velo import extensions

if TYPE_CHECKING:
    from velo_harness.kafka.providers import KafkaChoice
    from velo_harness.kafka.session import KafkaSession

_SESSION = pytest.StashKey["KafkaSession | None"]()

_ADDRESS = "VELO_KAFKA_BOOTSTRAP_SERVERS"
"""The environment variable with the addresses of a cluster."""

PLAIN_ALIASES = {
    "--velo-kafka": "--kafka",
    "--velo-use-testcontainers": "--use-testcontainers",
    "--velo-reuse-containers": "--reuse-containers",
    "--velo-keep-containers": "--keep-containers",
    "--velo-kafka-image": "--kafka-image",
    "--velo-kafka-config": "--kafka-config",
}


def add_options(group: pytest.OptionGroup) -> None:
    """Declares where Kafka comes from."""
    for name, (metavar, text) in _OPTIONS.items():
        _add(group, name, metavar, text)


def add_plain_aliases(parser: pytest.Parser) -> None:
    """Declares the short names that `velo-test` has, those that nobody else has taken."""
    taken = {option for group in (*parser._groups, parser._anonymous) for o in group.options for option in o.names()}
    group = parser.getgroup("velo short names", "velostream: the names that velo-test has")
    for name, (metavar, _) in _OPTIONS.items():
        if PLAIN_ALIASES[name] not in taken:
            _add(group, PLAIN_ALIASES[name], metavar, f"as {name}", dest=_dest(name))


_OPTIONS = {
    "--velo-kafka": ("WHERE", "memory (default), embedded, or HOST:PORT of a cluster: where topics are"),
    "--velo-use-testcontainers": (None, "topics are on Kafka in a container"),
    "--velo-reuse-containers": (None, "take the container of an earlier run, and leave it for the next"),
    "--velo-keep-containers": (None, "leave the container and its topics to be looked at"),
    "--velo-kafka-image": ("IMAGE", "the image of containers, instead of VELO_KAFKA_IMAGE"),
    "--velo-kafka-config": ("FILE", "client properties for the cluster"),
}


def _dest(name: str) -> str:
    return name.removeprefix("--").replace("-", "_")


def _add(group: pytest.OptionGroup, name: str, metavar: str | None, text: str, *, dest: str | None = None) -> None:
    target = dest or _dest(name)
    if metavar is None:
        group.addoption(name, dest=target, action="store_true", help=text)
    else:
        group.addoption(name, dest=target, metavar=metavar, help=text)


def choice(config: pytest.Config) -> KafkaChoice:
    """What the command line says about Kafka."""
    from pathlib import Path

    from velo_harness.kafka.providers import KafkaChoice

    file = config.getoption("velo_kafka_config")
    return KafkaChoice(
        kafka=config.getoption("velo_kafka"),
        use_testcontainers=config.getoption("velo_use_testcontainers"),
        reuse_containers=config.getoption("velo_reuse_containers"),
        keep_containers=config.getoption("velo_keep_containers"),
        image=config.getoption("velo_kafka_image"),
        config_file=None if file is None else Path(file),
    )


def session(config: pytest.Config) -> KafkaSession | None:
    """The broker on which topics are; None: they are in memory. Raises VeloError for a choice that contradicts itself.

    It is not started before a query needs it.
    """
    from velo_harness.kafka.session import chosen_session

    if _SESSION not in config.stash:
        extensions.load(config)
        config.stash[_SESSION] = chosen_session(choice(config))
    return config.stash[_SESSION]


def place(config: pytest.Config) -> str:
    """Where topics are, as reports call it."""
    opened = config.stash.get(_SESSION, None)
    return "memory" if opened is None else opened.provider.name


def header(config: pytest.Config) -> str | None:
    """The line at the head of the report that says where topics are, when they are not in memory.

    Raises UsageError for a choice that contradicts itself.
    """
    if not any(config.getoption(_dest(name)) for name in _OPTIONS) and _ADDRESS not in os.environ:
        return None
    from velo_engine.errors import VeloError

    try:
        opened = session(config)
    except VeloError as refused:
        raise pytest.UsageError(str(refused)) from None
    return None if opened is None else f"velostream: topics on Kafka ({opened.provider.name})"


def say_what_stays(reporter: pytest.TerminalReporter) -> None:
    """Says what the session leaves behind, if it does."""
    opened = reporter.config.stash.get(_SESSION, None)
    if opened is not None and opened.provider.stays is not None:
        reporter.write_line(f"velostream: {opened.provider.stays}")


def close(config: pytest.Config) -> None:
    """Gives the broker back, if one was opened."""
    opened = config.stash.get(_SESSION, None)
    if opened is not None:
        opened.close()

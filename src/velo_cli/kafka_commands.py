"""`velo kafka`: an embedded broker, and a look at what is on a cluster."""

from __future__ import annotations

import os
import signal
import sys
import threading
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from velo_cli.command_line import new_app, set_debug
from velo_cli.kafka_output import ListFormat, RecordFormat
from velo_harness.reports.standard_output import leave_stdout

if TYPE_CHECKING:
    from velo_engine.connectors.kafka.client import KafkaCluster

kafka_app = new_app("Kafka: an embedded broker for tests, and a look at topics and groups.")

Brokers = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="the cluster, instead of VELO_KAFKA_BOOTSTRAP_SERVERS", show_default=False),
]
Config = Annotated[
    Path | None, typer.Option("--kafka-config", metavar="FILE", help="client properties", show_default=False)
]
Debug = Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")]


@kafka_app.callback()
def kafka() -> None:
    """Kafka: an embedded broker for tests, and a look at topics and groups."""


@kafka_app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="where it listens; 0 takes a free port")] = 0,
    host: Annotated[str, typer.Option(help="the address it listens on")] = "127.0.0.1",
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of a defect")] = False,
) -> None:
    """Run the embedded broker until interrupted: a test double with one node that keeps everything in memory.

    Its address goes to stdout, alone on a line, so that a script can wait for it.
    """
    from velo_harness.kafka.embedded import EmbeddedBroker

    set_debug(debug)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with EmbeddedBroker(host=host, port=port) as broker:
        print(broker.bootstrap_servers, flush=True)
        print(
            "an embedded Kafka broker, a test double: one node, no replication, everything in memory and gone at the"
            " end. Stop it with Ctrl-C.",
            file=sys.stderr,
        )
        if not _is_loopback(host):
            print(
                f"warning: {host} is not a loopback address: whoever reaches it can read and write without a password",
                file=sys.stderr,
            )
        stopped.wait()
        size = broker.size()
    print(f"stopped; it held {size.topics} topics, {size.records} records, {size.bytes} bytes", file=sys.stderr)


@kafka_app.command()
def topics(
    brokers: Brokers = None,
    kafka_config: Config = None,
    internal: Annotated[bool, typer.Option("--internal", help="Kafka's own topics, too")] = False,
    output: Annotated[ListFormat, typer.Option(help="format of the list")] = ListFormat.TEXT,
    debug: Debug = False,
) -> None:
    """List the topics of a cluster."""
    from velo_cli.kafka_output import topics_json, topics_text
    from velo_engine.connectors.kafka.cluster_view import ClusterView

    set_debug(debug)
    found = ClusterView(_cluster(brokers, kafka_config)).topics(internal=internal)
    print(topics_json(found) if output is ListFormat.JSON else topics_text(found))


@kafka_app.command()
def groups(
    group: Annotated[str | None, typer.Argument(help="how far this one is, by partition", show_default=False)] = None,
    brokers: Brokers = None,
    kafka_config: Config = None,
    output: Annotated[ListFormat, typer.Option(help="format of the list")] = ListFormat.TEXT,
    debug: Debug = False,
) -> None:
    """List the consumer groups of a cluster, or the offsets and the lag of one."""
    from velo_cli.kafka_output import groups_json, groups_text, offsets_json, offsets_text
    from velo_engine.connectors.kafka.cluster_view import ClusterView

    set_debug(debug)
    view = ClusterView(_cluster(brokers, kafka_config))
    if group is None:
        listed = view.groups()
        print(groups_json(listed) if output is ListFormat.JSON else groups_text(listed))
    else:
        offsets = view.group_offsets(group)
        print(offsets_json(offsets) if output is ListFormat.JSON else offsets_text(offsets))


@kafka_app.command()
def clean(
    brokers: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="only on this cluster", show_default=False)
    ] = None,
    kafka_config: Config = None,
    debug: Debug = False,
) -> None:
    """Delete the topics that test runs left on clusters when they crashed; their names go to stdout."""
    from velo_harness.kafka.cleaning import clean_left_topics

    set_debug(debug)
    done = clean_left_topics(brokers, kafka_config, os.environ)
    for one in done:
        for name in one.deleted:
            print(name)
        refused = f"; {len(one.left)} may not be deleted: {', '.join(one.left)}" if one.left else ""
        print(f"{one.bootstrap_servers}: {len(one.deleted)} topics deleted{refused}", file=sys.stderr)
    if not done:
        print("no run has left topics behind", file=sys.stderr)


class Beginning(StrEnum):
    """Where `tail` begins."""

    BEGINNING = "beginning"
    END = "end"


@kafka_app.command()
def tail(
    topic: Annotated[str, typer.Argument(help="the topic", show_default=False)],
    last: Annotated[int, typer.Option("--last", "-n", min=0, help="how many of the records that are there")] = 10,
    beginning: Annotated[
        Beginning | None, typer.Option("--from", help="all records that are there, or none of them", show_default=False)
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="go on with the records that come")] = False,
    count: Annotated[int | None, typer.Option(min=1, help="stop after so many records", show_default=False)] = None,
    form: Annotated[RecordFormat, typer.Option("--format", help="how a record is written")] = RecordFormat.JSON,
    brokers: Brokers = None,
    kafka_config: Config = None,
    debug: Debug = False,
) -> None:
    """Print records of a topic, one a line: the last ones, all, or those that come."""
    from velo_cli.kafka_output import record_bytes
    from velo_engine.connectors.kafka.cluster_view import ClusterView
    from velo_engine.connectors.kafka.tail import records_of

    set_debug(debug)
    cluster = _cluster(brokers, kafka_config)
    wanted = {Beginning.BEGINNING: None, Beginning.END: 0, None: last}[beginning]
    left = count
    view = ClusterView(cluster).topic(topic)
    stop = _interrupted()
    for messages in records_of(cluster, view, last=wanted, follow=follow, stop=stop):
        lines = [record_bytes(message, form, topic) + b"\n" for message in messages[:left]]
        try:
            sys.stdout.buffer.writelines(lines)
            sys.stdout.buffer.flush()
        except BrokenPipeError:  # whoever read has enough
            leave_stdout()
            return
        if left is not None:
            left -= len(lines)
            if left == 0:
                return
    if stop.is_set():
        raise KeyboardInterrupt


def _interrupted() -> threading.Event:
    """Set by the first Ctrl-C; the second one raises. What is raised while the Kafka client works, it would lose."""
    stop = threading.Event()

    def asked(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            signal.default_int_handler(number, frame)
        stop.set()

    signal.signal(signal.SIGINT, asked)
    return stop


def _cluster(brokers: str | None, config: Path | None) -> KafkaCluster:
    """The cluster that the command line, the file or the environment names. Errors: INFRASTRUCTURE_MISSING for none."""
    from velo_engine.connectors.kafka.client import cluster_from
    from velo_engine.errors import ErrorCode, VeloError

    cluster = cluster_from(brokers, config, os.environ)
    if cluster is None:
        raise VeloError(
            ErrorCode.INFRASTRUCTURE_MISSING,
            "no cluster is named",
            hint="give one with --brokers HOST:PORT, or set VELO_KAFKA_BOOTSTRAP_SERVERS",
        )
    return cluster


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

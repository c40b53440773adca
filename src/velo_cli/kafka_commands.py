"""`velo kafka`: brokers from the command line."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Annotated

import typer

from velo_cli.command_line import new_app, set_debug

kafka_app = new_app("Kafka: an embedded broker for tests.")


@kafka_app.callback()
def kafka() -> None:
    """Kafka: an embedded broker for tests."""


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


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

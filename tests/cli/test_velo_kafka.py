"""`velo kafka serve`: the embedded broker for other processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka.admin import AdminClient

from velo_harness.kafka.embedded import EmbeddedBroker


@contextmanager
def served(*options: str) -> Iterator[subprocess.Popen[str]]:
    program = "from velo_cli.velo import main; main()"
    command = [sys.executable, "-c", program, "kafka", "serve", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_address_and_serves_until_a_signal(number: signal.Signals) -> None:
    with served() as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        client = AdminClient({"bootstrap.servers": address})
        assert [f"{node.host}:{node.port}" for node in client.list_topics(timeout=20).brokers.values()] == [address]
        process.send_signal(number)
        rest, told = process.communicate(timeout=20)
    assert (process.returncode, rest) == (0, "")
    assert "test double: one node, no replication" in told
    assert "0 topics, 0 records, 0 bytes" in told
    assert "warning" not in told


def test_it_warns_where_others_can_reach_it() -> None:
    with served("--host", "0.0.0.0") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("0.0.0.0:")
        process.terminate()
        _, told = process.communicate(timeout=20)
    assert "warning: 0.0.0.0 is not a loopback address" in told


def test_a_port_that_is_taken_is_said(command) -> None:
    with EmbeddedBroker() as broker:
        ran = command("velo", "kafka", "serve", "--port", broker.bootstrap_servers.rpartition(":")[2])
    assert ran.code == 3
    assert "cannot listen on 127.0.0.1" in ran.err
    assert "hint: another port" in ran.err

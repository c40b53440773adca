"""A broker that stops gives back every socket, also of connections that it is just accepting."""

from __future__ import annotations

import contextlib
import gc
import socket
import sys
import threading

import pytest

from velo_harness.kafka.embedded.broker import EmbeddedBroker

STOPS = 5
CLIENTS = 3


def test_clients_that_connect_while_it_stops_leave_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()
    left_open: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: left_open.append(str(unraisable.exc_value)))
    for _ in range(STOPS):
        _stop_while_clients_connect()
    gc.collect()
    assert not left_open


def _stop_while_clients_connect() -> None:
    broker = EmbeddedBroker()
    broker.start()
    host, port = broker.bootstrap_servers.split(":")
    stopped = threading.Event()
    connected = threading.Barrier(CLIENTS + 1)

    def connect() -> None:
        connected.wait()
        while not stopped.is_set():
            with contextlib.suppress(OSError):
                socket.create_connection((host, int(port)), timeout=1).close()

    clients = [threading.Thread(target=connect) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    connected.wait()
    broker.stop()
    stopped.set()
    for client in clients:
        client.join()

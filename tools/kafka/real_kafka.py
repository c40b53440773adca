"""A real Apache Kafka on this machine: one process in KRaft mode, on loopback ports, without Docker.

    with RealKafka() as kafka:
        Producer({"bootstrap.servers": kafka.bootstrap_servers})

It answers after two to three seconds. Its storage and its port outlive the process, so `stop()` or `kill()` and then
`start()` make a broker that was gone for a while. Topics have Kafka's own defaults; what makes waiting short is set
below.
"""

from __future__ import annotations

import contextlib
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from tools.kafka.installation import KafkaMissingError, installation, java, why_unavailable

START_SECONDS = 60
"""How long the server may take until it answers, on a busy machine."""

STOP_SECONDS = 20
"""How long it may take to end when asked to; then it is killed."""

_PORTS = range(20_000, 32_000)
_LOGGING = Path(__file__).with_name("log4j2.properties")
# The server lives for seconds to minutes: the fast compiler and the plain collector start soonest.
_JVM_OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Dlog4j2.configurationFile={_LOGGING}")

_ONE_NODE = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
}
_SMALL = {
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "log.cleaner.dedupe.buffer.size": "2097152",
}
_SHORT_WAITS = {
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "200",
    # A killed server's registration keeps the next start out until its session ends.
    "broker.heartbeat.interval.ms": "200",
    "broker.session.timeout.ms": "2000",
    "controlled.shutdown.enable": "false",
}


class RealKafka:
    """One server, its ports and its storage; a context manager. Raises KafkaMissingError when it is not installed.

    `settings` are further server properties. Leaving the context ends the server and removes the storage.
    """

    start_seconds: float
    """How long the last start took, until the server answered."""

    def __init__(self, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        reason = why_unavailable()
        if reason:
            raise KafkaMissingError(reason)
        self._folder = Path(tempfile.mkdtemp(prefix="velo-kafka-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._port, controller_port = _free_ports()
        self._write_properties(controller_port, settings)
        self._format()

    def __enter__(self) -> RealKafka:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients; the same after a restart."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    @property
    def log(self) -> str:
        """The server's warnings and errors so far."""
        path = self._folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start the server on its storage and wait until it answers. Raises RuntimeError with the end of its log."""
        assert self._process is None, "the server runs already"
        began = time.monotonic()
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._properties)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # an interrupt from the keyboard is for the tests, which then stop the server
            )
        self._wait_until_it_answers(began + START_SECONDS)
        self.start_seconds = time.monotonic() - began

    def stop(self) -> None:
        """Ask the server to end, and wait for it. The storage stays for the next `start()`."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the server at once (SIGKILL). The storage stays as it is."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """End the server and remove its storage."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _properties(self) -> Path:
        return self._folder / "server.properties"

    def _write_properties(self, controller_port: int, settings: Mapping[str, str]) -> None:
        addresses = {
            "listeners": f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._port}",
            "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
            "log.dirs": str(self._folder / "data"),
        }
        properties = {**_ONE_NODE, **_SMALL, **_SHORT_WAITS, **settings, **addresses}
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))

    def _format(self) -> None:
        # Twenty-two characters of base64 are Kafka's form of an id; one that begins with a dash is taken for an option.
        cluster_id = secrets.token_hex(11)
        tool = ["kafka.tools.StorageTool", "format", "--cluster-id", cluster_id, "--config", str(self._properties)]
        done = subprocess.run(
            self._java(*tool), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise RuntimeError(f"Kafka's storage could not be made:\n{done.stdout[-2000:]}")

    def _java(self, *arguments: str) -> list[str]:
        return [java(), *_JVM_OPTIONS, "-cp", installation().class_path, *arguments]

    def _wait_until_it_answers(self, deadline: float) -> None:
        assert self._process is not None
        client = AdminClient(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "reconnect.backoff.ms": 50,
                "reconnect.backoff.max.ms": 200,
                "log_level": 0,
            }
        )
        while True:
            # A server that is not registered yet answers with an empty list of brokers.
            with contextlib.suppress(KafkaException):
                if client.list_topics(timeout=0.5).brokers:
                    return
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"Kafka did not start; the end of its log:\n{self.log[-3000:]}")

    def _end(self, by: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(by)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port that was free a moment ago, for a server that is stopped and comes back. See `_free_ports`."""
    with socket.socket() as listener:
        return _bind(listener)


def _free_ports() -> tuple[int, int]:
    """Two ports that were free a moment ago. Kafka cannot be given port 0: its own address is in its settings.

    They are below those that the system gives to outgoing connections: a client that keeps trying to reach a server
    which was stopped would sooner or later be given the server's own port, and the server could not come back.
    """
    with socket.socket() as first, socket.socket() as second:
        return _bind(first), _bind(second)


def _bind(listener: socket.socket) -> int:
    for port in random.sample(_PORTS, 100):
        with contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"no free port found from {_PORTS.start} to {_PORTS.stop - 1}")

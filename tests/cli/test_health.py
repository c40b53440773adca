"""`velo-test health`: what is here, what is not, and what to do about it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from velo_harness.health import NAMES
from velo_harness.kafka.embedded import EmbeddedBroker


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with nothing on its path and an empty cache."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("VELO_KAFKA_BOOTSTRAP_SERVERS", "SCHEMA_REGISTRY_URL", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("VELO_CACHE", str(tmp_path / "cache"))
    return programs


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def states(text: str) -> dict[str, str]:
    return {check["name"]: check["state"] for check in json.loads(text)["checks"]}


def test_a_bare_machine_is_well_enough(command) -> None:
    ran = command("velo-test", "health", "--output", "json")

    assert ran.code == 0
    found = states(ran.out)
    assert list(found) == list(NAMES)
    assert {name for name, state in found.items() if state == "ok"} >= {"python", "libraries", "kernel"}
    assert {found[name] for name in ("broker", "schema-registry", "docker", "java", "flink", "kafka")} == {"missing"}
    assert all(check["remedy"] for check in json.loads(ran.out)["checks"] if check["state"] == "missing")


def test_the_text_has_a_line_for_each_and_says_what_to_do(command) -> None:
    ran = command("velo-test", "health")
    lines = ran.out.splitlines()
    assert [line.split()[1] for line in lines if not line.startswith(" ")] == list(NAMES)
    assert "install Docker, or use --kafka embedded" in ran.out


@pytest.mark.parametrize("name", ["docker", "java", "flink"])
def test_what_is_required_and_missing_is_exit_code_3(command, name: str) -> None:
    ran = command("velo-test", "health", "--require", name)
    assert ran.code == 3
    assert "(required)" in ran.out


def test_an_unknown_requirement_is_wrong_input(command) -> None:
    assert command("velo-test", "health", "--require", "dockr").code == 2


def test_java_that_is_too_old_is_wrong(command, bare: Path) -> None:
    program(bare, "java", "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2")
    assert states(command("velo-test", "health", "--output", "json").out)["java"] == "wrong"
    program(bare, "java", "echo 'openjdk version \"21.0.1\" 2023-10-17' >&2")
    assert states(command("velo-test", "health", "--output", "json").out)["java"] == "ok"


def test_docker_without_a_daemon_is_wrong(command, bare: Path) -> None:
    program(bare, "docker", "echo Cannot connect >&2; exit 1")
    ran = command("velo-test", "health")
    assert "wrong    docker           no daemon: Cannot connect" in ran.out
    program(bare, "docker", "echo 27.1.1")
    assert "ok       docker           daemon 27.1.1" in command("velo-test", "health").out


def test_a_broker_that_answers_is_ok_and_one_that_does_not_is_exit_code_3(
    command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedBroker() as broker:
        ran = command("velo-test", "health", "--brokers", broker.bootstrap_servers, "--output", "json")
        assert (ran.code, states(ran.out)["broker"]) == (0, "ok")
    monkeypatch.setattr("velo_harness.health.TIMEOUT_S", 0.3)
    ran = command("velo-test", "health", "--brokers", "127.0.0.1:1", "--output", "json")
    assert (ran.code, states(ran.out)["broker"]) == (3, "wrong")


class Registry(BaseHTTPRequestHandler):
    """Answers `/subjects`."""

    def do_GET(self) -> None:
        body = b'["orders-value"]' if self.path == "/subjects" else b""
        self.send_response(200 if body else 404)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def registry() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Registry) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_registry_is_asked(command, registry: str) -> None:
    ran = command("velo-test", "health", "--schema-registry", registry)
    assert ran.code == 0
    assert "1 subjects" in ran.out
    ran = command("velo-test", "health", "--schema-registry", registry + "/elsewhere")
    assert ran.code == 3
    assert "404" in ran.out


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "file:///etc/passwd"])
def test_an_address_that_is_none_is_wrong(command, url: str) -> None:
    ran = command("velo-test", "health", "--schema-registry", url)
    assert ran.code == 3
    assert "wrong    schema-registry" in ran.out


def test_passwords_in_addresses_are_masked(command) -> None:
    ran = command("velo-test", "health", "--schema-registry", "http://me:hidden@127.0.0.1:1")
    assert "hidden" not in ran.out

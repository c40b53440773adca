"""Containers: what becomes of Docker's errors, what is reused and what is left. Docker itself is a stub here."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from velo_engine.errors import ErrorCode, ExitCode, VeloError

DOCKER_ERRORS = ("DockerException", "APIError", "ImageNotFound")


class Daemon:
    """A Docker daemon: what it answers, and what it was asked for."""

    def __init__(self) -> None:
        self.refuses_connections: Exception | None = None
        self.refuses_start: Exception | None = None
        self.running: list[dict[str, str]] = []
        """The labels of containers that run."""
        self.calls: list[str] = []
        self.created: list[Any] = []


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """testcontainers and docker as modules that talk to `Daemon`."""
    daemon = Daemon()

    class KafkaContainer:
        TC_START_SCRIPT = "/tc-start.sh"

        def __init__(self, image: str) -> None:
            if daemon.refuses_connections is not None:
                raise daemon.refuses_connections
            self.image = image
            self.listener_name = "PLAINTEXT"
            self.kraft_enabled = False
            self.boot_command = "configure confluent"
            self.env: dict[str, str] = {}
            self.kwargs: dict[str, Any] = {}
            self.files: dict[str, str] = {}
            self._container: Any = None
            daemon.created.append(self)

        def with_env(self, name: str, value: str) -> None:
            self.env[name] = value

        def with_kwargs(self, **kwargs: Any) -> None:
            self.kwargs = kwargs

        def get_docker_client(self) -> Any:
            def listed(filters: dict[str, str]) -> list[dict[str, str]]:
                name, _, value = filters["label"].partition("=")
                return [labels for labels in daemon.running if labels.get(name) == value]

            return SimpleNamespace(client=SimpleNamespace(containers=SimpleNamespace(list=listed)))

        def start(self, timeout: int) -> None:
            daemon.calls.append(f"start {self.image} within {timeout} s")
            if daemon.refuses_start is not None:
                raise daemon.refuses_start
            self._container = self.kwargs["labels"]
            daemon.running.append(self._container)
            self.tc_start()

        def tc_start(self) -> None:
            raise AssertionError("the script of Confluent's image is not used")

        def create_file(self, content: bytes, path: str) -> None:
            self.files[path] = content.decode()

        def get_bootstrap_server(self) -> str:
            return "docker:49153"

        def get_container_id(self) -> str:
            return "0123456789abcdef"

        def stop(self) -> None:
            daemon.calls.append(f"stop {self.image}")

    config = SimpleNamespace(ryuk_disabled=False)
    errors = ModuleType("docker.errors")
    for name in DOCKER_ERRORS:
        base = Exception if name == "DockerException" else errors.DockerException
        setattr(errors, name, type(name, (errors.APIError if name == "ImageNotFound" else base,), {}))
    modules = {
        "docker": ModuleType("docker"),
        "docker.errors": errors,
        "testcontainers": ModuleType("testcontainers"),
        "testcontainers.community": ModuleType("testcontainers.community"),
        "testcontainers.community.kafka": ModuleType("testcontainers.community.kafka"),
        "testcontainers.core": ModuleType("testcontainers.core"),
        "testcontainers.core.config": ModuleType("testcontainers.core.config"),
    }
    modules["testcontainers.community.kafka"].KafkaContainer = KafkaContainer
    modules["testcontainers.core.config"].testcontainers_config = config
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "velo_harness.kafka.kafka_container", raising=False)
    daemon.config = config
    daemon.errors = errors
    yield daemon
    sys.modules.pop("velo_harness.kafka.kafka_container", None)


def provider(**options: bool) -> Any:
    from velo_harness.kafka.containers import ContainerProvider

    return ContainerProvider("some/kafka:1", **options)


def refusal(daemon: Daemon) -> VeloError:
    with pytest.raises(VeloError) as refused:
        provider().start()
    assert refused.value.code is ErrorCode.INFRASTRUCTURE_MISSING
    assert refused.value.exit_code is ExitCode.NO_INFRASTRUCTURE
    assert "--kafka embedded" in refused.value.hint
    return refused.value


def test_without_a_daemon_the_message_says_what_to_do(daemon: Daemon) -> None:
    daemon.refuses_connections = daemon.errors.DockerException(
        "Error while fetching server API version: ('Connection aborted.', FileNotFoundError(2, 'No such file'))\nmore"
    )
    refused = refusal(daemon)
    assert refused.message.startswith("no Docker daemon answers: Error while fetching server API version")
    assert "\n" not in refused.message
    assert "start Docker, or set DOCKER_HOST" in refused.hint


def test_an_image_that_is_not_there_is_named(daemon: Daemon) -> None:
    daemon.refuses_start = daemon.errors.ImageNotFound("404 Client Error: pull access denied for some/kafka")
    refused = refusal(daemon)
    assert refused.message.startswith("the image some/kafka:1 is not there and cannot be pulled: 404")
    assert "docker pull some/kafka:1, or name another one with --kafka-image" in refused.hint
    assert daemon.calls[-1] == "stop some/kafka:1"


def test_a_registry_that_does_not_answer_is_about_the_image(daemon: Daemon) -> None:
    daemon.refuses_start = daemon.errors.APIError("500 Server Error for …/images/create?tag=1: lookup docker.io")
    assert refusal(daemon).message.startswith("the image some/kafka:1 is not there and cannot be pulled: 500")


def test_another_error_of_the_daemon_is_said_as_it_is(daemon: Daemon) -> None:
    daemon.refuses_start = daemon.errors.APIError("500 Server Error for …/start: port is already allocated")
    assert refusal(daemon).message.startswith("Docker does not start some/kafka:1: 500 Server Error")


def test_the_image_of_the_reaper_is_told_apart(daemon: Daemon) -> None:
    daemon.refuses_start = daemon.errors.ImageNotFound("404: no such image: testcontainers/ryuk:0.8.1")
    refused = refusal(daemon)
    assert "reaper" in refused.message
    assert "TESTCONTAINERS_RYUK_DISABLED=true" in refused.hint


def test_a_broker_that_does_not_come_up_is_removed(daemon: Daemon) -> None:
    daemon.refuses_start = TimeoutError("Log message not found")
    assert refusal(daemon).message == "Kafka in some/kafka:1 has not started after 120 s"
    assert daemon.calls == ["start some/kafka:1 within 120 s", "stop some/kafka:1"]


def test_a_daemon_that_goes_away_meanwhile_is_no_traceback(daemon: Daemon) -> None:
    daemon.refuses_start = ConnectionError("reset")
    assert refusal(daemon).message == "some/kafka:1 does not start: ConnectionError: reset"


def test_without_testcontainers_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "velo_harness.kafka.kafka_container", raising=False)
    monkeypatch.setitem(sys.modules, "testcontainers", None)
    monkeypatch.setitem(sys.modules, "testcontainers.community.kafka", None)
    with pytest.raises(VeloError) as refused:
        provider().start()
    assert refused.value.code is ErrorCode.INFRASTRUCTURE_MISSING
    assert refused.value.message.startswith("testcontainers is not installed")
    assert "pip install 'velostream[containers]'" in refused.value.hint


def test_a_container_is_started_and_removed(daemon: Daemon) -> None:
    started = provider()
    assert started.stays is None
    assert started.start().bootstrap_servers == "docker:49153"
    assert daemon.calls == ["start some/kafka:1 within 120 s"]
    started.stop()
    started.stop()
    assert daemon.calls == ["start some/kafka:1 within 120 s", "stop some/kafka:1"]
    assert not daemon.config.ryuk_disabled
    assert started.stays is None


def test_the_start_script_serves_images_of_apache_and_of_confluent(daemon: Daemon) -> None:
    provider().start()
    (container,) = daemon.created
    script = container.files["/tc-start.sh"]
    assert script.startswith("#!/bin/bash\n")
    assert "export KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://docker:49153,BROKER://$(hostname -i):9092\n" in script
    confluent, _, apache = script.partition("\nfi\n")
    assert "if [ -d /etc/confluent/docker ]; then\nconfigure confluent\n" in confluent
    assert confluent.endswith("exec /etc/confluent/docker/launch")
    assert apache == "exec /etc/kafka/docker/run\n"
    assert container.kraft_enabled
    assert container.env["KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR"] == "1"


def test_a_kept_container_stays_and_so_do_its_topics(daemon: Daemon) -> None:
    kept = provider(keep=True)
    assert kept.rules.kept
    kept.start()
    kept.stop()
    assert not any(call.startswith("stop") for call in daemon.calls)
    assert daemon.config.ryuk_disabled
    assert kept.stays == (
        "the container of some/kafka:1 stays, with Kafka at docker:49153; docker rm -f 0123456789ab removes it"
    )


def test_a_reused_container_is_found_by_its_image_and_stays(daemon: Daemon) -> None:
    for _ in range(2):
        reused = provider(reuse=True)
        assert reused.start().bootstrap_servers == "docker:49153"
        reused.stop()
    assert daemon.calls == ["start some/kafka:1 within 120 s"]
    assert not provider(reuse=True).rules.kept


def test_a_container_of_another_image_is_not_taken(daemon: Daemon) -> None:
    daemon.running.append({"velostream.kafka.image": "other/kafka:1"})
    provider(reuse=True).start()
    assert daemon.calls == ["start some/kafka:1 within 120 s"]


def test_without_reuse_a_running_container_is_not_taken(daemon: Daemon) -> None:
    daemon.running.append({"velostream.kafka.image": "some/kafka:1"})
    provider().start()
    assert daemon.calls == ["start some/kafka:1 within 120 s"]

"""Kafka in a container, by testcontainers and a Docker daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.errors import ErrorCode, VeloError
from velo_harness.kafka.providers import CONTAINERS, TopicRules

if TYPE_CHECKING:
    from velo_harness.kafka.kafka_container import SingleKafka

DEFAULT_IMAGE = "apache/kafka:4.1.0"
STARTUP_TIMEOUT_S = 120
_PULLING = "/images/create"
"""In the message of an error that Docker met while it pulled an image."""
_WITHOUT = "without Docker: --kafka embedded"


class ContainerProvider:
    """One broker in a container."""

    name = CONTAINERS

    def __init__(self, image: str, *, reuse: bool = False, keep: bool = False) -> None:
        """With `reuse` a container of an earlier run is taken when there is one, and stays for the next run.

        With `keep` the container and its topics stay.
        """
        self.image = image
        self.rules = TopicRules(kept=keep)
        self._reuse = reuse
        self._outlives = reuse or keep
        self.stays: str | None = None
        self._container: SingleKafka | None = None

    def start(self) -> KafkaCluster:
        """Starts the container, and gives its address once the broker is there.

        Raises VeloError INFRASTRUCTURE_MISSING: no testcontainers, no daemon, no image, a broker that does not start.
        """
        container = self._created()
        try:
            if not (self._reuse and container.adopt()):
                container.start(STARTUP_TIMEOUT_S)
            self._container = container
            address: str = container.get_bootstrap_server()
            if self._outlives:
                remove = f"docker rm -f {container.get_container_id()[:12]}"
                self.stays = f"the container of {self.image} stays, with Kafka at {address}; {remove} removes it"
            return KafkaCluster(address)
        except Exception as problem:
            if self._container is None:
                container.stop()
            raise self._not_started(problem) from problem

    def stop(self) -> None:
        """Removes the container, unless it stays."""
        container, self._container = self._container, None
        if container is not None and not self._outlives:
            container.stop()

    def _created(self) -> SingleKafka:
        """The container, not yet started."""
        try:
            from velo_harness.kafka.kafka_container import SingleKafka, outlive_the_process
        except ImportError as problem:
            message = f"testcontainers is not installed: {problem}"
            hint = f"pip install 'velostream[containers]'; {_WITHOUT}"
            raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, message, hint=hint) from None
        from docker.errors import DockerException

        if self._outlives:
            outlive_the_process()
        try:
            return SingleKafka(self.image)
        except DockerException as problem:
            message = f"no Docker daemon answers: {_first_line(problem)}"
            hint = f"start Docker, or set DOCKER_HOST to where it is; {_WITHOUT}"
            raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, message, hint=hint) from problem

    def _not_started(self, problem: Exception) -> VeloError:
        from docker.errors import APIError, DockerException, ImageNotFound

        text = _first_line(problem)
        hint: str | None = _WITHOUT
        match problem:
            case VeloError():
                return problem
            case ImageNotFound() | APIError() if "ryuk" in text:
                message = f"the image of testcontainers' reaper is not there: {text}"
                hint = f"docker pull it, or set TESTCONTAINERS_RYUK_DISABLED=true; {_WITHOUT}"
            case _ if isinstance(problem, ImageNotFound) or (isinstance(problem, APIError) and _PULLING in text):
                message = f"the image {self.image} is not there and cannot be pulled: {text}"
                hint = f"docker pull {self.image}, or name another one with --kafka-image; {_WITHOUT}"
            case APIError():
                message = f"Docker does not start {self.image}: {text}"
                hint = f"docker pull {self.image} says more; another one: --kafka-image; {_WITHOUT}"
            case TimeoutError():
                message = f"Kafka in {self.image} has not started after {STARTUP_TIMEOUT_S} s"
                hint = f"docker run {self.image} shows what it says; {_WITHOUT}"
            case DockerException():
                message = f"the Docker daemon does not answer: {text}"
            case _:
                message = f"{self.image} does not start: {type(problem).__name__}: {text}"
        return VeloError(ErrorCode.INFRASTRUCTURE_MISSING, message, hint=hint)


def _first_line(problem: Exception) -> str:
    return next(iter(str(problem).splitlines()), type(problem).__name__)

"""Apache Kafka in a container of testcontainers: the images of Apache and of Confluent, as one node in KRaft mode.

Importing this needs the extra `containers`. KafkaContainer knows the start scripts of Confluent's image only, so the
script that it puts into the container is another one here.
Source: the Kafka modules of Testcontainers for Python and Java; docker/README of Apache Kafka.
"""

from __future__ import annotations

from textwrap import dedent
from typing import Any

from testcontainers.community.kafka import KafkaContainer
from testcontainers.core.config import testcontainers_config

IMAGE_LABEL = "velostream.kafka.image"
"""On every container: the image, by which a later run finds it."""

_ONE_NODE = {
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
}
"""What has three replicas by default."""


class SingleKafka(KafkaContainer):  # type: ignore[misc]  # the extra may not be installed
    """One broker, which is its own controller."""

    def __init__(self, image: str) -> None:
        super().__init__(image)
        self.kraft_enabled = True  # with_kraft() takes the numbers of Confluent's versions only
        self.with_kwargs(labels={IMAGE_LABEL: image})
        for name, value in _ONE_NODE.items():
            self.with_env(name, value)

    def tc_start(self) -> None:
        """Puts the script into the container that starts the broker, now that its address is known."""
        address = f"{self.listener_name}://{self.get_bootstrap_server()}"
        script = dedent(
            f"""\
            #!/bin/bash
            export KAFKA_ADVERTISED_LISTENERS={address},BROKER://$(hostname -i):9092
            if [ -d /etc/confluent/docker ]; then
            {self.boot_command}
            . /etc/confluent/docker/bash-config
            /etc/confluent/docker/configure
            exec /etc/confluent/docker/launch
            fi
            exec /etc/kafka/docker/run
            """
        )
        self.create_file(script.encode(), self.TC_START_SCRIPT)

    def adopt(self) -> bool:
        """Takes over a container of an earlier run with this image; whether there is one."""
        found: list[Any] = self.get_docker_client().client.containers.list(
            filters={"label": f"{IMAGE_LABEL}={self.image}", "status": "running"}
        )
        if found:
            self._container = found[0]
        return bool(found)


def outlive_the_process() -> None:
    """Containers are not removed when this process ends (by Ryuk, testcontainers' reaper)."""
    testcontainers_config.ryuk_disabled = True

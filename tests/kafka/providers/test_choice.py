"""Which provider the command line, a file and the environment ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.kafka.containers import DEFAULT_IMAGE, ContainerProvider
from velo_harness.kafka.external import ExternalProvider
from velo_harness.kafka.providers import EmbeddedProvider, KafkaChoice, TopicRules, chosen_provider

ADDRESS = {"VELO_KAFKA_BOOTSTRAP_SERVERS": "env:9092"}


def external(choice: KafkaChoice, environment: dict[str, str]) -> ExternalProvider:
    provider = chosen_provider(choice, environment)
    assert isinstance(provider, ExternalProvider)
    return provider


@pytest.mark.parametrize(
    ("choice", "environment"),
    [
        (KafkaChoice(), {}),
        (KafkaChoice(), {"VELO_KAFKA_IMAGE": "mine", "VELO_KAFKA_SASL_PASSWORD": "x"}),
        (KafkaChoice(kafka="memory"), ADDRESS),
    ],
)
def test_nothing_said_or_memory_is_no_broker(choice: KafkaChoice, environment: dict[str, str]) -> None:
    assert chosen_provider(choice, environment) is None


def test_embedded_counts_before_the_environment() -> None:
    assert isinstance(chosen_provider(KafkaChoice(kafka="embedded"), ADDRESS), EmbeddedProvider)


@pytest.mark.parametrize("kafka", ["here:9092", "a:1,b:2", "[::1]:9092", "PLAINTEXT://here:9092", "10.0.0.1:9092"])
def test_an_address_is_a_cluster_that_others_use(kafka: str) -> None:
    provider = external(KafkaChoice(kafka=kafka), ADDRESS)
    assert provider._cluster.bootstrap_servers == kafka
    assert provider.rules == TopicRules(shared=True, kept=False)


def test_an_address_may_come_from_the_environment_or_from_the_file_and_so_do_properties(tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_text("bootstrap.servers=file:9092\nsasl.username=ann\nsasl.password=of the file\n")
    assert external(KafkaChoice(), ADDRESS)._cluster.bootstrap_servers == "env:9092"
    assert external(KafkaChoice(config_file=file), {})._cluster.bootstrap_servers == "file:9092"
    assert external(KafkaChoice(config_file=file), ADDRESS)._cluster.bootstrap_servers == "env:9092"
    secret = {"VELO_KAFKA_SASL_PASSWORD": "of the environment", "VELO_KAFKA_IMAGE": "no property"}
    cluster = external(KafkaChoice(kafka="line:9092", config_file=file), secret)._cluster
    assert cluster.bootstrap_servers == "line:9092"
    assert cluster.properties == {"sasl.username": "ann", "sasl.password": "of the environment"}


@pytest.mark.parametrize(
    "choice", [{"use_testcontainers": True}, {"reuse_containers": True}, {"keep_containers": True}]
)
def test_each_option_of_containers_asks_for_one(choice: dict[str, bool]) -> None:
    provider = chosen_provider(KafkaChoice(**choice), ADDRESS)
    assert isinstance(provider, ContainerProvider)
    assert provider.image == DEFAULT_IMAGE
    assert provider.rules == TopicRules(shared=False, kept="keep_containers" in choice)


def test_the_image_comes_from_the_command_line_then_from_the_environment() -> None:
    environment = {"VELO_KAFKA_IMAGE": "of the environment"}
    images = [
        getattr(chosen_provider(KafkaChoice(use_testcontainers=True, image=image), environment), "image", None)
        for image in (None, "of the line")
    ]
    assert images == ["of the environment", "of the line"]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (KafkaChoice(kafka="embedded", use_testcontainers=True), "both say where Kafka is"),
        (KafkaChoice(kafka="h:1", reuse_containers=True), "both say where Kafka is"),
        (KafkaChoice(image="x"), "--kafka-image has no effect"),
        (KafkaChoice(kafka="embedded", image="x"), "--kafka-image has no effect"),
        (KafkaChoice(kafka="embedded", config_file=Path("x")), "--kafka-config has no effect"),
        (KafkaChoice(kafka="memory", config_file=Path("x")), "--kafka-config has no effect"),
        (KafkaChoice(use_testcontainers=True, config_file=Path("x")), "--kafka-config has no effect"),
        (KafkaChoice(kafka="localhost"), "is not where a Kafka is"),
        (KafkaChoice(kafka="h:1,"), "is not where a Kafka is"),
        (KafkaChoice(kafka="h:port"), "is not where a Kafka is"),
    ],
)
def test_choices_that_mean_nothing_are_refused(choice: KafkaChoice, message: str) -> None:
    with pytest.raises(VeloError) as refused:
        chosen_provider(choice, {})
    assert refused.value.code is ErrorCode.BAD_VALUE
    assert message in refused.value.message
    assert refused.value.hint


def test_a_misspelt_word_is_corrected() -> None:
    with pytest.raises(VeloError) as refused:
        chosen_provider(KafkaChoice(kafka="embeded"), {})
    assert refused.value.hint == 'did you mean "embedded"?'


def test_a_file_without_an_address_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_text("sasl.username=ann\n")
    with pytest.raises(VeloError) as refused:
        chosen_provider(KafkaChoice(config_file=file), {})
    assert "does not say where Kafka is" in refused.value.message

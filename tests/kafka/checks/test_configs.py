"""Settings of topics: described, changed, obeyed."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tests.kafka.checks.cluster import PATIENCE, Cluster, eventually


def _described(cluster: Cluster, topic: str) -> dict[str, str | None]:
    (described,) = cluster.admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    return {name: entry.value for name, entry in described.result(PATIENCE).items()}


def _alter(cluster: Cluster, topic: str, name: str, value: str | None, operation: AlterConfigOpType) -> None:
    entry = ConfigEntry(name, value, incremental_operation=operation)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    (altered,) = cluster.admin.incremental_alter_configs([resource]).values()
    altered.result(PATIENCE)


def test_a_topic_has_the_settings_it_was_made_with(cluster: Cluster) -> None:
    topic = cluster.new_topic(config={"retention.ms": "12345", "cleanup.policy": "compact"})
    described = _described(cluster, topic)
    assert described["retention.ms"] == "12345"
    assert described["cleanup.policy"] == "compact"


def test_settings_that_were_not_given_have_kafkas_defaults(cluster: Cluster) -> None:
    described = _described(cluster, cluster.new_topic())
    assert described["cleanup.policy"] == "delete"
    assert described["message.timestamp.type"] == "CreateTime"
    assert described["max.message.bytes"] == "1048588"


def test_a_setting_of_a_topic_can_be_changed_and_others_stay(cluster: Cluster) -> None:
    topic = cluster.new_topic(config={"cleanup.policy": "compact"})
    _alter(cluster, topic, "retention.ms", "777", AlterConfigOpType.SET)
    eventually(lambda: _described(cluster, topic)["retention.ms"] == "777", "the change")
    assert _described(cluster, topic)["cleanup.policy"] == "compact"


def test_a_changed_setting_can_be_taken_back(cluster: Cluster) -> None:
    topic = cluster.new_topic(config={"cleanup.policy": "compact"})
    _alter(cluster, topic, "cleanup.policy", None, AlterConfigOpType.DELETE)
    eventually(lambda: _described(cluster, topic)["cleanup.policy"] == "delete", "the default")


def test_settings_of_a_topic_that_is_not_there_cannot_be_described(cluster: Cluster) -> None:
    with pytest.raises(KafkaException) as refusal:
        _described(cluster, "nowhere")
    assert refusal.value.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART

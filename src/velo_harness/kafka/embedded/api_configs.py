"""Requests that read and change settings of topics. The broker itself has none that could be changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from velo_harness.kafka.embedded.cluster import Cluster
from velo_harness.kafka.embedded.protocol import NO_REFUSAL, Api, ErrorNumber, KafkaError, refusal_of
from velo_harness.kafka.embedded.requests import Request
from velo_harness.kafka.embedded.topic_configs import SETTINGS, ConfigType, checked_configs
from velo_harness.kafka.embedded.topics import Topic
from velo_harness.kafka.embedded.wire import Reader, Writer

_TOPIC, _BROKER = 2, 4  # kinds of resources
_FROM_TOPIC, _FROM_DEFAULT = 1, 5  # sources of values
_SET, _DELETE, _APPEND, _SUBTRACT = range(4)


@dataclass(frozen=True, slots=True)
class _Resource:
    kind: int
    name: str


def describe_configs(cluster: Cluster, request: Request) -> None:
    """DescribeConfigs: every setting of a topic, or those asked for; none of the broker."""
    body = request.body
    wanted = body.array(lambda: (_read_resource(body), body.nullable_array(body.string)))
    synonyms = body.boolean()
    answer = request.writer().int32(0).array_length(len(wanted))
    for resource, keys in wanted:
        error, configs = NO_REFUSAL, dict[str, str | None]()
        try:
            configs = _described(cluster, resource, keys)
        except KafkaError as refused:
            error = refused
        answer.int16(error.number).string(error.message).int8(resource.kind).string(resource.name)
        answer.array_length(len(configs))
        for key, value in configs.items():
            _write_config(answer, key, value, synonyms=synonyms, version=request.version)
    request.reply(answer)


def _described(cluster: Cluster, resource: _Resource, keys: Sequence[str] | None) -> dict[str, str | None]:
    """Settings with what the topic sets; None where the default holds."""
    if resource.kind == _BROKER:
        return {}
    topic = _topic(cluster, resource)
    return {key: topic.configs.get(key) for key in SETTINGS if keys is None or key in keys}


def _write_config(answer: Writer, key: str, value: str | None, *, synonyms: bool, version: int) -> None:
    setting = SETTINGS[key]
    values = (
        [(setting.default, _FROM_DEFAULT)]
        if value is None
        else [(value, _FROM_TOPIC), (setting.default, _FROM_DEFAULT)]
    )
    shown, source = values[0]
    answer.string(key).string(shown).boolean(False).int8(source).boolean(False)
    answer.array_length(len(values) if synonyms else 0)
    if synonyms:
        for synonym, synonym_source in values:
            answer.string(key).string(synonym).int8(synonym_source)
    if version >= 3:
        answer.int8(setting.type).string(None)


def alter_configs(cluster: Cluster, request: Request) -> None:
    """AlterConfigs: replaces all settings of a topic."""
    body = request.body
    changes = body.array(
        lambda: (_read_resource(body), dict(body.array(lambda: (body.string(), body.nullable_string()))))
    )
    validate_only = body.boolean()
    answer = request.writer().int32(0).array_length(len(changes))
    for resource, configs in changes:
        error = refusal_of(_replace_configs, cluster, resource, configs, validate_only=validate_only)
        _write_outcome(answer, resource, error)
    request.reply(answer)


def incremental_alter_configs(cluster: Cluster, request: Request) -> None:
    """IncrementalAlterConfigs: changes single settings of a topic."""
    body = request.body
    changes = body.array(
        lambda: (_read_resource(body), body.array(lambda: (body.string(), body.int8(), body.nullable_string())))
    )
    validate_only = body.boolean()
    answer = request.writer().int32(0).array_length(len(changes))
    for resource, operations in changes:
        error = refusal_of(_change_configs, cluster, resource, operations, validate_only=validate_only)
        _write_outcome(answer, resource, error)
    request.reply(answer)


def _change_configs(
    cluster: Cluster, resource: _Resource, operations: Sequence[tuple[str, int, str | None]], *, validate_only: bool
) -> None:
    configs: dict[str, str | None] = {**_topic(cluster, resource).configs}
    for name, operation, value in operations:
        if name not in SETTINGS:
            raise KafkaError(ErrorNumber.INVALID_CONFIG, f"Unknown topic config name: {name}")
        configs[name] = _operated(name, configs.get(name), operation, value)
    _replace_configs(cluster, resource, configs, validate_only=validate_only)


def _operated(name: str, current: str | None, operation: int, value: str | None) -> str | None:
    if operation == _SET and value is not None:
        return value
    if operation == _DELETE:
        return None
    if operation in (_APPEND, _SUBTRACT) and SETTINGS[name].type is ConfigType.LIST and value is not None:
        given = value.split(",")
        items = [item for item in (current or SETTINGS[name].default).split(",") if item and item not in given]
        return ",".join(items + given if operation == _APPEND else items)
    raise KafkaError(ErrorNumber.INVALID_CONFIG, f"operation {operation} cannot be applied to {name}")


def _replace_configs(
    cluster: Cluster, resource: _Resource, configs: dict[str, str | None], *, validate_only: bool
) -> None:
    topic = _topic(cluster, resource)
    checked = checked_configs(configs)
    if not validate_only:
        topic.configure(checked)


def _topic(cluster: Cluster, resource: _Resource) -> Topic:
    if resource.kind != _TOPIC:
        raise KafkaError(ErrorNumber.INVALID_REQUEST, "only topics have settings here")
    return cluster.topics.topic(resource.name)


def _read_resource(body: Reader) -> _Resource:
    return _Resource(body.int8(), body.string())


def _write_outcome(answer: Writer, resource: _Resource, error: KafkaError) -> None:
    answer.int16(error.number).string(error.message).int8(resource.kind).string(resource.name)


HANDLERS = {
    Api.DESCRIBE_CONFIGS: describe_configs,
    Api.ALTER_CONFIGS: alter_configs,
    Api.INCREMENTAL_ALTER_CONFIGS: incremental_alter_configs,
}

"""Settings of topics: which exist, their defaults, which values are allowed, and what the broker does with them.

All settings are stored and reported. The broker acts on those that say which records it may take and which time they
get; it never deletes or compacts. Defaults are those of Apache Kafka 4, but for `retention.ms`: it says what happens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from velo_harness.kafka.embedded.protocol import ErrorNumber, KafkaError

_LONG_MAX = 2**63 - 1


class ConfigType(IntEnum):
    """Types of settings as DescribeConfigs numbers them."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    LONG = 5
    DOUBLE = 6
    LIST = 7


@dataclass(frozen=True, slots=True)
class _Setting:
    default: str
    type: ConfigType
    allowed: frozenset[str] | None = None
    """Values (of a list: items); None for any value of the type."""


def _choice(default: str, *others: str, type: ConfigType = ConfigType.STRING) -> _Setting:
    return _Setting(default, type, frozenset({default, *others}))


SETTINGS: dict[str, _Setting] = {
    "cleanup.policy": _choice("delete", "compact", type=ConfigType.LIST),
    "compression.gzip.level": _Setting("-1", ConfigType.INT),
    "compression.lz4.level": _Setting("9", ConfigType.INT),
    "compression.type": _choice("producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"),
    "compression.zstd.level": _Setting("3", ConfigType.INT),
    "delete.retention.ms": _Setting("86400000", ConfigType.LONG),
    "file.delete.delay.ms": _Setting("60000", ConfigType.LONG),
    "flush.messages": _Setting(str(_LONG_MAX), ConfigType.LONG),
    "flush.ms": _Setting(str(_LONG_MAX), ConfigType.LONG),
    "follower.replication.throttled.replicas": _Setting("", ConfigType.LIST),
    "index.interval.bytes": _Setting("4096", ConfigType.INT),
    "leader.replication.throttled.replicas": _Setting("", ConfigType.LIST),
    "local.retention.bytes": _Setting("-2", ConfigType.LONG),
    "local.retention.ms": _Setting("-2", ConfigType.LONG),
    "max.compaction.lag.ms": _Setting(str(_LONG_MAX), ConfigType.LONG),
    "max.message.bytes": _Setting("1048588", ConfigType.INT),
    "message.timestamp.after.max.ms": _Setting("3600000", ConfigType.LONG),
    "message.timestamp.before.max.ms": _Setting(str(_LONG_MAX), ConfigType.LONG),
    "message.timestamp.type": _choice("CreateTime", "LogAppendTime"),
    "min.cleanable.dirty.ratio": _Setting("0.5", ConfigType.DOUBLE),
    "min.compaction.lag.ms": _Setting("0", ConfigType.LONG),
    "min.insync.replicas": _Setting("1", ConfigType.INT),
    "preallocate": _choice("false", "true", type=ConfigType.BOOLEAN),
    "remote.storage.enable": _choice("false", "true", type=ConfigType.BOOLEAN),
    "retention.bytes": _Setting("-1", ConfigType.LONG),
    "retention.ms": _Setting("-1", ConfigType.LONG),
    "segment.bytes": _Setting("1073741824", ConfigType.INT),
    "segment.index.bytes": _Setting("10485760", ConfigType.INT),
    "segment.jitter.ms": _Setting("0", ConfigType.LONG),
    "segment.ms": _Setting("604800000", ConfigType.LONG),
    "unclean.leader.election.enable": _choice("false", "true", type=ConfigType.BOOLEAN),
}

_NUMBERS: dict[ConfigType, Callable[[str], object]] = {
    ConfigType.INT: int,
    ConfigType.LONG: int,
    ConfigType.DOUBLE: float,
}


@dataclass(frozen=True, slots=True)
class RecordRules:
    """What a topic's settings ask of its records."""

    max_batch_bytes: int
    max_ms_before_now: int
    max_ms_after_now: int
    append_time: bool
    """Whether records get the time of the broker."""
    keys_required: bool
    """Whether a record without a key is refused, as in compacted topics."""

    @property
    def looks_at_records(self) -> bool:
        """Whether a rule is about single records, beyond what the headers of batches say."""
        return self.keys_required or self.max_ms_before_now < _LONG_MAX

    @classmethod
    def of(cls, configs: Mapping[str, str]) -> RecordRules:
        """The rules that checked settings give."""

        def number(name: str) -> int:
            return int(configs.get(name, SETTINGS[name].default))

        return cls(
            max_batch_bytes=number("max.message.bytes"),
            max_ms_before_now=number("message.timestamp.before.max.ms"),
            max_ms_after_now=number("message.timestamp.after.max.ms"),
            append_time=configs.get("message.timestamp.type") == "LogAppendTime",
            keys_required="compact" in configs.get("cleanup.policy", ""),
        )


def checked_configs(configs: Mapping[str, str | None]) -> dict[str, str]:
    """The settings that have a value (null asks for the default). Raises KafkaError (INVALID_CONFIG)."""
    checked = {}
    for name, value in configs.items():
        setting = SETTINGS.get(name)
        if setting is None:
            raise KafkaError(ErrorNumber.INVALID_CONFIG, f"Unknown topic config name: {name}")
        if value is not None:
            _check(name, value, setting)
            checked[name] = value
    return checked


def _check(name: str, value: str, setting: _Setting) -> None:
    number = _NUMBERS.get(setting.type)
    wrong = False
    if number is not None:
        try:
            number(value)
        except ValueError:
            wrong = True
    elif setting.allowed is not None:
        values = value.split(",") if setting.type is ConfigType.LIST else [value]
        wrong = not setting.allowed.issuperset(v.strip() for v in values)
    if wrong:
        raise KafkaError(ErrorNumber.INVALID_CONFIG, f"Invalid value {value} for configuration {name}")

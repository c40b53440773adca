"""Options of Flink's tables to properties of sources and sinks.

A table of a system that is not reached becomes a topic: its rows are then those of the tests. What Flink's connector
takes and gives, the topic does: a table of changes by key is one of upserts, a log of rows is one of new rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from velo_engine.formats.base import PLANNED_FORMATS
from velo_engine.plan.sources import CHANGELOG_FORMATS
from velo_engine.sql.property_keys import PropertyKind, property_key
from velo_import.convert.secrets import SecretNames, is_secret, shown
from velo_import.mapped_text import with_defaults

_KEPT = frozenset({"kafka", "upsert-kafka", "print", "blackhole"})
_GENERATORS = frozenset({"datagen", "faker"})
_FILE_FORMATS = frozenset({"json", "csv", "parquet", "raw"})
_REGISTRY_URLS = ("avro-confluent.url", "avro-confluent.schema-registry.url", "schema.registry.url")
REGISTRY_VARIABLE = "SCHEMA_REGISTRY_URL"
"""Whose value the address of schema registries is, by default as the input has it."""
_LEGACY = {
    "connector.type": "connector",
    "connector.topic": "topic",
    "connector.path": "path",
    "connector.startup-mode": "scan.startup.mode",
    "connector.specific-offsets": "scan.startup.specific-offsets",
    "connector.startup-timestamp-millis": "scan.startup.timestamp-millis",
    "format.type": "format",
    "format.field-delimiter": "csv.field-delimiter",
    "format.fail-on-missing-field": "json.fail-on-missing-field",
    "format.ignore-parse-errors": "json.ignore-parse-errors",
    "connector.url": "url",
    "connector.table": "table-name",
    "connector.table-name": "table-name",
    "connector.username": "username",
    "connector.password": "password",
    "connector.driver": "driver",
    "connector.zookeeper.quorum": "zookeeper.quorum",
    "connector.hosts": "hosts",
    "connector.index": "index",
}
_LEGACY_PROPERTY = re.compile(r"connector\.properties\.(?:(?P<number>\d+)\.(?P<part>key|value)|(?P<name>.+))\Z")
_CHANGES = re.compile(r"-cdc\Z|binlog|logminer|changelog")


@dataclass(frozen=True, slots=True)
class ConvertedOptions:
    """What became of a table's options."""

    connector: str
    """Flink's; empty for a managed table."""
    properties: Mapping[str, str]
    """Of the converted table."""
    reason: str | None
    """Why a stand-in is there instead; None: the same system is read and written."""
    left_out: tuple[str, ...] = ()
    """Options without an effect here."""
    legacy: bool = False
    """Whether they were written as before Flink 1.11."""
    production: Mapping[str, str] = field(default_factory=dict)
    """As written, without secrets: `***`, or the variables that the converted table has."""
    secrets: tuple[str, ...] = ()
    """The variables of the converted table that stand for secrets."""


def modern_options(written: Mapping[str, str]) -> dict[str, str]:
    """Options as they are written since Flink 1.11. Source: the documentation of connectors of Flink 1.10."""
    if "connector.type" not in written:
        return dict(written)
    found: dict[str, str] = {}
    numbered: dict[str, dict[str, str]] = {}
    for key, value in written.items():
        match = _LEGACY_PROPERTY.match(key)
        if match is None:
            found[_LEGACY.get(key, key)] = value
        elif match["name"]:
            found[f"properties.{match['name']}"] = value
        else:
            numbered.setdefault(match["number"], {})[match["part"]] = value
    for pair in numbered.values():
        if "key" in pair:
            found[f"properties.{pair['key']}"] = pair.get("value", "")
    if found.get("connector") == "kafka" and written.get("update-mode") == "upsert":
        found["connector"] = "upsert-kafka"
    return found


def converted_options(
    written: Mapping[str, str],
    name: str,
    *,
    keyed: bool,
    looked_up: bool = False,
    secrets: SecretNames | None = None,
) -> ConvertedOptions:
    """The properties of the table `name`; `keyed`: it has a primary key; `looked_up`: a join asks it for rows;
    `secrets`: the job's names for them.
    """
    keyed = keyed and not looked_up
    options = modern_options(written)
    legacy = "connector.type" in written
    connector = options.get("connector", "").strip().casefold()
    reason = _reason(connector, options)
    if reason is not None or not connector:
        upserts, appends = options.get("changelog.mode") != "append", _appends(connector, options) and not looked_up
        properties = _stand_in(connector, name, keyed=keyed, upserts=upserts and not appends, appends=appends)
        return ConvertedOptions(connector, properties, reason, tuple(options), legacy, shown(written))
    names = SecretNames() if secrets is None else secrets
    production = shown(written) if legacy else names.referred(written)[0]
    options, variables = names.referred(options)
    kept: dict[str, str] = {}
    left_out = []
    for key, value in options.items():
        if key != "connector" and property_key(key).kind in (PropertyKind.WITHOUT_MEANING, PropertyKind.UNKNOWN):
            left_out.append(key)
        else:
            kept[key.replace(".schema-registry.", ".")] = _with_registry(
                key, with_defaults(value, is_secret=is_secret(key))
            )
    return ConvertedOptions(connector, kept, None, tuple(left_out), legacy, production, variables)


def _with_registry(key: str, value: str) -> str:
    """The value of an option; the address of a schema registry can be another one in tests."""
    if not key.endswith(_REGISTRY_URLS) or "${" in value or "}" in value:
        return value
    return f"${{{REGISTRY_VARIABLE}:{value}}}"


def _reason(connector: str, options: Mapping[str, str]) -> str | None:
    """Why the system of a table is not reached; None when it is, or when there is none."""
    if not connector or connector in ("print", "blackhole"):
        return None
    if connector in _GENERATORS:
        return f"{connector} makes rows: here a data schema with the same options does"
    if connector == "filesystem":
        return _reason_of_file(options)
    if connector not in _KEPT:
        return f"the connector {connector} is not reached: a topic stands for it in tests"
    if "topic-pattern" in options or ";" in options.get("topic", ""):
        return "several topics are one table: one topic stands for them in tests"
    form = options.get("value.format", options.get("format", ""))
    if form in PLANNED_FORMATS:
        return f"the format {form} is not read by this version: a topic in JSON stands for it in tests"
    return None


def _reason_of_file(options: Mapping[str, str]) -> str | None:
    path = options.get("path", "").removeprefix("file://")
    form = options.get("format", "")
    if form not in _FILE_FORMATS:
        return f"files of the format {form or '(none)'} are not read: a topic stands for them in tests"
    if "://" in path or path.startswith("/") or "${" in path or not path:
        return "the files are outside the project: a topic stands for them in tests"
    return None


def _appends(connector: str, options: Mapping[str, str]) -> bool:
    """Whether a sink that is not reached takes new rows only. Source: FileSystemTableSink.getChangelogMode."""
    return connector == "filesystem" and not options.get("format", "").casefold().startswith(CHANGELOG_FORMATS)


def _stand_in(connector: str, name: str, *, keyed: bool, upserts: bool, appends: bool) -> dict[str, str]:
    if keyed and connector not in _GENERATORS and upserts:
        return {"connector": "upsert-kafka", "topic": name, "key.format": "json", "value.format": "json"}
    if appends:  # a table of Flink's kafka refuses changes as these do
        return {"connector": "kafka", "topic": name, "format": "json", "scan.startup.mode": "earliest-offset"}
    return {"type": "kafka", "topic": name, "format": "json"}


def gives_changes(connector: str) -> bool:
    """Whether a table of this connector is read as a log of changes."""
    return _CHANGES.search(connector) is not None

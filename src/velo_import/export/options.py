"""Properties of sources and sinks as options of Flink's connectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from velo_engine.sql.property_keys import PropertyKind, property_key

_STARTS = {
    "earliest": "earliest-offset",
    "smallest": "earliest-offset",
    "beginning": "earliest-offset",
    "latest": "latest-offset",
    "largest": "latest-offset",
    "end": "latest-offset",
}
_FORMATS = {"json_lines": "json", "jsonl": "json", "string": "raw"}
_FILE_FORMATS = frozenset({"json", "csv", "parquet", "avro", "raw", "orc"})
_SAME = frozenset(
    {
        "topic",
        "topic-pattern",
        "format",
        "key.format",
        "key.fields-prefix",
        "value.fields-include",
        "scan.startup.mode",
        "scan.startup.timestamp-millis",
        "scan.startup.specific-offsets",
        "scan.bounded.mode",
        "scan.bounded.timestamp-millis",
        "scan.bounded.specific-offsets",
        "path",
    }
)
_PASSED = (
    *("json.", "csv.", "raw.", "avro.", "avro-confluent.", "protobuf.", "debezium-json.", "canal-json."),
    "properties.",
)
_SAID_OTHERWISE = frozenset({"type", "connector", "mode", "config_file", "delimiter", "header", "append", "watch"})
UNKNOWN_BROKERS = "localhost:9092"
"""What an option says of a cluster that the program does not name."""


@dataclass(frozen=True, slots=True)
class Use:
    """What a table is used for."""

    name: str
    reads: bool
    writes: bool
    upserts: bool
    """Whether its rows are the newest of their keys."""


@dataclass(frozen=True, slots=True)
class FlinkOptions:
    """WITH (…) of a table."""

    options: Mapping[str, str]
    left_out: tuple[str, ...] = ()
    """Properties that no option says."""
    remarks: tuple[str, ...] = ()
    """What differs."""
    knows_brokers: bool = True


@dataclass(frozen=True, slots=True)
class Brokers:
    """The cluster of topics."""

    given: str | None = None
    """Whatever the program says."""
    common: str | None = None
    """Of a table that says none: that of all sources, when they say the same."""

    def of(self, said: str | None) -> str | None:
        """That of a table; None when nobody says it."""
        return self.given or said or self.common


def flink_options(properties: Mapping[str, str], use: Use, *, brokers: Brokers) -> FlinkOptions:
    """The options of a table with these canonical properties (`velo_engine.sql.property_keys`)."""
    kind = properties.get("type", "file" if "path" in properties else "kafka")
    if kind == "file":
        return _file(properties, use)
    if kind in ("kafka", "topic", "table"):
        return _kafka(properties, use, brokers)
    kept = {key: value for key, value in properties.items() if key not in ("type", "connector", "mode")}
    return FlinkOptions({"connector": properties.get("connector", kind), **kept})


def _kafka(properties: Mapping[str, str], use: Use, brokers: Brokers) -> FlinkOptions:
    known, left_out = _known(properties, {"bootstrap.servers", "group.id", "auto.offset.reset", "key.field",
                                          "schema.registry.url"})  # fmt: skip
    form = _FORMATS.get(properties.get("format", "json"), properties.get("format", "json"))
    options = {"connector": "upsert-kafka" if use.upserts else "kafka", "topic": properties.get("topic", use.name)}
    servers = brokers.of(properties.get("bootstrap.servers"))
    options["properties.bootstrap.servers"] = servers or UNKNOWN_BROKERS
    if "group.id" in properties and use.reads:
        options["properties.group.id"] = properties["group.id"]
    if use.reads and not use.upserts:
        reset = properties.get("auto.offset.reset", "earliest").casefold()
        options["scan.startup.mode"] = properties.get("scan.startup.mode", _STARTS.get(reset, "earliest-offset"))
    if use.upserts:
        options |= {"key.format": properties.get("key.format", "json"), "value.format": form}
    elif "key.field" in properties:
        fields = ";".join(part.strip() for part in properties["key.field"].replace(",", ";").split(";"))
        options |= {"key.format": properties.get("key.format", "raw" if ";" not in fields else "json")}
        options |= {"key.fields": fields, "value.format": form}
    else:
        options["format"] = form
    if "schema.registry.url" in properties and form == "avro":
        key = "value.format" if "value.format" in options else "format"
        options[key] = "avro-confluent"
        prefix = "value.avro-confluent" if key == "value.format" else "avro-confluent"
        options[f"{prefix}.url"] = properties["schema.registry.url"]
    for key in known:
        options.setdefault(key if not _is_of_value(key, options) else f"value.{key}", properties[key])
    options.pop("format", None) if "value.format" in options else None
    return FlinkOptions(options, left_out, knows_brokers=servers is not None)


def _is_of_value(key: str, options: Mapping[str, str]) -> bool:
    return "value.format" in options and key.startswith(("json.", "csv.", "raw.", "avro."))


def _file(properties: Mapping[str, str], use: Use) -> FlinkOptions:
    known, left_out = _known(properties, set())
    form = properties.get("format") or _suffix(properties.get("path", ""))
    form = _FORMATS.get(form, form)
    remarks: list[str] = []
    if form not in _FILE_FORMATS:
        remarks.append(f"Flink's filesystem connector has no format {form}")
    options = {"connector": "filesystem", "path": properties.get("path", "").removeprefix("file://"), "format": form}
    if form == "csv":
        if "delimiter" in properties:
            options["csv.field-delimiter"] = properties["delimiter"]
        if use.reads and properties.get("header", "true").casefold() != "false":
            remarks.append("Flink reads the line of column names of a csv file as a row")
            options["csv.ignore-parse-errors"] = "true"
        elif use.writes and properties.get("header", "true").casefold() != "false":
            remarks.append("Flink writes no line of column names")
    if any(word in options["path"] for word in "*?[{"):
        remarks.append("Flink takes a folder, no pattern of files: name the folder and source.path.regex-pattern")
    for key in known:
        options.setdefault(key, properties[key])
    return FlinkOptions(options, left_out, tuple(remarks))


def _known(properties: Mapping[str, str], handled: set[str]) -> tuple[list[str], tuple[str, ...]]:
    """The properties that keep their name, and those that nothing says."""
    kept = [key for key in properties if key in _SAME or key.startswith(_PASSED)]
    rest = [k for k in properties if k not in kept and k not in handled and k not in _SAID_OTHERWISE]
    return kept, tuple(rest)


def _suffix(path: str) -> str:
    last = path.rpartition(".")[2].casefold()
    return last if last in (*_FILE_FORMATS, *_FORMATS) else "json"


_ONLY_HERE = (
    *("timestamp.format.", "timestamp.field", "event.time.", "watermark.", "allowed.lateness", "late.data"),
    *("json.decimal", "mode"),
)


def flinks_own(options: Mapping[str, str], *, reads: bool) -> tuple[dict[str, str], tuple[str, ...]]:
    """Options of a table that names Flink's connector, without those that only this engine knows; and these.

    A topic is read from its beginning unless it says otherwise, as it is here.
    """
    left_out = tuple(key for key in options if key.casefold().replace("_", ".").startswith(_ONLY_HERE))
    kept = {key: value for key, value in options.items() if key not in left_out}
    starts = "scan.startup.mode" in kept or "properties.group.id" in kept
    if reads and kept.get("connector") == "kafka" and not starts:
        kept["scan.startup.mode"] = "earliest-offset"
    return kept, left_out


_SETTINGS = {
    "state.ttl": "table.exec.state.ttl",
    "time.zone": "table.local-time-zone",
    "source.idle_timeout": "table.exec.source.idle-timeout",
    "checkpoint.interval": "execution.checkpointing.interval",
    "checkpoint.dir": "execution.checkpointing.dir",
    "job.name": "pipeline.name",
    "table.exec.sink.not-null-enforcer": "table.exec.sink.not-null-enforcer",
}


def flink_setting(key: str) -> tuple[str, str | None] | None:
    """The option of Flink that a property of the job is; a reason instead when there is none; None: nothing to say.

    The first part is the option, empty without one; the second why a property is left out.
    """
    found = property_key(key)
    if found.name == "emit.semantics":
        return None
    if found.name in _SETTINGS:
        return _SETTINGS[found.name], None
    if found.kind is PropertyKind.WITHOUT_MEANING:
        return key, None
    if found.name in ("failure_strategy", "job.enable_dlq", "job.dlq_max_size", "job.dlq_topic"):
        return "", "Flink has no dead letters: a record that cannot be read ends the job, unless its format ignores it"
    if found.name == "delivery.guarantee":
        return "", "it is an option of each sink of Flink's (sink.delivery-guarantee)"
    return "", "Flink has no such property of a job"

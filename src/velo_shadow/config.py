"""shadow_config.yaml: what is compared and how, read with its places."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_harness.keys import Fields, bad_value, read_object
from velo_harness.shadow_keys import SHADOW_CONFIG
from velo_harness.typed_values import parse_timestamp
from velo_harness.yaml_source import YamlNode, read_yaml
from velo_shadow.equality_text import parse_equalities
from velo_shadow.folding import Changelog
from velo_shadow.model import ColumnEquality

STARTS = ("earliest", "latest", "committed")
"""Where an input begins to be read, beside a time."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class TopicStream:
    """Records of a topic."""

    topic: str
    brokers: str
    format: str = "json"
    properties: Mapping[str, str] = field(default_factory=dict)
    """Of the Kafka client, variables replaced."""
    changelog: Changelog = Changelog.APPEND
    start: str = "earliest"
    """Where it is read from: `earliest`, `latest`, `committed` or an RFC 3339 time."""


@dataclass(frozen=True, slots=True)
class FileStream:
    """A file of rows.

    Of a retract or upsert stream each row has a column `op`: `+I`, `-U`, `+U` or `-D`, as Flink writes row kinds.
    """

    path: Path
    changelog: Changelog = Changelog.APPEND
    address: str = ""
    """Of what only Spark reads: a table of its catalogue or an address of a store; `path` then means nothing."""


Stream: TypeAlias = TopicStream | FileStream
HINT_OF_CONTROL = "a control is a second output of the same Flink job over the same input"


def same_stream(one: Stream, other: Stream) -> bool:
    """Whether both are the same topic or file, however their paths are written."""
    if isinstance(one, FileStream) and isinstance(other, FileStream) and not (one.address or other.address):
        return one.path.resolve() == other.path.resolve()
    return one == other


@dataclass(frozen=True, slots=True)
class ShadowInput:
    """What both jobs read."""

    source: str
    stream: Stream
    order: str | None = None
    """A column of a JSON file: as which of all inputs' rows a row came."""


@dataclass(frozen=True, slots=True)
class ShadowSink:
    """One output of the job."""

    name: str
    left: Stream
    """The reference, Flink's."""
    right: Stream | None
    """What is judged, ours; None: what the program gives over the files of its inputs."""
    key: tuple[str, ...]
    """Empty: the sides are bags of rows."""
    time_column: str | None
    equality: Mapping[str, ColumnEquality]
    """By column; others as `default_equality` of their type."""
    ignored: tuple[str, ...]
    grace_ms: int
    control: Stream | None
    location: Location = field(compare=False)


@dataclass(frozen=True, slots=True)
class ShadowConfig:
    """All that a comparison is told."""

    job: str
    program: Path | None
    inputs: tuple[ShadowInput, ...]
    sinks: tuple[ShadowSink, ...]
    warm_up_ms: int
    waivers: Path | None
    bound: float | None
    duration_ms: int | None
    """How long it runs at least; None: as long as its caller says."""
    least_rows: int
    memory_limit: str
    reports: tuple[Path, ...]
    state: Path | None = None
    """The folder of checkpoints; None: the caller's choice."""
    flink_api: str | None = None
    references: tuple[Stream, ...] = ()
    """All that Flink writes, also where a part of the sinks was chosen, or another topic given: our job keeps off."""


def load_shadow_config(
    path: Path, environment: Mapping[str, str] | None = None, *, brokers: str | None = None
) -> ShadowConfig:
    """The config in a file; its paths are relative to it. `environment` (the process's) gives `${NAME}` in properties,
    `brokers` stands in for the brokers that the file has at its top.

    Errors: FILE_NOT_FOUND, YAML_SYNTAX, UNKNOWN_KEY, MISSING_KEY, BAD_VALUE, each at its place.
    """
    given = os.environ if environment is None else environment
    return shadow_config_of(read_yaml(path), path.absolute().parent, given, brokers=brokers)


def shadow_config_of(
    node: YamlNode, folder: Path, environment: Mapping[str, str], *, brokers: str | None = None
) -> ShadowConfig:
    """The config that a tree says. Errors: as `load_shadow_config`."""
    fields = read_object(node, SHADOW_CONFIG)
    reading = _Reading(fields, folder, environment, brokers)
    verdict: Fields | None = fields["verdict"]
    bound = None if verdict is None or verdict["bound"] is None else float(verdict["bound"])
    return ShadowConfig(
        job=fields["job"],
        program=reading.path(fields["program"]),
        inputs=tuple(map(reading.input, fields["inputs"])),
        sinks=reading.sinks(),
        warm_up_ms=fields["warm_up"],
        waivers=reading.path(fields["waivers"]),
        bound=bound,
        duration_ms=None if verdict is None else verdict["duration"],
        least_rows=1 if verdict is None else int(verdict["least_rows"]),
        memory_limit=fields["memory_limit"],
        reports=tuple(folder / name for name in fields["report"]),
        state=reading.path(fields["state"]),
        flink_api=fields["flink_api"],
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """The parts of one config."""

    top: Fields
    folder: Path
    environment: Mapping[str, str]
    given_brokers: str | None
    """Instead of those at the top."""

    def path(self, text: str | None) -> Path | None:
        return None if text is None else self.folder / text

    def input(self, fields: Fields) -> ShadowInput:
        if fields["file"] is not None:
            self._refuse_beside_file(fields, ("topic", "brokers", "properties", "start"))
            return ShadowInput(fields["source"], FileStream(self.folder / fields["file"]), fields["order"])
        if fields["order"] is not None:
            raise bad_value('"order" is of files: a topic has an order of its own', fields.at("order"))
        topic = fields["topic"] or fields["source"]
        start = self._start(fields)
        stream = TopicStream(topic, self._brokers(fields), properties=self._properties(fields), start=start)
        return ShadowInput(fields["source"], stream)

    def _start(self, fields: Fields) -> str:
        start: str = fields["start"]
        if start not in STARTS and parse_timestamp(start) is None:
            hint = f"{', '.join(STARTS)}, or a time such as 2026-01-01T00:00:00Z"
            raise bad_value(f'"{start}" says nowhere to begin', fields.at("start"), hint=hint)
        return start

    def sinks(self) -> tuple[ShadowSink, ...]:
        found: dict[str, ShadowSink] = {}
        for fields in self.top["sinks"]:
            sink = self._sink(fields)
            if sink.name in found:
                raise bad_value(f'there are two sinks "{sink.name}"', fields.at("name"))
            found[sink.name] = sink
        return tuple(found.values())

    def _sink(self, fields: Fields) -> ShadowSink:
        left = self._stream(fields["left"])
        right = self._right(fields)
        if right is not None and same_stream(left, right):
            raise bad_value("the two sides are the same stream: nothing could differ", fields.at("right"))
        key: tuple[str, ...] = fields["key"] or ()
        ignored: tuple[str, ...] = fields["ignore"]
        for name in ignored:
            if name in (*key, fields["time_column"]) or name in fields["equal"]:
                message = f'"{name}" is ignored and used'
                raise bad_value(message, fields.place_within("ignore", name), hint="take one of both out")
        grace = self.top["grace"] if fields["grace"] is None else fields["grace"]
        control = None if fields["control"] is None else self._stream(fields["control"])
        for name, other in (("left", left), ("right", right)):
            if control is not None and other is not None and same_stream(control, other):
                message = f"the control and the {name} are the same stream"
                raise bad_value(message, fields.at("control"), hint=HINT_OF_CONTROL)
        return ShadowSink(
            fields["name"], left, right, key, fields["time_column"], _equality(fields), ignored, grace, control,
            fields.location,
        )  # fmt: skip

    def _right(self, fields: Fields) -> Stream | None:
        """What our job writes. A program over files gives it without anybody saying where."""
        if fields["right"] is not None:
            return self._stream(fields["right"])
        if self.top["program"] is not None and any(one["file"] is not None for one in self.top["inputs"]):
            return None
        message = 'a sink needs "right", unless a program gives it over files'
        hint = "name the topic or the file that our job writes, or give program and inputs with files"
        raise VeloError(ErrorCode.MISSING_KEY, message, location=fields.location, hint=hint)

    def _stream(self, fields: Fields) -> Stream:
        if fields["file"] is not None:
            self._refuse_beside_file(fields, ("topic", "brokers", "format", "properties", "start"))
            file: str = fields["file"]
            changelog = Changelog(fields["changelog"] or Changelog.APPEND)
            return FileStream(self.folder / file, changelog, file if "://" in file else "")
        if fields["topic"] is None:
            raise VeloError(ErrorCode.MISSING_KEY, 'a stream needs "topic" or "file"', location=fields.location)
        form: str = fields["format"]
        return TopicStream(
            fields["topic"],
            self._brokers(fields),
            form,
            self._properties(fields),
            Changelog(fields["changelog"]) if fields["changelog"] else changelog_of(form),
            self._start(fields),
        )

    def _refuse_beside_file(self, fields: Fields, names: Sequence[str]) -> None:
        other = next((name for name in names if fields.has(name)), None)
        if other is not None:
            raise bad_value(f'"{other}" has no effect beside "file"', fields.at(other))

    def _brokers(self, fields: Fields) -> str:
        brokers: str | None = fields["brokers"] or self.given_brokers or self.top["brokers"]
        if brokers is None:
            message = "nothing says where this topic is"
            hint = "give brokers here, or once at the top of the file"
            raise VeloError(ErrorCode.MISSING_KEY, message, location=fields.location, hint=hint)
        return brokers

    def _properties(self, fields: Fields) -> dict[str, str]:
        place = fields.at("properties")

        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name not in self.environment:
                raise bad_value(f"the environment has no {name}", place, hint=f"export {name}=…")
            return self.environment[name]

        return {name: _VARIABLE.sub(value, text) for name, text in fields["properties"].items()}


def changelog_of(form: str) -> Changelog:
    """What records of this format say when nobody tells."""
    return Changelog.DEBEZIUM if form.startswith("debezium") else Changelog.APPEND


def _equality(fields: Fields) -> dict[str, ColumnEquality]:
    found: dict[str, ColumnEquality] = {}
    for column, words in fields["equal"].items():
        try:
            found |= parse_equalities([f"{column}={','.join(words)}"])
        except VeloError as error:
            place = fields.place_within("equal", column)
            raise VeloError(error.code, error.message, location=place, hint=error.hint) from None
    return found

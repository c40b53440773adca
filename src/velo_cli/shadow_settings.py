"""What `velo shadow` is told: by flags alone, or by shadow_config.yaml and flags over it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from velo_engine.connectors.kafka.client import cluster_from
from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_shadow.config import (
    HINT_OF_CONTROL,
    FileStream,
    ShadowConfig,
    ShadowSink,
    Stream,
    TopicStream,
    load_shadow_config,
    same_stream,
)
from velo_shadow.equality_text import parse_equalities
from velo_shadow.folding import Changelog
from velo_shadow.model import DEFAULT_GRACE_MS
from velo_shadow.offline import MEMORY_LIMIT
from velo_shadow.sides.address import is_topic, parse_address

CONFIG = "shadow_config.yaml"
STATE = Path(".velo", "shadow")
"""Where a comparison of topics keeps its checkpoints, beside its config."""


DEFAULT_MASTER = "local[*]"
"""Spark on this machine, on all of its cores."""
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]i?B)", re.IGNORECASE)


class Engine(StrEnum):
    """What compares sides that have ended."""

    DUCKDB = "duckdb"
    """In this process."""
    SPARK = "spark"
    """Over many machines: for sides too large for one."""


@dataclass(frozen=True, slots=True)
class TwoSides:
    """Flags that say what is compared: they stand for a sink of a config."""

    left: str | None = None
    right: str | None = None
    control: str | None = None
    left_changelog: str | None = None
    right_changelog: str | None = None
    key: Sequence[str] = ()
    equal: Sequence[str] = ()
    ignore: Sequence[str] = ()
    time_column: str | None = None

    def given(self) -> list[str]:
        """The flags that were given."""
        values = {
            "--left": self.left, "--right": self.right, "--control": self.control, "--key": self.key,
            "--left-changelog": self.left_changelog, "--right-changelog": self.right_changelog,
            "--equal": self.equal, "--ignore": self.ignore, "--time-column": self.time_column,
        }  # fmt: skip
        return [flag for flag, value in values.items() if value]


@dataclass(frozen=True, slots=True)
class Overrides:
    """Flags that say how, with a config or without one. None and empty: what the config says."""

    grace_ms: int | None = None
    warm_up_ms: int | None = None
    waivers: Path | None = None
    bound: float | None = None
    duration_ms: int | None = None
    memory_limit: str | None = None
    reports: Sequence[Path] = ()
    state: Path | None = None
    flink_api: str | None = None
    brokers: str | None = None
    kafka_config: Path | None = None
    sinks: Sequence[str] = ()
    """Names of the sinks of the config that are compared; empty: all."""
    compare_topic: str | None = None
    """The address of what Flink writes, instead of the left of the one sink."""
    engine: str | None = None
    spark_master: str | None = None


def shadow_settings(
    target: Path | None, sides: TwoSides, overrides: Overrides, environment: Mapping[str, str] = os.environ
) -> ShadowConfig:
    """All that the comparison is told. `target` is a config, or a folder that has one.

    Errors: BAD_VALUE for flags that do not go together; FILE_NOT_FOUND; those of reading the config.
    """
    cluster = cluster_from(overrides.brokers, overrides.kafka_config, environment)
    brokers = None if cluster is None else cluster.bootstrap_servers
    if target is None:
        config = _of_flags(sides, overrides, brokers)
    else:
        _refuse_sides(sides)
        file = config_file(target)
        config = load_shadow_config(file, environment, brokers=brokers)
        references = tuple(one for sink in config.sinks for one in (sink.left, sink.control) if one is not None)
        config = _chosen(replace(config, references=references), overrides.sinks)
        if overrides.compare_topic is not None:
            config = _compared_with(config, overrides.compare_topic, brokers)
        if config.state is None:
            config = replace(config, state=file.absolute().parent / STATE)
    config = _overridden(config, overrides)
    memory_size(config.memory_limit)
    return config if cluster is None else _with_properties(config, cluster.properties)


def reads_topics(config: ShadowConfig) -> bool:
    """Whether any side is a topic."""
    streams = (stream for sink in config.sinks for stream in (sink.left, sink.right, sink.control))
    return any(isinstance(stream, TopicStream) for stream in streams)


def refuse_for_files(config: ShadowConfig, flags: Overrides, *, once: bool, fresh: bool) -> None:
    """Errors: BAD_VALUE for flags that are about topics where all sides are files, which have ended; for two that say
    when to end.
    """
    if once and flags.duration_ms is not None:
        hint = "--once ends where the topics end now: leave one of both out"
        raise VeloError(ErrorCode.BAD_VALUE, "--once and --duration say two things about the end", hint=hint)
    values = {
        "--once": once, "--fresh": fresh, "--duration": flags.duration_ms, "--grace": flags.grace_ms,
        "--warm-up": flags.warm_up_ms, "--state": flags.state, "--flink-api": flags.flink_api,
        "--brokers": flags.brokers, "--kafka-config": flags.kafka_config,
    }  # fmt: skip
    given = [flag for flag, value in values.items() if value not in (None, False)]
    if given and not reads_topics(config):
        message = f"{', '.join(given)}: about topics, and all sides are files"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint="leave it out: files are compared to their end")


def spark_master(config: ShadowConfig, flags: Overrides) -> str | None:
    """Where Spark is, which is to compare; None: this process compares.

    Errors: BAD_VALUE for an engine that is none, and what the chosen one does not do.
    """
    if flags.engine is not None and flags.engine not in tuple(Engine):
        hint = did_you_mean(flags.engine, list(Engine), noun="engine")
        raise VeloError(ErrorCode.BAD_VALUE, f'"{flags.engine}" is no engine', hint=hint)
    if flags.engine != Engine.SPARK:
        if flags.spark_master is not None:
            raise VeloError(ErrorCode.BAD_VALUE, "--spark-master has no effect", hint="give --engine spark")
        return None
    if reads_topics(config):
        message = "--engine spark compares files and tables, and a side is a topic"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint="leave it out: topics are compared in little memory")
    if flags.memory_limit is not None:
        hint = "Spark's own configuration has it: spark.driver.memory, spark.executor.memory"
        raise VeloError(ErrorCode.BAD_VALUE, "--memory-limit has no effect with --engine spark", hint=hint)
    return flags.spark_master or DEFAULT_MASTER


def memory_size(text: str) -> int:
    """Bytes of a size such as `192MB`. Errors: BAD_VALUE."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or not float(found[1]):
        raise VeloError(ErrorCode.BAD_VALUE, f'"{text}" is no size of memory', hint="write one such as 192MB or 1GB")
    unit = found[2].upper()
    thousand = 1024 if "I" in unit else 1000
    return int(float(found[1]) * thousand ** (1 + "KMGT".index(unit[0])))


def config_file(target: Path) -> Path:
    """The config that a path names: itself, in a folder, or beside a program. Errors: FILE_NOT_FOUND."""
    if target.suffix == ".sql":
        target = target.parent
    if not target.is_dir():
        if not target.exists():
            hint = did_you_mean(str(target), ("report", "explain"), noun="command")
            hint = hint or "velo shadow DIR, or velo shadow --left FILE --right FILE; velo shadow --help says more"
            raise VeloError(ErrorCode.FILE_NOT_FOUND, f'there is no folder and no config "{target}"', hint=hint)
        return target
    if not (target / CONFIG).is_file():
        jobs = sorted(file.parent.name for file in target.glob(f"*/{CONFIG}"))
        hint = f"it has folders with one: {', '.join(jobs[:5])}" if jobs else "velo import writes one for every job"
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f'the folder "{target}" has no {CONFIG}', hint=hint)
    return target / CONFIG


def names(texts: Sequence[str]) -> tuple[str, ...]:
    """The names in `a,b`, each trimmed."""
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


def _of_flags(sides: TwoSides, overrides: Overrides, brokers: str | None) -> ShadowConfig:
    """A config of one sink."""
    of_config = [f for f, v in {"--sink": overrides.sinks, "--compare-topic": overrides.compare_topic}.items() if v]
    if of_config:
        hint = f"name the folder that has {CONFIG}"
        raise VeloError(ErrorCode.BAD_VALUE, f"{of_config[0]} is about a config, and none is given", hint=hint)
    if sides.left is None or sides.right is None:
        lacking = "--left" if sides.left is None else "--right"
        hint = f"velo shadow --left FILE --right FILE, or velo shadow DIR with {CONFIG}; topics are kafka://NAME"
        raise VeloError(ErrorCode.BAD_VALUE, f"nothing says what is compared: {lacking} is missing", hint=hint)
    if sides.key and not names(sides.key):
        hint = "name its columns, or leave --key out: the sides are then compared as bags of rows"
        raise VeloError(ErrorCode.BAD_VALUE, "--key names no column", hint=hint)
    left, right = (
        _stream(sides.left, sides.left_changelog, brokers, overrides.engine),
        _stream(sides.right, sides.right_changelog, brokers, overrides.engine),
    )
    control = None
    if sides.control is not None:
        control = _stream(sides.control, sides.left_changelog, brokers, overrides.engine)
    if same_stream(left, right):
        message = "--left and --right are the same stream: nothing could differ"
        raise VeloError(ErrorCode.BAD_VALUE, message)
    for name, other in (("left", left), ("right", right)):
        if control is not None and same_stream(control, other):
            message = f"--control and --{name} are the same stream"
            raise VeloError(ErrorCode.BAD_VALUE, message, hint=HINT_OF_CONTROL)
    name = left.topic if isinstance(left, TopicStream) else left.path.stem
    sink = ShadowSink(
        name=name,
        left=left,
        right=right,
        key=names(sides.key),
        time_column=sides.time_column,
        equality=parse_equalities(sides.equal),
        ignored=names(sides.ignore),
        grace_ms=DEFAULT_GRACE_MS,
        control=control,
        location=Location("--left", 1),
    )
    return ShadowConfig(
        job=name,
        program=None,
        inputs=(),
        sinks=(sink,),
        warm_up_ms=0,
        waivers=None,
        bound=None,
        duration_ms=None,
        least_rows=1,
        memory_limit=MEMORY_LIMIT,
        reports=(),
    )


def _stream(text: str, changelog: str | None, brokers: str | None, engine: str | None) -> Stream:
    if engine == Engine.SPARK and "://" in text and not is_topic(text):
        stream: Stream = FileStream(Path(text), address=text)
    else:
        stream = parse_address(text, brokers=brokers)
    if changelog is None:
        return stream
    if changelog not in tuple(Changelog):
        hint = did_you_mean(changelog, list(Changelog), noun="changelog")
        raise VeloError(ErrorCode.BAD_VALUE, f'"{changelog}" is no kind of changelog', hint=hint)
    return replace(stream, changelog=Changelog(changelog))


def _refuse_sides(sides: TwoSides) -> None:
    given = sides.given()
    if given:
        message = f"{', '.join(given)}: with a config its sinks say what is compared"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint="write it into the config, or leave the config out")


def _chosen(config: ShadowConfig, wanted: Sequence[str]) -> ShadowConfig:
    known = {sink.name: sink for sink in config.sinks}
    for name in names(wanted):
        if name not in known:
            hint = did_you_mean(name, known, noun="sink")
            raise VeloError(ErrorCode.BAD_VALUE, f'the config has no sink "{name}"', hint=hint)
    chosen = tuple(sink for sink in config.sinks if not wanted or sink.name in names(wanted))
    return replace(config, sinks=chosen)


def _compared_with(config: ShadowConfig, address: str, brokers: str | None) -> ShadowConfig:
    """The one sink, whose output by Flink is at this address."""
    if not is_topic(address):
        hint = "write kafka://NAME, such as kafka://flink-output"
        raise VeloError(ErrorCode.BAD_VALUE, f'--compare-topic: "{address}" names no topic', hint=hint)
    if len(config.sinks) != 1:
        message = f"--compare-topic is about one sink, and the config has {len(config.sinks)}"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint="choose one with --sink NAME")
    (sink,) = config.sinks
    if not isinstance(sink.left, TopicStream):
        left = parse_address(address, brokers=brokers)
    else:
        # What the config says of the topic holds of the other one as well, but for what the address itself says.
        given = parse_address(address, brokers=brokers or sink.left.brokers)
        assert isinstance(given, TopicStream)
        plain = "?" not in address
        left = replace(sink.left, topic=given.topic, brokers=given.brokers) if plain else given
    if left == sink.right:
        message = f'--compare-topic: "{address}" is what our job writes: nothing could differ'
        raise VeloError(ErrorCode.BAD_VALUE, message, hint="name the topic that Flink writes")
    return replace(config, sinks=(replace(sink, left=left),))


def _overridden(config: ShadowConfig, flags: Overrides) -> ShadowConfig:
    grace = flags.grace_ms
    sinks = config.sinks if grace is None else tuple(replace(sink, grace_ms=grace) for sink in config.sinks)
    return replace(
        config,
        sinks=sinks,
        warm_up_ms=config.warm_up_ms if flags.warm_up_ms is None else flags.warm_up_ms,
        waivers=flags.waivers or config.waivers,
        bound=config.bound if flags.bound is None else flags.bound,
        duration_ms=config.duration_ms if flags.duration_ms is None else flags.duration_ms,
        memory_limit=flags.memory_limit or config.memory_limit,
        reports=tuple(flags.reports) or config.reports,
        state=flags.state or config.state,
        flink_api=flags.flink_api or config.flink_api,
    )


def _with_properties(config: ShadowConfig, properties: Mapping[str, str]) -> ShadowConfig:
    """The command line's client properties, under those that the config gives a topic."""

    def of(stream: Stream) -> Stream:
        if isinstance(stream, FileStream):
            return stream
        return replace(stream, properties={**properties, **stream.properties})

    sinks = tuple(
        replace(
            sink,
            left=of(sink.left),
            right=None if sink.right is None else of(sink.right),
            control=None if sink.control is None else of(sink.control),
        )
        for sink in config.sinks
    )
    inputs = tuple(replace(one, stream=of(one.stream)) for one in config.inputs)
    return replace(config, sinks=sinks, inputs=inputs)

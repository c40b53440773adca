"""The converted job beside Flink: it reads Flink's input and writes topics of its own, in a thread of this process.

Whatever the program says, nothing of Flink's is touched: a sink that is compared writes the topic that the config names
for it, every other sink writes nowhere, and no offset of Flink's consumer group is moved.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import msgspec

from velo_cli.shadow_program import ShadowProgram
from velo_engine import JobOptions
from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.source import KafkaSource
from velo_engine.connectors.kafka.start import Boundary, Place
from velo_engine.connectors.kafka.topic_admin import make_topic
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.nodes import PlannedProgram, PlannedStatement, SourceTable
from velo_engine.runtime.checkpoints import CheckpointFolder
from velo_engine.runtime.live_job import LiveJob, LiveOptions
from velo_engine.runtime.live_settings import live_settings
from velo_harness.typed_values import parse_timestamp
from velo_shadow.config import ShadowConfig, ShadowInput, ShadowSink, TopicStream
from velo_shadow.sides.sampling import UNDECODED, undecoded
from velo_shadow.stream.changes import Positions

_STARTS = {"earliest": "earliest-offset", "latest": "latest-offset"}
_OF_THE_PLACE = ("bootstrap.servers", "topic", "group.id", "auto.offset.reset", "partitions", "replication.factor")
"""Properties of a source or sink that the config has in place of the program."""
_FAMILIES = ("properties.", "scan.startup.", "scan.bounded.")
_BEGINNINGS = "right.json"
"""In the folder of the job: where its output begins in its topics."""


class JobBeside:
    """Our job on the topics of a config. Use it as a context: leaving stops it."""

    def __init__(self, config: ShadowConfig, program: ShadowProgram, folder: Path, *, once: bool, fresh: bool) -> None:
        """`folder` has its checkpoints; `once`: to the present ends of its inputs, without ending event time.

        Raises VeloError: BAD_VALUE for a config that would have it write over what Flink has; no broker; no such topic.
        """
        _refuse_flinks_topics(config)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._open = ExitStack()
        plan = _plan(config, program, once=once)
        settings = live_settings(plan.properties)
        self._folder = folder
        try:
            checkpoints = self._open.enter_context(CheckpointFolder(folder))
            self.beginnings = _beginnings(config, folder, fresh=fresh)
            self.job: LiveJob = program.engine.live_job(
                plan,
                name=f"{plan.properties.get('job.name', config.job)}-shadow",
                folder=checkpoints,
                live=LiveOptions(settings.interval_ms / 1000, fresh=fresh),
                # Flink's event time has not ended either.
                options=JobOptions(capture=False, unending=frozenset(plan.sources)),
            )
            self._open.callback(self.job.close)
            restored = self.job.start()
        except BaseException:
            self._open.close()
            raise
        self.goes_on = restored is not None
        """Whether it had run before. One that had not writes all of its output anew."""
        if self.goes_on:
            print("our job goes on from its checkpoint", file=sys.stderr)

    def run(self, stop: threading.Event) -> None:
        """Run it here, until its inputs end or `stop` is set. Errors: those of the job."""
        self.job.run(stop)

    def start(self, on_end: threading.Event) -> None:
        """Run it in a thread; `on_end` is set when it ends, by itself or by an error."""

        def work() -> None:
            try:
                self.job.run(self._stop)
            except BaseException as error:
                self._error = error
            finally:
                on_end.set()

        self._thread = threading.Thread(target=work, name="velo-shadow-job", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop it after its batch, with a last checkpoint. Errors: what ended it before."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._open.close()
        if self._error is not None:
            raise self._error

    def __enter__(self) -> JobBeside:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            self.close()
        except BaseException:
            if error is None:
                raise


def _refuse_flinks_topics(config: ShadowConfig) -> None:
    flinks = {place: f'what Flink writes for "{sink.name}"' for sink in config.sinks if (place := _place(sink.left))}
    flinks |= {place: f'an input, "{one.source}"' for one in config.inputs if (place := _place(one.stream))}
    for sink in config.sinks:
        if not isinstance(sink.right, TopicStream):
            message = f'the program runs on topics, and the right side of "{sink.name}" is none'
            hint = "name the topic that our job is to write: right: { topic: … }"
            raise VeloError(ErrorCode.BAD_VALUE, message, location=sink.location, hint=hint)
        found = flinks.get(_place(sink.right) or ("", ""))
        if found is not None:
            message = f'our job would write "{sink.name}" into {found}: the topic {sink.right.topic}'
            hint = f"give it one of its own: right: {{ topic: {sink.right.topic}-velo }}"
            raise VeloError(ErrorCode.BAD_VALUE, message, location=sink.location, hint=hint)


def _place(stream: object) -> tuple[str, str] | None:
    return (stream.brokers, stream.topic) if isinstance(stream, TopicStream) else None


def _plan(config: ShadowConfig, program: ShadowProgram, *, once: bool) -> PlannedProgram:
    """The program with the sources and sinks of the config."""
    inputs = {one.source: one for one in config.inputs}
    sources = {name: _source(source, inputs.get(name), once=once) for name, source in program.plan.sources.items()}
    sinks = {sink.name: sink for sink in config.sinks}
    statements = {name: _statement(one, sinks.get(name)) for name, one in program.plan.statements.items()}
    return replace(program.plan, sources=sources, statements=statements)


def _source(source: SourceTable, given: ShadowInput | None, *, once: bool) -> SourceTable:
    if given is None:
        if "path" in source.properties:
            return source
        message = f'the program reads "{source.name}", for which the config has no input'
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=f"inputs: - {{ source: {source.name}, topic: … }}")
    stream = given.stream
    if not isinstance(stream, TopicStream):
        message = f'the program runs on topics, and the input "{given.source}" is a file'
        raise VeloError(ErrorCode.BAD_VALUE, message, hint="name its topic")
    # A group would have its offsets moved, and this one is Flink's.
    client = {key: value for key, value in stream.properties.items() if key != "group.id"}
    group = stream.properties.get("group.id", source.properties.get("group.id"))
    properties = {
        **_without_place(source.properties),
        **_with_place(replace(stream, properties=client)),
        **_start(stream, group, given.source),
        **({"scan.bounded.mode": "latest-offset"} if once else {}),
    }
    return replace(source, properties=properties)


def _start(stream: TopicStream, group: str | None, source: str) -> dict[str, str]:
    """The properties by which the source starts there."""
    if stream.start in _STARTS:
        return {"scan.startup.mode": _STARTS[stream.start]}
    if stream.start == "committed":
        if group is None:
            message = f'the input "{source}" starts at what its group has committed, and it has no group'
            raise VeloError(ErrorCode.BAD_VALUE, message, hint="properties: { group.id: … }, or another start")
        offsets = committed_offsets(stream, group)
        written = ";".join(f"partition:{p},offset:{offset}" for p, offset in sorted(offsets.items()))
        return {"scan.startup.mode": "specific-offsets", "scan.startup.specific-offsets": written}
    time = parse_timestamp(stream.start)
    assert time is not None
    milliseconds = int(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1000)
    return {"scan.startup.mode": "timestamp", "scan.startup.timestamp-millis": str(milliseconds)}


def committed_offsets(stream: TopicStream, group: str) -> dict[int, int]:
    """Where the group stands, by partition; the earliest record where it has not committed. Moves nothing."""
    source = _reader(stream, Boundary(Place.GROUP), group)
    try:
        return {partition: offset for (_, partition), offset in source.positions().items()}
    finally:
        source.close()


def _reader(stream: TopicStream, start: Boundary, group: str | None = None) -> KafkaSource:
    client = {key: value for key, value in stream.properties.items() if key != "group.id"}
    cluster = KafkaCluster(stream.brokers, client)
    return KafkaSource(stream.topic, undecoded(), UNDECODED, cluster, start=start, group=group)


def _statement(statement: PlannedStatement, given: ShadowSink | None) -> PlannedStatement:
    """The statement, writing to the topic of the config, or nowhere."""
    sink = statement.sink
    if sink is None:
        if given is not None:
            message = f'"{given.name}" writes nowhere in the program'
            raise VeloError(ErrorCode.BAD_VALUE, message, location=given.location, hint="name a statement with a sink")
        return statement
    if given is None or not isinstance(given.right, TopicStream):
        return replace(statement, sink=replace(sink, properties={"type": "blackhole"}))
    properties = {**_without_place(sink.properties), **_with_place(given.right)}
    return replace(statement, sink=replace(sink, properties=properties))


def _without_place(properties: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in properties.items() if k not in _OF_THE_PLACE and not k.startswith(_FAMILIES)}


def _with_place(stream: TopicStream) -> dict[str, str]:
    client = {f"properties.{key}": value for key, value in stream.properties.items()}
    return {"type": "kafka", "topic": stream.topic, "bootstrap.servers": stream.brokers, **client}


def _beginnings(config: ShadowConfig, folder: Path, *, fresh: bool) -> dict[str, Positions]:
    """By sink where our output begins: at what the topics end with before our job first writes.

    The topics are made where they are not there, with as many partitions as Flink's. What an earlier job has left in
    them is not compared.
    """
    path = folder / _BEGINNINGS
    known: dict[str, dict[int, int]] = {}
    if not fresh and path.is_file() and (folder / "checkpoint").is_file():
        known = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[int, int]])
    for sink in config.sinks:
        if sink.name not in known:
            assert isinstance(sink.right, TopicStream)
            known[sink.name] = _ends(sink.right, _partitions(sink))
    made = path.with_suffix(".new")
    made.write_bytes(msgspec.json.encode(known))
    made.replace(path)
    return {
        sink.name: {(sink.right.topic, partition): offset for partition, offset in known[sink.name].items()}
        for sink in config.sinks
        if isinstance(sink.right, TopicStream)
    }


def _partitions(sink: ShadowSink) -> int:
    """How many partitions Flink's topic has; 1 where the left is none."""
    if not isinstance(sink.left, TopicStream):
        return 1
    source = _reader(sink.left, Boundary(Place.LATEST))
    try:
        return source.partitions
    finally:
        source.close()


def _ends(stream: TopicStream, partitions: int) -> dict[int, int]:
    make_topic(KafkaCluster(stream.brokers, stream.properties), stream.topic, partitions)
    source = _reader(stream, Boundary(Place.LATEST))
    try:
        return {partition: offset for (_, partition), offset in source.positions().items()}
    finally:
        source.close()

"""The converted job beside Flink: it reads Flink's input and writes topics of its own, in a thread of this process.

Whatever the program says, nothing of Flink's is touched: a sink that is compared writes the topic that the config names
for it, every other sink writes nowhere, and no offset of Flink's consumer group is moved.
"""

from __future__ import annotations

import sys
import threading
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import msgspec

from velo_cli.shadow_places import refuse_topics_of_others
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
from velo_harness.reports.shown_values import printable_lines
from velo_harness.typed_values import parse_timestamp
from velo_shadow.config import ShadowConfig, ShadowInput, ShadowSink, TopicStream
from velo_shadow.sides.sampling import UNDECODED, undecoded
from velo_shadow.sides.topic_side import client_settings
from velo_shadow.stream.changes import Positions

_OF_THE_PLACE = ("bootstrap.servers", "topic", "group.id", "auto.offset.reset", "partitions", "replication.factor")
"""Properties of a source or sink that the config has in place of the program."""
_FAMILIES = ("properties.", "scan.startup.", "scan.bounded.")
_BEGUN = "begun.json"


class _Begun(msgspec.Struct):
    """Where our job began, in its folder: a run that was killed before its first checkpoint begins there again."""

    name: str
    """Of the job. Another comparison has another: what it published is nothing to this one."""
    inputs: dict[str, dict[int, int]]
    """By source that does not begin at the earliest record or a time: the offset in each partition."""
    outputs: dict[str, dict[int, int]]
    """By sink what its topic ended with."""


class JobBeside:
    """Our job on the topics of a config. Use it as a context: leaving stops it."""

    def __init__(self, config: ShadowConfig, program: ShadowProgram, folder: Path, *, once: bool) -> None:
        """`folder` has its checkpoints; `once`: to the present ends of its inputs, without ending event time.

        Raises VeloError: BAD_VALUE for a config that would have it write over what Flink has; no broker; no such topic.
        """
        sinks = [statement.sink for statement in program.plan.statements.values() if statement.sink is not None]
        refuse_topics_of_others(config, {sink.properties.get("topic", sink.name) for sink in sinks})
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._open = ExitStack()
        try:
            checkpoints = self._open.enter_context(CheckpointFolder(folder))
            begun = _begun(config, program, folder)
            plan = _plan(config, program, begun, once=once)
            settings = live_settings(plan.properties)
            self.beginnings: Mapping[str, Positions] = {
                sink.name: {(sink.right.topic, partition): at for partition, at in begun.outputs[sink.name].items()}
                for sink in config.sinks
                if isinstance(sink.right, TopicStream)
            }
            """By sink where its topic ended before our job first wrote to it."""
            self.job: LiveJob = program.engine.live_job(
                plan,
                name=begun.name,
                folder=checkpoints,
                live=LiveOptions(settings.interval_ms / 1000),
                # Flink's event time has not ended either.
                options=JobOptions(capture=False, unending=frozenset(plan.sources)),
            )
            self._open.callback(self.job.close)
            restored = self.job.start()
        except BaseException:
            self._open.close()
            raise
        if restored is not None:
            print("our job goes on from its checkpoint", file=sys.stderr)

    def run(self, stop: threading.Event) -> None:
        """Run it here, until its inputs end or `stop` is set. Errors: those of the job."""
        result = self.job.run(stop)
        if result.dead_letter_count:
            records = f"{result.dead_letter_count:,} record{'s' * (result.dead_letter_count != 1)}"
            first = f"; the first: {result.dead_letters[0].reason}" if result.dead_letters else ""
            print(printable_lines(f"warning: our job could not use {records}{first}"), file=sys.stderr)

    def start(self, on_end: threading.Event) -> None:
        """Run it in a thread; `on_end` is set when it ends, by itself or by an error."""

        def work() -> None:
            try:
                self.run(self._stop)
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


def _plan(config: ShadowConfig, program: ShadowProgram, begun: _Begun, *, once: bool) -> PlannedProgram:
    """The program with the sources and sinks of the config."""
    inputs = {one.source: one for one in config.inputs}
    sources = {
        name: _source(source, inputs.get(name), begun.inputs.get(name), once=once)
        for name, source in program.plan.sources.items()
    }
    sinks = {sink.name: sink for sink in config.sinks}
    statements = {name: _statement(one, sinks.get(name)) for name, one in program.plan.statements.items()}
    return replace(program.plan, sources=sources, statements=statements)


def _source(
    source: SourceTable, given: ShadowInput | None, offsets: Mapping[int, int] | None, *, once: bool
) -> SourceTable:
    if given is None:
        if "path" in source.properties:
            return source
        message = f'the program reads "{source.name}", for which the config has no input'
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=f"inputs: - {{ source: {source.name}, topic: … }}")
    stream = given.stream
    if not isinstance(stream, TopicStream):
        message = f'the program runs on topics, and the input "{given.source}" is a file'
        raise VeloError(ErrorCode.BAD_VALUE, message, hint="name its topic")
    properties = {
        **_without_place(source.properties),
        **_with_place(stream),
        **_start(stream, offsets),
        **({"scan.bounded.mode": "latest-offset"} if once else {}),
    }
    return replace(source, properties=properties)


def _start(stream: TopicStream, offsets: Mapping[int, int] | None) -> dict[str, str]:
    """The properties by which a source starts there."""
    if offsets is not None:
        written = ";".join(f"partition:{partition},offset:{at}" for partition, at in sorted(offsets.items()))
        return {"scan.startup.mode": "specific-offsets", "scan.startup.specific-offsets": written}
    if stream.start == "earliest":
        return {"scan.startup.mode": "earliest-offset"}
    time = parse_timestamp(stream.start)
    assert time is not None
    milliseconds = int(time.replace(tzinfo=time.tzinfo or UTC).timestamp() * 1000)
    return {"scan.startup.mode": "timestamp", "scan.startup.timestamp-millis": str(milliseconds)}


def _begun(config: ShadowConfig, program: ShadowProgram, folder: Path) -> _Begun:
    """Where our job begins, or began. The topics of its output are made where they are not there, with as many
    partitions as Flink's; what an earlier job has left in them is not compared.
    """
    path = folder / _BEGUN
    if path.is_file():
        return msgspec.json.decode(path.read_bytes(), type=_Begun)
    inputs = {
        one.source: _first_offsets(one, program.plan.sources[one.source])
        for one in config.inputs
        if isinstance(one.stream, TopicStream) and one.stream.start in ("latest", "committed")
    }
    outputs = {s.name: _ends(s.right, _partitions(s)) for s in config.sinks if isinstance(s.right, TopicStream)}
    name = f"{program.plan.properties.get('job.name', config.job)}-shadow-{uuid.uuid4().hex[:8]}"
    begun = _Begun(name, inputs, outputs)
    made = path.with_suffix(".new")
    made.write_bytes(msgspec.json.encode(begun))
    made.replace(path)
    return begun


def _first_offsets(given: ShadowInput, source: SourceTable) -> dict[int, int]:
    """Where an input begins that starts at the latest record, or at what Flink's group has committed. Moves nothing."""
    stream = given.stream
    assert isinstance(stream, TopicStream)
    if stream.start == "latest":
        return _offsets(stream, Boundary(Place.LATEST))
    group = stream.properties.get("group.id", source.properties.get("group.id"))
    if group is None:
        message = f'the input "{given.source}" starts at what its group has committed, and it has no group'
        raise VeloError(ErrorCode.BAD_VALUE, message, hint="properties: { group.id: … }, or another start")
    return _offsets(stream, Boundary(Place.GROUP), group)


def _offsets(stream: TopicStream, place: Boundary, group: str | None = None) -> dict[int, int]:
    """The offset of a place in each partition of a topic."""
    source = _reader(stream, place, group)
    try:
        return {partition: offset for (_, partition), offset in source.positions().items()}
    finally:
        source.close()


def _reader(stream: TopicStream, start: Boundary, group: str | None = None) -> KafkaSource:
    cluster = KafkaCluster(stream.brokers, _client(stream))
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
    properties = {f"properties.{key}": value for key, value in _client(stream).items()}
    return {"type": "kafka", "topic": stream.topic, "bootstrap.servers": stream.brokers, **properties}


def _client(stream: TopicStream) -> dict[str, str]:
    """The client's properties, without a group: its offsets would be moved, and those of Flink's are Flink's."""
    return {key: value for key, value in client_settings(stream).items() if key != "group.id"}


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
    make_topic(KafkaCluster(stream.brokers, _client(stream)), stream.topic, partitions)
    return _offsets(stream, Boundary(Place.LATEST))

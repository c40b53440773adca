"""A cluster of logs in memory for jobs that go on, and crashes between any two steps of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from velo_engine import Engine, JobOptions
from velo_engine.connectors.record_sink import AppendSink, UpsertSink
from velo_engine.connectors.records import Records, RecordWriter
from velo_engine.connectors.source import Sink, SourceBatch, SourceFailure
from velo_engine.formats.base import open_format
from velo_engine.kernel import Kernel
from velo_engine.plan.nodes import PlannedStatement, SourceTable
from velo_engine.runtime.checkpoint_file import Checkpoint
from velo_engine.runtime.checkpoints import CheckpointFolder
from velo_engine.runtime.delivery import AtLeastOnce, Delivery, ExactlyOnce
from velo_engine.runtime.job import Job
from velo_engine.runtime.live_job import LiveJob, LiveOptions
from velo_engine.runtime.timeline import Clock, FixedClock
from velo_engine.schema import RowSchema

Place = tuple[str, int]


class Crash(BaseException):
    """The process is gone: nothing that would tidy up an error handles this one."""


@dataclass
class Cluster:
    """Logs by topic and partition, and what consumer groups and transactions have left behind."""

    logs: dict[Place, list[tuple[bytes | None, bytes | None]]] = field(default_factory=dict)
    """Key and value of each record."""
    epoch: int | None = None
    fenced: int = 0
    """How often a job has taken over from its predecessor."""
    offsets: dict[Place, int] = field(default_factory=dict)

    def fill(self, topic: str, partition: int, values: Iterable[bytes]) -> None:
        self.logs.setdefault((topic, partition), []).extend((None, value) for value in values)

    def add(self, records: Records) -> None:
        log = self.logs.setdefault((records.topic, 0), [])
        keys = records.keys if records.keys is not None else [None] * len(records)
        log.extend(zip(keys, records.values, strict=True))

    def values(self, topic: str) -> list[bytes | None]:
        return [value for _, value in self.logs.get((topic, 0), [])]


@dataclass
class Crashes:
    """Crashes when the countdown passes a point; counts the points passed."""

    left: int = 1_000_000
    passed: int = 0

    def point(self) -> None:
        self.passed += 1
        self.left -= 1
        if self.left < 0:
            raise Crash


@dataclass
class Time:
    """Seconds."""

    now: float = 0.0


class LogSource:
    """The records of a topic, partition after partition, `size` at a time; ends behind the last one.

    Every poll takes a second."""

    def __init__(self, cluster: Cluster, table: SourceTable, crashes: Crashes, size: int, time: Time) -> None:
        self.name = table.name
        self.schema: RowSchema = table.schema
        self.acknowledged: dict[Place, int] = {}
        self._cluster = cluster
        self._topic = table.properties["topic"]
        self._format = open_format("json", table.schema, {})
        self._crashes = crashes
        self._size = size
        self._next = {place: 0 for place in sorted(cluster.logs) if place[0] == self._topic}
        self._count = 0
        self._time = time

    @property
    def partitions(self) -> int:
        return len(self._next)

    @property
    def ended(self) -> bool:
        return self.lag() == 0

    def read(self, limit: int) -> SourceBatch | None:
        return self.poll(limit, 0)

    def poll(self, limit: int, timeout_s: float) -> SourceBatch | None:
        self._crashes.point()
        self._time.now += 1
        places = [place for place, at in self._next.items() if at < len(self._cluster.logs[place])]
        if not places:
            return None
        place = min(places, key=lambda place: (self._next[place], place))
        at = self._next[place]
        values = [value for _, value in self._cluster.logs[place][at : at + min(limit, self._size)]]
        self._next[place] += len(values)
        decoded = self._format.decode(values)
        order = np.arange(self._count, self._count + len(values))
        self._count += len(values)
        rows = decoded.positions
        return SourceBatch(
            table=decoded.table,
            partition=np.full(len(rows), place[1], np.int32),
            offset=at + rows,
            timestamp_ms=np.full(len(rows), -1, np.int64),
            order=order[rows],
            failures=tuple(
                SourceFailure(int(order[f.index]), place[1], at + f.index, f.reason, values[f.index] or b"")
                for f in decoded.failures
            ),
            keys=lambda: [None] * len(rows),
            headers=lambda: [()] * len(rows),
        )

    def positions(self) -> dict[Place, int]:
        return dict(self._next)

    def seek(self, positions: Mapping[Place, int]) -> None:
        self._next |= positions

    def acknowledge(self, positions: Mapping[Place, int]) -> None:
        self.acknowledged |= positions

    def lag(self) -> int:
        return sum(len(self._cluster.logs[place]) - at for place, at in self._next.items())

    def close(self) -> None:
        pass


class LogWriter:
    """Publishes at once, or, until it is flushed, perhaps not: a crash decides."""

    def __init__(self, cluster: Cluster, crashes: Crashes) -> None:
        self._cluster = cluster
        self._crashes = crashes
        self._waiting: list[Records] = []

    def write(self, records: Records) -> None:
        self._waiting.append(records)
        if len(self._waiting) > 1:
            self._cluster.add(self._waiting.pop(0))
        self._crashes.point()

    def listen(self) -> None:
        pass

    def flush(self) -> None:
        while self._waiting:
            self._cluster.add(self._waiting.pop(0))
            self._crashes.point()

    def close(self) -> None:
        pass


class LogTransactions:
    """All of a transaction, or nothing."""

    def __init__(self, cluster: Cluster, crashes: Crashes) -> None:
        self._cluster = cluster
        self._crashes = crashes

    def committed(self) -> int | None:
        return self._cluster.epoch

    def open(self) -> int | None:
        self._cluster.fenced += 1
        return self._cluster.epoch

    def publish(self, epoch: int, records: Iterable[Records], offsets: Mapping[Place, int]) -> None:
        pending = list(records)
        self._crashes.point()
        for part in pending:
            self._cluster.add(part)
        self._cluster.epoch = epoch
        self._cluster.offsets |= offsets
        self._crashes.point()

    def listen(self) -> None:
        pass

    def close(self) -> None:
        pass


class CrashingFolder(CheckpointFolder):
    """Crashes before and after a checkpoint is written."""

    def __init__(self, folder: Path, crashes: Crashes) -> None:
        super().__init__(folder)
        self._crashes = crashes

    def write(self, checkpoint: Checkpoint) -> int:
        self._crashes.point()
        size = super().write(checkpoint)
        self._crashes.point()
        return size


def live_job(
    sql: str,
    cluster: Cluster,
    folder: CheckpointFolder | None,
    *,
    exactly_once: bool,
    crashes: Crashes | None = None,
    options: LiveOptions | None = None,
    batch: int = 3,
    clock: Clock | None = None,
) -> LiveJob:
    """A job over `cluster`. A checkpoint is due after each round."""
    crashes = crashes or Crashes()
    engine = Engine()
    program = engine.plan(sql)
    sources: dict[str, LogSource] = {}
    time = Time()

    def acknowledge(positions: Mapping[str, Mapping[Place, int]]) -> None:
        for name, held in positions.items():
            sources[name].acknowledge(held)

    delivery: Delivery
    if exactly_once:
        delivery = ExactlyOnce(LogTransactions(cluster, crashes))
    else:
        delivery = AtLeastOnce(LogWriter(cluster, crashes), acknowledge)

    def open_source(table: SourceTable) -> LogSource:
        sources[table.name] = LogSource(cluster, table, crashes, batch, time)
        return sources[table.name]

    job = Job(
        program,
        tuple(program.statements),
        JobOptions(batch_size=batch, capture=False),
        Kernel(),
        open_source,
        lambda statement: _sink(statement, delivery.writer),
        clock or FixedClock(0),
    )
    return LiveJob(
        job,
        list(sources.values()),
        delivery,
        folder,
        options or LiveOptions(),
        batch_size=batch,
        monotonic_s=lambda: time.now,
    )


def _sink(statement: PlannedStatement, writer: RecordWriter) -> Sink | None:
    if statement.sink is None:
        return None
    properties, schema = statement.sink.properties, statement.plan.schema
    stream = UpsertSink if properties.get("mode") == "upsert" else AppendSink
    encoder = open_format("json", schema, properties)
    return stream(properties["topic"], encoder, schema, writer, key_columns=statement.sink.upsert_key)

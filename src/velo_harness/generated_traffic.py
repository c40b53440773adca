"""Generated records for a job that goes on: its topics on an embedded broker, filled by data schemas at a steady rate.

A source into which foreign keys of others point gets its rows once, at the start; all others get rows without end,
whose event times are those of the clock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import pyarrow as pa

from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.topic_admin import make_topic
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.nodes import PlannedProgram, SourceTable
from velo_harness.data_schema import DataSchema
from velo_harness.discovery import PathPolicy, find_schema
from velo_harness.event_times import event_time_columns
from velo_harness.generation.tables import TimePlan, generate
from velo_harness.input_order import in_reference_order, referenced_schemas
from velo_harness.kafka.embedded import EmbeddedBroker
from velo_harness.source_schemas import load_cached
from velo_harness.spec import TimeSimulation
from velo_harness.topic_inputs import RecordLayout, encoded, record_keys, written_properties

if TYPE_CHECKING:
    from confluent_kafka import Producer

BATCH_S = 0.25
"""Between two batches of a source, when its rate gives it a record in that time."""
REFERENCE_ROWS = 100
"""Of a source that others refer to."""


class GeneratedTraffic:
    """An embedded broker with the topics of a program, and a thread that fills those which it reads."""

    def __init__(self, rate: float, warn: Callable[[str], None]) -> None:
        """`rate`: records a second, of each source. `warn` hears why no more come."""
        self._rate, self._warn = rate, warn
        self._broker = EmbeddedBroker()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> KafkaCluster:
        self._broker.__enter__()
        return self.cluster

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._broker.__exit__(kind, error, trace)

    def feed(self, program: PlannedProgram, sql: Path) -> None:
        """Make the topics of a program, and fill those that it reads from now on. `sql` is its file.

        Errors: UNKNOWN_SCHEMA for a topic without a data schema; those of the schema and its format.
        """
        sources = {name: source for name, source in program.sources.items() if "path" not in source.properties}
        schemas = {name: _schema(name, sql) for name in sources}
        planned = (statement.sink for statement in program.statements.values())
        sinks = [s.properties.get("topic", s.name) for s in planned if s is not None and "path" not in s.properties]
        for topic in dict.fromkeys([*(_topic(source) for source in sources.values()), *sinks]):
            make_topic(self.cluster, topic, 1)
        feed = _Feed(sources, schemas, event_time_columns(program), self.cluster)
        feed.references()
        feed.batch(1)  # what cannot be made is told at once
        self._thread = threading.Thread(target=self._run, args=(feed,), name="velo traffic", daemon=True)
        self._thread.start()

    def _run(self, feed: _Feed) -> None:
        wait_s = max(BATCH_S, 1 / self._rate)
        due = 0.0
        while not self._stop.wait(wait_s):
            due += self._rate * wait_s
            try:
                feed.batch(int(due))
            except VeloError as problem:
                self._warn(f"no more records are generated: {problem}")
                return
            due -= int(due)

    @property
    def cluster(self) -> KafkaCluster:
        """The broker."""
        return KafkaCluster(self._broker.bootstrap_servers)


class _Feed:
    """Makes rows of every source and writes them to its topic."""

    def __init__(
        self,
        sources: Mapping[str, SourceTable],
        schemas: Mapping[str, DataSchema],
        event_times: Mapping[str, str],
        cluster: KafkaCluster,
    ) -> None:
        from confluent_kafka import Producer

        asked = {name: (schema, None) for name, schema in schemas.items()}
        self._sources, self._schemas, self._event_times = sources, schemas, event_times
        pointed = {schema for one in schemas.values() for schema in referenced_schemas(one, None)}
        self._fixed = [n for n in in_reference_order(asked) if n in pointed or schemas[n].name in pointed]
        self._streams = [name for name in sources if name not in self._fixed]
        self._tables: dict[str, pa.Table] = {}
        self._producer: Producer = Producer({"bootstrap.servers": cluster.bootstrap_servers, "log_level": 0})
        self._seed = 0

    def references(self) -> None:
        """Write the rows that others refer to."""
        for name in self._fixed:
            table = self._written(name, REFERENCE_ROWS)
            self._tables |= {name: table, self._schemas[name].name: table}

    def batch(self, records: int) -> None:
        """Write so many rows of every other source."""
        for name in self._streams if records else ():
            self._written(name, records)
        self._producer.poll(0)

    def _written(self, name: str, records: int) -> pa.Table:
        schema, source, now = self._schemas[name], self._sources[name], datetime.now(UTC)
        self._seed += 1
        table = generate(
            schema,
            records=records,
            seed=self._seed,
            now=now,
            name=name,
            references={n: t for n, t in self._tables.items() if n in referenced_schemas(schema, None)},
            event_times=self._times(name, now),
        )
        properties = written_properties(source.properties)
        layout = RecordLayout(_topic(source), 1, schema.key_field, None, properties, -1)
        keys = record_keys(table, schema.row_schema(), layout) or [None] * records
        for key, value in zip(keys, encoded(table, schema.row_schema(), layout), strict=True):
            self._producer.produce(layout.topic, value, key)
        return table

    def _times(self, name: str, now: datetime) -> TimePlan | None:
        """Event times of this moment, one after the other; None for a source without."""
        if name not in self._event_times:
            return None
        start, end = (time.isoformat(timespec="milliseconds") for time in (now - timedelta(seconds=BATCH_S), now))
        return TimePlan(TimeSimulation(start_time=start, end_time=end), self._event_times[name])


def _topic(source: SourceTable) -> str:
    return source.properties.get("topic", source.name)


def _schema(name: str, sql: Path) -> DataSchema:
    """Errors: UNKNOWN_SCHEMA."""
    path = find_schema(name, sql.absolute().parent, PathPolicy.for_file(sql))
    if path is None:
        raise VeloError(
            ErrorCode.UNKNOWN_SCHEMA,
            f'no data schema says what rows of "{name}" are',
            hint=f"write schemas/{name}.schema.yaml, or let velo-test infer-schema or velo import write it",
        )
    return load_cached(path)

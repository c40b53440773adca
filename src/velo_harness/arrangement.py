"""Where the records of a run stand: their order, their partitions, and the ticks of the clock between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from velo_engine import TopicInput
from velo_engine.batch import Int64s
from velo_engine.plan.nodes import PlannedProgram, SourceTable
from velo_engine.runtime.timeline import Tick
from velo_engine.schema import RowSchema
from velo_engine.sql.program import Warning
from velo_engine.types import TypeName
from velo_harness.event_times import event_time_columns, event_time_types
from velo_harness.faults.fates import RunFaults, placed
from velo_harness.faults.injection import FaultyRecords, inject
from velo_harness.keys import bad_value
from velo_harness.settings import RunSettings
from velo_harness.spec import Input, Query, Spec, TimelineAction, TimelineEntry
from velo_harness.timelines import InputFlow, partitions_said, scheduled
from velo_harness.topic_inputs import Placing, RecordLayout, topic_of


@dataclass(frozen=True, slots=True)
class StreamRecords:
    """The records of one input, not yet in a topic."""

    layout: RecordLayout
    values: Sequence[bytes]
    rows: pa.Table
    """Those of the values, unless some do not decode."""
    schema: RowSchema


@dataclass(frozen=True, slots=True)
class Arranged:
    """What the job reads, and what happens meanwhile."""

    topics: Mapping[str, TopicInput]
    records: Mapping[str, int]
    """By source how many there are."""
    ticks: tuple[Tick, ...]
    """Processing times are after the start."""
    paced: bool
    """The ticks are waited for in reality."""
    faults: RunFaults | None
    notes: tuple[Warning, ...]
    """Faults that have no effect."""


class Arrangement:
    """Arranges the inputs of one query."""

    def __init__(self, spec: Spec, query: Query, settings: RunSettings, seed: int, program: PlannedProgram) -> None:
        self._spec = spec
        self._query = query
        self._settings = settings
        self._seed = seed
        self._time_types = event_time_types(program)
        self._time_columns = event_time_columns(program)

    def of(
        self, streams: Mapping[str, StreamRecords], given: Mapping[str, Input], sources: Mapping[str, SourceTable]
    ) -> Arranged:
        """The inputs in their order. Errors: BAD_VALUE for entries of a timeline that have no effect."""
        for name, one in given.items():
            if one.timeline is not None and name in sources:
                self._check_timeline(name, one, is_stream=name in streams)
        faulty = {name: self._with_faults(name, records, given.get(name)) for name, records in streams.items()}
        plan = scheduled(
            [self._flow(records, given.get(name)) for name, records in faulty.items()], self._event_time_ms
        )
        topics = {}
        for name, records in faulty.items():
            timeline = given[name].timeline if name in given else None
            start_ms = records.layout.timestamp_ms
            placing = Placing(
                plan.sequences[name],
                plan.moments_ms[name] + start_ms if plan.ticks and start_ms >= 0 else None,
                None if timeline is None else partitions_said(timeline),
            )
            topics[name] = topic_of(records.values, records.rows, records.schema, records.layout, placing)
        counts = {name: len(records.values) for name, records in faulty.items()}
        faults = self._injected(faulty, topics, plan.sequences)
        notes = tuple(note for records in faulty.values() for note in records.notes)
        return Arranged(topics, counts, plan.ticks, self._is_paced and bool(plan.ticks), faults, notes)

    def _with_faults(self, name: str, records: StreamRecords, given: Input | None) -> FaultyRecords:
        found = FaultyRecords(name, records.layout, records.values, records.rows, records.schema)
        wanted = self._query.faults
        if wanted is not None:
            seed = self._seed if wanted.seed is None else wanted.seed
            scripted = given is not None and given.timeline is not None
            inject(found, wanted, seed, self._time_columns.get(name), scripted=scripted)
        return found

    def _injected(
        self, records: Mapping[str, FaultyRecords], topics: Mapping[str, TopicInput], sequences: Mapping[str, Int64s]
    ) -> RunFaults | None:
        wanted = self._query.faults
        if wanted is None:
            return None
        if wanted.hits_records and not records:
            message = f'fault_injection has no effect: no input of "{self._query.name}" comes through a topic'
            raise bad_value(message, wanted.location, hint="give the rows of a source in the spec, or generate them")
        found = (placed(name, one.hit, topics[name].topic, sequences[name]) for name, one in records.items())
        return RunFaults(wanted, tuple(found))

    @property
    def _is_paced(self) -> bool:
        return self._spec.now is None or self._settings.realtime

    def _flow(self, records: FaultyRecords, given: Input | None) -> InputFlow:
        count = len(records.values)
        timeline = None if given is None else given.timeline
        rate = given.rate_per_second if given is not None and self._is_paced else None
        return InputFlow(records.source, count, timeline, None if rate is None else float(rate), records.delays_ms)

    def _check_timeline(self, name: str, given: Input, *, is_stream: bool) -> None:
        assert given.timeline is not None
        if not is_stream:
            place = given.key_locations["timeline"]
            raise bad_value(f"{name} is looked up as a table: it has no timeline", place, hint="give its rows")
        for entry in given.timeline:
            if entry.action in (TimelineAction.WATERMARK, TimelineAction.IDLE) and name not in self._time_types:
                message = f"{entry.action} has no effect: no query that runs here has event time from {name}"
                raise bad_value(message, entry.location, hint="say it in the SQL: WATERMARK FOR …, event.time.field")
            if entry.action is TimelineAction.ADVANCE and self._spec.now is None:
                message = "nobody can advance the real clock, which now: wall asks for"
                raise bad_value(message, entry.location, hint="wait: lets time pass")

    def _event_time_ms(self, source: str, entry: TimelineEntry) -> int:
        """The time of a watermark as the event time of the source counts it."""
        from velo_harness.generation.times import instant

        assert entry.watermark is not None
        now, zone = self._spec.now or datetime.now(UTC), self._spec.zone
        ms = instant(entry.watermark, now, zone, entry.location) // 1000
        if zone is None or self._time_types[source].name is TypeName.TIMESTAMP_LTZ:
            return ms
        local = datetime.fromtimestamp(ms / 1000, zone).replace(tzinfo=UTC)
        return round(local.timestamp() * 1000)

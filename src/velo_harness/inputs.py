"""What each source of a query reads in a run: literal rows, a file, generated rows, or the output of another query."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias

import pyarrow as pa

from velo_engine import JobOptions, TableInput, TopicInput
from velo_engine.errors import nearest
from velo_engine.formats import open_format
from velo_engine.plan.nodes import SourceKind, SourceTable
from velo_engine.runtime.open_connector import with_schema_files
from velo_engine.runtime.timeline import Tick
from velo_engine.sql.program import Warning
from velo_harness import data_files
from velo_harness.arrangement import Arrangement, StreamRecords
from velo_harness.assertions.operands import resolved_row
from velo_harness.data_schema import DataSchema
from velo_harness.faults.fates import RunFaults
from velo_harness.input_order import in_reference_order, referenced_schemas
from velo_harness.keys import bad_value
from velo_harness.made_once import encoded_once, generated_once, read_once
from velo_harness.programs import program_text
from velo_harness.relation import Relation
from velo_harness.source_schemas import SchemaFinder
from velo_harness.spec import DEFAULT_RECORDS, DataFile, Input, Query, Spec
from velo_harness.templates import TemplateScope
from velo_harness.topic_inputs import RecordLayout, properties_in_format, record_format, written_properties
from velo_harness.typed_values import table_of
from velo_harness.unread_inputs import UnreadInputs

EngineInput: TypeAlias = TopicInput | TableInput

Boundaries: TypeAlias = Callable[[Mapping[str, Relation], Sequence[str]], Mapping[str, pa.Table]]
"""Makes the rows on boundaries of some sources from the rows that all sources have otherwise."""

ROWS_BEHIND_BOUNDARIES = 600
"""Generated rows that rows on boundaries take from whatever is not on one."""

JSON_RECORDS = frozenset({"json", "debezium-json"})
"""Formats whose records a JSON file may hold as they are."""


@dataclass(frozen=True, slots=True)
class SourceRows:
    """The rows of one source before they are written: typed, and as record values where they have those already."""

    relation: Relation
    messages: tuple[bytes, ...] | None
    """Record values as they stand in a JSON file; None: encoded from the rows."""
    key_field: str | None


@dataclass(frozen=True, slots=True)
class RunInputs:
    """The inputs of one run: what the engine reads, and the rows as checks and templates see them."""

    engine: Mapping[str, EngineInput]
    relations: Mapping[str, Relation]
    """Rows that decode; a record that does not is among the records only."""
    records: Mapping[str, int]
    """Records given to each source."""
    ticks: tuple[Tick, ...] = ()
    """What happens between the records; processing times are after the start of the run."""
    paced: bool = False
    """The ticks are waited for in reality."""
    faults: RunFaults | None = None
    """What was injected into them."""
    unread: UnreadInputs | None = None
    """Inputs that no statement of the query reads, for checks."""
    unending: frozenset[str] = frozenset()
    """Sources that go on although there are no more records of them."""

    notes: tuple[Warning, ...] = ()
    """What was asked for and has no effect."""

    def timed(self, options: JobOptions) -> JobOptions:
        """The options of a job that reads these inputs."""
        options = replace(options, unending=self.unending) if self.unending else options
        if not self.ticks:
            return options
        shift = options.now_ms or 0
        ticks = (
            t if t.processing_time_ms is None else replace(t, processing_time_ms=t.processing_time_ms + shift)
            for t in self.ticks
        )
        return replace(options, timeline=tuple(ticks), paced=self.paced)


class InputMaker:
    """Makes the inputs of one query."""

    def __init__(
        self,
        spec: Spec,
        query: Query,
        seed: int,
        schemas: SchemaFinder,
        previous: Callable[[str], Relation],
        variables: Mapping[str, str],
        declared: Callable[[SourceTable], DataSchema],
        event_times: Mapping[str, str],
        arrangement: Arrangement,
        boundaries: Boundaries,
    ) -> None:
        """`previous` gives the output of another query, `event_times` the event-time column of a source.

        `declared` is the data schema of a source that has no schema file.
        """
        self._spec = spec
        self._query = query
        self._seed = seed
        self._schemas = schemas
        self._previous = previous
        self._variables = variables
        self._declared = declared
        self._event_times = event_times
        self._arrangement = arrangement
        self._boundaries = boundaries
        self._notes: dict[Warning, None] = {}

    def make(
        self, sources: Mapping[str, SourceTable], given: Mapping[str, Input], others: Mapping[str, SourceTable]
    ) -> RunInputs:
        """The inputs of `sources`; `given` are the spec's, some of them of `others`, which the query does not read.

        A source with a file and no input reads its file: it is left out.
        """
        rows: dict[str, SourceRows] = {}
        beside = {name: one for name, one in given.items() if name not in sources and name in others}
        unread = UnreadInputs(beside, lambda name: self._unread_rows(others[name], beside[name], rows, unread))
        rows.update(self._rows_of(sources, given, unread))
        given = {name: one for name, one in given.items() if name not in beside}
        engine: dict[str, EngineInput] = {}
        streams: dict[str, StreamRecords] = {}
        for name in _in_writing_order(rows, given):
            source, found = sources[name], rows[name]
            if source.kind is SourceKind.TABLE:
                if name in given and given[name].format is not None:
                    message = f"{name} is looked up as a table: its rows are not written in a format"
                    raise bad_value(message, given[name].key_locations["format"])
                engine[name] = TableInput(found.relation.table)
                continue
            layout = self._layout(source, given.get(name), found)
            values = found.messages or encoded_once(found.relation.table, found.relation.schema, layout)
            streams[name] = StreamRecords(layout, values, found.relation.table, found.relation.schema)
        arranged = self._arrangement.of(streams, given, sources)
        relations = {name: found.relation for name, found in rows.items()}
        unending = frozenset(name for name, one in given.items() if one.watched and name in streams)
        records = {**{name: len(relations[name]) for name in engine}, **arranged.records}
        return RunInputs(
            {**engine, **arranged.topics},
            relations,
            records,
            arranged.ticks,
            arranged.paced,
            arranged.faults,
            unread,
            unending,
            (*self._notes, *arranged.notes),
        )

    def _unread_rows(
        self, source: SourceTable, given: Input, read: Mapping[str, SourceRows], unread: UnreadInputs
    ) -> Relation:
        """The rows of an input that the query does not read; its own keys may point into those it does."""
        found = self._given_rows(source, given)
        if found is None:
            schema = self._schemas.find(source.name, given) or self._declared(source)
            found = self._generated({source.name: (schema, given)}, read, unread)[source.name]
        return found.relation

    def _rows_of(
        self, sources: Mapping[str, SourceTable], given: Mapping[str, Input], unread: UnreadInputs
    ) -> dict[str, SourceRows]:
        """The rows of every source that does not read its own file; generated ones last: they may refer to others."""
        rows: dict[str, SourceRows] = {}
        generated: dict[str, tuple[DataSchema, Input | None]] = {}
        for name, source in sources.items():
            found = self._given_rows(source, given.get(name))
            if found is not None:
                rows[name] = found
                continue
            schema = self._schemas.find(name, given.get(name))
            if name not in given and reads_own_file(source):
                continue
            generated[name] = (schema or self._declared(source), given.get(name))
        files = {name: source for name, source in sources.items() if name not in rows and name not in generated}
        rows.update(self._generated(generated, {**rows, **self._referenced_files(generated, files)}, unread))
        wanted = [name for name in rows if name in given and given[name].boundaries]
        made = self._boundaries({name: found.relation for name, found in rows.items()}, wanted) if wanted else {}
        for name, table in made.items():
            relation = Relation(name, rows[name].relation.schema, table)
            rows[name] = SourceRows(relation, None, rows[name].key_field)
        return rows

    def _referenced_files(
        self, generated: Mapping[str, tuple[DataSchema, Input | None]], files: Mapping[str, SourceTable]
    ) -> dict[str, SourceRows]:
        """The rows of files that the SQL gives to sources, where foreign keys point into them.

        Errors: PATH_OUTSIDE_PROJECT, those of reading the file.
        """
        from velo_harness.input_relations import own_rows

        referenced = {name for asked in generated.values() for name in referenced_schemas(*asked)}
        base_dir = program_text(self._spec).base_dir
        found = {}
        for name in [name for name in files if name in referenced]:
            source = files[name]
            path = source.properties["path"].removeprefix("file://").split("?", 1)[0]
            self._schemas.policy.resolve(path, base_dir, source.locations.get("path"))
            found[name] = SourceRows(own_rows(source, base_dir), None, None)
        return found

    def _given_rows(self, source: SourceTable, given: Input | None) -> SourceRows | None:
        """Rows that are written down somewhere; None when they are to be generated."""
        if given is not None and given.rows is not None:
            scope = TemplateScope({}, {}, self._variables)
            literal = [resolved_row(row, scope) for row in given.rows]
            table = table_of(literal, source.schema, self._spec.zone)
            return SourceRows(Relation(source.name, source.schema, table), None, self._key_field(source, given))
        if given is not None and given.data_file is not None:
            return self._from_file(source, given.data_file, self._key_field(source, given), given.format)
        if given is not None and given.from_previous is not None:
            previous = self._previous(given.from_previous)
            return SourceRows(Relation(source.name, previous.schema, previous.table), None, given.key_field)
        reference = self._spec.reference_tables.get(source.name)
        if given is None and isinstance(reference, DataFile):
            return self._from_file(source, reference, None)
        return None

    def _key_field(self, source: SourceTable, given: Input) -> str | None:
        """The column that is the key of written rows: as the input says, else its data schema."""
        schema = None if given.key_field is not None else self._schemas.find(source.name, given)
        return given.key_field if schema is None else schema.key_field

    def _from_file(
        self, source: SourceTable, file: DataFile, key_field: str | None, form: str | None = None
    ) -> SourceRows:
        form = record_format(source.properties) if form is None else form
        if source.kind is SourceKind.STREAM and form in JSON_RECORDS and data_files.is_json(file):
            messages = tuple(data_files.json_messages(file))
            decoded = open_format(form, source.schema, source.properties).decode(messages)
            columns = decoded.table.columns[: len(source.schema)]
            table = pa.table(columns, schema=source.schema.arrow())
            return SourceRows(Relation(source.name, source.schema, table), messages, key_field)
        table = read_once(file, source.schema, self._spec.zone)
        self._note_columns(file, source)
        return SourceRows(Relation(source.name, source.schema, table), None, key_field)

    def _note_columns(self, file: DataFile, source: SourceTable) -> None:
        """Columns of the file that the source does not have: nothing reads them."""
        for name in data_files.column_names(file):
            if name not in source.schema.names:
                message = f'the column "{name}" of {file.path.name} is left out: {source.name} has no such column'
                close = nearest(name, source.schema.names)
                hint = None if close is None else f'did you mean "{close}"?'
                self._notes[Warning(message, file.location, hint)] = None

    def _generated(
        self,
        wanted: Mapping[str, tuple[DataSchema, Input | None]],
        others: Mapping[str, SourceRows],
        unread: UnreadInputs,
    ) -> dict[str, SourceRows]:
        """Generated rows; a source that others refer to is made before them."""
        asked = self._with_referenced(wanted, others, unread)
        referenced = {name for one in asked.values() for name in referenced_schemas(*one)}
        written = {name for name in referenced if name not in asked and name not in others and name in unread}
        others = {**others, **{name: SourceRows(unread[name], None, None) for name in sorted(written)}}
        made: dict[str, SourceRows] = {}
        for name in in_reference_order(asked):
            schema, given = asked[name]
            made[name] = self._generate(name, schema, given, {**others, **made}, asked)
        return {name: rows for name, rows in made.items() if name in wanted}

    def _with_referenced(
        self,
        wanted: Mapping[str, tuple[DataSchema, Input | None]],
        others: Mapping[str, SourceRows],
        unread: UnreadInputs,
    ) -> dict[str, tuple[DataSchema, Input | None]]:
        """`wanted`, and what their foreign keys point into that this query does not read, where a schema is found.

        Its rows are those that a query that does read it gets, so that keys agree across the queries of a spec.
        """
        asked = dict(wanted)
        waiting = list(wanted)
        while waiting:
            own = waiting.pop(0)
            for name in sorted(referenced_schemas(*asked[own])):
                known = {*asked, *others, *unread.written, *(schema.name for schema, _ in asked.values())}
                found = None if name in known else self._schemas.find(name, self._inputs_elsewhere(name))
                if found is not None:
                    asked[name] = (found, self._inputs_elsewhere(name))
                    waiting.append(name)
        return asked

    def _inputs_elsewhere(self, source: str) -> Input | None:
        """The generated input that this query, else another one, gives to a source it does not read."""
        given = (one for query in (self._query, *self._spec.queries) for one in query.inputs if one.source == source)
        return next((one for one in given if (one.rows, one.data_file, one.from_previous) == (None, None, None)), None)

    def _generate(
        self,
        name: str,
        schema: DataSchema,
        given: Input | None,
        others: Mapping[str, SourceRows],
        wanted: Mapping[str, tuple[DataSchema, Input | None]],
    ) -> SourceRows:
        from velo_harness.generation.tables import TimePlan

        references = {other: rows.relation.table for other, rows in others.items()}
        for other in [*references]:
            if other in wanted:
                references[wanted[other][0].name] = references[other]
        referenced = referenced_schemas(schema, given)
        if referenced <= set(references):  # else all of them, for the hint
            references = {n: t for n, t in references.items() if n in referenced}
        simulation = given.time_simulation if given is not None else None
        table = generated_once(
            schema,
            records=_records(self._query, schema, given),
            seed=given.seed if given is not None and given.seed is not None else self._seed,
            now=self._spec.now or datetime.now(UTC),
            name=name,
            overrides=given.overrides if given is not None else {},
            null_probability=given.null_probability if given is not None else None,
            references=references,
            event_times=None if simulation is None else TimePlan(simulation, self._event_times.get(name)),
            zone=self._spec.zone,
            location=given.location if given is not None else self._query.location,
        )
        key = given.key_field if given is not None and given.key_field is not None else schema.key_field
        return SourceRows(Relation(name, schema.row_schema(), table), None, key)

    def _layout(self, source: SourceTable, given: Input | None, rows: SourceRows) -> RecordLayout:
        topic = (
            given.topic
            if given is not None and given.topic is not None
            else source.properties.get("topic", source.name)
        )
        # Paths of schemas start at the SQL file, as for the engine.
        place = given.key_locations.get("format") if given is not None else None
        asked = properties_in_format(source, given.format if given is not None else None, place)
        properties = with_schema_files(asked, program_text(self._spec).base_dir, None)
        return RecordLayout(
            topic=topic,
            partitions=given.partitions if given is not None else 1,
            key_field=rows.key_field,
            key_location=given.key_locations.get("key_field") if given is not None else None,
            properties=properties if rows.messages is not None else written_properties(properties),
            timestamp_ms=int(self._spec.now.timestamp() * 1000) if self._spec.now is not None else -1,
            headers=given.headers if given is not None else {},
        )


def reads_own_file(source: SourceTable) -> bool:
    """Whether the SQL gives the source a file."""
    return "path" in source.properties


def _in_writing_order(rows: Mapping[str, SourceRows], given: Mapping[str, Input]) -> list[str]:
    """Sources in the order in which their rows are written: as the spec lists them, then the others."""
    return [name for name in given if name in rows] + [name for name in rows if name not in given]


def _records(query: Query, schema: DataSchema, given: Input | None) -> int:
    """How many rows are generated: as the input says, the query, the schema, else `DEFAULT_RECORDS`."""
    if given is not None and given.boundaries:
        return ROWS_BEHIND_BOUNDARIES
    choices = (given.records if given is not None else None, query.default_records, schema.record_count)
    return next((count for count in choices if count is not None), DEFAULT_RECORDS)

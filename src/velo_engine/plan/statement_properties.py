"""What the properties of a program mean for its plan: connectors of sources and sinks, event time, lateness."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import TypeVar

from sqlglot import exp

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.plan.nodes import LateData
from velo_engine.plan.source_uri import NotASourceError, SourceUri, is_uri, parse_uri
from velo_engine.sql.event_time import (
    EventTimeProperties,
    LateDataStrategy,
    WatermarkStrategy,
    duration_property,
    event_time_properties,
)
from velo_engine.sql.locate import locate
from velo_engine.sql.program import Program, Property, Statement, StatementKind, Warning
from velo_engine.sql.properties import ConfigFiles, StatementProperties, job_properties, split_properties
from velo_engine.sql.property_keys import EMIT_KEYS, EVENT_TIME_KEYS, JOB_KEYS, READ_JOB_KEYS

_T = TypeVar("_T")

_PER_STATEMENT = frozenset({"group.id"})
"""Properties of a source that statements may give differently; the source is read once, as the first says."""


@dataclass(frozen=True, slots=True)
class EventTimeSettings:
    """How a relation's event time is read and how far behind it the watermark stays."""

    field: str | None = None
    format: str | None = None
    delay_ms: int = 0
    idle_timeout_ms: int | None = None
    locations: Mapping[str, Location] = dataclass_field(default_factory=dict)
    """Where each value is written, by property; empty when nothing was."""

    def location(self, key: str) -> Location | None:
        """Where a property is written."""
        return self.locations.get(key)


class ProgramProperties:
    """The properties of every statement of a program, sorted by whom they concern."""

    def __init__(self, program: Program, files: ConfigFiles | None) -> None:
        job, warnings = job_properties(program)
        self._by_statement: dict[int, StatementProperties] = {}
        self._declared: dict[str, StatementProperties] = {}
        self._defaults = event_time_properties({key: p for key, p in job.items() if key in EVENT_TIME_KEYS})
        idle = job.get("source.idle_timeout")
        self._idle_timeout_ms = None if idle is None else duration_property("source.idle_timeout", idle)
        found: list[Warning] = list(warnings)
        self.job: dict[str, Property] = job
        self._uris: dict[str, SourceUri] = {}
        for statement in program.statements:
            tables = () if statement.query is None else tuple(statement.query.find_all(exp.Table))
            self._add_uris(tables, program)
            names = tuple(dict.fromkeys(relation_name(table) for table in tables))
            split = split_properties(statement, names, _written_names(statement), files=files)
            self._by_statement[id(statement)] = split
            if statement.kind is StatementKind.SOURCE:
                self._declared[statement.name] = split
                found += _unread_connector(statement.name, split)
            self._add_job(split.job)
            found += split.warnings
        for key in EMIT_KEYS:
            if key in self.job:
                raise VeloError(
                    ErrorCode.SQL_UNSUPPORTED,
                    f"{key} is not supported",
                    location=self.job[key].location,
                    hint="say how late a row may correct a result with allowed.lateness of the source or the statement",
                )
        unread = [key for key in self.job if key in JOB_KEYS and key not in READ_JOB_KEYS]
        found += [
            Warning(f"the property '{key}' has no effect in this version", self.job[key].location) for key in unread
        ]
        self.warnings = tuple(found)
        ttl = self.job.get("state.ttl")
        self.state_ttl_ms = 0 if ttl is None else duration_property("state.ttl", ttl)
        """How long the state of a key lives after its last change; 0 for ever."""

    @property
    def drops_nulls(self) -> bool:
        """Whether a row with NULL for a NOT NULL column of its sink is left out; otherwise it is an error."""
        given = self.job.get("table.exec.sink.not-null-enforcer")
        if given is None:
            return False
        if given.value.upper() not in ("ERROR", "DROP"):
            message = f'table.exec.sink.not-null-enforcer is ERROR or DROP, not "{given.value}"'
            raise bad_property(message, given.location)
        return given.value.upper() == "DROP"

    def of(self, statement: Statement) -> StatementProperties:
        """The properties of one statement."""
        return self._by_statement[id(statement)]

    def declared(self, name: str) -> Mapping[str, str]:
        """The connector properties in the declaration of `name`."""
        split = self._declared.get(name)
        return {} if split is None else split.own.texts()

    def source(self, name: str) -> Mapping[str, str]:
        """The connector properties of source `name`, from its declaration and from every statement that gives some."""
        found: dict[str, Property] = {}
        for split in self._by_statement.values():
            given = split.sources.get(name)
            if given is None:
                continue
            for key, value in given.values.items():
                known = found.setdefault(key, value)
                if known.value != value.value and key not in _PER_STATEMENT:
                    raise bad_property(
                        f'"{name}" has {key} = {value.value} here and {known.value} in line {known.location.line}',
                        value.location,
                        "a source is read once, with one set of properties",
                    )
            found.update({f"properties.{key}": value for key, value in given.client.items()})
        uri = self._uris.get(name)
        written = {} if uri is None else uri.properties
        return {**self.declared(name), **written, **{key: value.value for key, value in found.items()}}

    def places(self, name: str) -> Mapping[str, Location]:
        """Where the program writes the connector properties of source `name`, by key."""
        given = [split.sources[name] for split in self._by_statement.values() if name in split.sources]
        declared = [] if name not in self._declared else [self._declared[name].own]
        return {key: value.location for group in (*declared, *given) for key, value in group.values.items()}

    def sink_places(self, statement: Statement, name: str) -> Mapping[str, Location]:
        """Where the program writes the connector properties of sink `name` of `statement`, by key."""
        declared = self._declared.get(name)
        groups = [*([] if declared is None else [declared.own]), self.of(statement).sinks[name]]
        return {key: value.location for group in groups for key, value in group.values.items()}

    def event_time(self, statement: Statement, name: str) -> EventTimeSettings:
        """The event-time settings of relation `name` as `statement` reads it."""
        split = self.of(statement)
        own = split.sources[name].event_time if name in split.sources else split.own.event_time
        declared = self._declared.get(name)
        layers = [own, *([] if declared is None else [declared.own.event_time]), self._defaults]
        return self._settings(layers)

    def changes_watermark(self, statement: Statement, name: str) -> bool:
        """Whether `statement` says how the watermark of relation `name` is made."""
        given = self.of(statement).sources.get(name)
        return given is not None and any(key.startswith("watermark.") for key in given.event_time.locations)

    def statement_time(self, statement: Statement) -> EventTimeSettings:
        """The settings that name no relation."""
        return self._settings([self.of(statement).own.event_time, self._defaults])

    def allowed_lateness_ms(self, statement: Statement) -> int:
        """How long windows of `statement` stay open behind the watermark."""
        value = self._only(statement, "allowed_lateness_ms", "allowed.lateness")
        return 0 if value is None else int(str(value))

    def late_data(self, statement: Statement) -> LateData:
        """What becomes of late rows in windows of `statement`."""
        value = self._only(statement, "late_data", "late.data.strategy")
        times = [p.event_time for p in (self.of(statement).own, *self.of(statement).sources.values())]
        place = next((t.locations["late.data.strategy"] for t in times if t.late_data is value is not None), None)
        if value is LateDataStrategy.SIDE_OUTPUT:
            raise VeloError(
                ErrorCode.SQL_UNSUPPORTED,
                f"late.data.strategy = {value.value} is not supported",
                location=place,
                hint="dead_letter keeps late records with their bytes; with drop they are counted, late rows of the "
                "result; update_previous corrects results",
            )
        if value is LateDataStrategy.UPDATE_PREVIOUS and not self.allowed_lateness_ms(statement):
            message = "late.data.strategy = update_previous needs to know how late a row may be"
            raise bad_property(message, place, "add allowed.lateness, such as '1h'")
        return LateData.DEAD_LETTER if value is LateDataStrategy.DEAD_LETTER else LateData.DROP

    def _only(self, statement: Statement, attribute: str, key: str) -> object:
        """The value that the statement, its sources and the job agree on."""
        split = self.of(statement)
        times = [split.own.event_time, *(p.event_time for p in split.sources.values())]
        values = {v for t in times if (v := getattr(t, attribute)) is not None}
        if len(values) > 1:
            place = next(t.locations[key] for t in times if key in t.locations)
            raise bad_property(f"two values of {key} in one statement", place, "a window has one")
        return values.pop() if values else getattr(self._defaults, attribute)

    def _settings(self, layers: list[EventTimeProperties]) -> EventTimeSettings:
        locations: dict[str, Location] = {}
        for layer in reversed(layers):
            locations.update(layer.locations)
        strategy = _first(layer.strategy for layer in layers)
        delay = _first(layer.max_out_of_orderness_ms for layer in layers)
        _check_strategy(strategy, delay, locations)
        idle = _first(layer.idle_timeout_ms for layer in layers)
        return EventTimeSettings(
            field=_first(layer.field for layer in layers),
            format=_first(layer.format for layer in layers),
            delay_ms=delay or 0,
            idle_timeout_ms=self._idle_timeout_ms if idle is None else idle,
            locations=locations,
        )

    def _add_uris(self, tables: Sequence[exp.Table], program: Program) -> None:
        for table in tables:
            if not is_uri(table.name):
                continue
            place = locate(table, program.text, program.file)
            try:
                found = parse_uri(table.name)
            except NotASourceError as problem:
                raise VeloError(ErrorCode.BAD_PROPERTY, str(problem), location=place, hint=problem.hint) from None
            known = self._uris.setdefault(found.name, found)
            if known != found:
                raise VeloError(
                    ErrorCode.DUPLICATE_NAME,
                    f'two sources are called "{found.name}": {known.properties} and {found.properties}',
                    location=place,
                    hint="declare one with CREATE STREAM, under another name",
                )

    def _add_job(self, job: Mapping[str, Property]) -> None:
        for key, value in job.items():
            known = self.job.setdefault(key, value)
            if known.value != value.value:
                raise bad_property(
                    f"{key} is {value.value} here and {known.value} in line {known.location.line}",
                    value.location,
                    "it holds for the whole job: say it once, with SET",
                )


_CONNECTORS = frozenset({"file", "kafka", "topic", "table", "print", "blackhole"})


def _unread_connector(name: str, declared: StatementProperties) -> list[Warning]:
    """A warning for a table of a type that nothing here reads: only a test can give its rows."""
    kind = declared.own.values.get("type")
    if kind is None or kind.value in _CONNECTORS:
        return []
    message = f'"{name}" has the type "{kind.value}", for which this version has no connector'
    return [Warning(message, kind.location, "a test can give its rows; a job needs kafka or filesystem")]


def _first(values: Iterable[_T | None]) -> _T | None:
    return next((value for value in values if value is not None), None)


def _check_strategy(strategy: WatermarkStrategy | None, delay: int | None, locations: Mapping[str, Location]) -> None:
    place = locations.get("watermark.strategy")
    if strategy in (WatermarkStrategy.PUNCTUATED, WatermarkStrategy.PROCESSING_TIME):
        assert strategy is not None
        raise VeloError(
            ErrorCode.SQL_UNSUPPORTED,
            f"watermark.strategy = {strategy.value} is not supported",
            location=place,
            hint="use bounded_out_of_orderness with watermark.max_out_of_orderness",
        )
    if strategy is WatermarkStrategy.ASCENDING and delay:
        raise bad_property("an ascending watermark has no max_out_of_orderness", place, "use bounded_out_of_orderness")


def bad_property(message: str, place: Location | None, hint: str | None = None) -> VeloError:
    """An error about the value of a property."""
    return VeloError(ErrorCode.BAD_PROPERTY, message, location=place, hint=hint)


def relation_name(table: exp.Table) -> str:
    """The name that a table of a FROM clause is looked up by; of a URI its last part."""
    if is_uri(table.name):
        return parse_uri(table.name).name
    return ".".join(part.name for part in table.parts)


def _written_names(statement: Statement) -> tuple[str, ...]:
    """The sink, and the name that the statement itself has."""
    if statement.kind in (StatementKind.SOURCE, StatementKind.VIEW):
        return ()
    return (statement.sink or statement.name,)

"""The relations that the queries of one statement read: sources, other statements, and queries inside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.plan.context import QueryContext, Wanted
from velo_engine.plan.event_time import (
    MAX_PRECISION,
    assigned,
    column_at,
    decoding_format,
    nameable,
    read_from,
    time_value,
)
from velo_engine.plan.expressions import ColumnRef
from velo_engine.plan.from_clause import plan_from
from velo_engine.plan.nodes import SourceKind, Upstream
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation, WindowColumns, fields_of
from velo_engine.plan.select import plan_query
from velo_engine.plan.source_scan import SourceRead, read_source
from velo_engine.plan.sources import SourceCatalog
from velo_engine.plan.statement_properties import EventTimeSettings, ProgramProperties, relation_name
from velo_engine.plan.windows import find_window
from velo_engine.schema import RowSchema
from velo_engine.sql.program import Statement
from velo_engine.types import TIMESTAMPS

_NOT_LOOKED_UP = frozenset({"kafka", "upsert-kafka"})
"""Connectors of Flink that read a stream and cannot be asked for a key."""


@dataclass(frozen=True, slots=True)
class StatementResult:
    """What other statements see of a planned statement."""

    name: str
    schema: RowSchema
    event_times: tuple[int, ...]
    processing_times: frozenset[int]
    windows: WindowColumns | None
    reference: bool
    """Whether a join reads it as a reference table: CREATE TABLE AS over files and reference tables only."""
    bounded: bool
    grouped_times: frozenset[int] = frozenset()

    def relation(self, alias: str) -> Relation:
        """The statement's changelog under an alias."""
        return Relation(
            Upstream(self.name, self.schema),
            fields_of(self.schema, alias),
            self.event_times,
            self.processing_times,
            self.windows,
            self.reference,
            self.bounded,
            grouped_times=self.grouped_times,
        )


class StatementRelations:
    """See `velo_engine.plan.context.Relations`. Remembers what was read."""

    def __init__(
        self,
        statement: Statement,
        catalog: SourceCatalog,
        properties: ProgramProperties,
        text: ProgramText,
        upstream: Callable[[str, exp.Table], StatementResult | None],
        statement_names: Iterable[str],
    ) -> None:
        self._statement = statement
        self._catalog = catalog
        self._properties = properties
        self._text = text
        self._upstream = upstream
        self._statement_names = tuple(statement_names)
        self.reads: dict[str, None] = {}
        self.sources: dict[str, None] = {}

    def named(self, table: exp.Table, wanted: Wanted) -> Relation:
        """A statement of the program, else a source."""
        name = relation_name(table)
        alias = table.alias or name
        planned = self._upstream(name, table)
        if planned is None:
            return self._source(name, alias, table, wanted)
        self.reads[name] = None
        if wanted.looked_up and not planned.reference:
            raise self._text.unsupported(
                f'FOR SYSTEM_TIME AS OF over "{name}"', table, "join a reference table, or leave FOR SYSTEM_TIME away"
            )
        return self._retimed_statement(name, planned.relation(alias), wanted)

    def query(self, query: exp.Query, context: QueryContext) -> Relation:
        """The result of a query inside the statement."""
        planned = plan_query(query, replace(context, nested=True))
        if planned.key:
            raise self._text.unsupported("PRIMARY KEY in a subquery", query, "mark the key of the whole statement")
        return planned.relation

    def read(self, select: exp.Select, context: QueryContext) -> Relation:
        """What the FROM clause of a query gives."""
        return plan_from(select, find_window(select, self._text), None, context)[0]

    def timed(self, relation: Relation, wanted: Wanted) -> Relation:
        """`relation` with the event time that the query around it asks for, as far as its columns give it."""
        if wanted.time_value is None or (relation.event_times and not wanted.replaces):
            return relation
        alias = next(iter(relation.aliases), "")
        if not nameable(wanted.time_value, [field.name for field in relation.fields], alias):
            return relation
        settings = self._properties.statement_time(self._statement)
        value = time_value(wanted.time_value, relation, settings, self._text)
        if isinstance(wanted.time_value, exp.Column) and read_from(value) == relation.time_source is not None:
            return relation
        if isinstance(value, ColumnRef) and value.index in relation.event_times:
            others = tuple(time for time in relation.event_times if time != value.index)
            return replace(relation, event_times=(value.index, *others))
        if isinstance(value, ColumnRef) and value.index in relation.grouped_times:
            return replace(relation, event_times=(value.index,))
        return assigned(relation, value, settings, None)

    def retimed(self, relation: Relation, position: int, at: exp.Expr) -> Relation:
        """`relation` with its column `position` as event time."""
        kind = relation.node.schema.types[position]
        if kind.name not in TIMESTAMPS or kind.precision > MAX_PRECISION:
            raise self._text.error(
                ErrorCode.TYPE_MISMATCH, f"_EVENT_TIME of an aggregation is a TIMESTAMP(3), not {kind}", at
            )
        settings = self._properties.statement_time(self._statement)
        return assigned(relation, ColumnRef(position, kind), settings, None)

    def _source(self, name: str, alias: str, table: exp.Table, wanted: Wanted) -> Relation:
        connector = self._catalog.properties(name).get("connector")
        if wanted.looked_up and connector in _NOT_LOOKED_UP:
            # Flink: "Processing-time temporal join is not supported yet."
            raise self._text.unsupported(
                f"a processing-time temporal join with a table that is not looked up (connector {connector})",
                table,
                "name an event time of the left side, or join it as a stream",
            )
        beside = wanted.joined and not wanted.versioned and self._catalog.is_table_beside_a_stream(name)
        kind = SourceKind.TABLE if wanted.looked_up or beside else SourceKind.STREAM
        source = self._catalog.read(name, kind, table, self._statement_names)
        self.sources[name] = None
        settings = self._settings(name, source.schema.names, wanted)
        form = decoding_format(settings, source.schema)
        if form is not None:
            source = self._catalog.decoded(source, f"timestamp.format.{settings.field}", form, settings)
        return read_source(
            SourceRead(
                source=source,
                declaration=self._catalog.declaration(name),
                is_file=self._catalog.is_file(name),
                settings=settings,
                wanted=wanted,
                alias=alias,
                text=self._text,
            )
        )

    def _retimed_statement(self, name: str, relation: Relation, wanted: Wanted) -> Relation:
        """A statement's changelog; properties may give it another event time, or another watermark, on this edge."""
        names = relation.node.schema.names
        settings = self._settings(name, names, wanted)
        if settings.field is not None:
            node = column_at(settings.field, settings.location("event.time.field"), names, self._text)
            return assigned(relation, time_value(node, relation, settings, self._text), settings, None)
        relation = self.timed(relation, wanted)
        changes = self._properties.changes_watermark(self._statement, name)
        if changes and isinstance(relation.node, Upstream) and relation.event_times:
            time = relation.event_times[0]
            return assigned(relation, ColumnRef(time, relation.node.schema.types[time]), settings, None)
        return relation

    def _settings(self, name: str, columns: Sequence[str], wanted: Wanted) -> EventTimeSettings:
        """The event-time settings of a relation. A field that is named for the whole statement concerns the right side
        of a join only if that has it."""
        settings = self._properties.event_time(self._statement, name)
        shared = self._properties.statement_time(self._statement)
        if wanted.joined and settings.field == shared.field and settings.field not in columns:
            return replace(settings, field=None)
        return settings

"""Sources: what a name that no statement defines means, its columns, and how it is read.

The columns come from the SOURCE declaration in the program, else from the caller, else from the data itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeAlias

from sqlglot import exp

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.plan.nodes import SourceChanges, SourceKind, SourceTable
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.statement_properties import EventTimeSettings, ProgramProperties, bad_property
from velo_engine.schema import Column, RowSchema
from velo_engine.sql.program import ColumnDefinition, Program, Statement, StatementKind
from velo_engine.type_rules import parse_type

Infer: TypeAlias = Callable[[str, Mapping[str, str]], RowSchema | None]
"""Looks for the columns of a source, by its name and properties, in the data itself; None when it cannot."""

CHANGELOG_FORMATS = ("debezium", "canal", "maxwell", "ogg")
"""Formats whose records are changes with their old rows."""


class SourceCatalog:
    """The sources of one program. Each is one SourceTable, however often it is read."""

    def __init__(
        self,
        program: Program,
        properties: ProgramProperties,
        schemas: Mapping[str, RowSchema | SourceTable],
        infer: Infer | None,
        text: ProgramText,
    ) -> None:
        self._given_properties = properties
        self._schemas = schemas
        self._infer = infer
        self._text = text
        self._declared = {s.name: s for s in program.statements if s.kind is StatementKind.SOURCE}
        self._properties: dict[str, Mapping[str, str]] = {}
        self.used: dict[str, SourceTable] = {}
        """Those that were read, in order."""

    @property
    def names(self) -> Iterable[str]:
        """All names that are known to be sources."""
        return (*self._declared, *self._schemas)

    def declaration(self, name: str) -> Statement | None:
        """The SOURCE statement of `name`."""
        return self._declared.get(name)

    def properties(self, name: str) -> Mapping[str, str]:
        """The connector properties of `name`, from its declaration and from every statement that gives some."""
        if name not in self._properties:
            self._properties[name] = self._given_properties.source(name)
        return self._properties[name]

    def is_file(self, name: str) -> bool:
        """Whether `name` is read from files: they have no partitions and no record timestamps."""
        properties = self.properties(name)
        return properties.get("type", "file" if "path" in properties else None) == "file"

    def is_table_beside_a_stream(self, name: str) -> bool:
        """Whether `name` right of a join is a reference table: the caller says so, `type = table`, or a file.

        A table that Flink's DDL declares with 'connector' is joined as Flink does.
        """
        given = self._schemas.get(name)
        properties = self.properties(name)
        if isinstance(given, SourceTable) and given.kind is SourceKind.TABLE:
            return True
        if properties.get("type") == "table":
            return True
        return self.is_file(name) and "connector" not in properties

    def read(self, name: str, kind: SourceKind, table: exp.Table, others: Iterable[str]) -> SourceTable:
        """The source `name`, read as `kind`. `others` are further names, for the hint when nothing defines it."""
        known = self.used.get(name)
        if known is not None:
            if known.kind is not kind:
                raise self._text.unsupported(
                    f'reading "{name}" both as a stream and as a reference table',
                    table,
                    "read it under two names, each with its own properties",
                )
            return known
        source = self._source(name, kind, table, others)
        self.used[name] = source
        return source

    def decoded(self, source: SourceTable, key: str, form: str, settings: EventTimeSettings) -> SourceTable:
        """`source` with an option of its format. Raises BAD_PROPERTY when another statement gave it another value."""
        known = source.properties.get(key)
        if known is not None and known != form:
            raise bad_property(
                f'"{source.name}" is decoded with {key} = {known} already',
                settings.location("event.time.format"),
                "a source is read once, with one set of properties",
            )
        self.used[source.name] = replace(source, properties={**source.properties, key: form})
        return self.used[source.name]

    def _source(self, name: str, kind: SourceKind, table: exp.Table, others: Iterable[str]) -> SourceTable:
        properties = self.properties(name)
        changes = _changes(properties)
        declared = self._declared.get(name)
        if changes is SourceChanges.UPSERTS and (declared is None or not declared.primary_key):
            raise self._text.error(
                ErrorCode.BAD_PROPERTY,
                f'"{name}" is a source of upserts without a primary key',
                table,
                "declare it with CREATE TABLE and PRIMARY KEY (…) NOT ENFORCED",
            )
        if declared is not None and declared.columns:
            physical = [physical_column(c) for c in declared.columns if is_physical(c)]
            if not physical:
                # A batch of rows without columns would have no length.
                raise self._text.unsupported(
                    f'reading "{name}", of which no column is in the records', table, "declare a column of the value"
                )
            # A primary key's columns are NOT NULL, said or not.
            schema = RowSchema(
                tuple(
                    replace(c, type=c.type.as_nullable(False)) if c.name in declared.primary_key else c
                    for c in physical
                )
            )
            key = tuple(i for i, column in enumerate(schema.columns) if column.name in declared.primary_key)
            return SourceTable(
                name, kind, schema, properties, key, self._given_properties.places(name), changes=changes
            )
        given = self._schemas.get(name)
        if isinstance(given, SourceTable):
            places = self._given_properties.places(name)
            return replace(given, name=name, kind=kind, properties={**given.properties, **properties}, locations=places)
        found = given if given is not None else self._inferred(name, properties)
        if found is None:
            raise self._unknown(name, properties, table, others)
        return SourceTable(name, kind, found, properties, locations=self._given_properties.places(name))

    def _inferred(self, name: str, properties: Mapping[str, str]) -> RowSchema | None:
        if self._infer is None or not properties:
            return None
        with placed_at(self._given_properties.places(name)):
            return self._infer(name, properties)

    def _unknown(self, name: str, properties: Mapping[str, str], table: exp.Table, others: Iterable[str]) -> VeloError:
        if properties or name in self._declared:
            return self._text.error(
                ErrorCode.UNKNOWN_TABLE,
                f'the columns of "{name}" are not known',
                table,
                f"declare them: CREATE STREAM {name} (column TYPE, ...), or give a schema for {name}",
            )
        return self._text.error(
            ErrorCode.UNKNOWN_TABLE,
            f'nothing defines "{name}"',
            table,
            did_you_mean(name, (*self.names, *others), noun="stream or table"),
        )


def _changes(properties: Mapping[str, str]) -> SourceChanges:
    """What the records of a source with these properties do."""
    if properties.get("mode", "").lower() == "upsert":
        return SourceChanges.UPSERTS
    if properties.get("format", "").lower().startswith(CHANGELOG_FORMATS):
        return SourceChanges.ALL
    return SourceChanges.INSERTS


@contextmanager
def placed_at(locations: Mapping[str, Location]) -> Iterator[None]:
    """Gives an error of opening a source, when it has no place, that of the property that it is about."""
    try:
        yield
    except VeloError as error:
        error.location = error.location or locations.get(_about(error, locations))
        raise


def _about(error: VeloError, locations: Mapping[str, Location]) -> str:
    """The property that an error of opening a source or sink is about."""
    if error.code is not ErrorCode.BAD_PROPERTY:
        return "path"
    named = next((key for key in locations if f'{key}"' in error.message), None)
    if named is not None:
        return named
    return "format" if " format" in error.message and "format" in locations else "type"


def is_physical(column: ColumnDefinition) -> bool:
    """Whether a declared column is in the records."""
    return column.expression is None and column.metadata_key is None


def physical_column(column: ColumnDefinition) -> Column:
    """The column with its type. Raises VeloError when the type is none, at the column."""
    assert column.type is not None, "a column is computed or has a type"
    try:
        return Column(column.name, parse_type(column.type))
    except VeloError as error:
        raise VeloError(
            error.code, error.message, location=error.location or column.location, hint=error.hint
        ) from None

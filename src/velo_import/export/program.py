"""A whole program to Flink SQL: its tables, its statements in an order that Flink takes, its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from velo_engine.engine import Engine
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.plan.statement_properties import ProgramProperties
from velo_engine.schema import RowSchema
from velo_engine.sql.node_spans import SpannedStatement, spanned_statements
from velo_engine.sql.program import Program, Statement, StatementKind
from velo_engine.sql.properties import ConfigFiles
from velo_engine.sql.source_text import SourceText
from velo_import.export.comments import Comments
from velo_import.export.model import ExportedProgram, ExportedStatement, Form
from velo_import.export.names import literal
from velo_import.export.options import flink_setting
from velo_import.export.relations import Notes
from velo_import.export.sources import Sources
from velo_import.export.statements import StatementExport
from velo_import.export.variables import kept_variables, with_values, written_value

_NONE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What an export is told besides the program."""

    variables: Mapping[str, str] = field(default_factory=dict)
    """Values of `${NAME}`."""
    brokers: str | None = None
    """The cluster of its topics, whatever the program says."""
    production: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Options of Flink's tables for which stand-ins are in the program, by table (from `conversion_report.json`)."""


@dataclass(slots=True)
class Exporting:
    """What the parts of an export share."""

    source: SourceText
    program: Program
    planned: PlannedProgram
    spanned: tuple[SpannedStatement, ...]
    properties: ProgramProperties
    options: ExportOptions
    notes: Notes

    def of(self, statement: Statement) -> SpannedStatement:
        """The statement with the places of its nodes."""
        return self.spanned[next(i for i, one in enumerate(self.program.statements) if one is statement)]


def export_program(
    text: str,
    file: str,
    *,
    engine: Engine,
    environment: Mapping[str, str] = _NONE,
    schemas: Mapping[str, RowSchema] | None = None,
    options: ExportOptions | None = None,
) -> ExportedProgram:
    """The program `text` in Flink SQL; `schemas` are the columns of sources that it does not declare.

    What Flink cannot say is left out and stands in the notes. VeloError as of parsing and planning the program.
    """
    given = options or ExportOptions()
    values = {**environment, **given.variables}
    program = engine.parse(text, file=file, variables=values)
    planned = engine.plan(program, schemas=dict(schemas or {}), variables=values)
    shared = Exporting(
        source=SourceText(file, text),
        program=program,
        planned=planned,
        spanned=spanned_statements(text, file=file, variables=values),
        properties=ProgramProperties(program, ConfigFiles(engine.base_dir, values, engine.root)),
        options=given,
        notes=Notes(),
    )
    return _Export(shared, values).exported()


class _Export:
    """Puts the script together."""

    def __init__(self, shared: Exporting, values: Mapping[str, str]) -> None:
        self._shared = shared
        self._values = values
        self._sources = Sources(shared)
        self._comments = Comments(shared.source, shared.spanned)
        self._done: dict[int, None] = {}
        self._refused: set[str] = set()
        self._statements: list[ExportedStatement] = []
        self._has_made_tables = False

    def exported(self) -> ExportedProgram:
        settings = self._settings()
        for statement in self._shared.program.statements:
            self._add(statement)
        # What no table of the program stands for comes first; a program that declares all its tables keeps its order.
        ordered = _inserts_last(self._statements) if self._has_made_tables else self._statements
        written = [self._with_values(one) for one in (*settings, *ordered)]
        kept = list(dict.fromkeys(name for one in written for name in kept_variables(one.sql)))
        if kept and self._shared.program.statements:
            names = ", ".join(f"${{{name}}}" for name in kept)
            place = self._shared.program.statements[0].location
            self._shared.notes.note(f"{names}: Flink has no variables", place, "set them with --var NAME=VALUE")
        foot = self._comments.foot
        return ExportedProgram(
            self._shared.source.file, self._comments.head, tuple(written), tuple(self._shared.notes.found), foot
        )

    def _add(self, statement: Statement) -> None:
        """The statement, behind what it speaks of."""
        if id(statement) in self._done:
            return
        self._done[id(statement)] = None
        for other in self._below(statement):
            self._add(other)
        lost = [name for name in self._names_below(statement) if name in self._refused]
        notes = self._shared.notes
        before = notes.refusals
        if lost:
            notes.refuse(f"{statement.name} reads {lost[0]}, which is not exported", statement.location)
            self._refused.add(statement.name)
            return
        if id(statement) in self._sources.refused:
            self._lose(statement)
            return
        found = StatementExport(self._shared, self._sources, statement).exported()
        if notes.refusals > before:
            self._lose(statement)
            return
        self._has_made_tables |= statement.query is not None and any(one.form is Form.TABLE for one in found)
        comment = self._comments.before(statement.location)
        for number, one in enumerate(found):
            self._statements.append(_commented(one, comment) if number == 0 else one)

    def _lose(self, statement: Statement) -> None:
        """The statement is not exported; what an INSERT writes is there all the same."""
        if statement.kind is not StatementKind.INSERT:
            self._refused.add(statement.name)

    def _names_below(self, statement: Statement) -> list[str]:
        if statement.query is None:
            return []
        return list(self._sources.relations_of(statement))

    def _below(self, statement: Statement) -> list[Statement]:
        names = {*self._names_below(statement), *([statement.sink] if statement.sink else [])}
        wanted = [s for s in self._shared.program.statements if s.name in names and s is not statement]
        return [s for s in wanted if s.kind is not StatementKind.INSERT]

    def _settings(self) -> list[ExportedStatement]:
        found = []
        written = dict(self._shared.properties.job)
        for key, value in self._shared.program.settings.items():
            written.setdefault(key, value)
        seen: set[str] = set()
        for key, value in written.items():
            setting = flink_setting(key)
            if setting is None or (setting[0] or key) in seen:
                continue
            seen.add(setting[0] or key)
            option, reason = setting
            if not option:
                self._shared.notes.differs(f"the property {key} is left out: {reason}", value.location)
                continue
            sql = f"SET {literal(option)} = {literal(written_value(self._shared.source, value))}"
            found.append(ExportedStatement(Form.SET, option, sql, value.location, ""))
        return found

    def _with_values(self, one: ExportedStatement) -> ExportedStatement:
        given, values = self._shared.options.variables, self._values
        return replace(
            one,
            sql=with_values(one.sql, values, given),
            query=None if one.query is None else with_values(one.query, values, given),
            columns=with_values(one.columns, values, given),
        )


def _commented(one: ExportedStatement, comment: str) -> ExportedStatement:
    return replace(one, comment=comment)


def _inserts_last(statements: list[ExportedStatement]) -> list[ExportedStatement]:
    """What defines comes first, so that all INSERTs are one job, as the program is."""
    rank = {Form.INSERT: 1, Form.QUERY: 2}
    return sorted(statements, key=lambda one: rank.get(one.form, 0))

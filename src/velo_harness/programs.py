"""The program under test: its text, parsed and planned once per process for each set of source schemas."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from sqlglot import exp

from velo_engine import Engine
from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.plan.nodes import PlannedProgram, SourceKind, SourceTable
from velo_engine.schema import RowSchema
from velo_engine.sql.program import Program, StatementKind
from velo_harness.data_hints import DataHints, hinted_schema, hints_of
from velo_harness.data_schema import DataSchema
from velo_harness.discovery import find_sql
from velo_harness.spec import Query, Spec
from velo_harness.yaml_source import read_text

CACHED_PROGRAMS = 64


@dataclass(frozen=True, slots=True)
class ProgramText:
    """The SQL of a spec."""

    text: str
    file: str
    """What error messages call it."""
    base_dir: Path
    """Where its relative paths start."""
    variables: tuple[tuple[str, str], ...] = ()
    """Values of `${NAME}` that the spec gives."""


def program_text(spec: Spec) -> ProgramText:
    """The SQL that a spec names, holds, or lies beside. Errors: FILE_NOT_FOUND, FILE_UNREADABLE."""
    text = replace(_written_program(spec), variables=tuple(sorted(spec.variables.items())))
    return text if spec.replaced_sql is None else replace(text, text=spec.replaced_sql)


def _written_program(spec: Spec) -> ProgramText:
    if spec.sql is not None:
        # Blank lines before it make the lines in error messages those of the spec.
        above = spec.sql_location.line if spec.sql_location is not None else 0
        return ProgramText("\n" * above + spec.sql, shown_path(spec.file), spec.file.absolute().parent)
    path = spec.sql_file or find_sql(spec.file)
    if path is None:
        raise VeloError(
            ErrorCode.FILE_NOT_FOUND,
            f"no SQL file belongs to {spec.file.name}",
            location=spec.location,
            hint="name it with sql_file: or write it under sql:",
        )
    return ProgramText(read_text(path), shown_path(path), path.absolute().parent)


def shown_path(path: Path) -> str:
    """A path as people write it: relative to the working directory when it lies below."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


@dataclass(frozen=True, slots=True)
class ParsedProgram:
    """A program, and what its statements read."""

    program: Program
    sources: tuple[str, ...]
    """Relations that it reads or declares and does not make, in order of appearance."""
    declared: frozenset[str]
    """Those that it declares."""
    statements: tuple[str, ...]
    """Its queries, by name."""
    reads: Mapping[str, tuple[str, ...]]
    """Statement → the relations in its FROM clauses."""
    hints: DataHints
    """What its comments say about generated data."""

    def readers_of(self, names: set[str]) -> set[str]:
        """The statements that read any of `names`, directly or through other statements."""
        readers: set[str] = set()
        for statement, read in self.reads.items():
            if not (names | readers).isdisjoint(read):
                readers.add(statement)
        return readers


def parsed(text: ProgramText, variables: Mapping[str, str]) -> ParsedProgram:
    """The statements of the text. Errors: those of SQL syntax."""
    return _parsed(text, _values(text, variables))


def _values(text: ProgramText, given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The values of `${NAME}` in the text: those given, else the spec's, else the environment's.

    None of them when the text has no reference.
    """
    return tuple(sorted({**os.environ, **dict(text.variables), **given}.items())) if "${" in text.text else ()


@lru_cache(maxsize=CACHED_PROGRAMS)
def _parsed(text: ProgramText, variables: tuple[tuple[str, str], ...]) -> ParsedProgram:
    program = Engine(base_dir=text.base_dir).parse(text.text, file=text.file, variables=dict(variables))
    queries = {s.name: s.query for s in program.statements if s.query is not None}
    reads = {name: _read_by(query) for name, query in queries.items()}
    declared = [s.name for s in program.statements if s.kind is StatementKind.SOURCE]
    read = (name for names in reads.values() for name in names if name not in queries)
    annotations = [*program.annotations, *(a for s in program.statements for a in s.annotations)]
    return ParsedProgram(
        program,
        tuple(dict.fromkeys([*declared, *read])),
        frozenset(declared),
        tuple(queries),
        reads,
        hints_of(annotations),
    )


def declared_data_schema(text: ProgramText, variables: Mapping[str, str], source: SourceTable) -> DataSchema:
    """How rows of a source without a schema file are generated: by its columns and the hints in the SQL's comments.

    Errors: those of hints.
    """
    return _declared_data_schema(text, _values(text, variables), source.name, source.schema)


@lru_cache(maxsize=CACHED_PROGRAMS)
def _declared_data_schema(
    text: ProgramText, variables: tuple[tuple[str, str], ...], source: str, columns: RowSchema
) -> DataSchema:
    program = _parsed(text, variables)
    places = {s.name: s.location for s in program.program.statements if s.kind is StatementKind.SOURCE}
    return hinted_schema(source, columns, program.hints, places.get(source, Location(text.file, 1)))


def _read_by(query: exp.Query) -> tuple[str, ...]:
    """The relations in FROM that the query itself does not make."""
    ctes = {cte.alias for cte in query.find_all(exp.CTE)}
    names = (table.name for table in query.find_all(exp.Table))
    return tuple(dict.fromkeys(name for name in names if name and name not in ctes))


@dataclass(frozen=True, slots=True)
class Stand:
    """What stands for relations that the program does not define: schemas of sources, statements given as inputs."""

    schemas: tuple[tuple[str, RowSchema], ...]
    left_out: frozenset[str] = frozenset()
    """Statements that this plan does not have: their rows are given, or what they read is not known here."""
    tables: frozenset[str] = frozenset()
    """Sources that the spec calls reference tables: a join looks rows up in them."""


def planned(text: ProgramText, variables: Mapping[str, str], stand: Stand) -> PlannedProgram:
    """The plan. Errors: those of SQL."""
    return _planned(text, _values(text, variables), stand)


@lru_cache(maxsize=CACHED_PROGRAMS)
def _planned(
    text: ProgramText,
    variables: tuple[tuple[str, str], ...],
    stand: Stand,
) -> PlannedProgram:
    program = _parsed(text, variables).program
    if stand.left_out:
        # What declares a table stays: the rows that stand for its INSERT are records of that table.
        kept = (s for s in program.statements if s.name not in stand.left_out or s.kind is StatementKind.SOURCE)
        program = replace(program, statements=tuple(kept))
    schemas: dict[str, RowSchema | SourceTable] = dict(stand.schemas)
    for name in stand.tables:
        schemas[name] = SourceTable(name, SourceKind.TABLE, dict(stand.schemas).get(name, RowSchema(())), {})
    return Engine(base_dir=text.base_dir).plan(program, schemas=schemas, variables=dict(variables))


def with_reading(text: ProgramText, table: str, variables: Mapping[str, str]) -> tuple[ProgramText, str]:
    """The program with a statement behind it that gives out the rows of a declared table, and the statement's name."""
    longer = replace(text, text=f"{text.text}\n;\nSELECT * FROM `{table}`;\n")
    return longer, parsed(longer, variables).statements[-1]


def statement_of(query: Query, spec: Spec, program: ParsedProgram, *, strict: bool) -> tuple[str, str | None]:
    """The statement that a query of the spec means, and a note when it was paired without its name.

    Errors: UNKNOWN_QUERY with the nearest name.
    """
    names = program.statements
    if query.name in names:
        return query.name, None
    hint = did_you_mean(query.name, names, noun="query")
    message = f'the SQL ({program.program.file}) defines no query "{query.name}"'
    if len(names) == 1 and len(spec.queries) == 1 and not strict:
        return names[0], f'{message}; it was paired with "{names[0]}", the only one ({query.location})'
    raise VeloError(ErrorCode.UNKNOWN_QUERY, message, location=query.location, hint=hint)


def sink_statement(sink: str, program: PlannedProgram, location: Location) -> str:
    """The statement that writes to `sink`, or is called so. Errors: UNKNOWN_QUERY."""
    if sink in program.statements:
        return sink
    by_sink = {s.sink.name: name for name, s in program.statements.items() if s.sink is not None}
    if sink in by_sink:
        return by_sink[sink]
    hint = did_you_mean(sink, [*by_sink, *program.statements], noun="sink")
    raise VeloError(ErrorCode.UNKNOWN_QUERY, f'the SQL has no sink "{sink}"', location=location, hint=hint)

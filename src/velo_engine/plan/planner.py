"""From a parsed program to its typed plan: every statement, each after those it reads.

One statement is planned when it is first needed; while that happens it may not be needed again (a cycle).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from sqlglot import exp

from velo_engine.plan.changelog import changelog_mode
from velo_engine.plan.context import QueryContext
from velo_engine.plan.insert_only import check_insert_only
from velo_engine.plan.inserts import StatementPart, shared_sink, united_inserts
from velo_engine.plan.nodes import (
    Emit,
    PlannedProgram,
    PlannedStatement,
    PlanNode,
    Sink,
    SourceTable,
    WindowAggregate,
    inputs,
)
from velo_engine.plan.optimizer import optimized
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation
from velo_engine.plan.select import plan_query
from velo_engine.plan.sinks import fitted_to_target, planned_sink
from velo_engine.plan.sources import Infer, SourceCatalog
from velo_engine.plan.statement_properties import ProgramProperties
from velo_engine.plan.statement_relations import StatementRelations, StatementResult
from velo_engine.plan.used_columns import used_columns
from velo_engine.schema import RowSchema
from velo_engine.sql.program import Program, Statement, StatementKind
from velo_engine.sql.properties import ConfigFiles

NO_SCHEMAS: Mapping[str, RowSchema | SourceTable] = MappingProxyType({})


def plan_program(
    program: Program,
    *,
    schemas: Mapping[str, RowSchema | SourceTable] = NO_SCHEMAS,
    infer: Infer | None = None,
    files: ConfigFiles | None = None,
) -> PlannedProgram:
    """The plan of all statements of `program`.

    A source's columns are those that the program declares, else those in `schemas`, else what `infer` finds by its name
    and properties. `files` says where `.config_file` properties are looked for; without it they are not read.

    Raises VeloError with the place and a hint for everything that cannot be planned; nothing is left out silently.
    """
    return _ProgramPlanner(program, schemas, infer, files).plan()


class _ProgramPlanner:
    """Plans the statements of one program."""

    def __init__(
        self,
        program: Program,
        schemas: Mapping[str, RowSchema | SourceTable],
        infer: Infer | None,
        files: ConfigFiles | None,
    ) -> None:
        self._program = program
        self._text = ProgramText(program.file, program.text)
        self._properties = ProgramProperties(program, files)
        self._catalog = SourceCatalog(program, self._properties, schemas, infer, self._text)
        self._further: dict[str, list[Statement]] = {}
        """Of a target that several INSERTs write those after the first."""
        self._queries = self._by_name()
        self._planned: dict[str, PlannedStatement] = {}
        self._results: dict[str, StatementResult] = {}
        self._open: list[str] = []
        """The statements that are being planned now, each needed by the one before."""

    def plan(self) -> PlannedProgram:
        """All statements in the order of their dependencies, otherwise in the program's."""
        for name in self._queries:
            if name not in self._planned:
                self._plan_statement(name)
        return PlannedProgram(
            statements=self._planned,
            sources=_decoding(self._catalog.used, self._planned.values()),
            properties={key: found.value for key, found in self._properties.job.items()},
            locations={key: found.location for key, found in self._properties.job.items()},
            state_ttl_ms=self._properties.state_ttl_ms,
            warnings=(*self._program.warnings, *self._properties.warnings),
        )

    def _by_name(self) -> dict[str, Statement]:
        queries: dict[str, Statement] = {}
        for statement in self._program.statements:
            if statement.kind is StatementKind.SOURCE:
                continue
            if statement.name not in queries:
                queries[statement.name] = statement
                continue
            if {statement.kind, queries[statement.name].kind} != {StatementKind.INSERT}:
                raise self._text.unsupported(
                    f"writing {statement.name} with INSERT and with another statement", statement.location
                )
            self._further.setdefault(statement.name, []).append(statement)
        return queries

    def _upstream(self, name: str, table: exp.Table) -> StatementResult | None:
        """The statement `name`, planned; None when no statement has that name."""
        if name not in self._queries:
            return None
        if name in self._open:
            circle = " -> ".join([*self._open[self._open.index(name) :], name])
            raise self._text.unsupported(f"a statement that reads itself ({circle})", table)
        if name not in self._results:
            self._plan_statement(name)
        return self._results[name]

    def _plan_statement(self, name: str) -> None:
        self._open.append(name)
        first = self._queries[name]
        parts = [self._part(statement) for statement in (first, *self._further.get(name, ()))]
        relation = parts[0].relation if len(parts) == 1 else united_inserts(parts, self._text)
        node = optimized(relation.node, self._planned)
        check_insert_only(node, self._planned, self._text, first.location)
        for part in parts:
            self._check_emit(part.statement, node)
        emit = first.emit or (Emit.FINAL if _is_windowed(node) else Emit.CHANGES)
        sinks = self._sinks(parts, node)
        self._planned[name] = PlannedStatement(
            name=name,
            plan=node,
            sink=sinks[0] if len(sinks) == 1 else shared_sink(sinks, parts, self._text),
            emit=emit,
            reads=tuple(dict.fromkeys(read for part in parts for read in part.relations.reads)),
            sources=tuple(dict.fromkeys(source for part in parts for source in part.relations.sources)),
            aliases=parts[0].query.aliases,
        )
        self._results[name] = _result(first, relation)
        self._open.pop()

    def _sinks(self, parts: Sequence[StatementPart], node: PlanNode) -> list[Sink | None]:
        """The sink of each of the statements that together give `node`; those that say the same of it share one."""
        known: dict[tuple[object, ...], Sink | None] = {}
        found = []
        for part in parts:
            name = part.statement.sink or part.statement.name
            said = self._properties.of(part.statement).sinks[name].texts() if len(parts) > 1 else {}
            what = (tuple(part.query.key), part.statement.conflict, tuple(sorted(said.items())))
            if what not in known:
                known[what] = planned_sink(
                    part.statement, node, part.query.key, part.target, self._properties, self._planned, self._text
                )
            found.append(known[what])
        return found

    def _part(self, statement: Statement) -> StatementPart:
        """One statement planned, under the columns of its target."""
        assert statement.query is not None, "only SOURCE statements have no query"
        relations = StatementRelations(
            statement, self._catalog, self._properties, self._text, self._upstream, self._queries
        )
        context = QueryContext(
            self._text,
            relations,
            emit=statement.emit or Emit.FINAL,
            statements=self._planned,
            nested=statement.kind is StatementKind.VIEW,
            allowed_lateness_ms=self._properties.allowed_lateness_ms(statement),
            late_data=self._properties.late_data(statement),
        )
        query = plan_query(statement.query, context)
        target = self._catalog.declaration(statement.name) if statement.kind is StatementKind.INSERT else None
        relation = fitted_to_target(query.relation, statement, target, self._text)
        return StatementPart(statement, query, relation, target, relations)

    def _check_emit(self, statement: Statement, node: PlanNode) -> None:
        """EMIT FINAL gives rows that never change; without a window nothing says when a result is final."""
        if statement.emit is Emit.FINAL and not changelog_mode(node, self._planned).insert_only:
            hint = "add a window, or write EMIT CHANGES"
            if self._properties.allowed_lateness_ms(statement):
                hint = "with allowed.lateness, late rows correct results that were given out: leave EMIT FINAL away"
            raise self._text.unsupported("EMIT FINAL of a result that changes", statement.location, hint)


def _decoding(sources: Mapping[str, SourceTable], statements: Iterable[PlannedStatement]) -> Mapping[str, SourceTable]:
    """The sources, each with the columns that must be decoded."""
    used = used_columns(statements)
    return {
        name: source
        if len(read := used.get(name, frozenset())) == len(source.schema)
        else replace(source, decoded=read)
        for name, source in sources.items()
    }


def _is_windowed(node: PlanNode) -> bool:
    return isinstance(node, WindowAggregate) or any(_is_windowed(child) for child in inputs(node))


def _result(statement: Statement, relation: Relation) -> StatementResult:
    is_table = statement.kind is StatementKind.TABLE
    return StatementResult(
        name=statement.name,
        schema=relation.node.schema,
        event_times=relation.event_times,
        processing_times=relation.processing_times,
        windows=relation.windows,
        reference=is_table and relation.bounded,
        bounded=relation.bounded,
        grouped_times=relation.grouped_times,
    )

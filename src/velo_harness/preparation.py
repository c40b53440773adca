"""A query made ready to run: its statement found, the program planned, its inputs chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from velo_engine.errors import ErrorCode, VeloError, did_you_mean, nearest
from velo_engine.plan.nodes import PlannedProgram, SourceTable
from velo_engine.schema import RowSchema
from velo_engine.sql.program import Warning
from velo_engine.sql.property_keys import READ_WHEN_RUN, property_key
from velo_harness.data_hints import check_hinted_fields
from velo_harness.execution import needed_sources, needed_statements
from velo_harness.programs import (
    ParsedProgram,
    ProgramText,
    Stand,
    parsed,
    planned,
    program_text,
    sink_statement,
    statement_of,
    with_reading,
)
from velo_harness.relation import Relation
from velo_harness.settings import RunSettings
from velo_harness.source_schemas import SchemaFinder
from velo_harness.spec import DEFAULT_SEED, Input, OutputSpec, Query, Severity, Spec


@dataclass(frozen=True, slots=True)
class PreparedQuery:
    """A query ready to run."""

    text: ProgramText
    program: PlannedProgram
    statement: str
    targets: tuple[str, ...]
    """Statements to run: its own, its dependencies, and those whose sinks are checked."""
    given: Mapping[str, Input]
    """Source → the input that the spec gives to it."""
    seed: int
    """Of generated data."""
    notes: tuple[str, ...]


class QueryPreparation:
    """Prepares one query.

    `previous` gives the output of another query of the spec; `text` is its program, if not the spec's own.
    """

    def __init__(
        self,
        spec: Spec,
        query: Query,
        settings: RunSettings,
        schemas: SchemaFinder,
        previous: Callable[[str], Relation],
        text: ProgramText | None = None,
    ) -> None:
        self._spec = spec
        self._query = query
        self._settings = settings
        self._schemas = schemas
        self._previous = previous
        self._text = text

    def prepared(self) -> PreparedQuery:
        """The query ready to run. Errors: those of SQL and of schemas, UNKNOWN_QUERY, UNKNOWN_TABLE."""
        text = program_text(self._spec) if self._text is None else self._text
        program = parsed(text, self._settings.variables)
        if self._query.name in program.declared and self._query.name not in program.statements:
            text, statement = with_reading(text, self._query.name, self._settings.variables)
            program, note = parsed(text, self._settings.variables), None
        else:
            statement, note = statement_of(self._query, self._spec, program, strict=self._settings.strict)
        given = self._given(program)
        plan = planned(text, self._settings.variables, self._stand(text, program, given))
        plan = replace(
            plan, properties={**plan.properties, **{property_key(k).name: v for k, v in self._spec.config.items()}}
        )
        plan = replace(plan, sources={name: self._decoding_late(source) for name, source in plan.sources.items()})
        self._check_sources(given, plan)
        check_hinted_fields(program.hints, (name for source in plan.sources.values() for name in source.schema.names))
        sinks = [sink_statement(output.sink, plan, output.location) for output in self._query.outputs]
        targets = tuple(dict.fromkeys([*self._dependencies(plan), statement, *sinks]))
        inputs = {**self._inherited(plan, targets), **given}
        notes = (*((note,) if note else ()), *self._warnings(plan), *self._only_warnings())
        return PreparedQuery(text, plan, statement, targets, inputs, self._seed(program), notes)

    def _decoding_late(self, source: SourceTable) -> SourceTable:
        """The source decoding the columns, too, that only expected late rows name: no statement reads them."""
        expected = [self._query.expect, *(output.expect for output in self._query.outputs)]
        late = [row for expect in expected if expect is not None for row in expect.late or ()]
        named = {name for one in late for name in one.row.values}
        if source.decoded is None or not named:
            return source
        places = (source.schema.index(name) for name in named)
        return replace(source, decoded=source.decoded | {place for place in places if place is not None})

    def _warnings(self, plan: PlannedProgram) -> list[str]:
        """What in the SQL has no effect; the first one is an error in a strict run."""
        warnings = (*plan.warnings, *config_warnings(self._spec))
        for warning in warnings if self._settings.strict else ():
            raise VeloError(ErrorCode.BAD_PROPERTY, warning.message, location=warning.location, hint=warning.hint)
        return [warning_text(warning) for warning in warnings]

    def _only_warnings(self) -> Iterator[str]:
        """That the query cannot fail by its checks; an error in a strict run."""
        parts: tuple[Query | OutputSpec, ...] = (self._query, *self._query.outputs)
        written = [assertion for part in parts for assertion in part.assertions]
        if any(part.expect is not None for part in parts) or not written:
            return
        if all(assertion.severity is Severity.WARNING for assertion in written):
            message = f'every check of "{self._query.name}" has severity: warning: it passes whatever comes out'
            if self._settings.strict:
                raise VeloError(ErrorCode.NOTHING_CHECKED, message, location=self._query.location)
            yield f"{message} ({self._query.location})"

    def _seed(self, program: ParsedProgram) -> int:
        """The seed asked for, else the spec's, else the one that the SQL's comments hint at."""
        if self._settings.seed is not None:
            return self._settings.seed
        hinted = program.hints.seed
        return hinted if hinted is not None and self._spec.seed == DEFAULT_SEED else self._spec.seed

    def _given(self, program: ParsedProgram) -> dict[str, Input]:
        """The query's inputs by source. What the program computes from the same rows anyway needs no input."""
        for one in self._query.inputs:
            if one.from_previous is not None:
                query_named(one.from_previous, self._spec, self._query)
        return {
            one.source: one
            for one in self._query.inputs
            if not (one.source in program.statements and one.from_previous == one.source)
        }

    def _stand(self, text: ProgramText, program: ParsedProgram, given: Mapping[str, Input]) -> Stand:
        """What stands for the relations that the plan does not compute.

        A statement whose rows are given is a source. A source that reads another query's output has columns only where
        that query is not the one being run: statements that read it are left out of this plan.
        """
        schemas: dict[str, RowSchema] = {}
        unknown: set[str] = set()
        for name in program.sources:
            chosen = given.get(name)
            if chosen is None and name not in program.statements:
                chosen = self._inherited_input(name)
            if chosen is not None and chosen.from_previous is not None:
                if name in given:
                    schemas[name] = self._previous(chosen.from_previous).schema
                else:
                    unknown.add(name)
                continue
            found = self._schemas.find(name, chosen)
            if found is not None:
                schemas[name] = found.row_schema()
        left_out = program.readers_of(unknown)
        tables = frozenset(self._spec.reference_tables) & frozenset(program.sources)
        replaced = [name for name in program.statements if name in given]
        if replaced:
            whole = planned(text, self._settings.variables, Stand(tuple(schemas.items()), frozenset(left_out), tables))
            schemas |= {name: whole.statements[name].plan.schema for name in replaced}
        return Stand(tuple(schemas.items()), frozenset(left_out | set(replaced)), tables)

    def _check_sources(self, given: Mapping[str, Input], plan: PlannedProgram) -> None:
        for name, one in given.items():
            if name not in plan.sources:
                hint = did_you_mean(name, [*plan.sources, *plan.statements], noun="source")
                message = f'the SQL reads no source "{name}"'
                raise VeloError(ErrorCode.UNKNOWN_TABLE, message, location=one.location, hint=hint)

    def _dependencies(self, plan: PlannedProgram) -> tuple[str, ...]:
        for name in self._query.dependencies:
            if name not in plan.statements:
                place = self._query.key_locations.get("dependencies", self._query.location)
                hint = did_you_mean(name, plan.statements, noun="query")
                message = f'the SQL defines no query "{name}"'
                raise VeloError(ErrorCode.UNKNOWN_QUERY, message, location=place, hint=hint)
        return self._query.dependencies

    def _inherited(self, plan: PlannedProgram, targets: tuple[str, ...]) -> dict[str, Input]:
        """Inputs that the queries of upstream statements give to sources."""
        upstream = set(needed_statements(plan, targets)) - {self._query.name}
        found = {name: self._inherited_input(name, upstream) for name in needed_sources(plan, targets)}
        return {name: one for name, one in found.items() if one is not None}

    def _inherited_input(self, source: str, upstream: set[str] | None = None) -> Input | None:
        """The input that another query (one of `upstream`) gives to a source."""
        for other in self._spec.queries:
            if other is not self._query and (upstream is None or other.name in upstream):
                found = next((one for one in other.inputs if one.source == source), None)
                if found is not None:
                    return found
        return None


def warning_text(warning: Warning) -> str:
    """A warning about the SQL, its place and its hint in one line."""
    return f"{warning.message} ({warning.location})" + (f"; {warning.hint}" if warning.hint else "")


def config_warnings(spec: Spec) -> Iterator[Warning]:
    """Job properties under `config` that nobody reads."""
    for written in spec.config:
        if property_key(written).name not in READ_WHEN_RUN:
            close = nearest(written, (*READ_WHEN_RUN, "time_zone"))
            hint = "say it in the SQL, with SET or in WITH (…)" if close is None else f"did you mean '{close}'?"
            message = f"the job property '{written}' has no effect under config"
            yield Warning(message, spec.config_locations[written], hint)


def query_named(name: str, spec: Spec, but: Query) -> Query:
    """Another query of the spec than `but`. Errors: UNKNOWN_QUERY at `but`."""
    others = {query.name: query for query in spec.queries if query is not but}
    if name not in others:
        hint = did_you_mean(name, others, noun="other query")
        message = f'the query "{but.name}" reads the output of "{name}", which is no other query of the spec'
        raise VeloError(ErrorCode.UNKNOWN_QUERY, message, location=but.location, hint=hint)
    return others[name]

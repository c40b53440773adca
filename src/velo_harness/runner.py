"""Running one query of a spec: from its text to its result. Never raises for what a spec or a program can do wrong."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from velo_engine import types as t
from velo_engine.errors import ErrorCode, ExitCode, VeloError, did_you_mean
from velo_engine.plan import nodes
from velo_engine.plan.nodes import PlannedProgram, PlanNode, WindowAggregate
from velo_engine.schema import Column, RowSchema
from velo_harness.assertions.evaluate import OutputFacts, failures
from velo_harness.discovery import PathPolicy
from velo_harness.event_times import event_time_columns
from velo_harness.execution import Execution, ProgressHook, executed, job_options, needed_sources, needed_statements
from velo_harness.expectations import ActualOutput, check_expectation
from velo_harness.input_relations import InputRelations
from velo_harness.inputs import InputMaker, RunInputs
from velo_harness.programs import (
    ProgramText,
    Stand,
    parsed,
    planned,
    program_text,
    referenced_relations,
    sink_statement,
    statement_names,
    statement_of,
)
from velo_harness.relation import Relation
from velo_harness.result import SHOWN_ROWS, CheckFailure, Finding, JobNumbers, Outcome, QueryResult
from velo_harness.settings import RunSettings
from velo_harness.source_schemas import SchemaFinder
from velo_harness.spec import AssertionSpec, Expectation, Input, Query, Spec
from velo_harness.templates import TemplateScope

if TYPE_CHECKING:
    from velo_engine.runtime.result import StatementResult


def run_query(
    spec: Spec,
    query: Query,
    settings: RunSettings,
    *,
    item: str,
    rerun: str,
    on_progress: ProgressHook | None = None,
) -> QueryResult:
    """The result of one query. `item` is its id in reports, `rerun` the command that runs just it again."""
    began = time.perf_counter()
    blank = QueryResult(
        item=item,
        spec_file=str(spec.file),
        spec_name=spec.name,
        query=query.name,
        outcome=Outcome.SKIPPED,
        seed=spec.seed if settings.seed is None else settings.seed,
        rerun=rerun,
        description=query.description,
        tags=(*spec.tags, *query.tags),
    )
    if query.skip is not None:
        return replace(blank, skip_reason=query.skip)
    try:
        result = _QueryRun(spec, query, settings, blank, on_progress).result()
    except VeloError as error:
        failed = error.exit_code is ExitCode.FAILED and error.code is not ErrorCode.INTERNAL
        result = replace(blank, outcome=Outcome.FAILED if failed else Outcome.ERROR, error=error)
    except Exception as defect:
        if settings.debug:
            raise
        result = replace(blank, outcome=Outcome.ERROR, error=internal_error(defect))
    return replace(result, duration_ms=(time.perf_counter() - began) * 1000)


def internal_error(defect: Exception) -> VeloError:
    """A defect of ours, as people see it."""
    return VeloError(
        ErrorCode.INTERNAL,
        f"{type(defect).__name__}: {defect}",
        hint="a defect of velostream: please report it, with the traceback of --debug (in pytest: --velo-debug)",
    )


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A query ready to run."""

    text: ProgramText
    program: PlannedProgram
    statement: str
    targets: tuple[str, ...]
    given: Mapping[str, Input]
    notes: tuple[str, ...]


class _QueryRun:
    """One run of one query."""

    def __init__(
        self, spec: Spec, query: Query, settings: RunSettings, blank: QueryResult, on_progress: ProgressHook | None
    ) -> None:
        self._spec = spec
        self._query = query
        self._settings = settings
        self._blank = blank
        self._on_progress = on_progress
        self._policy = PathPolicy.for_file(spec.file, settings.allowed)
        self._schemas = SchemaFinder(spec, self._policy)

    def result(self) -> QueryResult:
        """The result; VeloError when the query cannot be run or checked as written."""
        expected_error = self._query.expect.error if self._query.expect is not None else None
        if expected_error is not None:
            return self._result_of_expected_error(self._query.expect)
        prepared = self._prepared()
        inputs = self._inputs(prepared)
        with self._executed(prepared, inputs) as execution:
            return self._checked(prepared, inputs, execution)

    def previous_output(self) -> Relation:
        """The records that the query gives out, for another query that reads them."""
        prepared = self._prepared()
        with self._executed(prepared, self._inputs(prepared)) as execution:
            return records_of(execution.result.statements[prepared.statement])

    def _prepared(self) -> _Prepared:
        text = program_text(self._spec)
        program = parsed(text, self._settings.variables)
        statement, note = statement_of(self._query, self._spec, program, strict=self._settings.strict)
        given = self._given_inputs(statement_names(program))
        replaced = frozenset(given) & set(statement_names(program))
        stand = Stand(tuple(self._source_schemas(text, referenced_relations(program), given, replaced)), replaced)
        plan = planned(text, self._settings.variables, stand)
        plan = replace(plan, properties={**plan.properties, **self._spec.config})
        self._check_inputs(given, plan)
        sinks = [sink_statement(output.sink, plan, output.location) for output in self._query.outputs]
        targets = tuple(dict.fromkeys([*self._dependencies(plan), statement, *sinks]))
        return _Prepared(
            text, plan, statement, targets, self._with_inherited(plan, targets, given), (note,) if note else ()
        )

    def _given_inputs(self, statements: list[str]) -> dict[str, Input]:
        """The query's inputs by source.

        `from_previous` of a statement that the program itself computes needs no input.
        """
        return {
            given.source: given
            for given in self._query.inputs
            if not (given.source in statements and given.from_previous is not None)
        }

    def _source_schemas(
        self, text: ProgramText, sources: list[str], given: Mapping[str, Input], replaced: frozenset[str]
    ) -> list[tuple[str, RowSchema]]:
        schemas: list[tuple[str, RowSchema]] = []
        for name in sources:
            chosen = given.get(name) or self._inherited_input(name)
            if chosen is not None and chosen.from_previous is not None:
                schemas.append((name, self._previous(chosen.from_previous).schema))
                continue
            schema = self._schemas.find(name, chosen)
            if schema is not None:
                schemas.append((name, schema.row_schema()))
        if replaced:
            whole = planned(text, self._settings.variables, Stand(tuple(schemas)))
            schemas += [(name, whole.statements[name].plan.schema) for name in sorted(replaced)]
        return schemas

    def _check_inputs(self, given: Mapping[str, Input], plan: PlannedProgram) -> None:
        for name, one in given.items():
            if name not in plan.sources:
                hint = did_you_mean(name, [*plan.sources, *plan.statements], noun="source")
                message = f'the SQL reads no source "{name}"'
                raise VeloError(ErrorCode.UNKNOWN_TABLE, message, location=one.location, hint=hint)

    def _dependencies(self, plan: PlannedProgram) -> list[str]:
        for name in self._query.dependencies:
            if name not in plan.statements:
                place = self._query.key_locations.get("dependencies", self._query.location)
                hint = did_you_mean(name, plan.statements, noun="query")
                message = f'the SQL defines no query "{name}"'
                raise VeloError(ErrorCode.UNKNOWN_QUERY, message, location=place, hint=hint)
        return list(self._query.dependencies)

    def _with_inherited(
        self, plan: PlannedProgram, targets: tuple[str, ...], given: Mapping[str, Input]
    ) -> dict[str, Input]:
        """The inputs of the query, and for sources it does not mention those of the queries it depends on."""
        inputs = dict(given)
        upstream = set(needed_statements(plan, targets)) - {self._query.name}
        for name in needed_sources(plan, targets):
            if name not in inputs:
                inherited = self._inherited_input(name, upstream)
                if inherited is not None:
                    inputs[name] = inherited
        return inputs

    def _inherited_input(self, source: str, upstream: set[str] | None = None) -> Input | None:
        """The input that an earlier query gives to a source."""
        for other in self._spec.queries:
            if other is not self._query and (upstream is None or other.name in upstream):
                for given in other.inputs:
                    if given.source == source:
                        return given
        return None

    def _inputs(self, prepared: _Prepared) -> RunInputs:
        maker = InputMaker(
            self._spec,
            self._query,
            self._blank.seed,
            self._schemas,
            self._previous,
            self._settings.variables,
            event_time_columns(prepared.program),
        )
        return maker.make(needed_sources(prepared.program, prepared.targets), prepared.given)

    def _previous(self, name: str) -> Relation:
        """The output of an earlier query of the spec. Errors: UNKNOWN_QUERY."""
        found = next((q for q in self._spec.queries if q.name == name), None)
        if found is None or found is self._query:
            others = [q.name for q in self._spec.queries if q is not self._query]
            message, hint = f'there is no other query "{name}"', did_you_mean(name, others, noun="query")
            raise VeloError(ErrorCode.UNKNOWN_QUERY, message, location=self._query.location, hint=hint)
        return _QueryRun(self._spec, found, self._settings, self._blank, None).previous_output()

    def _executed(self, prepared: _Prepared, inputs: RunInputs) -> Any:
        timeout = self._query.timeout_ms if self._settings.timeout_ms is None else self._settings.timeout_ms
        options = job_options(self._spec, self._settings.batch_size, timeout, self._query.location, self._on_progress)
        return executed(prepared.program, prepared.text, prepared.targets, inputs, options, self._policy)

    def _checked(self, prepared: _Prepared, inputs: RunInputs, execution: Execution) -> QueryResult:
        statements = execution.result.statements
        records = {name: records_of(result) for name, result in statements.items()}
        relations = InputRelations(inputs.relations, prepared.program, prepared.text.base_dir, self._policy)
        scope = TemplateScope(relations, records, self._settings.variables)
        checks = _Checks(self._spec, prepared.program, execution, relations, scope, records)
        failed, warnings = checks.of(prepared.statement, self._query.assertions, self._query.expect)
        count = len(self._query.assertions) + (self._query.expect is not None)
        for output in self._query.outputs:
            name = sink_statement(output.sink, prepared.program, output.location)
            more, softer = checks.of(name, output.assertions, output.expect)
            failed, warnings = failed + more, warnings + softer
            count += len(output.assertions) + (output.expect is not None)
        main = statements[prepared.statement]
        letters = execution.result.dead_letters
        return replace(
            self._blank,
            outcome=Outcome.FAILED if failed else Outcome.PASSED,
            failures=tuple(failed),
            warnings=tuple(warnings),
            notes=(*prepared.notes, *_letter_notes(execution)),
            checks=count,
            inputs={name: len(relation) for name, relation in inputs.relations.items()},
            output_rows=len(records[prepared.statement]),
            numbers=_numbers(main),
            late_rows=tuple(late_of(main, prepared.program).row(i) for i in range(min(main.late.num_rows, SHOWN_ROWS))),
            dead_letters=tuple(f"{d.source}[{d.partition}]@{d.offset}: {d.reason}" for d in letters[:SHOWN_ROWS]),
            execution_ms=main.elapsed_ms,
        )

    def _result_of_expected_error(self, expect: Expectation | None) -> QueryResult:
        """The query must end with the error that the spec describes."""
        assert expect is not None
        assert expect.error is not None
        wanted = expect.error
        described = " ".join(
            part for part in (wanted.code, f"matching /{wanted.matches}/" if wanted.matches else None) if part
        )
        try:
            prepared = self._prepared()
            with self._executed(prepared, self._inputs(prepared)):
                actual = "the query ended without an error"
        except VeloError as error:
            right_code = wanted.code is None or wanted.code in (error.code.code, error.code.name)
            if right_code and (wanted.matches is None or re.search(wanted.matches, error.message)):
                return replace(self._blank, outcome=Outcome.PASSED, checks=1)
            actual = f"{error.code.code}: {error.message}"
        failure = CheckFailure("expect.error", Finding(f"an error {described}", actual), wanted.location)
        return replace(self._blank, outcome=Outcome.FAILED, failures=(failure,), checks=1)


@dataclass(frozen=True, slots=True)
class _Checks:
    """Evaluates the checks of one run, statement by statement."""

    spec: Spec
    program: PlannedProgram
    execution: Execution
    inputs: Mapping[str, Relation]
    scope: TemplateScope
    records: Mapping[str, Relation]

    def of(
        self, name: str, assertions: tuple[AssertionSpec, ...], expect: Expectation | None
    ) -> tuple[list[CheckFailure], list[CheckFailure]]:
        """The checks of one statement that do not hold: failures and warnings."""
        result = self.execution.result.statements[name]
        final = Relation(name, result.schema, result.final, result.aliases)
        key = tuple(result.schema.names[i] for i in result.upsert_key)
        facts = OutputFacts(
            records=self.records[name],
            final=final,
            updates=len(final) != len(self.records[name]),
            key=key,
            inputs=self.inputs,
            scope=self.scope,
            time_zone=self.spec.config.get("time_zone", "UTC"),
            execution_ms=result.elapsed_ms,
            window=window_of(self.program, name),
        )
        found, warnings = failures([self._with_files(a) for a in assertions], facts)
        if expect is not None:
            changelog = result.changelog
            schema = RowSchema((*result.schema.columns, Column("op", t.STRING)))
            actual = ActualOutput(
                final=final,
                changelog=Relation(name, schema, changelog, result.aliases),
                key=key,
                late=late_of(result, self.program),
                scope=self.scope,
                zone=self.spec.zone,
            )
            found = [*check_expectation(expect, actual), *found]
        return found, warnings

    def _with_files(self, assertion: AssertionSpec) -> AssertionSpec:
        """The assertion looking at the files that this run wrote."""
        files = self.execution.files
        paths = {k: p for k in ("path", "actual_path") if isinstance(p := assertion.parameters.get(k), Path)}
        moved = {k: files[p] for k, p in paths.items() if p in files}
        return replace(assertion, parameters={**assertion.parameters, **moved}) if moved else assertion


def records_of(result: StatementResult) -> Relation:
    """Every record given out, in order: the +I and +U rows."""
    import pyarrow.compute as pc

    changelog = result.changelog
    rows = changelog.drop_columns(["op"]) if changelog.column_names.count("op") == 1 else _without_last(changelog)
    op = changelog.column(changelog.num_columns - 1)
    kept = pc.is_in(op, pa.array(["+I", "+U"]))
    return Relation(
        result.name, result.schema, rows if pc.all(kept).as_py() is not False else rows.filter(kept), result.aliases
    )


def _without_last(table: pa.Table) -> pa.Table:
    return table.select(list(range(table.num_columns - 1)))


def late_of(result: StatementResult, program: PlannedProgram) -> Relation:
    """The rows that came too late, with `late_by_ms`."""
    window = _window_node(program, result.name)
    lateness = Column("late_by_ms", t.BIGINT)
    schema = RowSchema((*(window.input.schema.columns if window is not None else ()), lateness))
    if tuple(result.late.column_names) == schema.names:
        return Relation(f"late rows of {result.name}", schema, result.late)
    empty = pa.table([pa.array([], field.type) for field in schema.arrow()], schema=schema.arrow())
    return Relation(f"late rows of {result.name}", schema, empty)


def window_of(program: PlannedProgram, statement: str) -> nodes.WindowSpec | None:
    """The window of a statement's plan, when it has one."""
    found = _window_node(program, statement)
    return None if found is None else found.window


def _window_node(program: PlannedProgram, statement: str) -> WindowAggregate | None:
    waiting: list[PlanNode] = [program.statements[statement].plan]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, WindowAggregate):
            return node
        waiting.extend(nodes.inputs(node))
    return None


def _numbers(result: StatementResult) -> JobNumbers:
    a = result.accounting
    return JobNumbers(
        a.read, a.accepted, a.filtered, a.late, a.dead_lettered, a.partly_late, a.emitted, a.written, a.state_rows
    )


def _letter_notes(execution: Execution) -> list[str]:
    """What a person must know of records that no query could use."""
    count, letters = execution.result.dead_letter_count, execution.result.dead_letters
    if not count:
        return []
    first = letters[0]
    where = f"{first.source}, partition {first.partition}, offset {first.offset}"
    return [f"{count} records went to the dead letter queue; the first: {first.reason} ({where})"]

"""A query of a spec, run stage by stage: prepared, its inputs made, executed, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from velo_engine import JobOptions
from velo_engine.connectors.dead_letters import DeadLetter
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.nodes import PlannedProgram
from velo_harness.arrangement import Arrangement
from velo_harness.assertions.failures import expected_error_text
from velo_harness.capture import captured
from velo_harness.checks import RunChecks, late_of
from velo_harness.discovery import PathPolicy
from velo_harness.event_times import event_time_columns
from velo_harness.execution import (
    Broker,
    Execution,
    ProgressHook,
    executed,
    job_options,
    needed_sources,
    needed_statements,
)
from velo_harness.expectations import LATE_BY
from velo_harness.faults.run import run_with_faults
from velo_harness.input_relations import InputRelations
from velo_harness.inputs import InputMaker, RunInputs
from velo_harness.missing_rows.command_line import with_explain_command
from velo_harness.preparation import PreparedQuery, QueryPreparation, query_named, warning_text
from velo_harness.profile import ReadingCurve, profile_of
from velo_harness.programs import declared_data_schema, parsed, shown_path, sink_statement
from velo_harness.relation import Relation
from velo_harness.result import (
    SHOWN_ROWS,
    CheckFailure,
    Finding,
    JobNumbers,
    Outcome,
    Permutations,
    Profile,
    QueryResult,
)
from velo_harness.run_probe import Measure, RunProbe, measures_for
from velo_harness.settings import RunSettings, Update
from velo_harness.source_schemas import SchemaFinder
from velo_harness.spec import EXPECT_ERROR, AssertionSpec, ExpectedError, Query, Spec
from velo_harness.templates import TemplateScope
from velo_harness.updating.written import Updated

if TYPE_CHECKING:
    import pyarrow as pa

    from velo_engine.observability.metric_annotations import MetricDefinition
    from velo_engine.runtime.result import StatementResult
    from velo_harness.coverage.collector import CoverageCollector
    from velo_harness.kafka.session import KafkaSession


class QueryRun:
    """One run of one query, in stages: prepared, its inputs made, executed, checked.

    `blank` is the result before anything ran. Topics are on the broker of `kafka`; without it they are in memory.
    """

    def __init__(
        self,
        spec: Spec,
        query: Query,
        settings: RunSettings,
        blank: QueryResult,
        on_progress: ProgressHook | None = None,
        kafka: KafkaSession | None = None,
    ) -> None:
        self._spec = spec
        self._query = query
        self._settings = replace(settings, variables={**spec.variables, **settings.variables})
        self._blank = blank
        self._on_progress = on_progress
        self._curve: ReadingCurve | None = None
        self._kafka = kafka
        self._policy = PathPolicy.for_file(spec.file, settings.allowed)
        self._schemas = SchemaFinder(spec, self._policy)

    def result(self) -> QueryResult:
        """The result; VeloError when the query cannot be run or checked as written."""
        wanted = expected_error(self._query)
        if wanted is not None:
            return self._result_of_expected_error(wanted)
        prepared = self.prepared()
        inputs = self.inputs(prepared)
        collector = self._collector(prepared) if self._settings.coverage else None
        options = None if collector is None else replace(self.job_options(), on_step=collector.observe)
        with self.executed(prepared, inputs, options) as execution:
            result = self.checked(prepared, inputs, execution)
            if collector is not None:
                result = collector.on(result, execution)
            return self._permuted(prepared, inputs, execution, result) if self._settings.permute else result

    def _collector(self, prepared: PreparedQuery) -> CoverageCollector:
        """What watches the run for its coverage of the SQL."""
        from velo_harness.coverage.collector import CoverageCollector

        zone = self._spec.config.get("time_zone", prepared.program.properties.get("time.zone", "UTC"))
        return CoverageCollector(prepared, self._settings.variables, zone)

    def _permuted(
        self, prepared: PreparedQuery, inputs: RunInputs, execution: Execution, result: QueryResult
    ) -> QueryResult:
        """The result, with what other orders of the records give."""
        from velo_harness.permutation.run import Permuter

        def executes(other: RunInputs) -> AbstractContextManager[Execution]:
            return self.executed(prepared, other)

        if self._kafka is not None:
            return replace(result, permutations=Permutations(prepared.seed, skipped="topics are on a broker"))
        return Permuter(self._query, prepared, inputs, executes, self._settings.permute).result(result, execution)

    def output(self) -> Relation:
        """The records that the query gives out, for another query that reads them."""
        prepared = self.prepared()
        with self.executed(prepared, self.inputs(prepared)) as execution:
            return execution.records_of(prepared.statement)

    def prepared(self) -> PreparedQuery:
        """The query ready to run. Errors: as of `QueryPreparation.prepared`."""
        return QueryPreparation(self._spec, self._query, self._settings, self._schemas, self._previous).prepared()

    def _previous(self, name: str) -> Relation:
        query = query_named(name, self._spec, self._query)
        return QueryRun(self._spec, query, self._settings, self._blank, None, self._kafka).output()

    def inputs(self, prepared: PreparedQuery) -> RunInputs:
        """What each source reads. Errors: of data files, literals and generation."""
        maker = InputMaker(
            self._spec,
            self._query,
            prepared.seed,
            self._schemas,
            self._previous,
            self._settings.variables,
            lambda source: declared_data_schema(prepared.text, self._settings.variables, source),
            event_time_columns(prepared.program),
            Arrangement(self._spec, self._query, self._settings, prepared.seed, prepared.program),
            lambda rows, wanted: self._on_boundaries(prepared, rows, wanted),
        )
        sources = needed_sources(prepared.program, prepared.targets)
        made = maker.make(sources, prepared.given, prepared.program.sources)
        for note in made.notes if self._settings.strict else ():
            raise VeloError(ErrorCode.BAD_VALUE, note.message, location=note.location, hint=note.hint)
        return made

    def _on_boundaries(
        self, prepared: PreparedQuery, rows: Mapping[str, Relation], wanted: Sequence[str]
    ) -> Mapping[str, pa.Table]:
        from velo_harness.generation.boundaries import boundary_tables

        now, zone = self._spec.now or datetime.now(UTC), self._spec.zone
        statements = needed_statements(prepared.program, prepared.targets)
        in_time = frozenset(name for name, given in prepared.given.items() if given.in_time)
        zone_name = "UTC" if zone is None else zone.key
        return boundary_tables(prepared.program, statements, rows, wanted, now, zone_name, in_time)

    def job_options(self) -> JobOptions:
        """How the spec, the query and the settings want the job to be run."""
        timeout = self._query.timeout_ms if self._settings.timeout_ms is None else self._settings.timeout_ms
        on_progress = self._on_progress
        if self._settings.profile:
            self._curve = on_progress = ReadingCurve(on_progress)
        return job_options(self._spec, self._settings.batch_size, timeout, self._query.location, on_progress)

    def executed(
        self, prepared: PreparedQuery, inputs: RunInputs, options: JobOptions | None = None
    ) -> AbstractContextManager[Execution]:
        """The job, run to its end; what it wrote is there as long as the context. `options`: instead of `job_options`.

        Errors: of the engine, TIMEOUT.
        """
        wanted = inputs.timed(self.job_options() if options is None else options)
        broker = None if self._kafka is None else Broker(self._kafka, self._spec.topic_naming)
        probe = self._probe(prepared)
        program = _decoding(prepared.program, late_columns(self._query))
        text, targets, policy = prepared.text, prepared.targets, self._policy
        return run_with_faults(
            inputs,
            wanted,
            self._kafka,
            lambda chosen: executed(program, text, targets, inputs, chosen, policy, broker, probe),
        )

    def _probe(self, prepared: PreparedQuery) -> RunProbe:
        """Measures what the query's assertions look at. Errors: of metrics that the program declares."""
        measures = measures_for(all_assertions(self._query))
        definitions: list[MetricDefinition] = []
        if Measure.METRICS in measures:
            from velo_engine.observability.metric_annotations import metric_definitions

            run = needed_statements(prepared.program, prepared.targets)
            found = metric_definitions(parsed(prepared.text, self._settings.variables).program)
            definitions = [definition for definition in found if definition.statement in run]
        return RunProbe(measures, prepared.program, definitions, self._spec.config.get("time_zone", "UTC"))

    def checked(self, prepared: PreparedQuery, inputs: RunInputs, execution: Execution) -> QueryResult:
        """The result of all checks. Errors: of assertions that cannot be evaluated as written."""
        execution = captured(execution, self._query, prepared.statement, prepared.text.base_dir)
        statements = execution.result.statements
        records = {name: execution.records_of(name) for name in statements}
        relations = InputRelations(inputs.relations, prepared.program, prepared.text.base_dir, inputs.unread)
        scope = TemplateScope(relations, records, self._settings.variables)
        checks = RunChecks(self._spec, execution, relations, scope, records)
        updates = self._settings.update is not Update.OFF
        failed, warnings = checks.of(
            prepared.statement, self._query.assertions, None if updates else self._query.expect
        )
        count = len(self._query.assertions) + (self._query.expect is not None)
        for output in self._query.outputs:
            name = sink_statement(output.sink, prepared.program, output.location)
            more, softer = checks.of(name, output.assertions, None if updates else output.expect)
            failed, warnings = failed + more, warnings + softer
            count += len(output.assertions) + (output.expect is not None)
        updated = self._updated(prepared, checks) if updates else Updated()
        failed = [*updated.failures, *failed]
        key = checks.actual(prepared.statement).key if failed else ()
        failed = [with_explain_command(f, self._spec, self._query, key, self._settings.seed) for f in failed]
        unread = () if inputs.unread is None else tuple(inputs.unread.notes(strict=self._settings.strict))
        main = statements[prepared.statement]
        late = late_of(main, prepared.program)
        letters = execution.result.dead_letters[:SHOWN_ROWS]
        return replace(
            self._blank,
            outcome=Outcome.FAILED if failed else Outcome.PASSED,
            seed=prepared.seed,
            failures=tuple(failed),
            warnings=tuple(warnings),
            notes=(
                *prepared.notes,
                *map(warning_text, inputs.notes),
                *unread,
                *_letter_notes(execution),
                *_debug_notes(self._spec, self._query),
            ),
            checks=count,
            updates=updated.updates,
            inputs=inputs.records,
            output_rows=len(records[prepared.statement]),
            numbers=_numbers(main),
            late_rows=tuple(late.row(i) for i in range(min(len(late), SHOWN_ROWS))),
            dead_letters=tuple(_letter_text(letter) for letter in letters),
            faults=execution.faults,
            execution_ms=main.elapsed_ms,
            profile=profile_of(records[prepared.statement], late, LATE_BY, self._curve)
            if self._settings.profile
            else None,
        )

    def _profile(self, output: Relation, late: Relation) -> Profile | None:
        return profile_of(output, late, LATE_BY, self._curve) if self._settings.profile else None

    def _updated(self, prepared: PreparedQuery, checks: RunChecks) -> Updated:
        """What of the expectations is to be written, and what of them fails nevertheless."""
        from velo_harness.updating.query_update import QueryUpdate

        update = QueryUpdate(self._spec, self._query, self._settings.update, self._policy)
        return update.of_query(prepared.statement, prepared.program, checks.actual)

    def _result_of_expected_error(self, wanted: ExpectedError) -> QueryResult:
        """The query must end with the error that the spec describes."""
        try:
            prepared = self.prepared()
            with self.executed(prepared, self.inputs(prepared)):
                actual = "the query ended without an error"
        except VeloError as error:
            right_code = wanted.code is None or wanted.code in (error.code.code, error.code.name)
            if right_code and (wanted.matches is None or re.search(wanted.matches, error.message)):
                return replace(self._blank, outcome=Outcome.PASSED, checks=1)
            actual = f"{error.code.code}: {error.message}"
        finding = Finding(expected_error_text(wanted.code, wanted.matches), actual)
        failure = CheckFailure(wanted.check, finding, wanted.location, wanted.message)
        return replace(self._blank, outcome=Outcome.FAILED, failures=(failure,), checks=1)


def expected_error(query: Query) -> ExpectedError | None:
    """The error with which a query must end: of `expect`, or of an assertion."""
    if query.expect is not None and query.expect.error is not None:
        return query.expect.error
    found = next((assertion for assertion in query.assertions if assertion.type == EXPECT_ERROR), None)
    if found is None:
        return None
    code, matches = found.parameters["code"], found.parameters["matches"]
    return ExpectedError(code, matches, found.location, EXPECT_ERROR, found.message)


def late_columns(query: Query) -> set[str]:
    """The columns that the query's expected late rows name."""
    expectations = (query.expect, *(output.expect for output in query.outputs))
    late = (row for expect in expectations if expect is not None for row in expect.late or ())
    return {name for one in late for name in one.row.values}


def _decoding(program: PlannedProgram, names: set[str]) -> PlannedProgram:
    """The program with these columns decoded, too: late rows show NULL for columns that no query reads."""
    sources = dict(program.sources)
    for name, source in program.sources.items():
        if source.decoded is not None:
            wanted = {i for i, column in enumerate(source.schema.names) if column in names}
            sources[name] = replace(source, decoded=source.decoded | wanted)
    return replace(program, sources=sources)


def all_assertions(query: Query) -> tuple[AssertionSpec, ...]:
    """Those of the query itself and of its outputs."""
    return (*query.assertions, *(assertion for output in query.outputs for assertion in output.assertions))


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
    noun = "record" if count == 1 else "records"
    return [f"{count} {noun} went to the dead letter queue; the first: {_letter_text(letters[0])}"]


def _debug_notes(spec: Spec, query: Query) -> list[str]:
    """Once a spec: that its `debug` is for another command."""
    first = next((other.name for other in spec.queries if other.skip is None), None)
    if not spec.debug.enabled or query.name != first:
        return []
    return [f"debug is ignored here: velo-test debug {shown_path(spec.file)} steps through the queries"]


def _letter_text(letter: DeadLetter) -> str:
    """Where a dead letter came from, why it is one, and how the record begins."""
    raw = b"" if letter.raw is None else letter.raw
    text = raw[:SHOWN_RAW].decode(errors="replace") + ("…" if len(raw) > SHOWN_RAW else "")
    return f"{letter.source}[{letter.partition}]@{letter.offset}: {letter.reason}" + (f": {text}" if text else "")


SHOWN_RAW = 80
"""Bytes of a dead letter's record that are shown."""

"""What runs a query: the engine, a real Flink, or what Flink once answered; the same checks look at all of them.

Flink says what comes out, not what a job is like: checks of time, memory, metrics, dead letters and late rows are for
the engine alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.query_run import QueryRun, expected_error
from velo_harness.result import CheckFailure, Finding, Outcome, QueryResult
from velo_harness.settings import RunSettings
from velo_harness.spec import AssertionSpec, Expectation, Query, Runner, Spec

if TYPE_CHECKING:
    from velo_harness.execution import Execution, ProgressHook
    from velo_harness.flink.questions import Question
    from velo_harness.flink.server import FlinkAnswer
    from velo_harness.kafka.session import KafkaSession

_OF_THE_JOB = frozenset(
    {
        *("execution_time", "throughput", "memory_usage", "state", "latency", "table_freshness"),
        *("dlq_count", "error_rate", "late_count", "expect_error"),
        *("file_exists", "file_row_count", "file_contains", "file_matches"),
        *("metric_exists", "metric_counter", "metric_gauge", "metric_histogram"),
    }
)
"""Types of assertions that look at the engine's job, not at what it gives out."""


def result_by_runners(
    spec: Spec,
    query: Query,
    settings: RunSettings,
    blank: QueryResult,
    on_progress: ProgressHook | None,
    kafka: KafkaSession | None,
) -> QueryResult:
    """The result of a query by each of its runners, as one. Raises VeloError: as `QueryRun.result`, and of Flink."""
    chosen = query.runners if settings.runner is None else (settings.runner,)
    if settings.record and Runner.RECORDED in chosen:
        _FlinkRun(spec, query, settings, blank).record()
    results: list[tuple[Runner, QueryResult]] = []
    for runner in chosen:
        if runner is Runner.ENGINE:
            results.append((runner, QueryRun(spec, query, settings, blank, on_progress, kafka).result()))
            continue
        try:
            results.append((runner, _FlinkRun(spec, query, settings, blank).result(runner)))
        except VeloError as error:
            if error.code is not ErrorCode.INFRASTRUCTURE_MISSING or settings.runner is not None:
                raise
            results.append((runner, replace(blank, skip_reason=f"{error.message}; {error.hint}")))
    return _together(results)


def _together(results: list[tuple[Runner, QueryResult]]) -> QueryResult:
    """One result of several: that of the first runner, with what the others found beside it."""
    _, whole = results[0]
    for runner, one in results[1:]:
        if one.outcome is Outcome.SKIPPED:
            whole = replace(whole, notes=(*whole.notes, f"{runner} did not run: {one.skip_reason}"))
            continue
        if whole.outcome is Outcome.SKIPPED:
            whole = replace(one, notes=(*one.notes, f"{results[0][0]} did not run: {whole.skip_reason}"))
            continue
        failed = Outcome.FAILED in (whole.outcome, one.outcome)
        whole = replace(
            whole,
            outcome=Outcome.FAILED if failed else whole.outcome,
            failures=(*whole.failures, *(_by(runner, failure) for failure in one.failures)),
            warnings=(*whole.warnings, *(_by(runner, warning) for warning in one.warnings)),
            notes=tuple(dict.fromkeys([*whole.notes, *one.notes])),
            checks=whole.checks + one.checks,
        )
    return whole


def _by(runner: Runner, failure: CheckFailure) -> CheckFailure:
    return replace(failure, check=f"{runner}: {failure.check}")


class _FlinkRun:
    """One query on Flink, or on its recorded answer."""

    def __init__(self, spec: Spec, query: Query, settings: RunSettings, blank: QueryResult) -> None:
        plain = RunSettings()
        self._spec = spec
        self._query = query
        self._settings = replace(settings, update=plain.update, profile=plain.profile)
        self._blank = blank
        self._run = QueryRun(spec, _without_checks_of_the_job(query), self._settings, blank)
        self._prepared = self._run.prepared()
        self._inputs = self._run.inputs(self._prepared)

    def record(self) -> None:
        """Ask Flink, and write down what it answers."""
        from velo_harness.flink.asking import flink_answers
        from velo_harness.flink.recorded import record, recording_of

        asked = self._question()
        version, answers = flink_answers(asked)
        record(recording_of(self._spec.file), self._spec.item_name(self._query), asked, version, answers)

    def result(self, runner: Runner) -> QueryResult:
        """What the checks make of the answer."""
        version, answers = self._answers(runner)
        wanted = expected_error(self._query)
        if wanted is not None:
            failures: tuple[CheckFailure, ...] = ()
            if all(answer.error is None for answer in answers.values()):
                finding = Finding("an error", "Flink ended without one")
                failures = (CheckFailure(wanted.check, finding, wanted.location, wanted.message),)
            outcome = Outcome.FAILED if failures else Outcome.PASSED
            return replace(self._blank, outcome=outcome, failures=failures, checks=1)
        result = self._run.checked(self._prepared, self._inputs, self._execution(answers))
        if not result.checks:
            message = f'nothing of "{self._query.name}" is left to check on Flink: its checks are about the job'
            raise VeloError(ErrorCode.NOTHING_CHECKED, message, location=self._query.location)
        what = "the recorded answer of " if runner is Runner.RECORDED else ""
        return replace(result, numbers=None, notes=(*result.notes, f"checked on {what}Flink {version}"))

    def _question(self) -> Question:
        from velo_harness.flink.questions import question

        variables = {**self._spec.variables, **self._settings.variables}
        return question(self._prepared, self._inputs, variables, self._time_zone)

    @property
    def _time_zone(self) -> str:
        return self._spec.config.get("time_zone", "UTC")

    def _answers(self, runner: Runner) -> tuple[str, Mapping[str, FlinkAnswer]]:
        asked = self._question()
        if runner is Runner.FLINK:
            from velo_harness.flink.asking import flink_answers

            return flink_answers(asked)
        from velo_harness.flink.recorded import recorded_answers, recording_of

        place = self._query.key_locations.get("runners", self._query.location)
        path = recording_of(self._spec.file)
        return recorded_answers(path, self._spec.item_name(self._query), asked, place)

    def _execution(self, answers: Mapping[str, FlinkAnswer]) -> Execution:
        from velo_harness.execution import Execution
        from velo_harness.flink.answers import in_order_of, job_result

        program = self._prepared.program
        result = job_result(answers, program, self._time_zone, sum(self._inputs.records.values()))
        with suppress(VeloError), self._run.executed(self._prepared, self._inputs) as engine:
            ours = engine.result.statements
            statements = {name: in_order_of(one, ours[name]) for name, one in result.statements.items()}
            result = replace(result, statements=statements)
        return Execution(result, program, {}, {})


def _without_checks_of_the_job(query: Query) -> Query:
    return replace(
        query,
        assertions=_of_the_output(query.assertions),
        expect=_without_late(query.expect),
        outputs=tuple(
            replace(output, assertions=_of_the_output(output.assertions), expect=_without_late(output.expect))
            for output in query.outputs
        ),
    )


def _of_the_output(assertions: tuple[AssertionSpec, ...]) -> tuple[AssertionSpec, ...]:
    return tuple(assertion for assertion in assertions if assertion.type not in _OF_THE_JOB)


def _without_late(expect: Expectation | None) -> Expectation | None:
    if expect is None or expect.late is None:
        return expect
    rest = replace(expect, late=None)
    left = (rest.rows, rest.rows_file, rest.changelog, rest.error)
    return rest if any(part is not None for part in left) else None

"""A question about a row of a query, asked by some of its values; the query is run to answer it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.plan import nodes
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.schema import RowSchema
from velo_harness.execution import Execution
from velo_harness.missing_rows.explanation import Explanation, RowTracer
from velo_harness.missing_rows.fates import Surroundings
from velo_harness.missing_rows.recording import Recording
from velo_harness.missing_rows.row_search import Wanted
from velo_harness.preparation import PreparedQuery
from velo_harness.query_run import QueryRun
from velo_harness.runner import blank_result
from velo_harness.settings import RunSettings
from velo_harness.spec import Query, Spec
from velo_harness.typed_values import typed_value
from velo_harness.yaml_source import YamlMapping, parse_yaml

ROW = "--row"


@dataclass(frozen=True, slots=True)
class RowQuestion:
    """Why is there no such row in a query's output? Or, of an input: where did such a record go?"""

    row: YamlMapping
    """Column names with values: a row, or part of one."""
    source: str | None = None
    """The input that has the columns; None: the output, else the first input that has them all."""


def row_of(text: str) -> YamlMapping:
    """A row written as JSON (or YAML). Errors: YAML_SYNTAX, BAD_VALUE."""
    hint = """write --row '{"id": 7}'"""
    if not text.strip():
        raise VeloError(ErrorCode.BAD_VALUE, "the row is empty", hint=hint)
    node = parse_yaml(text, ROW)
    if not isinstance(node, YamlMapping) or not node.entries:
        raise VeloError(ErrorCode.BAD_VALUE, "a row is an object with columns", location=node.location, hint=hint)
    return node


def explain_row(spec: Spec, query: Query, settings: RunSettings, question: RowQuestion) -> Explanation:
    """Runs the query and explains what became of the row.

    Errors: those of running a query, UNKNOWN_COLUMN for a column that neither the output nor an input has, BAD_VALUE.
    """
    run = QueryRun(spec, query, settings, blank_result(spec, query, settings, item=query.name, rerun=""))
    prepared = run.prepared()
    inputs = run.inputs(prepared)
    # Columns that no statement reads may be what the row is known by. When they are decoded, too, a record may fail
    # that does not in a run of the query: then it is run as it is.
    for attempt in (_reading_all(prepared), prepared):
        recording = Recording(attempt.program)
        options = replace(run.job_options(), on_step=recording.take, on_late=recording.take_late)
        with run.executed(attempt, inputs, options) as execution:
            if attempt is prepared or not execution.result.dead_letter_count:
                return _explained(question, spec, attempt, recording, execution)
    raise AssertionError("the second attempt always answers")


def _reading_all(prepared: PreparedQuery) -> PreparedQuery:
    sources = {name: replace(source, decoded=None) for name, source in prepared.program.sources.items()}
    return replace(prepared, program=replace(prepared.program, sources=sources))


def _explained(
    question: RowQuestion, spec: Spec, prepared: PreparedQuery, recording: Recording, execution: Execution
) -> Explanation:
    results = execution.result.statements
    around = Surroundings(
        recording,
        {name: result.late for name, result in results.items()},
        execution.result.dead_letters,
        spec.config.get("time_zone") or prepared.program.properties.get("time.zone", "UTC"),
        0 if spec.now is None else int(spec.now.timestamp() * 1000),
    )
    return answer(question, prepared.program, prepared.statement, tuple(results), around)


def answer(
    question: RowQuestion, program: PlannedProgram, statement: str, statements: tuple[str, ...], around: Surroundings
) -> Explanation:
    """What became of the row in a run of `statements`, as far as it was recorded. Errors: UNKNOWN_COLUMN, BAD_VALUE."""
    plan = program.statements[statement]
    tracer = RowTracer(around, statement, statements)
    if question.source is None:
        positions = _positions(question.row, plan.plan.schema, plan.aliases)
        if positions is not None:
            return tracer.missing(_typed(question.row, plan.plan.schema, positions, around.time_zone))
    sources = _sources(around.recording)
    for name, schema in sources.items():
        positions = _positions(question.row, schema, {})
        if question.source in (None, name) and positions is not None:
            return tracer.followed(name, _typed(question.row, schema, positions, around.time_zone))
    raise _unknown(question, statement, plan.plan.schema, sources)


def _sources(recording: Recording) -> dict[str, RowSchema]:
    scans = [step.node for step in recording.steps.values() if isinstance(step.node, nodes.Scan)]
    return {scan.source.name: scan.schema for scan in scans}


def _positions(row: YamlMapping, schema: RowSchema, aliases: Mapping[str, str]) -> list[int] | None:
    """The column of each value; None when one is not there."""
    found = [schema.index(aliases.get(name, name)) for name in row.keys]
    return [p for p in found if p is not None] if None not in found else None


def _typed(row: YamlMapping, schema: RowSchema, positions: list[int], time_zone: str) -> Wanted:
    zone = None if time_zone == "UTC" else ZoneInfo(time_zone)
    values: dict[int, Any] = {}
    for (_, node), position in zip(row.entries, positions, strict=True):
        values[position] = typed_value(node, schema.columns[position].type.as_nullable(), zone)
    return values


def _unknown(question: RowQuestion, statement: str, output: RowSchema, sources: Mapping[str, RowSchema]) -> VeloError:
    if question.source is not None and question.source not in sources:
        hint = did_you_mean(question.source, sources, noun="input")
        return VeloError(ErrorCode.UNKNOWN_TABLE, f'{statement} reads no input "{question.source}"', hint=hint)
    known = {*output.names, *(name for schema in sources.values() for name in schema.names)}
    name = next((key for key, _ in question.row.entries if key.text not in known), None)
    if name is not None:
        hint = did_you_mean(name.text, known, noun="column")
        message = f'neither {statement} nor its inputs have a column "{name.text}"'
        return VeloError(ErrorCode.UNKNOWN_COLUMN, message, location=name.location, hint=hint)
    message = f"neither {statement} nor one of its inputs has all of these columns"
    return VeloError(ErrorCode.UNKNOWN_COLUMN, message, location=question.row.location)

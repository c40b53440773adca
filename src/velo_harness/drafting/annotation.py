"""A program with `@metric` annotations, and the files that monitor it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.observability.metric_annotations import MetricDefinition, metric_definitions
from velo_engine.observability.metric_columns import bound_metric
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.sql.program import Program, StatementKind
from velo_harness.data_schema import DataSchema
from velo_harness.discovery import PathPolicy, find_schema
from velo_harness.drafting.column_evidence import facts_of_schemas
from velo_harness.drafting.drafted_metric import MetricDraft
from velo_harness.drafting.exported_metrics import ExportedMetric
from velo_harness.drafting.monitoring import monitoring_files
from velo_harness.drafting.program_metrics import metric_drafts, unfiltered
from velo_harness.programs import ParsedProgram, ProgramText, Stand, parsed, planned, shown_path
from velo_harness.source_schemas import load_cached
from velo_harness.yaml_source import read_text

_NOT_IN_A_FILE_NAME = re.compile(r"[^\w.-]+")


@dataclass(frozen=True, slots=True)
class Annotated:
    """What was drafted; nothing is written yet."""

    files: Mapping[Path, str]
    metrics: Sequence[MetricDraft]


def annotated(sql: Path, output: Path, monitoring: Path, variables: Mapping[str, str]) -> Annotated:
    """The program with metrics for every statement that has none, as `output`, and its files below `monitoring`.

    Errors: those of reading and planning the program; NO_TESTS when there is nothing to annotate.
    """
    text = ProgramText(read_text(sql), shown_path(sql), sql.absolute().parent)
    program = parsed(text, variables)
    plan = planned(text, variables, _stand(program, sql))
    named = dict(program.program.annotations).get("app")
    app = _NOT_IN_A_FILE_NAME.sub("_", sql.stem if named is None else named.value) or "app"
    metrics = metric_drafts(program.program, plan, app, facts_of_schemas(_schemas(program, sql)))
    if not metrics:
        message = f"{text.file} has no statement without metrics that gives rows out"
        raise VeloError(ErrorCode.NO_TESTS, message, hint="annotate a program with CREATE STREAM … AS SELECT …")
    written = with_annotations(program.program, metrics)
    after = ProgramText(written, text.file, text.base_dir)
    definitions = checked_metrics(
        parsed(after, variables).program, planned(after, variables, _stand(program, sql)), metrics
    )
    exported = [ExportedMetric(definition) for definition in definitions]
    files = {output: written, **monitoring_files(monitoring, app, unfiltered(plan), exported)}
    return Annotated(files, metrics)


def _schemas(program: ParsedProgram, sql: Path) -> dict[str, DataSchema]:
    """The data schemas beside the program, by source."""
    policy = PathPolicy.for_file(sql)
    found = {name: find_schema(name, sql.absolute().parent, policy) for name in program.sources}
    return {name: load_cached(path) for name, path in found.items() if path is not None}


def _stand(program: ParsedProgram, sql: Path) -> Stand:
    return Stand(tuple((name, schema.row_schema()) for name, schema in _schemas(program, sql).items()))


def with_annotations(program: Program, metrics: Sequence[MetricDraft]) -> str:
    """The text with the annotations above the statements that they are about.

    Several INSERTs into one table are one statement to the engine: its annotations stand above the first.
    """
    lines = program.text.splitlines(keepends=True)
    by_statement: dict[str, list[MetricDraft]] = {}
    for metric in metrics:
        by_statement.setdefault(metric.statement, []).append(metric)
    places: dict[str, Location] = {}
    for statement in program.statements:
        if statement.kind is not StatementKind.SOURCE:
            places.setdefault(statement.name, statement.location)
    for name in sorted(by_statement, key=lambda name: -places[name].line):
        place = places[name]
        above = [line for metric in by_statement[name] for line in metric.lines()]
        rest = lines[place.line - 1]
        before, behind = rest[: place.column - 1], rest[place.column - 1 :]
        head = f"{before.rstrip()}\n" if before.strip() else ""
        lines[place.line - 1] = head + "".join(f"{line}\n" for line in above) + behind
    return "".join(lines)


def checked_metrics(program: Program, plan: PlannedProgram, metrics: Sequence[MetricDraft]) -> list[MetricDefinition]:
    """All metrics of an annotated program, also those that it had before.

    Errors: BAD_VALUE when the engine does not find one of `metrics` where it was put; those of metrics.
    """
    definitions = metric_definitions(program)
    for definition in definitions:
        bound_metric(definition, plan)
    found = {(d.name, d.statement) for d in definitions}
    lost = [metric.name for metric in metrics if (metric.name, metric.statement) not in found]
    if lost:
        message = f"the metric {lost[0]} cannot be put above its statement"
        place = Location(program.file, 1)
        raise VeloError(ErrorCode.BAD_VALUE, message, location=place, hint="one statement a line")
    return definitions

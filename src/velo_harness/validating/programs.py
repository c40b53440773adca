"""Every problem of a program: each statement that cannot be planned, its metrics, and what in it has no effect."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.sql.program import Warning
from velo_harness.programs import ParsedProgram, ProgramText, Stand, parsed, planned
from velo_harness.validating.sql_blanking import BlankedProgram
from velo_harness.validating.yaml_pruning import Pruning
from velo_harness.validation import Finding, Level

_LINE_BREAK = re.compile(r"\r\n|\n|\r")
MOST_COLUMNS = 20
"""Unknown columns that are told of one statement."""


@dataclass(slots=True)
class CheckedProgram:
    """A program without its wrong statements."""

    text: ProgramText
    """With them blanked."""
    plan: PlannedProgram | None
    """None when nothing of it can be planned."""
    blanked: BlankedProgram
    findings: list[Finding] = field(default_factory=list)


def checked_program(
    text: ProgramText, variables: Mapping[str, str], stand: Callable[[ParsedProgram], Stand]
) -> CheckedProgram:
    """The program with everything that is wrong with it. `stand` says what stands for its sources."""
    checked = CheckedProgram(text, None, BlankedProgram(text.text))
    told: set[str] = set()
    while True:
        checked.text = replace(text, text=checked.blanked.text)
        try:
            program = parsed(checked.text, variables)
            checked.plan = planned(checked.text, variables, stand(program))
        except VeloError as error:
            own = error.location is not None and error.location.file == text.file
            more = list(_further(checked, error, variables, stand)) if own else []
            pruning = checked.blanked.blank(error) if own else Pruning(tell=True, goes_on=False)
            if pruning.tell and str(error) not in told:
                told.add(str(error))
                checked.findings += [_as_written(one, text) for one in (error, *more)]
            if not pruning.goes_on:
                return checked
            continue
        checked.findings += [Finding.of(error) for error in _metric_errors(program, checked.plan)]
        checked.findings += [warning_finding(warning) for warning in checked.plan.warnings]
        return checked


def _as_written(error: VeloError, text: ProgramText) -> Finding:
    """The finding with its line as it stands in the file, not as it was blanked."""
    finding = Finding.of(error)
    if finding.location is None or finding.location.file != text.file:
        return finding
    lines = _LINE_BREAK.split(text.text)
    line = finding.location.line
    whole = lines[line - 1] if line <= len(lines) else finding.location.text
    return replace(finding, location=replace(finding.location, text=whole))


def _further(
    checked: CheckedProgram, error: VeloError, variables: Mapping[str, str], stand: Callable[[ParsedProgram], Stand]
) -> Iterator[VeloError]:
    """The other unknown columns of the statement in which `error` is one."""
    program = checked.blanked
    for _ in range(MOST_COLUMNS):
        patched = program.without_column(error)
        if patched is None:
            return
        program = patched
        text = replace(checked.text, text=program.text)
        try:
            planned(text, variables, stand(parsed(text, variables)))
        except VeloError as another:
            if another.code is not error.code or not program.same_statement(error, another):
                return
            yield another
            error = another
        else:
            return


def _metric_errors(program: ParsedProgram, plan: PlannedProgram) -> Iterator[VeloError]:
    """What is wrong with `@metric` annotations: the first error of reading them, or every one of their columns."""
    from velo_engine.observability.metric_annotations import metric_definitions
    from velo_engine.observability.metric_columns import bound_metric

    try:
        definitions = metric_definitions(program.program)
    except VeloError as error:
        yield error
        return
    for definition in definitions:
        try:
            bound_metric(definition, plan)
        except VeloError as error:
            yield error


def warning_finding(warning: Warning) -> Finding:
    """What has no effect, as a finding."""
    return Finding(ErrorCode.BAD_PROPERTY, warning.message, warning.location, warning.hint, Level.WARNING)

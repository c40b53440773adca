"""The migration report: what a folder of JSON reports says together, and the verdict.

Reports are known by their `kind`: `import`, `tests`, `coverage`, `mutation`, `shadow`. What `velo-test` writes (tests
with coverage, mutation) has forms of its own; every other report has the envelope that
`schemas/migration_report.schema.json` calls `part_file`. What is not in the folder was not run, and the report says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from velo_engine.errors import ErrorCode, ExitCode, Location, VeloError
from velo_harness.reports.json_reading import read_json, run_of
from velo_harness.reports.text import totals_text
from velo_harness.result import Outcome, QueryResult, RunResult

SCHEMA_VERSION = 1
KIND = "migration"
LARGEST_FILE = 256 * 2**20
"""Bytes of a JSON file that is looked at."""


class Part(StrEnum):
    """What a migration consists of, in the order in which it is done."""

    IMPORT = "import"
    TESTS = "tests"
    COVERAGE = "coverage"
    MUTATION = "mutation"
    SHADOW = "shadow"


REQUIRED = (Part.IMPORT, Part.TESTS, Part.SHADOW)
"""Without these nobody can say that a job may be moved."""


class Status(StrEnum):
    """How a part ended; the graver ones last."""

    PASSED = "passed"
    NOT_RUN = "not run"
    INCONCLUSIVE = "inconclusive"
    FAILED = "failed"


_GRAVITY = tuple(Status)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that a person should know of a part."""

    message: str
    level: str = "error"
    """error, warning or note."""
    location: Place | None = None


@dataclass(frozen=True, slots=True)
class PartReport:
    """What one report of a folder says of its part."""

    kind: Part
    status: Status
    headline: str
    file: str
    facts: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    findings: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """All reports of a folder."""

    folder: str
    parts: Mapping[Part, tuple[PartReport, ...]]
    required: tuple[Part, ...] = REQUIRED

    def status(self, part: Part) -> Status:
        """The gravest status of a part's reports."""
        return max((report.status for report in self.parts[part]), key=_GRAVITY.index, default=Status.NOT_RUN)

    @property
    def verdict(self) -> Status:
        """`failed`: a part failed; `inconclusive`: a required one did not run or says nothing; else `passed`."""
        if any(self.status(part) is Status.FAILED for part in Part):
            return Status.FAILED
        if any(self.status(part) is not Status.PASSED for part in self.required):
            return Status.INCONCLUSIVE
        proven = all(self.status(part) is not Status.INCONCLUSIVE for part in Part)
        return Status.PASSED if proven else Status.INCONCLUSIVE

    @property
    def line(self) -> str:
        """The verdict in a sentence."""
        match self.verdict:
            case Status.PASSED:
                return "Ready to migrate: " + self._said((Status.PASSED,))
            case Status.FAILED:
                return "Not ready to migrate: " + self._said((Status.FAILED,))
            case _:
                return "Not proven: " + self._said((Status.NOT_RUN, Status.INCONCLUSIVE))

    @property
    def exit_code(self) -> ExitCode:
        """What the verdict tells the shell."""
        codes = {Status.PASSED: ExitCode.PASSED, Status.FAILED: ExitCode.FAILED}
        return codes.get(self.verdict, ExitCode.INCONCLUSIVE)

    def _said(self, wanted: Sequence[Status]) -> str:
        """The parts that are so, and why."""
        named = [part for part in Part if self.status(part) in wanted]
        if Status.NOT_RUN in wanted:
            named = [part for part in named if part in self.required or self.status(part) is Status.INCONCLUSIVE]
        return "; ".join(f"{part}: {self._reason(part)}" for part in named)

    def _reason(self, part: Part) -> str:
        status = self.status(part)
        return next((r.headline for r in self.parts[part] if r.status is status), status.value)


def gather(folder: Path, required: Sequence[Part] = REQUIRED) -> MigrationReport:
    """The reports in a folder and below, in the order of their paths. JSON that is no report of a part is left alone.

    Errors: FILE_NOT_FOUND, FILE_UNREADABLE; BAD_VALUE for a report of a part that does not have its form.
    """
    if not folder.is_dir():
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f'there is no folder "{folder}"')
    found: dict[Part, list[PartReport]] = {part: [] for part in Part}
    for path in sorted(folder.rglob("*.json")):
        if not path.is_file() or path.stat().st_size > LARGEST_FILE or path.is_symlink():
            continue
        for report in _reports_in(path, path.relative_to(folder).as_posix()):
            found[report.kind].append(report)
    return MigrationReport(str(folder), {part: tuple(reports) for part, reports in found.items()}, tuple(required))


def _reports_in(path: Path, name: str) -> Iterator[PartReport]:
    try:
        document = read_json(path)
    except VeloError as error:
        if error.code is ErrorCode.BAD_VALUE:  # not JSON at all: somebody else's
            return
        raise
    if not isinstance(document, dict) or "schema_version" not in document:
        return
    kind = document.get("kind")
    if kind == Part.TESTS:
        yield from _of_tests(run_of(document, name), name)
    elif kind == Part.MUTATION:
        yield _of_mutation(_converted(document, _Mutation, name), name)
    elif kind in (Part.IMPORT, Part.COVERAGE, Part.SHADOW):
        yield _of_envelope(_converted(document, _PartFile, name), name)


class _PartFile(msgspec.Struct):
    schema_version: int
    kind: Part
    status: Status
    headline: str
    facts: dict[str, str | int | float | bool | None] = {}
    findings: tuple[Remark, ...] = ()


class _Mutant(msgspec.Struct):
    operator: str
    statement: str
    outcome: str
    line: int = 1
    column: int = 1
    original: str = ""
    mutated: str = ""
    to_kill: str | None = None


class _Program(msgspec.Struct):
    file: str
    mutants: tuple[_Mutant, ...] = ()


class _Mutation(msgspec.Struct):
    schema_version: int
    score: float | None
    programs: tuple[_Program, ...]
    threshold: float | None = None
    counts: dict[str, int] = {}
    file_errors: tuple[dict[str, Any], ...] = ()


def _converted(document: Any, kind: type[Any], name: str) -> Any:
    if document.get("schema_version") != SCHEMA_VERSION:
        message = f'"{name}" has schema_version {document.get("schema_version")}; this version reads {SCHEMA_VERSION}'
        raise VeloError(ErrorCode.BAD_VALUE, message)
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        message = f'"{name}" is not a report of kind {document["kind"]}: {error}'
        hint = "velo schema migration-report prints the form"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=hint) from None


def _of_envelope(found: _PartFile, name: str) -> PartReport:
    return PartReport(found.kind, found.status, found.headline, name, found.facts, found.findings)


def _of_tests(run: RunResult, name: str) -> Iterator[PartReport]:
    """The tests of a run, and its coverage when that was asked for."""
    bad = [q for q in run.queries if q.outcome in (Outcome.FAILED, Outcome.ERROR)]
    status = Status.FAILED if bad or run.file_errors else Status.PASSED
    if not run.queries and not run.file_errors:
        status = Status.INCONCLUSIVE
    facts: dict[str, str | int | float | bool | None] = {
        "queries": len(run.queries),
        "checks": sum(q.checks for q in run.queries),
        "records read": sum(q.numbers.read for q in run.queries if q.numbers is not None),
        "skipped": run.count(Outcome.SKIPPED),
        "seconds": round(run.duration_ms / 1000, 2),
    }
    remarks = [Remark(f"{f.file} was not loaded: {f.error.message}") for f in run.file_errors]
    remarks += [remark for q in bad for remark in _of_query(q)]
    yield PartReport(Part.TESTS, status, totals_text(run), name, facts, tuple(remarks))
    if run.coverage:
        yield _of_coverage(run, name)


def _of_query(q: QueryResult) -> Iterator[Remark]:
    if q.error is not None:
        yield Remark(f"{q.item}: {q.error.message}", "error", _place(q.error.location))
    for failure in q.failures:
        text = f"{q.item}: {failure.check}: expected {failure.finding.expected}; {failure.finding.actual}"
        yield Remark(text, "error", _place(failure.location))


def _place(location: Location | None) -> Place | None:
    return None if location is None else Place(location.file, location.line, location.column)


def _of_coverage(run: RunResult, name: str) -> PartReport:
    from velo_harness.coverage.report import by_file, percent_text

    files = by_file(run.coverage)
    missing = [
        Remark(
            f"{point.kind} {point.text}: never {', '.join(point.missing)}",
            "note",
            Place(file, point.line, point.column),
        )
        for file, points in files.items()
        for point in points
        if point.missing
    ]
    facts: dict[str, str | int | float | bool | None] = {file: percent_text(points) for file, points in files.items()}
    headline = f"{percent_text(run.coverage)} of the outcomes of the SQL were seen"
    return PartReport(Part.COVERAGE, Status.PASSED, headline, name, facts, tuple(missing))


def _of_mutation(found: _Mutation, name: str) -> PartReport:
    survivors = [
        Remark(
            f"{m.operator} in {m.statement} survived: {m.mutated}"
            + (f"; to kill it: {m.to_kill}" if m.to_kill else ""),
            "warning",
            Place(program.file, m.line, m.column),
        )
        for program in found.programs
        for m in program.mutants
        if m.outcome == "survived"
    ]
    if found.score is None:
        status, headline = Status.INCONCLUSIVE, "no mutant counts"
    else:
        low = found.threshold is not None and found.score < found.threshold
        status = Status.FAILED if low or found.file_errors else Status.PASSED
        headline = f"{found.score * 100:.1f} % of the mutants were noticed" + (
            f", below {found.threshold * 100:g} %" if low and found.threshold is not None else ""
        )
    return PartReport(Part.MUTATION, status, headline, name, dict(found.counts), tuple(survivors))

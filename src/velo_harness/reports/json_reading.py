"""JSON reports read again: what an earlier run, or a worker of this one, found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_harness.coverage.points import CoverPoint
from velo_harness.reports.json_report import SCHEMA_VERSION
from velo_harness.result import (
    CheckFailure,
    FaultCount,
    FileError,
    Finding,
    JobNumbers,
    Outcome,
    Permutations,
    Profile,
    QueryResult,
    RunResult,
    Trend,
)


class _Place(msgspec.Struct):
    file: str
    line: int
    column: int
    text: str = ""


class _Error(msgspec.Struct):
    code: str
    name: str
    message: str
    hint: str | None = None
    location: _Place | None = None


class _Failure(msgspec.Struct):
    check: str
    expected: str
    actual: str
    location: _Place
    message: str | None = None
    offending_rows: int = 0
    total_rows: int | None = None
    examples: tuple[dict[str, Any], ...] = ()
    hints: tuple[str, ...] = ()


class _Query(msgspec.Struct):
    id: str
    spec: str
    file: str
    query: str
    outcome: Outcome
    seed: int
    rerun: str
    description: str | None = None
    tags: tuple[str, ...] = ()
    skip_reason: str | None = None
    duration_ms: float = 0.0
    execution_ms: float = 0.0
    checks: int = 0
    failures: tuple[_Failure, ...] = ()
    warnings: tuple[_Failure, ...] = ()
    notes: tuple[str, ...] = ()
    error: _Error | None = None
    inputs: dict[str, int] = {}
    output_rows: int = 0
    records: JobNumbers | None = None
    late_rows: tuple[dict[str, Any], ...] = ()
    dead_letters: tuple[str, ...] = ()
    faults: tuple[FaultCount, ...] = ()
    coverage: tuple[CoverPoint, ...] = ()
    permutations: Permutations | None = None
    profile: Profile | None = None


class _FileError(msgspec.Struct):
    file: str
    error: _Error


class _Report(msgspec.Struct):
    schema_version: int
    queries: tuple[_Query, ...]
    file_errors: tuple[_FileError, ...] = ()
    duration_ms: float = 0.0
    kafka: str = "memory"
    trend: Trend | None = None


def read_report(path: Path) -> RunResult:
    """The run that a JSON report describes. Errors: FILE_NOT_FOUND, FILE_UNREADABLE, BAD_VALUE."""
    return run_of(read_json(path), str(path))


def read_json(path: Path) -> Any:
    """The values of a JSON file. Errors: FILE_NOT_FOUND, FILE_UNREADABLE, BAD_VALUE."""
    try:
        return msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        raise VeloError(ErrorCode.FILE_NOT_FOUND, f'there is no report "{path}"') from None
    except OSError as error:
        raise VeloError(ErrorCode.FILE_UNREADABLE, f'"{path}" cannot be read: {error.strerror}') from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise VeloError(ErrorCode.BAD_VALUE, f'"{path}" is not JSON: {error}') from None


def run_of(document: Any, name: str) -> RunResult:
    """The run that a report's values describe; `name` is its file's. Errors: BAD_VALUE."""
    version = document.get("schema_version") if isinstance(document, dict) else None
    if isinstance(version, int) and version != SCHEMA_VERSION:
        message = f'"{name}" has schema_version {version}; this version of velostream reads {SCHEMA_VERSION}'
        raise VeloError(ErrorCode.BAD_VALUE, message)
    found = _converted(document, _Report, name)
    return RunResult(
        queries=tuple(_result(query) for query in found.queries),
        file_errors=tuple(FileError(broken.file, _error(broken.error)) for broken in found.file_errors),
        duration_ms=found.duration_ms,
        kafka=found.kafka,
        trend=found.trend,
    )


def query_of(document: Any) -> QueryResult:
    """The result that one query's values describe. Errors: BAD_VALUE."""
    return _result(_converted(document, _Query, "the result of a query"))


def error_of(document: Any) -> VeloError:
    """The error that its values describe. Errors: BAD_VALUE."""
    return _error(_converted(document, _Error, "an error"))


def _converted(document: Any, kind: type[Any], name: str) -> Any:
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        hint = "a report is what velo-test run --report FILE.json writes"
        raise VeloError(ErrorCode.BAD_VALUE, f'"{name}" is not a report of velo-test: {error}', hint=hint) from None


def _result(q: _Query) -> QueryResult:
    return QueryResult(
        item=q.id,
        spec_file=q.file,
        spec_name=q.spec,
        query=q.query,
        outcome=q.outcome,
        seed=q.seed,
        rerun=q.rerun,
        description=q.description,
        tags=q.tags,
        skip_reason=q.skip_reason,
        failures=tuple(_failure(f) for f in q.failures),
        warnings=tuple(_failure(f) for f in q.warnings),
        error=None if q.error is None else _error(q.error),
        notes=q.notes,
        checks=q.checks,
        inputs=q.inputs,
        output_rows=q.output_rows,
        numbers=q.records,
        late_rows=q.late_rows,
        dead_letters=q.dead_letters,
        faults=q.faults,
        duration_ms=q.duration_ms,
        execution_ms=q.execution_ms,
        coverage=q.coverage,
        permutations=q.permutations,
        profile=q.profile,
    )


def _failure(f: _Failure) -> CheckFailure:
    finding = Finding(f.expected, f.actual, f.offending_rows, f.total_rows, f.examples, f.hints)
    return CheckFailure(f.check, finding, _place(f.location), f.message)


def _error(error: _Error) -> VeloError:
    """The error; of a code that this version does not know, an internal one that says it."""
    place = None if error.location is None else _place(error.location)
    code = ErrorCode.__members__.get(error.name)
    message = error.message if code is not None else f"{error.code} ({error.name}): {error.message}"
    return VeloError(code or ErrorCode.INTERNAL, message, location=place, hint=error.hint)


def _place(place: _Place) -> Location:
    return Location(place.file, place.line, place.column, text=place.text)

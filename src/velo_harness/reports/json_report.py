"""The report for programs.

Its form is frozen: docs/report.md and schemas/report.schema.json; later work adds, never changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from velo_engine.errors import Location, VeloError
from velo_harness.coverage.report import coverage_value
from velo_harness.reports.shown_values import json_value, masked
from velo_harness.result import CheckFailure, Outcome, QueryResult, RunResult, versions

SCHEMA_VERSION = 1


KIND = "tests"
"""Says what a report is about, beside other reports in a folder."""


def run_json(run: RunResult) -> str:
    """The report as one JSON document. What UTF-8 cannot hold (half of a surrogate pair) becomes a question mark."""
    return json_text(report(run))


def json_text(document: Mapping[str, Any], *, indent: int | None = 2) -> str:
    """A document as JSON for files and terminals: secrets masked, characters that nobody sees escaped."""
    text = json.dumps(_masked(document), indent=indent, ensure_ascii=False, allow_nan=False)
    text = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    """A character of a JSON string as its escape."""
    return json.dumps(character)[1:-1]


def _masked(value: Any) -> Any:
    match value:
        case str():
            return masked(value)
        case Mapping():
            return {masked(str(name)): _masked(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_masked(inner) for inner in value]
        case _:
            return value


def report(run: RunResult) -> dict[str, Any]:
    """The report as plain values."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "versions": versions(),
        "kafka": run.kafka,
        "exit_code": int(run.exit_code),
        "duration_ms": round(run.duration_ms, 3),
        "counts": {outcome.value: run.count(outcome) for outcome in Outcome} | {"not_loaded": len(run.file_errors)},
        "queries": [query_value(q) for q in run.queries],
        "file_errors": [{"file": f.file, "error": error_value(f.error)} for f in run.file_errors],
        "coverage": coverage_value(run.coverage),
        "trend": None if run.trend is None else asdict(run.trend),
    }


def query_value(q: QueryResult) -> dict[str, Any]:
    """One query as plain values."""
    return {
        "id": q.item,
        "spec": q.spec_name,
        "file": q.spec_file,
        "query": q.query,
        "description": q.description,
        "tags": list(q.tags),
        "outcome": q.outcome.value,
        "skip_reason": q.skip_reason,
        "seed": q.seed,
        "rerun": q.rerun,
        "duration_ms": round(q.duration_ms, 3),
        "execution_ms": round(q.execution_ms, 3),
        "checks": q.checks,
        "failures": [_failure(f) for f in q.failures],
        "warnings": [_failure(f) for f in q.warnings],
        "notes": list(q.notes),
        "error": None if q.error is None else error_value(q.error),
        "inputs": dict(q.inputs),
        "output_rows": q.output_rows,
        "records": None if q.numbers is None else asdict(q.numbers),
        "late_rows": [_row(row) for row in q.late_rows],
        "dead_letters": list(q.dead_letters),
        "faults": [asdict(fault) for fault in q.faults],
        "coverage": [asdict(point) for point in q.coverage],
        "permutations": None if q.permutations is None else asdict(q.permutations),
        "profile": None if q.profile is None else asdict(q.profile),
    }


def _failure(failure: CheckFailure) -> dict[str, Any]:
    finding = failure.finding
    return {
        "check": failure.check,
        "message": failure.message,
        "expected": finding.expected,
        "actual": finding.actual,
        "offending_rows": finding.offending,
        "total_rows": finding.total,
        "examples": [_row(row) for row in finding.examples],
        "hints": list(finding.notes),
        "location": _location(failure.location),
    }


def error_value(error: VeloError) -> dict[str, Any]:
    """An error as plain values."""
    return {
        "code": error.code.code,
        "name": error.code.name,
        "message": error.message,
        "hint": error.hint,
        "location": None if error.location is None else _location(error.location),
    }


def _location(location: Location) -> dict[str, Any]:
    return {"file": location.file, "line": location.line, "column": location.column, "text": location.text}


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: json_value(value) for name, value in row.items()}

"""The migration report as Markdown, as one HTML page and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from velo_harness.reports.html import page
from velo_harness.reports.json_report import json_text
from velo_harness.reports.markdown import code, folded, joined
from velo_harness.reports.migration import KIND, SCHEMA_VERSION, MigrationReport, Part, PartReport, Status
from velo_harness.result import versions

SHOWN_FINDINGS = 50
"""Findings of one report that a page shows."""
_SIGNS = {Status.PASSED: "✅", Status.FAILED: "❌", Status.INCONCLUSIVE: "⚠️", Status.NOT_RUN: "◽"}
_TITLES = {
    Part.IMPORT: "Import",
    Part.TESTS: "Tests",
    Part.COVERAGE: "SQL coverage",
    Part.MUTATION: "Mutation score",
    Part.SHADOW: "Shadow run beside Flink",
}


def migration_json(report: MigrationReport) -> str:
    """The report as a JSON document."""
    return json_text(migration_value(report)) + "\n"


def migration_value(report: MigrationReport) -> dict[str, Any]:
    """The report as plain values: the form of `schemas/migration_report.schema.json`."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "versions": versions(),
        "folder": report.folder,
        "verdict": {
            "status": report.verdict.value,
            "line": report.line,
            "exit_code": int(report.exit_code),
            "required": [part.value for part in report.required],
        },
        "parts": {part.value: _part_value(report, part) for part in Part},
    }


def _part_value(report: MigrationReport, part: Part) -> dict[str, Any]:
    return {"status": report.status(part).value, "reports": [asdict(found) for found in report.parts[part]]}


def migration_markdown(report: MigrationReport) -> str:
    """The report as Markdown for a pull request."""
    verdict, _, reasons = report.line.partition(": ")
    head = [f"### {_SIGNS[report.verdict]} {verdict}", "", code(reasons), ""]
    head += ["| | part | result | from |", "|---|---|---|---|"]
    for part in Part:
        sign = _SIGNS[report.status(part)]
        found = report.parts[part]
        if not found:
            head.append(f"| {sign} | {_TITLES[part]} | not run | |")
        head += [
            f"| {_SIGNS[one.status]} | {_TITLES[part]} | {code(one.headline)} | {code(one.file)} |" for one in found
        ]
    return joined(head, (_folded(one) for part in Part for one in report.parts[part] if one.facts or one.findings))


def _folded(one: PartReport) -> str:
    lines = [f"{name}: {_fact(value)}" for name, value in one.facts.items()]
    lines += ["", *_finding_lines(one)] if one.findings else []
    return folded(f"{_SIGNS[one.status]} {_TITLES[one.kind]} — {code(one.file)}", "\n".join(lines))


def _finding_lines(one: PartReport) -> Iterator[str]:
    for finding in one.findings[:SHOWN_FINDINGS]:
        place = f"{finding.location}: " if finding.location is not None else ""
        yield f"{finding.level}: {place}{finding.message}"
    if len(one.findings) > SHOWN_FINDINGS:
        yield f"and {len(one.findings) - SHOWN_FINDINGS} more"


def _fact(value: object) -> str:
    match value:
        case bool() | str():
            return str(value).lower() if isinstance(value, bool) else value
        case int() | float():
            return f"{value:,}"
        case _:
            return "" if value is None else str(value)


def migration_html(report: MigrationReport) -> str:
    """The report as one HTML page."""
    return page(
        "migration.html",
        document=migration_value(report),
        report=report,
        titles=_TITLES,
        fact=_fact,
        parts_in_order=tuple(Part),
        versions=versions(),
        shown_findings=SHOWN_FINDINGS,
    )


WRITERS: Mapping[str, Callable[[MigrationReport], str]] = {
    "md": migration_markdown,
    "html": migration_html,
    "json": migration_json,
}
"""What writes each format."""

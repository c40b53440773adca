"""What validating found, as text for people and as JSON."""

from __future__ import annotations

import json

from velo_engine.errors import underlined
from velo_harness.reports.shown_values import printable, printable_lines
from velo_harness.validating.files import Validation
from velo_harness.validation import Finding, Level

SCHEMA_VERSION = 1


def validation_text(validation: Validation) -> str:
    """Every finding with its place and hint, then the count."""
    parts = [finding_text(finding) for finding in validation.findings]
    return "\n\n".join([*parts, _summary(validation)])


def finding_text(finding: Finding) -> str:
    """One finding, as errors are shown."""
    lines = [f"{finding.level.value}[{finding.code.code}]: {finding.message}"]
    if finding.location is not None:
        lines += underlined(finding.location)
    if finding.hint:
        lines.append(f"  hint: {finding.hint}")
    return printable_lines("\n".join(lines))


def _summary(validation: Validation) -> str:
    counts = [(validation.count(level), level.value) for level in (Level.ERROR, Level.WARNING)]
    found = ", ".join(f"{count} {noun}{'s' * (count != 1)}" for count, noun in counts if count) or "nothing to mend"
    files = len(validation.files)
    return f"{files} file{'s' * (files != 1)} checked: {found}"


def validation_json(validation: Validation) -> str:
    """An object with the files, the counts and every finding."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "files": list(validation.files),
        "errors": validation.count(Level.ERROR),
        "warnings": validation.count(Level.WARNING),
        "findings": [_finding_json(finding) for finding in validation.findings],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _finding_json(finding: Finding) -> dict[str, object]:
    place = finding.location
    return {
        "level": finding.level.value,
        "code": finding.code.code,
        "message": printable(finding.message),
        "hint": None if finding.hint is None else printable(finding.hint),
        "file": None if place is None else place.file,
        "line": None if place is None else place.line,
        "column": None if place is None else place.column,
        "length": None if place is None else place.length,
    }

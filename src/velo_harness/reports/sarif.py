"""Findings of `velo-test validate` in SARIF 2.1.0, which GitHub's code scanning and editors read.

The form is that of the OASIS standard "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from velo_engine.errors import ErrorCode, Location
from velo_harness.reports.json_report import json_text
from velo_harness.reports.shown_values import printable_lines
from velo_harness.validation import Finding

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_TOP = "%SRCROOT%"
"""What SARIF calls the folder that paths are relative to."""


def findings_sarif(findings: Sequence[Finding]) -> str:
    """The findings as a SARIF document."""
    return json_text(sarif(findings)) + "\n"


def sarif(findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings as the values of a SARIF document: one run, one rule for each code that was found."""
    codes = sorted({finding.code for finding in findings}, key=lambda code: code.code)
    driver = {
        "name": "velostream",
        "version": version("velostream"),
        "rules": [_rule(code) for code in codes],
    }
    places = {code: index for index, code in enumerate(codes)}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, places[finding.code]) for finding in findings],
            }
        ],
    }


def _rule(code: ErrorCode) -> dict[str, Any]:
    name = "".join(word.capitalize() for word in code.name.split("_"))
    return {"id": code.code, "name": name, "shortDescription": {"text": code.meaning}}


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    text = finding.message + (f"\nhint: {finding.hint}" if finding.hint else "")
    result: dict[str, Any] = {
        "ruleId": finding.code.code,
        "ruleIndex": rule,
        "level": finding.level.value,
        "message": {"text": printable_lines(text)},
    }
    if finding.location is not None:
        result["locations"] = [{"physicalLocation": _place(finding.location)}]
    return result


def _place(location: Location) -> dict[str, Any]:
    region: dict[str, Any] = {
        "startLine": location.line,
        "startColumn": location.column,
        "endColumn": location.column + max(location.length, 1),
    }
    if location.text:
        region["snippet"] = {"text": printable_lines(location.text)}
    path = Path(location.file)
    file = {"uri": path.as_uri()} if path.is_absolute() else {"uri": quote(path.as_posix()), "uriBaseId": _TOP}
    return {"artifactLocation": file, "region": region}

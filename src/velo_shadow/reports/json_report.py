"""The JSON report of a comparison, written and read again.

Its schema, `velo schema shadow-report`, is frozen: later versions add keys, they change and remove none, and a reader
passes over keys that it does not know. It carries the envelope by which `velo report` gathers the parts of a migration
(`status`, `headline`, `facts`, `findings`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.json_schemas import shipped_text
from velo_harness.reports.json_reading import read_json
from velo_harness.reports.json_report import json_text
from velo_shadow.model import Decision
from velo_shadow.reports.document import ShadowReport, SinkReport
from velo_shadow.reports.wording import difference_line

SCHEMA_VERSION = 1
KIND = "shadow"
_LARGEST = 2.0**63
MAX_FINDINGS = 10
"""Differences that the migration report shows."""
_STATUS = {Decision.SAFE: "passed", Decision.NOT_SAFE: "failed", Decision.INCONCLUSIVE: "inconclusive"}


def shadow_schema() -> dict[str, Any]:
    """The JSON Schema of the report."""
    return json.loads(shipped_text("shadow-report"))  # type: ignore[no-any-return]


def shadow_json(report: ShadowReport) -> str:
    """The report as JSON text."""
    return json_text(document(report)) + "\n"


def document(report: ShadowReport) -> dict[str, Any]:
    """The report as JSON values. A bound is a rate between 0 and 1; an amount is exact text."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "status": _STATUS[report.verdict.decision],
        "headline": report.headline,
        "facts": _facts(report.sinks),
        "findings": [{"message": line, "level": "error"} for line in _findings(report.sinks)],
        "versions": dict(report.versions),
        "job": report.job,
        "began": report.began,
        "ended": report.ended,
        "verdict": asdict(report.verdict),
        "sinks": [asdict(sink) for sink in report.sinks],
    }


def read_shadow_report(path: Path) -> ShadowReport:
    """The report in a file. Errors: FILE_NOT_FOUND, FILE_UNREADABLE, BAD_VALUE."""
    return shadow_report_of(read_json(path), str(path))


def shadow_report_of(values: Any, name: str) -> ShadowReport:
    """The report that JSON values describe; `name` is what errors call it. Errors: BAD_VALUE."""
    hint = "a report is what velo shadow --report FILE.json writes"
    if not isinstance(values, dict) or values.get("kind") != KIND:
        raise VeloError(ErrorCode.BAD_VALUE, f'"{name}" is no report of velo shadow', hint=hint)
    version = values.get("schema_version")
    if version != SCHEMA_VERSION:
        message = f'"{name}" has schema_version {version}; this version of velostream reads {SCHEMA_VERSION}'
        raise VeloError(ErrorCode.BAD_VALUE, message)
    try:
        report = msgspec.convert(values, ShadowReport)
        _check(report)
        return report
    except (msgspec.ValidationError, ValueError) as error:
        message = f'"{name}" is not a report of velo shadow: {error}'
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=hint) from None


def _check(report: ShadowReport) -> None:
    """What types do not say. Raises ValueError."""
    for time in (report.began, report.ended):
        if time is not None and datetime.fromisoformat(time).tzinfo is None:
            raise ValueError(f"{time} has no zone")
    for sink in report.sinks:
        parts: tuple[Any, ...] = (
            sink.verdict,
            sink.counts,
            sink.coverage,
            *sink.segments,
            *sink.over_time,
            *sink.course,
        )
        numbers = [number for part in parts for number in _numbers(asdict(part))]
        numbers += [sink.pending, sink.differences_left_out, *sink.causes.values()]
        numbers += _numbers({} if sink.performance is None else asdict(sink.performance))
        if any(not 0 <= number < _LARGEST for number in numbers):
            raise ValueError(f'"{sink.name}" has a number that none can be')
        for one in sink.over_time:
            if one.seconds < 1 or datetime.fromisoformat(one.begins).tzinfo is not None:
                raise ValueError(f'"{sink.name}" has no such stretch of time: {one.begins}')


def _numbers(values: Any) -> list[float]:
    """All numbers in plain values."""
    if isinstance(values, dict):
        return [number for value in values.values() for number in _numbers(value)]
    return [values] if isinstance(values, int | float) else []


def _facts(sinks: Sequence[SinkReport]) -> dict[str, Any]:
    facts: dict[str, Any] = {"sinks": len(sinks)} if len(sinks) != 1 else {}
    facts["compared"] = sum(sink.verdict.compared for sink in sinks)
    facts["differences that block"] = sum(sink.verdict.unexplained for sink in sinks)
    if sinks:
        facts["upper 95 % bound on the rate"] = max(sink.verdict.bound for sink in sinks)
    return facts


def _findings(sinks: Sequence[SinkReport]) -> list[str]:
    """The first differences, of every sink some."""
    share = max(1, MAX_FINDINGS // max(1, len(sinks)))
    lines = [
        f"{sink.name}: {difference_line(one)}" if len(sinks) > 1 else difference_line(one)
        for sink in sinks
        for one in sink.differences[:share]
    ]
    return lines[:MAX_FINDINGS]

"""The JSON report of a comparison. Its schema, `schemas/shadow_report.schema.json`, is frozen: a change that a reader
could trip over raises SCHEMA_VERSION.

It carries the envelope by which `velo report` gathers parts (`status`, `headline`, `facts`, `findings`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from velo_harness.reports.shown_values import json_value
from velo_shadow.model import ComparisonPlan, ComparisonResult, Decision, Difference, PlanColumn

SCHEMA_VERSION = 1
MAX_SHOWN = 1_000
"""Differences that the report holds."""
MAX_FINDINGS = 10
_STATUS = {Decision.SAFE: "passed", Decision.NOT_SAFE: "failed", Decision.INCONCLUSIVE: "inconclusive"}


def shadow_schema() -> dict[str, Any]:
    """The JSON Schema of the report."""
    text = files("velo_shadow").joinpath("schemas", "shadow_report.schema.json").read_text(encoding="utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


def json_report(result: ComparisonResult, *, left: str, right: str) -> str:
    """The report; `left` and `right` name the sides."""
    return json.dumps(report_document(result, left=left, right=right), indent=2, ensure_ascii=False) + "\n"


def report_document(result: ComparisonResult, *, left: str, right: str) -> dict[str, Any]:
    """The report as JSON values. A bound is a rate between 0 and 1; an amount is exact text."""
    verdict, counts = result.verdict, result.counts
    shown = result.differences[:MAX_SHOWN]
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "shadow",
        "status": _STATUS[verdict.decision],
        "headline": headline(result),
        "facts": {
            "compared": verdict.compared,
            "differences that block": verdict.unexplained,
            "upper 95 % bound on the rate": verdict.bound,
        },
        "findings": [{"message": one_line(d), "level": "error"} for d in shown[:MAX_FINDINGS]],
        "sides": {"left": left, "right": right},
        "verdict": {
            "decision": verdict.decision.value,
            "reasons": list(verdict.reasons),
            "compared": verdict.compared,
            "unexplained": verdict.unexplained,
            "bound": verdict.bound,
            "needed": verdict.needed,
        },
        "counts": asdict(counts) | {"by_column": dict(counts.by_column)},
        "pending": result.pending,
        "warm_up": result.warm_up,
        "waived": result.waived,
        "coverage": asdict(result.coverage),
        "plan": _plan(result.plan),
        "causes": {cause.value: number for cause, number in sorted(result.causes.items())},
        "segments": [asdict(segment) for segment in result.segments],
        "differences": [_difference(difference) for difference in shown],
        "differences_left_out": len(result.differences) - len(shown),
    }


def headline(result: ComparisonResult) -> str:
    """The verdict in a sentence."""
    return f"{result.verdict.decision.value}: {'; '.join(result.verdict.reasons)}"


def one_line(difference: Difference) -> str:
    """A difference in a line."""
    from velo_harness.reports.shown_values import text_of

    key = ", ".join(f"{name}={text_of(value)}" for name, value in difference.key.items()) or "(no key)"
    if difference.column is None:
        return f"{key}: {difference.kind.value}"
    left, right = text_of(difference.left), text_of(difference.right)
    return f"{key}: {difference.column} is {left} on the left, {right} on the right"


def _plan(plan: ComparisonPlan) -> dict[str, Any]:
    return {
        "key": [_column(column) for column in plan.key],
        "columns": [_column(column) for column in plan.columns],
        "time_column": plan.time_column,
        "ignored": list(plan.ignored),
    }


def _column(column: PlanColumn) -> Mapping[str, str]:
    return {"name": column.name, "type": str(column.type), "equality": str(column.equality)}


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "kind": difference.kind.value,
        "key": {name: json_value(value) for name, value in difference.key.items()},
        "column": difference.column,
        "left": json_value(difference.left),
        "right": json_value(difference.right),
        "time": json_value(difference.time),
        "cause": difference.cause.value,
        "evidence": difference.evidence,
    }

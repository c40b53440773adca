"""Explanations of rows for people and for machines."""

from __future__ import annotations

import json
from typing import Any

from velo_engine.errors import underlined
from velo_harness.missing_rows.explanation import Explanation
from velo_harness.reports.shown_values import json_value, printable_lines

SCHEMA_VERSION = 1


def explanation_text(explanation: Explanation, query: str, row: str) -> str:
    """The answer, then the way of the row."""
    fate = explanation.fate
    where = f" [in {explanation.statement}]" if explanation.statement not in (None, query) else ""
    lines = [f"{query}: {row}", f"  {fate.text}{where}"]
    if fate.location is not None:
        lines += [f"  {line}" for line in underlined(fate.location)]
    if explanation.record is not None:
        lines.append(f"  it came with {explanation.record}")
    lines += [f"  {number}. {stage.step}: {stage.text}" for number, stage in enumerate(explanation.trail, 1)]
    lines += [f"  {further}" for further in explanation.further]
    return printable_lines("\n".join(lines))


def explanation_json(explanation: Explanation, query: str, row: str) -> str:
    """The same as a JSON object."""
    fate, place = explanation.fate, explanation.fate.location
    found: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "query": query,
        "row": row,
        "fate": fate.kind.value,
        "text": fate.text,
        "statement": explanation.statement,
        "facts": json_value(dict(fate.facts)),
        "location": None if place is None else {"file": place.file, "line": place.line, "column": place.column},
        "record": explanation.record,
        "trail": [{"statement": s.statement, "step": s.step, "text": s.text} for s in explanation.trail],
        "further": list(explanation.further),
    }
    return json.dumps(found, ensure_ascii=False, indent=2)

"""An explanation as text for a terminal, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from velo_engine.explain.explanation import ExplainedNode, ExplainedStatement, Explanation

SCHEMA_VERSION = 1


def explanation_text(explanation: Explanation) -> str:
    """Sources, statements as trees, advice."""
    lines = []
    for source in explanation.sources:
        skipped = f"; not decoded: {', '.join(source.skipped)}" if source.skipped else ""
        lines.append(f"{source.kind} {source.name}: reads {', '.join(source.read) or 'no column'}{skipped}")
    for statement in explanation.statements:
        lines += ["", *_statement(statement)]
    if explanation.state_ttl_ms is not None:
        time = timedelta(milliseconds=explanation.state_ttl_ms)
        lines += ["", f"state that is not used for {time} is given up (state.ttl)"]
    for advice in explanation.advice:
        lines += ["", str(advice)]
    return "\n".join(lines)


def explanation_json(explanation: Explanation) -> str:
    """The same as one JSON object."""
    statements = [
        {"name": s.name, "sink": s.sink, "emit": s.emit, "plan": _as_json(s.plan)} for s in explanation.statements
    ]
    advice = [
        {
            "code": a.code.code,
            "title": a.code.title,
            "message": a.message,
            "hint": a.hint,
            "location": None if a.location is None else str(a.location),
        }
        for a in explanation.advice
    ]
    content = {
        "schema_version": SCHEMA_VERSION,
        "sources": [asdict(source) for source in explanation.sources],
        "statements": statements,
        "state_ttl_ms": explanation.state_ttl_ms,
        "advice": advice,
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def _statement(statement: ExplainedStatement) -> Iterator[str]:
    sink = f" into {statement.sink}" if statement.sink else ""
    yield f"{statement.name}{sink}, EMIT {statement.emit}"
    yield from _node(statement.plan, "", "")


def _node(node: ExplainedNode, first: str, rest: str) -> Iterator[str]:
    yield f"{first}{node.operator}"
    below = rest + ("│ " if node.inputs else "  ")
    keys = " or ".join(f"({', '.join(key)})" for key in node.keys)
    yield f"{below}  {' '.join(node.changes)}" + (f"  key {keys}" if keys else "")
    if node.state is not None:
        yield f"{below}  state: {node.state.kept}"
        yield f"{below}  bound: {node.state.bound}"
    for child in node.inputs[:-1]:
        yield from _node(child, f"{rest}├─", f"{rest}│ ")
    if node.inputs:
        yield from _node(node.inputs[-1], f"{rest}└─", f"{rest}  ")


def _as_json(node: ExplainedNode) -> dict[str, Any]:
    return {
        "operator": node.operator,
        "columns": [{"name": name, "type": kind} for name, kind in node.columns],
        "changes": list(node.changes),
        "keys": [list(key) for key in node.keys],
        "state": None if node.state is None else asdict(node.state),
        "inputs": [_as_json(child) for child in node.inputs],
    }

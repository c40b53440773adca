"""MATCH_RECOGNIZE of a compiled plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from velo_import.inputs.compiled_plan.expressions import Rex, Scope, name_of
from velo_import.inputs.compiled_plan.literals import literal
from velo_import.inputs.compiled_plan.logical_types import UnreadPart, quoted
from velo_import.inputs.compiled_plan.relations import Node, Query, Relation, order_by, partition_by, select


def match(node: Node, inputs: Sequence[Relation]) -> Query:
    """match: one row for each match."""
    (source,) = inputs
    spec, fields = node.data["matchSpec"], source.fields()
    if spec.get("allRows"):
        raise UnreadPart("ALL ROWS PER MATCH")
    names = [column.name for column in node.columns if column.name in spec["measures"]]
    measures = ", ".join(f"{_sql(spec['measures'][name], source.scope())} AS {quoted(name)}" for name in names)
    defined = [f"{quoted(name)} AS {_sql(rex, source.scope())}" for name, rex in spec["patternDefinitions"].items()]
    parts = [
        partition_by(spec["partition"]["fields"], fields),
        order_by(spec["orderBy"], fields),
        f"MEASURES {measures}" if measures else "",
        "ONE ROW PER MATCH",
        _after(spec["after"]),
        f"PATTERN ({_pattern(spec['pattern'])}){_within(spec.get('interval'))}",
        _subsets(spec.get("subsets") or {}),
        f"DEFINE {', '.join(defined)}" if defined else "",
    ]
    head = select([quoted(column.name) for column in node.columns], node.columns)
    return Query(f"{head} FROM {source.source} MATCH_RECOGNIZE ({' '.join(filter(None, parts))})")


def _sql(rex: Rex, scope: Scope) -> str:
    """An expression without what the planner adds: FINAL, and offsets of 0."""
    return scope.sql(_plain(rex))


def _plain(rex: Any) -> Any:
    if isinstance(rex, Sequence) and not isinstance(rex, str):
        return [_plain(one) for one in rex]
    if not isinstance(rex, Mapping):
        return rex
    operands = rex.get("operands", ())
    if rex.get("kind") == "CALL":
        name = name_of(rex) if rex.get("internalName") else ""
        if name in ("FINAL", "RUNNING"):
            return _plain(operands[0])
        at_once = len(operands) == 2 and operands[1].get("value") == 0
        if name in ("PREV", "NEXT") and at_once:
            return _plain(operands[0])
        if name in ("FIRST", "LAST") and at_once:
            return {**rex, "operands": [_plain(operands[0])]}
    return {key: _plain(value) if key == "operands" else value for key, value in rex.items()}


def _pattern(rex: Rex) -> str:
    if rex["kind"] == "LITERAL":
        return quoted(rex["value"])
    operands = rex.get("operands", ())
    match rex.get("sqlKind") or name_of(rex):
        case "PATTERN_CONCAT":
            return " ".join(_pattern(one) for one in operands)
        case "PATTERN_ALTER":
            return "(" + " | ".join(_pattern(one) for one in operands) + ")"
        case "PATTERN_QUANTIFIER":
            inner, low, high, reluctant = operands
            text = _pattern(inner)
            text = f"({text})" if inner["kind"] == "CALL" and not text.startswith("(") else text
            return text + _quantifier(int(low["value"]), int(high["value"])) + ("?" if reluctant["value"] else "")
    raise UnreadPart(f"the pattern {rex.get('sqlKind') or name_of(rex)}")


def _quantifier(low: int, high: int) -> str:
    known = {(0, -1): "*", (1, -1): "+", (0, 1): "?"}
    if (low, high) in known:
        return known[low, high]
    if low == high:
        return f"{{{low}}}"
    return f"{{{low if low >= 0 else ''},{high if high >= 0 else ''}}}"


def _after(rex: Rex) -> str:
    if rex["kind"] == "LITERAL":
        return f"AFTER MATCH {str(rex['value']).replace('_', ' ')}"
    return f"AFTER MATCH {name_of(rex)} {quoted(rex['operands'][0]['value'])}"


def _within(interval: Rex | None) -> str:
    return f" WITHIN {literal(interval)}" if interval else ""


def _subsets(subsets: Mapping[str, Sequence[str]]) -> str:
    if not subsets:
        return ""
    parts = (f"{quoted(name)} = ({', '.join(map(quoted, members))})" for name, members in subsets.items())
    return f"SUBSET {', '.join(parts)}"

"""Joins of a compiled plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from velo_import.inputs.compiled_plan.expressions import Scope
from velo_import.inputs.compiled_plan.literals import literal, milliseconds
from velo_import.inputs.compiled_plan.logical_types import Column, UnreadPart, columns_of, quoted
from velo_import.inputs.compiled_plan.relations import Node, Query, Relation, select
from velo_import.inputs.compiled_plan.windows import window_join as same_window

_WORDS = {"INNER": "JOIN", "LEFT": "LEFT JOIN", "RIGHT": "RIGHT JOIN", "FULL": "FULL JOIN"}
_TEMPORAL = "__TEMPORAL_JOIN_CONDITION"
_CLOCK = "lookup_time"


def join(node: Node, inputs: Sequence[Relation]) -> Query:
    """join: of two relations for all time."""
    return _joined(node, inputs, node.data["joinSpec"], [])


def window_join(node: Node, inputs: Sequence[Relation]) -> Query:
    """window-join: rows of the same window."""
    return _joined(node, inputs, node.data["joinSpec"], [same_window(node, inputs)])


def interval_join(node: Node, inputs: Sequence[Relation]) -> Query:
    """interval-join: rows whose times are near each other."""
    left, right = inputs
    spec = node.data["intervalJoinSpec"]
    bounds = spec["windowBounds"]
    own = left.fields("l")[bounds["leftTimeIndex"]]
    other = right.fields("r")[bounds["rightTimeIndex"]]
    low, high = (_moved(other, bounds[name]) for name in ("leftLowerBound", "leftUpperBound"))
    return _joined(node, inputs, spec["joinSpec"], [f"{own} BETWEEN {low} AND {high}"])


def temporal_join(node: Node, inputs: Sequence[Relation]) -> Query:
    """temporal-join: the version of the right row at the time of the left one."""
    if node.data.get("isTemporalFunctionJoin"):
        raise UnreadPart("a join with a temporal table function")
    left, right = inputs
    spec = node.data["joinSpec"]
    time = left.fields("l")[node.data["leftTimeAttributeIndex"]]
    conditions = _conditions(left, right, spec, [])
    text = f"{left.source} AS l {_WORDS[spec['joinType']]} {right.source} FOR SYSTEM_TIME AS OF {time} AS r"
    values = [*left.fields("l"), *right.fields("r")]
    return Query(f"{select(values, node.columns)} FROM {text} ON {' AND '.join(conditions)}")


def _moved(time: str, bound: int) -> str:
    if not bound:
        return time
    return f"{time} {'-' if bound < 0 else '+'} {milliseconds(abs(bound))}"


def _joined(node: Node, inputs: Sequence[Relation], spec: Mapping[str, Any], first: Sequence[str]) -> Query:
    left, right = inputs
    conditions = _conditions(left, right, spec, first)
    kind = spec["joinType"]
    if kind in ("SEMI", "ANTI"):
        word = "EXISTS" if kind == "SEMI" else "NOT EXISTS"
        inner = f"SELECT 1 FROM {right.source} AS r WHERE {' AND '.join(conditions) or 'TRUE'}"
        return Query(f"{select(left.fields('l'), node.columns)} FROM {left.source} AS l WHERE {word} ({inner})")
    if kind not in _WORDS:
        raise UnreadPart(f"a join of type {kind}")
    values = [*left.fields("l"), *right.fields("r")]
    tables = f"{left.source} AS l {_WORDS[kind]} {right.source} AS r"
    return Query(f"{select(values, node.columns)} FROM {tables} ON {' AND '.join(conditions) or 'TRUE'}")


def _conditions(left: Relation, right: Relation, spec: Mapping[str, Any], first: Sequence[str]) -> list[str]:
    own, other = left.fields("l"), right.fields("r")
    signs = ["=" if drops else "IS NOT DISTINCT FROM" for drops in spec.get("filterNulls", ())]
    keys = zip(spec["leftKeys"], signs, spec["rightKeys"], strict=True)
    conditions = [f"{own[a]} {sign} {other[b]}" for a, sign, b in keys]
    rest = spec.get("nonEquiCondition")
    if rest and _TEMPORAL not in str(rest):
        conditions.append(Scope([*own, *other], {}).sql(rest))
    return [*conditions, *first]


def lookup_join(node: Node, inputs: Sequence[Relation], table: str) -> Query:
    """lookup-join: the row that the table has when the left row comes; `table` is what FROM calls it."""
    (left,) = inputs
    data = node.data
    dimension = columns_of(data["temporalTable"]["outputType"])
    own, other = left.fields("l"), [f"`r`.{quoted(column.name)}" for column in dimension]
    conditions = [f"{other[int(index)]} = {_key(key, own)}" for index, key in data["lookupKeys"].items()]
    if data.get("filterOnTemporalTable"):
        conditions.append(Scope(other, {}).sql(data["filterOnTemporalTable"]))
    if data.get("preFilterCondition"):
        conditions.append(Scope(own, {}).sql(data["preFilterCondition"]))
    projection = data.get("projectionOnTemporalTable")
    right = other if projection is None else [Scope(other, {}).sql(one) for one in projection]
    if data.get("joinCondition"):
        conditions.append(Scope([*own, *right], {}).sql(data["joinCondition"]))
    clock = _free(_CLOCK, left.columns)
    rows = f"(SELECT *, PROCTIME() AS {quoted(clock)} FROM {left.source}) AS l"
    joined = f"{_WORDS[data['joinType']]} {table} FOR SYSTEM_TIME AS OF `l`.{quoted(clock)} AS r"
    return Query(f"{select([*own, *right], node.columns)} FROM {rows} {joined} ON {' AND '.join(conditions)}")


def _key(key: Mapping[str, Any], own: Sequence[str]) -> str:
    match key["type"]:
        case "FieldRef":
            return str(own[key["index"]])
        case "Constant":
            return literal(key["value"] if "value" in key else key["literal"])
    raise UnreadPart(f"a lookup by {key['type']}")


def _free(name: str, columns: Sequence[Column]) -> str:
    taken = {column.name for column in columns}
    while name in taken:
        name += "_"
    return name

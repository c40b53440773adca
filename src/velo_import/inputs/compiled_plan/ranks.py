"""First rows of groups, sorting and OVER windows of a compiled plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from velo_import.inputs.compiled_plan.expressions import typed
from velo_import.inputs.compiled_plan.literals import literal, milliseconds
from velo_import.inputs.compiled_plan.logical_types import Column, UnreadPart, plain_type, quoted
from velo_import.inputs.compiled_plan.relations import Node, Query, Relation, aggregate, order_by, partition_by, select

_NUMBER = "row_num"


def rank(node: Node, inputs: Sequence[Relation]) -> Query:
    """rank, window-rank: the first rows of each partition."""
    (source,) = inputs
    data, fields = node.data, source.fields()
    partition = (data.get("partition") or data["partitionSpec"])["fields"]
    if "windowing" in data:
        partition = _with_window(partition, data["windowing"])
    order = order_by(data.get("orderBy") or data["sortSpec"], fields)
    number = node.columns[-1].name if data["outputRowNumber"] else _free(source.columns)
    low, high = _range(data["rankRange"], fields)
    return _first(
        node, source, f"{data['rankType']}() OVER ({partition_by(partition, fields)} {order})", number, low, high
    )


def deduplicate(node: Node, inputs: Sequence[Relation]) -> Query:
    """deduplicate: the first or the last row of each key, by time."""
    (source,) = inputs
    data = node.data
    wanted = "ROWTIME" if data["isRowtime"] else "PROCTIME"
    times = [index for index, column in enumerate(source.columns) if column.time == wanted]
    if not times:
        raise UnreadPart("the time by which rows are deduplicated")
    return _deduplicated(node, source, data["uniqueKeys"], times[0])


def window_deduplicate(node: Node, inputs: Sequence[Relation]) -> Query:
    """window-deduplicate: the first or the last row of each key in each window."""
    (source,) = inputs
    keys = _with_window(node.data["partitionKeys"], node.data["windowing"])
    return _deduplicated(node, source, keys, node.data["orderKey"])


def _deduplicated(node: Node, source: Relation, keys: Sequence[int], time: int) -> Query:
    fields = source.fields()
    order = f"ORDER BY {fields[time]} {'DESC' if node.data['keepLastRow'] else 'ASC'}"
    call = f"ROW_NUMBER() OVER ({partition_by(keys, fields)} {order})"
    return _first(node, source, call, _free(source.columns), None, "1")


def _first(node: Node, source: Relation, call: str, number: str, low: str | None, high: str | None) -> Query:
    rows = f"(SELECT {', '.join(source.fields())}, {call} AS {quoted(number)} FROM {source.source})"
    bounds = [f"{quoted(number)} >= {low}"] if low else []
    bounds += [f"{quoted(number)} <= {high}"] if high else []
    values = source.fields() + ([quoted(number)] if len(node.columns) > len(source.columns) else [])
    return Query(f"{select(values, node.columns)} FROM {rows} WHERE {' AND '.join(bounds)}")


def _with_window(keys: Sequence[int], windowing: Mapping[str, Any]) -> list[int]:
    if windowing["strategy"] != "WindowAttached":
        raise UnreadPart(f"a window of strategy {windowing['strategy']}")
    bounds = [windowing["windowStart"], windowing["windowEnd"]]
    return [*dict.fromkeys([*keys, *(index for index in bounds if index >= 0)])]


def _range(found: Mapping[str, Any], fields: Sequence[str]) -> tuple[str | None, str | None]:
    match found["type"]:
        case "Constant":
            return str(found["start"]) if found["start"] > 1 else None, str(found["end"])
        case "Variable":
            return None, fields[found["endIndex"]]
        case "ConstantWithoutEnd":
            return str(found["start"]), None
    raise UnreadPart(f"ranks in a range of type {found['type']}")


def _free(columns: Sequence[Column]) -> str:
    name = _NUMBER
    while name in {column.name for column in columns}:
        name += "_"
    return name


def sort(node: Node, inputs: Sequence[Relation]) -> Query:
    """limit, sort-limit, sort, temporal-sort."""
    (source,) = inputs
    order = order_by(node.data.get("orderBy") or {}, source.fields())
    text = f"{select(source.fields(), node.columns)} FROM {source.source} {order}".rstrip()
    if "rankRange" not in node.data:
        return Query(text)
    low, high = node.data["rankRange"]["start"], node.data["rankRange"].get("end")
    text += f" LIMIT {high - low + 1}" if high is not None else ""
    return Query(text + (f" OFFSET {low - 1}" if low > 1 else ""))


def over_aggregate(node: Node, inputs: Sequence[Relation]) -> Query:
    """over-aggregate: aggregates over the rows before."""
    (source,) = inputs
    spec = node.data["overSpec"]
    constants = [typed(one, source.scope()) for one in spec["constants"]]
    fields = [*source.fields(), *constants]
    values = {index: text for index, text in enumerate(fields) if index >= spec["originalInputFields"]}
    raw = {spec["originalInputFields"] + i: one for i, one in enumerate(spec["constants"])}
    calls = []
    for group in spec["groups"]:
        order = order_by(group["orderBy"], fields)
        window = " ".join(filter(None, (partition_by(spec["partition"]["fields"], fields), order)))
        for call in group["aggCalls"]:
            frame = (
                f" {_frame(group, raw)}" if call["internalName"].strip("$").split("$")[0] not in _WITHOUT_FRAME else ""
            )
            calls.append(aggregate(call, fields, values, f" OVER ({window}{frame})"))
    return Query(f"{select([*source.fields(), *calls], node.columns)} FROM {source.source}")


_WITHOUT_FRAME = {"ROW_NUMBER", "RANK", "DENSE_RANK", "LAG", "LEAD", "NTILE", "PERCENT_RANK", "CUME_DIST"}


def _frame(group: Mapping[str, Any], constants: Mapping[int, Mapping[str, Any]]) -> str:
    low, high = (_bound(group[name], constants) for name in ("lowerBound", "upperBound"))
    return f"{'ROWS' if group['isRows'] else 'RANGE'} BETWEEN {low} AND {high}"


def _bound(bound: Mapping[str, Any], constants: Mapping[int, Mapping[str, Any]]) -> str:
    if bound["kind"] != "BOUNDED_WINDOW":
        return str(bound["kind"]).replace("_", " ")
    offset = bound["offset"]
    value = constants[offset["inputIndex"]] if offset["kind"] == "INPUT_REF" else offset
    is_interval = "INTERVAL" in plain_type(value["type"])
    text = milliseconds(int(value["value"])) if is_interval and "DAY" not in str(value["type"]) else literal(value)
    return f"{text} {'PRECEDING' if bound['isPreceding'] else 'FOLLOWING'}"

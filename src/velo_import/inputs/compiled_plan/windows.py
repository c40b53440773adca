"""Windows of a compiled plan: table functions, aggregates in one and two phases, groups by TUMBLE and the like."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from velo_import.inputs.compiled_plan.literals import duration_ms, milliseconds
from velo_import.inputs.compiled_plan.logical_types import UnreadPart, plain_type, quoted
from velo_import.inputs.compiled_plan.relations import Node, Query, Relation, aggregate, select

_ADDED = ("window_start", "window_end", "window_time")
_PROPERTIES = {
    "WindowStart": "window_start",
    "WindowEnd": "window_end",
    "Rowtime": "window_time",
    "Proctime": "window_time",
}
_LEGACY = {
    "WindowStart": "{}_START",
    "WindowEnd": "{}_END",
    "Rowtime": "{}_ROWTIME",
    "Proctime": "{}_PROCTIME",
}


def table_function(node: Node, inputs: Sequence[Relation]) -> Query:
    """window-table-function: the rows with the bounds of their windows."""
    (source,) = inputs
    table, names = _windowed(source, node.data["windowing"])
    return Query(f"{select([*names, *_ADDED], node.columns)} FROM {table}")


def window_aggregate(node: Node, inputs: Sequence[Relation]) -> Query:
    """window-aggregate: in one phase."""
    return _aggregated(node, inputs[0], node.data["grouping"], node.data["windowing"])


def two_phase_window_aggregate(node: Node, local: Node, source: Relation) -> Query:
    """global-window-aggregate over local-window-aggregate, as the one aggregate that both are."""
    return _aggregated(node, source, local.data["grouping"], local.data["windowing"])


def _aggregated(node: Node, source: Relation, grouping: Sequence[int], windowing: Mapping[str, Any]) -> Query:
    attached = windowing["strategy"] == "WindowAttached"
    if attached:
        table, names = source.source, source.fields()
        bounds = {p: _attached(source, windowing, p) for p in _PROPERTIES}
    elif windowing["strategy"] == "TimeAttribute":
        table, names = _windowed(source, windowing)
        bounds = dict(_PROPERTIES)
    else:
        raise UnreadPart(f"a window of strategy {windowing['strategy']}")
    keys = [names[index] for index in grouping]
    calls = [aggregate(call, names, source.literals) for call in node.data["aggCalls"]]
    properties = [p["property"]["kind"] for p in node.data["namedWindowProperties"]]
    wanted = [bounds[kind] for kind in properties]
    if any(name is None for name in wanted):
        raise UnreadPart("the time of a window whose rows do not have it")
    grouped = dict.fromkeys([*keys, bounds["WindowStart"], bounds["WindowEnd"], *wanted])
    values = [*keys, *calls, *(name for name in wanted if name is not None)]
    groups = ", ".join(name for name in grouped if name is not None)
    return Query(f"{select(values, node.columns)} FROM {table} GROUP BY {groups}")


def _attached(source: Relation, windowing: Mapping[str, Any], kind: str) -> str | None:
    fields = source.fields()
    match kind:
        case "WindowStart" | "WindowEnd":
            index = windowing["windowStart" if kind == "WindowStart" else "windowEnd"]
            if index < 0:
                raise UnreadPart("a window without a column for its bound")
            return str(fields[index])
    times = [i for i, column in enumerate(source.columns) if column.time]
    return fields[times[-1]] if times else None


def _windowed(source: Relation, windowing: Mapping[str, Any]) -> tuple[str, list[str]]:
    """`TABLE(TUMBLE(…))` over a relation, and what its columns are called: those that a window adds must be free."""
    if windowing["strategy"] != "TimeAttribute":
        raise UnreadPart(f"a window table of strategy {windowing['strategy']}")
    taken = {column.name.lower() for column in source.columns}
    names = source.fields()
    table = f"TABLE {source.source}"
    if taken & set(_ADDED):
        names = [quoted(f"{c.name}_of_input" if c.name.lower() in _ADDED else c.name) for c in source.columns]
        renamed = ", ".join(f"{old} AS {new}" for old, new in zip(source.fields(), names, strict=True))
        table = f"(SELECT {renamed} FROM {source.source})"
    window = windowing["window"]
    kind, sizes = _sizes(window)
    partition = ""
    if indexes := window.get("partition_key_indices"):
        partition = f" PARTITION BY ({', '.join(names[index] for index in indexes)})"
        if len(indexes) == 1:
            partition = f" PARTITION BY {names[indexes[0]]}"
    arguments = ", ".join([f"DESCRIPTOR({names[windowing['timeAttributeIndex']]})", *sizes])
    return f"TABLE({kind}({table}{partition}, {arguments}))", names


def _sizes(window: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The function of a window and its lengths."""
    match window["type"]:
        case "TumblingWindow":
            kind, names = "TUMBLE", ["size"]
        case "HoppingWindow":
            kind, names = "HOP", ["slide", "size"]
        case "CumulativeWindow":
            kind, names = "CUMULATE", ["step", "maxSize"]
        case "SessionWindow":
            kind, names = "SESSION", ["gap"]
        case other:
            raise UnreadPart(f"a window of type {other}")
    lengths = [milliseconds(duration_ms(window[name])) for name in names]
    if window.get("offset"):
        lengths.append(milliseconds(duration_ms(window["offset"])))
    return kind, lengths


def group_window_aggregate(node: Node, source: Relation, used: Container[int]) -> Query:
    """group-window-aggregate: GROUP BY TUMBLE(ts, …), HOP, SESSION.

    The planner adds every bound and time of the window; those that are not `used` (by the numbers of output columns)
    are NULL.
    """
    fields = source.fields()
    window = node.data["window"]
    kinds = {"TUMBLING": ("TUMBLE", ["size"]), "SLIDING": ("HOP", ["slide", "size"]), "SESSION": ("SESSION", ["gap"])}
    if window["kind"] not in kinds or not window.get("isTimeWindow", True):
        raise UnreadPart(f"a group window of kind {window['kind']} by a number of rows")
    name, sizes = kinds[window["kind"]]
    lengths = [milliseconds(duration_ms(window[size])) for size in sizes]
    time = window["timeField"]["fieldIndex"]
    if source.columns[time].time is None:
        raise UnreadPart("a window by a column that is no time any more")
    arguments = ", ".join([fields[time], *lengths])
    keys = [fields[index] for index in node.data["grouping"]]
    calls = [aggregate(call, fields, source.literals) for call in node.data["aggCalls"]]
    properties = [p["property"]["kind"] for p in node.data["namedWindowProperties"]]
    first = len(keys) + len(calls)
    bounds = [
        f"{_LEGACY[kind].format(name)}({arguments})"
        if number in used
        else f"CAST(NULL AS {plain_type(node.columns[number].type)})"
        for number, kind in enumerate(properties, first)
    ]
    groups = ", ".join([*keys, f"{name}({arguments})"])
    return Query(f"{select([*keys, *calls, *bounds], node.columns)} FROM {source.source} GROUP BY {groups}")


def window_join(node: Node, inputs: Sequence[Relation]) -> str:
    """The condition of a window-join that its windows are the same."""
    left, right = inputs
    sides = (("l", left, node.data["leftWindowing"]), ("r", right, node.data["rightWindowing"]))
    if any(windowing["strategy"] != "WindowAttached" for _, _, windowing in sides):
        raise UnreadPart("a window join whose inputs do not have their windows")
    (starts, ends) = (
        [relation.fields(alias)[windowing[bound]] for alias, relation, windowing in sides]
        for bound in ("windowStart", "windowEnd")
    )
    return f"{starts[0]} = {starts[1]} AND {ends[0]} = {ends[1]}"

"""Coverage of what several rows do together: joins, windows, groups, Top-N. Counted over all rows, when a run ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from velo_engine.kernel import Kernel
from velo_engine.operators.session_time import SessionTime
from velo_engine.plan import nodes
from velo_engine.plan.expressions import AggregateCall, Expression
from velo_engine.plan.nodes import PlanNode, WindowKind
from velo_engine.types import TypeName

KEPT_ROWS = 200_000
"""Rows of one input of one operator that are kept to be looked at; later ones are not."""

Counts = dict[str, int]
Holds = Callable[[Expression], str]

_JOINS = (nodes.RegularJoin, nodes.IntervalJoin, nodes.TableJoin, nodes.TemporalJoin, nodes.WindowJoin)
_WINDOWS = (nodes.WindowAggregate, nodes.WindowTable)
_TOPS = (nodes.TopN, nodes.WindowTopN, nodes.Deduplicate, nodes.WindowDeduplicate)
_MATCH, _LEFT_ALONE, _RIGHT_ALONE = "match", "left row without match", "right row without match"
_OUT_OF_BOUNDS = "equal keys, time out of bounds"
_START, _END, _LATE = "row on a window's start", "row in a window's last millisecond", "late row"
_ON, _APART = "row that continues a session", "pause that ends a session"
_SEVERAL, _TWICE, _NULL = "group of several rows", "value that comes twice", "NULL"
_OVERFLOW, _DUPLICATE = "more rows than the limit", "key that comes twice"


@dataclass(frozen=True, slots=True)
class FlowPoint:
    """A point of a node: what it needs of the node's inputs, and how its outcomes are counted."""

    kind: str
    text: str
    outcomes: tuple[str, ...]
    count: Callable[[Kernel, Sequence[pa.Table]], Counts]
    """From the rows of the inputs, whose columns are c0, c1, …"""
    call: AggregateCall | None = None
    """The aggregate whose place the point has."""


def flow_points(node: PlanNode, holds: Holds) -> Iterator[FlowPoint]:
    """The points of a node. `holds` gives the SQL of a condition over a row `i`."""
    if isinstance(node, _JOINS):
        yield _join(node, holds)
    if isinstance(node, _WINDOWS) and node.window.kind is not WindowKind.ATTACHED and node.by_event_time:
        yield _window(node)
    if isinstance(node, nodes.GroupAggregate | nodes.WindowAggregate):
        yield from _groups(node)
    if isinstance(node, _TOPS):
        yield _top(node)
    if isinstance(node, nodes.Union):
        names = tuple(f"row of input {number}" for number in range(1, len(node.sources) + 1))
        yield FlowPoint("union", "UNION", names, lambda _, rows: dict(zip(names, map(len, rows), strict=True)))


def in_local_time(node: PlanNode, rows: pa.Table, zone: str) -> pa.Table:
    """The rows as the points of `node` see them: windows over TIMESTAMP_LTZ are cut by the clock of the job's zone."""
    if not isinstance(node, _WINDOWS) or not len(rows):
        return rows
    time = SessionTime(zone)
    if time.is_utc or node.input.schema.columns[node.time_column].type.name is not TypeName.TIMESTAMP_LTZ:
        return rows
    instants = rows.column(node.time_column).cast(pa.timestamp("ms"), safe=False).cast(pa.int64())
    local = time.local(instants.fill_null(0).to_numpy())
    column = pa.array(local, mask=instants.is_null().to_numpy(zero_copy_only=False)).cast(pa.timestamp("ms"))
    return rows.set_column(node.time_column, rows.column_names[node.time_column], column)


def _one(kernel: Kernel, sql: str, **tables: pa.Table) -> dict[str, int]:
    (row,) = kernel.query(sql, **tables).to_pylist()
    return {name: int(value or 0) for name, value in row.items()}


def _join(node: PlanNode, holds: Holds) -> FlowPoint:
    assert isinstance(node, _JOINS)
    width = len(nodes.inputs(node)[0].schema)
    safe: frozenset[int] = getattr(node, "null_safe_keys", frozenset())
    parts = []
    for number, (left, right) in enumerate(zip(node.left_keys, node.right_keys, strict=True)):
        parts.append(f"l.c{left} {'IS NOT DISTINCT FROM' if number in safe else '='} r.c{right}")
    if node.condition is not None:
        parts.append(f"coalesce((SELECT {holds(node.condition)} FROM (SELECT {_pair(node, width)}) i), FALSE)")
    keys = " AND ".join(parts) or "TRUE"
    time = _time_bound(node)
    condition = f"({keys}) AND ({time})" if time else keys
    outcomes = [_MATCH, _LEFT_ALONE] + ([] if node.kind.one_sided else [_RIGHT_ALONE])
    if time:
        outcomes.append(_OUT_OF_BOUNDS)
    if not parts:
        outcomes = [_MATCH]

    def count(kernel: Kernel, rows: Sequence[pa.Table]) -> Counts:
        l, r = rows  # noqa: E741 - the names of the SQL
        sql = (
            f'SELECT (SELECT count(*) FROM l WHERE EXISTS (SELECT 1 FROM r WHERE {condition})) AS "{_MATCH}",'
            f' (SELECT count(*) FROM l WHERE NOT EXISTS (SELECT 1 FROM r WHERE {condition})) AS "{_LEFT_ALONE}",'
            f' (SELECT count(*) FROM r WHERE NOT EXISTS (SELECT 1 FROM l WHERE {condition})) AS "{_RIGHT_ALONE}"'
        )
        if time:
            sql += f', (SELECT count(*) FROM l JOIN r ON {keys} WHERE NOT ({time})) AS "{_OUT_OF_BOUNDS}"'
        return _one(kernel, sql, l=l, r=r)

    return FlowPoint("join", f"{node.kind.value.upper()} JOIN", tuple(outcomes), count)


def _pair(node: PlanNode, width: int) -> str:
    """The columns of a pair of rows as one row."""
    left, right = (len(side.schema) for side in nodes.inputs(node))
    columns = [f"l.c{i} AS c{i}" for i in range(left)] + [f"r.c{i} AS c{width + i}" for i in range(right)]
    return ", ".join(columns)


def _time_bound(node: PlanNode) -> str | None:
    """SQL for the times of two rows that may meet; None when all may."""
    if isinstance(node, nodes.IntervalJoin) and node.left_time is not None and node.right_time is not None:
        distance = f"epoch_ms(l.c{node.left_time}) - epoch_ms(r.c{node.right_time})"
        return f"{distance} BETWEEN {node.lower_ms} AND {node.upper_ms}"
    if isinstance(node, nodes.TemporalJoin):
        return f"r.c{node.right_time} <= l.c{node.left_time}"
    return None


def _window(node: PlanNode) -> FlowPoint:
    assert isinstance(node, _WINDOWS)
    window, time = node.window, f"epoch_ms(t.c{node.time_column})"
    text = f"{window.kind.value.upper()} window"
    if window.kind is WindowKind.SESSION:
        keys = node.keys if isinstance(node, nodes.WindowAggregate) else node.partition
        by = ", ".join(f"t.c{key}" for key in keys)
        over = f"({f'PARTITION BY {by} ' if by else ''}ORDER BY {time})"

        def count_session(kernel: Kernel, rows: Sequence[pa.Table]) -> Counts:
            gaps = f"SELECT {time} - lag({time}) OVER {over} AS gap FROM t"
            sql = (
                f'SELECT count(*) FILTER (WHERE gap < {window.size_ms}) AS "{_ON}",'
                f' count(*) FILTER (WHERE gap >= {window.size_ms}) AS "{_APART}" FROM ({gaps})'
            )
            return _one(kernel, sql, t=rows[0])

        return FlowPoint("window", text, (_ON, _APART, _LATE), count_session)
    place = f"(({time} - {window.offset_ms}) % {window.slide_ms} + {window.slide_ms}) % {window.slide_ms}"

    def count(kernel: Kernel, rows: Sequence[pa.Table]) -> Counts:
        sql = (
            f'SELECT count(*) FILTER (WHERE {place} = 0) AS "{_START}",'
            f' count(*) FILTER (WHERE {place} = {window.slide_ms - 1}) AS "{_END}" FROM t'
        )
        return _one(kernel, sql, t=rows[0])

    return FlowPoint("window", text, (_START, _END, _LATE), count)


def _groups(node: PlanNode) -> Iterator[FlowPoint]:
    """A group of several rows; for each aggregate a NULL, and for a distinct one a value that comes twice."""
    assert isinstance(node, nodes.GroupAggregate | nodes.WindowAggregate)
    keys = [f"t.c{key}" for key in node.keys]
    if isinstance(node, nodes.WindowAggregate) and node.window.kind is not WindowKind.ATTACHED:
        window = node.window
        if window.kind is not WindowKind.SESSION:
            keys.append(f"(epoch_ms(t.c{node.time_column}) - {window.offset_ms}) // {window.slide_ms}")
    if node.calls:
        yield FlowPoint("group", "group", (_SEVERAL,), _repeated(_SEVERAL, keys), node.calls[0])
    for call in node.calls:
        schema = node.input.schema
        outcomes: list[str] = []
        if call.args and schema.columns[call.args[0]].type.nullable and call.function not in _NULLS_COUNT:
            outcomes.append(_NULL)
        if call.distinct:
            outcomes.append(_TWICE)
        if outcomes:
            yield FlowPoint("aggregate", call.function.upper(), tuple(outcomes), _of_call(call, keys), call)


_NULLS_COUNT = ("first_value", "last_value")


def _repeated(name: str, keys: Sequence[str], more_than: int = 1) -> Callable[[Kernel, Sequence[pa.Table]], Counts]:
    """Counts the keys that more than so many rows have."""

    def count(kernel: Kernel, rows: Sequence[pa.Table]) -> Counts:
        grouped = f" GROUP BY {', '.join(keys)}" if keys else ""
        sql = f'SELECT count(*) AS "{name}" FROM (SELECT 1 FROM t{grouped} HAVING count(*) > {more_than})'
        return _one(kernel, sql, t=rows[0])

    return count


def _of_call(call: AggregateCall, keys: Sequence[str]) -> Callable[[Kernel, Sequence[pa.Table]], Counts]:
    def count(kernel: Kernel, rows: Sequence[pa.Table]) -> Counts:
        value = f"t.c{call.args[0]}"
        (table,) = rows
        found = _one(kernel, f'SELECT count(*) AS "{_NULL}" FROM t WHERE {value} IS NULL', t=table)
        twice = [*keys, *(f"t.c{arg}" for arg in call.args)]
        return found | _repeated(_TWICE, twice)(kernel, rows)

    return count


def _top(node: PlanNode) -> FlowPoint:
    assert isinstance(node, _TOPS)
    keys = [f"t.c{key}" for key in node.partition]
    if isinstance(node, nodes.Deduplicate | nodes.WindowDeduplicate):
        return FlowPoint("top_n", "one row of each key", (_DUPLICATE,), _repeated(_DUPLICATE, keys))
    return FlowPoint("top_n", f"first {node.limit}", (_OVERFLOW,), _repeated(_OVERFLOW, keys, node.limit))

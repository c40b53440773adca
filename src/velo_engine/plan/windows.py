"""Event-time windows of a query, in their three spellings, as one thing.

* Velostream's clause: `WINDOW TUMBLING(5m)`; the bounds are `window_start`, `window_end`, `window_time`,
  `_window_start`, `_window_end` and `TUMBLE_START()` … without being grouped by.
* Flink's window table functions: `FROM TABLE(TUMBLE(…))`, with `window_start` and `window_end` in GROUP BY.
* Flink's legacy group windows: `GROUP BY TUMBLE(ts, INTERVAL '1' HOUR)`, with `TUMBLE_START(ts, INTERVAL '1' HOUR)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.plan.aggregate_syntax import aggregates_in, function_name
from velo_engine.plan.nodes import Emit, WindowKind, WindowSpec
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation
from velo_engine.plan.scope import RelationScope
from velo_engine.plan.select_list import unwrapped
from velo_engine.sql.durations import interval_ms
from velo_engine.sql.syntax import GroupWindow, WindowClause, WindowTable

WINDOW_BOUNDS = {
    "window_start": "window_start",
    "_window_start": "window_start",
    "window_end": "window_end",
    "_window_end": "window_end",
    "window_time": "window_time",
}
"""Names of the bounds of the query's own window, and which bound each is."""

_KINDS = {
    "tumbling": WindowKind.TUMBLE,
    "tumble": WindowKind.TUMBLE,
    "sliding": WindowKind.HOP,
    "hop": WindowKind.HOP,
    "session": WindowKind.SESSION,
    "cumulating": WindowKind.CUMULATE,
    "cumulate": WindowKind.CUMULATE,
}

_FUNCTION_KINDS = {
    "tumble": WindowKind.TUMBLE,
    "tumbling": WindowKind.TUMBLE,
    "hop": WindowKind.HOP,
    "sliding": WindowKind.HOP,
    "session": WindowKind.SESSION,
}
_FUNCTION_BOUNDS = {"start": "window_start", "end": "window_end", "rowtime": "window_time", "proctime": "window_time"}

_BOUND_FUNCTIONS: dict[str, tuple[WindowKind, str]] = {
    f"{kind}_{bound}": (window, column)
    for kind, window in _FUNCTION_KINDS.items()
    for bound, column in _FUNCTION_BOUNDS.items()
}


class WindowStyle(Enum):
    """How a window is spelled, and with it which rules of its dialect hold."""

    CLAUSE = "WINDOW clause"
    TABLE_FUNCTION = "window table function"
    GROUP_FUNCTION = "group window"


@dataclass(frozen=True, slots=True)
class QueryWindow:
    """The window of one SELECT."""

    style: WindowStyle
    spec: WindowSpec
    time_column: exp.Column | None
    partition_by: tuple[exp.Expr, ...]
    """SESSION table function only."""
    node: exp.Expr


def find_window(select: exp.Select, text: ProgramText) -> QueryWindow | None:
    """The one window in which `select` aggregates, if it has any.

    A window table function is one when its rows are grouped by both bounds and nothing below the aggregation says
    anything else about them; otherwise its rows are a relation like any other.
    """
    table = _from_item(select)
    found = [
        window
        for window in (
            select.args.get("window_clause"),
            table if isinstance(table, WindowTable) and aggregates_at_once(select, table) else None,
            *(select.args["group"].expressions if select.args.get("group") else ()),
        )
        if isinstance(window, WindowClause | WindowTable | GroupWindow)
    ]
    if len(found) > 1:
        raise text.unsupported("more than one window in a query", found[1], "window a subquery first")
    if not found:
        return None
    window = query_window(found[0], text)
    refuse_gaps(window.spec, window.style, window.node, text)
    return window


def refuse_gaps(spec: WindowSpec, style: WindowStyle, node: exp.Expr | None, text: ProgramText) -> None:
    """Refuses sliding windows between which rows would be lost, and those that Flink's window tables refuse.

    Flink aggregates HOP tables by slices of one slide, so the size must be a multiple ("Slicing Hopping Window requires
    size must be an integral multiple of slide"); its group windows take any size and slide, gaps included.
    """
    if spec.kind is not WindowKind.HOP:
        return
    if style is WindowStyle.CLAUSE and spec.slide_ms > spec.size_ms:
        message = "the windows are shorter than the time between their starts: rows between them would be lost"
        raise text.error(ErrorCode.BAD_PROPERTY, message, node, "write SLIDING(size, advance)")
    if style is WindowStyle.TABLE_FUNCTION and spec.size_ms % spec.slide_ms:
        message = "the size of an aggregated hopping window must be a multiple of its slide"
        raise text.error(ErrorCode.BAD_PROPERTY, message, node, "HOP(TABLE, DESCRIPTOR, slide, size)")


def aggregates_at_once(select: exp.Select, table: WindowTable) -> bool:
    """Whether `select` groups the rows of `table`, its only FROM item, by both bounds of the window.

    And by the keys of a session: only then does Flink pull the window up into the aggregate
    (PullUpWindowTableFunctionIntoWindowAggregateRule, WindowUtil.isValidWindowAggregate).
    """
    group, where = select.args.get("group"), select.args.get("where")
    if group is None or select.args.get("joins"):
        return False
    below = [*([] if where is None else [where]), *aggregates_in([*select.expressions])]
    if any(_mentions_bounds(node) for node in below):
        return False
    names = {column.name for item in _grouped(select) for column in item.find_all(exp.Column)}
    bounds = {WINDOW_BOUNDS.get(name) or WINDOW_BOUNDS.get(name.lower() if name[:1] == "_" else "") for name in names}
    if not {"window_start", "window_end"} <= bounds:
        return False
    keys = {column.name for column in table.args.get("partition_by") or ()}
    return table.args["kind"] != "session" or keys == {name for name in names if name not in WINDOW_BOUNDS}


def _grouped(select: exp.Select) -> list[exp.Expr]:
    """The GROUP BY items; of an ordinal or an alias what it stands for."""
    items: list[exp.Expr] = []
    aliases = {alias: node for node, alias, _ in map(unwrapped, select.expressions) if alias is not None}
    for item in select.args["group"].find_all(exp.Column, exp.Literal):
        if isinstance(item, exp.Literal) and item.is_int and 1 <= int(item.this) <= len(select.expressions):
            item = unwrapped(select.expressions[int(item.this) - 1])[0]
        elif isinstance(item, exp.Column) and not item.table and isinstance(aliases.get(item.name), exp.Column):
            item = aliases[item.name]
        items.append(item)
    return items


def _mentions_bounds(node: exp.Expr) -> bool:
    return any(column.name.lower() in WINDOW_BOUNDS for column in node.find_all(exp.Column))


def _from_item(select: exp.Select) -> exp.Expr | None:
    clause = select.args.get("from_")
    return None if clause is None else clause.this


def query_window(node: WindowClause | WindowTable | GroupWindow, text: ProgramText) -> QueryWindow:
    """The window that `node` writes. Raises BAD_PROPERTY for lengths that make none."""
    kind = _KINDS[node.args["kind"]]
    size = int(node.args["size_ms"])
    slide = node.args.get("slide_ms")
    slide_ms = size if slide is None else int(slide)
    if size <= 0 or slide_ms <= 0:
        raise text.error(ErrorCode.BAD_PROPERTY, "a window needs a size of at least one millisecond", node)
    if kind is WindowKind.CUMULATE and size % slide_ms:
        raise text.error(ErrorCode.BAD_PROPERTY, "the size of a cumulating window must be a multiple of its step", node)
    spec = WindowSpec(kind, size, slide_ms, int(node.args.get("offset_ms") or 0))
    if kind is WindowKind.TUMBLE and abs(spec.offset_ms) >= size:
        message = "the offset of a tumbling window must be smaller than its size"
        raise text.error(ErrorCode.BAD_PROPERTY, message, node, "TUMBLE(TABLE, DESCRIPTOR, size, offset)")
    return QueryWindow(
        style=_STYLES[type(node)],
        spec=spec,
        time_column=node.args.get("time_column"),
        partition_by=tuple(node.args.get("partition_by") or ()),
        node=node,
    )


_STYLES = {
    WindowClause: WindowStyle.CLAUSE,
    WindowTable: WindowStyle.TABLE_FUNCTION,
    GroupWindow: WindowStyle.GROUP_FUNCTION,
}


def time_position(window: QueryWindow, relation: Relation, scope: RelationScope) -> int:
    """The time column that the window cuts. Raises MISSING_EVENT_TIME if it has none or names another column."""
    text = scope.text
    if window.time_column is None:
        if not relation.event_times:
            raise text.error(
                ErrorCode.MISSING_EVENT_TIME,
                "a window needs an event time, and the input has none",
                window.node,
                _MISSING_HINT,
            )
        return relation.event_times[0]
    column = scope.resolve(window.time_column)
    position = getattr(column, "index", None)
    if position in relation.grouped_times and window.style is WindowStyle.TABLE_FUNCTION:
        message = f'"{window.time_column.name}" is no event time any more: it was grouped by'
        hint = "as in Flink, a group window (GROUP BY TUMBLE(…)) may stand over it, a window table function may not"
        raise text.error(ErrorCode.MISSING_EVENT_TIME, message, window.time_column, hint)
    if position in relation.event_times:
        return int(position)
    if position is not None and position == relation.time_source and relation.event_times:
        return relation.event_times[0]
    if position in relation.processing_times:
        return int(position)
    if relation.event_times:
        names = " or ".join(relation.node.schema.names[i] for i in relation.event_times)
        message = f'"{window.time_column.name}" is not the event time of the input; that is {names}'
        raise text.error(ErrorCode.MISSING_EVENT_TIME, message, window.time_column, f"window over {names}")
    raise text.error(
        ErrorCode.MISSING_EVENT_TIME,
        f'"{window.time_column.name}" is not an event-time column here: it was computed, aggregated or joined',
        window.time_column,
        _MISSING_HINT,
    )


_MISSING_HINT = (
    "declare it where the source is read ('event.time.field' in WITH, or WATERMARK FOR), and keep it as a plain column,"
    " or window_time of an earlier window, in every select list on the way"
)


def bound_column(node: exp.Expr, scope: RelationScope, window: QueryWindow) -> str | None:
    """Which bound of the query's window a GROUP BY or select column names, or None.

    Raises AMBIGUOUS_COLUMN when the input has a column of that name too; `_window_start` is always the window's own.
    """
    if not isinstance(node, exp.Column):
        return None
    if node.table and (window.style is not WindowStyle.TABLE_FUNCTION or node.table not in scope.relation.aliases):
        return None
    bound = WINDOW_BOUNDS.get(node.name) or WINDOW_BOUNDS.get(node.name.lower() if node.name[:1] == "_" else "")
    if bound is None or (window.style is WindowStyle.GROUP_FUNCTION and not node.name.startswith("_")):
        return None
    if not node.name.startswith("_") and any(field.name == node.name for field in scope.relation.fields):
        raise scope.text.error(
            ErrorCode.AMBIGUOUS_COLUMN,
            f'"{node.name}" is a column of the input and a bound of the window',
            node,
            f"write _{node.name} for the window's own, or rename the column of the input"
            if bound != "window_time"
            else "rename the column of the input",
        )
    return bound


def window_functions(roots: Iterable[exp.Expr], window: QueryWindow | None, scope: RelationScope) -> Mapping[int, str]:
    """The calls of `TUMBLE_START(…)` and its like below `roots`, by node id, and the bound each gives."""
    found: dict[int, str] = {}
    for root in roots:
        for node in root.walk(prune=lambda n: isinstance(n, exp.Query)):
            name = function_name(node)
            if name in _BOUND_FUNCTIONS:
                found[id(node)] = _bound_function(node, name, window, scope)
    return found


def gives_rowtime(roots: Iterable[exp.Expr], window: QueryWindow) -> bool:
    """Whether the time of a window clause is named by TUMBLE_ROWTIME and its like alone, not by `window_time`."""
    nodes = [node for root in roots for node in root.walk(prune=lambda n: isinstance(n, exp.Query))]
    if window.style is not WindowStyle.CLAUSE:
        return False
    if any(isinstance(node, exp.Column) and WINDOW_BOUNDS.get(node.name) == "window_time" for node in nodes):
        return False
    names = [name for node in nodes if (name := function_name(node)) in _BOUND_FUNCTIONS]
    return any(name.endswith("_rowtime") for name in names)


def _bound_function(node: exp.Expr, name: str, window: QueryWindow | None, scope: RelationScope) -> str:
    text = scope.text
    kind, bound = _BOUND_FUNCTIONS[name]
    if window is None:
        raise text.error(
            ErrorCode.MISSING_EVENT_TIME,
            f"{name.upper()} needs a window in the query",
            node,
            "add WINDOW TUMBLING(...)",
        )
    if kind is not window.spec.kind:
        raise text.error(
            ErrorCode.TYPE_MISMATCH,
            f"{name.upper()} does not fit the query's window, which is {window.spec.kind.value.upper()}",
            node,
        )
    if _names_another_window(node, window, scope):
        raise text.error(
            ErrorCode.TYPE_MISMATCH,
            f"{name.upper()} has other arguments than the query's window",
            node,
            "repeat the window's",
        )
    by_processing_time = time_position(window, scope.relation, scope) in scope.relation.processing_times
    if name.endswith("_proctime") and not by_processing_time:
        raise text.unsupported(f"{name.upper()} of an event-time window", node, "use the time of the window itself")
    if name.endswith("_rowtime") and by_processing_time:
        message = f"{name.upper()} of a window over processing time"
        raise text.error(ErrorCode.TYPE_MISMATCH, message, node, f"use {kind.value.upper()}_PROCTIME")
    return bound


def _names_another_window(node: exp.Expr, window: QueryWindow, scope: RelationScope) -> bool:
    """Whether the arguments of TUMBLE_START and its like, as far as there are any, are not the window's."""
    column = node.find(exp.Column)
    if (
        column is not None
        and window.time_column is not None
        and scope.resolve(column) != scope.resolve(window.time_column)
    ):
        return True
    sizes = [interval_ms(interval) for interval in node.find_all(exp.Interval)]
    spec = window.spec
    own = [spec.slide_ms, spec.size_ms] if spec.kind is WindowKind.HOP else [spec.size_ms]
    return bool(sizes) and sizes != own


def check_session_emission(window: QueryWindow, emit: Emit, allowed_lateness_ms: int, text: ProgramText) -> None:
    """A session is given out once, when it closes; rows that come later are late."""
    if window.spec.kind is not WindowKind.SESSION:
        return
    if emit is Emit.CHANGES:
        raise text.unsupported("EMIT CHANGES of a SESSION window", window.node, "leave EMIT CHANGES away")
    refuse_lateness("a SESSION window", window.node, allowed_lateness_ms, text)


def refuse_lateness(what: str, at: exp.Expr | None, allowed_lateness_ms: int, text: ProgramText) -> None:
    """Refuse allowed.lateness where results are given out once and never corrected."""
    if allowed_lateness_ms:
        hint = "leave it away: the result is given out once, when the window closes"
        raise text.unsupported(f"allowed.lateness with {what}", at, hint)

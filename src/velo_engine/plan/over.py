"""OVER: the windows of one SELECT, and the nodes that compute them.

Flink's rules, by the messages of its planner (StreamExecOverAggregate, StreamPhysicalOverAggregateRule): all windows of
one SELECT are the same; ORDER BY has one column, ascending; ordered by what is no time, a frame begins unbounded. A
ROWS WINDOW BUFFER may stand beside others: its rows are given out at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.functions.signature import NESTED
from velo_engine.plan.aggregate_syntax import function_name
from velo_engine.plan.expressions import ColumnRef, Expression, Literal
from velo_engine.plan.over_calls import RESULTS, CallRules, OverCalls
from velo_engine.plan.over_functions import WITHOUT_FRAME
from velo_engine.plan.over_node import OverAggregate, OverFrame, OverOrder
from velo_engine.plan.over_windows import UNBOUNDED_RANGE, UNBOUNDED_ROWS, OverWindow, named_windows, over_window
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation, append
from velo_engine.plan.rewrite import map_columns
from velo_engine.schema import Column, RowSchema
from velo_engine.sql.expression_binder import Scope


class OverScope:
    """What names mean above the OVER windows of a SELECT."""

    def __init__(self, inner: Scope, values: Mapping[int, Expression]) -> None:
        self._inner = inner
        self._values = values

    def resolve(self, column: exp.Column) -> Expression:
        """As below: an OVER node keeps the columns of its input."""
        return self._inner.resolve(column)

    def planned(self, node: exp.Expression) -> Expression | None:
        """The value of a call with OVER, else what stands below."""
        return self._values.get(id(node)) or self._inner.planned(node)


@dataclass(frozen=True, slots=True)
class _Window:
    """A window over expressions of the input; equal windows are computed together."""

    partition: tuple[Expression, ...]
    order: OverOrder
    order_by: Expression | None
    frame: OverFrame
    expire_ms: int | None = None
    sort_by: Expression | None = None
    sort_descending: bool = False
    node: exp.Expr = field(compare=False, kw_only=True)


def plan_over(
    select: exp.Select, windows: Sequence[exp.Window], relation: Relation, scope: Scope, text: ProgramText
) -> tuple[OverScope, Relation]:
    """The scope above `windows`, all those of `select`, and the relation with their results; `scope` is that below."""
    named = named_windows(select)
    binder = _WindowBinder(relation, scope, text)
    groups: dict[_Window, list[exp.Window]] = {}
    for node in windows:
        groups.setdefault(binder.bound(node, over_window(node, named, text)), []).append(node)
    standard = [window for window in groups if window.order is not OverOrder.ARRIVAL]
    if len(standard) > 1:
        hint = (
            "all of them must have the same PARTITION BY, ORDER BY and frame (of ROW_NUMBER that is ROWS UNBOUNDED "
            "PRECEDING, of others without a frame RANGE); compute one of them in a subquery"
        )
        raise text.unsupported("more than one OVER window in a query", groups[standard[1]][0], hint)
    values: dict[int, Expression] = {}
    for window, nodes in groups.items():
        calls = OverCalls(scope, text, _call_rules(window))
        found = {id(node): calls.value(node) for node in nodes}
        planned = _over_node(relation, window, calls)
        first = len(planned.schema) - len(planned.calls)
        values |= {key: _placed(value, first) for key, value in found.items()}
        relation = relation.on(planned)
    return OverScope(scope, values), relation


def _placed(value: Expression, first: int) -> Expression:
    """`value` with the results of calls at `first` and behind."""
    return map_columns(value, lambda i: i if i < RESULTS else i - RESULTS + first)


def _call_rules(window: _Window) -> CallRules:
    return CallRules(
        bounded=window.frame.preceding is not None,
        by_values=window.order is OverOrder.VALUES,
        in_buffer=window.order is OverOrder.ARRIVAL,
        sorted=window.sort_by is not None,
    )


def _over_node(relation: Relation, window: _Window, calls: OverCalls) -> OverAggregate:
    """The node over the relation's own columns and those that its calls need besides."""
    wanted = [*window.partition, *calls.needed()]
    wanted += [e for e in (window.order_by, window.sort_by) if e is not None]
    column: dict[Expression, int] = {}
    hidden: list[tuple[str, Expression]] = []
    width = len(relation.node.schema)
    for expression in dict.fromkeys(wanted):
        if isinstance(expression, ColumnRef):
            column[expression] = expression.index
        else:
            column[expression] = width + len(hidden)
            hidden.append((f"$over{len(hidden)}", expression))
    below = append(relation.node, hidden)
    planned = calls.planned(column)
    results = tuple(Column(f"$w{i}", call.type) for i, call in enumerate(planned))
    return OverAggregate(
        input=below,
        partition=tuple(column[e] for e in window.partition),
        order=window.order,
        order_column=None if window.order_by is None else column[window.order_by],
        frame=window.frame,
        calls=planned,
        schema=RowSchema((*below.schema.columns, *results)),
        expire_ms=window.expire_ms,
        expire_column=_expiry_column(relation, window),
        sort_column=None if window.sort_by is None else column[window.sort_by],
        sort_descending=window.sort_descending,
    )


def _expiry_column(relation: Relation, window: _Window) -> int | None:
    """Rows of a buffer grow old by event time when there is one, else by processing time."""
    return relation.event_times[0] if window.expire_ms is not None and relation.event_times else None


class _WindowBinder:
    """Windows as written, bound over the relation below."""

    def __init__(self, relation: Relation, scope: Scope, text: ProgramText) -> None:
        self._relation = relation
        self._scope = scope
        self._text = text

    def bound(self, node: exp.Window, window: OverWindow) -> _Window:
        """The window of the call `node`. Raises for what Flink refuses over a stream."""
        partition = tuple(self._text.bind_column(part, self._scope) for part in window.partition)
        # A constant tells no rows apart.
        partition = tuple(part for part in partition if not isinstance(part, Literal))
        if window.buffer is not None:
            return self._buffer(node, window, partition)
        function = function_name(node.this) or ""
        if window.frame is not None and function in WITHOUT_FRAME:
            raise self._text.error(ErrorCode.SQL_SYNTAX, f"{function.upper()} takes no ROWS or RANGE", node)
        if function == "lead":
            hint = (
                "rows behind the present one have not come yet; LAG looks back, and a ROWS WINDOW BUFFER can be sorted"
            )
            raise self._text.unsupported("LEAD over a stream", node, hint)
        order, order_by = self._order(window, node)
        frame = window.frame or (UNBOUNDED_ROWS if function == "row_number" else UNBOUNDED_RANGE)
        if order is OverOrder.VALUES and frame.preceding is not None:
            raise self._text.unsupported(
                "a bounded frame ordered by what is no time", node, "order by the event time, or leave the bound away"
            )
        return _Window(partition, order, order_by, frame, node=node)

    def _order(self, window: OverWindow, node: exp.Window) -> tuple[OverOrder, Expression | None]:
        """What the window is ordered by: one column, ascending."""
        if len(window.order) != 1:
            what = "OVER ordered by more than one column" if window.order else "OVER without ORDER BY"
            raise self._text.unsupported(what, node, "order by one column, best by the event time")
        (item,) = window.order
        if item.args.get("desc"):
            raise self._text.unsupported("OVER in descending order", node, "over a stream the order is that of time")
        if function_name(item.this) == "proctime":
            return OverOrder.PROCESSING_TIME, None
        column = self._text.bind_column(item.this, self._scope)
        if isinstance(column, ColumnRef):
            if column.index in self._relation.event_times:
                return OverOrder.EVENT_TIME, column
            if column.index in self._relation.processing_times:
                return OverOrder.PROCESSING_TIME, None
        if column.type.name in NESTED:
            message = f"ORDER BY needs a value with an order, not {column.type.as_nullable()}"
            raise self._text.error(ErrorCode.TYPE_MISMATCH, message, item)
        if not item.args.get("nulls_first"):
            raise self._text.unsupported("NULLS LAST", item)
        return OverOrder.VALUES, column

    def _buffer(self, node: exp.Window, window: OverWindow, partition: tuple[Expression, ...]) -> _Window:
        assert window.buffer is not None
        if window.buffer.args.get("frame") is not None:
            raise self._text.unsupported("a frame inside a ROWS WINDOW BUFFER", node, "the buffer is the frame")
        if len(window.order) > 1:
            raise self._text.unsupported("a ROWS WINDOW BUFFER ordered by more than one column", node)
        sort_by, descending = None, False
        for item in window.order:
            sort_by = self._text.bind_column(item.this, self._scope)
            descending = bool(item.args.get("desc"))
        frame = OverFrame(rows=True, preceding=window.buffer.args["size"] - 1)
        expire = window.buffer.args.get("expire_ms")
        return _Window(partition, OverOrder.ARRIVAL, None, frame, expire, sort_by, descending, node=node)

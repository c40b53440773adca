"""The windows of OVER as written: names of the WINDOW clause followed, frames read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from velo_engine.errors import ErrorCode, did_you_mean
from velo_engine.plan.over_node import OverFrame
from velo_engine.plan.program_text import ProgramText
from velo_engine.sql.durations import interval_ms
from velo_engine.sql.syntax import RowsWindowBuffer

UNBOUNDED_RANGE = OverFrame(rows=False, preceding=None)
UNBOUNDED_ROWS = OverFrame(rows=True, preceding=None)


@dataclass(frozen=True, slots=True)
class OverWindow:
    """PARTITION BY, ORDER BY and frame of one OVER."""

    partition: tuple[exp.Expr, ...]
    order: tuple[exp.Ordered, ...]
    frame: OverFrame | None
    """None when none is written."""
    buffer: RowsWindowBuffer | None
    """ROWS WINDOW BUFFER in place of a frame."""
    node: exp.Expr


def overs_in(nodes: Iterable[exp.Expr]) -> Iterator[exp.Window]:
    """The outermost calls with OVER in `nodes`, outside of subqueries."""
    for root in nodes:
        for node in root.walk(prune=lambda n: isinstance(n, exp.Window | exp.Query)):
            if isinstance(node, exp.Window):
                yield node


def named_windows(select: exp.Select) -> Mapping[str, exp.Window]:
    """The windows of the WINDOW clause by name."""
    return {window.name: window for window in select.args.get("windows") or ()}


def over_parts(windows: Sequence[exp.Window], select: exp.Select) -> list[exp.Expr]:
    """The expressions that stand in calls with OVER, and in the WINDOW clause."""
    parts: list[exp.Expr] = []
    for window in [*windows, *named_windows(select).values()]:
        call = window.this
        while isinstance(call, exp.Filter | exp.IgnoreNulls | exp.RespectNulls | exp.WithinGroup):
            call = call.this
        parts += call.expressions
        parts += window.args.get("partition_by") or ()
        order = window.args.get("order")
        parts += [] if order is None else [item.this for item in order.expressions]
    return parts


def over_window(node: exp.Window, named: Mapping[str, exp.Window], text: ProgramText) -> OverWindow:
    """The window of `node`, what it takes over from a named one included."""
    own = _written(node, text)
    name = node.args.get("alias")
    if name is None:
        return own
    base = _base(name, named, text)
    if node.args.get("partition_by"):
        raise text.error(ErrorCode.SQL_SYNTAX, "PARTITION BY stands in the window that is named", node)
    if own.order and base.order:
        raise text.error(ErrorCode.SQL_SYNTAX, f'the window "{base_name(name)}" has an ORDER BY already', node)
    if node.args.get("spec") is not None and base.order:
        # Flink takes the text and forgets the frame's bound.
        raise text.unsupported(
            "a frame beside a named window", node, "write the frame in the WINDOW clause, or the whole window here"
        )
    return replace(
        own,
        partition=base.partition,
        order=own.order or base.order,
        frame=own.frame or base.frame,
        buffer=own.buffer or base.buffer,
    )


def base_name(name: exp.Expr | str) -> str:
    """The name of a window as written."""
    return name if isinstance(name, str) else name.name


def _base(name: exp.Expr | str, named: Mapping[str, exp.Window], text: ProgramText) -> OverWindow:
    written = base_name(name)
    window = named.get(written)
    if window is None:
        at = name if isinstance(name, exp.Expr) else None
        hint = did_you_mean(written, named, noun="window") or "define it with WINDOW name AS (...)"
        raise text.error(ErrorCode.SQL_SYNTAX, f'there is no window "{written}"', at, hint)
    earlier = {other: w for other, w in named.items() if other != written}
    return over_window(window, earlier, text)


def _written(node: exp.Window, text: ProgramText) -> OverWindow:
    order = node.args.get("order")
    spec = node.args.get("spec")
    buffer = spec if isinstance(spec, RowsWindowBuffer) else None
    return OverWindow(
        partition=tuple(node.args.get("partition_by") or ()),
        order=() if order is None else tuple(order.expressions),
        frame=None if spec is None or buffer is not None else _frame(spec, node, text),
        buffer=buffer,
        node=node,
    )


def _frame(spec: exp.WindowSpec, node: exp.Window, text: ProgramText) -> OverFrame:
    """A frame from n or UNBOUNDED PRECEDING to CURRENT ROW, the only ones there are over a stream."""
    rows = spec.args["kind"] == "ROWS"
    start, end = spec.args["start"], spec.args.get("end")
    if spec.args.get("start_side") != "PRECEDING" or end not in (None, "CURRENT ROW"):
        hint = "a frame goes from UNBOUNDED PRECEDING, n PRECEDING or INTERVAL '…' PRECEDING to CURRENT ROW"
        raise text.unsupported("this frame", node, hint)
    if start == "UNBOUNDED":
        return OverFrame(rows, None)
    return OverFrame(rows, _row_count(start, node, text) if rows else _span(start, node, text))


def _row_count(start: exp.Expr, node: exp.Window, text: ProgramText) -> int:
    if not (isinstance(start, exp.Literal) and start.is_int):
        raise text.unsupported("this number of rows", node, "write ROWS and a whole number, not below 0")
    return int(start.this)


def _span(start: exp.Expr, node: exp.Window, text: ProgramText) -> int:
    try:
        length = interval_ms(start) if isinstance(start, exp.Interval) else -1
    except ValueError as problem:
        raise text.unsupported(f"this RANGE: {problem}", node) from None
    if length < 0:
        raise text.unsupported("this RANGE", node, "write RANGE BETWEEN INTERVAL '8' SECOND PRECEDING AND CURRENT ROW")
    return length

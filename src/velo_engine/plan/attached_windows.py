"""GROUP BY the bounds of an earlier window: the rows of one window are aggregated again when it closes.

Flink attaches the earlier window to the rows (WindowAttachedWindowingStrategy) and gives one final row a window. Here
the rows fall into tumbling windows by the last millisecond of their window: as long as the distance of window ends,
such a window has the same end, and the start is a key like any other. The ends of sessions have no fixed distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from velo_engine.plan.aggregate_nodes import Windowing
from velo_engine.plan.expressions import Cast, ColumnRef, Expression
from velo_engine.plan.group_keys import GroupKey
from velo_engine.plan.nodes import WindowKind, WindowSpec
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation, WindowColumns
from velo_engine.types import TypeName


@dataclass(frozen=True, slots=True)
class AttachedWindow:
    """The earlier window as a window of this query."""

    windowing: Windowing
    keys: tuple[GroupKey, ...]
    """All keys but the end and the time of the window."""
    bounds: dict[Expression, str]
    """The keys that are the end and the time, and which bound each is."""


def attached_window(
    relation: Relation, keys: Sequence[GroupKey], group: exp.Expr | None, text: ProgramText
) -> AttachedWindow | None:
    """The window whose start and end are both among `keys`; None when there is none."""
    windows = relation.windows
    columns = {key.expression.index for key in keys if isinstance(key.expression, ColumnRef)}
    if windows is None or windows.start is None or windows.end is None or not {windows.start, windows.end} <= columns:
        return None
    if windows.spec.kind is WindowKind.SESSION:
        raise text.unsupported("grouping by the bounds of an earlier session", group)
    types = relation.node.schema.types
    end = ColumnRef(windows.end, types[windows.end])
    bounds: dict[Expression, str] = {ColumnRef(time, types[time]): "window_time" for time in relation.event_times}
    bounds[end] = "window_end"
    spec = WindowSpec(WindowKind.TUMBLE, windows.spec.slide_ms, windows.spec.slide_ms, windows.spec.offset_ms)
    return AttachedWindow(
        Windowing(spec, _last_millisecond(end, windows, text), windows.time_type),
        tuple(key for key in keys if key.expression not in bounds),
        bounds,
    )


def _last_millisecond(end: ColumnRef, windows: WindowColumns, text: ProgramText) -> Expression:
    """The window's end - 1 ms, of the type of its event time."""
    millisecond = exp.Interval(this=exp.Literal.string("0.001"), unit=exp.Var(this="SECOND"))
    bound = text.bind(exp.Sub(this=exp.column("end"), expression=millisecond), _EndOnly(end))
    if windows.time_type.name is TypeName.TIMESTAMP_LTZ:
        return Cast(bound, windows.time_type)
    return bound


class _EndOnly:
    """The scope of `end - INTERVAL …`."""

    def __init__(self, end: ColumnRef) -> None:
        self._end = end

    def resolve(self, column: exp.Column) -> Expression:  # noqa: ARG002 - the protocol's
        """The end."""
        return self._end

    def planned(self, node: exp.Expr) -> Expression | None:  # noqa: ARG002 - the protocol's
        """Nothing."""
        return None

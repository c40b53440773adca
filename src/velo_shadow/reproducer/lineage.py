"""Which records of the sources can be behind a row of the output, as far as the plan tells.

The columns of the key are followed down to columns of sources. Where an operator looks at more than one row to make
one (a Top-N, an OVER), only the columns by which it takes rows apart say which rows belong to it. Windows of the key
bound the event time. What a join equates ties sources together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from velo_engine.plan import nodes
from velo_engine.plan.nodes import PlannedProgram, PlanNode, WindowKind, WindowSpec
from velo_engine.types import TypeName
from velo_harness.drafting.lineage import JOINS
from velo_harness.missing_rows.carried_columns import carried

Wanted: TypeAlias = Mapping[int, Any]
"""Output position → the value that it must have."""

Origin: TypeAlias = tuple[int, int] | None
"""A column of a source: the number of the reading, the position. None: computed."""

_Span: TypeAlias = Callable[[WindowSpec, int | None, int | None, int | None], tuple[int, int] | None]
"""From a window's start, end and last moment, as far as they are known, to a span of event times."""

_EPOCH = datetime(1970, 1, 1)
_EVENT_TIME = -1
"""In place of a column: what a watermark is made from, computed or not."""
_TIMELESS = (nodes.Scan, nodes.Upstream, nodes.AssignWatermark, nodes.Filter, nodes.Project)
_BOUNDS = 3
"""Columns of a window behind those of its input: start, end, time."""


@dataclass(slots=True)
class Reading:
    """One place at which the plan reads a source."""

    source: str
    wanted: dict[int, Any]
    """Columns with the value that rows behind the key have."""
    near: tuple[int, int] | None
    """Event times of the windows that can take part, in milliseconds, both ends included; None: any."""
    exact: tuple[int, int] | None = None
    """The same, of the very window that the left has; None where it does not say both its ends."""


@dataclass(slots=True)
class Lineage:
    """What is known of the records behind a key."""

    readings: list[Reading] = field(default_factory=list)
    equal: list[tuple[tuple[int, int], tuple[int, int]]] = field(default_factory=list)
    """Columns that a join equates."""
    instants: set[str] = field(default_factory=set)
    """Sources whose event time is an instant: windows show it in the time zone of the job."""
    windows: int = 0
    """How many nodes cut event time into windows."""
    is_plain: bool = True
    """Event time matters to nothing but windows that are no sessions."""

    @property
    def late_from_ms(self) -> int | None:
        """Event time that must have come for any row of the left's window to be late; None: one never knows."""
        ends = [reading.exact[1] for reading in self.readings if reading.exact is not None]
        return min(ends) if ends and self.windows == 1 and self.is_plain else None


def lineage_of(
    program: PlannedProgram, statement: str, key: Mapping[str, Any], left: Mapping[str, Any] | None = None
) -> Lineage:
    """The lineage of the rows of `statement` with these values in these columns; `left` is the row it should be."""
    found = _walked(program, statement, key, _span)
    if left is not None:
        own = _walked(program, statement, left, _exact_span)
        for reading, same in zip(found.readings, own.readings, strict=True):
            reading.exact = same.near
    return found


def _walked(program: PlannedProgram, statement: str, row: Mapping[str, Any], span: _Span) -> Lineage:
    plan = program.statements[statement].plan
    wanted = {position: value for name, value in row.items() if (position := plan.schema.index(name)) is not None}
    found = Lineage()
    _Walk(program, found, span).visit(plan, wanted, {})
    return found


class _Walk:
    def __init__(self, program: PlannedProgram, found: Lineage, span: _Span) -> None:
        self._span = span
        self._program = program
        self._found = found

    def visit(self, node: PlanNode, wanted: Wanted, times: Mapping[int, tuple[int, int]]) -> list[Origin]:
        """Where each output column of the node comes from. `times` are spans that columns must lie in."""
        width = len(node.schema)
        if isinstance(node, nodes.WindowAggregate | nodes.WindowTable):
            self._found.windows += 1
            self._found.is_plain &= node.window.kind not in (WindowKind.SESSION, WindowKind.ATTACHED)
        elif not isinstance(node, _TIMELESS):
            self._found.is_plain = False
        match node:
            case nodes.Scan():
                self._found.readings.append(Reading(node.source.name, dict(wanted), times.get(_EVENT_TIME)))
                number = len(self._found.readings) - 1
                return [(number, i) if i < len(node.source.schema) else None for i in range(width)]
            case nodes.Upstream():
                return self.visit(self._program.statements[node.statement].plan, wanted, times)
            case nodes.Values():
                return [None] * width
            case nodes.Union():
                for one in node.sources:
                    self.visit(one, wanted, times)
                return [None] * width
        if isinstance(node, JOINS):
            return self._join(node, wanted, times)
        (below,) = nodes.inputs(node)
        shown = carried(node)[0]
        taken = _telling_apart(node)
        passed = {shown[i]: v for i, v in wanted.items() if i in shown and (taken is None or shown[i] in taken)}
        spans = {shown[i]: span for i, span in times.items() if i in shown}
        spans.update(self._window_span(node, wanted))
        if _EVENT_TIME in times:
            spans[_EVENT_TIME] = times[_EVENT_TIME]
        if isinstance(node, nodes.AssignWatermark) and node.time_column in spans:
            spans[_EVENT_TIME] = spans[node.time_column]
        first = len(self._found.readings)
        origins = self.visit(below, passed, spans)
        if isinstance(node, nodes.AssignWatermark) and _is_instant(node):
            self._found.instants.update(one.source for one in self._found.readings[first:])
        return [origins[shown[i]] if i in shown else None for i in range(width)]

    def _join(self, node: PlanNode, wanted: Wanted, times: Mapping[int, tuple[int, int]]) -> list[Origin]:
        assert isinstance(node, JOINS)
        left, right = nodes.inputs(node)
        width = len(left.schema)
        by_side = [
            {i: v for i, v in wanted.items() if i < width},
            {i - width: v for i, v in wanted.items() if i >= width},
        ]
        spans = [{i: v for i, v in times.items() if i < width}, {i - width: v for i, v in times.items() if i >= width}]
        pairs = list(zip(node.left_keys, node.right_keys, strict=True))
        for one, other in pairs:
            if one in by_side[0]:
                by_side[1].setdefault(other, by_side[0][one])
            elif other in by_side[1]:
                by_side[0].setdefault(one, by_side[1][other])
        origins = [self.visit(child, by_side[i], spans[i]) for i, child in enumerate((left, right))]
        for one, other in pairs:
            first, second = origins[0][one], origins[1][other]
            if first is not None and second is not None:
                self._found.equal.append((first, second))
        return [*origins[0], *origins[1]][: len(node.schema)]

    def _window_span(self, node: PlanNode, wanted: Wanted) -> dict[int, tuple[int, int]]:
        """The event times of rows that a window of the key, or one beside it, takes."""
        if isinstance(node, nodes.WindowAggregate) and node.window.kind is not WindowKind.ATTACHED:
            first = len(node.schema) - _BOUNDS
        elif isinstance(node, nodes.WindowTable):
            first = len(node.input.schema)
        else:
            return {}
        bounds = [wanted.get(first + i) for i in range(_BOUNDS)]
        span = self._span(node.window, *(_milliseconds(bound) for bound in bounds))
        return {} if span is None else {node.time_column: span}


def _is_instant(node: nodes.AssignWatermark) -> bool:
    return node.schema.columns[node.time_column].type.name is TypeName.TIMESTAMP_LTZ


def _telling_apart(node: PlanNode) -> frozenset[int] | None:
    """The input columns that take the rows apart which a node looks at together; None: it looks at each alone."""
    match node:
        case nodes.TopN() | nodes.WindowTopN() | nodes.Deduplicate() | nodes.WindowDeduplicate():
            return frozenset(node.partition)
        case nodes.OverAggregate() | nodes.MatchRecognize():
            return frozenset(node.partition)
        case nodes.ChangelogNormalize() | nodes.SinkUpsertMaterialize():
            return frozenset(node.keys)
        case nodes.WindowTable() if node.window.kind is WindowKind.SESSION:
            return frozenset(node.partition)
    return None


def _span(window: WindowSpec, start: int | None, end: int | None, last: int | None) -> tuple[int, int] | None:
    """The window with as much before and behind it as it is long."""
    if end is None and last is not None:
        end = last + 1
    if window.kind is WindowKind.SESSION:
        if start is None or end is None:
            return None
        return start - 2 * window.size_ms, end + 2 * window.size_ms
    if start is not None:
        return start - window.size_ms, start + 2 * window.size_ms
    if end is not None:
        return end - 2 * window.size_ms, end + window.size_ms
    return None


def _exact_span(window: WindowSpec, start: int | None, end: int | None, last: int | None) -> tuple[int, int] | None:
    """The window itself. Not of sessions: which rows are late for one depends on those beside it."""
    if end is None and last is not None:
        end = last + 1
    if start is None or end is None or window.kind is WindowKind.SESSION:
        return None
    return start, end - 1


def _milliseconds(value: Any) -> int | None:
    if not isinstance(value, datetime):
        return None
    return round((value - _EPOCH).total_seconds() * 1000)

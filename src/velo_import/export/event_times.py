"""The event time of a source as Flink declares it: a column, one that is computed if need be, and its watermark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from velo_engine.plan import nodes
from velo_engine.plan.expressions import ColumnRef
from velo_engine.plan.join_nodes import IntervalJoin
from velo_engine.plan.nodes import AssignWatermark, PlannedProgram, PlanNode, Project, Scan, SourceTable, Upstream
from velo_engine.plan.statement_properties import EventTimeSettings
from velo_engine.types import INTEGERS, STRINGS, TypeName
from velo_import.export.names import flink_name, interval, literal

PROCESSING_TIME = "_processing_time"
"""The system column that `PROCTIME()` is."""


class NoEventTimeError(Exception):
    """Flink cannot declare the event time; the message says why."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The watermark that a statement gives a relation."""

    relation: str
    """A source, or a statement that the statement reads."""
    column: str | None
    """Its column; None: it is computed."""
    delay_ms: int
    idle_timeout_ms: int | None


@dataclass(frozen=True, slots=True)
class EventTime:
    """How Flink declares it."""

    column: str
    computed: str | None
    """`AS …`; None: the column is there."""
    delay_ms: int
    idle_timeout_ms: int | None

    @property
    def items(self) -> tuple[str, ...]:
        """Items of the column list."""
        name = flink_name(self.column)
        waits = f" - {interval(self.delay_ms)}" if self.delay_ms else ""
        own = () if self.computed is None else (f"{name} {self.computed}",)
        return (*own, f"WATERMARK FOR {name} AS {name}{waits}")


def marks(program: PlannedProgram, statement: str) -> tuple[Mark, ...]:
    """The watermarks that begin in a statement."""
    return tuple(dict.fromkeys(_marks(program.statements[statement].plan)))


def _marks(node: PlanNode) -> Iterator[Mark]:
    waiting = [node]
    while waiting:
        node = waiting.pop()
        waiting.extend(nodes.inputs(node))
        if isinstance(node, AssignWatermark):
            relation, column = _origin(node.input, node.time_column)
            if relation is not None:
                yield Mark(relation, column, node.delay_ms, node.idle_timeout_ms)


def _origin(node: PlanNode, column: int) -> tuple[str | None, str | None]:
    """The relation below, and the column of it that column number `column` is."""
    position: int | None = column
    while not isinstance(node, Scan | Upstream):
        if isinstance(node, Project) and position is not None:
            position = _referred(node.expressions[position])
        below = nodes.inputs(node)
        if len(below) != 1:
            return None, None
        node = below[0]
    name = None if position is None else node.schema.columns[position].name
    return (node.source.name if isinstance(node, Scan) else node.statement), name


def _referred(expression: object) -> int | None:
    return expression.index if isinstance(expression, ColumnRef) else None


def time_columns(node: PlanNode) -> tuple[int, ...]:
    """The positions of a plan's columns that are event times in Flink, too."""
    if isinstance(node, AssignWatermark):
        return (node.time_column,)
    if isinstance(node, nodes.Filter):
        return time_columns(node.input)
    if isinstance(node, Project):
        below = time_columns(node.input)
        return tuple(i for i, e in enumerate(node.expressions) if isinstance(e, ColumnRef) and e.index in below)
    if isinstance(node, IntervalJoin):
        left = len(node.left.schema)
        return (*time_columns(node.left), *(left + i for i in time_columns(node.right)))
    return ()


def passed_on(program: PlannedProgram, statement: str, column: str) -> tuple[str, str] | None:
    """The source and its column that a statement gives on unchanged as `column`; None when it does not."""
    node: PlanNode = program.statements[statement].plan
    position: int | None = next((i for i, c in enumerate(node.schema.columns) if c.name == column), None)
    while position is not None:
        if isinstance(node, Scan):
            return node.source.name, node.schema.columns[position].name
        if isinstance(node, Upstream):
            return passed_on(program, node.statement, node.schema.columns[position].name)
        if isinstance(node, Project):
            position = _referred(node.expressions[position])
        elif not isinstance(node, nodes.Filter | AssignWatermark):
            return None
        node = nodes.inputs(node)[0]
    return None


def event_time(mark: Mark, source: SourceTable, settings: EventTimeSettings) -> EventTime:
    """How Flink declares the event time `mark` of `source`. Raises NoEventTimeError."""

    def made(column: str, computed: str | None = None) -> EventTime:
        return EventTime(column, computed, mark.delay_ms, mark.idle_timeout_ms)

    if mark.column == "_timestamp":
        return made("_timestamp", "TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL")
    types = {column.name: column.type for column in source.schema.columns}
    name = mark.column or settings.field
    if name is None or name not in types:
        raise NoEventTimeError(f"the event time of {source.name} is computed in the query")
    kind = types[name]
    written = flink_name(name)
    if kind.name in (TypeName.TIMESTAMP, TypeName.TIMESTAMP_LTZ):
        if kind.precision <= 3:
            return made(name)
        return made(_free(f"{name}_time", types), f"AS CAST({written} AS {kind.name.value}(3))")
    if kind.name in INTEGERS:
        scale = 0 if settings.format == "epoch_seconds" else 3
        return made(_free(f"{name}_time", types), f"AS TO_TIMESTAMP_LTZ({written}, {scale})")
    if kind.name in STRINGS and settings.format not in (None, "iso8601", "auto", "epoch_millis", "epoch_seconds"):
        return made(_free(f"{name}_time", types), f"AS TO_TIMESTAMP({written}, {literal(str(settings.format))})")
    raise NoEventTimeError(f"event.time.format {settings.format or 'iso8601'} of the text {name}")


def _free(name: str, taken: Mapping[str, object]) -> str:
    number = 1
    found = name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found

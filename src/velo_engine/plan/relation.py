"""A relation while it is planned: a plan node, the names by which a query reaches its columns, what is time in it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from velo_engine.plan.expressions import PROCTIME, Call, ColumnRef, Expression
from velo_engine.plan.nodes import PlanNode, Project, WindowSpec
from velo_engine.plan.rewrite import map_columns
from velo_engine.schema import Column, RowSchema
from velo_engine.types import SqlType, TypeName

SYSTEM_NAMES = frozenset(
    {
        "_timestamp",
        "_offset",
        "_partition",
        "_event_time",
        "_processing_time",
        "_window_start",
        "_window_end",
        "_key",
        "_topic",
    }
)
"""Names with a meaning of their own, in any case."""


def system_name(name: str) -> str | None:
    """The system column that `name` spells, in lower case, or None."""
    if not name.startswith("_"):
        return None
    lower = name.lower()
    return lower if lower in SYSTEM_NAMES else None


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a node as a query sees it."""

    name: str
    position: int
    relation: str | None = None
    """The alias before the dot."""
    bare: bool = True
    """Whether the name without alias may mean it (the second column of USING needs its alias)."""
    system: bool = False
    """Whether a scan adds it to a record's own columns; `SELECT *` leaves it out."""


@dataclass(frozen=True, slots=True)
class WindowColumns:
    """The positions at which the rows of a relation still carry the bounds of their windows.

    Source: Flink's RelWindowProperties and FlinkRelMdWindowProperties.
    """

    spec: WindowSpec
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    times: tuple[int, ...]
    """Columns that hold the last millisecond of the window."""
    time_type: SqlType
    """Of the time that was cut."""
    partition: tuple[int, ...] = ()
    """Of a session: the columns of which each value has sessions of its own."""
    by_event_time: bool = True

    def bounded_by(self, columns: Collection[int]) -> bool:
        """Whether `columns` hold both bounds (WindowUtil.groupingContainsWindowStartEnd)."""
        return any(c in columns for c in self.starts) and any(c in columns for c in self.ends)

    @property
    def bounds(self) -> frozenset[int]:
        """All columns that say something about the window."""
        return frozenset({*self.starts, *self.ends, *self.times})

    @property
    def local_time(self) -> bool:
        """Whether the bounds are wall-clock times of the session's zone."""
        return self.time_type.name is TypeName.TIMESTAMP_LTZ


@dataclass(frozen=True, slots=True)
class Relation:
    """A planned FROM item or query."""

    node: PlanNode
    fields: tuple[Field, ...]
    event_times: tuple[int, ...] = ()
    """Columns that are event time: Flink's rowtime attributes. The first is `_event_time`."""
    processing_times: frozenset[int] = frozenset()
    """Columns that are processing time: Flink's proctime attributes."""
    windows: WindowColumns | None = None
    reference: bool = False
    """Whether it is read whole before the first stream record."""
    bounded: bool = False
    """Whether it comes from files and reference tables only."""
    time_source: int | None = None
    """The column from which the first event time was computed, such as epoch milliseconds: naming it means the time."""
    grouped_times: frozenset[int] = frozenset()
    """Event times that were grouped by. They are values like any other, but the watermark still tells of them: group
    windows over them go by it, and window table functions are refused. Source: Flink's RelTimeIndicatorConverter, which
    makes keys of an aggregate plain timestamps after group windows were planned."""

    def on(self, node: PlanNode) -> Relation:
        """The same names and times over `node`, which has the columns of the present node and maybe more after them."""
        return replace(self, node=node)

    def under_alias(self, alias: str) -> Relation:
        """The same columns reached through `alias`."""
        return replace(self, fields=tuple(replace(field, relation=alias) for field in self.fields))

    def star(self, alias: str | None = None) -> tuple[Field, ...]:
        """What `*`, or `alias.*`, stands for."""
        if alias is None:
            return tuple(field for field in self.fields if field.bare and not field.system)
        return tuple(field for field in self.fields if field.relation == alias and not field.system)

    @property
    def aliases(self) -> tuple[str, ...]:
        """The aliases of its FROM items, in order."""
        return tuple(dict.fromkeys(field.relation for field in self.fields if field.relation is not None))


def fields_of(schema: RowSchema, alias: str | None = None) -> tuple[Field, ...]:
    """Every column under its own name."""
    return tuple(Field(name, position, alias) for position, name in enumerate(schema.names))


def column_refs(schema: RowSchema) -> tuple[ColumnRef, ...]:
    """A reference to every column."""
    return tuple(ColumnRef(i, t) for i, t in enumerate(schema.types))


def project(node: PlanNode, expressions: Sequence[Expression], names: Sequence[str]) -> PlanNode:
    """`node` under a projection; no new node when it would change nothing, and one in place of a selection below."""
    schema = RowSchema(tuple(Column(n, e.type) for n, e in zip(names, expressions, strict=True)))
    positions = [e.index if isinstance(e, ColumnRef) else -1 for e in expressions]
    if schema == node.schema and positions == list(range(len(positions))):
        return node
    if isinstance(node, Project):
        if -1 not in positions:
            return project(node.input, [node.expressions[i] for i in positions], names)
        sources = [e.index for e in node.expressions if isinstance(e, ColumnRef)]
        if len(sources) == len(node.expressions):
            return project(node.input, [map_columns(e, sources.__getitem__) for e in expressions], names)
    return Project(node, tuple(expressions), schema)


def append(node: PlanNode, added: Sequence[tuple[str, Expression]]) -> PlanNode:
    """`node` with more columns at the end; its own keep their positions."""
    if not added:
        return node
    names = (*node.schema.names, *(name for name, _ in added))
    return project(node, (*column_refs(node.schema), *(expression for _, expression in added)), names)


def through_projection(relation: Relation, expressions: Sequence[Expression]) -> tuple[tuple[int, ...], frozenset[int]]:
    """Where the event-time and processing-time columns of `relation` are after a projection; expressions over them are
    ordinary values."""
    outputs = [(i, e.index) for i, e in enumerate(expressions) if isinstance(e, ColumnRef)]
    event = tuple(i for time in relation.event_times for i, source in outputs if source == time)
    clock = frozenset(i for i, e in enumerate(expressions) if isinstance(e, Call) and e.function == PROCTIME)
    return event, clock | {i for i, source in outputs if source in relation.processing_times}


def columns_through_projection(columns: Collection[int], expressions: Sequence[Expression]) -> frozenset[int]:
    """Where some columns are after a projection."""
    return frozenset(i for i, e in enumerate(expressions) if isinstance(e, ColumnRef) and e.index in columns)


def window_through_projection(windows: WindowColumns | None, expressions: Sequence[Expression]) -> WindowColumns | None:
    """Where the window bounds are after a projection; None when they are gone, or a key of a session is."""
    if windows is None:
        return None
    outputs: dict[int, list[int]] = {}
    for position, expression in enumerate(expressions):
        if isinstance(expression, ColumnRef):
            outputs.setdefault(expression.index, []).append(position)
    if not all(key in outputs for key in windows.partition):
        return None
    starts, ends, times = (
        tuple(output for column in columns for output in outputs.get(column, ()))
        for columns in (windows.starts, windows.ends, windows.times)
    )
    if not starts and not ends:
        return None
    partition = tuple(outputs[key][0] for key in windows.partition)
    return replace(windows, starts=starts, ends=ends, times=times, partition=partition)


def common_windows(sides: Sequence[WindowColumns | None]) -> WindowColumns | None:
    """The bounds of rows that come from several relations: where all have the same bounds of the same windows."""
    windows = [side for side in sides if side is not None]
    first = windows[0] if windows else None
    if first is None or len(windows) < len(sides):
        return None
    alike = (first.spec, first.by_event_time, first.time_type.as_nullable(), first.partition)
    if any((w.spec, w.by_event_time, w.time_type.as_nullable(), w.partition) != alike for w in windows):
        return None
    starts, ends, times = (
        tuple(c for c in getattr(first, bound) if all(c in getattr(w, bound) for w in windows))
        for bound in ("starts", "ends", "times")
    )
    return replace(first, starts=starts, ends=ends, times=times)

"""Which output columns of a statement are keys or results of its aggregation, and what its windows are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from velo_engine.plan.expressions import AggregateCall, Cast, ColumnRef, Expression
from velo_engine.plan.nodes import (
    GroupAggregate,
    PlannedStatement,
    PlanNode,
    Project,
    Upstream,
    WindowAggregate,
    WindowKind,
    WindowTable,
    inputs,
)
from velo_engine.types import NUMERICS, TypeName
from velo_harness.drafting.lineage import JOINS, PASSING, Statements
from velo_harness.drafting.metric_names import words_of

_TIMES = frozenset({TypeName.DATE, TypeName.TIME, TypeName.TIMESTAMP, TypeName.TIMESTAMP_LTZ})
TIME_WORDS = frozenset({"date", "day", "dt", "hour", "minute", "month", "quarter", "time", "week", "window", "year"})
"""Last words of names of columns that are times, whatever their types."""
UNNAMED = "EXPR$"
"""What the name of a column begins with that the query does not name."""
_FUNCTIONS = {
    "count": "Number of",
    "sum": "Sum of",
    "avg": "Average of",
    "min": "Least",
    "max": "Greatest",
    "first_value": "First",
    "last_value": "Last",
}
_NAMES = {"count": "record_count", "sum": "total", "avg": "avg", "min": "min", "max": "max"}


@dataclass(frozen=True, slots=True)
class Traced:
    """An output column that is, unchanged, one of an aggregation."""

    node: GroupAggregate | WindowAggregate
    position: int
    """Among the output columns of `node`."""
    once: bool
    """A row of the aggregation is at most one row here: no join stands between."""

    @property
    def is_key(self) -> bool:
        """Rows are grouped by it."""
        return self.position < len(self.node.keys)

    @property
    def call(self) -> AggregateCall | None:
        """The aggregate function whose result it is; None of a key or a window's bound."""
        position = self.position - len(self.node.keys)
        return self.node.calls[position] if 0 <= position < len(self.node.calls) else None

    @property
    def argument(self) -> str | None:
        """The column that the function is of; None of COUNT(*) and of what is computed."""
        call = self.call
        name = self.node.input.schema.names[call.args[0]] if call is not None and call.args else None
        return None if name is None or not name.isidentifier() else name

    @property
    def name(self) -> str:
        """What the result may be called when the query does not say."""
        call = self.call
        assert call is not None
        if call.function == "count" and self.argument is None:
            return "record_count"
        return f"{_NAMES.get(call.function, call.function)}_{self.argument or 'value'}"

    @property
    def described(self) -> str:
        """The function in words."""
        call = self.call
        assert call is not None
        words = _FUNCTIONS.get(call.function, f"{call.function} of")
        different = "different " if call.distinct else ""
        nothing = "rows" if call.function == "count" else "values"
        return f"{words} {different}{self.argument or nothing}"


def traced(node: PlanNode, position: int, statements: Statements) -> Traced | None:
    """What an output column of `node` is of an aggregation; None when it is nothing of one, or computed from it."""
    once = True
    while True:
        match node:
            case GroupAggregate() | WindowAggregate():
                return Traced(node, position, once)
            case Upstream():
                node = statements[node.statement].plan
                continue
            case Project():
                below = _column(node.expressions[position])
                if below is None:
                    return None
                node, position = node.input, below
                continue
        if isinstance(node, JOINS):
            once = False
            left, right = inputs(node)
            width = len(left.schema)
            node, position = (left, position) if position < width else (right, position - width)
        elif isinstance(node, (*PASSING, WindowTable)) and position < len(node.input.schema):
            once = once and not isinstance(node, WindowTable)
            node = node.input
        else:
            return None


def _column(value: Expression) -> int | None:
    """The column that an expression shows, in whatever numeric type."""
    while isinstance(value, Cast) and value.type.name in NUMERICS and value.arg.type.name in NUMERICS:
        value = value.arg
    return value.index if isinstance(value, ColumnRef) else None


def everything(node: PlanNode, statements: Statements) -> Iterator[PlanNode]:
    """The node and all below it, also in the statements that it reads."""
    yield node
    below = [statements[node.statement].plan] if isinstance(node, Upstream) else inputs(node)
    for child in below:
        yield from everything(child, statements)


@dataclass(frozen=True, slots=True)
class Grouping:
    """How the rows of a statement are grouped."""

    node: GroupAggregate | WindowAggregate
    columns: dict[int, str]
    """Output columns by the positions of the keys in the aggregation; keys that are times are left out."""
    keys: int
    """How many keys there are that are no times, whether the output has them or not."""
    overlapping: bool
    """Windows overlap, so that a row counts in several results."""

    @property
    def window_ms(self) -> int | None:
        """How often a window gives results; None without windows."""
        if not isinstance(self.node, WindowAggregate) or self.node.window.kind is WindowKind.ATTACHED:
            return None
        return self.node.window.slide_ms or self.node.window.size_ms


def grouping(statement: PlannedStatement, statements: Statements) -> Grouping | None:
    """Of the aggregation nearest to the output; None when no output column comes of one."""
    columns = statement.plan.schema.columns
    found = {i: one for i in range(len(columns)) if (one := traced(statement.plan, i, statements)) is not None}
    if not found:
        return None
    node = next(iter(found.values())).node
    keys = [place for place in range(len(node.keys)) if not _is_time(node, place)]
    shown = {one.position: columns[i].name for i, one in found.items() if one.node is node and one.position in keys}
    overlapping = any(
        isinstance(below, (WindowAggregate, WindowTable)) and below.window.kind in (WindowKind.HOP, WindowKind.CUMULATE)
        for below in everything(node, statements)
    )
    return Grouping(node, shown, len(keys), overlapping)


def _is_time(node: GroupAggregate | WindowAggregate, key: int) -> bool:
    column = node.schema.columns[key]
    return column.type.name in _TIMES or bool(TIME_WORDS & set(words_of(column.name)[-1:]))

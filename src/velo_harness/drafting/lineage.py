"""Where the columns of a plan come from: source columns, aggregates, windows, or a few constants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from velo_engine.plan.expressions import AggregateCall, Call, Case, Cast, ColumnRef, Expression, Literal, LiteralValue
from velo_engine.plan.nodes import (
    AssignWatermark,
    Deduplicate,
    DropUpdateBefore,
    Filter,
    GroupAggregate,
    IntervalJoin,
    JoinKind,
    OverAggregate,
    PlannedStatement,
    PlanNode,
    Project,
    RegularJoin,
    Scan,
    TableJoin,
    TemporalJoin,
    TemporalSort,
    TopN,
    Upstream,
    WindowAggregate,
    WindowDeduplicate,
    WindowJoin,
    WindowSpec,
    WindowTable,
    WindowTopN,
    inputs,
)
from velo_engine.types import NUMERICS, STRINGS

Statements: TypeAlias = Mapping[str, PlannedStatement]
JOINS = (RegularJoin, IntervalJoin, TemporalJoin, TableJoin, WindowJoin)
PASSING = (AssignWatermark, Filter, TopN, Deduplicate, DropUpdateBefore, TemporalSort, WindowTopN, WindowDeduplicate)
"""Operators whose first output columns are those of their input."""


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column of a source, unchanged."""

    source: str
    column: str


@dataclass(frozen=True, slots=True)
class Constants:
    """One of a few values."""

    values: tuple[LiteralValue, ...]
    """Without NULL."""
    nullable: bool


@dataclass(frozen=True, slots=True)
class Aggregated:
    """The result of an aggregate function."""

    call: AggregateCall
    of: Origin
    """Of its first argument; None for COUNT(*)."""
    node: GroupAggregate | WindowAggregate


@dataclass(frozen=True, slots=True)
class WindowBound:
    """The start, end or time of a window."""

    window: WindowSpec
    part: str
    """`start`, `end` or `time`."""


Origin: TypeAlias = SourceColumn | Constants | Aggregated | WindowBound | None


def origin(node: PlanNode, position: int, statements: Statements) -> Origin:
    """Where an output column of `node` comes from; None when it is computed otherwise."""
    match node:
        case Scan():
            names = node.source.schema.names
            return SourceColumn(node.source.name, names[position]) if position < len(names) else None
        case Upstream():
            return origin(statements[node.statement].plan, position, statements)
        case Project():
            return _computed(node.expressions[position], node.input, statements)
        case GroupAggregate() | WindowAggregate():
            return _aggregated(node, position, statements)
        case WindowTable():
            width = len(node.input.schema)
            if position < width:
                return origin(node.input, position, statements)
            return WindowBound(node.window, ("start", "end", "time")[position - width])
        case OverAggregate():
            return origin(node.input, position, statements) if position < len(node.input.schema) else None
        case RegularJoin() | IntervalJoin() | TemporalJoin() | TableJoin() | WindowJoin():
            left, right = inputs(node)
            width = len(left.schema)
            side = (left, position) if position < width else (right, position - width)
            return origin(*side, statements)
    if isinstance(node, PASSING) and position < len(node.input.schema):
        return origin(node.input, position, statements)
    return None


def _computed(expression: Expression, below: PlanNode, statements: Statements) -> Origin:
    match expression:
        case ColumnRef():
            return origin(below, expression.index, statements)
        case Literal():
            return Constants((expression.value,), False) if expression.value is not None else None
        case Cast():
            found = _computed(expression.arg, below, statements)
            return found if isinstance(found, WindowBound) or _same_family(expression) else None
        case Case():
            return _branches(expression, below, statements)
    return None


def _same_family(cast: Cast) -> bool:
    """Whether a cast leaves values what they are."""
    to, of = cast.type.name, cast.arg.type.name
    return to is of or {to, of} <= STRINGS or {to, of} <= NUMERICS


def _branches(case: Case, below: PlanNode, statements: Statements) -> Origin:
    values: list[LiteralValue] = []
    nullable = False
    for result in (*(value for _, value in case.branches), case.default):
        if isinstance(result, Literal) and result.value is None:
            nullable = True
            continue
        found = _computed(result, below, statements)
        if not isinstance(found, Constants):
            return None
        values += [value for value in found.values if value not in values]
        nullable = nullable or found.nullable
    return Constants(tuple(values), nullable)


def _aggregated(node: GroupAggregate | WindowAggregate, position: int, statements: Statements) -> Origin:
    if position < len(node.keys):
        return origin(node.input, node.keys[position], statements)
    call = position - len(node.keys)
    if call < len(node.calls):
        args = node.calls[call].args
        return Aggregated(node.calls[call], origin(node.input, args[0], statements) if args else None, node)
    if isinstance(node, WindowAggregate):
        return WindowBound(node.window, ("start", "end", "time")[call - len(node.calls)])
    return None


@dataclass(frozen=True, slots=True)
class Condition:
    """What a WHERE says of an output column: a comparison with constants that holds for every row."""

    column: int
    """The output column."""
    operator: str
    """`equals`, `greater`, `in`, `is_not_null`, …"""
    values: tuple[LiteralValue, ...]
    is_of_groups: bool = False
    """It is asked of groups: a HAVING."""


def conditions(node: PlanNode, statements: Statements) -> Iterator[Condition]:
    """The conditions that hold for the output of `node` because some filter below asks for them."""
    yield from _conditions(node, {i: i for i in range(len(node.schema))}, statements)


def _conditions(node: PlanNode, shown: Mapping[int, int], statements: Statements) -> Iterator[Condition]:
    """`shown` maps columns of `node` to columns of the output."""
    match node:
        case Upstream():
            yield from _conditions(statements[node.statement].plan, shown, statements)
        case Project():
            below = {
                e.index: shown[i] for i, e in enumerate(node.expressions) if isinstance(e, ColumnRef) and i in shown
            }
            yield from _conditions(node.input, below, statements)
        case GroupAggregate() | WindowAggregate():
            below = {key: shown[i] for i, key in enumerate(node.keys) if i in shown}
            yield from _conditions(node.input, below, statements)
        case RegularJoin() | IntervalJoin() | TemporalJoin() | TableJoin() | WindowJoin():
            left, right = inputs(node)
            width = len(left.schema)
            if node.kind in (JoinKind.INNER, JoinKind.LEFT, JoinKind.SEMI, JoinKind.ANTI):
                yield from _conditions(left, {i: to for i, to in shown.items() if i < width}, statements)
            if node.kind in (JoinKind.INNER, JoinKind.RIGHT):
                yield from _conditions(right, {i - width: to for i, to in shown.items() if i >= width}, statements)
        case WindowTable() | OverAggregate():
            width = len(node.input.schema)
            yield from _conditions(node.input, {i: to for i, to in shown.items() if i < width}, statements)
        case _ if isinstance(node, PASSING):
            if isinstance(node, Filter):
                of_groups = isinstance(_unprojected(node.input), GroupAggregate | WindowAggregate)
                for part in conjuncts(node.predicate):
                    yield from _condition(part, shown, of_groups=of_groups)
            width = len(node.input.schema)
            yield from _conditions(node.input, {i: to for i, to in shown.items() if i < width}, statements)


def filters(node: PlanNode) -> Iterator[Filter]:
    """The filters of a statement that every row of its output passed."""
    if isinstance(node, Filter):
        yield node
    if isinstance(node, JOINS):
        left, right = inputs(node)
        if node.kind in (JoinKind.INNER, JoinKind.LEFT, JoinKind.SEMI, JoinKind.ANTI):
            yield from filters(left)
        if node.kind in (JoinKind.INNER, JoinKind.RIGHT):
            yield from filters(right)
    elif len(inputs(node)) == 1:
        yield from filters(inputs(node)[0])


def conjuncts(predicate: Expression) -> Iterator[Expression]:
    """The parts of a predicate that must all be true."""
    if isinstance(predicate, Call) and predicate.function == "and":
        for arg in predicate.args:
            yield from conjuncts(arg)
    else:
        yield predicate


_SWAPPED = {"greater": "less", "less": "greater", "greater_equal": "less_equal", "less_equal": "greater_equal"}
COMPARISONS = frozenset({"equals", "not_equals", *_SWAPPED})


def comparison(part: Expression) -> tuple[int, str, tuple[LiteralValue, ...]] | None:
    """Column, operator and constants of a comparison of a column with constants."""
    if not isinstance(part, Call) or not part.args:
        return None
    column, *others = (_unwrapped(arg) for arg in part.args)
    name = part.function
    if isinstance(column, Literal) and len(others) == 1 and name in COMPARISONS:
        column, others, name = others[0], [column], _SWAPPED.get(name, name)
    if not isinstance(column, ColumnRef) or name not in (*COMPARISONS, "in", "is_not_null"):
        return None
    values = [other.value for other in others if isinstance(other, Literal)]
    return (column.index, name, tuple(values)) if len(values) == len(others) and None not in values else None


def _unwrapped(expression: Expression) -> Expression:
    """The expression without casts around it."""
    while isinstance(expression, Cast):
        expression = expression.arg
    return expression


def _unprojected(node: PlanNode) -> PlanNode:
    """The node below projections."""
    while isinstance(node, Project):
        node = node.input
    return node


def _condition(part: Expression, shown: Mapping[int, int], *, of_groups: bool) -> Iterator[Condition]:
    found = comparison(part)
    if found is not None and found[0] in shown:
        yield Condition(shown[found[0]], found[1], found[2], of_groups)


def nodes(node: PlanNode) -> Iterator[PlanNode]:
    """The node and everything below it in its statement."""
    yield node
    for child in inputs(node):
        yield from nodes(child)

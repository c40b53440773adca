"""Expressions traced back to the source columns that they are computed from, with what was done on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeAlias

from velo_engine.plan.expressions import Call, Case, Cast, ColumnRef, Expression, Literal, LiteralValue
from velo_engine.plan.match_nodes import Definition, MatchRecognize, MatchValue, RowsAggregate, RowValue
from velo_engine.plan.nodes import (
    Expand,
    GroupAggregate,
    IntervalJoin,
    OverAggregate,
    PlannedStatement,
    PlanNode,
    Project,
    RegularJoin,
    Scan,
    TableJoin,
    TemporalJoin,
    Union,
    Upstream,
    WindowAggregate,
    WindowJoin,
    inputs,
)
from velo_engine.types import SqlType
from velo_harness.drafting.lineage import SourceColumn

Statements: TypeAlias = Mapping[str, PlannedStatement]

MOST_TRACES = 64
"""Of one expression: a deep tree of UNIONs has very many."""
_ALIKE = frozenset({"coalesce", "ifnull", "concat", "concat_ws", "greatest", "least"})
"""Functions whose arguments are all values alike: the first column stands for them."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that was done to a value."""

    name: str
    """A function's name, `cast`, or `aggregate sum`."""
    constants: tuple[LiteralValue, ...] = ()
    """The function's further arguments."""
    type: SqlType | None = None
    """Of the result."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A source column, and what was done to it, the first step first."""

    column: SourceColumn
    steps: tuple[Step, ...] = ()

    def then(self, step: Step) -> Trace:
        """With one more step."""
        return replace(self, steps=(*self.steps, step))


def traces(expression: Expression, below: PlanNode, statements: Statements) -> list[Trace]:
    """The source columns that one value of `expression`, over the columns of `below`, is computed from."""
    return list(islice(_traces(expression, lambda i: _of_column(below, i, statements)), MOST_TRACES))


def column_traces(node: PlanNode, position: int, statements: Statements) -> list[Trace]:
    """The same of an output column of `node`."""
    return list(islice(_of_column(node, position, statements), MOST_TRACES))


def definition_traces(
    expression: Expression, definition: Definition, node: MatchRecognize, statements: Statements
) -> list[Trace]:
    """The same of an expression in what DEFINE says of a variable of `node`."""
    found = _traces(expression, lambda i: _of_value(definition.values[i], node, statements))
    return list(islice(found, MOST_TRACES))


def _traces(expression: Expression, column: Callable[[int], Iterator[Trace]]) -> Iterator[Trace]:
    """`column` gives the traces of what the expression is over."""
    match expression:
        case ColumnRef():
            yield from column(expression.index)
        case Cast():
            step = Step("cast", (), expression.type)
            yield from (trace.then(step) for trace in _traces(expression.arg, column))
        case Call(function=function, args=args):
            constants = tuple(arg.value for arg in args if isinstance(arg, Literal))
            others = [arg for arg in args if not isinstance(arg, Literal)]
            if len(others) == 1 or (others and function in _ALIKE):
                step = Step(function, constants, expression.type)
                yield from (trace.then(step) for trace in _traces(others[0], column))
        case Case():
            for value in (*(value for _, value in expression.branches), expression.default):
                if not isinstance(value, Literal):
                    yield from (trace.then(Step("case")) for trace in _traces(value, column))


def _of_column(node: PlanNode, position: int, statements: Statements) -> Iterator[Trace]:
    match node:
        case Scan():
            names = node.source.schema.names
            if position < len(names):
                yield Trace(SourceColumn(node.source.name, names[position]))
        case Upstream():
            yield from _of_column(statements[node.statement].plan, position, statements)
        case Project():
            yield from _traces(node.expressions[position], lambda i: _of_column(node.input, i, statements))
        case Expand():
            yield from _traces(node.projections[0][position], lambda i: _of_column(node.input, i, statements))
        case Union():
            for source in node.sources:
                yield from _of_column(source, position, statements)
        case GroupAggregate() | WindowAggregate():
            yield from _of_aggregate(node, position, statements)
        case OverAggregate():
            if position < len(node.input.schema):
                yield from _of_column(node.input, position, statements)
        case MatchRecognize():
            yield from _of_match(node, position, statements)
        case RegularJoin() | IntervalJoin() | TemporalJoin() | TableJoin() | WindowJoin():
            left, right = inputs(node)
            width = len(left.schema)
            if position < width:
                yield from _of_column(left, position, statements)
            elif position - width < len(right.schema):
                yield from _of_column(right, position - width, statements)
        case _ if len(inputs(node)) == 1 and position < len(inputs(node)[0].schema):
            yield from _of_column(inputs(node)[0], position, statements)


def _of_aggregate(node: GroupAggregate | WindowAggregate, position: int, statements: Statements) -> Iterator[Trace]:
    if position < len(node.keys):
        yield from _of_column(node.input, node.keys[position], statements)
        return
    call = position - len(node.keys)
    if call >= len(node.calls):
        return
    aggregate = node.calls[call]
    # COUNT(*) speaks of its groups: of the first column that they are made by.
    args = aggregate.args[:1] or (node.keys[:1] if aggregate.function == "count" else ())
    step = Step(f"aggregate {aggregate.function}", (), aggregate.type)
    for argument in args:
        yield from (trace.then(step) for trace in _of_column(node.input, argument, statements))


def _of_match(node: MatchRecognize, position: int, statements: Statements) -> Iterator[Trace]:
    if position < len(node.partition):
        yield from _of_column(node.input, node.partition[position], statements)
        return
    yield from _of_value(node.values[position - len(node.partition)], node, statements)


def _of_value(value: MatchValue, node: MatchRecognize, statements: Statements) -> Iterator[Trace]:
    match value:
        case RowValue():
            yield from _of_column(node.input, value.column, statements)
        case RowsAggregate(args=(first, *_)):
            step = Step(f"aggregate {value.function}", (), value.type)
            found = _traces(first, lambda i: _of_column(node.input, i, statements))
            yield from (trace.then(step) for trace in found)

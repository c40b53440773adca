"""Bound expressions: every node has a type; columns are positions in the operator's input row.

The binder makes them from syntax, the functions package knows their meaning, the compiler turns them into kernel SQL.
For an operator with two inputs the input row is the left row followed by the right row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import TypeAlias

from velo_engine.errors import Location
from velo_engine.types import SqlType

LiteralValue: TypeAlias = bool | int | float | Decimal | str | bytes | date | time | datetime | None
"""INTERVAL DAY TO SECOND is an int of milliseconds, INTERVAL YEAR TO MONTH an int of months; datetimes are naive
(UTC for TIMESTAMP_LTZ)."""


@dataclass(frozen=True, slots=True)
class ColumnRef:
    """The value of input column `index`."""

    index: int
    type: SqlType
    location: Location | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    value: LiteralValue
    type: SqlType
    location: Location | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A scalar function or operator of the function table (`plus`, `equals`, `and`, `upper`, …) over its arguments."""

    function: str
    args: tuple[Expression, ...]
    type: SqlType
    location: Location | None = field(default=None, compare=False)


PROCTIME = "proctime"
"""The function whose value is processing time as a time attribute."""


@dataclass(frozen=True, slots=True)
class Cast:
    """CAST, or TRY_CAST when `safe` (NULL where CAST fails)."""

    arg: Expression
    type: SqlType
    safe: bool = False
    location: Location | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Case:
    """Searched CASE: the value of the first branch whose condition is true, else the default."""

    branches: tuple[tuple[Expression, Expression], ...]
    default: Expression
    type: SqlType
    location: Location | None = field(default=None, compare=False)
    opaque: bool = False
    """IF: a function to Flink's planner, which looks into CASE only when it simplifies."""


Expression: TypeAlias = ColumnRef | Literal | Call | Cast | Case


@dataclass(frozen=True, slots=True)
class AggregateCall:
    """An aggregate over input columns; the planner projects argument expressions into columns first.

    `args` are column positions (empty for COUNT(*)); `filter` is the position of a BOOLEAN column (FILTER (WHERE …)).
    """

    function: str
    """Lower-case name in the aggregate function table: count, sum, avg, min, max, first_value, …"""
    args: tuple[int, ...]
    type: SqlType
    distinct: bool = False
    filter: int | None = None
    location: Location | None = field(default=None, compare=False)
    constants: tuple[LiteralValue | tuple[LiteralValue, ...], ...] = ()
    """Arguments that are constants of the call: a separator, percentages."""


def children(expression: Expression) -> tuple[Expression, ...]:
    """The direct operands, in source order."""
    match expression:
        case Call(args=args):
            return args
        case Cast(arg=arg):
            return (arg,)
        case Case(branches=branches, default=default):
            return (*(part for branch in branches for part in branch), default)
        case _:
            return ()


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and everything below it, operands after their operator."""
    yield expression
    for child in children(expression):
        yield from walk(child)


def columns_of(*expressions: Expression) -> frozenset[int]:
    """The positions of the input columns that the expressions read."""
    return frozenset(part.index for e in expressions for part in walk(e) if isinstance(part, ColumnRef))

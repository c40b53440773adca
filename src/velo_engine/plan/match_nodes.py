"""MATCH_RECOGNIZE: rows of a partition, one after the other, that make up a pattern; one row out for every match.

A pattern variable takes rows; which ones says its definition, a condition over values of the rows taken so far. These
values, and those that a match gives out, are `MatchValue`s: columns of a certain row of a variable, aggregates over the
rows of a variable, and times.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from velo_engine.errors import Location
    from velo_engine.plan.expressions import Expression
    from velo_engine.plan.nodes import PlanNode, SortKey
    from velo_engine.schema import RowSchema
    from velo_engine.types import SqlType


@dataclass(frozen=True, slots=True)
class RowValue:
    """`FIRST(A.x, offset)` or `LAST(A.x, offset)`: input column `column` of one row of a variable; NULL without it.

    `variable` is a position in the pattern, None for the rows of all variables together. In a definition the row being
    judged counts as the last one of the variable that is defined, and of all variables together.
    """

    variable: int | None
    from_first: bool
    offset: int
    column: int
    type: SqlType


@dataclass(frozen=True, slots=True)
class RowsAggregate:
    """An aggregate over the rows of a variable (None: of all), as in RowValue; `args` are over one input row each."""

    variable: int | None
    function: str
    args: tuple[Expression, ...]
    type: SqlType


@dataclass(frozen=True, slots=True)
class MatchTime:
    """`MATCH_ROWTIME()`: the time of the row, or of the watermark, at which the match was given out."""

    type: SqlType


@dataclass(frozen=True, slots=True)
class MatchProcessingTime:
    """`MATCH_PROCTIME()`: the processing time at which the match was given out."""

    type: SqlType


MatchValue: TypeAlias = RowValue | RowsAggregate | MatchTime | MatchProcessingTime


@dataclass(frozen=True, slots=True)
class Definition:
    """What DEFINE says of a variable: a condition over `values`, its columns."""

    condition: Expression
    values: tuple[RowValue | RowsAggregate, ...]


@dataclass(frozen=True, slots=True)
class PatternVariable:
    """A variable that takes `minimum` to `maximum` rows, one behind the other; None is no limit.

    A greedy one leaves a row to the next variable only when it cannot take the row itself.
    """

    name: str
    minimum: int
    maximum: int | None
    greedy: bool
    definition: Definition | None
    """None: it takes any row."""


class Skip(Enum):
    """Where matching goes on after a match."""

    TO_NEXT_ROW = "to next row"
    PAST_LAST_ROW = "past last row"
    TO_FIRST = "to first"
    TO_LAST = "to last"


@dataclass(frozen=True, slots=True)
class AfterMatch:
    """AFTER MATCH SKIP; `variable` is a position in the pattern for TO_FIRST and TO_LAST, else None."""

    skip: Skip
    variable: int | None = None


@dataclass(frozen=True, slots=True)
class MatchRecognize:
    """One row per match. Output: the partition columns, then `values`.

    `order` begins with the time that orders the rows: event time, or processing time when `processing_time`. A match
    takes rows whose times are less than `within_ms` after the time of its first row. Source: Flink's StreamExecMatch
    and org.apache.flink.cep.nfa.NFA.
    """

    input: PlanNode
    partition: tuple[int, ...]
    order: tuple[SortKey, ...]
    processing_time: bool
    pattern: tuple[PatternVariable, ...]
    after: AfterMatch
    within_ms: int | None
    values: tuple[MatchValue, ...]
    schema: RowSchema
    location: Location | None = field(default=None, compare=False)

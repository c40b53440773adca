"""What a plan says about the columns of its sources: the model that `analysis` fills and `scenarios` makes rows of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from velo_engine.plan.expressions import ColumnRef, Expression, columns_of
from velo_engine.plan.nodes import JoinKind, WindowSpec
from velo_engine.types import SqlType


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column of a source."""

    source: str
    position: int
    type: SqlType


@dataclass(frozen=True, slots=True)
class Measure:
    """The result of an aggregate, which groups of rows decide."""

    function: str
    argument: Expression | None
    """Over leaves; None for COUNT(*)."""
    keys: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value that no single column explains."""

    type: SqlType


@dataclass(frozen=True, slots=True)
class Earlier:
    """The value that a leaf had in an earlier row of a pattern."""

    leaf: int


Leaf: TypeAlias = SourceColumn | Measure | Opaque | Earlier


class Leaves:
    """All values that expressions can be traced back to, by number: a `ColumnRef` of traced expressions is a leaf."""

    def __init__(self) -> None:
        self._leaves: list[Leaf] = []
        self._numbers: dict[SourceColumn, int] = {}

    def of_source(self, source: str, position: int, kind: SqlType) -> ColumnRef:
        """The leaf of a source's column."""
        leaf = SourceColumn(source, position, kind)
        if leaf not in self._numbers:
            self._numbers[leaf] = len(self._leaves)
            self._leaves.append(leaf)
        return ColumnRef(self._numbers[leaf], kind)

    def other(self, leaf: Measure | Opaque | Earlier, kind: SqlType) -> ColumnRef:
        """A new leaf."""
        self._leaves.append(leaf)
        return ColumnRef(len(self._leaves) - 1, kind)

    def __getitem__(self, number: int) -> Leaf:
        return self._leaves[number]

    def column(self, number: int) -> SourceColumn | None:
        """The source's column that a leaf is."""
        leaf = self._leaves[number]
        return leaf if isinstance(leaf, SourceColumn) else None

    def sources_of(self, expression: Expression) -> set[str] | None:
        """The sources whose columns an expression reads; None when it reads something else, too."""
        found = [self.column(number) for number in columns_of(expression)]
        return None if None in found else {column.source for column in found if column is not None}


@dataclass(frozen=True, slots=True)
class Route:
    """One way of the rows through a statement: the conditions they must meet, and those that choose among values."""

    filters: tuple[Expression, ...] = ()
    tests: tuple[Expression, ...] = ()
    computed: tuple[Expression, ...] = ()
    """Whatever is computed of rows; it must not fail."""


@dataclass(frozen=True, slots=True)
class EventTime:
    """The event time of a source."""

    leaf: Expression
    """The time, over columns of the source."""
    delay_ms: int


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows over the time of a source."""

    source: str
    spec: WindowSpec
    allowed_lateness_ms: int
    keys: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """Two sides that meet by keys, and maybe by their times."""

    kind: JoinKind
    left_keys: tuple[Expression, ...]
    right_keys: tuple[Expression, ...]
    condition: Expression | None = None
    left_time: Expression | None = None
    right_time: Expression | None = None
    lower_ms: int | None = None
    """Of left time minus right time; None without bounds."""
    upper_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """The first rows of each partition."""

    partition: tuple[Expression, ...]
    order: tuple[Expression, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class Frame:
    """How far an OVER window reaches back."""

    partition: tuple[Expression, ...]
    rows: int | None
    range_ms: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """A variable of a pattern."""

    condition: Expression | None
    minimum: int
    maximum: int | None


@dataclass(frozen=True, slots=True)
class Pattern:
    """Rows one after the other, of one partition, within a time."""

    partition: tuple[Expression, ...]
    steps: tuple[Step, ...]
    within_ms: int | None


@dataclass(slots=True)
class Facts:
    """All of a program."""

    leaves: Leaves = field(default_factory=Leaves)
    routes: list[Route] = field(default_factory=list)
    times: dict[str, EventTime] = field(default_factory=dict)
    windows: dict[Windows, None] = field(default_factory=dict)
    joins: dict[Join, None] = field(default_factory=dict)
    rankings: dict[Ranking, None] = field(default_factory=dict)
    frames: dict[Frame, None] = field(default_factory=dict)
    patterns: dict[Pattern, None] = field(default_factory=dict)
    keys: dict[int, None] = field(default_factory=dict)
    """Leaves that group or partition rows."""
    spans_ms: dict[int, None] = field(default_factory=dict)
    """Other distances in time that matter: gaps of a pattern."""
    aggregates: bool = False
    """Results may depend on how many rows there are."""

"""The typed logical plan: a tree of relations per statement; statements refer to each other by name.

Each node states the schema of its output. Expressions are bound to the positions of the node's input (for joins: left
row, then right row). The changelog mode and upsert keys of a node are derived in `plan/changelog.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from velo_engine.plan.changelog_nodes import ChangelogNormalize as ChangelogNormalize
from velo_engine.plan.changelog_nodes import Deduplicate as Deduplicate
from velo_engine.plan.changelog_nodes import DropUpdateBefore as DropUpdateBefore
from velo_engine.plan.changelog_nodes import SinkUpsertMaterialize as SinkUpsertMaterialize
from velo_engine.plan.expressions import AggregateCall, Expression
from velo_engine.plan.join_nodes import IntervalJoin as IntervalJoin
from velo_engine.plan.join_nodes import TemporalJoin as TemporalJoin
from velo_engine.plan.match_nodes import MatchRecognize as MatchRecognize
from velo_engine.plan.over_node import OverAggregate as OverAggregate
from velo_engine.plan.relation_nodes import Correlate as Correlate
from velo_engine.plan.relation_nodes import Expand as Expand
from velo_engine.plan.relation_nodes import TemporalSort as TemporalSort
from velo_engine.plan.relation_nodes import Union as Union
from velo_engine.plan.relation_nodes import Values as Values
from velo_engine.plan.window_nodes import WindowDeduplicate as WindowDeduplicate
from velo_engine.plan.window_nodes import WindowJoin as WindowJoin
from velo_engine.plan.window_nodes import WindowTable as WindowTable
from velo_engine.plan.window_nodes import WindowTopN as WindowTopN
from velo_engine.schema import RowSchema

if TYPE_CHECKING:
    from velo_engine.errors import Location
    from velo_engine.sql.program import Warning
    from velo_engine.udf import UserFunction


class SourceChanges(Enum):
    """What the records of a source do."""

    INSERTS = "inserts"
    """Each is a new row."""
    UPSERTS = "upserts"
    """Each is the newest row of its primary key (+I, +U), or takes that row away (-D)."""
    ALL = "all"
    """Each is a change of any kind, -U of a row before its +U."""


class SourceKind(Enum):
    """How a relation outside the program is read."""

    STREAM = "stream"
    """Records arrive over time; a row of a join's left side."""
    TABLE = "table"
    """A reference table: read whole before the first stream record."""


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A relation that the program reads and does not define: declared columns and connector properties.

    `properties` are those of the WITH clause for this source, without the source's name prefix: `type`, `path`,
    `format`, `topic`, `has_headers`, … An input given by the caller (a test) replaces the connector.
    """

    name: str
    kind: SourceKind
    schema: RowSchema
    properties: Mapping[str, str]
    primary_key: tuple[int, ...] = ()
    locations: Mapping[str, Location] = field(default_factory=dict, compare=False, repr=False)
    """Where the program says the path, the type and the format, for messages."""
    decoded: frozenset[int] | None = None
    """The columns that some statement reads; None: all. The others need not be decoded."""
    changes: SourceChanges = SourceChanges.INSERTS


@dataclass(frozen=True, slots=True)
class Scan:
    """Reads a source. `schema` is the source's columns, then the requested system columns."""

    source: SourceTable
    system_columns: tuple[str, ...]
    schema: RowSchema


@dataclass(frozen=True, slots=True)
class Upstream:
    """Reads the changelog of another statement of the program."""

    statement: str
    schema: RowSchema


@dataclass(frozen=True, slots=True)
class AssignWatermark:
    """Makes `time_column` (TIMESTAMP or TIMESTAMP_LTZ, precision at most 3) the event time of its input.

    The watermark after each row is the maximum of `time - delay` so far, per value of `partition_column` when given,
    then the minimum over partitions. A row whose time is NULL is an error of that row. Replaces the watermark of the
    input edge, except the final one.
    """

    input: PlanNode
    time_column: int
    delay_ms: int
    partition_column: int | None
    idle_timeout_ms: int | None
    schema: RowSchema


@dataclass(frozen=True, slots=True)
class Filter:
    """Keeps rows whose predicate is true."""

    input: PlanNode
    predicate: Expression
    schema: RowSchema


@dataclass(frozen=True, slots=True)
class Project:
    """Computes one expression per output column."""

    input: PlanNode
    expressions: tuple[Expression, ...]
    schema: RowSchema


@dataclass(frozen=True, slots=True)
class GroupAggregate:
    """Unwindowed GROUP BY. Output: the keys, then the aggregates. No keys: one global group."""

    input: PlanNode
    keys: tuple[int, ...]
    calls: tuple[AggregateCall, ...]
    schema: RowSchema
    unused_args: tuple[int, ...] = ()
    """Columns of calls that nobody reads: Flink leaves such calls out last, and the projection below stays as it is."""


class WindowKind(Enum):
    """How event time is cut."""

    TUMBLE = "tumble"
    HOP = "hop"
    CUMULATE = "cumulate"
    SESSION = "session"
    ATTACHED = "attached"
    """An earlier window, whose end the time column holds."""


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """A window assigner. Milliseconds; windows are `[start, end)`, aligned to the epoch plus `offset_ms`."""

    kind: WindowKind
    size_ms: int
    """Length of the window; the gap for SESSION; the maximum size for CUMULATE."""
    slide_ms: int
    """HOP: distance of starts; CUMULATE: the step; else equal to `size_ms`."""
    offset_ms: int = 0


class Emit(Enum):
    """When a result is given out."""

    CHANGES = "changes"
    FINAL = "final"


class LateData(Enum):
    """What becomes of a row for which every window has closed."""

    DROP = "drop"
    DEAD_LETTER = "dead_letter"


@dataclass(frozen=True, slots=True)
class WindowAggregate:
    """GROUP BY within event-time windows.

    Output: the keys, the aggregates, then `window_start`, `window_end` (TIMESTAMP(3)) and `window_time` (the type of
    the event time that was cut, value end - 1 ms). An ATTACHED window has its start among the keys: `window_start` of
    the output means nothing. With Emit.FINAL a window is emitted once, when the watermark reaches end - 1 ms
    (plus the allowed lateness it stays open for later rows).
    """

    input: PlanNode
    window: WindowSpec
    time_column: int
    keys: tuple[int, ...]
    calls: tuple[AggregateCall, ...]
    emit: Emit
    allowed_lateness_ms: int
    late_data: LateData
    schema: RowSchema
    by_event_time: bool = True
    """Otherwise `time_column` holds processing time, and windows close by the clock."""
    of_table_function: bool = True
    """Windows of `TABLE(TUMBLE(…))`; otherwise of GROUP BY, and nothing stands between them and the input."""
    unused_args: tuple[int, ...] = ()
    """As of GroupAggregate."""


class JoinKind(Enum):
    """Which unmatched rows appear, padded with NULL; or which rows of the left side alone."""

    INNER = "inner"
    LEFT = "left"
    RIGHT = "right"
    FULL = "full"
    SEMI = "semi"
    """Left rows that have a match, once."""
    ANTI = "anti"
    """Left rows that have none."""

    @property
    def one_sided(self) -> bool:
        """Whether the result has the columns of the left side only."""
        return self in (JoinKind.SEMI, JoinKind.ANTI)


@dataclass(frozen=True, slots=True)
class TableJoin:
    """Enriches a stream: each left row meets the rows that the table holds when it arrives. INNER or LEFT.

    The result never changes afterwards (Flink's lookup join). Keys are equal positions of both sides; NULL keys never
    match. `condition` is over left ++ right and may be None.
    """

    input: PlanNode
    table: PlanNode
    kind: JoinKind
    left_keys: tuple[int, ...]
    right_keys: tuple[int, ...]
    condition: Expression | None
    schema: RowSchema


@dataclass(frozen=True, slots=True)
class RegularJoin:
    """Joins two changelogs without a time bound; both sides are kept, later rows retract results.

    Output: left ++ right; for SEMI and ANTI the left columns alone. Keys are equal positions of both sides; a NULL key
    matches nothing. Without keys every pair of rows meets in `condition`, which is over left ++ right also for SEMI and
    ANTI (`NOT IN` is ANTI without keys where a side may be NULL: `a = b OR a IS NULL OR b IS NULL`) and may be None.
    Source: Flink's StreamingJoinOperator and StreamingSemiAntiJoinOperator.
    """

    left: PlanNode
    right: PlanNode
    kind: JoinKind
    left_keys: tuple[int, ...]
    right_keys: tuple[int, ...]
    condition: Expression | None
    schema: RowSchema
    null_safe_keys: frozenset[int] = frozenset()
    """The positions in the keys at which NULL equals NULL (IS NOT DISTINCT FROM)."""


@dataclass(frozen=True, slots=True)
class SortKey:
    """One ORDER BY item over an input column."""

    column: int
    descending: bool = False
    nulls_first: bool = True


@dataclass(frozen=True, slots=True)
class TopN:
    """Keeps the rows of ranks `first` to `limit` of every partition in `order`; ties keep arrival order.

    With a `limit_column` its value in the first row of a partition is the limit of that partition, and `limit` means
    nothing. Output: the input columns, then the rank (BIGINT) when `with_rank`.
    """

    input: PlanNode
    partition: tuple[int, ...]
    order: tuple[SortKey, ...]
    limit: int
    with_rank: bool
    schema: RowSchema
    first: int = 1
    limit_column: int | None = None
    of_limit: bool = False
    """Of LIMIT: Flink's planner knows from the beginning how many rows that is; a ranking is a filter at first."""


PlanNode: TypeAlias = (
    Scan
    | Upstream
    | AssignWatermark
    | Filter
    | Project
    | GroupAggregate
    | WindowAggregate
    | WindowTable
    | WindowTopN
    | WindowDeduplicate
    | WindowJoin
    | TableJoin
    | RegularJoin
    | Union
    | Values
    | Correlate
    | Expand
    | TemporalSort
    | IntervalJoin
    | TemporalJoin
    | TopN
    | Deduplicate
    | ChangelogNormalize
    | DropUpdateBefore
    | SinkUpsertMaterialize
    | MatchRecognize
    | OverAggregate
)


def inputs(node: PlanNode) -> tuple[PlanNode, ...]:
    """The relations a node reads, left to right."""
    match node:
        case Scan() | Upstream() | Values():
            return ()
        case Union():
            return node.sources
        case (
            TableJoin(input=left, table=right)
            | RegularJoin(left=left, right=right)
            | IntervalJoin(left=left, right=right)
            | TemporalJoin(left=left, right=right)
            | WindowJoin(left=left, right=right)
        ):
            return (left, right)
        case _:
            return (node.input,)


@dataclass(frozen=True, slots=True)
class NotNullColumns:
    """The columns of a sink that are NOT NULL where the query may give NULL: checked row by row.

    Source: Flink's ConstraintEnforcer and `table.exec.sink.not-null-enforcer`.
    """

    columns: tuple[int, ...]
    drops: bool
    """Whether a row with NULL in one of them is left out silently; otherwise it is an error."""


@dataclass(frozen=True, slots=True)
class Sink:
    """Where a statement's changelog goes besides the statements that read it.

    `properties` are those of the WITH clause for this sink, without its name prefix; `upsert_key` are output positions:
    declared with PRIMARY KEY, else proven by the plan, else empty.
    """

    name: str
    properties: Mapping[str, str]
    upsert_key: tuple[int, ...] = ()
    changes: PlanNode | None = None
    """What stands between the statement's changelog (an Upstream) and the sink; None: nothing."""
    not_null: NotNullColumns | None = None
    """What is checked before that."""
    locations: Mapping[str, Location] = field(default_factory=dict, compare=False, repr=False)
    """Where the program says the properties, for messages."""
    metadata: Mapping[str, int] = field(default_factory=dict)
    """The output positions of columns that are no part of a record's value, by what they are (`headers`,
    `timestamp`)."""

    def value_columns(self, schema: RowSchema) -> tuple[int, ...]:
        """The positions of all other columns of the statement's output `schema`."""
        return tuple(i for i in range(len(schema)) if i not in self.metadata.values())

    def value_key(self, schema: RowSchema) -> tuple[int, ...]:
        """`upsert_key` as positions among them; empty when it is not made of them alone."""
        columns = self.value_columns(schema)
        return tuple(map(columns.index, self.upsert_key)) if set(self.upsert_key) <= set(columns) else ()


@dataclass(frozen=True, slots=True)
class PlannedStatement:
    """One query of the program, ready to run."""

    name: str
    plan: PlanNode
    sink: Sink | None
    emit: Emit
    reads: tuple[str, ...]
    """Statements it depends on, directly."""
    sources: tuple[str, ...]
    """Sources it scans, directly, in order of appearance."""
    aliases: Mapping[str, str]
    """Other names a spec may use for an output column (`o.order_id` for `order_id`)."""


@dataclass(frozen=True, slots=True)
class PlannedProgram:
    """All statements, each after those it reads, and the sources they scan."""

    statements: Mapping[str, PlannedStatement]
    sources: Mapping[str, SourceTable]
    properties: Mapping[str, str]
    """Job-wide properties (`emit.semantics`, `failure_strategy`, `state.ttl`, …)."""
    locations: Mapping[str, Location] = field(default_factory=dict, compare=False, repr=False)
    """Where the program says the properties, for messages."""
    state_ttl_ms: int = 0
    """How long the state of a key lives after its last change; 0 for ever."""
    warnings: tuple[Warning, ...] = ()
    """What in the program has no effect, or not the one its writer may expect."""
    functions: tuple[UserFunction, ...] = ()
    """The functions in Python that the program may call; those that are only declared are loaded when it runs."""

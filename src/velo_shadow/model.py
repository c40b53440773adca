"""The words of a comparison: two sides, what equal means, a difference with its cause, the result and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from velo_engine.errors import ExitCode
from velo_engine.types import SqlType

DEFAULT_GRACE_MS = 0
"""Event time that a side may still be behind what it has shown, where it has no watermark."""


class Side(StrEnum):
    """Which stream: the left is the reference (Flink's), the right is the one under judgement (ours)."""

    LEFT = "left"
    RIGHT = "right"

    @property
    def other(self) -> Side:
        """The opposite side."""
        return Side.RIGHT if self is Side.LEFT else Side.LEFT


class Rule(StrEnum):
    """When two values that are both there are equal."""

    EXACT = "exact"
    ABS = "abs"
    """Their distance is at most the tolerance, in the column's unit."""
    REL = "rel"
    """Their distance is at most the tolerance times the larger magnitude."""
    ULP = "ulp"
    """Their distance is at most so many units in the last place of the larger magnitude."""
    SCALE = "scale"
    """They are equal once rounded (half away from zero) to so many digits after the point."""
    WITHIN = "within"
    """Times: at most so many milliseconds apart."""
    JSON = "json"
    """Texts holding JSON with the same value: order of members, spaces and the way a number is written are nothing."""
    BAG = "bag"
    """Arrays with the same elements, as often each, in any order."""


@dataclass(frozen=True, slots=True)
class ColumnEquality:
    """What equal means in one column."""

    rule: Rule = Rule.EXACT
    tolerance: Decimal = Decimal(0)
    """Of `abs`, `rel`, `ulp`, `scale` (digits) and `within` (milliseconds)."""
    nan_equals_nan: bool = True
    signed_zeros_equal: bool = True
    """Whether -0.0 equals 0.0."""
    ignore_case: bool = False
    trim: bool = False
    """Whether spaces around a text count for nothing."""
    normalise_unicode: bool = False
    """Whether texts are compared in normalisation form C."""
    null_equals_missing: bool = False
    """Whether a side that lacks the column (or a JSON member) stands for one with NULL in it."""
    text_equals_value: bool = False
    """Whether a side may write as text what the other writes as a number or a boolean."""

    def __str__(self) -> str:
        """As the report states it, for example `abs 0.01`."""
        text = self.rule.value + ("" if self.rule in _WITHOUT_TOLERANCE else f" {self._size()}")
        settings = (
            ("NaN differs from NaN", not self.nan_equals_nan),
            ("-0.0 differs from 0.0", not self.signed_zeros_equal),
            ("any case", self.ignore_case),
            ("trimmed", self.trim),
            ("Unicode NFC", self.normalise_unicode),
            ("null equals missing", self.null_equals_missing),
            ("text equals value", self.text_equals_value),
        )
        return ", ".join([text, *(name for name, is_set in settings if is_set)])

    def _size(self) -> str:
        """The tolerance as one writes it: a small number as 1e-9, a time in seconds."""
        size = self.tolerance.normalize()
        if self.rule is Rule.WITHIN:
            return f"{size:f} ms" if size < _MS_OF_SECOND else f"{size / _MS_OF_SECOND:f} s"
        return f"{size:e}" if 0 < size < _SMALL else f"{size:f}"


_MS_OF_SECOND = 1000
_SMALL = Decimal("0.001")
"""Below it, zeros would have to be counted."""
_WITHOUT_TOLERANCE = (Rule.EXACT, Rule.JSON, Rule.BAG)


@dataclass(frozen=True, slots=True)
class PlanColumn:
    """A column that both sides are compared in, with the type they are brought to."""

    name: str
    type: SqlType
    equality: ColumnEquality


@dataclass(frozen=True, slots=True)
class ComparisonPlan:
    """What is compared, and how."""

    columns: tuple[PlanColumn, ...]
    """Beside the key."""
    key: tuple[PlanColumn, ...] = ()
    """Empty: the sides are bags of rows, whose multiplicity counts."""
    time_column: str | None = None
    """Event time, among the columns or the key; None when the streams have none."""
    ignored: tuple[str, ...] = ()
    """Columns left out on purpose."""
    grace_ms: int = DEFAULT_GRACE_MS

    @property
    def key_names(self) -> tuple[str, ...]:
        """Names of the key's columns."""
        return tuple(column.name for column in self.key)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the compared columns beside the key."""
        return tuple(column.name for column in self.columns)


class Kind(StrEnum):
    """How a difference shows."""

    MISSING = "missing"
    """The left has the row, the right has not."""
    EXTRA = "extra"
    """The right has the row, the left has not."""
    VALUE = "value"
    """Both have the row, and a column differs."""


class Cause(StrEnum):
    """Why two sides differ, as far as the evidence shows. A cause explains; it does not excuse."""

    FLOAT_ASSOCIATION = "floating-point association"
    DECIMAL_ROUNDING = "decimal scale or rounding"
    TIME_PRECISION = "time precision"
    TIME_ZONE = "time zone"
    WINDOW_BOUNDARY = "window boundary"
    LATE_ON_ONE_SIDE = "late on one side only"
    DUPLICATE_DELIVERY = "duplicate delivery"
    WARM_UP = "missing warm-up state"
    TTL_EXPIRY = "TTL expiry"
    TOP_N_TIE = "ordering tie in a Top-N"
    JOIN_KIND = "kind of join"
    NULL_OR_ABSENT = "null against a value"
    TYPE_CHANGE = "type change"
    TRUNCATED_TEXT = "truncated text"
    SWAPPED_COLUMNS = "swapped columns"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Difference:
    """One row (missing, extra) or one column of a row (value) in which the sides differ."""

    kind: Kind
    key: Mapping[str, Any]
    """By column; of a bag, the columns that are compared exactly."""
    column: str | None = None
    """None for a row that one side lacks."""
    left: Any = None
    """The value, or for a missing row its columns by name."""
    right: Any = None
    time: Any = None
    """Event time of the row, where the plan has a time column."""
    row: Mapping[str, Any] = field(default_factory=dict)
    """All columns of the row, of the left where it has it: what segments are made from."""
    cause: Cause = Cause.UNKNOWN
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of a comparison. A row is matched, differing, without a partner (missing, extra) or a copy: never two."""

    left: int
    right: int
    matched: int
    """Pairs equal in every column."""
    differing: int
    """Pairs that differ in at least one column."""
    missing: int
    extra: int
    left_copies: int = 0
    """Rows delivered again with an identical value: no differences."""
    right_copies: int = 0
    by_column: Mapping[str, int] = field(default_factory=dict)
    """Differing pairs by the column that differs; columns without any are left out."""

    @property
    def compared(self) -> int:
        """Pairs and rows without a partner: what a rate of differences is a rate of."""
        return self.matched + self.differing + self.missing + self.extra

    @property
    def different(self) -> int:
        """Of those compared, the ones that are not equal."""
        return self.differing + self.missing + self.extra


@dataclass(frozen=True, slots=True)
class Subtracted:
    """What does not count because two outputs of the reference differ in it, too (`velo_shadow.control`)."""

    equal: int = 0
    """Pairs that differ in nothing else: they count as matched."""
    missing: int = 0
    """Rows only left that the control lacks, too: compared with nothing."""
    extra: int = 0
    """Rows only right that only the control has, too: compared with nothing."""
    by_column: Mapping[str, int] = field(default_factory=dict)
    """Values that were taken off, by column."""
    ignorable: tuple[str, ...] = ()
    """Columns in which most rows of the reference differ from its own control: nothing in them counts."""

    @property
    def rows(self) -> int:
        """Rows that count no longer as different."""
        return self.equal + self.missing + self.extra


class Decision(StrEnum):
    """May one switch?"""

    SAFE = "SAFE"
    NOT_SAFE = "NOT SAFE"
    INCONCLUSIVE = "INCONCLUSIVE"

    @property
    def exit_code(self) -> ExitCode:
        """What the command tells the shell."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    Decision.SAFE: ExitCode.PASSED,
    Decision.NOT_SAFE: ExitCode.FAILED,
    Decision.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision with what it rests on."""

    decision: Decision
    reasons: tuple[str, ...]
    """What blocks, what is missing, or what was shown."""
    compared: int
    unexplained: int
    """Differences that block: all that are not waived."""
    bound: float
    """Upper 95 % bound on the true rate of differences, between 0 and 1."""
    needed: int | None = None
    """Further equal comparisons that would bring the bound to the one asked for; None when it is reached."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the rows that holds differences: value `value` of `dimension`."""

    dimension: str
    value: str
    differences: int
    rows: int
    """Compared rows of the segment, both sides' union; 0 when not counted."""


@dataclass(frozen=True, slots=True)
class TimeBin:
    """The rows of a stretch of event time."""

    begins: datetime
    seconds: int
    """How long the stretch is; all bins of a result are as long."""
    rows: int
    """Of the side that has more of them there."""
    different: int
    """Rows that are not equal, among the differences that were examined."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of what the sides hold was compared."""

    columns: int
    columns_ignored: int
    left: float
    """Share of the left's rows that found a partner, between 0 and 1."""
    right: float


@dataclass(frozen=True, slots=True)
class SidePerformance:
    """How fast and at what cost one side gave its rows. None: not known, and shown as missing."""

    latency_avg_ms: float | None = None
    """From a row's event time to the moment at which its record was written."""
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    latency_p99_ms: float | None = None
    rows_per_second: float | None = None
    memory_bytes: int | None = None
    cpu_cores: float | None = None
    """Seconds of CPU in a second."""


@dataclass(frozen=True, slots=True)
class Performance:
    """Both sides beside each other."""

    left: SidePerformance = SidePerformance()
    right: SidePerformance = SidePerformance()


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """All that a comparison found."""

    plan: ComparisonPlan
    counts: Counts
    differences: tuple[Difference, ...]
    """The first ones in order of the key; capped."""
    causes: Mapping[Cause, int]
    """Of the differences that were examined."""
    segments: tuple[Segment, ...]
    coverage: Coverage
    verdict: Verdict
    pending: int = 0
    """Keys or windows that a side's progress has not passed."""
    warm_up: int = 0
    """Keys left out because their input began before the comparison did."""
    waived: int = 0
    pending_rows: tuple[Mapping[str, Any], ...] = ()
    """The first of the pending: `side`, and the columns of the key (of a bag, all)."""
    churn: Mapping[Side, int] = field(default_factory=dict)
    """Changes beside those that made the final rows, by side. No error."""
    unmatched: Mapping[Side, int] = field(default_factory=dict)
    """Rows taken back more often than they were added: the stream is not whole, or began before it was read."""
    performance: Performance | None = None
    subtracted: Subtracted | None = None
    """What the control took off; None without a control."""
    over_time: tuple[TimeBin, ...] = ()
    """In order of time, none of them empty; () without a time column."""

"""The report of a comparison as its readers see it: plain values, the same from a run as from the JSON file of one.

Every format is written from here, so a page made from a file (`velo shadow report`) is the page that the run had
written. A value of a row is what JSON holds of it: decimals and times are exact text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any

from velo_engine.errors import ExitCode
from velo_harness.reports.shown_values import json_value
from velo_harness.result import versions
from velo_shadow.model import (
    ComparisonPlan,
    ComparisonResult,
    Counts,
    Coverage,
    Decision,
    Difference,
    Kind,
    Performance,
    PlanColumn,
    Segment,
    Side,
    Subtracted,
    TimeBin,
    Verdict,
)

MAX_DIFFERENCES = 1_000
"""Differences of a sink that the report holds."""
MAX_PENDING_ROWS = 100
_ZEROS = re.compile(r"(?<=\.)(\d*?)0+(?=$|[+-])")
"""The fraction of a second up to the zeros at its end."""
_GRAVITY = (Decision.SAFE, Decision.INCONCLUSIVE, Decision.NOT_SAFE)


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a comparison stood at one time while it ran."""

    elapsed_s: float
    left: int
    """Rows read until then; these and all other counts are totals."""
    right: int
    compared: int
    different: int
    pending: int
    memory_bytes: int | None = None
    """Resident memory of the process that compares."""


@dataclass(frozen=True, slots=True)
class SinkResult:
    """What one output of a job was found to be: what a report is made from."""

    name: str
    left: str
    """What the side is called: a file's path, a topic's address."""
    right: str
    result: ComparisonResult
    course: tuple[Moment, ...] = ()
    """How it went, where it went on for a while."""


@dataclass(frozen=True, slots=True)
class BothSides:
    """A text of each side."""

    left: str
    right: str


@dataclass(frozen=True, slots=True)
class BothCounts:
    """A count of each side."""

    left: int = 0
    right: int = 0


@dataclass(frozen=True, slots=True)
class ShownColumn:
    """A column of the plan in words."""

    name: str
    type: str
    equality: str


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """What was compared, and how."""

    key: tuple[ShownColumn, ...]
    """Empty: the sides are bags of rows."""
    columns: tuple[ShownColumn, ...]
    time_column: str | None = None
    ignored: tuple[str, ...] = ()
    grace_ms: int = 0


@dataclass(frozen=True, slots=True)
class ShownDifference:
    """A difference; `left` and `right` are the values of the column, or the columns of the row that one side lacks."""

    kind: Kind
    key: Mapping[str, Any]
    cause: str
    """The words of a `Cause`; later versions may know more."""
    column: str | None = None
    left: Any = None
    right: Any = None
    time: Any = None
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class ShownBin:
    """The rows of a stretch of event time, which begins at an ISO 8601 time."""

    begins: str
    seconds: int
    rows: int
    different: int


@dataclass(frozen=True, slots=True)
class SinkReport:
    """One output of the job."""

    name: str
    sides: BothSides
    verdict: Verdict
    counts: Counts
    plan: ShownPlan
    coverage: Coverage
    causes: Mapping[str, int]
    """Differences by cause, the most frequent first."""
    segments: tuple[Segment, ...] = ()
    differences: tuple[ShownDifference, ...] = ()
    differences_left_out: int = 0
    """Of those that were examined, how many more than are listed."""
    pending: int = 0
    pending_rows: tuple[Mapping[str, Any], ...] = ()
    warm_up: int = 0
    waived: int = 0
    churn: BothCounts = BothCounts()
    unmatched: BothCounts = BothCounts()
    performance: Performance | None = None
    subtracted: Subtracted | None = None
    """What the control took off; None without a control."""
    over_time: tuple[ShownBin, ...] = ()
    course: tuple[Moment, ...] = ()


@dataclass(frozen=True, slots=True)
class Overall:
    """The verdict over all sinks: that of the worst."""

    decision: Decision
    reasons: tuple[str, ...]
    """Of the sinks that have it; with their names where there are several sinks."""


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """A whole comparison: one or more sinks of a job."""

    sinks: tuple[SinkReport, ...]
    verdict: Overall
    job: str | None = None
    began: str | None = None
    """When the comparison began and ended, RFC 3339; None where nobody said."""
    ended: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        """The verdict in a sentence."""
        return f"{self.verdict.decision.value}: {'; '.join(self.verdict.reasons)}"

    @property
    def exit_code(self) -> ExitCode:
        """What the verdict tells the shell."""
        return self.verdict.decision.exit_code


def report_of(
    sinks: Sequence[SinkResult],
    *,
    job: str | None = None,
    began: datetime | None = None,
    ended: datetime | None = None,
) -> ShadowReport:
    """The report of these results, in their order; `began` and `ended` are aware times."""
    reports = tuple(_sink(one) for one in sinks)
    return ShadowReport(reports, overall(reports), job, _moment(began), _moment(ended), versions())


def overall(sinks: Sequence[SinkReport]) -> Overall:
    """The worst verdict. Without sinks nothing was compared, which is inconclusive."""
    if not sinks:
        return Overall(Decision.INCONCLUSIVE, ("there is no sink to compare",))
    worst = max((sink.verdict.decision for sink in sinks), key=_GRAVITY.index)
    reasons = [
        f"{sink.name}: {reason}" if len(sinks) > 1 else reason
        for sink in sinks
        if sink.verdict.decision is worst
        for reason in sink.verdict.reasons
    ]
    return Overall(worst, tuple(reasons))


def _sink(one: SinkResult) -> SinkReport:
    result = one.result
    shown = result.differences[:MAX_DIFFERENCES]
    by_number = sorted(result.causes.items(), key=lambda found: (-found[1], found[0]))
    return SinkReport(
        name=one.name,
        sides=BothSides(one.left, one.right),
        verdict=result.verdict,
        counts=result.counts,
        plan=_plan(result.plan),
        coverage=result.coverage,
        causes={cause.value: number for cause, number in by_number},
        segments=result.segments,
        differences=tuple(_difference(difference) for difference in shown),
        differences_left_out=len(result.differences) - len(shown),
        pending=result.pending,
        pending_rows=tuple(_values(row) for row in result.pending_rows[:MAX_PENDING_ROWS]),
        warm_up=result.warm_up,
        waived=result.waived,
        churn=_both(result.churn),
        unmatched=_both(result.unmatched),
        performance=result.performance,
        subtracted=result.subtracted,
        over_time=tuple(_bin(one) for one in result.over_time),
        course=one.course,
    )


def _plan(plan: ComparisonPlan) -> ShownPlan:
    columns = [tuple(_column(column) for column in part) for part in (plan.key, plan.columns)]
    return ShownPlan(columns[0], columns[1], plan.time_column, plan.ignored, plan.grace_ms)


def _column(column: PlanColumn) -> ShownColumn:
    return ShownColumn(column.name, str(column.type), str(column.equality))


def _difference(difference: Difference) -> ShownDifference:
    return ShownDifference(
        kind=difference.kind,
        key=_values(difference.key),
        cause=difference.cause.value,
        column=difference.column,
        left=_value(difference.left),
        right=_value(difference.right),
        time=_value(difference.time),
        evidence=difference.evidence,
    )


def _bin(one: TimeBin) -> ShownBin:
    return ShownBin(one.begins.isoformat(), one.seconds, one.rows, one.different)


def _values(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in row.items()}


def _value(value: Any) -> Any:
    """As JSON; times without zeros that say nothing."""
    match value:
        case datetime() | time():
            text = value.isoformat()
            return _ZEROS.sub(r"\1", text) if value.microsecond else text
        case Mapping():
            return {str(name): _value(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_value(inner) for inner in value]
        case _:
            return json_value(value)


def _both(by_side: Mapping[Side, int]) -> BothCounts:
    return BothCounts(by_side.get(Side.LEFT, 0), by_side.get(Side.RIGHT, 0))


def _moment(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

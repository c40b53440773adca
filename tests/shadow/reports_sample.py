"""Results of comparisons for the tests of reports: one with everything in it, an equal one, one with hostile texts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from velo_engine.types import BIGINT, STRING, decimal, timestamp
from velo_shadow.model import (
    Cause,
    ColumnEquality,
    ComparisonPlan,
    ComparisonResult,
    Counts,
    Coverage,
    Decision,
    Difference,
    Kind,
    Performance,
    PlanColumn,
    Rule,
    Segment,
    Side,
    SidePerformance,
    Subtracted,
    TimeBin,
    Verdict,
)
from velo_shadow.reports.document import Moment, ShadowReport, SinkResult, report_of

NOON = datetime(2026, 1, 1, 12)
EXACT = ColumnEquality()
PLAN = ComparisonPlan(
    key=(PlanColumn("order_id", BIGINT, EXACT),),
    columns=(
        PlanColumn("amount", decimal(12, 4), ColumnEquality(Rule.ABS, Decimal("0.001"))),
        PlanColumn("currency", STRING, EXACT),
        PlanColumn("ts", timestamp(3), EXACT),
    ),
    time_column="ts",
    ignored=("written_at",),
    grace_ms=5000,
)


def difference(number: int, column: str | None = "amount", **more) -> Difference:
    """A difference of the row `order_id` = number, by default in amount and rounded."""
    usual = {
        "kind": Kind.VALUE,
        "left": Decimal("20.0050"),
        "right": Decimal("20.0100"),
        "cause": Cause.DECIMAL_ROUNDING,
        "evidence": "the right is rounded (half up) to 2 digits after the point",
    }
    return Difference(key={"order_id": number}, column=column, time=NOON, **{**usual, **more})


MISSING = difference(
    7, None, kind=Kind.MISSING, left={"amount": Decimal(1), "currency": "", "ts": NOON}, right=None,
    cause=Cause.LATE_ON_ONE_SIDE, evidence="3 s behind the watermark of the right",
)  # fmt: skip
EXTRA = difference(
    8, None, kind=Kind.EXTRA, left=None, right={"amount": None, "currency": "EUR", "ts": NOON},
    cause=Cause.UNKNOWN, evidence="",
)  # fmt: skip

DIFFERENT = ComparisonResult(
    plan=PLAN,
    counts=Counts(
        left=1_234_567, right=1_234_570, matched=1_234_401, differing=164, missing=1, extra=1, left_copies=1,
        right_copies=4, by_column={"amount": 164},
    ),
    differences=(*(difference(number) for number in range(1, 4)), MISSING, EXTRA),
    causes={Cause.UNKNOWN: 1, Cause.LATE_ON_ONE_SIDE: 1, Cause.DECIMAL_ROUNDING: 164},
    segments=(Segment("currency", "EUR", 160, 200_000), Segment("hour of ts", "2026-01-01 12:00:00", 166, 50_000)),
    coverage=Coverage(columns=4, columns_ignored=1, left=0.9999992, right=0.9999992),
    verdict=Verdict(
        Decision.NOT_SAFE,
        ("164 rows with other values", "1 missing on the right", "1 only on the right", "2 of them waived"),
        compared=1_234_567,
        unexplained=164,
        bound=0.000153,
    ),
    pending=12,
    warm_up=40,
    waived=2,
    pending_rows=({"side": "left", "order_id": 9}, {"side": "right", "order_id": 10}),
    churn={Side.LEFT: 10, Side.RIGHT: 2_000},
    unmatched={Side.RIGHT: 3},
    performance=Performance(
        left=SidePerformance(45.0, 38.5, 90.25, 120.0, 14_000.0, 2_100_000_000, 2.4),
        right=SidePerformance(12.0, 10.0, 22.0, 28.0, 14_100.0, 256_000_000, None),
    ),
    subtracted=Subtracted(5, 1, 2, {"amount": 4, "run_id": 50}, ("run_id",)),
    over_time=tuple(
        TimeBin(NOON + timedelta(hours=hour), 3600, 50_000 + 7_000 * (hour % 5), 166 if hour == 3 else 0)
        for hour in range(24)
    ),
)  # fmt: skip
"""Everything that a result can hold."""

EQUAL = ComparisonResult(
    plan=ComparisonPlan(columns=PLAN.columns),
    counts=Counts(left=40, right=40, matched=40, differing=0, missing=0, extra=0),
    differences=(),
    causes={},
    segments=(),
    coverage=Coverage(3, 0, 1.0, 1.0),
    verdict=Verdict(Decision.SAFE, ("40 compared, none differs",), 40, 0, 0.0722, needed=2955),
    performance=Performance(right=SidePerformance(rows_per_second=5.0)),
)

NOTHING = ComparisonResult(
    plan=PLAN,
    counts=Counts(left=40, right=0, matched=0, differing=0, missing=40, extra=0),
    differences=(),
    causes={},
    segments=(),
    coverage=Coverage(4, 1, 0.0, 0.0),
    verdict=Verdict(Decision.INCONCLUSIVE, ("no rows on the right side: nothing to compare",), 40, 40, 1.0),
)
"""A side was empty."""

COURSE = tuple(
    Moment(10.0 * i, 12_345 * i, 12_300 * i, 12_000 * i, i // 4, 900 - 5 * i, 180_000_000 + 10_000 * i)
    for i in range(1, 13)
)
BEGAN = datetime(2026, 1, 2, tzinfo=UTC)

FULL = SinkResult("totals", "kafka://flink-totals", "kafka://velo-totals", DIFFERENT, COURSE)
SAFE = SinkResult("raw", "flink.csv", "velo.csv", EQUAL)
EMPTY = SinkResult("alerts", "flink.csv", "velo.csv", NOTHING)


def report(*sinks: SinkResult) -> ShadowReport:
    """A report of these sinks, by default of one with everything in it."""
    return report_of(sinks or (FULL,), job="totals", began=BEGAN, ended=BEGAN + timedelta(hours=24))


HOSTILE_TEXT = "</script><b>@everyone</b> `x` |cell| [a](http://x) password=hunter2 \x1b[31m\u202e #1 \ud800"


def hostile(text: str) -> ShadowReport:
    """A report in which every text of others is `text`."""
    column = PlanColumn(text, STRING, EXACT)
    rows = (
        Difference(Kind.VALUE, {text: text}, text, text, "other", text, {}, Cause.UNKNOWN, text),
        Difference(Kind.MISSING, {text: text}, None, {text: text}, None, text, {}, Cause.TYPE_CHANGE, text),
    )
    result = ComparisonResult(
        plan=ComparisonPlan((column,), (column,), text, (text,)),
        counts=Counts(9, 9, 7, 1, 1, 0, by_column={text: 1}),
        differences=rows,
        causes={Cause.UNKNOWN: 1, Cause.TYPE_CHANGE: 1},
        segments=(Segment(text, text, 2, 3),),
        coverage=Coverage(2, 1, 0.9, 0.9),
        verdict=Verdict(Decision.NOT_SAFE, (text,), 9, 2, 0.5),
        pending=1,
        pending_rows=({"side": "left", text: text},),
    )
    sinks = [SinkResult(text, text, text, result), SinkResult("second", text, text, result)]
    return report_of(sinks, job=text)

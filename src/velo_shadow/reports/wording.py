"""The sentences that all formats have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from velo_harness.reports.shown_values import text_of
from velo_shadow.diff import MAX_DIFFERENCES
from velo_shadow.model import Decision, Kind, Performance
from velo_shadow.reports.document import ShadowReport, ShownDifference, SinkReport
from velo_shadow.reports.performance_rows import performance_rows
from velo_shadow.verdict import CONFIDENCE

PENDING = "pending"
_SECONDS = ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))


def key_text(key: Mapping[str, Any], *, names: bool = True) -> str:
    """The key of a row in a line, with the names of its columns or without."""
    parts = [f"{name}={text_of(value)}" if names else text_of(value) for name, value in key.items()]
    return ", ".join(parts) or "(no key)"


def value_texts(difference: ShownDifference) -> tuple[str, str]:
    """The values of both sides. What a side lacks is blank; a text that reads as the other side's number is quoted."""
    if difference.column is None:
        return _row_text(difference.left), _row_text(difference.right)
    texts = [text_of(difference.left), text_of(difference.right)]
    if texts[0] == texts[1]:
        values = (difference.left, difference.right)
        texts = [f'"{text}"' if isinstance(value, str) else text for text, value in zip(texts, values, strict=True)]
    return texts[0], texts[1]


def _row_text(row: Any) -> str:
    return ", ".join(text_of(value) for value in row.values()) if isinstance(row, Mapping) else ""


def difference_line(difference: ShownDifference) -> str:
    """A difference in a line."""
    key = key_text(difference.key)
    if difference.kind is Kind.MISSING:
        return f"{key}: only left"
    if difference.kind is Kind.EXTRA:
        return f"{key}: only right"
    left, right = value_texts(difference)
    return f"{key}: {difference.column} is {left} on the left, {right} on the right"


def examples(sink: SinkReport) -> dict[str, ShownDifference]:
    """The first difference of each cause that is among those listed."""
    found: dict[str, ShownDifference] = {}
    for one in sink.differences:
        found.setdefault(one.cause, one)
    return found


def matched_text(sink: SinkReport) -> str:
    """What became of the rows."""
    counts = sink.counts
    return (
        f"{counts.matched:,} equal, {counts.differing:,} with other values, {counts.missing:,} only left, "
        f"{counts.extra:,} only right"
    )


def plan_text(sink: SinkReport) -> str:
    """By what rows were paired, and where equal is not exact."""
    plan = sink.plan
    by = f"by {', '.join(column.name for column in plan.key)}" if plan.key else "as bags of rows (no key)"
    special = [f"{column.name}: {column.equality}" for column in plan.columns if column.equality != "exact"]
    ignored = [f"ignored: {', '.join(plan.ignored)}"] if plan.ignored else []
    return "; ".join([f"compared {by}", *special, *ignored])


def left_alone(sink: SinkReport) -> Iterator[tuple[str, str]]:
    """What was seen and is no difference: its name, and a sentence."""
    counts = sink.counts
    if counts.left_copies or counts.right_copies:
        yield "delivered again, identical", f"{counts.left_copies:,} left, {counts.right_copies:,} right"
    if sink.churn.left or sink.churn.right:
        yield "intermediate changes", f"{sink.churn.left:,} left, {sink.churn.right:,} right"
    if sink.pending:
        yield PENDING, f"{sink.pending:,} that a side has not passed yet"
    if sink.warm_up:
        yield "warm-up", f"{sink.warm_up:,} whose input began before the comparison did"
    if sink.waived:
        yield "waived", rows_text(sink.waived)
    if sink.subtracted is not None:
        yield "subtracted by the control", rows_text(sink.subtracted.rows)
        if sink.subtracted.ignorable:
            yield "ignored by the control", ", ".join(sink.subtracted.ignorable)
    if sink.unmatched.left or sink.unmatched.right:
        yield "taken back, but never added", f"{sink.unmatched.left:,} left, {sink.unmatched.right:,} right"


def rows_text(rows: int) -> str:
    """So many rows."""
    return f"{rows:,} row{'s' * (rows != 1)}"


def coverage_text(sink: SinkReport) -> str:
    """How much was compared."""
    coverage = sink.coverage
    columns = f"{coverage.columns} column{'s' * (coverage.columns != 1)} compared"
    if coverage.columns_ignored:
        columns += f", {coverage.columns_ignored} ignored"
    left, right = share_text(coverage.left), share_text(coverage.right)
    return f"{left} of the left's rows and {right} of the right's found a partner; {columns}"


def pending_text(sink: SinkReport, most: int = 3) -> str:
    """The first rows that are pending, and how many more."""
    rows = [
        f"{key_text({name: value for name, value in row.items() if name != 'side'})} ({row.get('side', '')})"
        for row in sink.pending_rows[:most]
    ]
    more = sink.pending - len(rows)
    return "; ".join(rows) + (f"; and {more:,} more" if more > 0 else "")


def share_text(share: float) -> str:
    """A share between 0 and 1 as a percentage that says 100 % (or 0 %) only when it is."""
    percent = share * 100
    if percent in (0, 100):
        return f"{percent:.0f} %"
    for digits in (2, 4, 6):
        text = f"{percent:.{digits}f}"
        if float(text) not in (0, 100):
            return f"{text} %"
    return "over 99.999999 %" if share > 0.5 else "under 0.000001 %"


def bound_text(sink: SinkReport) -> str | None:
    """How sure the rows make one; None when they say nothing."""
    if percent_text(sink.verdict.bound) == "100 %":
        return None
    return f"at most {percent_text(sink.verdict.bound)} of rows differ (95 % confidence)"


def needed_text(sink: SinkReport) -> str | None:
    """How long to go on for the bound asked for, the rule of three; None when it is reached, or differences block."""
    needed = sink.verdict.needed
    if not needed:
        return None
    reached = 1 - (1 - CONFIDENCE) ** (1 / (sink.verdict.compared + needed))
    text = f"{needed:,} more equal rows would bring that to {percent_text(reached)}"
    performance = sink.performance
    rates = [] if performance is None else [performance.left.rows_per_second, performance.right.rows_per_second]
    known = [rate for rate in rates if rate]
    return f"{text}: about {seconds_text(needed / min(known))} at this speed" if known else text


def seconds_text(seconds: float) -> str:
    """A time for people who wait."""
    for size, unit in _SECONDS:
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{max(seconds, 1):.0f} s"


def examined_text(sink: SinkReport) -> str | None:
    """What causes are about, where more rows differ than are examined."""
    rows = sink.counts.differing + sink.counts.missing + sink.counts.extra
    if rows <= MAX_DIFFERENCES:
        return None
    return f"causes of the first {MAX_DIFFERENCES:,} of {rows:,} differing rows, in order of the key:"


def percent_text(rate: float) -> str:
    """A small rate as a percentage."""
    return f"{Decimal(f'{rate * 100:.2g}'):f} %" if rate < 0.1 else f"{rate * 100:.0f} %"


def duration_of(report: ShadowReport) -> timedelta | None:
    """How long the comparison went on; None where the report does not say."""
    if report.began is None or report.ended is None:
        return None
    return datetime.fromisoformat(report.ended) - datetime.fromisoformat(report.began)


def when_text(report: ShadowReport) -> str:
    """When the comparison was, for how long, and by which version."""
    parts = []
    if report.began is not None:
        parts.append(f"began {report.began}")
    lasted = duration_of(report)
    if lasted is not None:
        parts.append(f"ran for {seconds_text(lasted.total_seconds())}")
    return " · ".join([*parts, f"velostream {report.versions.get('velostream', '')}".strip()])


def advice_text(report: ShadowReport) -> str:
    """What to do, with what the switch would bring where that is known."""
    match report.verdict.decision:
        case Decision.NOT_SAFE:
            return "Do not switch: what differs must be mended, or accepted by a waiver."
        case Decision.INCONCLUSIVE:
            return "Do not switch yet: too little is known."
    gains = [gain for sink in report.sinks[:1] if sink.performance is not None for gain in _gains(sink.performance)]
    return f"Safe to switch{': ' if gains else ''}{', '.join(gains)}."


def _gains(performance: Performance) -> Iterator[str]:
    for row in performance_rows(performance):
        if row.name in _TOLD and row.remark:
            yield f"{row.remark}{_TOLD[row.name]}"


_TOLD = {"latency, average": " on average", "latency, p99": " at p99", "memory": " memory", "CPU": " CPU"}

"""The report as Markdown for a pull request, deaf to texts of others as `velo_harness.reports.markdown` is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from velo_harness.reports.markdown import code, folded, joined
from velo_shadow.model import Decision
from velo_shadow.reports.document import ShadowReport, SinkReport
from velo_shadow.reports.performance_rows import performance_rows
from velo_shadow.reports.wording import (
    advice_text,
    bound_text,
    coverage_text,
    difference_line,
    examined_text,
    examples,
    key_text,
    left_alone,
    matched_text,
    needed_text,
    plan_text,
    rows_text,
    value_texts,
    when_text,
)

SHOWN_SINKS = 60
SHOWN_DIFFERENCES = 20
_SIGNS = {Decision.SAFE: "✅", Decision.NOT_SAFE: "❌", Decision.INCONCLUSIVE: "⚠️"}


def shadow_markdown(report: ShadowReport) -> str:
    """The report as Markdown, not longer than a comment may be."""
    decision = report.verdict.decision
    job = f" — {code(report.job)}" if report.job else ""
    head = [f"### {_SIGNS[decision]} velo shadow: {decision.value}{job}", ""]
    head += [f"- {code(reason)}" for reason in report.verdict.reasons]
    head += ["", advice_text(report), "", *_sinks(report.sinks), "", code(when_text(report))]
    details = [detail for sink in report.sinks for detail in _details(sink, several=len(report.sinks) > 1)]
    return joined(head, details)


def _sinks(sinks: Sequence[SinkReport]) -> Iterator[str]:
    yield "| | sink | compared | equal | other values | only left | only right | pending | sure |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|---|"
    for sink in sinks[:SHOWN_SINKS]:
        counts = sink.counts
        numbers = (sink.verdict.compared, counts.matched, counts.differing, counts.missing, counts.extra, sink.pending)
        shown = " | ".join(f"{number:,}" for number in numbers)
        yield f"| {_SIGNS[sink.verdict.decision]} | {code(sink.name)} | {shown} | {bound_text(sink) or ''} |"
    if len(sinks) > SHOWN_SINKS:
        yield f"| | and {len(sinks) - SHOWN_SINKS} more | | | | | | | |"


def _details(sink: SinkReport, *, several: bool) -> Iterator[str]:
    of = f" of {code(sink.name)}" if several else ""
    if sink.causes:
        yield folded(f"Why{of}: {_causes(sink)}", "\n".join(_why(sink)))
    if sink.differences:
        total = len(sink.differences) + sink.differences_left_out
        shown = sink.differences[:SHOWN_DIFFERENCES]
        rows = [
            {
                "key": key_text(one.key, names=False),
                "column": one.column or one.kind.value,
                "left": left,
                "right": right,
                "cause": one.cause,
            }
            for one in shown
            for left, right in [value_texts(one)]
        ]
        lines = _plain_table(rows) + ([f"and {total - len(shown):,} more"] if total > len(shown) else [])
        yield folded(f"Differences{of}", "\n".join(lines))
    if sink.performance is not None:
        figures = [
            {"": row.name, "left": row.left, "right": row.right, "right is": row.remark}
            for row in performance_rows(sink.performance)
        ]
        yield folded(f"Performance{of}", "\n".join(_plain_table(figures)))
    yield folded(f"What was compared{of}", "\n".join(_how(sink)))


def _causes(sink: SinkReport) -> str:
    return ", ".join(f"{number:,} x {code(cause)}" for cause, number in sink.causes.items())


def _why(sink: SinkReport) -> Iterator[str]:
    shown = examples(sink)
    if (of_which := examined_text(sink)) is not None:
        yield of_which
    for cause, number in sink.causes.items():
        yield f"{number:,} x {cause}"
        if cause in shown:
            yield f"    {difference_line(shown[cause])}"
            if shown[cause].evidence:
                yield f"    {shown[cause].evidence}"
    for segment in sink.segments:
        yield f"{segment.differences:,} of the differences where {segment.dimension} is {segment.value}"


def _how(sink: SinkReport) -> Iterator[str]:
    yield f"left: {sink.sides.left}: {rows_text(sink.counts.left)}"
    yield f"right: {sink.sides.right}: {rows_text(sink.counts.right)}"
    yield matched_text(sink)
    yield plan_text(sink)
    yield coverage_text(sink)
    yield from (text for text in (bound_text(sink), needed_text(sink)) if text is not None)
    for name, text in left_alone(sink):
        yield f"{name}: {text}"


def _plain_table(rows: Sequence[dict[str, str]]) -> list[str]:
    """Texts, which are to be shown as they are, as an aligned table."""
    names = list(rows[0])
    cells = [names, *([row[name] for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]

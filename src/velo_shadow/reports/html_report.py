"""The report as one HTML page, in the manner and under the policy of `velo_harness.reports.html`."""

from __future__ import annotations

from velo_harness.reports.html import page
from velo_shadow.model import Decision
from velo_shadow.reports import wording
from velo_shadow.reports.document import ShadowReport, SinkReport
from velo_shadow.reports.json_report import document
from velo_shadow.reports.performance_rows import performance_rows
from velo_shadow.reports.plots import CourseFigure, course_figures, latency_svg, over_time_svg

SHOWN_DIFFERENCES = 200
_TILE_KINDS = {Decision.SAFE: "passed", Decision.NOT_SAFE: "failed", Decision.INCONCLUSIVE: "error"}


def shadow_html(report: ShadowReport) -> str:
    """The report as an HTML document."""
    return page(
        "shadow.html",
        document=document(report),
        package=__package__ or "velo_shadow.reports",
        report=report,
        when=wording.when_text(report),
        tiles=_tiles(report),
        words=wording,
        css=lambda name: name.replace(" ", "-"),
        number=lambda value: f"{value:,}",
        most=lambda counts: max(counts.values(), default=0),
        parts_of=_parts,
        certainty=lambda sink: [text for text in (wording.bound_text(sink), wording.needed_text(sink)) if text],
        left_alone=lambda sink: list(wording.left_alone(sink)),
        figures=_figures,
        performance_rows=performance_rows,
        shown_differences=SHOWN_DIFFERENCES,
    )


def _tiles(report: ShadowReport) -> list[tuple[str, str, str]]:
    """The totals of all sinks: name, number, class."""
    different = sum(sink.counts.different for sink in report.sinks)
    pending = sum(sink.pending for sink in report.sinks)
    blocking = sum(sink.verdict.unexplained for sink in report.sinks)
    tiles = [
        ("compared", f"{sum(sink.verdict.compared for sink in report.sinks):,}", ""),
        ("equal", f"{sum(sink.counts.matched for sink in report.sinks):,}", "passed"),
        ("different", f"{different:,}", "failed" if different else "none"),
        ("that block", f"{blocking:,}", "failed" if blocking else "none"),
        ("pending", f"{pending:,}", "error" if pending else "none"),
    ]
    if len(report.sinks) == 1 and report.sinks[0].verdict.compared:
        tiles.append(("may differ at most", wording.percent_text(report.sinks[0].verdict.bound), ""))
    return tiles


def _parts(sink: SinkReport) -> list[tuple[str, int]]:
    """What became of the rows, as parts of a bar."""
    counts = sink.counts
    return [
        ("equal", counts.matched),
        ("other values", counts.differing),
        ("only left", counts.missing),
        ("only right", counts.extra),
        ("pending", sink.pending),
    ]


def _figures(sink: SinkReport) -> list[CourseFigure]:
    figures = []
    if sink.over_time:
        figures.append(CourseFigure("rows (up), differences (down) by event time", over_time_svg(sink.over_time)))
    latencies = None if sink.performance is None else latency_svg(sink.performance)
    if latencies is not None:
        figures.append(CourseFigure("latency: from event time to the written record", latencies))
    return [*figures, *course_figures(sink.course)]

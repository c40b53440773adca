"""The report written in each of its forms; the modules of a form are imported when it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from velo_shadow.reports.document import ShadowReport
from velo_shadow.reports.forms import ReportFormat

_TEXT_WIDTH = 160


def report_text(report: ShadowReport, form: ReportFormat) -> str:
    """The report in a form."""
    return _WRITERS[form](report)


def _text(report: ShadowReport) -> str:
    from io import StringIO

    from rich.console import Console

    from velo_shadow.reports.console import print_report

    written = StringIO()
    print_report(report, Console(file=written, width=_TEXT_WIDTH, color_system=None))
    return written.getvalue()


def _json(report: ShadowReport) -> str:
    from velo_shadow.reports.json_report import shadow_json

    return shadow_json(report)


def _html(report: ShadowReport) -> str:
    from velo_shadow.reports.html_report import shadow_html

    return shadow_html(report)


def _markdown(report: ShadowReport) -> str:
    from velo_shadow.reports.markdown_report import shadow_markdown

    return shadow_markdown(report)


def _junit(report: ShadowReport) -> str:
    from velo_shadow.reports.junit_report import shadow_junit

    return shadow_junit(report)


_WRITERS: Mapping[ReportFormat, Callable[[ShadowReport], str]] = {
    ReportFormat.TEXT: _text,
    ReportFormat.JSON: _json,
    ReportFormat.HTML: _html,
    ReportFormat.MD: _markdown,
    ReportFormat.JUNIT: _junit,
}

"""The report as one HTML file: nothing is loaded from elsewhere, and nothing in it can run but our own script.

Every text goes through `shown` (secrets masked, control characters written out), then through jinja2's autoescape. The
page's policy allows the one style sheet and the one script by their hashes, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import BaseLoader, DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from velo_harness.coverage.points import CoverPoint
from velo_harness.coverage.report import annotated_text, by_file, percent_text
from velo_harness.reports import plots
from velo_harness.reports.json_report import json_text, report
from velo_harness.reports.sections import sections
from velo_harness.reports.shown_values import printable_lines, text_of
from velo_harness.reports.text import SHOWN_TEXT, left_out, numbers_text, query_facts, totals_text
from velo_harness.result import Change, Outcome, QueryResult, RunResult, Trend, versions

OWN_PACKAGE = "velo_harness.reports"
SHOWN_CELL = 400
"""Characters of one value in a table."""
SHOWN_LINES = 15
"""Lines of a table of queries."""


def run_html(run: RunResult) -> str:
    """The report as an HTML document."""
    rated = [(q, rate) for q in run.queries if (rate := read_rate(q)) is not None]
    specs = dict.fromkeys(q.spec_file for q in run.queries)
    rated.sort(key=lambda pair: -pair[0].execution_ms)
    return page(
        "report.html",
        document=report(run),
        run=run,
        totals=totals_text(run),
        verdict=_verdict(run),
        versions=versions(),
        counts=[(o.value, run.count(o)) for o in Outcome] + [("not loaded", len(run.file_errors))],
        records_read=sum(q.numbers.read for q in run.queries if q.numbers is not None),
        throughput=rated,
        fastest=max((rate for _, rate in rated[:SHOWN_LINES]), default=0.0),
        files=[(file, [q for q in run.queries if q.spec_file == file]) for file in specs],
        numbers={q.item: number for number, q in enumerate(run.queries)},
        coverage=[
            (file, percent_text(points), list(_annotated(points))) for file, points in by_file(run.coverage).items()
        ],
        covered=percent_text(run.coverage),
    )


def page(template: str, document: Mapping[str, Any], *, package: str = OWN_PACKAGE, **values: Any) -> str:
    """A page of `template`, which holds `document` as JSON too.

    The template is in the folder `page` of `package`, whose `style.css` is added to ours; it may import `parts.html`.
    """
    style, script = _resource("style.css"), _resource("script.js")
    if package != OWN_PACKAGE:
        style += _resource("style.css", package)
    allowed = f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    values |= {
        "style": _ours(style),
        "script": _ours(script),
        "policy": f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'",
        "document": script_json(document),
        "shown": SHOWN_LINES,
    }
    made = _environment(package).get_template(template).render(values)
    return made.encode("utf-8", "replace").decode("utf-8").strip() + "\n"


def script_json(document: Mapping[str, Any]) -> Markup:
    """A document as JSON that no text in it can leave: what could end or open a tag is escaped."""
    text = json_text(document, indent=None)
    return _ours(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


MEASURABLE_RECORDS = 100
"""Of fewer records the time says nothing about throughput."""


def read_rate(query: QueryResult) -> float | None:
    """Records a second that a query read, by the time of its own operators; None where there are too few."""
    if query.numbers is None or query.numbers.read < MEASURABLE_RECORDS or query.execution_ms <= 0:
        return None
    return query.numbers.read / query.execution_ms * 1000


def shown(value: Any) -> Any:
    """A value as pages show it: text without secrets and control characters; markup of ours as it is."""
    if isinstance(value, Markup):
        return value
    return "" if value is None else printable_lines(str(value))


@cache
def _environment(package: str) -> Environment:
    pages = [one for name in (OWN_PACKAGE, package) for one in files(name).joinpath("page").iterdir()]
    loader: BaseLoader = DictLoader({one.name: one.read_text("utf-8") for one in pages if one.name.endswith(".html")})
    environment = Environment(
        loader=loader, autoescape=True, finalize=shown, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        amount=_amount,
        cell=lambda value: _cut(text_of(value), SHOWN_CELL),
        changed=_changed,
        columns=lambda rows: list(dict.fromkeys(name for row in rows for name in row)),
        cut=lambda text: _cut(text, SHOWN_TEXT),
        facts=_facts,
        factor=_factor,
        fates=_fates,
        left_out=left_out,
        numbers_text=numbers_text,
        plots=lambda query: list(_plots(query)),
        sections=sections,
    )
    environment.globals.update(share=plots.share_svg, meter=plots.meter_svg)
    return environment


def _resource(name: str, package: str = OWN_PACKAGE) -> str:
    return files(package).joinpath("page", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """The source expression by which a policy allows an inline text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _ours(text: str) -> Markup:
    return Markup(text)  # noqa: S704 - files of this package, and JSON with its angle brackets escaped


_MARKS = {">": "covered", "!": "partial", "-": "uncovered"}
"""The class of a line by the mark of `annotated_text`."""


def _annotated(points: Sequence[CoverPoint]) -> Iterator[tuple[str, str]]:
    """The lines of a file with their marks: class and text."""
    for line in annotated_text(points).splitlines()[2:]:
        missing = line.startswith("       |")
        yield ("partial" if missing else _MARKS.get(line[:1], "")), line


def _verdict(run: RunResult) -> str:
    if run.count(Outcome.FAILED):
        return "failed"
    return "error" if run.count(Outcome.ERROR) or run.file_errors else "passed"


def _facts(query: QueryResult) -> str:
    facts = query_facts(query) if query.outcome is not Outcome.SKIPPED else ""
    return f"{facts} · {query.duration_ms:,.0f} ms" if facts else ""


def _fates(query: QueryResult) -> list[tuple[str, int]]:
    n = query.numbers
    if n is None:
        return []
    return [("accepted", n.accepted), ("filtered", n.filtered), ("late", n.late), ("dead-lettered", n.dead_lettered)]


def _plots(query: QueryResult) -> Iterator[tuple[str, Markup]]:
    """Every plot of a query with its caption."""
    profile = query.profile
    if profile is None:
        return
    if len(profile.reading) > 1:
        yield "records read over time", plots.curve_svg(profile.reading, "records read over time")
    if profile.lateness_ms is not None:
        yield "how late rows were", plots.histogram_svg(profile.lateness_ms, "how late rows were", plots.duration)
    for column in profile.columns:
        if column.histogram is not None:
            nulls = f", {column.nulls:,} NULL" if column.nulls else ""
            mean = "" if column.mean is None else f", mean {plots.short(column.mean)}"
            yield (
                f"{column.name} ({column.type}{mean}{nulls})",
                plots.histogram_svg(column.histogram, column.name, plots.short),
            )


def _changed(trend: Trend) -> bool:
    parts: Sequence[Sequence[Any]] = (trend.newly_failing, trend.fixed, trend.added, trend.removed)
    return any((*parts, trend.slower, trend.faster, trend.rows_changed))


def _factor(change: Change) -> str:
    return f"x {change.after / change.before:.2g}" if change.before else ""


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:,.2g}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "…"

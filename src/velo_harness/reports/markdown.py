"""The report as Markdown for a pull request: a verdict, a table, and what failed folded away.

Text of others stands in `<code>` and `<pre>` only, with every character that Markdown or HTML could read escaped: so it
can neither format the page nor mention people or issues.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from velo_harness.kafka.providers import MEMORY
from velo_harness.reports.sections import sections
from velo_harness.reports.shown_values import printable, printable_lines, table_lines
from velo_harness.reports.text import check_text, query_text, totals_text
from velo_harness.result import Change, Outcome, QueryResult, RunResult, Trend

SHOWN_ROWS = 60
"""Lines of a table."""
SHOWN_CHARACTERS = 4_000
"""Of one folded text."""
LARGEST = 60_000
"""Characters of the whole: a comment on GitHub holds 65 536."""

_SIGNS = {Outcome.PASSED: "✅", Outcome.FAILED: "❌", Outcome.ERROR: "⚠️", Outcome.SKIPPED: "⏭️"}
_BAD = (Outcome.FAILED, Outcome.ERROR)
_READ = re.compile(r"""[^\w\s./,:;=+%?-]|(?<!\w)_|_(?!\w)|:(?=/)|(?<=www)\.""")
"""What Markdown, HTML and GitHub could read: all but letters, digits, quiet marks; `_` at the edge of a word; links."""


def run_markdown(run: RunResult) -> str:
    """The report as Markdown, not longer than a comment may be."""
    bad = run.count(Outcome.FAILED) or run.count(Outcome.ERROR) or run.file_errors
    place = "" if run.kafka == MEMORY else f", topics on Kafka ({code(run.kafka)})"
    head = [f"### {'❌' if bad else '✅'} velostream: {totals_text(replace(run, kafka=MEMORY))}{place}", ""]
    if run.trend is not None:
        head += [*trend_lines(run.trend), ""]
    noted = [q for q in run.queries if q.outcome is not Outcome.PASSED or q.warnings]
    passed = [q for q in run.queries if q.outcome is Outcome.PASSED and not q.warnings]
    head += query_table(sorted(noted, key=lambda q: q.outcome not in _BAD))
    details = [*_file_errors(run), *(_detail(q) for q in run.queries if q.outcome in _BAD or q.warnings)]
    if passed:
        table = "\n".join(query_table(passed))
        details.append(
            f"<details><summary>{_SIGNS[Outcome.PASSED]} {len(passed)} passed</summary>\n\n{table}\n\n</details>"
        )
    return joined(head, details)


def joined(head: Sequence[str], details: Iterable[str]) -> str:
    """A page, with as many details as fit into a comment."""
    parts, size = ["\n".join(head)], len("\n".join(head))
    waiting = list(details)
    for done, detail in enumerate(waiting):
        size += len(detail) + 2
        if size > LARGEST:
            parts.append(f"and {len(waiting) - done} more, in the full report")
            break
        parts.append(detail)
    return "\n\n".join(parts).encode("utf-8", "replace").decode("utf-8") + "\n"


def query_table(queries: Sequence[QueryResult]) -> list[str]:
    """A line a query."""
    if not queries:
        return []
    lines = ["| | query | checks | read | given out | time |", "|---|---|--:|--:|--:|--:|"]
    for q in queries[:SHOWN_ROWS]:
        read = f"{q.numbers.read:,}" if q.numbers is not None else ""
        rows = f"{q.output_rows:,}" if q.numbers is not None else ""
        sign = _SIGNS[q.outcome]
        lines.append(f"| {sign} | {code(q.item)} | {q.checks:,} | {read} | {rows} | {q.duration_ms:,.0f} ms |")
    if len(queries) > SHOWN_ROWS:
        lines.append(f"| | and {len(queries) - SHOWN_ROWS} more | | | | |")
    return lines


def trend_lines(trend: Trend) -> Iterator[str]:
    """What changed since an earlier run, as a list."""
    yield f"Since {code(trend.against)}:"
    yield ""
    before = len(trend.still_failing)
    groups = (
        ("newly failing", trend.newly_failing),
        ("fixed", trend.fixed),
        ("new", trend.added),
        ("gone", trend.removed),
    )
    said = [f"- **{len(items)} {name}:** {_capped([code(item) for item in items])}" for name, items in groups if items]
    changes = (
        ("slower", trend.slower, " ms"),
        ("faster", trend.faster, " ms"),
        ("rows changed", trend.rows_changed, ""),
    )
    for name, items, unit in changes:
        if items:
            said.append(f"- **{len(items)} {name}:** {_capped([_change(item, unit) for item in items])}")
    yield from said or ["- nothing changed" + (f", {before} still failing" if before else "")]


def _listed(name: str, texts: Sequence[str]) -> list[str]:
    return [f"- **{len(texts)} {name.replace('_', ' ')}:** {_capped(texts)}"] if texts else []


def folded(summary: str, text: str) -> str:
    """Text that a click shows; `summary` is Markdown of ours."""
    shown = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
    return f"<details><summary>{summary}</summary>\n\n{pre(shown)}\n\n</details>"


def code(text: str) -> str:
    """Text of others, in one line, as code that nothing reads."""
    shown = printable(printable_lines(text).replace("\n", " "))
    return f"<code>{_READ.sub(lambda found: f'&#{ord(found[0])};', shown)}</code>"


def pre(text: str) -> str:
    """Text of several lines as it stands."""
    return f"<pre>\n{_escaped(printable_lines(text))}\n</pre>"


def _escaped(text: str) -> str:
    """Text in `<pre>`: no markup, no empty line (which would end the block in some readers), no mention."""
    return re.sub(r"\n(?=\n)", "\n&#8203;", html.escape(text)).replace("@", "&#64;")


def _detail(q: QueryResult) -> str:
    """What failed in a query, or warned, folded."""
    lines = [query_text(q)] if q.outcome in _BAD else [check_text(warning) for warning in q.warnings]
    for section in sections(q):
        lines += ["", section.title, *section.lines, *_table(section.rows)]
    if q.late_rows:
        lines += ["", "late rows:", *_table(q.late_rows)]
    if q.dead_letters:
        lines += ["", "dead letters:", *q.dead_letters]
    kind = _SIGNS[q.outcome] if q.outcome in _BAD else "⚠️ warning"
    return folded(f"{kind} {code(q.query)} — {code(q.spec_file)}", "\n".join(lines))


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return table_lines(rows) if rows else []


def _file_errors(run: RunResult) -> Iterator[str]:
    for broken in run.file_errors:
        yield folded(f"⚠️ not loaded: {code(broken.file)}", str(broken.error))


def _change(change: Change, unit: str) -> str:
    return f"{code(change.item)} {change.before:,.0f} → {change.after:,.0f}{unit}"


def _capped(texts: Sequence[str]) -> str:
    more = len(texts) - SHOWN_NAMES
    return ", ".join(texts[:SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


SHOWN_NAMES = 10
"""Queries in one line."""

"""The report for people at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from velo_harness.reports.shown_values import printable_lines
from velo_shadow.model import Decision, Performance
from velo_shadow.reports.document import ShadowReport, ShownDifference, SinkReport
from velo_shadow.reports.performance_rows import MISSING, performance_rows
from velo_shadow.reports.wording import (
    PENDING,
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
    pending_text,
    percent_text,
    plan_text,
    rows_text,
    value_texts,
)

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod
    from rich.table import Table

SHOWN_DIFFERENCES = 10
_SHOWN_CHARACTERS = 40
_WRAPPED = ("left", "right")
"""Columns that give way on a narrow terminal."""
_STYLES = {Decision.SAFE: "bold green", Decision.NOT_SAFE: "bold red", Decision.INCONCLUSIVE: "bold yellow"}


def print_report(report: ShadowReport, console: Console) -> None:
    """Print what was found of each sink, and the verdict last: it is what stays on the screen."""
    from rich.text import Text

    several = len(report.sinks) > 1
    for sink in report.sinks:
        if several:
            console.print(Text(f"── {printable_lines(sink.name)} ──", style="bold"))
        _print_sink(sink, console)
        if several:
            console.print()
    if several:
        console.print(_sinks(report.sinks))
    decision = report.verdict.decision
    console.print(Text(decision.value, style=_STYLES[decision]))
    certain = [] if several else [line for sink in report.sinks for line in _certainty(sink)]
    for line in (*report.verdict.reasons, *certain, advice_text(report)):
        _say(console, f"  {line}")


def _print_sink(sink: SinkReport, console: Console) -> None:
    _say(console, f"left   {sink.sides.left}: {rows_text(sink.counts.left)}")
    _say(console, f"right  {sink.sides.right}: {rows_text(sink.counts.right)}")
    for line in (matched_text(sink), plan_text(sink), coverage_text(sink)):
        _say(console, line)
    for name, text in left_alone(sink):
        _say(console, f"{name}: {text}")
        if name == PENDING and sink.pending_rows:
            _say(console, f"    {pending_text(sink)}", style="dim")
    shown = examples(sink)
    if (of_which := examined_text(sink)) is not None:
        _say(console, of_which)
    for cause, number in sink.causes.items():
        _say(console, f"{number:,} x {cause}")
        if cause in shown:
            _say(console, f"    {difference_line(shown[cause])}", style="dim")
            if shown[cause].evidence:
                _say(console, f"    {shown[cause].evidence}", style="dim")
    for segment in sink.segments:
        _say(console, f"{segment.differences:,} of the differences where {segment.dimension} is {segment.value}")
    if len(sink.differences) > len(shown):
        console.print(_differences(sink.differences[:SHOWN_DIFFERENCES]))
        more = len(sink.differences) + sink.differences_left_out - SHOWN_DIFFERENCES
        if more > 0:
            _say(console, f"and {more:,} more")
    if sink.performance is not None:
        console.print(_performance(sink.performance))


def _certainty(sink: SinkReport) -> Iterator[str]:
    for text in (bound_text(sink), needed_text(sink)):
        if text is not None:
            yield text


def _say(console: Console, text: str, style: str | None = None) -> None:
    """A line; what does not fit is the terminal's to wrap."""
    console.print(printable_lines(text), style=style, markup=False, highlight=False, soft_wrap=True)


def _differences(differences: Sequence[ShownDifference]) -> Table:
    cells = [
        (key_text(one.key, names=False), one.column or one.kind.value, *value_texts(one), one.cause)
        for one in differences
    ]
    return _table(("key", "column", "left", "right", "cause"), cells)


def _performance(performance: Performance) -> Table:
    rows = [(row.name, row.left, row.right, row.remark) for row in performance_rows(performance)]
    return _table(("performance", "left", "right", ""), rows, right=(1, 2))


def _sinks(sinks: Sequence[SinkReport]) -> Table:
    rows = [
        (
            sink.name,
            sink.verdict.decision.value,
            f"{sink.verdict.compared:,}",
            f"{sink.counts.different:,}",
            "" if bound_text(sink) is None else percent_text(sink.verdict.bound),
        )
        for sink in sinks
    ]
    return _table(("sink", "verdict", "compared", "different", "at most differ (95 %)"), rows, right=(2, 3, 4))


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> Table:
    """A table without lines; the columns numbered in `right` are aligned at that side."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, heading in enumerate(headings):
        justify: JustifyMethod = "right" if number in right else "left"
        table.add_column(heading, justify=justify, no_wrap=heading not in _WRAPPED, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cut(printable_lines(cell)), style=_cell_style(cell)) for cell in row))
    return table


def _cell_style(cell: str) -> str:
    if cell == MISSING:
        return "dim"
    return next((style for decision, style in _STYLES.items() if cell == decision.value), "")


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"

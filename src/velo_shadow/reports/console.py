"""The result for people at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from velo_harness.reports.shown_values import printable, text_of
from velo_shadow.model import ComparisonResult, Decision, Difference

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SHOWN_DIFFERENCES = 20
_SHOWN_CHARACTERS = 40
_STYLE = {Decision.SAFE: "bold green", Decision.NOT_SAFE: "bold red", Decision.INCONCLUSIVE: "bold yellow"}


def print_result(result: ComparisonResult, console: Console, *, left: str, right: str) -> None:
    """Print verdict, counts, causes, segments and the first differences."""
    from rich.text import Text

    verdict, counts = result.verdict, result.counts
    console.print(f"left   {printable(left)}: {counts.left} rows", markup=False, highlight=False)
    console.print(f"right  {printable(right)}: {counts.right} rows", markup=False, highlight=False)
    lines = [_matched(result), _equalities(result)]
    if counts.left_copies or counts.right_copies:
        lines.append(f"delivered again, identical: {counts.left_copies} left, {counts.right_copies} right")
    lines += [f"{number} x {cause.value}" for cause, number in sorted(result.causes.items(), key=lambda c: -c[1])]
    lines += [f"{s.differences} of the differences where {s.dimension} is {s.value}" for s in result.segments]
    for line in lines:
        console.print(printable(line), markup=False, highlight=False)
    if result.differences:
        console.print(_table(result.differences[:SHOWN_DIFFERENCES]))
        left_out = len(result.differences) - SHOWN_DIFFERENCES
        if left_out > 0:
            console.print(f"and {left_out} more", highlight=False)
    console.print(Text(verdict.decision.value, style=_STYLE[verdict.decision]))
    for reason in verdict.reasons:
        console.print(f"  {printable(reason)}", markup=False, highlight=False)
    if verdict.compared:
        console.print(f"  at most {verdict.bound:.2g} of rows differ (95 %)", highlight=False)
    if verdict.needed:
        console.print(f"  {verdict.needed} more equal rows would bring that to the bound asked for", highlight=False)


def _matched(result: ComparisonResult) -> str:
    counts = result.counts
    return (
        f"{counts.matched} equal, {counts.differing} with other values, {counts.missing} only left, "
        f"{counts.extra} only right"
    )


def _equalities(result: ComparisonResult) -> str:
    plan = result.plan
    by = f"by {', '.join(plan.key_names)}" if plan.key else "as bags of rows (no key)"
    special = [f"{c.name}: {c.equality}" for c in plan.columns if str(c.equality) != "exact"]
    ignored = [f"ignored: {', '.join(plan.ignored)}"] if plan.ignored else []
    return "; ".join([f"compared {by}", *special, *ignored])


def _table(differences: tuple[Difference, ...]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold")
    for heading in ("key", "column", "left", "right", "cause"):
        table.add_column(heading)
    for one in differences:
        key = ", ".join(text_of(value) for value in one.key.values())
        row_missing = one.column is None
        cells = (
            key,
            one.column or one.kind.value,
            "" if row_missing and one.left is None else text_of(one.left),
            "" if row_missing and one.right is None else text_of(one.right),
            one.cause.value,
        )
        table.add_row(*(Text(_cut(cell)) for cell in cells))
    return table


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"

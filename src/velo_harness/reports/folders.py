"""A run summed up by the folders of its specs."""

from __future__ import annotations

from pathlib import PurePath

from velo_harness.reports.shown_values import printable
from velo_harness.result import Outcome, RunResult

_TITLES = ("FOLDER", "QUERIES", "PASSED", "FAILED", "ERRORS", "SKIPPED", "TIME")


def folders_text(result: RunResult) -> str:
    """One line a folder, in the order of their first specs, and one for all; a spec that does not load is an error."""
    counts: dict[str, dict[Outcome, int]] = {}
    times: dict[str, float] = {}
    broken: dict[str, int] = {}
    for query in result.queries:
        folder = _folder(query.spec_file)
        outcomes = counts.setdefault(folder, dict.fromkeys(Outcome, 0))
        outcomes[query.outcome] += 1
        times[folder] = times.get(folder, 0.0) + query.duration_ms
    for file in result.file_errors:
        folder = _folder(file.file)
        counts.setdefault(folder, dict.fromkeys(Outcome, 0))
        broken[folder] = broken.get(folder, 0) + 1
    rows = [_row(folder, counts[folder], broken.get(folder, 0), times.get(folder, 0.0)) for folder in counts]
    total = {outcome: sum(of[outcome] for of in counts.values()) for outcome in Outcome}
    if len(rows) > 1:
        rows.append(_row("all", total, sum(broken.values()), sum(times.values())))
    return _table([_TITLES, *rows])


def _folder(file: str) -> str:
    return printable(PurePath(file).parent.as_posix())


def _row(folder: str, counts: dict[Outcome, int], broken: int, time_ms: float) -> tuple[str, ...]:
    shown = (
        sum(counts.values()),
        counts[Outcome.PASSED],
        counts[Outcome.FAILED],
        counts[Outcome.ERROR] + broken,
        counts[Outcome.SKIPPED],
    )
    return (folder, *map(str, shown), f"{time_ms / 1000:.2f} s")


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)

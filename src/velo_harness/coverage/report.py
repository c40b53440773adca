"""Coverage for people: a summary with what is missing, and the text of each file with marks beside its lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from velo_harness.coverage.points import CoverPoint, merged, share
from velo_harness.reports.shown_values import printable_lines

SHOWN_TEXT = 70
"""Characters of a point's text."""


def by_file(points: Sequence[CoverPoint]) -> dict[str, list[CoverPoint]]:
    """The points of each file, in the order of the text."""
    files: dict[str, list[CoverPoint]] = {}
    for point in merged(points):
        files.setdefault(point.file, []).append(point)
    return files


def coverage_text(points: Sequence[CoverPoint], threshold: float | None = None) -> str:
    """What is covered of each file, and every outcome that no row had. `threshold` is in percent."""
    lines = ["SQL coverage"]
    for file, own in by_file(points).items():
        lines.append(f"  {file:<56} {percent_text(own):>8}  {_counts(own)}")
        lines += [f"    {line}" for line in _missing_lines(own)]
    lines.append(f"  {'all':<56} {percent_text(points):>8}  {_counts(merged(points))}")
    if threshold is not None and not reaches(points, threshold):
        lines.append(f"SQL coverage is below {threshold:g} %")
    return printable_lines("\n".join(lines))


def reaches(points: Sequence[CoverPoint], threshold: float) -> bool:
    """Whether at least `threshold` percent of all outcomes were seen; a run without any point reaches nothing."""
    found = share(merged(points))
    return found is not None and found * 100 >= threshold


def percent_text(points: Sequence[CoverPoint]) -> str:
    """The share of outcomes that were seen."""
    found = share(merged(points))
    return "-" if found is None else f"{found * 100:.1f} %"


def _counts(points: Sequence[CoverPoint]) -> str:
    counts = [count for point in points for count in point.seen.values()]
    return f"{sum(count > 0 for count in counts)} of {len(counts)} outcomes"


def _missing_lines(points: Sequence[CoverPoint]) -> Iterator[str]:
    for point in points:
        if point.missing:
            yield f"line {point.line}: {_missing_text(point)}"


def _missing_text(point: CoverPoint) -> str:
    text = point.text if len(point.text) <= SHOWN_TEXT else point.text[:SHOWN_TEXT] + "…"
    return f"{point.kind} {text}: no row was {_list(point.missing)}" if _is_value(point) else f"{text}: {_never(point)}"


def _is_value(point: CoverPoint) -> bool:
    return point.kind == "condition"


def _never(point: CoverPoint) -> str:
    return "never " + _list(point.missing)


def _list(words: Sequence[str]) -> str:
    return " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]


def annotated_text(points: Sequence[CoverPoint]) -> str:
    """Every file with a mark beside each line: `>` all outcomes seen, `!` some, `-` none; below, what is missing."""
    parts: list[str] = []
    for file, own in by_file(points).items():
        parts += [f"{file}: {percent_text(own)}, {_counts(own)}", ""]
        parts += _annotated_lines(_lines_of(file), own)
        parts.append("")
    return printable_lines("\n".join(parts))


def _annotated_lines(lines: Sequence[str], points: Sequence[CoverPoint]) -> Iterator[str]:
    by_line: dict[int, list[CoverPoint]] = {}
    for point in points:
        by_line.setdefault(point.line, []).append(point)
    last = max([len(lines), *by_line])
    for number in range(1, last + 1):
        own = by_line.get(number, [])
        text = lines[number - 1] if number <= len(lines) else ""
        yield f"{_mark(own)} {number:>4} | {text}".rstrip()
        for point in own:
            if point.missing:
                yield f"       |   {' ' * (point.column - 1)}^ {_missing_text(point)}"


def _mark(points: Sequence[CoverPoint]) -> str:
    counts = [count for point in points for count in point.seen.values()]
    if not counts:
        return " "
    return ">" if all(counts) else "!" if any(counts) else "-"


def _lines_of(file: str) -> list[str]:
    try:
        return Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []


def coverage_value(points: Sequence[CoverPoint]) -> dict[str, Any] | None:
    """Coverage of a run as plain values; None of a run that did not ask for it."""
    if not points:
        return None
    files = [{"file": file, "share": share(own)} for file, own in by_file(points).items()]
    return {"share": share(merged(points)), "files": files}


def point_value(point: CoverPoint) -> dict[str, Any]:
    """A point as plain values."""
    return {
        "file": point.file,
        "line": point.line,
        "column": point.column,
        "length": point.length,
        "kind": point.kind,
        "text": point.text,
        "statement": point.statement,
        "seen": dict(point.seen),
    }


def point_of(value: Mapping[str, Any]) -> CoverPoint:
    """The point that `point_value` describes."""
    return CoverPoint(
        file=value["file"],
        line=value["line"],
        column=value["column"],
        kind=value["kind"],
        text=value["text"],
        statement=value["statement"],
        seen=dict(value["seen"]),
        length=value["length"],
    )

"""What a report tells of a query beyond its checks, in a form that every kind of report can show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from velo_harness.coverage.report import percent_text
from velo_harness.reports.fault_lines import fault_lines
from velo_harness.result import Permutations, QueryResult

SHOWN_OUTCOMES = 20
"""Outcomes that no row had, of one query."""


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part: lines of text, then rows of a table."""

    title: str
    lines: tuple[str, ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()
    left_out: int = 0
    """How many rows more there are."""


def sections(query: QueryResult) -> list[Section]:
    """The parts of a query that have something to say."""
    return list(_sections(query))


def _sections(query: QueryResult) -> Iterator[Section]:
    if query.faults:
        yield Section("Faults", tuple(fault_lines(query.faults)))
    if query.permutations is not None:
        yield Section("Other orders of arrival", (_orders(query.permutations),))
    if query.coverage:
        missing = [point for point in query.coverage if point.missing]
        rows = [
            {"line": f"{point.file}:{point.line}", "what": point.text, "never": ", ".join(point.missing)}
            for point in missing[:SHOWN_OUTCOMES]
        ]
        line = f"{percent_text(query.coverage)} of the outcomes of its SQL were seen"
        yield Section("SQL coverage", (line,), tuple(rows), len(missing) - len(rows))


def _orders(found: Permutations) -> str:
    if found.skipped is not None:
        return f"none was tried: {found.skipped}"
    result = "all gave the same result" if found.failing is None else f"order {found.failing} gave another result"
    discarded = f"; {found.discarded} would have made other rows late" if found.discarded else ""
    return f"{found.orders} compared (seed {found.seed}): {result}{discarded}"

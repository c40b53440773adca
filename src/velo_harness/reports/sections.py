"""What a report tells of a query beyond its checks, in a form that every kind of report can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from velo_harness.result import QueryResult


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part: lines of text, then rows of a table."""

    title: str
    lines: tuple[str, ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()
    left_out: int = 0
    """How many rows more there are."""


def sections(query: QueryResult) -> list[Section]:  # noqa: ARG001
    """The parts of a query that have something to say."""
    return []

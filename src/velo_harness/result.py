"""What a run of specs gives back: outcomes, failures with their evidence, and the numbers of the job."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from velo_engine.errors import ExitCode, Location, VeloError
from velo_harness.coverage.points import CoverPoint, merged

if TYPE_CHECKING:
    from velo_harness.updating.written import ExpectationUpdate

SHOWN_ROWS = 5
"""Offending rows that a failure shows."""


class Outcome(StrEnum):
    """How a query ended."""

    PASSED = "passed"
    FAILED = "failed"
    """The query ran and a check did not hold."""
    ERROR = "error"
    """The query could not be run or checked as written."""
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a check does not hold."""

    expected: str
    actual: str
    offending: int = 0
    """How many rows are wrong; 0 when no single row is."""
    total: int | None = None
    """How many rows were looked at."""
    examples: tuple[Mapping[str, Any], ...] = ()
    """The first `SHOWN_ROWS` offending rows."""
    notes: tuple[str, ...] = ()
    """Further lines for a person, for example the nearest field name."""


@dataclass(frozen=True, slots=True)
class CheckFailure:
    """A check of the spec that does not hold, with its place."""

    check: str
    """The assertion type, or `expect.rows`, `expect.changelog`, …"""
    finding: Finding
    location: Location
    message: str | None = None
    """What the spec's author says about the check."""


@dataclass(frozen=True, slots=True)
class JobNumbers:
    """The accounting of the query's statement; see `velo_engine.runtime.accounting`."""

    read: int = 0
    accepted: int = 0
    filtered: int = 0
    late: int = 0
    dead_lettered: int = 0
    partly_late: int = 0
    emitted: int = 0
    written: int = 0
    state_rows: int = 0


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values lie in each of equally wide bins between the smallest and the greatest."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """The values of one numeric output column."""

    name: str
    type: str
    rows: int
    nulls: int
    mean: float | None
    histogram: Histogram | None
    """None without a finite value."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What reports plot of a query."""

    columns: tuple[ColumnProfile, ...] = ()
    lateness_ms: Histogram | None = None
    """By how much late rows were late; None when none was."""
    reading: tuple[tuple[float, int], ...] = ()
    """Milliseconds since the job began, and the records read until then."""


@dataclass(frozen=True, slots=True)
class Permutations:
    """What a query gave with its records in other orders."""

    seed: int
    orders: int = 0
    """How many other orders were compared."""
    discarded: int = 0
    """How many were not, since they made other rows late."""
    failing: int | None = None
    """The number of the order that gave another result; None: none did."""
    skipped: str | None = None
    """Why no other order was tried."""


@dataclass(frozen=True, slots=True)
class FaultCount:
    """Faults of one kind that were injected into one source."""

    kind: str
    """`malformed_records.truncated`, `duplicates`, `broker.restart_after`, …"""
    source: str
    """Empty for those of the broker."""
    injected: int
    fates: Mapping[str, int]
    """What became of them: dead_lettered, late, deduplicated, processed, not_read; recovered, not_reached."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """One query of one spec, run."""

    item: str
    """The id: `specs/flights/hourly.test.yaml::hourly_departures`."""
    spec_file: str
    spec_name: str
    query: str
    outcome: Outcome
    seed: int
    rerun: str
    """The command that runs just this query again."""
    description: str | None = None
    tags: tuple[str, ...] = ()
    skip_reason: str | None = None
    failures: tuple[CheckFailure, ...] = ()
    warnings: tuple[CheckFailure, ...] = ()
    """Failed assertions of severity warning."""
    error: VeloError | None = None
    notes: tuple[str, ...] = ()
    """What a person should know although nothing failed."""
    checks: int = 0
    """Assertions and expectations evaluated."""
    inputs: Mapping[str, int] = field(default_factory=dict)
    """Rows given to each source."""
    output_rows: int = 0
    numbers: JobNumbers | None = None
    late_rows: tuple[Mapping[str, Any], ...] = ()
    """The first `SHOWN_ROWS` rows that came too late."""
    dead_letters: tuple[str, ...] = ()
    """The first `SHOWN_ROWS` dead letters: where each came from and why."""
    faults: tuple[FaultCount, ...] = ()
    """What `fault_injection` injected."""
    duration_ms: float = 0.0
    """Everything: inputs, the job, the checks."""
    updates: tuple[ExpectationUpdate, ...] = ()
    """What is to be written into the spec, of a run that updates."""
    execution_ms: float = 0.0
    """The query's own operators."""
    coverage: tuple[CoverPoint, ...] = ()
    """The points of the SQL under test and what the run saw of them; empty unless asked for."""
    permutations: Permutations | None = None
    """None unless other orders were asked for."""
    profile: Profile | None = None
    """None unless a report of the run plots it."""

    @property
    def exit_code(self) -> ExitCode:
        """What this result alone tells the shell."""
        if self.outcome is Outcome.ERROR and self.error is not None:
            return self.error.exit_code
        return ExitCode.FAILED if self.outcome in (Outcome.FAILED, Outcome.ERROR) else ExitCode.PASSED


@dataclass(frozen=True, slots=True)
class FileError:
    """A spec that could not be loaded."""

    file: str
    error: VeloError


@dataclass(frozen=True, slots=True)
class Change:
    """A number of one query, then and now."""

    item: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Trend:
    """What changed since an earlier run. Queries are given by their ids."""

    against: str
    """The file of the earlier report."""
    newly_failing: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    still_failing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    slower: tuple[Change, ...] = ()
    """Milliseconds."""
    faster: tuple[Change, ...] = ()
    """Milliseconds."""
    rows_changed: tuple[Change, ...] = ()
    """Rows given out, where the seed is the same."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """All queries of a run, in the order of files and of the queries in them."""

    queries: tuple[QueryResult, ...]
    file_errors: tuple[FileError, ...] = ()
    duration_ms: float = 0.0
    kafka: str = "memory"
    """Where topics were: memory, embedded, containers or external."""
    trend: Trend | None = None
    """What changed since an earlier run, when the run is compared with one."""

    @property
    def coverage(self) -> tuple[CoverPoint, ...]:
        """What all queries together have covered; empty unless asked for."""
        return merged(point for query in self.queries for point in query.coverage)

    def count(self, outcome: Outcome) -> int:
        """How many queries ended so."""
        return sum(q.outcome is outcome for q in self.queries)

    @property
    def exit_code(self) -> ExitCode:
        """The gravest of all: missing infrastructure, then wrong input, then a failed test."""
        codes = {q.exit_code for q in self.queries} | {f.error.exit_code for f in self.file_errors}
        gravity = (ExitCode.NO_INFRASTRUCTURE, ExitCode.WRONG_INPUT, ExitCode.FAILED)
        return next((code for code in gravity if code in codes), ExitCode.PASSED)


def versions() -> dict[str, str]:
    """The versions on which generated data and results depend."""
    names = ("velostream", "duckdb", "faker", "numpy", "pyarrow", "sqlglot")
    return {"python": platform.python_version(), **{n: importlib.metadata.version(n) for n in names}}

"""A run whose every text is hostile, and a complete one that is not."""

from __future__ import annotations

from dataclasses import replace

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_harness.coverage.points import CoverPoint
from velo_harness.result import (
    Change,
    CheckFailure,
    ColumnProfile,
    FaultCount,
    FileError,
    Finding,
    Histogram,
    JobNumbers,
    Outcome,
    Permutations,
    Profile,
    QueryResult,
    RunResult,
    Trend,
)

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>]]></script><!--&amp;' \"\x1b[31m\x9b2J\x00\u202e\u2028"
    " @everyone #1 ](javascript:alert(3)) `code` |cell| **bold** </pre></details> ::error::x %0A password=hunter2"
    " https://me:hunter2@example.org {{ 7*7 }} {% raw %}"
)


def run_with(text: str) -> RunResult:
    """A run with `text` wherever a text can come from people or data."""
    place = Location(text, 7, 2, 3, text)
    row = {text: text, "n": 1, "difference": text}
    failure = CheckFailure(text, Finding(text, text, 9, 10, (row, row), (text,)), place, text)
    histogram = Histogram(-5.0, 5.0, (1, 0, 3))
    failed = QueryResult(
        item=f"a::{text}",
        spec_file=text,
        spec_name=text,
        query=text,
        outcome=Outcome.FAILED,
        seed=42,
        rerun=text,
        description=text,
        tags=(text,),
        failures=(failure,),
        warnings=(failure,),
        notes=(text,),
        checks=3,
        inputs={text: 3},
        output_rows=2,
        numbers=JobNumbers(300, 200, 50, 40, 10, 0, 200, 200, 5),
        late_rows=(row,),
        dead_letters=(text,),
        duration_ms=12.0,
        execution_ms=3.0,
        faults=(FaultCount(text, text, 3, {text: 3}),),
        coverage=(CoverPoint(text, 1, 1, text, text, text, {text: 0, "true": 1}),),
        permutations=Permutations(1, 3, 1, None, text),
        profile=Profile(
            (ColumnProfile(text, text, 10, 1, 0.5, histogram),), histogram, ((0.5, 100), (1.5, 200), (3.0, 300))
        ),
    )
    error = VeloError(ErrorCode.UNKNOWN_COLUMN, text, location=place, hint=text)
    broken = replace(failed, item=f"b::{text}", outcome=Outcome.ERROR, failures=(), error=error)
    skipped = replace(failed, item=f"c::{text}", outcome=Outcome.SKIPPED, failures=(), skip_reason=text)
    passed = replace(failed, item=f"d::{text}", outcome=Outcome.PASSED, failures=(), spec_file="second")
    change = Change(text, 100.0, 300.0)
    ids = (text,)
    trend = Trend(text, ids, ids, ids, ids, ids, (change,), (change,), (change,))
    return RunResult((failed, broken, skipped, passed), (FileError(text, error),), 1234.5, text, trend)


PLAIN = run_with("plain")
"""A run in which everything that reports tell is there."""
EVERYTHING_HOSTILE = run_with(HOSTILE)

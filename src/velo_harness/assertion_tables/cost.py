"""The keys of assertions about what the query cost."""

from __future__ import annotations

from velo_harness.assertion_keys import AssertionType, Compares
from velo_harness.keys import Key
from velo_harness.kinds import Constant, Integer, Number

COST = (
    AssertionType(
        "execution_time",
        "How long the query took, without capturing its output.",
        (
            Key("min_ms", Number(0), "At least, in milliseconds."),
            Key("max_ms", Number(0), "At most, in milliseconds."),
        ),
        Compares.OPTIONAL,
        one_of=("min_ms", "max_ms"),
        over_rows=False,
    ),
    AssertionType(
        "throughput",
        "How many records the query worked through in a second.",
        (
            Key("min_records_per_second", Number(0), "At least.", aliases=("min_rate",)),
            Key("max_records_per_second", Number(0), "At most.", aliases=("max_rate",)),
            Key("expected_records_per_second", Number(0), "About so many, within tolerance_percent."),
            Key(
                "tolerance_percent", Number(0), "How far off expected_records_per_second: 10 unless it says otherwise."
            ),
        ),
        Compares.OPTIONAL,
        one_of=("min_records_per_second", "max_records_per_second", "expected_records_per_second"),
        over_rows=False,
    ),
    AssertionType(
        "memory_usage",
        "How much memory the process took while the query ran.",
        (
            Key("max_mb", Number(0), "At most so many megabytes (1024 * 1024 bytes)."),
            Key("max_bytes", Integer(0), "At most so many bytes."),
            Key("max_growth_bytes", Integer(0), "At most so many bytes more than before the query."),
            Key("max_growth_mb", Number(0), "At most so many megabytes more than before the query."),
        ),
        one_of=("max_mb", "max_bytes", "max_growth_bytes", "max_growth_mb"),
        over_rows=False,
    ),
    AssertionType(
        "state",
        "How much state the query kept.",
        (
            Key("max_rows", Integer(0), "At most so many rows after any batch."),
            Key("max_bytes", Integer(0), "At most so many bytes after any batch."),
            Key("empty_after", Constant(True, True), "true: nothing is left at the end of the input."),
        ),
        one_of=("max_rows", "max_bytes", "empty_after"),
        over_rows=False,
    ),
)
"""The types."""

"""The keys of assertions about order and event time."""

from __future__ import annotations

from decimal import Decimal

from velo_harness.assertion_keys import AssertionType, names
from velo_harness.keys import Key
from velo_harness.kinds import SOME_NAMES, Boolean, Choice, Duration, Integer, Number, Text

DIRECTIONS = {"ascending": "ascending", "asc": "ascending", "descending": "descending", "desc": "descending"}

LATENCIES = {
    "p50": "The median",
    "p90": "The 90th percentile",
    "p95": "The 95th percentile",
    "p99": "The 99th percentile",
    "p999": "The 99.9th percentile",
    "avg": "The mean",
    "max": "The longest",
}
"""What is known of latencies, and how it is called."""

ORDER_TIME = (
    AssertionType(
        "ordering",
        "Rows come in order.",
        (
            Key("field", SOME_NAMES, "The columns that order the rows.", required=True, aliases=("fields",)),
            Key(
                "direction",
                Choice(DIRECTIONS),
                "The direction.",
                "ascending",
            ),
            names("partition_by", "Rows are in order within each value of these columns."),
            Key("allow_equal", Boolean(), "Equal neighbours are in order.", True),
        ),
    ),
    AssertionType(
        "window_boundary",
        "Windows start and end where they must; a window's end is exclusive.",
        (
            Key("timestamp_field", Text(), "A time that must lie in the row's window."),
            Key("window_start_field", Text(), "The column of window starts.", "window_start"),
            Key("window_end_field", Text(), "The column of window ends.", "window_end"),
            Key("window_size_ms", Integer(1), "The size of every window, in milliseconds."),
            Key("tolerance_ms", Integer(), "How far a time may lie outside, in milliseconds.", 0),
            Key(
                "verify_containment",
                Boolean(),
                "Check timestamp_field against the window; by default when it is given.",
            ),
            Key("verify_alignment", Boolean(), "Check that windows start at multiples of their size.", True),
        ),
        one_of=("timestamp_field", "window_size_ms"),
    ),
    AssertionType(
        "event_ordering",
        "Rows come in the order of their event time, without gaps where none may be.",
        (
            Key("timestamp_field", Text(), "The column of event times.", required=True, aliases=("field",)),
            names("partition_field", "Rows are in order within each value of these columns.", "partition_by"),
            Key("direction", Choice(DIRECTIONS), "The direction.", "ascending"),
            Key(
                "max_out_of_order_percent", Number(0, 100), "Share of rows that may come after a later one.", Decimal(0)
            ),
            Key("allow_gaps", Boolean(), "Whether times may lie further apart than max_gap_ms.", True),
            Key("max_gap_ms", Duration(), "The longest time between a row and the next in time.", aliases=("max_gap",)),
        ),
    ),
    AssertionType(
        "table_freshness",
        "The newest row is recent: its time lies close before the run's now.",
        (
            Key("table", Text("a source or a query"), "An input or another output; by default the output."),
            Key("timestamp_field", Text(), "The column of times.", required=True, aliases=("field", "time_field")),
            Key(
                "max_age",
                Duration(),
                "How old the newest row may be.",
                required=True,
                aliases=("max_age_ms", "max_staleness_ms", "max_lag_ms"),
            ),
            Key("allow_future", Boolean(), "Times after the run's now are right.", False),
        ),
    ),
    AssertionType(
        "latency",
        "How long after its event time a row is given out.",
        (
            Key(
                "event_time_field",
                Text(),
                "The column of event times.",
                required=True,
                aliases=("timestamp_field", "start_field"),
            ),
            Key(
                "processing_time_field",
                Text(),
                "The column that says when it was processed; by default the run's clock when it was given out.",
                aliases=("end_field",),
            ),
            *(Key(f"{name}_latency_ms", Duration(), f"{text} at most.") for name, text in LATENCIES.items()),
        ),
        one_of=tuple(f"{name}_latency_ms" for name in LATENCIES),
    ),
)
"""The types."""

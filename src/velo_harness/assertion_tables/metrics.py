"""The keys of assertions about metrics."""

from __future__ import annotations

from velo_harness.assertion_keys import AssertionType, Compares
from velo_harness.keys import Key
from velo_harness.kinds import Choice, MapOf, Number, Text, words

METRIC_TYPES = words("counter", "gauge", "histogram")

_NAME = Key(
    "name", Text("a metric"), "The metric; `_total` at the end may be left out.", required=True, aliases=("metric",)
)
_LABELS = Key("labels", MapOf(Text("a label's value")), "Label → value: only series with these.", {})
_TOLERANCE = Key("tolerance", Number(0), "How far the value may be off.")

METRICS = (
    AssertionType(
        "metric_exists",
        "The metric is there, with a series.",
        (
            _NAME,
            Key("metric_type", Choice(METRIC_TYPES), "counter, gauge or histogram.", aliases=("expected_type",)),
            _LABELS,
        ),
        over_rows=False,
    ),
    AssertionType(
        "metric_counter",
        "A counter compares so; over several series, their sum.",
        (_NAME, _LABELS, _TOLERANCE),
        Compares.REQUIRED,
        over_rows=False,
    ),
    AssertionType(
        "metric_gauge",
        "A gauge compares so, in every series.",
        (_NAME, _LABELS, _TOLERANCE),
        Compares.REQUIRED,
        over_rows=False,
    ),
    AssertionType(
        "metric_histogram",
        "What a histogram says of its values compares so, all series together.",
        (
            _NAME,
            _LABELS,
            Key(
                "statistic",
                Choice(words("count", "sum", "mean", "bucket")),
                "The number of values, their sum, their mean, or how many are at most le.",
                "count",
            ),
            Key("le", Number(), "The upper bound of the bucket.", aliases=("bucket",)),
            _TOLERANCE,
        ),
        Compares.REQUIRED,
        over_rows=False,
    ),
)
"""The types."""

"""The keys of assertions about records that failed or came too late, and about a query that ends with an error."""

from __future__ import annotations

from velo_harness.assertion_keys import AssertionType, Compares
from velo_harness.keys import Key
from velo_harness.kinds import FRACTION, Choice, Integer, Number, OneOrMany, Regex, Text

ERROR_TYPES = {
    "deserialization": "deserialization",
    "deserialization_error": "deserialization",
    "serialization": "deserialization",
    "decode": "deserialization",
    "parse_error": "deserialization",
    "computation": "computation",
    "computation_error": "computation",
    "processing": "computation",
    "processing_error": "computation",
    "late": "late",
    "late_data": "late",
}
"""The kinds of dead letters, by every spelling."""

_ERROR_TYPES = Key(
    "error_types",
    OneOrMany(Choice(ERROR_TYPES), 1),
    "Only these: deserialization (the record does not decode), computation (an expression has no value), late.",
)
_REASON = Key("reason_matches", Regex(), "Only those in whose reason this regular expression is found.")

FAILURES = (
    AssertionType(
        "dlq_count",
        "How many records are in the dead letter queue.",
        (
            Key("topic", Text("a topic"), "The queue's topic, or the topic or source that the records came from."),
            _ERROR_TYPES,
            _REASON,
        ),
        Compares.REQUIRED,
        over_rows=False,
    ),
    AssertionType(
        "error_rate",
        "Which share of the records failed.",
        (
            Key("max_rate", FRACTION, "At most this share, 0 to 1."),
            Key("max_percent", Number(0, 100), "At most so many percent."),
            _ERROR_TYPES,
            _REASON,
            Key("min_records", Integer(1), "With fewer records it fails: they tell nothing.", 1),
        ),
        Compares.OPTIONAL,
        one_of=("max_rate", "max_percent"),
        over_rows=False,
    ),
    AssertionType("late_count", "How many records came too late.", (), Compares.REQUIRED, over_rows=False),
    AssertionType(
        "expect_error",
        "The query ends with an error.",
        (
            Key("code", Text(), "The error's code, by its name or its number.", aliases=("error_code",)),
            Key("matches", Regex(), "A regular expression found in its message.", aliases=("pattern",)),
        ),
        one_of=("code", "matches"),
        over_rows=False,
    ),
)
"""The types."""

"""The keys of assertions about how many rows, which columns, which of them filled."""

from __future__ import annotations

from decimal import Decimal

from velo_harness.assertion_keys import AssertionType, Compares, names
from velo_harness.keys import Key
from velo_harness.kinds import FRACTION, NAMES, Boolean, MapOf, Text

SHAPE = (
    AssertionType("record_count", "How many rows there are.", (), Compares.REQUIRED),
    AssertionType(
        "schema_contains",
        "The output has columns, of these types, and this key.",
        (
            names("fields", "Columns that must be there.", "columns"),
            Key("types", MapOf(Text("a SQL type")), "Column → SQL type.", {}),
            Key("key_field", NAMES, "The output's key columns."),
            Key("exact", Boolean(), "No other columns than these, in this order.", False),
        ),
        one_of=("fields", "types", "key_field"),
    ),
    AssertionType("no_nulls", "Columns without NULL.", (names("fields", "The columns.", "field", required=True),)),
    AssertionType(
        "completeness",
        "The output holds what the input held.",
        (
            Key("input_source", Text(), "The input; by default the only one.", aliases=("source",)),
            names("key_field", "Columns whose values of the input must all be in the output.", "key_fields"),
            Key("min_completeness", FRACTION, "The share of input keys that must be there.", Decimal(1)),
            names("required_fields", "Columns that must be there and not NULL.", "expected_fields"),
        ),
        one_of=("key_field", "required_fields"),
    ),
)
"""The types."""

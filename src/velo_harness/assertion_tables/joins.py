"""The keys of assertions about joins."""

from __future__ import annotations

from decimal import Decimal

from velo_harness.assertion_keys import AssertionType
from velo_harness.keys import Key
from velo_harness.kinds import FRACTION, SOME_NAMES, AnyOf, MapOf, Text

JOINS = (
    AssertionType(
        "join_coverage",
        "How many rows of the left input found a partner in the right one.",
        (
            Key("left_source", Text(), "The input whose rows must match.", required=True, aliases=("left",)),
            Key("right_source", Text(), "The input that is joined.", required=True, aliases=("right",)),
            Key(
                "join_key",
                AnyOf((SOME_NAMES, MapOf(Text("a name")))),
                "The key columns; left: right where the names differ.",
                required=True,
                aliases=("join_keys",),
            ),
            Key("min_match_rate", FRACTION, "The share that must match.", Decimal(1)),
        ),
        over_rows=False,
    ),
)
"""The types."""

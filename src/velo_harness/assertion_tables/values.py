"""The keys of assertions about the values in the rows."""

from __future__ import annotations

from decimal import Decimal

from velo_harness.assertion_keys import FIELD, OPERATORS, AssertionType, Compares, names
from velo_harness.constraint_keys import DistributionKind
from velo_harness.keys import Key
from velo_harness.kinds import FRACTION, Boolean, Choice, DataLiteral, ListOf, MapOf, Number
from velo_harness.quality_rules import Patterns, Ranges, References
from velo_harness.spec import Operator

PERCENTILES = {
    "p1": "1st percentile",
    "p5": "5th percentile",
    "p10": "10th percentile",
    "p25": "25th percentile",
    "p50": "median",
    "p75": "75th percentile",
    "p90": "90th percentile",
    "p95": "95th percentile",
    "p99": "99th percentile",
    "p999": "99.9th percentile",
}
"""Keys of percentiles."""

VALUES = (
    AssertionType("field_values", "Every value of a column compares so.", (FIELD,), Compares.REQUIRED),
    AssertionType(
        "field_in_set",
        "Every value of a column is one of a set.",
        (FIELD, Key("values", ListOf(DataLiteral(), 1), "The set.", required=True, aliases=("allowed_values",))),
    ),
    AssertionType(
        "unique_values",
        "No value, or combination of values, stands twice.",
        (names("fields", "The columns, together.", "field", required=True),),
    ),
    AssertionType(
        "no_duplicates",
        "No key stands twice.",
        (
            names("key_fields", "The key; all columns by default.", "key_field"),
            Key("allow_updates", Boolean(), "Updates of a key are no duplicates (the last one counts).", False),
            Key("max_duplicate_percent", Number(0, 100), "Share of rows that may be duplicates.", Decimal(0)),
        ),
    ),
    AssertionType(
        "data_quality",
        "Several rules at once: filled, well-formed, in range, found elsewhere.",
        (
            names("no_nulls_in", "Columns without NULL.", "no_nulls"),
            names("no_empty_strings_in", "Columns without empty or blank text.", "no_empty_strings"),
            Key("numeric_ranges", Ranges(), "Column → [smallest, greatest], or {min, max}.", ()),
            Key("string_patterns", Patterns(), "Column → regular expression that is found in every value.", ()),
            Key("referential_integrity", References(), "Column → column of an input that has its values.", ()),
            Key("min_quality_score", FRACTION, "The share of rows that break no rule.", Decimal(1)),
        ),
        one_of=(
            "no_nulls_in",
            "no_empty_strings_in",
            "numeric_ranges",
            "string_patterns",
            "referential_integrity",
        ),
    ),
    AssertionType(
        "distribution",
        "The values of a column are distributed so, by a test of goodness of fit.",
        (
            FIELD,
            Key(
                "distribution",
                DistributionKind(),
                "The distribution with all its parameters.",
                aliases=("expected_distribution",),
            ),
            Key("min", Number(), "The smallest value of the distribution: for uniform and zipf."),
            Key("max", Number(), "Its greatest value: for uniform and zipf."),
            Key(
                "shares",
                MapOf(Number(0)),
                "Value → its share, or its weight.",
                {},
                aliases=("expected_shares", "proportions", "weights"),
            ),
            Key(
                "test",
                Choice(
                    {
                        "chi_square": "chi_square",
                        "chi2": "chi_square",
                        "chi_squared": "chi_square",
                        "kolmogorov_smirnov": "kolmogorov_smirnov",
                        "ks": "kolmogorov_smirnov",
                    }
                ),
                "chi_square or kolmogorov_smirnov; by default what fits the column.",
            ),
            Key(
                "significance",
                Number(0, 1),
                "It fails when values so far off are less likely than this.",
                Decimal("0.001"),
                aliases=("alpha", "significance_level"),
            ),
        ),
        one_of=("distribution", "shares"),
    ),
    AssertionType(
        "percentile",
        "Percentiles of a column compare so.",
        (
            FIELD,
            *(Key(name, DataLiteral(), f"What the {text} compares with.") for name, text in PERCENTILES.items()),
            Key(
                "mode",
                Choice(
                    OPERATORS | {"at_most": Operator.LESS_THAN_OR_EQUAL, "at_least": Operator.GREATER_THAN_OR_EQUAL}
                ),
                "How each of them compares: at most, unless it says otherwise.",
                Operator.LESS_THAN_OR_EQUAL,
                aliases=("operator",),
            ),
        ),
        one_of=tuple(PERCENTILES),
    ),
)
"""The types."""

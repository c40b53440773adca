"""The keys of assertions about files that the run wrote."""

from __future__ import annotations

from decimal import Decimal

from velo_harness.assertion_keys import FIELD, AssertionType, Compares, names
from velo_harness.keys import Key
from velo_harness.kinds import Boolean, Choice, DataLiteral, Integer, ListOf, Number, PathText, words
from velo_harness.spec import DataFormat

_FILE_FORMAT = Key(
    "format", Choice({f.value: f for f in DataFormat}), "The file's format; by default its ending tells."
)
_PATH = Key("path", PathText(), "The file, relative to the spec.", required=True)

FILES = (
    AssertionType(
        "file_exists",
        "The file is there.",
        (
            _PATH,
            Key("min_size_bytes", Integer(), "Its smallest size."),
            Key("max_size_bytes", Integer(), "Its greatest size."),
        ),
        over_rows=False,
    ),
    AssertionType(
        "file_row_count", "How many rows the file has.", (_PATH, _FILE_FORMAT), Compares.REQUIRED, over_rows=False
    ),
    AssertionType(
        "file_contains",
        "Values of a column in the file.",
        (
            _PATH,
            _FILE_FORMAT,
            FIELD,
            Key("expected_values", ListOf(DataLiteral(), 1), "The values.", required=True, aliases=("values",)),
            Key("mode", Choice(words("all", "any", "exact")), "all of them, any, or exactly these.", "all"),
        ),
        over_rows=False,
    ),
    AssertionType(
        "file_matches",
        "Two files hold the same rows as a bag: how often a row stands counts.",
        (
            Key("actual_path", PathText(), "The file that the run wrote.", required=True, aliases=("path",)),
            Key("expected_path", PathText(), "The file it must equal.", required=True),
            _FILE_FORMAT,
            names("compare_fields", "Only these columns; all by default."),
            names("ignore_fields", "Not these columns."),
            Key("ignore_order", Boolean(), "Rows may come in any order.", True),
            Key("numeric_tolerance", Number(0), "How far numbers may differ.", Decimal(0)),
        ),
        over_rows=False,
    ),
)
"""The types."""

"""The types of assertions: their parameters, as tables, and how an assertion is read.

What an assertion means when it is evaluated is in `velo_harness.assertions`; this is what may be written.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from velo_harness.keys import Key, ObjectFormat
from velo_harness.kinds import (
    FRACTION,
    NAMES,
    SOME_NAMES,
    AnyOf,
    Boolean,
    Choice,
    DataLiteral,
    Integer,
    ListOf,
    MapOf,
    Number,
    PathText,
    ScalarLiteral,
    Text,
    words,
)
from velo_harness.spec import DataFormat, Operator, Severity

OPERATORS = {
    "equals": Operator.EQUALS,
    "equal": Operator.EQUALS,
    "eq": Operator.EQUALS,
    "=": Operator.EQUALS,
    "==": Operator.EQUALS,
    "not_equals": Operator.NOT_EQUALS,
    "not_equal": Operator.NOT_EQUALS,
    "ne": Operator.NOT_EQUALS,
    "!=": Operator.NOT_EQUALS,
    "<>": Operator.NOT_EQUALS,
    "greater_than": Operator.GREATER_THAN,
    "gt": Operator.GREATER_THAN,
    ">": Operator.GREATER_THAN,
    "less_than": Operator.LESS_THAN,
    "lt": Operator.LESS_THAN,
    "<": Operator.LESS_THAN,
    "greater_than_or_equal": Operator.GREATER_THAN_OR_EQUAL,
    "greater_than_or_equals": Operator.GREATER_THAN_OR_EQUAL,
    "gte": Operator.GREATER_THAN_OR_EQUAL,
    ">=": Operator.GREATER_THAN_OR_EQUAL,
    "less_than_or_equal": Operator.LESS_THAN_OR_EQUAL,
    "less_than_or_equals": Operator.LESS_THAN_OR_EQUAL,
    "lte": Operator.LESS_THAN_OR_EQUAL,
    "<=": Operator.LESS_THAN_OR_EQUAL,
    "between": Operator.BETWEEN,
    "in": Operator.IN,
    "contains": Operator.CONTAINS,
    "starts_with": Operator.STARTS_WITH,
    "ends_with": Operator.ENDS_WITH,
    "matches": Operator.MATCHES,
}
"""Every spelling of an operator after `operator:`."""

SHORT_FORMS = {word: operator for word, operator in OPERATORS.items() if word.replace("_", "").isalpha()}
"""Operators usable as keys: `greater_than: 0`."""


class Compares(Enum):
    """Whether a type of assertion compares a value with an operator."""

    NO = "no"
    REQUIRED = "required"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class AssertionType:
    """One type of assertion."""

    name: str
    doc: str
    parameters: tuple[Key, ...]
    compares: Compares = Compares.NO
    one_of: tuple[str, ...] = ()
    """Parameters of which at least one must be given, for the assertion to check anything."""

    def format(self) -> ObjectFormat:
        """All keys that an assertion of this type may have."""
        taken = {spelling for key in self.parameters for spelling in key.spellings}
        comparing = () if self.compares is Compares.NO else tuple(k for k in COMPARISON_KEYS if k.name not in taken)
        return ObjectFormat(f"{self.name} assertion", self.doc, (*COMMON_KEYS, *self.parameters, *comparing))


COMMON_KEYS = (
    Key("type", Text(), "What is checked.", required=True),
    Key("message", Text(), "Shown when it fails.", aliases=("reason", "description")),
    Key("severity", Choice({s.value: s for s in Severity}), "A warning does not fail the query.", Severity.ERROR),
    Key("where", Text(), "A SQL predicate: only output rows for which it is true are looked at."),
    Key("allow_empty", Boolean(), "Pass although there is no row to look at.", False),
)

COMPARISON_KEYS = (
    Key("operator", Choice(OPERATORS), "How the value is compared with value, expected, or min and max."),
    Key("value", DataLiteral(), "What the value is compared with.", aliases=("expected",)),
    Key("values", ListOf(DataLiteral()), "The values of operator: in."),
    Key("min", ScalarLiteral(), "The smallest value allowed."),
    Key("max", ScalarLiteral(), "The greatest value allowed."),
    *(Key(word, DataLiteral(), f"Short for operator: {word}.") for word in SHORT_FORMS),
)

_FILE_FORMAT = Key(
    "format", Choice({f.value: f for f in DataFormat}), "The file's format; by default its ending tells."
)
_PATH = Key("path", PathText(), "The file, relative to the spec.", required=True)
_FIELD = Key("field", Text(), "The column.", required=True)


def _names(name: str, doc: str, *aliases: str, required: bool = False, default: tuple[str, ...] = ()) -> Key:
    return Key(name, SOME_NAMES if required else NAMES, doc, None if required else default, required, aliases)


_TYPES = (
    AssertionType("record_count", "How many rows there are.", (), Compares.REQUIRED),
    AssertionType(
        "schema_contains",
        "The output has columns, of these types, and this key.",
        (
            _names("fields", "Columns that must be there.", "columns"),
            Key("types", MapOf(Text("a SQL type")), "Column → SQL type.", {}),
            Key("key_field", NAMES, "The output's key columns."),
            Key("exact", Boolean(), "No other columns than these, in this order.", False),
        ),
        one_of=("fields", "types", "key_field"),
    ),
    AssertionType("no_nulls", "Columns without NULL.", (_names("fields", "The columns.", "field", required=True),)),
    AssertionType("field_values", "Every value of a column compares so.", (_FIELD,), Compares.REQUIRED),
    AssertionType(
        "field_in_set",
        "Every value of a column is one of a set.",
        (_FIELD, Key("values", ListOf(DataLiteral(), 1), "The set.", required=True, aliases=("allowed_values",))),
    ),
    AssertionType(
        "unique_values",
        "No value, or combination of values, stands twice.",
        (_names("fields", "The columns, together.", "field", required=True),),
    ),
    AssertionType(
        "no_duplicates",
        "No key stands twice.",
        (
            _names("key_fields", "The key; all columns by default.", "key_field"),
            Key("allow_updates", Boolean(), "Updates of a key are no duplicates (the last one counts).", False),
            Key("max_duplicate_percent", Number(0, 100), "Share of rows that may be duplicates.", Decimal(0)),
        ),
    ),
    AssertionType(
        "aggregate_check",
        "An aggregate over the output compares so.",
        (
            Key(
                "function",
                Choice(words("count", "sum", "avg", "min", "max", "count_distinct", "distinct")),
                "The aggregate function of field.",
            ),
            Key("field", Text(), "The column of function."),
            Key("expression", Text(), 'A SQL aggregate: "SUM(x)", "COUNT(DISTINCT k)".'),
            Key("tolerance", Number(0), "How far the aggregate may be off."),
        ),
        Compares.REQUIRED,
        one_of=("function", "expression"),
    ),
    AssertionType(
        "ordering",
        "Rows come in order.",
        (
            Key("field", SOME_NAMES, "The columns that order the rows.", required=True, aliases=("fields",)),
            Key(
                "direction",
                Choice(
                    {"ascending": "ascending", "asc": "ascending", "descending": "descending", "desc": "descending"}
                ),
                "The direction.",
                "ascending",
            ),
            _names("partition_by", "Rows are in order within each value of these columns."),
            Key("allow_equal", Boolean(), "Equal neighbours are in order.", True),
        ),
    ),
    AssertionType(
        "completeness",
        "The output holds what the input held.",
        (
            Key("input_source", Text(), "The input; by default the only one.", aliases=("source",)),
            _names("key_field", "Columns whose values of the input must all be in the output.", "key_fields"),
            Key("min_completeness", FRACTION, "The share of input keys that must be there.", Decimal(1)),
            _names("required_fields", "Columns that must be there and not NULL.", "expected_fields"),
        ),
        one_of=("key_field", "required_fields"),
    ),
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
    ),
    AssertionType(
        "execution_time",
        "How long the query took, without capturing its output.",
        (
            Key("min_ms", Number(0), "At least, in milliseconds."),
            Key("max_ms", Number(0), "At most, in milliseconds."),
        ),
        one_of=("min_ms", "max_ms"),
    ),
    AssertionType(
        "file_exists",
        "The file is there.",
        (
            _PATH,
            Key("min_size_bytes", Integer(), "Its smallest size."),
            Key("max_size_bytes", Integer(), "Its greatest size."),
        ),
    ),
    AssertionType("file_row_count", "How many rows the file has.", (_PATH, _FILE_FORMAT), Compares.REQUIRED),
    AssertionType(
        "file_contains",
        "Values of a column in the file.",
        (
            _PATH,
            _FILE_FORMAT,
            _FIELD,
            Key("expected_values", ListOf(DataLiteral(), 1), "The values.", required=True, aliases=("values",)),
            Key("mode", Choice(words("all", "any", "exact")), "all of them, any, or exactly these.", "all"),
        ),
    ),
    AssertionType(
        "file_matches",
        "Two files hold the same rows as a bag: how often a row stands counts.",
        (
            Key("actual_path", PathText(), "The file that the run wrote.", required=True, aliases=("path",)),
            Key("expected_path", PathText(), "The file it must equal.", required=True),
            _FILE_FORMAT,
            _names("compare_fields", "Only these columns; all by default."),
            _names("ignore_fields", "Not these columns."),
            Key("ignore_order", Boolean(), "Rows may come in any order.", True),
            Key("numeric_tolerance", Number(0), "How far numbers may differ.", Decimal(0)),
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
        "template",
        "An expression over inputs, outputs and variables is true, or compares so.",
        (Key("expression", Text(), "For example {{ outputs.x.count <= inputs.y.count }}.", required=True),),
        Compares.OPTIONAL,
    ),
)

ASSERTION_TYPES = {entry.name: entry for entry in _TYPES}
"""The types that this version evaluates."""

LATER_TYPES = (
    "data_quality",
    "distribution",
    "percentile",
    "sql",
    "event_ordering",
    "table_freshness",
    "latency",
    "throughput",
    "memory_usage",
    "state",
    "dlq_count",
    "error_rate",
    "late_count",
    "expect_error",
    "metric_exists",
    "metric_counter",
    "metric_gauge",
    "metric_histogram",
)
"""Types of the format that this version recognises and refuses."""

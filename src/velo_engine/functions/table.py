"""The function table: every scalar function the engine has, by its name in plans and by the names people write."""

from __future__ import annotations

from collections.abc import Mapping

from velo_engine.functions import (
    arithmetic,
    array_functions,
    comparison,
    conditional,
    iso8601,
    json_functions,
    mathematics,
    nested_values,
    patterns,
    record_headers,
    string_encodings,
    strings,
    temporal,
    temporal_text,
    urls,
)
from velo_engine.functions.signature import ScalarFunction

CATEGORIES: tuple[tuple[str, tuple[ScalarFunction, ...]], ...] = (
    ("Comparison and logic", comparison.FUNCTIONS),
    ("Arithmetic operators", arithmetic.FUNCTIONS),
    ("Mathematical functions", mathematics.FUNCTIONS),
    ("String functions", (*strings.FUNCTIONS, *string_encodings.FUNCTIONS, *urls.FUNCTIONS)),
    ("Patterns", patterns.FUNCTIONS),
    ("Dates and times", (*temporal.FUNCTIONS, *temporal_text.FUNCTIONS, iso8601.FROM_ISO8601)),
    ("JSON functions", json_functions.FUNCTIONS),
    ("Arrays, maps and rows", (*nested_values.FUNCTIONS, *array_functions.FUNCTIONS)),
    ("Conditional functions", conditional.FUNCTIONS),
    ("Record headers", record_headers.FUNCTIONS),
)
"""The table in the order of its documentation."""

FUNCTIONS: Mapping[str, ScalarFunction] = {
    function.name: function for _, functions in CATEGORIES for function in functions
}
"""By name in plans, lower case."""

WRITTEN: Mapping[str, ScalarFunction] = {
    name: function
    for function in FUNCTIONS.values()
    if not function.operator
    for name in (function.name.upper(), *function.aliases)
}
"""By the names people write, upper case."""

_VARIES = "its result differs from run to run"
_NOT_WRITTEN = "it is not written yet"
_OF_SINK = "what INSERT INTO writes has its headers in a column `headers MAP<STRING, BYTES> METADATA`"

_LATER = (
    *("PARSE_JSON", "TRY_PARSE_JSON", "OBJECT_OF", "OBJECT_UPDATE"),
    *("CURRENT_WATERMARK", "SOURCE_WATERMARK", "GROUP_ID", "GROUPING", "GROUPING_ID"),
    "JOIN",
)

UNAVAILABLE: Mapping[str, str] = {
    **dict.fromkeys(("RAND", "RAND_INTEGER", "UUID"), _VARIES),
    **dict.fromkeys(_LATER, _NOT_WRITTEN),
    **dict.fromkeys(("SET_HEADER", "REMOVE_HEADER"), _OF_SINK),
}
"""Functions that people know from Flink or Velostream and that are refused, and why."""

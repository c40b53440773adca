"""The function table: every scalar function the engine has, by its name in plans and by the names people write."""

from __future__ import annotations

from collections.abc import Mapping

from velo_engine.functions import (
    arithmetic,
    comparison,
    conditional,
    iso8601,
    json_functions,
    mathematics,
    nested_values,
    patterns,
    string_encodings,
    strings,
    temporal,
    temporal_text,
)
from velo_engine.functions.signature import ScalarFunction

CATEGORIES: tuple[tuple[str, tuple[ScalarFunction, ...]], ...] = (
    ("Comparison and logic", comparison.FUNCTIONS),
    ("Arithmetic operators", arithmetic.FUNCTIONS),
    ("Mathematical functions", mathematics.FUNCTIONS),
    ("String functions", (*strings.FUNCTIONS, *string_encodings.FUNCTIONS)),
    ("Patterns", patterns.FUNCTIONS),
    ("Dates and times", (*temporal.FUNCTIONS, *temporal_text.FUNCTIONS, iso8601.FROM_ISO8601)),
    ("JSON functions", json_functions.FUNCTIONS),
    ("Arrays, maps and rows", nested_values.FUNCTIONS),
    ("Conditional functions", conditional.FUNCTIONS),
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

UNAVAILABLE: Mapping[str, str] = {
    "RAND": "its result differs from run to run",
    "RAND_INTEGER": "its result differs from run to run",
    "UUID": "its result differs from run to run",
}
"""Functions of Flink that are known and refused, and why."""

"""Functions of the headers of the record that a row was read from: HEADER, HAS_HEADER and HEADER_KEYS.

People write the header's name only; the headers themselves are a hidden column of the scan, given as first argument.
"""

from __future__ import annotations

from velo_engine.functions.signature import Bind, Binding, ScalarFunction, check_count, checked
from velo_engine.plan.expressions import Expression
from velo_engine.types import BOOLEAN, BYTES, STRING, SqlType, array, map_of

HEADERS = "$headers"
"""The scan's column of headers: of a name that occurs more than once the last value, as Flink's Kafka connector reads
them."""

HEADERS_TYPE = map_of(STRING, BYTES).as_nullable(False)


def _signature(names: int, returns: SqlType) -> Bind:
    """A type rule for the headers and `names` names; a result that is not nullable is so where the name is NULL."""

    def bind(_: ScalarFunction, args: tuple[Expression, ...]) -> Binding:
        headers, *given = args
        check_count(given, names, names)
        bound = tuple(checked(arg, "string", i) for i, arg in enumerate(given))
        nullable = returns.nullable or any(arg.type.nullable for arg in bound)
        return (headers, *bound), returns.as_nullable(nullable)

    return bind


FUNCTIONS: tuple[ScalarFunction, ...] = (
    ScalarFunction(
        "header",
        "HEADER(name)",
        "The last value of a header of the record as UTF-8; NULL when there is none (Velostream).",
        _signature(1, STRING),
        "velo_decode(map_extract_value({0}, {1}))",
    ),
    ScalarFunction(
        "has_header",
        "HAS_HEADER(name)",
        "Whether the record has the header, with or without a value (Velostream).",
        _signature(1, BOOLEAN.as_nullable(False)),
        "list_contains(map_keys({0}), {1})",
    ),
    ScalarFunction(
        "header_keys",
        "HEADER_KEYS()",
        "The names of the record's headers, each once, in order (Velostream).",
        _signature(0, array(STRING.as_nullable(False)).as_nullable(False)),
        "map_keys({0})",
    ),
)

NAMES = frozenset(function.name for function in FUNCTIONS)
"""Lower case."""

"""Assertions about totals of the output."""

from __future__ import annotations

import re
from typing import Any

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.aggregates import NotAggregable, aggregate
from velo_harness.assertions.comparison import described, value_holds
from velo_harness.assertions.context import CheckContext, missing_field
from velo_harness.result import Finding
from velo_harness.spec import AssertionSpec
from velo_harness.templates import as_text

_CALL = re.compile(r"\s*(\w+)\s*\(\s*(DISTINCT\s+)?(\*|[^()]+?)\s*\)\s*", re.IGNORECASE)
_QUOTED = re.compile(r'`([^`]+)`|"([^"]+)"')
_FUNCTIONS = {"count_distinct": "distinct"}


def aggregate_check(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """An aggregate over the final contents compares as stated."""
    function, field = _asked(assertion)
    output = context.output
    if field is None:
        actual: Any = len(output)
    else:
        position = output.position(field)
        if position is None:
            return missing_field(output, field)
        try:
            actual = aggregate(function, output, position)
        except NotAggregable as refused:
            raise VeloError(ErrorCode.TYPE_MISMATCH, str(refused), location=assertion.location) from None
    label = _label(function, field)
    for comparison in assertion.comparisons:
        if not value_holds(actual, comparison, context.scope, tolerance=assertion.parameters["tolerance"]):
            tolerance = assertion.parameters["tolerance"]
            within = f" (within {tolerance})" if tolerance else ""
            return Finding(
                f"{label} {described(comparison, context.scope)}{within}",
                f"{label} = {as_text(actual)}",
                total=len(output),
            )
    return None


def _asked(assertion: AssertionSpec) -> tuple[str, str | None]:
    """The function and its column; None for all rows."""
    if assertion.parameters["function"] is not None:
        function = assertion.parameters["function"]
        return _FUNCTIONS.get(function, function), assertion.parameters["field"]
    text = assertion.parameters["expression"]
    location = assertion.parameter_locations.get("expression", assertion.location)
    found = _CALL.fullmatch(text)
    function = found[1].lower() if found else ""
    if found is None or function not in ("count", "sum", "avg", "min", "max", "count_distinct"):
        hint = 'write one aggregate of one column: "SUM(amount)", "COUNT(DISTINCT id)", "COUNT(*)"'
        raise VeloError(ErrorCode.BAD_VALUE, f'"{text}" is not an aggregate', location=location, hint=hint)
    if found[3] == "*":
        if function != "count" or found[2]:
            raise VeloError(ErrorCode.BAD_VALUE, f"only COUNT takes *, not {found[1]}", location=location)
        return "count", None
    quoted = _QUOTED.fullmatch(found[3])
    field = next(filter(None, quoted.groups())) if quoted else found[3]
    if found[2] and function not in ("count", "min", "max"):
        raise VeloError(ErrorCode.BAD_VALUE, f"{found[1]}(DISTINCT …) is not supported here", location=location)
    distinct = found[2] and function == "count"
    return "distinct" if distinct else _FUNCTIONS.get(function, function), field


def _label(function: str, field: str | None) -> str:
    if field is None:
        return "COUNT(*)"
    return f"COUNT(DISTINCT {field})" if function == "distinct" else f"{function.upper()}({field})"

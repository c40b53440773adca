"""The `template` assertion: an expression over facts of the run."""

from __future__ import annotations

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.assertions.comparison import described, value_holds
from velo_harness.assertions.context import CheckContext
from velo_harness.result import Finding
from velo_harness.spec import AssertionSpec
from velo_harness.templates import as_text, evaluate, has_template, resolve


def template(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The expression is true, or compares as stated. The braces around it may be left out."""
    text = assertion.parameters["expression"]
    location = assertion.parameter_locations.get("expression", assertion.location)
    actual = resolve(text, context.scope, location) if has_template(text) else evaluate(text, context.scope, location)
    for comparison in assertion.comparisons:
        if not value_holds(actual, comparison, context.scope):
            return Finding(f"{text} {described(comparison, context.scope)}", as_text(actual))
    if assertion.comparisons:
        return None
    if not isinstance(actual, bool):
        hint = "compare it: {{ a <= b }}, or give an operator and a value"
        raise VeloError(
            ErrorCode.NOTHING_CHECKED,
            f"the template has the value {as_text(actual)}, which is neither true nor false",
            location=location,
            hint=hint,
        )
    return None if actual else Finding(f"{text} to be true", "false")

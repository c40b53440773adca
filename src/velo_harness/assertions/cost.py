"""Assertions about what the query cost."""

from __future__ import annotations

from velo_harness.assertions.context import CheckContext
from velo_harness.result import Finding
from velo_harness.spec import AssertionSpec


def execution_time(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The query's own operators took so long; making inputs and capturing outputs does not count."""
    low, high = assertion.parameters["min_ms"], assertion.parameters["max_ms"]
    taken = context.execution_ms
    if low is not None and taken < float(low):
        return Finding(f"at least {low} ms", f"{taken:.1f} ms")
    if high is not None and taken > float(high):
        return Finding(f"at most {high} ms", f"{taken:.1f} ms")
    return None

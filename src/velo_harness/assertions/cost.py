"""Assertions about what the query cost: time, memory, state."""

from __future__ import annotations

from decimal import Decimal

from velo_harness.assertions.comparison import described, value_holds
from velo_harness.assertions.context import CheckContext
from velo_harness.counted import counted
from velo_harness.result import Finding
from velo_harness.spec import AssertionSpec

MEGABYTE = 1024 * 1024
DEFAULT_TOLERANCE_PERCENT = Decimal(10)


def execution_time(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The query's own operators took so long; making inputs and capturing outputs does not count."""
    low, high = assertion.parameters["min_ms"], assertion.parameters["max_ms"]
    taken = context.execution_ms
    if low is not None and taken < float(low):
        return Finding(f"at least {low} ms", f"{taken:.1f} ms")
    if high is not None and taken > float(high):
        return Finding(f"at most {high} ms", f"{taken:.1f} ms")
    for comparison in assertion.comparisons:
        if not value_holds(taken, comparison, context.scope):
            return Finding(f"milliseconds {described(comparison, context.scope)}", f"{taken:.1f} ms")
    return None


def throughput(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """Records of the job's sources by the seconds that its operators and sinks worked."""
    wanted, run = assertion.parameters, context.run
    if not run.job_records or run.job_seconds <= 0:
        return Finding("records to work through", "no record was read")
    rate = run.job_records / run.job_seconds
    low, high, about = (wanted[f"{name}_records_per_second"] for name in ("min", "max", "expected"))
    actual = f"{rate:,.0f} records per second ({run.job_records:,} in {run.job_seconds * 1000:.1f} ms)"
    if low is not None and rate < float(low):
        return Finding(f"at least {low} records per second", actual)
    if high is not None and rate > float(high):
        return Finding(f"at most {high} records per second", actual)
    percent = wanted["tolerance_percent"]
    percent = DEFAULT_TOLERANCE_PERCENT if percent is None else percent
    if about is not None and abs(rate - float(about)) > float(about * percent / 100):
        return Finding(f"{about} records per second within {percent} %", actual)
    for comparison in assertion.comparisons:
        if not value_holds(rate, comparison, context.scope):
            return Finding(f"a throughput {described(comparison, context.scope)} records per second", actual)
    return None


def memory_usage(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The memory of the process, looked at after every batch."""
    wanted, measured = assertion.parameters, context.run.measured
    before, peak = measured.memory_before, measured.memory_peak
    assert before is not None
    assert peak is not None
    grown = max(peak - before, 0)
    limits = (
        ("max_mb", peak, MEGABYTE, "MB", ""),
        ("max_bytes", peak, 1, "bytes", ""),
        ("max_growth_mb", grown, MEGABYTE, "MB", " more than before the query"),
        ("max_growth_bytes", grown, 1, "bytes", " more than before the query"),
    )
    for name, value, unit, noun, more in limits:
        limit = wanted[name]
        if limit is not None and value > limit * unit:
            shown = f"{value / unit:,.1f}" if unit > 1 else f"{value:,}"
            return Finding(f"at most {limit:,} {noun}{more}", f"{shown} {noun}{more}")
    return None


def state(assertion: AssertionSpec, context: CheckContext) -> Finding | None:
    """The rows and bytes of state, looked at after every batch, and what is left at the end."""
    wanted, measured = assertion.parameters, context.run.measured
    rows, size, left = measured.state_rows_peak, measured.state_bytes_peak, measured.state_rows_end
    if wanted["max_rows"] is not None and rows is not None and rows > wanted["max_rows"]:
        return Finding(f"at most {counted(wanted['max_rows'], 'row')} of state", counted(rows, "row"))
    if wanted["max_bytes"] is not None and size is not None and size > wanted["max_bytes"]:
        return Finding(f"at most {wanted['max_bytes']:,} bytes of state", f"{size:,} bytes")
    if wanted["empty_after"] and left:
        return Finding("no state at the end of the input", f"{counted(left, 'row')} of state")
    return None

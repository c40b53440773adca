"""Assertion types by name: ours, and those that installed plugins add."""

from __future__ import annotations

from velo_harness.assertions.aggregates import aggregate_check
from velo_harness.assertions.context import AssertionKind, View
from velo_harness.assertions.cost import execution_time, memory_usage, state, throughput
from velo_harness.assertions.distributions import distribution, percentile
from velo_harness.assertions.failures import dlq_count, error_rate, expect_error, late_count
from velo_harness.assertions.files import file_contains, file_exists, file_matches, file_row_count
from velo_harness.assertions.freshness import latency, table_freshness
from velo_harness.assertions.joins import join_coverage
from velo_harness.assertions.metrics import metric_counter, metric_exists, metric_gauge, metric_histogram
from velo_harness.assertions.order_time import event_ordering, ordering, window_boundary
from velo_harness.assertions.quality import data_quality
from velo_harness.assertions.queries import sql
from velo_harness.assertions.shape import completeness, no_nulls, record_count, schema_contains
from velo_harness.assertions.templates import template
from velo_harness.assertions.values import field_in_set, field_values, no_duplicates, unique_values

BUILT_IN = (
    AssertionKind("record_count", record_count, View.RECORDS, needs_rows=False),
    AssertionKind("schema_contains", schema_contains, View.RECORDS, needs_rows=False),
    AssertionKind("no_nulls", no_nulls, View.RECORDS),
    AssertionKind("completeness", completeness, View.FINAL, needs_rows=False),
    AssertionKind("field_values", field_values, View.RECORDS),
    AssertionKind("field_in_set", field_in_set, View.RECORDS),
    AssertionKind("unique_values", unique_values, View.FINAL),
    AssertionKind("no_duplicates", no_duplicates, View.RECORDS),
    AssertionKind("data_quality", data_quality, View.RECORDS),
    AssertionKind("distribution", distribution, View.FINAL),
    AssertionKind("percentile", percentile, View.FINAL),
    AssertionKind("aggregate_check", aggregate_check, View.FINAL),
    AssertionKind("template", template, View.NONE, needs_rows=False),
    AssertionKind("sql", sql, View.FINAL, needs_rows=False),
    AssertionKind("join_coverage", join_coverage, View.NONE, needs_rows=False),
    AssertionKind("ordering", ordering, View.RECORDS),
    AssertionKind("window_boundary", window_boundary, View.RECORDS),
    AssertionKind("event_ordering", event_ordering, View.RECORDS),
    AssertionKind("table_freshness", table_freshness, View.FINAL, needs_rows=False),
    AssertionKind("latency", latency, View.RECORDS),
    AssertionKind("execution_time", execution_time, View.NONE, needs_rows=False),
    AssertionKind("throughput", throughput, View.NONE, needs_rows=False),
    AssertionKind("memory_usage", memory_usage, View.NONE, needs_rows=False),
    AssertionKind("state", state, View.NONE, needs_rows=False),
    AssertionKind("dlq_count", dlq_count, View.NONE, needs_rows=False),
    AssertionKind("error_rate", error_rate, View.NONE, needs_rows=False),
    AssertionKind("late_count", late_count, View.NONE, needs_rows=False),
    AssertionKind("expect_error", expect_error, View.NONE, needs_rows=False),
    AssertionKind("file_exists", file_exists, View.NONE, needs_rows=False),
    AssertionKind("file_row_count", file_row_count, View.NONE, needs_rows=False),
    AssertionKind("file_contains", file_contains, View.NONE, needs_rows=False),
    AssertionKind("file_matches", file_matches, View.NONE, needs_rows=False),
    AssertionKind("metric_exists", metric_exists, View.NONE, needs_rows=False),
    AssertionKind("metric_counter", metric_counter, View.NONE, needs_rows=False),
    AssertionKind("metric_gauge", metric_gauge, View.NONE, needs_rows=False),
    AssertionKind("metric_histogram", metric_histogram, View.NONE, needs_rows=False),
)

_KINDS = {kind.name: kind for kind in BUILT_IN}


def assertion_kind(name: str) -> AssertionKind:
    """How the type called `name`, which the spec loader accepted, is evaluated."""
    return _KINDS[name]


def register(kind: AssertionKind) -> None:
    """Adds a type. Raises ValueError when there is one of the name."""
    if kind.name in _KINDS:
        raise ValueError(f'there is already an assertion type "{kind.name}"')
    _KINDS[kind.name] = kind


def unregister(name: str) -> None:
    """Takes a type back that `register` added."""
    _KINDS.pop(name, None)

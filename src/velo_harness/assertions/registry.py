"""Assertion types by name: ours, and those that installed plugins add."""

from __future__ import annotations

from velo_harness.assertions.aggregates import aggregate_check
from velo_harness.assertions.context import AssertionKind, View
from velo_harness.assertions.cost import execution_time
from velo_harness.assertions.files import file_contains, file_exists, file_matches, file_row_count
from velo_harness.assertions.joins import join_coverage
from velo_harness.assertions.order_time import ordering, window_boundary
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
    AssertionKind("aggregate_check", aggregate_check, View.FINAL),
    AssertionKind("join_coverage", join_coverage, View.NONE, needs_rows=False),
    AssertionKind("ordering", ordering, View.RECORDS),
    AssertionKind("window_boundary", window_boundary, View.RECORDS),
    AssertionKind("execution_time", execution_time, View.NONE, needs_rows=False),
    AssertionKind("file_exists", file_exists, View.NONE, needs_rows=False),
    AssertionKind("file_row_count", file_row_count, View.NONE, needs_rows=False),
    AssertionKind("file_contains", file_contains, View.NONE, needs_rows=False),
    AssertionKind("file_matches", file_matches, View.NONE, needs_rows=False),
    AssertionKind("template", template, View.NONE, needs_rows=False),
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

"""The types of assertions: their parameters, as tables, in the order of the documentation.

What an assertion means when it is evaluated is in `velo_harness.assertions`; this is what may be written.
"""

from __future__ import annotations

from velo_harness.assertion_keys import (
    COMMON_KEYS,
    COMPARISON_KEYS,
    OPERATORS,
    SHORT_FORMS,
    AssertionType,
    Compares,
)
from velo_harness.assertion_tables.aggregates import AGGREGATES
from velo_harness.assertion_tables.cost import COST
from velo_harness.assertion_tables.failures import FAILURES
from velo_harness.assertion_tables.files import FILES
from velo_harness.assertion_tables.joins import JOINS
from velo_harness.assertion_tables.metrics import METRICS
from velo_harness.assertion_tables.order_time import ORDER_TIME
from velo_harness.assertion_tables.shape import SHAPE
from velo_harness.assertion_tables.values import VALUES

__all__ = [
    "ASSERTION_TYPES",
    "COMMON_KEYS",
    "COMPARISON_KEYS",
    "OPERATORS",
    "SHORT_FORMS",
    "AssertionType",
    "Compares",
]

_TABLES = (SHAPE, VALUES, AGGREGATES, JOINS, ORDER_TIME, COST, FAILURES, FILES, METRICS)

ASSERTION_TYPES = {entry.name: entry for table in _TABLES for entry in table}
"""The types, and those that plugins add."""

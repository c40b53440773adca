from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from velo_engine import types as t
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.types import SqlType
from velo_harness.aggregates import NotAggregable, aggregate

BIG = 10**37


@pytest.mark.parametrize(
    ("function", "kind", "values", "expected"),
    [
        ("count", t.INT, [1, None, 1], 2),
        ("distinct", t.INT, [1, None, 1, 2], 2),
        ("distinct", t.DOUBLE, [0.0, -0.0, float("nan"), float("nan"), None], 2),
        ("distinct", t.array(t.INT), [[1], [1], [2], None], 2),
        ("distinct", t.STRING, ["", "a", None], 2),
        ("sum", t.BIGINT, [2**63 - 1, 2**63 - 1, None], 2**64 - 2),
        ("sum", t.decimal(38, 0), [Decimal(9 * BIG), Decimal(9 * BIG)], Decimal(18 * BIG)),
        ("sum", t.decimal(10, 2), [Decimal("0.10")] * 3, Decimal("0.30")),
        ("sum", t.DOUBLE, [1e16, 1.0, -1e16], 0.0),
        ("sum", t.INT, [None], None),
        ("sum", t.INT, [], None),
        ("avg", t.INT, [1, 2], Decimal("1.5")),
        ("avg", t.DOUBLE, [1.0, 2.0, None], 1.5),
        ("min", t.timestamp(3), [datetime(2025, 1, 2), datetime(2025, 1, 1)], datetime(2025, 1, 1)),
        ("max", t.STRING, ["a", "b", None], "b"),
        ("max", t.BOOLEAN, [False, True], True),
    ],
)
def test_aggregates_are_exact(relation, function: str, kind: SqlType, values: list[Any], expected: Any) -> None:
    found = aggregate(function, relation("r", {"v": (kind, values)}), 0)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("function", "kind", "values"), [("sum", t.STRING, ["1"]), ("avg", t.DATE, [None, datetime(2025, 1, 1).date()])]
)
def test_what_has_no_sum_is_refused(relation, function: str, kind: SqlType, values: list[Any]) -> None:
    with pytest.raises(NotAggregable):
        aggregate(function, relation("r", {"v": (kind, values)}), 0)


@pytest.mark.parametrize(
    "text",
    [
        "{type: aggregate_check, expression: SUM(s), equals: 1}",
        "{type: aggregate_check, expression: MAX(a), equals: 1}",
        "{type: aggregate_check, expression: SUM(x) + 1, equals: 1}",
        "{type: aggregate_check, expression: SUM(*), equals: 1}",
        "{type: aggregate_check, expression: MEDIAN(s), equals: 1}",
        "{type: aggregate_check, expression: COUNT(*), equals: '{{ outputs.r.sum_s }}'}",
        "{type: ordering, field: a}",
        "{type: window_boundary, window_start_field: s, window_end_field: s, window_size_ms: 1}",
    ],
)
def test_what_cannot_be_evaluated_is_an_error_with_a_code(check, relation, text: str) -> None:
    output = relation("r", {"s": (t.STRING, ["x"]), "a": (t.array(t.INT), [[1]])})
    with pytest.raises(VeloError) as caught:
        check(text, output)
    assert caught.value.code in (ErrorCode.TYPE_MISMATCH, ErrorCode.BAD_VALUE, ErrorCode.UNRESOLVED_TEMPLATE)
    assert caught.value.location is not None

"""When Flink computes SUM and AVG from shared sums and counts: answers of Flink 2.3.0 to the queries in the names."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from tests.engine.operators.changelogs import batches, context, inserts, run

from velo_engine.operators.group_aggregate import GroupAggregate
from velo_engine.plan import nodes
from velo_engine.plan.expressions import AggregateCall
from velo_engine.schema import Column, RowSchema
from velo_engine.types import BIGINT, BOOLEAN, DOUBLE, FLOAT, INT, TINYINT, SqlType, decimal

BIG = 2147483647
SCHEMA = RowSchema.of(("i", INT), ("j", INT), ("never", INT.as_nullable(False)), ("p", BOOLEAN))


def last_result(schema: RowSchema, calls: list[AggregateCall], rows: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    columns = tuple(Column(f"a{i}", c.type) for i, c in enumerate(calls))
    node = nodes.GroupAggregate(nodes.Upstream("t", schema), (), tuple(calls), RowSchema(columns))
    return run(GroupAggregate(context(), node, schema), batches(schema, inserts(*rows), 2))[-1].values


def call(text: str) -> AggregateCall:
    """`sum i`, `avg distinct i`, `count *`, `sum i p` (filtered by p)."""
    function, *words = text.split()
    distinct = "distinct" in words
    words = [w for w in words if w != "distinct"]
    args = () if words[0] == "*" else (SCHEMA.names.index(words[0]),)
    kind = BIGINT if function == "count" else INT
    return AggregateCall(function, args, kind, distinct, 3 if len(words) > 1 else None)


@pytest.mark.parametrize(
    ("calls", "average"),
    [
        ("avg i, count i", BIG),
        ("avg i, sum i", BIG),
        ("avg i, count i, sum i", -1),
        ("avg never, count *", BIG),
        ("avg never, count *, sum never", -1),
        ("avg i, count i, sum i, sum j", BIG),
        ("avg i, count i, sum i, count j, sum j, avg j, max j", -1),
        ("avg i p, count i p, sum i p", -1),
        ("avg i, sum i, stddev_pop j", -1),
    ],
)
def test_the_average_of_two_large_integers(calls: str, average: int) -> None:
    parsed = [call(text) for text in calls.split(", ")]
    assert last_result(SCHEMA, parsed, [(BIG, BIG, BIG, True), (BIG, BIG, BIG, True)])[0] == average


def test_the_average_of_distinct_integers() -> None:
    calls = [call(f"{f} distinct i") for f in ("count", "sum", "avg")]
    rows = [(BIG, 0, 0, True), (BIG, 0, 0, True), (5, 0, 0, True)]
    assert last_result(SCHEMA, calls, rows) == (2, -2147483644, -1073741822)


@pytest.mark.parametrize(
    ("with_count", "expected"), [(False, (16777220.0, 3355444.5)), (True, (16777220.0, 3355444.0))]
)
def test_the_average_of_floats(with_count: bool, expected: tuple[float, float]) -> None:
    schema = RowSchema.of(("f", FLOAT))
    calls = [AggregateCall("sum", (0,), FLOAT), AggregateCall("avg", (0,), FLOAT)]
    if with_count:
        calls.append(AggregateCall("count", (0,), BIGINT))
    rows = [(v,) for v in (16777216.0, 1.0, 1.0, 1.0, 3.0)]
    assert last_result(schema, calls, rows)[:2] == expected


@pytest.mark.parametrize(
    ("with_count", "average"), [(False, Decimal("69230769230769230769230769230770.153846")), (True, None)]
)
def test_the_average_of_a_total_beyond_the_result_type(with_count: bool, average: Decimal | None) -> None:
    schema = RowSchema.of(("x", decimal(38, 2)))
    calls = [AggregateCall("avg", (0,), decimal(38, 6))]
    if with_count:
        calls += [AggregateCall("sum", (0,), decimal(38, 2)), AggregateCall("count", (0,), BIGINT)]
    rows = [(Decimal("900000000000000000000000000000000.00"),), *[(Decimal("1.00"),)] * 12]
    assert last_result(schema, calls, rows)[0] == average


def deviations(kind: SqlType, result: SqlType, functions: str, values: list[Any]) -> tuple[Any, ...]:
    schema = RowSchema.of(("x", kind))
    calls = [AggregateCall(f, (0,), result) for f in functions.split()]
    return last_result(schema, calls, [(v,) for v in values])


def test_deviations() -> None:
    ints = deviations(INT, INT, "var_pop var_samp", [0, BIG])
    assert ints == (2147483647, 2147483647), "Java's cast stops at the bounds of INT"
    tiny = deviations(TINYINT, TINYINT, "var_pop var_samp stddev_samp", [127, -128])
    assert tiny == (-128, 0, -76), "and takes the low bits from there"
    doubles = deviations(DOUBLE, DOUBLE, "var_pop stddev_samp", [1.1, 2.25, -9.99])
    assert doubles == (30.458688888888886, 6.759292369274562)
    floats = deviations(FLOAT, FLOAT, "var_pop stddev_samp", [1.1, 2.25, -9.99])
    assert [np.float32(v) for v in floats] == [np.float32(30.458687), np.float32(6.759292)]
    prices = [Decimal(v) for v in ("1.10", "2.25", "3.35", "-9.99")]
    shown = deviations(decimal(10, 2), decimal(38, 6), "var_pop var_samp stddev_samp", prices)
    assert [str(v) for v in shown] == ["28.647269", "38.196358", "6.180320"]
    large = [Decimal(v) for v in ("3", "10", "11", "12345678901")]
    shown = deviations(decimal(20, 0), decimal(38, 6), "stddev_pop var_pop", large)
    assert [str(v) for v in shown] == ["5345835774.151673", "28577960124199820000.000000"]
    assert deviations(DOUBLE, DOUBLE, "var_pop var_samp", [5.0]) == (0.0, None)

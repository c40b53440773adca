"""Scalar operators and aggregates of definitions, held equal to the kernel and to the accumulators, which define them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine.compile_expression import compile_expression
from velo_engine.functions.table import FUNCTIONS
from velo_engine.kernel import Kernel
from velo_engine.operators.accumulators import AggregateCalls
from velo_engine.operators.match.aggregates import aggregate_of, column_of, values_of
from velo_engine.operators.match.scalars import NoValueError, compiled
from velo_engine.operators.vectors import to_arrow
from velo_engine.plan.expressions import AggregateCall, Call, ColumnRef
from velo_engine.schema import Column, RowSchema
from velo_engine.type_rules import aggregate_type
from velo_engine.types import BIGINT, BOOLEAN, DATE, DOUBLE, INT, STRING, SqlType, decimal, timestamp

SHORT, LONG = decimal(10, 2), decimal(38, 18)

VALUES: dict[SqlType, st.SearchStrategy[Any]] = {
    INT: st.one_of(st.integers(-9, 9), st.sampled_from([2**31 - 1, -(2**31), 65537])),
    BIGINT: st.one_of(st.integers(-9, 9), st.sampled_from([2**63 - 1, -(2**63), 10**15])),
    SHORT: st.one_of(st.integers(-999, 999), st.sampled_from([10**10 - 1, 1 - 10**10])),
    LONG: st.one_of(st.integers(-999, 999), st.integers(1 - 10**38, 10**38 - 1)),
    DOUBLE: st.sampled_from([0.0, -0.0, 0.1, 2.5, -7.0, 1e300, float("inf"), float("nan")]),
    STRING: st.sampled_from(["", "a", "b", "ab", "é", "\uff21", "😀"]),
    DATE: st.integers(-400, 20_000),
    timestamp(3): st.integers(-(10**9), 10**12).map(lambda ms: ms * 1000),
    BOOLEAN: st.booleans(),
}
"""Values in the numpy form of their type, NULL apart."""

NUMBERS = (INT, BIGINT, SHORT, LONG, DOUBLE)
OPERATORS = ("plus", "minus", "times", "divide")
COMPARISONS = ("equals", "not_equals", "less", "less_equal", "greater", "greater_equal")
CALLS = [
    *((name, (a, b)) for name in (*OPERATORS, *COMPARISONS) for a in NUMBERS for b in NUMBERS),
    *((name, (kind, kind)) for name in COMPARISONS for kind in (STRING, DATE, timestamp(3))),
    *(("negate", (kind,)) for kind in NUMBERS),
    ("not", (BOOLEAN,)),
]
UNKNOWN = {frozenset({DOUBLE, SHORT}), frozenset({DOUBLE, LONG})}
"""Operands that are left to the kernel."""


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with Kernel() as opened:
        yield opened


@pytest.mark.parametrize(("name", "types"), CALLS, ids=lambda part: str(part))
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_an_operator_computes_what_the_kernel_computes(
    kernel: Kernel, name: str, types: tuple[SqlType, ...], data: st.DataObject
) -> None:
    function = FUNCTIONS[name]
    assert function.bind is not None
    operands, result = function.bind(function, tuple(ColumnRef(i, kind) for i, kind in enumerate(types)))
    call = Call(name, operands, result)
    compute = compiled(call)
    if compute is None:
        assert frozenset(types) in UNKNOWN
        return
    rows = data.draw(st.lists(st.tuples(*(VALUES[kind] for kind in types)), min_size=1, max_size=30))
    assert repr([_ours(compute, row) for row in rows]) == repr(_kernels(kernel, call, types, rows))


def _ours(compute: Any, row: tuple[Any, ...]) -> Any:
    try:
        return compute(*row)
    except NoValueError as problem:
        return str(problem)


def _kernels(kernel: Kernel, call: Call, types: tuple[SqlType, ...], rows: list[tuple[Any, ...]]) -> list[Any]:
    sql = compile_expression(call, lambda i: f"i.c{i}")
    columns = [column_of([row[i] for row in rows], kind) for i, kind in enumerate(types)]
    table = pa.table([*columns, pa.array(range(len(rows)))], names=[*(f"c{i}" for i in range(len(types))), "n"])
    found = kernel.query(f"SELECT {sql.value} AS v, {sql.error or 'NULL'} AS e FROM rows i ORDER BY n", rows=table)
    values = values_of(found.column("v"), call.type)
    return [v if e is None else e for v, e in zip(values, found.column("e").to_pylist(), strict=True)]


AGGREGATES = [
    *((name, kind) for name in ("count", "sum", "avg", "min", "max", "first_value", "last_value") for kind in NUMBERS),
    *((name, kind) for name in ("count", "min", "max", "last_value") for kind in (STRING, DATE, timestamp(3))),
    ("var_pop", INT),
    ("stddev_samp", DOUBLE),
]


@pytest.mark.parametrize(("name", "kind"), AGGREGATES, ids=lambda part: str(part))
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_an_aggregate_gives_what_the_accumulators_give(name: str, kind: SqlType, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.one_of(st.none(), VALUES[kind]), max_size=8))
    result = aggregate_type(name, [kind])
    aggregate = aggregate_of(name, [lambda row: row[0]], [kind], result)
    state = aggregate.empty
    found = [aggregate.result(state)]
    for value in values:
        state = aggregate.add(state, (value,))
        found.append(aggregate.result(state))
    expected = [_accumulated(name, kind, result, values[:n]) for n in range(len(values) + 1)]
    assert repr(found) == repr(expected)


def _accumulated(name: str, kind: SqlType, result: SqlType, values: list[Any]) -> Any:
    calls = AggregateCalls([AggregateCall(name, (0,), result)], RowSchema((Column("v", kind),)), retracting=False)
    calls.reserve(2)
    calls.fold(np.ones(len(values), np.int64), pa.table([column_of(values, kind)], names=["c0"]), None)
    (vector,) = calls.values(np.array([1]))
    return values_of(to_arrow(vector, result), result)[0]


def test_columns_and_values_are_inverse() -> None:
    for kind, values in ((SHORT, [150, None, -1]), (LONG, [10**37, None]), (INT, [1, None]), (STRING, ["a", None])):
        assert values_of(column_of(values, kind), kind) == values
    assert column_of([150], SHORT).to_pylist() == [Decimal("1.50")]

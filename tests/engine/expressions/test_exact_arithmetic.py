"""Decimal and integer arithmetic against an independent computation with fractions and Python's integers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.expressions.recorded_expressions import bind

from velo_engine.compile_expression import compile_expression
from velo_engine.kernel import Kernel
from velo_engine.schema import RowSchema
from velo_engine.types import BIGINT, INT, SMALLINT, TINYINT, SqlType, TypeName, arrow_type, decimal

BATCH = 40
SHAPES = [
    (decimal(10, 2), decimal(10, 2)),
    (decimal(12, 4), INT),
    (decimal(38, 18), decimal(38, 18)),
    (decimal(38, 2), BIGINT),
    (decimal(38, 0), decimal(38, 38)),
    (decimal(20, 10), decimal(5, 5)),
    (decimal(38, 30), decimal(38, 6)),
    (decimal(18, 0), decimal(18, 18)),
    (BIGINT, decimal(19, 3)),
]
INTEGERS = [TINYINT, SMALLINT, INT, BIGINT]
BITS = {TypeName.TINYINT: 8, TypeName.SMALLINT: 16, TypeName.INT: 32, TypeName.BIGINT: 64}


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with Kernel() as kernel:
        yield kernel


def _unscaled(t: SqlType) -> st.SearchStrategy[int]:
    """Digits of a value of `t`: small ones, powers of ten and their neighbours, halves, the largest."""
    if t.name in BITS:
        limit = 2 ** (BITS[t.name] - 1)
        edges = [0, 1, -1, limit - 1, -limit, 5, 10]
        return st.one_of(st.sampled_from(edges), st.integers(-limit, limit - 1), st.integers(-100, 100))
    largest = 10**t.precision - 1
    near = [sign * (10**k + d) for k in range(t.precision) for d in (-1, 0, 1, 5) for sign in (1, -1)]
    edges = [0, largest, -largest, *(n for n in near if abs(n) <= largest)]
    small = min(1000, largest)
    return st.one_of(st.sampled_from(edges), st.integers(-largest, largest), st.integers(-small, small))


def _pairs(a: SqlType, b: SqlType) -> st.SearchStrategy[list[tuple[int, int]]]:
    return st.lists(st.tuples(_unscaled(a), _unscaled(b)), min_size=1, max_size=BATCH)


def _column(digits: list[int], t: SqlType) -> pa.Array:
    values = digits if t.name in BITS else [_decimal(n, t.scale) for n in digits]
    return pa.array(values, arrow_type(t))


def _decimal(digits: int, scale: int) -> Decimal:
    return Decimal(digits).scaleb(-scale, Context(prec=100))


@lru_cache
def _compiled(operator: str, a: SqlType, b: SqlType) -> tuple[SqlType, str]:
    schema = RowSchema.of(("a", a), ("b", b))
    bound = bind(f"a {operator} b", schema)
    return bound.type, compile_expression(bound, lambda i: f"i.c{i}").value


def _computed(
    kernel: Kernel, operator: str, a: SqlType, b: SqlType, pairs: list[tuple[int, int]]
) -> tuple[SqlType, list[int | Decimal | None]]:
    result, sql = _compiled(operator, a, b)
    rows = pa.table([_column([x for x, _ in pairs], a), _column([y for _, y in pairs], b)], names=["c0", "c1"])
    return result, kernel.query(f"SELECT {sql} AS v FROM i", i=rows).column("v").to_pylist()


def _half_up(value: Fraction, scale: int) -> int:
    """`value` times 10^scale, rounded half away from zero."""
    scaled = abs(value) * 10**scale
    rounded = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return rounded if value >= 0 else -rounded


def _to_38_digits(value: Fraction) -> Fraction:
    """`value` rounded half up to 38 significant digits: Java's MathContext(38)."""
    if value == 0:
        return value
    exponent = 0
    while abs(value) * 10**exponent < 10**37:
        exponent += 1
    while abs(value) * Fraction(10) ** exponent >= 10**38:
        exponent -= 1
    scaled = value * Fraction(10) ** exponent
    return Fraction(_half_up(scaled, 0)) / Fraction(10) ** exponent


def _expected(operator: str, x: Fraction, y: Fraction, result: SqlType) -> Decimal | None:
    if operator in "/%" and y == 0:
        return None
    if operator == "%":
        quotient = abs(x) // abs(y)
        exact = x - (quotient if (x >= 0) == (y >= 0) else -quotient) * y
    else:
        exact = {"+": x + y, "-": x - y, "*": x * y, "/": x / y if y else x}[operator]
    digits = _half_up(_to_38_digits(exact) if operator == "/" else exact, result.scale)
    return _decimal(digits, result.scale) if abs(digits) < 10**result.precision else None


@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "%"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]} and {shape[1]}")
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_decimal_results_are_exact_half_up_and_null_on_overflow(
    kernel: Kernel, operator: str, shape: tuple[SqlType, SqlType], data: st.DataObject
) -> None:
    a, b = shape
    pairs = data.draw(_pairs(a, b))

    result, got = _computed(kernel, operator, a, b, pairs)

    for (n, m), value in zip(pairs, got, strict=True):
        x, y = Fraction(n, 10**a.scale), Fraction(m, 10**b.scale)
        assert value == _expected(operator, x, y, result), (x, operator, y)


def _wrapped(value: int, t: SqlType) -> int:
    size = 2 ** BITS[t.name]
    return (value + size // 2) % size - size // 2


def _integer_expected(operator: str, x: int, y: int, result: SqlType) -> int | None:
    if operator in "/%":
        if y == 0:
            return None
        quotient = abs(x) // abs(y) * (1 if (x >= 0) == (y >= 0) else -1)
        return _wrapped(quotient if operator == "/" else x - quotient * y, result)
    return _wrapped({"+": x + y, "-": x - y, "*": x * y}[operator], result)


@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "%"])
@pytest.mark.parametrize("left", INTEGERS, ids=str)
@pytest.mark.parametrize("right", INTEGERS, ids=str)
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_integers_wrap_around(
    kernel: Kernel, operator: str, left: SqlType, right: SqlType, data: st.DataObject
) -> None:
    pairs = data.draw(_pairs(left, right))

    result, got = _computed(kernel, operator, left, right, pairs)

    assert got == [_integer_expected(operator, x, y, result) for x, y in pairs]


@settings(max_examples=60, deadline=None)
@given(pairs=_pairs(decimal(20, 10), decimal(28, 4)))
def test_decimals_with_room_for_all_digits_are_equal_exactly(kernel: Kernel, pairs: list[tuple[int, int]]) -> None:
    """Without room in their common type Flink rounds both sides first: oracle case equality_of_decimals_without_room."""
    a, b = decimal(20, 10), decimal(28, 4)
    exact = [(Fraction(n, 10**10), Fraction(m, 10**4)) for n, m in pairs]

    answers = {operator: _computed(kernel, operator, a, b, pairs)[1] for operator in ("=", "<>")}

    assert answers["="] == [x == y for x, y in exact]
    assert answers["<>"] == [x != y for x, y in exact]


@settings(max_examples=60, deadline=None)
@given(pairs=_pairs(decimal(38, 18), decimal(38, 4)))
def test_decimals_of_any_scale_compare_exactly(kernel: Kernel, pairs: list[tuple[int, int]]) -> None:
    a, b = decimal(38, 18), decimal(38, 4)
    exact = [(Fraction(n, 10**18), Fraction(m, 10**4)) for n, m in pairs]

    answers = {operator: _computed(kernel, operator, a, b, pairs)[1] for operator in ("<", "<=", ">", ">=")}

    assert answers["<"] == [x < y for x, y in exact]
    assert answers["<="] == [x <= y for x, y in exact]
    assert answers[">"] == [x > y for x, y in exact]
    assert answers[">="] == [x >= y for x, y in exact]

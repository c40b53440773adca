"""Whatever the values, a compiled expression gives a value or an error per row, and the kernel never raises."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from velo_engine import types as t
from velo_engine.compile_expression import compile_expression
from velo_engine.errors import VeloError
from velo_engine.functions.signature import SignatureError
from velo_engine.functions.table import FUNCTIONS
from velo_engine.kernel import Kernel
from velo_engine.plan.expressions import Call, Cast, ColumnRef, Expression, Literal
from velo_engine.type_rules import can_cast
from velo_engine.types import SqlType, arrow_type

ROWS = 96
SIGNATURES = 12
"""Combinations of argument types tried of each function, of those that it accepts."""

_INTS = (0, 1, -1, 2, 3, 7, 10, 100, 127, -128)
_TEXTS = (
    *(
        "",
        " ",
        "a",
        "abc",
        "héllo",
        "😀",
        "e\u0301",
        "a\r\nb",
        "\0",
        "0",
        "-1",
        "1.5",
        "1e400",
        "NaN",
        "true",
        "TRUE",
        "x%_",
    ),
    *(
        "2024-02-29",
        "2024-02-30 25:61:61",
        "2024-05-17 13:45:10.123456",
        "13:45:10",
        "yyyy-MM-dd",
        "[",
        "(",
        "\\",
        "a{",
        "(?i)x",
    ),
    *(
        "$.a",
        "lax $[0]",
        "$..",
        '{"a":[1,{"b":null}]}',
        "[",
        '"\\ud800"',
        "UTC",
        "Europe/Berlin",
        "Nowhere",
        "%zz",
        "%41+b",
    ),
    *("MSFT,AAPL", "9" * 60, "1" * 19, "0x1p-3", "ﬁ", "ŉ", "İ", "ß", "\u00a0", "\ud7ff", "'", '"'),
)
_DOUBLES = (
    0.0,
    -0.0,
    1.0,
    -1.5,
    0.1,
    1e-7,
    1e7,
    1e20,
    1e300,
    -1e300,
    5e-324,
    float("inf"),
    float("-inf"),
    float("nan"),
    2.5,
)
_DATES = (dt.date(1, 1, 1), dt.date(1969, 12, 31), dt.date(1970, 1, 1), dt.date(2024, 2, 29), dt.date(9999, 12, 31))
_MOMENTS = (
    *(dt.datetime(1, 1, 1), dt.datetime(1969, 12, 31, 23, 59, 59, 999999), dt.datetime(1970, 1, 1)),
    *(
        dt.datetime(2024, 3, 31, 2, 30),
        dt.datetime(2024, 2, 29, 12, 0, 0, 1),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
    ),
)

POOLS: dict[SqlType, tuple[Any, ...]] = {
    t.BOOLEAN: (True, False),
    t.TINYINT: _INTS,
    t.INT: (*_INTS, 2**31 - 1, -(2**31), 2024),
    t.BIGINT: (*_INTS, 2**63 - 1, -(2**63), 1_715_953_510_123, 10**17),
    t.FLOAT: (0.0, -0.0, 1.5, 3.4e38, -3.4e38, float("inf"), float("nan"), 1e-45),
    t.DOUBLE: _DOUBLES,
    t.decimal(10, 2): tuple(map(Decimal, ("0.00", "1.50", "-3.25", "99999999.99", "-99999999.99", "0.01"))),
    t.decimal(38, 18): tuple(map(Decimal, ("0E-18", "1.234567890123456789", "9" * 20 + "." + "9" * 18, "-1E-18"))),
    t.decimal(38, 0): tuple(map(Decimal, ("0", "1", "9" * 38, "-" + "9" * 38))),
    t.decimal(5, 5): tuple(map(Decimal, ("0.00000", "0.99999", "-0.00001"))),
    t.STRING: _TEXTS,
    t.varchar(5): tuple(text[:5] for text in _TEXTS),
    t.char(3): tuple(text[:3] for text in _TEXTS),
    t.BYTES: (b"", b"\0", b"\xff\xfe", "é".encode(), b"abc"),
    t.DATE: _DATES,
    t.time(0): (dt.time(0), dt.time(23, 59, 59), dt.time(12, 30)),
    t.timestamp(3): _MOMENTS,
    t.timestamp(6): _MOMENTS,
    t.timestamp_ltz(3): _MOMENTS,
    t.INTERVAL_DAY_TIME: (0, 1, -1, 86_400_000, 2**62, -(2**63)),
    t.INTERVAL_YEAR_MONTH: (0, 1, -1, 12, 10**6, 2**40),
    t.array(t.INT): ([], [1], [1, None, 3], [2**31 - 1, -1]),
    t.array(t.STRING): ([], ["a", None], ["", "b"]),
    t.map_of(t.STRING, t.INT): ([], [("a", 1)], [("a", 1), ("b", None)]),
    t.row(("n", t.INT), ("s", t.STRING)): ({"n": 1, "s": "a"}, {"n": None, "s": None}),
}
LITERALS: tuple[Literal, ...] = (
    *(
        Literal(word, t.char(len(word)).as_nullable(False))
        for word in ("YEAR", "MONTH", "WEEK", "DAY", "HOUR", "SECOND")
    ),
    *(
        Literal(text, t.char(len(text)).as_nullable(False))
        for text in ("yyyy-MM-dd", "$.a", "UTF-8", "a", "", "%", "[a-z]+")
    ),
    *(Literal(number, t.INT.as_nullable(False)) for number in (0, 1, 3, -2, 6, 256)),
)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with Kernel() as kernel:
        yield kernel


def _columns(types: tuple[SqlType, ...], rng: random.Random) -> pa.Table:
    """Rows of random values of the pools, a tenth of them NULL."""

    def value(pool: tuple[Any, ...]) -> Any:
        return None if rng.random() < 0.1 else rng.choice(pool)

    arrays = [pa.array([value(POOLS[kind]) for _ in range(ROWS)], arrow_type(kind)) for kind in types]
    return pa.table([*arrays, pa.array(range(ROWS))], names=[*(f"c{i}" for i in range(len(types))), "row"])


def _check(kernel: Kernel, expression: Expression, rows: pa.Table, time_zone: str) -> None:
    compiled = compile_expression(
        expression, lambda i: f"i.c{i}", time_zone=time_zone, now="TIMESTAMP '2026-01-02 03:04:05.678'"
    )
    error = compiled.error or "CAST(NULL AS VARCHAR)"
    found = kernel.query(f"SELECT {compiled.value} AS value, {error} AS error FROM i ORDER BY i.row", i=rows)
    assert found.num_rows == ROWS
    wanted = arrow_type(expression.type)
    assert found.schema.field("value").type == wanted or found.column("value").cast(wanted).type == wanted
    found.column("value").to_pylist()  # dates stay within the years that Python and every format know


def _accepted(name: str, rng: random.Random) -> list[tuple[Expression, tuple[SqlType, ...]]]:
    """Calls of a function that its signature accepts, and the types of their columns."""
    function = FUNCTIONS[name]
    kinds = [*POOLS, *LITERALS]
    found: list[tuple[Expression, tuple[SqlType, ...]]] = []
    for count in range(5):
        every = itertools.product(kinds, repeat=count) if count < 3 else ()
        same = ((kind,) * count for kind in kinds)
        drawn = (tuple(rng.choice(kinds) for _ in range(count)) for _ in range(600 if count > 2 else 0))
        with_unit = ((unit, kind, kind) for unit in LITERALS for kind in POOLS if count == 3)
        for chosen in itertools.chain(every, same, with_unit, drawn):
            types = tuple(kind for kind in chosen if isinstance(kind, SqlType))
            positions = iter(range(len(types)))
            args = tuple(kind if isinstance(kind, Literal) else ColumnRef(next(positions), kind) for kind in chosen)
            try:
                if function.expand is not None:
                    found.append((function.expand(args), types))
                elif function.bind is not None:
                    bound, result = function.bind(function, args)
                    found.append((Call(name, bound, result), types))
            except (SignatureError, VeloError, ValueError):
                continue
    return rng.sample(found, min(SIGNATURES, len(found)))


WITHOUT_COLUMNS = frozenset(
    {"field", "json_value", "json_query", "json_exists", "is_json", "json_object", "json_array", "in"}
    | {"header", "has_header", "header_keys"}
)
"""Made by the binder from syntax of their own; the recorded expressions, and the tests of headers, try them."""


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - WITHOUT_COLUMNS))
def test_function_never_raises(kernel: Kernel, name: str) -> None:
    rng = random.Random(name)
    calls = _accepted(name, rng)
    assert calls, "no combination of argument types was accepted"
    for expression, types in calls:
        _check(kernel, expression, _columns(types, rng), rng.choice(["UTC", "America/New_York"]))


@pytest.mark.parametrize("source", POOLS, ids=str)
def test_cast_never_raises(kernel: Kernel, source: SqlType) -> None:
    rng = random.Random(str(source))
    for target, safe in itertools.product(POOLS, [False, True]):
        if can_cast(source, target):
            _check(kernel, Cast(ColumnRef(0, source), target, safe), _columns((source,), rng), "Asia/Kolkata")

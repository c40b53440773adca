"""Flink's rules for types: how they are written, what arithmetic makes of them, what they have in common."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from velo_engine.errors import VeloError
from velo_engine.sql.parser import parse_type as parse_type_syntax
from velo_engine.type_rules import (
    addition_type,
    aggregate_type,
    can_cast,
    case_type,
    common_type,
    division_type,
    modulo_type,
    multiplication_type,
    parse_type,
    round_type,
)
from velo_engine.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    INTERVAL_DAY_TIME,
    NULL,
    SMALLINT,
    STRING,
    TINYINT,
    SqlType,
    TypeName,
    array,
    char,
    decimal,
    map_of,
    row,
    time,
    timestamp,
    timestamp_ltz,
    varchar,
)

SPELLINGS = [
    ("INT", INT),
    ("integer NOT NULL", INT.as_nullable(False)),
    ("BIGINT", BIGINT),
    ("STRING", STRING),
    ("VARCHAR", STRING),
    ("VARCHAR(5)", varchar(5)),
    ("CHAR", char(1)),
    ("CHAR(3)", char(3)),
    ("BYTES", BYTES),
    ("BINARY(4)", SqlType(TypeName.BINARY, length=4)),
    ("DOUBLE PRECISION", DOUBLE),
    ("FLOAT", FLOAT),
    ("BOOLEAN", BOOLEAN),
    ("DECIMAL", decimal(10, 0)),
    ("DECIMAL(7)", decimal(7, 0)),
    ("NUMERIC(38, 18)", decimal(38, 18)),
    ("DATE", DATE),
    ("TIME", time(0)),
    ("TIME(3)", time(3)),
    ("TIMESTAMP", timestamp(6)),
    ("TIMESTAMP(3)", timestamp(3)),
    ("TIMESTAMP(3) WITHOUT TIME ZONE", timestamp(3)),
    ("TIMESTAMP_LTZ(3)", timestamp_ltz(3)),
    ("TIMESTAMP(3) WITH LOCAL TIME ZONE", timestamp_ltz(3)),
    ("ARRAY<INT NOT NULL>", array(INT.as_nullable(False))),
    ("INT ARRAY", array(INT)),
    ("MAP<STRING, ARRAY<DOUBLE>>", map_of(STRING, array(DOUBLE))),
    ("MULTISET<STRING>", SqlType(TypeName.MULTISET, element=STRING)),
    ("ROW<a INT, `b c` ROW<z STRING> NOT NULL>", row(("a", INT), ("b c", row(("z", STRING)).as_nullable(False)))),
]


@pytest.mark.parametrize(("spelling", "kind"), SPELLINGS)
def test_a_spelling_means_the_same_as_text_and_in_sql(spelling: str, kind: SqlType) -> None:
    assert parse_type(spelling) == kind
    assert parse_type(parse_type_syntax(spelling)) == kind


@pytest.mark.parametrize(
    "spelling", ["", "INTT", "DECIMAL(39, 2)", "DECIMAL(5, 6)", "ARRAY", "ARRAY<>", "MAP<INT>", "INT(5)", "INT INT", "ROW<a>", "TIME(9)"]
)  # fmt: skip
def test_what_is_no_type_is_refused(spelling: str) -> None:
    with pytest.raises(VeloError):
        parse_type(spelling)


def _types() -> st.SearchStrategy[SqlType]:
    plain = st.sampled_from(
        [INT, BIGINT, STRING, varchar(7), char(2), decimal(12, 4), DATE, timestamp(3), BOOLEAN, BYTES]
    )
    names = st.sampled_from(["a", "b", "with space"])
    nullable = st.booleans()
    return st.recursive(
        st.builds(SqlType.as_nullable, plain, nullable),
        lambda inner: st.one_of(
            st.builds(array, inner),
            st.builds(map_of, inner, inner),
            st.lists(st.tuples(names, inner), min_size=1, max_size=3, unique_by=lambda f: f[0]).map(
                lambda fs: row(*fs)
            ),
        ),
        max_leaves=6,
    )


@given(kind=_types())
def test_the_text_of_a_type_reads_back(kind: SqlType) -> None:
    assert parse_type(str(kind)) == kind


@pytest.mark.parametrize(
    ("rule", "a", "b", "result"),
    [
        (addition_type, decimal(10, 2), decimal(12, 4), decimal(13, 4)),
        (addition_type, decimal(38, 0), decimal(38, 18), decimal(38, 6)),
        (addition_type, INT, BIGINT, BIGINT),
        (addition_type, TINYINT, SMALLINT, SMALLINT),
        (addition_type, FLOAT, DOUBLE, FLOAT),
        (addition_type, DOUBLE, FLOAT, DOUBLE),
        (addition_type, FLOAT, BIGINT, FLOAT),
        (addition_type, FLOAT, decimal(5, 2), DOUBLE),
        (multiplication_type, decimal(10, 2), decimal(12, 4), decimal(23, 6)),
        (multiplication_type, decimal(20, 10), decimal(20, 10), decimal(38, 17)),
        (division_type, decimal(10, 2), decimal(10, 2), decimal(23, 13)),
        (division_type, decimal(38, 18), decimal(38, 18), decimal(38, 6)),
        (division_type, decimal(10, 2), BIGINT, decimal(30, 22)),
        (division_type, INT, INT, INT),
        (modulo_type, decimal(10, 2), decimal(12, 4), decimal(12, 4)),
    ],
)
def test_arithmetic_types(rule: object, a: SqlType, b: SqlType, result: SqlType) -> None:
    assert callable(rule)
    assert rule(a, b) == result


def test_rounding_keeps_one_more_whole_digit() -> None:
    assert round_type(decimal(10, 3), 2) == decimal(10, 2)
    assert round_type(decimal(10, 3), -2) == decimal(8, 0)
    assert round_type(decimal(10, 3), 5) == decimal(10, 3)


@pytest.mark.parametrize(
    ("types", "result"),
    [
        ([INT, BIGINT], BIGINT),
        ([INT, decimal(2, 1)], decimal(11, 1)),
        ([decimal(38, 0), decimal(38, 18)], decimal(38, 0)),
        ([char(1), char(3)], varchar(3)),
        ([char(2), char(2)], char(2)),
        ([varchar(5), STRING], STRING),
        ([timestamp(0), timestamp(6)], timestamp(6)),
        ([timestamp(3), timestamp_ltz(3)], timestamp_ltz(3)),
        ([NULL, INT.as_nullable(False)], INT),
        ([array(INT.as_nullable(False)), array(BIGINT)], array(BIGINT)),
        ([DATE, timestamp(3)], None),
        ([INT, STRING], None),
        ([INTERVAL_DAY_TIME, INT], None),
    ],
)
def test_common_types(types: list[SqlType], result: SqlType | None) -> None:
    assert common_type(types) == result


def test_a_common_type_is_nullable_when_one_is() -> None:
    assert common_type([INT.as_nullable(False), BIGINT.as_nullable(False)]) == BIGINT.as_nullable(False)
    assert common_type([INT, BIGINT.as_nullable(False)]) == BIGINT


def test_of_two_floats_case_takes_the_first() -> None:
    assert case_type([FLOAT, DOUBLE]) == FLOAT
    assert case_type([DOUBLE, FLOAT]) == DOUBLE
    assert common_type([FLOAT, DOUBLE]) == DOUBLE


@pytest.mark.parametrize(
    ("function", "arg", "result"),
    [
        ("count", STRING, BIGINT.as_nullable(False)),
        ("sum", INT.as_nullable(False), INT),
        ("sum", decimal(10, 2), decimal(38, 2)),
        ("avg", decimal(10, 2), decimal(38, 6)),
        ("avg", TINYINT, TINYINT),
        ("avg", DOUBLE, DOUBLE),
        ("min", timestamp(3), timestamp(3)),
        ("max", STRING.as_nullable(False), STRING),
        ("var_pop", INT, INT),
        ("stddev_samp", DOUBLE, DOUBLE),
        ("listagg", STRING, STRING),
        ("first_value", STRING, STRING),
        ("collect", STRING, SqlType(TypeName.MULTISET, nullable=False, element=STRING)),
    ],
)
def test_aggregate_types(function: str, arg: SqlType, result: SqlType) -> None:
    assert aggregate_type(function, [arg]) == result


def test_aggregates_refuse_what_they_cannot_take() -> None:
    with pytest.raises(VeloError, match="SUM needs a number, not STRING"):
        aggregate_type("sum", [STRING])
    with pytest.raises(VeloError, match="there is no aggregate function SUMM"):
        aggregate_type("summ", [INT])


def test_casts_that_do_not_exist() -> None:
    assert not can_cast(INT, timestamp(3))
    assert not can_cast(BOOLEAN, DATE)
    assert not can_cast(array(INT), INT)
    assert can_cast(array(INT), STRING)
    assert can_cast(STRING, timestamp_ltz(3))

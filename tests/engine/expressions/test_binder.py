"""What the binder refuses, in whose words and where; what it makes of constants."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from tests.engine.expressions.recorded_expressions import TableScope, bind

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.functions.signature import coerced
from velo_engine.plan.expressions import Call, Case, Cast, ColumnRef, Literal, walk
from velo_engine.schema import RowSchema
from velo_engine.sql.expression_binder import bind_condition
from velo_engine.sql.parser import parse_expression
from velo_engine.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    INT,
    INTERVAL_DAY_TIME,
    INTERVAL_YEAR_MONTH,
    STRING,
    SqlType,
    array,
    char,
    decimal,
    row,
    timestamp,
    varchar,
)

SCHEMA = RowSchema.of(
    ("i", INT), ("b", BIGINT), ("d", decimal(10, 2)), ("s", STRING), ("p", BOOLEAN), ("ts", timestamp(3)), ("day", DATE),
    ("a", array(INT)), ("r", row(("n", INT), ("inner", row(("z", STRING))))),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code", "words", "column"),
    [
        ("i + s", ErrorCode.TYPE_MISMATCH, "a + b: needs numbers, not INT and STRING", 1),
        ("i || s", ErrorCode.TYPE_MISMATCH, "needs strings, not INT and STRING; write CAST", 1),
        ("i = p", ErrorCode.TYPE_MISMATCH, "cannot compare INT with BOOLEAN", 1),
        ("ts > day", ErrorCode.TYPE_MISMATCH, "cannot compare TIMESTAMP(3) with DATE", 1),
        ("s = 1", ErrorCode.TYPE_MISMATCH, "cannot compare a string with INT for equality", 1),
        ("UPPER(i)", ErrorCode.TYPE_MISMATCH, "UPPER: needs a string as argument 1, not INT", 1),
        ("1 + UPPER(s, s)", ErrorCode.TYPE_MISMATCH, "UPPER: takes 1 argument, not 2", 5),
        ("SUBSTRING(s)", ErrorCode.TYPE_MISMATCH, "takes 2 to 3 arguments, not 1", 1),
        ("CONCAT_WS(',')", ErrorCode.TYPE_MISMATCH, "takes at least 2 arguments, not 1", 1),
        ("UPPER(NULL)", ErrorCode.TYPE_MISMATCH, "cannot tell the type of NULL in argument 1", 1),
        ("UPPR(s)", ErrorCode.UNKNOWN_FUNCTION, "there is no function UPPR", 1),
        ("i + RAND()", ErrorCode.SQL_UNSUPPORTED, "does not run RAND: its result differs from run to run", 5),
        ("SUM(i)", ErrorCode.INVALID_GROUPING, "the aggregate function SUM cannot stand here", 1),
        ("nosuch", ErrorCode.UNKNOWN_COLUMN, "no column nosuch", None),
        ("r.nosuch", ErrorCode.UNKNOWN_COLUMN, 'there is no field "nosuch"', None),
        ("i.n", ErrorCode.TYPE_MISMATCH, 'a value of type INT has no field "n"', None),
        ("a[0]", ErrorCode.TYPE_MISMATCH, "counts elements from 1, not 0", 1),
        ("i[1]", ErrorCode.TYPE_MISMATCH, "needs an ARRAY or a MAP, not INT", 1),
        ("CAST(i AS TIMESTAMP_LTZ(3))", ErrorCode.TYPE_MISMATCH, "no cast from INT to TIMESTAMP_LTZ(3)", None),
        ("CASE WHEN p THEN 1 ELSE 'a' END", ErrorCode.TYPE_MISMATCH, "branches of CASE have no common type: INT, CHAR(1)", 1),
        ("CASE WHEN i THEN 1 END", ErrorCode.TYPE_MISMATCH, "WHEN needs a condition, not a value of type INT", 11),
        ("p AND i", ErrorCode.TYPE_MISMATCH, "needs a BOOLEAN as argument 2, not INT", 1),
        ("NOT i", ErrorCode.TYPE_MISMATCH, "needs a BOOLEAN", 5),
        ("12345678901234567890", ErrorCode.TYPE_MISMATCH, "outside the range of BIGINT", 1),
        ("DATE '2024-02-30'", ErrorCode.TYPE_MISMATCH, "is not a date of the calendar", 1),
        ("TIMESTAMP '2024-01-01'", ErrorCode.TYPE_MISMATCH, "is not written as TIMESTAMP 'yyyy-mm-dd hh:mm:ss'", 1),
        ("EXTRACT(HOUR FROM s)", ErrorCode.TYPE_MISMATCH, "needs a date or time as argument 2", None),
        ("FLOOR(day TO HOUR)", ErrorCode.TYPE_MISMATCH, "of a DATE needs a unit of", 1),
        ("TO_TIMESTAMP(s, 'YYYY-MM-dd')", ErrorCode.TYPE_MISMATCH, "cannot use the pattern 'YYYY-MM-dd'", 1),
        ("s LIKE 'a!b' ESCAPE '!'", ErrorCode.TYPE_MISMATCH, "escapes a character other than", 1),
        ("REGEXP(s, '\\p{L}')", ErrorCode.TYPE_MISMATCH, "cannot use the regular expression", 1),
        ("JSON_VALUE(s, '$..x')", ErrorCode.TYPE_MISMATCH, "the path $..x has a part", 1),
        ("JSON_VALUE(s, '$.x' RETURNING BIGINT)", ErrorCode.TYPE_MISMATCH, "not BIGINT", None),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_plain_words_and_with_its_place(
    text: str, code: ErrorCode, words: str, column: int | None
) -> None:
    with pytest.raises(VeloError) as refusal:
        bind(text, SCHEMA)

    assert refusal.value.code is code
    assert words in refusal.value.message
    if column is not None:
        assert refusal.value.location is not None
        assert (refusal.value.location.line, refusal.value.location.column) == (1, column)


@pytest.mark.parametrize(("text", "nearest"), [("SUBSTRNG(s, 1)", "SUBSTRING"), ("SUMM(i)", "SUM")])
def test_the_nearest_function_is_named(text: str, nearest: str) -> None:
    with pytest.raises(VeloError) as refusal:
        bind(text, SCHEMA)

    assert refusal.value.hint == f'did you mean "{nearest}"?'


def test_a_condition_must_be_a_boolean() -> None:
    with pytest.raises(VeloError, match="WHERE needs a condition, not a value of type INT"):
        bind_condition(parse_expression("i + 1"), TableScope(SCHEMA), clause="WHERE")


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("1", 1, INT),
        ("-2147483647", -2147483647, INT),
        ("3000000000", 3_000_000_000, BIGINT),
        ("-9223372036854775808", -(2**63), BIGINT),
        ("100.00", Decimal("100.00"), decimal(5, 2)),
        ("-0.001", Decimal("-0.001"), decimal(4, 3)),
        ("'it''s'", "it's", char(4)),
        ("DATE '2024-02-29'", dt.date(2024, 2, 29), DATE),
        ("TIMESTAMP '2024-01-02 03:04:05.060'", dt.datetime(2024, 1, 2, 3, 4, 5, 60000), timestamp(3)),
        ("INTERVAL '1.5' SECOND", 1500, INTERVAL_DAY_TIME),
        ("INTERVAL -'2' DAY", -172_800_000, INTERVAL_DAY_TIME),
        ("INTERVAL '1 02:03:04.005' DAY TO SECOND", 93_784_005, INTERVAL_DAY_TIME),
        ("INTERVAL '1-2' YEAR TO MONTH", 14, INTERVAL_YEAR_MONTH),
        ("INTERVAL '1' QUARTER", 3, INTERVAL_YEAR_MONTH),
        ("TRUE", True, BOOLEAN),
    ],
)
def test_constants_have_flinks_types(text: str, value: Any, kind: SqlType) -> None:
    bound = bind(text, SCHEMA)

    assert isinstance(bound, Literal)
    assert (bound.value, bound.type) == (value, kind.as_nullable(False))


def test_fields_of_rows_are_reached_by_dots() -> None:
    bound = bind("t.r.inner.z", SCHEMA)

    assert bound.type == STRING
    assert [e.function for e in walk(bound) if isinstance(e, Call)] == ["field", "field"]


def test_operands_are_cast_to_the_common_type() -> None:
    bound = bind("COALESCE(i, b)", SCHEMA)

    assert isinstance(bound, Call)
    assert bound.args == (Cast(ColumnRef(0, INT), BIGINT), ColumnRef(1, BIGINT))


def test_an_untyped_null_takes_the_type_of_the_others() -> None:
    bound = bind("CASE WHEN p THEN NULL ELSE d END", SCHEMA)

    assert isinstance(bound, Case)
    assert bound.branches[0][1] == Literal(None, decimal(10, 2))


def test_a_chain_of_or_is_one_call() -> None:
    bound = bind("i = 1 OR i = 2 OR p", SCHEMA)

    assert isinstance(bound, Call)
    assert (bound.function, len(bound.args)) == ("or", 3)


def test_a_list_of_constants_is_one_call_and_one_of_columns_is_not() -> None:
    constants, columns = bind("s IN ('a', 'bc')", SCHEMA), bind("i IN (1, i + 1)", SCHEMA)

    assert isinstance(constants, Call)
    assert isinstance(columns, Call)
    assert (constants.function, columns.function) == ("in", "or")


def test_a_shorter_string_needs_no_cast_and_another_kind_of_value_none_can_give() -> None:
    word = ColumnRef(0, varchar(2))

    assert coerced(word, STRING) is word
    with pytest.raises(VeloError, match="BOOLEAN does not fit where INT is expected"):
        coerced(ColumnRef(4, BOOLEAN), INT)

"""The tree of every spelling of a type."""

from __future__ import annotations

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.sql.parser import parse_type

CASES = {
    "INT": "INT",
    "integer": "INT",
    "BIGINT NOT NULL": "BIGINT NOT NULL",
    "SMALLINT NULL": "SMALLINT NULL",
    "TINYINT": "TINYINT",
    "BOOLEAN": "BOOLEAN",
    "FLOAT": "FLOAT",
    "DOUBLE": "DOUBLE",
    "DOUBLE PRECISION": "DOUBLE",
    "STRING": "TEXT",
    "VARCHAR": "VARCHAR",
    "VARCHAR(20)": "VARCHAR<20>",
    "CHARACTER VARYING (20)": "VARCHAR<20>",
    "CHAR(3)": "CHAR<3>",
    "BYTES": "BLOB",
    "VARBINARY(4)": "VARBINARY<4>",
    "DECIMAL": "DECIMAL",
    "NUMERIC(10)": "DECIMAL<10>",
    "DEC(38, 18) NOT NULL": "DECIMAL<38, 18> NOT NULL",
    "DATE": "DATE",
    "TIME(3) WITHOUT TIME ZONE": "TIME<3>",
    "TIMESTAMP(3)": "TIMESTAMP<3>",
    "TIMESTAMP(6) WITHOUT TIME ZONE": "TIMESTAMP<6>",
    "TIMESTAMP_LTZ(3)": "TIMESTAMPLTZ<3>",
    "TIMESTAMP(3) WITH LOCAL TIME ZONE": "TIMESTAMPLTZ<3>",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ",
    "INTERVAL DAY(2) TO SECOND(3)": "Interval(unit=IntervalSpan(DAY, SECOND))",
    "INTERVAL MONTH": "Interval(unit=MONTH)",
    "ARRAY<INT NOT NULL>": "ARRAY<INT NOT NULL>",
    "INT ARRAY": "ARRAY<INT>",
    "MULTISET<STRING>": "MULTISET<TEXT>",
    "MAP<STRING, ARRAY<DOUBLE>>": "MAP<TEXT, ARRAY<DOUBLE>>",
    "ROW<a INT, `b c` STRING NOT NULL 'comment'>": (
        'STRUCT<ColumnDef(a, kind=INT), ColumnDef("b c", '
        "constraints=[ColumnConstraint(kind=CommentColumnConstraint('comment'))], kind=TEXT NOT NULL)>"
    ),
    "ROW(a INT, date DATE)": "STRUCT<ColumnDef(a, kind=INT), ColumnDef(date, kind=DATE)>",
    "ARRAY<ROW<a MAP<STRING, INT>>>": "ARRAY<STRUCT<ColumnDef(a, kind=MAP<TEXT, INT>)>>",
    "RAW('java.lang.Object', 'AAE=')": "RAW<'java.lang.Object', 'AAE='>",
}


@pytest.mark.parametrize(("sql", "expected"), CASES.items(), ids=CASES)
def test_a_type_has_its_documented_tree(sql, expected, shape):
    assert shape(parse_type(sql)) == expected


def test_an_unknown_type_names_the_nearest():
    with pytest.raises(VeloError, match='expected a type, found "STRIN"') as caught:
        parse_type("ARRAY<STRIN>")
    assert caught.value.code is ErrorCode.SQL_SYNTAX
    assert caught.value.hint == "did you mean STRING?"
    assert (caught.value.location.column, caught.value.location.length) == (7, 5)

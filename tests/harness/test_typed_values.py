"""A literal takes the type of its column: exactly, or with an error at its place."""

from datetime import date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from velo_engine import types as t
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.schema import RowSchema
from velo_harness.kinds import Row
from velo_harness.typed_values import parse_timestamp, table_of, typed_value
from velo_harness.yaml_source import parse_yaml

BERLIN = ZoneInfo("Europe/Berlin")


def value(text, kind, zone=None):
    return typed_value(parse_yaml(f"a: {text}", "f").get("a"), kind, zone)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("0123", t.STRING, "0123"),
        ("NO", t.STRING, "NO"),
        ("12.30", t.STRING, "12.30"),
        ("true", t.STRING, "true"),
        ("''", t.STRING, ""),
        ("'null'", t.STRING, "null"),
        ("0123", t.INT, 123),
        ("-5", t.TINYINT, -5),
        ("'7'", t.BIGINT, 7),
        ("9223372036854775807", t.BIGINT, 2**63 - 1),
        ("12.30", t.decimal(5, 2), Decimal("12.30")),
        ("12.3000", t.decimal(5, 2), Decimal("12.30")),
        ("1e2", t.decimal(5, 2), Decimal(100)),
        ("0.00", t.decimal(2, 2), Decimal(0)),
        ("3", t.DOUBLE, 3.0),
        ("1e400", t.DOUBLE, float("inf")),
        (".inf", t.DOUBLE, float("inf")),
        ("true", t.BOOLEAN, True),
        ("'FALSE'", t.BOOLEAN, False),
        ("2024-02-29", t.DATE, date(2024, 2, 29)),
        ("12:30:00", t.time(), time(12, 30)),
        ("9:05", t.time(), time(9, 5)),
        ("12:30:00.123456", t.time(6), time(12, 30, 0, 123456)),
        ("2024-01-01 10:00:00", t.timestamp(3), datetime(2024, 1, 1, 10)),
        ("2024-01-01T10:00:00.5", t.timestamp(3), datetime(2024, 1, 1, 10, 0, 0, 500_000)),
        ("2024-01-01", t.timestamp(3), datetime(2024, 1, 1)),
        ("2024-01-01T10:00:00Z", t.timestamp(3), datetime(2024, 1, 1, 10)),
        ("2024-01-01T10:00:00+02:00", t.timestamp_ltz(3), datetime(2024, 1, 1, 8)),
        ("0x00ff", t.BYTES, b"\x00\xff"),
        ("ab", t.BYTES, b"ab"),
        ("[1, null]", t.array(t.INT), [1, None]),
        ("{a: 1}", t.map_of(t.STRING, t.INT), [("a", 1)]),
        ("{x: 1}", t.row(("x", t.INT), ("y", t.STRING)), {"x": 1, "y": None}),
        ("null", t.INT, None),
        ("", t.STRING, None),
    ],
)
def test_a_literal_becomes_its_columns_value(text, kind, expected):
    result = value(text, kind)
    assert result == expected
    assert type(result) is type(expected)


def test_naive_times_mean_the_jobs_zone():
    assert value("2024-07-01 12:00:00", t.timestamp_ltz(3), BERLIN) == datetime(2024, 7, 1, 10)
    assert value("2024-07-01 12:00:00", t.timestamp(3), BERLIN) == datetime(2024, 7, 1, 12)
    assert value("2024-07-01T12:00:00Z", t.timestamp(3), BERLIN) == datetime(2024, 7, 1, 14)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("12.345", t.decimal(5, 2)),
        ("1234.5", t.decimal(5, 2)),
        ("NaN", t.decimal(5, 2)),
        ("1_000", t.INT),
        ("1.0", t.INT),
        ("128", t.TINYINT),
        ("9223372036854775808", t.BIGINT),
        ("NO", t.BOOLEAN),
        ("yes", t.BOOLEAN),
        ("abc", t.DOUBLE),
        ("2023-02-29", t.DATE),
        ("25:00", t.time()),
        ("12:30:00.1234567", t.time(6)),
        ("tomorrow", t.timestamp(3)),
        ("abc", t.varchar(2)),
        ("0xf", t.BYTES),
        ("[1]", t.INT),
        ("1", t.array(t.INT)),
        ("[1]", t.map_of(t.STRING, t.INT)),
        ("null", t.INT.as_nullable(False)),
    ],
)
def test_what_does_not_fit_is_an_error_at_its_place(text, kind):
    with pytest.raises(VeloError) as caught:
        value(text, kind)
    assert caught.value.code is ErrorCode.BAD_VALUE
    assert (caught.value.location.line, caught.value.location.column) == (1, 4)


def test_an_unknown_field_of_a_row_has_the_place_of_its_key():
    with pytest.raises(VeloError, match='unknown field "z"') as caught:
        value("{x: 1, z: 2}", t.row(("x", t.INT)))
    assert caught.value.location.column == 11


def rows(text):
    return [Row().read(item) for item in parse_yaml(text, "f").items]


def test_rows_become_a_table():
    schema = RowSchema.of(("id", t.INT), ("amount", t.decimal(6, 2)), ("note", t.STRING))
    table = table_of(rows("- {id: 1, amount: 12.30, note: NO}\n- {amount: 1, id: 2}\n"), schema)
    assert table.schema == schema.arrow()
    assert table.to_pylist() == [
        {"id": 1, "amount": Decimal("12.30"), "note": "NO"},
        {"id": 2, "amount": Decimal("1.00"), "note": None},
    ]


def test_no_rows_are_an_empty_table():
    assert table_of([], RowSchema.of(("id", t.INT))).num_rows == 0


def test_an_unknown_column_is_refused_with_the_nearest_name():
    with pytest.raises(VeloError) as caught:
        table_of(rows("- {id: 1}\n- {amuont: 3}\n"), RowSchema.of(("id", t.INT), ("amount", t.INT)))
    assert caught.value.code is ErrorCode.UNKNOWN_COLUMN
    assert (caught.value.location.line, caught.value.hint) == (2, 'did you mean "amount"?')


def test_a_missing_value_of_a_not_null_column_is_refused():
    schema = RowSchema.of(("id", t.INT.as_nullable(False)), ("x", t.INT))
    with pytest.raises(VeloError, match="may not be null") as caught:
        table_of(rows("- {id: 1}\n- {x: 1}\n"), schema)
    assert caught.value.location.line == 2


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=3))
def test_decimals_survive_exactly(number):
    assert value(f"{number:f}", t.decimal(18, 3)) == number


@given(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)))
def test_timestamps_survive_exactly(moment):
    assert parse_timestamp(moment.isoformat()) == moment
    assert parse_timestamp(moment.isoformat(" ") + "Z").replace(tzinfo=None) == moment


@given(st.binary(max_size=20))
def test_bytes_survive_exactly(content):
    assert value("'0x" + content.hex() + "'", t.BYTES) == content
    assert pa.array([content], pa.binary())[0].as_py() == content

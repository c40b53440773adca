"""The vectorised readers against the cell parsers, which decide."""

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine import types
from velo_engine.formats.cells import cell_parser, fitted
from velo_engine.formats.scalar_text import java_double_text, scalar_text
from velo_engine.formats.temporal_cells import days_from_civil, parse_timestamp
from velo_engine.formats.text_columns import text_reader, to_precision
from velo_engine.types import SqlType, arrow_type

TYPES = (
    types.TINYINT,
    types.SMALLINT,
    types.INT,
    types.BIGINT,
    types.FLOAT,
    types.DOUBLE,
    types.BOOLEAN,
    types.decimal(10, 2),
    types.decimal(38, 18),
    types.decimal(5, 5),
    types.decimal(38, 0),
    types.DATE,
    types.time(0),
    types.timestamp(0),
    types.timestamp(3),
    types.timestamp(6),
    types.timestamp_ltz(3),
    types.BYTES,
    types.STRING,
)

number_texts = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.integers(-200, 200).map(str),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.floats().map(repr),
    st.from_regex(r"\A[ ]?[+-]?[0-9]{0,12}\.?[0-9]{0,25}([eE][+-]?[0-9]{1,3})?[ ]?\Z"),
    st.from_regex(r"\A-?[0-9]{18,45}(\.[0-9]{0,45})?\Z"),
    st.from_regex(r"\A-?[0-9]{1,12}\.[0-9]{0,20}\Z"),
    st.sampled_from(["0x10", "0X1F", "1_000", "NaN", "nan", "inf", "Infinity", "-Infinity", "+", "-", "1e", "1d", "٣"]),
)
time_texts = st.one_of(
    st.datetimes().map(str),
    st.datetimes().map(dt.datetime.isoformat),
    st.datetimes(timezones=st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=-5, minutes=-30))])).map(str),
    st.datetimes().map(lambda d: d.isoformat() + "Z"),
    st.dates().map(str),
    st.times().map(str),
    st.from_regex(r"\A\d{4}-[01]\d-[0-3]\d[ T][0-2]\d:[0-6]\d(:[0-6]\d(\.\d{0,10})?)?(Z|[+-]\d\d:?\d\d)?\Z"),
)
texts = st.lists(st.one_of(st.none(), number_texts, time_texts, st.text(max_size=8)), max_size=8)


def by_cells(values: list[str | None], t: SqlType) -> tuple[list, set[int]]:
    parse, refused, results = cell_parser(t), set(), []
    for i, value in enumerate(values):
        try:
            results.append(None if value is None else parse(value))
        except ValueError:
            refused.add(i)
            results.append(None)
    return results, refused


@pytest.mark.parametrize("t", TYPES, ids=str)
@settings(max_examples=40)
@given(values=texts)
def test_a_column_reads_as_its_cells_do(t, values):
    values = [v for v in values if v is None or v.isprintable()]
    column, failures = text_reader(t)(pa.array(values, pa.string()))
    cells, refused = by_cells(values, t)
    assert set(failures) == refused
    assert column.equals(pa.array(to_precision(cells, t), arrow_type(t))) or column.type in (pa.float32(), pa.float64())
    if column.type in (pa.float32(), pa.float64()):
        for got, want in zip(column.to_pylist(), cells, strict=True):
            assert repr(got) == repr(pa.scalar(want, pa.float64()).cast(column.type, safe=False).as_py())


@pytest.mark.parametrize("t", [types.decimal(10, 2), types.decimal(38, 18), types.decimal(38, 0)], ids=str)
@pytest.mark.parametrize("length", [36, 37, 38, 39, 40, 76, 77, 78, 200])
def test_a_number_of_any_length_is_null_rather_than_wrong(t, length):
    """Arrow's own cast reads some of these as other numbers."""
    values = [
        "9" * length,
        "1" + "0" * (length - 1),
        "-" + "7" * (length - 1),
        "0." + "9" * length,
        "1e" + "9" * length,
    ]
    column, failures = text_reader(t)(pa.array(values))
    assert failures == {}
    whole_digits = t.precision - t.scale
    want = [Decimal(v) if length <= whole_digits else None for v in values[:3]]
    want[2] = Decimal(values[2]) if length - 1 <= whole_digits else None
    assert column.to_pylist() == [*want, Decimal(1), None]


@given(st.data())
def test_decimals_are_exact_where_arrow_divides_wrongly(data):
    """pyarrow 26 divides these (quotients just below 2^32, 2^64 and 2^96) wrongly by 10^14 and more."""
    places = data.draw(st.integers(1, 18))
    whole = 2 ** data.draw(st.sampled_from([32, 64])) - 1 - data.draw(st.integers(0, 2**32))
    value = Decimal(whole * 10**places + data.draw(st.integers(0, 10**places - 1))).scaleb(-places)
    for scale in (0, 2, places, 18):
        t = types.decimal(38, scale)
        expected = whole * 10**scale + int((value - whole) * 10**scale + Decimal("0.5"))
        text = pa.array([format(value, "f"), format(-value, "f"), "1"])
        column, failures = text_reader(t)(text)
        assert failures == {}
        assert column.to_pylist() == [Decimal(n).scaleb(-scale) for n in (expected, -expected, 10**scale)]


@given(st.decimals(allow_nan=False, allow_infinity=False, places=5, min_value=-(10**9), max_value=10**9))
def test_decimals_round_half_away_from_zero(value):
    got = fitted(value, 12, 2)
    scaled = abs(int(value.scaleb(5)))
    cents = (scaled + 500) // 1000
    assert got == (cents if value >= 0 else -cents) * Decimal("0.01")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**14), max_value=10**14))
def test_decimals_survive_text(value):
    t = types.decimal(20, 4)
    column = pa.array([value], arrow_type(t))
    assert text_reader(t)(scalar_text(column, t)) == (column, {})


@pytest.mark.parametrize("t", [types.decimal(38, 38), types.decimal(18, 10), types.decimal(10, 2)], ids=str)
def test_decimals_are_written_without_exponent(t):
    smallest = Decimal(1).scaleb(-t.scale)
    column = pa.array([smallest, Decimal(0), None], arrow_type(t))
    assert scalar_text(column, t).to_pylist() == [
        "0." + "0" * (t.scale - 1) + "1",
        "0." + "0" * t.scale,
        None,
    ]


@given(st.floats())
def test_doubles_survive_text(value):
    column = pa.array([value])
    back, failures = text_reader(types.DOUBLE)(scalar_text(column, types.DOUBLE))
    assert failures == {}
    assert repr(back[0].as_py()) == repr(value)


@given(st.floats(width=32))
def test_floats_survive_text(value):
    column = pa.array([value], pa.float32())
    back, failures = text_reader(types.FLOAT)(scalar_text(column, types.FLOAT))
    assert failures == {}
    assert repr(back[0].as_py()) == repr(column[0].as_py())


@pytest.mark.parametrize(
    ("value", "text"),
    [  # printed by Java 17 (recorded with the formats)
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (100.0, "100.0"),
        (1e7, "1.0E7"),
        (12345678.9, "1.23456789E7"),
        (0.001, "0.001"),
        (1e-7, "1.0E-7"),
        (2147483647.0, "2.147483647E9"),
        (9.223372036854776e18, "9.223372036854776E18"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
    ],
)
def test_doubles_are_written_as_java_writes_them(value, text):
    assert java_double_text(value) == text
    assert scalar_text(pa.array([value, 1.5]), types.DOUBLE).to_pylist() == [text, "1.5"]


@given(st.datetimes(min_value=dt.datetime(1, 1, 1), max_value=dt.datetime(9999, 12, 31, 23, 59, 59, 999999)))
def test_timestamps_survive_text(moment):
    column = pa.array([moment, None], pa.timestamp("us"))
    for iso in (False, True):
        text = scalar_text(column, types.timestamp(6), iso_timestamps=iso)
        assert text[0].as_py()[:19] == moment.isoformat(sep="T" if iso else " ")[:19]
        assert text_reader(types.timestamp(6))(text) == (column, {})
    instants = scalar_text(column, types.timestamp_ltz(6))
    assert text_reader(types.timestamp_ltz(6))(instants) == (column, {})


@given(st.integers(-(2**62), 2**62))
def test_timestamps_of_any_year_survive_text(micros):
    column = pa.array([micros], pa.int64()).cast(pa.timestamp("us"))
    assert parse_timestamp(scalar_text(column, types.timestamp(6))[0].as_py()) == micros


@given(st.dates())
def test_days_are_those_of_the_gregorian_calendar(day):
    assert days_from_civil(day.year, day.month, day.day) == day.toordinal() - dt.date(1970, 1, 1).toordinal()
    column = pa.array([day])
    assert scalar_text(column, types.DATE).to_pylist() == [day.isoformat()]
    assert text_reader(types.DATE)(scalar_text(column, types.DATE)) == (column, {})


@given(st.times())
def test_times_survive_text_to_the_millisecond(time):
    column = pa.array([time.replace(microsecond=time.microsecond // 1000 * 1000)], pa.time64("us"))
    assert text_reader(types.time(3))(scalar_text(column, types.time(3))) == (column, {})


@pytest.mark.parametrize(
    ("t", "text", "reason"),
    [
        (types.INT, "12x", '"12x" is not a whole number'),
        (types.TINYINT, "128", '"128" is out of range'),
        (types.decimal(5, 2), "NaN", '"NaN" is not a decimal number'),
        (types.DATE, "2023-02-29", '"2023-02-29" is not a valid date'),
        (types.timestamp(3), "yesterday", '"yesterday" is not a timestamp (yyyy-mm-dd hh:mm:ss)'),
        (
            types.timestamp_ltz(3),
            "2024-01-01 00:00:00",
            '"2024-01-01 00:00:00" has no time zone (a trailing Z or an offset)',
        ),
        (types.BYTES, "!", '"!" is not base64'),
        (types.INT, "9" * 5000, '"' + "9" * 60 + '…" is out of range'),
        (types.INT, "a\nb\x1b[31m", '"a\\nb\\x1b[31m" is not a whole number'),
    ],
)
def test_reasons_name_the_value_and_what_is_wrong(t, text, reason):
    assert text_reader(t)(pa.array(["", text][1:])) == (pa.array([None], arrow_type(t)), {0: reason})

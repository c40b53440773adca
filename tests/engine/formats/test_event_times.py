"""`timestamp.format.<column>`: timestamps that come as numbers or in a pattern of their own."""

import datetime as dt

import pyarrow as pa
import pytest

from velo_engine import types
from velo_engine.formats import open_format
from velo_engine.schema import RowSchema

MOMENT = dt.datetime(2024, 3, 1, 12, 34, 56, 789000)
SECONDS = 1709296496
MILLIS = types.timestamp(3)


def decode(form: str, *values: str, t=MILLIS, fmt: str = "json"):
    schema = RowSchema.of(("at", t), ("n", types.INT))
    messages = [f'{{"at":{v},"n":1}}'.encode() if fmt == "json" else f"{v.strip(chr(34))},1".encode() for v in values]
    decoded = open_format(fmt, schema, {"timestamp.format.at": form}).decode(messages)
    return decoded.table.column("c0").to_pylist(), {f.index: f.reason for f in decoded.failures}


@pytest.mark.parametrize("fmt", ["json", "csv"])
@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("epoch_millis", f"{SECONDS}789"),
        ("epoch_millis", f'"{SECONDS}789"'),
        ("epoch_millis", f"{SECONDS}789.25"),
        ("epoch_seconds", f"{SECONDS}.789"),
        ("epoch_micros", f"{SECONDS}789123"),
        ("epoch_nanos", f"{SECONDS}789123456"),
        ("auto", f"{SECONDS}.789"),
        ("auto", f"{SECONDS}789"),
        ("auto", f"{SECONDS}789000"),
        ("auto", f"{SECONDS}789000999"),
        ("auto", '"2024-03-01T12:34:56.789"'),
        ("auto", '"2024-03-01T14:34:56.789+02:00"'),
        ("iso8601", '"2024-03-01T12:34:56.789"'),
        ("%d.%m.%Y %H:%M:%S.%f", '"01.03.2024 12:34:56.789"'),
        ("dd/MM/yyyy HH:mm:ss.SSS", '"01/03/2024 12:34:56.789"'),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", '"2024-03-01T13:34:56.789+01:00"'),
        ("EEE, dd MMM yyyy", '"Fri, 01 Mar 2024"'),
    ],
)
def test_forms_give_the_same_moment(form, value, fmt):
    if fmt == "csv" and "," in value:
        pytest.skip("the value would need quotes")
    expected = (
        MOMENT
        if "12:34" in value or "14:34" in value or "13:34" in value or str(SECONDS) in value
        else dt.datetime(2024, 3, 1)
    )
    assert decode(form, value, fmt=fmt) == ([expected], {})


def test_columns_of_epochs_are_read_whole_with_nulls_and_before_1970():
    assert decode("epoch_millis", "0", "null", "-1", f"{SECONDS}789")[0] == [
        dt.datetime(1970, 1, 1),
        None,
        dt.datetime(1969, 12, 31, 23, 59, 59, 999000),
        MOMENT,
    ]


def test_instants_are_utc_whatever_the_form():
    assert decode("epoch_seconds", str(SECONDS), t=types.timestamp_ltz(0))[0] == [MOMENT.replace(microsecond=0)]


def test_values_that_do_not_fit_fail_alone():
    values, failures = decode("epoch_millis", "0", '"x"', "[1]", f"{2**63 - 1}", "1000")
    assert values == [dt.datetime(1970, 1, 1), dt.datetime(1970, 1, 1, 0, 0, 1)]
    assert failures == {
        1: 'field "at" (TIMESTAMP(3)): "x" is not a decimal number',
        2: 'field "at" (TIMESTAMP(3)): "[1]" is an array',
        3: 'field "at" (TIMESTAMP(3)): "9223372036854775807" is beyond the range of timestamps',
    }
    values, failures = decode("dd/MM/yyyy", '"31/02/2024"', '"29/02/2024"')
    assert values == [dt.datetime(2024, 2, 29)]
    assert failures == {0: 'field "at" (TIMESTAMP(3)): "31/02/2024" does not match the pattern "dd/MM/yyyy"'}
    assert decode("auto", '"soon"')[1] == {0: 'field "at" (TIMESTAMP(3)): "soon" is neither a timestamp nor an epoch'}


def test_the_physical_type_is_kept():
    schema = RowSchema.of(("at", types.timestamp(3)))
    decoded = open_format("json", schema, {"timestamp.format.at": "epoch_millis"}).decode([])
    assert decoded.table.schema == schema.physical()
    assert decoded.table.column("c0").type == pa.timestamp("us")

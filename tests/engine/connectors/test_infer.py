"""Columns inferred from files."""

import datetime as dt

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from velo_engine import types
from velo_engine.connectors.file_source import open_file_source
from velo_engine.connectors.infer import SAMPLE_RECORDS, infer_schema, sql_type
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.schema import RowSchema


def inferred(path, **options: str) -> RowSchema:
    return infer_schema(str(path), None, options)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "", "-9223372036854775808"], types.BIGINT),
        (["1", "9223372036854775808"], types.decimal(38, 0)),
        (["1.5", "10", "-0.125"], types.decimal(18, 3)),
        (["12345678901234567890.12"], types.decimal(38, 2)),
        (["1e5", "1.5"], types.DOUBLE),
        (["NaN", "1"], types.DOUBLE),
        (["0." + "1" * 40], types.DOUBLE),
        (["007", "008"], types.STRING),
        (["+4930", "1"], types.STRING),
        (["true", "FALSE"], types.BOOLEAN),
        (["2024-02-29", "1999-12-31"], types.DATE),
        (["2024-02-29", "2024-02-29 00:00:00"], types.STRING),
        (["2024-02-29 00:00:00", "2024-02-29T12:00:00.123"], types.timestamp(3)),
        (["2024-02-29 00:00:00.123456"], types.timestamp(6)),
        (["2024-02-29T00:00:00Z", "2024-02-29 00:00:00.5+02:00"], types.timestamp_ltz(3)),
        (["", ""], types.STRING),
        (["1", "x"], types.STRING),
        ([" 1 ", "2"], types.BIGINT),
    ],
)
def test_a_column_has_the_narrowest_type_that_reads_every_value(tmp_path, values, expected):
    path = tmp_path / "t.csv"
    path.write_text("k,v\n" + "".join(f"x,{value}\n" for value in values))
    assert inferred(path) == RowSchema.of(("k", types.STRING), ("v", expected))
    source = open_file_source(str(path), inferred(path))
    assert source.read(100).failures == ()
    source.close()


def test_quoted_numbers_in_csv_are_numbers_and_in_json_text(tmp_path):
    (tmp_path / "t.csv").write_text('"a"\n"1"\n')
    (tmp_path / "t.jsonl").write_text('{"a":"1"}\n')
    assert inferred(tmp_path / "t.csv") == RowSchema.of(("a", types.BIGINT))
    assert inferred(tmp_path / "t.jsonl") == RowSchema.of(("a", types.STRING))


def test_without_header_columns_are_numbered(tmp_path):
    (tmp_path / "t.csv").write_text("1,x\n2,y\n")
    expected = RowSchema.of(("column1", types.BIGINT), ("column2", types.STRING))
    assert inferred(tmp_path / "t.csv", header="false") == expected
    assert infer_schema(str(tmp_path / "t.csv"), "csv_no_header", {}) == expected


def test_json_lines_give_nested_types_and_fields_in_order_of_appearance(tmp_path):
    (tmp_path / "t.jsonl").write_text(
        '{"b":1.50,"a":null,"r":{"x":1,"y":[1,2.5]}}\n'
        "broken\n"
        '{"a":"2024-01-01","c":[{"k":true}],"r":{"z":"q"},"e":[],"o":{}}\n'
        '{"a":"2024-01-02","b":123,"mixed":1}\n'
        '{"mixed":"x"}\n'
    )
    assert inferred(tmp_path / "t.jsonl") == RowSchema.of(
        ("b", types.decimal(18, 2)),
        ("a", types.DATE),
        ("r", types.row(("x", types.BIGINT), ("y", types.array(types.decimal(18, 1))), ("z", types.STRING))),
        ("c", types.array(types.row(("k", types.BOOLEAN)))),
        ("e", types.array(types.STRING)),
        ("o", types.STRING),
        ("mixed", types.STRING),
    )


def test_only_the_first_records_count_and_a_later_misfit_names_the_inferred_type(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("n\n" + "1\n" * SAMPLE_RECORDS + "x\n2\n")
    schema = inferred(path)
    assert schema == RowSchema.of(("n", types.BIGINT))
    source = open_file_source(str(path), schema)
    batch = source.read(SAMPLE_RECORDS + 10)
    source.close()
    assert len(batch) == SAMPLE_RECORDS + 1
    (failure,) = batch.failures
    assert failure.reason == f'{path}:{SAMPLE_RECORDS + 2}: field "n" (BIGINT): "x" is not a whole number'


def test_parquet_says_its_types(tmp_path):
    table = pa.table(
        {
            "i": pa.array([1], pa.uint16()),
            "d": pa.array([dt.date(2024, 1, 1)]),
            "t": pa.array([0], pa.timestamp("ms")),
            "z": pa.array([0], pa.timestamp("ns", "UTC")),
            "n": pa.array([1], pa.decimal128(12, 3)),
            "l": pa.array([[1.5]]),
            "s": pa.array(["x"]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    assert inferred(tmp_path / "t.parquet") == RowSchema.of(
        ("i", types.INT),
        ("d", types.DATE),
        ("t", types.timestamp(3)),
        ("z", types.timestamp_ltz(6)),
        ("n", types.decimal(12, 3)),
        ("l", types.array(types.DOUBLE)),
        ("s", types.STRING),
    )
    with pytest.raises(VeloError, match="no SQL type for duration"):
        sql_type(pa.duration("s"))


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_file_without_records_has_nothing_to_infer(tmp_path, name):
    (tmp_path / name).write_text("")
    with pytest.raises(VeloError) as problem:
        inferred(tmp_path / name)
    assert problem.value.code is ErrorCode.EMPTY_INPUT


def test_a_csv_file_with_only_a_header_has_text_columns(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n")
    assert inferred(tmp_path / "t.csv") == RowSchema.of(("a", types.STRING), ("b", types.STRING))

from __future__ import annotations

import gzip
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet
import pytest

from velo_engine import types as t
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.schema import RowSchema
from velo_harness.data_files import column_names, json_messages, read_table, text_columns
from velo_harness.spec import DataFile, DataFormat

SCHEMA = RowSchema.of(
    ("i", t.INT),
    ("s", t.STRING),
    ("d", t.decimal(10, 2)),
    ("f", t.DOUBLE),
    ("b", t.BOOLEAN),
    ("day", t.DATE),
    ("clock", t.time(3)),
    ("at", t.timestamp(3)),
)
ROW = {
    "i": 1,
    "s": "a, b",
    "d": Decimal("1.50"),
    "f": 0.1,
    "b": True,
    "day": date(2025, 1, 2),
    "clock": time(3, 4, 5),
    "at": datetime(2025, 1, 2, 3, 4, 5, 678000),
}
NULLS = dict.fromkeys(ROW)
CSV = 'i,s,d,f,b,day,clock,at\n1,"a, b",1.5,0.1,true,2025-01-02,03:04:05,2025-01-02 03:04:05.678\n,,,,,,,\n'
JSON = (
    '{"i":1,"s":"a, b","d":1.5,"f":0.1,"b":true,"day":"2025-01-02","clock":"03:04:05","at":"2025-01-02 03:04:05.678"}'
)


def data_file(path: Path, kind: DataFormat) -> DataFile:
    return DataFile(path, kind, Location("x.test.yaml", 3))


def written(tmp_path: Path, content: str | bytes, kind: DataFormat, name: str = "data") -> DataFile:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return data_file(path, kind)


def rows(file: DataFile, schema: RowSchema = SCHEMA, zone: ZoneInfo | None = None) -> list[dict[str, Any]]:
    return read_table(file, schema, zone).to_pylist()


def test_csv(tmp_path: Path) -> None:
    assert rows(written(tmp_path, CSV, DataFormat.CSV)) == [ROW, NULLS]
    assert rows(written(tmp_path, "\ufeff" + CSV, DataFormat.CSV)) == [ROW, NULLS]
    headless = CSV.split("\n", 1)[1]
    assert rows(written(tmp_path, headless, DataFormat.CSV_NO_HEADER)) == [ROW, NULLS]
    assert rows(written(tmp_path, gzip.compress(CSV.encode()), DataFormat.CSV, "data.csv.gz")) == [ROW, NULLS]


def test_json(tmp_path: Path) -> None:
    assert rows(written(tmp_path, f"{JSON}\n{{}}\n", DataFormat.JSON_LINES)) == [ROW, NULLS]
    assert rows(written(tmp_path, f"[{JSON},\n {{}}]", DataFormat.JSON)) == [ROW, NULLS]


def test_parquet(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([ROW, NULLS], schema=SCHEMA.arrow())
    pyarrow.parquet.write_table(table, tmp_path / "data.parquet")
    assert rows(data_file(tmp_path / "data.parquet", DataFormat.PARQUET)) == [ROW, NULLS]


def test_an_empty_cell_is_null_and_a_quoted_one_is_empty_text(tmp_path: Path) -> None:
    file = written(tmp_path, 'a,b\n,""\n', DataFormat.CSV)
    assert rows(file, RowSchema.of(("a", t.STRING), ("b", t.STRING))) == [{"a": None, "b": ""}]


def test_a_line_break_may_stand_in_quotes(tmp_path: Path) -> None:
    file = written(tmp_path, 'a,b\n"x\ny",1\n', DataFormat.CSV)
    assert rows(file, RowSchema.of(("a", t.STRING), ("b", t.INT))) == [{"a": "x\ny", "b": 1}]


def test_columns_are_found_by_name_and_others_left_out(tmp_path: Path) -> None:
    file = written(tmp_path, "x,d,i\n?,2,1\n", DataFormat.CSV)
    schema = RowSchema.of(("i", t.INT), ("d", t.decimal(5, 1)), ("missing", t.STRING))
    assert rows(file, schema) == [{"i": 1, "d": Decimal("2.0"), "missing": None}]


def test_naive_times_of_an_instant_are_of_the_job_zone(tmp_path: Path) -> None:
    file = written(tmp_path, "at\n2025-01-02 03:00:00\n2025-01-02T03:00:00Z\n", DataFormat.CSV)
    found = rows(file, RowSchema.of(("at", t.timestamp_ltz(3))), ZoneInfo("Europe/Berlin"))
    assert [row["at"].hour for row in found] == [2, 3]


@pytest.mark.parametrize(
    ("kind", "content", "code", "place"),
    [
        (DataFormat.CSV, "i\n1\n1.5\n", ErrorCode.RECORD_MALFORMED, "data:3:1"),
        (DataFormat.CSV, "i\n99999999999\n", ErrorCode.RECORD_MALFORMED, "data:2:1"),
        (DataFormat.CSV, "d\n1.555\n", ErrorCode.RECORD_MALFORMED, "data:2:1"),
        (DataFormat.CSV, "day\n2025-02-30\n", ErrorCode.RECORD_MALFORMED, "data:2:1"),
        (DataFormat.CSV, "i,d\n1\n", ErrorCode.FILE_UNREADABLE, "data:2:1"),
        (DataFormat.CSV, "i,i\n1,2\n", ErrorCode.FILE_UNREADABLE, "x.test.yaml:3:1"),
        (DataFormat.CSV, "", ErrorCode.FILE_UNREADABLE, "x.test.yaml:3:1"),
        (DataFormat.CSV, "i,dayy\n1,2025-01-02\n", ErrorCode.SCHEMA_MISMATCH, "x.test.yaml:3:1"),
        (DataFormat.CSV, "7,2025-01-02\n8,2025-01-03\n", ErrorCode.SCHEMA_MISMATCH, "x.test.yaml:3:1"),
        (DataFormat.JSON_LINES, '{"i":1}\n{"i":\n', ErrorCode.RECORD_MALFORMED, "data:2:1"),
        (DataFormat.JSON, "[1", ErrorCode.FILE_UNREADABLE, "x.test.yaml:3:1"),
        (DataFormat.PARQUET, "no", ErrorCode.FILE_UNREADABLE, "x.test.yaml:3:1"),
    ],
)
def test_what_does_not_fit_is_an_error_at_its_place(tmp_path, kind, content: str, code, place: str) -> None:
    with pytest.raises(VeloError) as caught:
        rows(written(tmp_path, content, kind))
    assert caught.value.code is code
    assert str(caught.value.location).endswith(place)


def test_a_byte_order_mark_is_not_data(tmp_path: Path) -> None:
    assert json_messages(written(tmp_path, '\ufeff{"i":1}\n', DataFormat.JSON_LINES)) == [b'{"i":1}']
    assert rows(written(tmp_path, "\ufeffi,x\n1,2\n", DataFormat.CSV)) == [NULLS | {"i": 1}]


def test_a_missing_column_that_may_not_be_null_is_an_error(tmp_path: Path) -> None:
    file = written(tmp_path, "amout\n1\n", DataFormat.CSV)
    with pytest.raises(VeloError) as caught:
        rows(file, RowSchema.of(("amount", t.INT.as_nullable(False))))
    assert caught.value.code is ErrorCode.SCHEMA_MISMATCH
    assert caught.value.hint == 'did you mean "amout"?'


def test_spaces_around_the_names_of_a_header_do_not_count(tmp_path: Path) -> None:
    file = written(tmp_path, '" id ",\tn \n1,2\n', DataFormat.CSV)
    schema = RowSchema.of(("id", t.BIGINT), ("n", t.BIGINT))
    assert column_names(file) == ("id", "n")
    assert rows(file, schema) == [{"id": 1, "n": 2}]


@pytest.mark.parametrize(
    ("header", "reason"),
    [("id, id", 'the column "id" stands twice in its header'), ("id,,", "several columns have no name in its header")],
)
def test_names_of_a_header_are_there_and_unlike(tmp_path: Path, header: str, reason: str) -> None:
    with pytest.raises(VeloError, match=reason):
        column_names(written(tmp_path, f"{header}\n1,2,3\n", DataFormat.CSV))


def test_another_separator_is_told(tmp_path: Path) -> None:
    with pytest.raises(VeloError, match="has none of the columns") as refused:
        rows(written(tmp_path, "no;nm\n1;a\n", DataFormat.CSV), RowSchema.of(("id", t.BIGINT), ("name", t.BIGINT)))
    assert refused.value.hint == 'it seems to be separated by ";": save it with commas'


def test_a_file_without_columns_is_called_so(tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table({}), tmp_path / "data")
    with pytest.raises(VeloError, match="data has none of the columns id; it has no column at all"):
        rows(data_file(tmp_path / "data", DataFormat.PARQUET), RowSchema.of(("id", t.BIGINT)))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VeloError) as caught:
        rows(data_file(tmp_path / "no.csv", DataFormat.CSV))
    assert caught.value.code is ErrorCode.FILE_NOT_FOUND


def test_json_messages_stay_as_they_are_written(tmp_path: Path) -> None:
    file = written(tmp_path, '{"a": 1.50}\n\nnot json\n', DataFormat.JSON_LINES)
    assert json_messages(file) == [b'{"a": 1.50}', b"not json"]
    array = written(tmp_path, '[{"a": 1.50}, {"b" : 2}]', DataFormat.JSON)
    assert json_messages(array) == [b'{"a": 1.50}', b'{"b" : 2}']


def test_column_names(tmp_path: Path) -> None:
    assert column_names(written(tmp_path, CSV, DataFormat.CSV)) == SCHEMA.names
    assert column_names(written(tmp_path, '{"b":1}\n{"a":1,"b":2}\n', DataFormat.JSON_LINES)) == ("b", "a")


def test_without_a_schema_values_are_text(tmp_path: Path) -> None:
    assert text_columns(written(tmp_path, "a,b\n1.50,\n", DataFormat.CSV)).to_pylist() == [{"a": "1.50", "b": None}]
    lines = written(tmp_path, '{"a": 1.50, "b": "x"}\n{"a": null}\n', DataFormat.JSON_LINES)
    assert text_columns(lines).to_pylist() == [{"a": "1.50", "b": "x"}, {"a": None, "b": None}]


def test_files_below_the_working_directory_are_called_by_their_relative_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    with pytest.raises(VeloError, match=r'no file "data/x\.csv"'):
        rows(data_file(tmp_path / "data/x.csv", DataFormat.CSV))
    with pytest.raises(VeloError) as caught:
        rows(written(tmp_path, "i\nnone\n", DataFormat.CSV, "data/y.csv"), RowSchema.of(("i", t.INT)))
    place = caught.value.location
    assert place is not None
    assert (place.file, place.line) == ("data/y.csv", 2)

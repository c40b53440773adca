"""Rows in Avro container files, written by fastavro, typed by the columns that are asked for."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import pytest

from velo_engine import types as t
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.schema import RowSchema
from velo_harness.data_files import column_names, read_table, text_columns
from velo_harness.spec import DataFile, DataFormat

FIELDS: list[dict[str, Any]] = [
    {"name": "i", "type": "int"},
    {"name": "l", "type": ["null", "long"]},
    {"name": "f", "type": "double"},
    {"name": "b", "type": "boolean"},
    {"name": "s", "type": "string"},
    {"name": "raw", "type": "bytes"},
    {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    {"name": "clock", "type": {"type": "int", "logicalType": "time-millis"}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
    {"name": "kind", "type": {"type": "enum", "name": "kinds", "symbols": ["A", "B"]}},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "counts", "type": {"type": "map", "values": "long"}},
    {"name": "place", "type": {"type": "record", "name": "places", "fields": [{"name": "x", "type": "int"}]}},
]
RECORD = {
    "i": 1,
    "l": None,
    "f": 0.5,
    "b": True,
    "s": "a, b",
    "raw": b"\x00\xff",
    "d": Decimal("12.30"),
    "day": date(2025, 1, 2),
    "clock": time(3, 4, 5),
    "at": datetime(2025, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
    "id": UUID("12345678-1234-5678-1234-567812345678"),
    "kind": "B",
    "tags": ["x", "y"],
    "counts": {"k": 3},
    "place": {"x": 7},
}
SCHEMA = RowSchema.of(
    ("i", t.INT),
    ("l", t.BIGINT),
    ("f", t.DOUBLE),
    ("b", t.BOOLEAN),
    ("s", t.STRING),
    ("raw", t.BYTES),
    ("d", t.decimal(10, 2)),
    ("day", t.DATE),
    ("clock", t.time(3)),
    ("at", t.timestamp(3)),
    ("id", t.STRING),
    ("kind", t.STRING),
    ("tags", t.array(t.STRING)),
    ("counts", t.map_of(t.STRING.as_nullable(False), t.BIGINT)),
    ("place", t.row(("x", t.INT))),
)


def avro(tmp_path: Path, fields: list[dict[str, Any]], records: list[dict[str, Any]], codec: str = "null") -> DataFile:
    path = tmp_path / "rows.avro"
    buffer = io.BytesIO()
    fastavro.writer(
        buffer, fastavro.parse_schema({"type": "record", "name": "rows", "fields": fields}), records, codec=codec
    )
    path.write_bytes(buffer.getvalue())
    return DataFile(path, DataFormat.AVRO, Location("x.test.yaml", 3))


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_every_type(tmp_path: Path, codec: str) -> None:
    file = avro(tmp_path, FIELDS, [RECORD, RECORD], codec)
    expected = {
        **RECORD,
        "at": datetime(2025, 1, 2, 3, 4, 5, 678000),
        "id": "12345678-1234-5678-1234-567812345678",
        "counts": [("k", 3)],
    }
    assert read_table(file, SCHEMA).to_pylist() == [expected, expected]
    assert column_names(file) == tuple(RECORD)
    assert text_columns(file).to_pylist()[0]["b"] == "true"


def test_columns_that_the_file_lacks_are_null_and_others_are_left_out(tmp_path: Path) -> None:
    file = avro(tmp_path, FIELDS[:2], [{"i": 1, "l": 2}])
    assert read_table(file, RowSchema.of(("l", t.INT), ("more", t.STRING))).to_pylist() == [{"l": 2, "more": None}]


def test_no_records(tmp_path: Path) -> None:
    assert read_table(avro(tmp_path, FIELDS[:1], []), RowSchema.of(("i", t.INT))).num_rows == 0


@pytest.mark.parametrize(
    ("field", "value", "kind", "shown"),
    [
        ({"name": "x", "type": "long"}, 5, t.timestamp(3), 'record 1 of rows.avro: 5 does not fit "x" (TIMESTAMP(3))'),
        ({"name": "x", "type": "string"}, "5", t.BIGINT, "record 1 of rows.avro: '5' does not fit \"x\" (BIGINT)"),
        ({"name": "x", "type": "double"}, 0.5, t.decimal(5, 2), "record 1 of rows.avro: 0.5 does not fit"),
        (FIELDS[6] | {"name": "x"}, Decimal("1.25"), t.decimal(5, 1), "Decimal('1.25') does not fit"),
        ({"name": "x", "type": "long"}, 2**40, t.INT, 'the field "x" of rows.avro does not fit INT'),
        ({"name": "x", "type": ["null", "int"]}, None, t.INT.as_nullable(False), "None does not fit"),
        ({"name": "y", "type": "int"}, 1, t.INT.as_nullable(False), "none of the columns x"),
    ],
)
def test_what_does_not_fit(tmp_path: Path, field: dict[str, Any], value: Any, kind: t.SqlType, shown: str) -> None:
    with pytest.raises(VeloError) as caught:
        read_table(avro(tmp_path, [field], [{field["name"]: value}]), RowSchema.of(("x", kind)))
    assert caught.value.code is ErrorCode.SCHEMA_MISMATCH
    assert shown in caught.value.message
    assert caught.value.location == Location("x.test.yaml", 3)


@pytest.mark.parametrize("content", [b"", b"not avro", b"Obj\x01", b"{}\n"])
def test_what_is_no_avro_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.avro"
    path.write_bytes(content)
    with pytest.raises(VeloError) as caught:
        read_table(DataFile(path, DataFormat.AVRO, Location("x.test.yaml", 3)), SCHEMA)
    assert caught.value.code is ErrorCode.FILE_UNREADABLE
    assert caught.value.location == Location("x.test.yaml", 3)

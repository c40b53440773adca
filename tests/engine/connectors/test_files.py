"""File sources and sinks: CSV, JSON lines, Parquet; patterns, compression, broken rows and unusable files."""

import datetime as dt
import gzip
import json
import os
import stat
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine import types
from velo_engine.batch import RowKind
from velo_engine.connectors import text_records
from velo_engine.connectors.file_sink import open_file_sink
from velo_engine.connectors.file_source import open_file_source
from velo_engine.connectors.text_records import TextRecordReader
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.csv_records import CsvRecords
from velo_engine.schema import RowSchema

TRADES = RowSchema.of(("symbol", types.STRING), ("price", types.decimal(10, 2)), ("at", types.timestamp(3)))
CSV_TEXT = 'symbol,price,at\nA,1.005,2024-01-01 00:00:00\n"B, ""b""",2,2024-01-01T00:00:01.5\n'
JSON_TEXT = (
    '{"symbol":"A","price":1.005,"at":"2024-01-01 00:00:00"}\n'
    '{"symbol":"B, \\"b\\"","price":"2","at":"2024-01-01T00:00:01.5"}\n'
)
ROWS = [
    ("A", Decimal("1.01"), dt.datetime(2024, 1, 1)),
    ('B, "b"', Decimal("2.00"), dt.datetime(2024, 1, 1, 0, 0, 1, 500000)),
]


def read(path: Path | str, schema: RowSchema = TRADES, *, limit: int = 1000, **given) -> tuple[list[tuple], list]:
    source = open_file_source(str(path), schema, **given)
    rows, failures, orders = [], [], []
    while (batch := source.read(limit)) is not None:
        assert 1 <= batch.records <= limit
        assert batch.table.schema == schema.physical()
        assert batch.offset.tolist() == batch.order.tolist()
        assert set(batch.partition.tolist()) <= {0}
        assert set(batch.timestamp_ms.tolist()) <= {-1}
        assert (list(batch.keys()), list(batch.headers())) == ([None] * len(batch), [()] * len(batch))
        rows += zip(*(column.to_pylist() for column in batch.table.columns), strict=True)
        failures += batch.failures
        orders += [*batch.order.tolist(), *(f.order for f in batch.failures)]
    source.close()
    assert sorted(orders) == list(range(len(rows) + len(failures)))
    return rows, failures


def written(tmp_path: Path, name: str, text: str | bytes) -> Path:
    data = text.encode() if isinstance(text, str) else text
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("limit", [1, 2, 7])
@pytest.mark.parametrize(
    ("name", "text", "given"),
    [
        ("t.csv", CSV_TEXT, {}),
        ("t.csv.gz", CSV_TEXT, {}),
        ("t.csv", CSV_TEXT.replace("\n", "\r\n"), {}),
        ("t.csv", "\ufeff" + CSV_TEXT, {}),
        ("t.txt", CSV_TEXT, {"format_name": "csv"}),
        ("t.csv", "\n".join(CSV_TEXT.split("\n")[1:]), {"options": {"header": "false"}}),
        ("t.csv", "\n".join(CSV_TEXT.split("\n")[1:]), {"format_name": "csv_no_header"}),
        ("t.csv", "\n".join(CSV_TEXT.split("\n")[1:]), {"format_name": "CsvNoHeader"}),
        ("t.jsonl", JSON_TEXT, {}),
        ("t.ndjson.gz", JSON_TEXT.rstrip("\n"), {}),
        ("t.dat", JSON_TEXT, {"format_name": "JsonLines"}),
        ("t.json", "\n" + JSON_TEXT.replace("\n", "\n\n"), {}),
    ],
)
def test_text_files_are_read_alike(tmp_path, name, text, given, limit):
    assert read(written(tmp_path, name, text), limit=limit, **given) == (ROWS, [])


def test_columns_are_found_by_the_header_in_any_order(tmp_path):
    path = written(tmp_path, "t.csv", "at, more ,price,symbol\n2024-01-01 00:00:00,x,1.005,A\n")
    assert read(path) == (ROWS[:1], [])


@pytest.mark.parametrize(
    "written_as", ["{path}?header=false&delimiter=;", "file://{path}?has_headers=false&delimiter=%3B"]
)
def test_options_can_stand_behind_the_path(tmp_path, written_as):
    path = written(tmp_path, "t.csv", "A;1.005;2024-01-01 00:00:00\n")
    assert read(written_as.format(path=path), options={"header": "true"}) == (ROWS[:1], [])


def test_a_uri_may_be_encoded(tmp_path):
    written(tmp_path, "two words.csv", CSV_TEXT)
    assert read(f"file://{tmp_path}/two%20words.csv") == (ROWS, [])


def test_a_pattern_reads_files_in_the_order_of_their_names(tmp_path):
    for name in ("b.csv", "a.csv", "c.csv", "other.txt"):
        written(tmp_path, name, f"symbol,price,at\n{name},1,\nx,?,\n")
    rows, failures = read(tmp_path / "*.csv", limit=1)
    assert [symbol for symbol, _, _ in rows] == ["a.csv", "b.csv", "c.csv"]
    assert [f.offset for f in failures] == [1, 3, 5]
    assert [Path(f.reason.split(":")[0]).name for f in failures] == ["a.csv", "b.csv", "c.csv"]
    rows, _ = read(tmp_path / "?.csv")
    assert len(rows) == 3


def test_each_broken_row_is_a_failure_with_its_file_line_and_text(tmp_path):
    text = (
        "symbol,price,at\n"  # line 1
        '"two\nlines",1,\n'
        "B,abc,\n"
        "\n"
        "C,1\n"  # 6
        '"D,1,\n'
        "E,2,yesterday\n"
        "\udcff,3,\n"
        '"F",4,\n'  # 10
        "G,5,,6\n"
    )
    path = written(tmp_path, "t.csv", text.encode(errors="surrogateescape"))
    for limit in (1, 3, 100):
        rows, failures = read(path, limit=limit)
        assert [symbol for symbol, _, _ in rows] == ["two\nlines", "F"]
        assert [(f.reason.removeprefix(f"{path}:"), f.raw) for f in failures] == [
            ('4: field "price" (DECIMAL(10, 2)): "abc" is not a decimal number', b"B,abc,"),
            ("6: 2 fields, expected 3", b"C,1"),
            (
                "7: malformed CSV: an unclosed quote, text after a closing quote, or a lone carriage return",
                b'"D,1,',
            ),
            ('8: field "at" (TIMESTAMP(3)): "yesterday" is not a timestamp (yyyy-mm-dd hh:mm:ss)', b"E,2,yesterday"),
            ("9: not valid UTF-8", b"\xff,3,"),
            ("11: 4 fields, expected 3", b"G,5,,6"),
        ]


def test_broken_json_lines_have_their_line(tmp_path):
    path = written(tmp_path, "t.jsonl", JSON_TEXT + '\n{"symbol":\n{"price":"x"}\n' + JSON_TEXT)
    rows, failures = read(path, limit=2)
    assert rows == ROWS + ROWS
    assert [(f.order, f.reason.removeprefix(f"{path}:"), f.raw) for f in failures] == [
        (2, "4: malformed JSON: it ends too early", b'{"symbol":'),
        (3, '5: field "price" (DECIMAL(10, 2)): "x" is not a decimal number', b'{"price":"x"}'),
    ]


@settings(max_examples=60)
@given(st.text(alphabet='ab,"\n\r', max_size=60), st.integers(1, 20), st.integers(1, 5))
def test_records_and_lines_do_not_depend_on_the_size_of_chunks(tmp_path_factory, text, chunk, limit):
    path = tmp_path_factory.mktemp("chunks") / "t.csv"
    path.write_bytes(text.encode())

    def all_records(**sizes: int) -> list[tuple[bytes, int, bool]]:
        reader = TextRecordReader(path, CsvRecords().split, **sizes)
        found = []
        while (records := reader.read(limit)) is not None:
            found += [(v, records.lines(i), i in records.malformed) for i, v in enumerate(records.values)]
        reader.close()
        return found

    whole = all_records()
    assert all_records(chunk_bytes=chunk) == whole
    for value, line, _ in whole:
        assert text.encode().split(b"\n")[line - 1].startswith(value.split(b"\n")[0])


def test_an_empty_file_has_no_records(tmp_path):
    for name in ("t.csv", "t.jsonl", "t.csv.gz"):
        assert read(written(tmp_path, name, "")) == ([], [])
    assert read(written(tmp_path, "h.csv", "symbol,price,at\n")) == ([], [])


PARQUET = pa.table(
    {
        "extra": [0, 0, 0],
        "at": pa.array([0, 1_500_999_999, None], pa.timestamp("ns", "Europe/Berlin")),
        "price": pa.array([Decimal("1.005"), Decimal("99999999.995"), None], pa.decimal128(20, 3)),
        "symbol": pa.array(["A", "B", None]).dictionary_encode(),
    }
)


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_parquet_is_fitted_to_the_declared_columns(tmp_path, limit):
    path = tmp_path / "t.parquet"
    pq.write_table(PARQUET, path, row_group_size=2)
    assert read(path, limit=limit) == (
        [
            ("A", Decimal("1.01"), dt.datetime(1970, 1, 1)),
            ("B", None, dt.datetime(1970, 1, 1, 0, 0, 1, 500000)),
            (None, None, None),
        ],
        [],
    )


def test_parquet_values_that_do_not_convert_are_failures(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"n": [1, 300, None, -128], "s": ["1.5", "x", "2", "3"], "f": [1.0, 2.0, 0.5, 1.0]}), path)
    schema = RowSchema.of(("n", types.TINYINT), ("s", types.decimal(3, 1)), ("f", types.INT.as_nullable(False)))
    for limit in (1, 3, 10):
        rows, failures = read(path, schema, limit=limit)
        assert rows == [(1, Decimal("1.5"), 1), (-128, Decimal("3.0"), 1)]
        assert [(f.order, f.reason.removeprefix(f"{path}:"), f.raw) for f in failures] == [
            (1, '2: field "n" (TINYINT): 300 (int64) does not convert', b""),
            (2, '3: field "f" (INT NOT NULL): 0.5 (double) does not convert', b""),
        ]


def test_parquet_epochs_are_read_in_the_chosen_form(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"at": [1500, None]}), path)
    schema = RowSchema.of(("at", types.timestamp(3)))
    options = {"timestamp.format.at": "epoch_millis"}
    assert read(path, schema, options=options) == ([(dt.datetime(1970, 1, 1, 0, 0, 1, 500000),), (None,)], [])


def expect(code: ErrorCode, message: str, *args, **kwargs) -> None:
    with pytest.raises(VeloError, match=message) as problem:
        read(*args, **kwargs)
    assert problem.value.code is code
    assert problem.value.hint


def test_files_that_are_not_there(tmp_path):
    written(tmp_path, "trades.csv", CSV_TEXT)
    expect(ErrorCode.FILE_NOT_FOUND, "trade.csv does not exist", tmp_path / "trade.csv")
    expect(ErrorCode.FILE_NOT_FOUND, "no file matches", tmp_path / "*.json", format_name="json")
    expect(ErrorCode.FILE_NOT_FOUND, "does not exist", tmp_path / "deep" / "down" / "t.csv")
    with pytest.raises(VeloError, match=r'did you mean ".*trades.csv"') as problem:
        read(tmp_path / "trade.csv")
    assert str(tmp_path) in str(problem.value)


def test_files_that_cannot_be_read(tmp_path):
    expect(ErrorCode.FILE_UNREADABLE, "is a directory", tmp_path)
    expect(ErrorCode.FILE_UNREADABLE, "is not a gzip file", written_raw(tmp_path, "t.csv.gz", b"symbol,price\n"))
    damaged = gzip.compress(CSV_TEXT.encode() * 100)
    expect(ErrorCode.FILE_UNREADABLE, "cannot decompress", written_raw(tmp_path, "u.csv.gz", damaged[:-20]))
    broken = damaged[:30] + b"\xff\xff\xff\xff" + damaged[34:]
    expect(ErrorCode.FILE_UNREADABLE, "cannot decompress", written_raw(tmp_path, "v.csv.gz", broken))
    expect(ErrorCode.FILE_UNREADABLE, "not UTF-8", written_raw(tmp_path, "w.csv", CSV_TEXT.encode("utf-16")))
    expect(ErrorCode.FILE_UNREADABLE, "not UTF-8", written_raw(tmp_path, "l.csv", "größe,x\n".encode("latin-1")))
    expect(ErrorCode.FILE_UNREADABLE, "not UTF-8", written_raw(tmp_path, "x.csv", b"PAR1\x00\x00binary\n"))
    expect(
        ErrorCode.FILE_UNREADABLE, "not a readable Parquet", written_raw(tmp_path, "y.parquet", b"no parquet at all")
    )
    expect(ErrorCode.FILE_UNREADABLE, "not a readable Parquet", written_raw(tmp_path, "z.parquet", b""))
    expect(ErrorCode.FILE_UNREADABLE, "JSON array", written_raw(tmp_path, "a.json", b' [{"symbol":1}]'))


def written_raw(tmp_path: Path, name: str, data: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_file_without_permission(tmp_path, name, monkeypatch):
    path = written(tmp_path, name, CSV_TEXT)
    if os.geteuid() == 0:  # root may read everything: let the system call refuse instead

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "open", refuse)
        monkeypatch.setattr(pq, "ParquetFile", refuse)
    else:
        path.chmod(0)
    expect(ErrorCode.FILE_UNREADABLE, "Permission denied", path)


def test_files_without_the_declared_columns(tmp_path):
    path = written(tmp_path, "t.csv", "symbl,price,at\nA,1,\n")
    with pytest.raises(VeloError, match='has no column "symbol"') as problem:
        read(path)
    assert problem.value.code is ErrorCode.SCHEMA_MISMATCH
    assert 'did you mean "symbl"' in str(problem.value)
    assert f"{path}:1" in str(problem.value)
    expect(ErrorCode.SCHEMA_MISMATCH, 'two columns "at"', written(tmp_path, "u.csv", "at,at\n"))
    pq.write_table(pa.table({"symbol": ["A"], "prize": [1]}), tmp_path / "t.parquet")
    expect(ErrorCode.SCHEMA_MISMATCH, 'has no column "price"', tmp_path / "t.parquet")


def test_options_and_formats_that_mean_nothing(tmp_path):
    path = written(tmp_path, "t.csv", CSV_TEXT)
    expect(ErrorCode.BAD_PROPERTY, '"header" is "maybe"', path, options={"header": "maybe"})
    expect(ErrorCode.BAD_PROPERTY, "not a file format", path, format_name="cvs")
    expect(ErrorCode.BAD_PROPERTY, "not a file format", written(tmp_path, "t.xlsx", "x"))
    with pytest.raises(VeloError, match="not a number of bytes"):
        read(path, options={"max-decompressed-bytes": "1GB"})


def test_decompressed_text_is_limited(tmp_path):
    path = written(tmp_path, "t.csv.gz", CSV_TEXT + "A,1,\n" * 100_000)
    assert path.stat().st_size < 2000
    expect(ErrorCode.FILE_UNREADABLE, "more than 1000 bytes", path, options={"max-decompressed-bytes": "1000"})


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text_records, "MAX_RECORD_BYTES", 1000)
    monkeypatch.setattr(text_records, "CHUNK_BYTES", 100)
    path = written(tmp_path, "t.jsonl", "x" * 5000)
    reader = TextRecordReader(path, CsvRecords().split, chunk_bytes=100)
    with pytest.raises(VeloError, match="line 1 is longer than 1000 bytes"):
        reader.read(1)
    reader.close()


def test_memory_does_not_grow_with_the_file(tmp_path):
    path = written(tmp_path, "t.csv", "symbol,price,at\n" + "A,1,2024-01-01 00:00:00\n" * 300_000)
    source = open_file_source(str(path), TRADES)
    before = pa.total_allocated_bytes()
    count, most = 0, 0
    while (batch := source.read(10_000)) is not None:
        count += len(batch)
        most = max(most, pa.total_allocated_bytes() - before)
    assert count == 300_000
    assert most < 8_000_000


def changes(count: int) -> pa.Table:
    kinds = [RowKind.INSERT, RowKind.UPDATE_BEFORE, RowKind.UPDATE_AFTER, RowKind.DELETE]
    return pa.table(
        [
            pa.array([f"s{i}" if i % 3 else None for i in range(count)], pa.string()),
            pa.array([Decimal(i).scaleb(-2) for i in range(count)], pa.decimal128(10, 2)),
            pa.array([i * 1000 for i in range(count)], pa.timestamp("us")),
            pa.array([kinds[i % 4] for i in range(count)], pa.int8()),
        ],
        names=["c0", "c1", "c2", "kind"],
    )


@pytest.mark.parametrize("name", ["o.csv", "o.csv.gz", "o.jsonl", "o.json.gz", "o.parquet", "new/deep/o.csv"])
def test_what_is_written_is_read_back_without_retractions(tmp_path, name):
    path = tmp_path / name
    sink = open_file_sink(str(path), TRADES)
    sink.write(changes(10))
    assert not path.exists()
    sink.write(changes(0))
    sink.write(changes(1))
    sink.close()
    sink.close()
    assert sink.written == 6
    kept = [*changes(10).take([0, 2, 4, 6, 8]).drop_columns("kind").to_pylist(), changes(1).to_pylist()[0]]
    expected = [tuple(row[c] for c in ("c0", "c1", "c2")) for row in kept]
    assert read(path) == (expected, [])
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_text_output_is_plain(tmp_path):
    bare = {"header": "false", "delimiter": "|"}
    for name, options in (("a.csv", {}), ("b.csv", bare), ("c.jsonl", {})):
        sink = open_file_sink(str(tmp_path / name), TRADES, options=options)
        sink.write(changes(3))
        sink.close()
    assert (tmp_path / "a.csv").read_text() == (
        "symbol,price,at\n,0.00,1970-01-01 00:00:00\ns2,0.02,1970-01-01 00:00:00.002\n"
    )
    assert (tmp_path / "b.csv").read_text() == "|0.00|1970-01-01 00:00:00\ns2|0.02|1970-01-01 00:00:00.002\n"
    assert [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()] == [
        {"symbol": None, "price": 0.0, "at": "1970-01-01 00:00:00"},
        {"symbol": "s2", "price": 0.02, "at": "1970-01-01 00:00:00.002"},
    ]


def test_an_output_without_rows_is_a_file_with_its_header(tmp_path):
    for name in ("o.csv", "o.jsonl", "o.parquet"):
        open_file_sink(str(tmp_path / name), TRADES).close()
        assert read(tmp_path / name) == ([], [])
    assert (tmp_path / "o.csv").read_text() == "symbol,price,at\n"


def test_the_same_rows_give_the_same_compressed_bytes(tmp_path):
    for name in ("a.csv.gz", "b.csv.gz"):
        sink = open_file_sink(str(tmp_path / name), TRADES)
        sink.write(changes(50))
        sink.close()
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


def test_instants_in_parquet_are_marked_as_utc(tmp_path):
    schema = RowSchema.of(("at", types.timestamp_ltz(3)))
    sink = open_file_sink(str(tmp_path / "o.parquet"), schema)
    sink.write(pa.table({"c0": pa.array([0], pa.timestamp("us")), "kind": pa.array([0], pa.int8())}))
    sink.close()
    assert pq.read_schema(tmp_path / "o.parquet").field("at").type == pa.timestamp("us", "UTC")
    assert read(tmp_path / "o.parquet", schema) == ([(dt.datetime(1970, 1, 1),)], [])


def test_a_file_that_exists_is_never_overwritten(tmp_path):
    path = written(tmp_path, "o.csv", "mine")
    with pytest.raises(VeloError) as problem:
        open_file_sink(str(path), TRADES)
    assert problem.value.code is ErrorCode.FILE_EXISTS
    late = open_file_sink(str(tmp_path / "late.csv"), TRADES)
    (tmp_path / "late.csv").write_text("someone else's")
    with pytest.raises(VeloError) as problem:
        late.close()
    assert problem.value.code is ErrorCode.FILE_EXISTS
    assert (path.read_text(), (tmp_path / "late.csv").read_text()) == ("mine", "someone else's")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["late.csv", "o.csv"]


def test_an_output_given_up_leaves_nothing(tmp_path):
    for name in ("o.csv", "o.parquet", "o.jsonl.gz"):
        sink = open_file_sink(str(tmp_path / name), TRADES)
        sink.write(changes(3))
        sink.abort()
        sink.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(VeloError, match="cannot write") as problem:
        open_file_sink(str(tmp_path / "file" / "o.csv"), TRADES)
    assert problem.value.hint

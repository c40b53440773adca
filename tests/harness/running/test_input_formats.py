"""`format` of an input: rows are written to the topic in it, with keys, headers and partitions, and the SQL reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from velo_engine.errors import ErrorCode
from velo_harness.query_run import QueryRun
from velo_harness.result import Outcome, QueryResult
from velo_harness.runner import blank_result, run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec

PLAIN = "CREATE TABLE orders (id BIGINT, name STRING, amount DECIMAL(10, 2), at TIMESTAMP(3)){options};\n"
QUERY = "CREATE STREAM q AS SELECT id, name, amount, at FROM orders;\n"
ROWS = "rows: [{id: 1, name: 'a, b', amount: 12.50, at: 2025-01-01T00:00:00.250}, {id: 2, name: null, amount: null, at: null}]"
EXPECTED = "    expect: {rows: [{id: 1, name: 'a, b', amount: 12.50, at: 2025-01-01T00:00:00.250}, {id: 2, name: null, amount: null, at: null}]}\n"
PROTO = 'syntax = "proto3"; message Order { int64 id = 1; optional string name = 2; optional string at = 4; }'

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(name: str, content: str) -> Path:
        path = tmp_path / name
        path.write_text(content)
        return path

    write_file("pyproject.toml", "")
    return write_file


def run(write: Write, given: str, options: str = "", expected: str = EXPECTED) -> QueryResult:
    write("app.sql", PLAIN.format(options=options) + QUERY)
    spec = load_spec(
        write(
            "app.test.yaml",
            f"application: x\nqueries:\n  - name: q\n    inputs: [{{source: orders, {given}}}]\n{expected}",
        )
    )
    return run_query(spec, spec.queries[0], RunSettings(debug=True), item="q", rerun="")


@pytest.mark.parametrize("name", ["json", "avro", "csv", "Avro", "CSV"])
@pytest.mark.parametrize("more", ["", ", key_field: id, partitions: 3, headers: {trace: name, app: shop}"])
def test_rows_come_through_every_format(write: Write, name: str, more: str) -> None:
    result = run(write, f"{ROWS}, format: {name}{more}")
    assert result.outcome is Outcome.PASSED, (result.error, result.failures)


@pytest.mark.parametrize(
    ("name", "first"), [("json", b'{"id":1'), ("csv", b'1,"a, b"'), ("avro", b"\x02\x02\x02\x08a, b")]
)
def test_the_records_are_in_the_format(write: Write, name: str, first: bytes) -> None:
    write("app.sql", PLAIN.format(options="") + QUERY)
    spec = load_spec(
        write(
            "app.test.yaml",
            f"application: x\nqueries:\n  - name: q\n    inputs: [{{source: orders, {ROWS}, format: {name}, key_field: id}}]\n{EXPECTED}",
        )
    )
    query = spec.queries[0]
    stages = QueryRun(spec, query, RunSettings(), blank_result(spec, query, RunSettings(), item="q", rerun=""))
    given = stages.inputs(stages.prepared()).engine["orders"]
    records = given.topic.read(0, 0, 10)  # type: ignore[union-attr]
    assert records[0].value.startswith(first)
    assert [record.key for record in records] == [b"1", b"2"]


@pytest.mark.parametrize("name", ["avro", "csv", "json"])
def test_generated_rows_are_written_so_too(write: Write, name: str) -> None:
    result = run(write, f"records: 50, format: {name}", expected="    assertions: [{type: record_count, equals: 50}]\n")
    assert result.outcome is Outcome.PASSED, (result.error, result.failures)


def test_protobuf_with_the_message_type_of_the_sql(write: Write) -> None:
    write("shop.proto", PROTO)
    options = " WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'protobuf', 'protobuf.schema.file' = 'shop.proto')"
    write(
        "app.sql",
        f"CREATE TABLE orders (id BIGINT, name STRING){options};\nCREATE STREAM q AS SELECT id, name FROM orders;\n",
    )
    rows = "rows: [{id: 1, name: 'a, b'}, {id: 2, name: null}]"
    text = f"application: x\nqueries:\n  - name: q\n    inputs: [{{source: orders, {rows}, format: protobuf}}]\n    expect: {{{rows}}}\n"
    spec = load_spec(write("app.test.yaml", text))
    result = run_query(spec, spec.queries[0], RunSettings(debug=True), item="q", rerun="")
    assert result.outcome is Outcome.PASSED, (result.error, result.failures)


def test_a_json_file_is_written_in_the_format_that_is_asked_for(write: Write) -> None:
    write("o.jsonl", '{"id":1,"name":"a, b","amount":12.50,"at":"2025-01-01 00:00:00.250"}\n{"id":2}\n')
    result = run(write, "data_file: o.jsonl, format: avro")
    assert result.outcome is Outcome.PASSED, (result.error, result.failures)


@pytest.mark.parametrize("declared", ["json", "csv", "avro"])
def test_a_format_that_the_sql_does_not_read_is_refused(write: Write, declared: str) -> None:
    other = "avro" if declared != "avro" else "json"
    options = f" WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = '{declared}')"
    result = run(write, f"{ROWS}, format: {other}", options)
    assert result.error is not None
    assert result.error.code is ErrorCode.BAD_VALUE
    assert result.error.message == f'the SQL reads "orders" as {declared}, not as {other}'
    assert result.error.location is not None
    assert (Path(result.error.location.file).name, result.error.location.line) == ("app.test.yaml", 4)
    assert result.error.hint == "leave format out, or change the SQL"


def test_protobuf_needs_its_message_type(write: Write) -> None:
    result = run(write, f"{ROWS}, format: protobuf")
    assert result.error is not None
    assert result.error.message == 'the format "protobuf" needs the type of its messages'

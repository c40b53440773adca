"""Where the output is captured from, and through which format it is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.result import Outcome, QueryResult
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec

SPEC = """\
application: capture
sql: |
  CREATE TABLE things (id BIGINT, size DECIMAL(10, 2), at TIMESTAMP(6));
  CREATE STREAM plain AS SELECT id, size, at FROM things;
  CREATE STREAM sent AS SELECT id, size, at FROM things WITH ('sent.type' = 'kafka_sink', 'sent.topic' = 'out');
  CREATE STREAM filed AS SELECT id, size, at FROM things
  WITH ('filed.type' = 'file_sink', 'filed.path' = 'out/filed.csv', 'filed.format' = 'csv');
  CREATE TABLE counts AS SELECT id, COUNT(*) AS n FROM things GROUP BY id;
queries:
  - name: {name}
    inputs:
      - source: things
        rows:
          - {{ id: 1, size: 2.50, at: 2025-01-01 00:00:00.123456 }}
          - {{ id: 1, size: 3.75, at: 2025-01-01 00:00:01 }}
{keys}
    assertions:
      - {{ type: record_count, equals: 2 }}
    expect:
      rows: {rows}
"""
ROWS = "[{ id: 1, size: 2.50, at: 2025-01-01 00:00:00.123456 }, { id: 1, size: 3.75, at: 2025-01-01 00:00:01 }]"
MILLIS = "[{ id: 1, size: 2.50, at: 2025-01-01 00:00:00.123 }, { id: 1, size: 3.75, at: 2025-01-01 00:00:01 }]"

Run = Callable[..., QueryResult]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "pyproject.toml").write_text("")
    # Both are other than what the rows need: fields that are missing there do not come back.
    fields = [
        {"name": "id", "type": "long"},
        {"name": "size", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ]
    (tmp_path / "things.avsc").write_text(json.dumps({"type": "record", "name": "t", "fields": fields}))
    (tmp_path / "things.proto").write_text(
        'syntax = "proto3";\nmessage Things { int64 id = 1; string size = 2; int64 at = 3; }\n'
    )

    def go(name: str, keys: str = "", rows: str = ROWS) -> QueryResult:
        file = tmp_path / "x.test.yaml"
        file.write_text(SPEC.format(name=name, keys="\n".join("    " + k for k in keys.splitlines()), rows=rows))
        spec = load_spec(file)
        return run_query(spec, spec.queries[0], RunSettings(), item="x", rerun="")

    return go


def passed(result: QueryResult) -> bool:
    assert result.error is None, str(result.error)
    return result.outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("sent", "output: { sink_type: kafka }"),
        ("sent", "output: { sink_type: { type: kafka, topic: out } }"),
        ("filed", "output: { sink_type: file }"),
        ("filed", "output: { sink_type: { type: file, path: out/filed.csv } }"),
        ("filed", "output: { sink_type: { type: file, format: csv } }"),
    ],
)
def test_what_the_sink_wrote_is_checked(run: Run, name: str, output: str) -> None:
    assert passed(run(name, output))


@pytest.mark.parametrize(
    ("name", "output", "message"),
    [
        ("sent", "output: { sink_type: file }", "sent writes a topic, not a file"),
        ("filed", "output: { sink_type: kafka }", "filed writes a file, not a topic"),
        ("plain", "output: { sink_type: kafka }", "plain writes nothing, not a topic"),
        ("sent", "output: { sink_type: { type: kafka, topic: other } }", 'sent writes the topic "out"'),
        ("filed", "output: { sink_type: { type: file, path: other.csv } }", 'filed writes the file "out/filed.csv"'),
    ],
)
def test_a_sink_that_the_sql_does_not_have_is_an_error(run: Run, name: str, output: str, message: str) -> None:
    result = run(name, output)
    assert result.error is not None
    assert result.error.code is ErrorCode.BAD_VALUE
    assert result.error.message == message
    assert result.error.location is not None
    assert result.error.location.line == 16


@pytest.mark.parametrize("name", ["plain", "sent"])
def test_json_keeps_everything(run: Run, name: str) -> None:
    assert passed(run(name, "capture_format: json"))


def test_rows_for_which_avro_derives_no_schema_are_an_error(run: Run) -> None:
    result = run("plain", "capture_format: avro")
    assert result.error is not None
    assert "derives no schema for TIMESTAMP(6)" in result.error.message


def test_avro_with_a_schema(run: Run) -> None:
    assert passed(run("plain", "capture_format: avro\ncapture_schema: things.avsc", MILLIS))
    exact = run("plain", "capture_format: avro\ncapture_schema: things.avsc")
    assert exact.outcome is Outcome.FAILED
    assert exact.failures[0].check == "expect.rows"


def test_a_schema_that_cannot_carry_the_rows_is_an_error_at_its_key(run: Run) -> None:
    result = run("plain", "capture_format: protobuf\ncapture_schema: things.proto")
    assert result.error is not None
    assert result.error.location is not None
    assert result.error.location.line == 16


def test_a_sink_of_another_format_is_an_error(run: Run) -> None:
    result = run("sent", "capture_format: avro")
    assert result.error is not None
    assert result.error.message == "the sink of sent writes json, not avro"


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ("capture_schema: things.avsc", ErrorCode.MISSING_KEY),
        ("capture_format: json\ncapture_schema: things.avsc", ErrorCode.BAD_VALUE),
        ("capture_format: avro\ncapture_schema: nothing.avsc", ErrorCode.FILE_NOT_FOUND),
        ("capture_format: xml", ErrorCode.BAD_VALUE),
        ("output: { sink_type: { type: kafka, path: a.csv } }", ErrorCode.BAD_VALUE),
        ("output: { sink_type: { type: file, topic: a } }", ErrorCode.BAD_VALUE),
        ("output: { sink_type: s3 }", ErrorCode.BAD_VALUE),
        ("output: {}", ErrorCode.MISSING_KEY),
    ],
)
def test_what_cannot_be_meant(run: Run, keys: str, code: ErrorCode) -> None:
    with pytest.raises(VeloError) as refused:
        run("plain", keys)
    assert refused.value.code is code
    assert refused.value.location is not None
    assert refused.value.location.line in (16, 17)

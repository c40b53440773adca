"""How the rows of an input become records: formats, keys and schemas are those of the source, wherever the run starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from velo_harness.result import Outcome, QueryResult
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec

PEOPLE = """\
name: people
key_field: city
fields:
  - { name: id, type: bigint }
  - { name: city, type: string }
"""
PROTO = """\
syntax = "proto3";
message Person { int64 id = 1; string city = 2; }
"""
ROWS = """
    inputs:
      - source: people
        rows: [{ id: 1, city: Rome }, { id: 2, city: Oslo }]
"""

Run = Callable[..., QueryResult]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the last query of a spec of this SQL, in a folder with a schema and a .proto."""

    def run_last(sql: str, queries: str, **files: str) -> QueryResult:
        (tmp_path / "pyproject.toml").write_text("")
        (tmp_path / "people.schema.yaml").write_text(PEOPLE)
        (tmp_path / "people.proto").write_text(PROTO)
        for name, text in files.items():
            (tmp_path / f"{name}.jsonl").write_text(text)
        (tmp_path / "app.sql").write_text(sql)
        path = tmp_path / "app.test.yaml"
        path.write_text(f"application: x\nschemas: {{ people: people.schema.yaml }}\nqueries:\n{queries}")
        spec = load_spec(path)
        return run_query(spec, spec.queries[-1], RunSettings(), item="x", rerun="")

    return run_last


def passed(result: QueryResult) -> bool:
    assert result.error is None, str(result.error)
    return result.outcome is Outcome.PASSED


def test_the_key_field_of_the_data_schema_is_the_key_of_written_rows(run: Run) -> None:
    sql = "CREATE STREAM keys AS SELECT id, _key AS k FROM people;"
    expect = "    expect: { rows: [{ id: 1, k: Rome }, { id: 2, k: Oslo }] }\n"

    assert passed(run(sql, f"  - name: keys{ROWS}{expect}"))


def test_the_key_field_of_the_input_wins(run: Run) -> None:
    sql = "CREATE STREAM keys AS SELECT id, _key AS k FROM people;"
    expect = '    expect: { rows: [{ id: 1, k: "1" }, { id: 2, k: "2" }] }\n'

    assert passed(run(sql, f"  - name: keys{ROWS}        key_field: id\n{expect}"))


def test_a_protobuf_schema_is_found_from_the_sql_file(run: Run) -> None:
    sql = """
        CREATE TABLE people (id BIGINT, city STRING) WITH ('connector' = 'kafka', 'topic' = 'people',
        'format' = 'protobuf', 'protobuf.schema.file' = 'people.proto');
        CREATE STREAM copied AS SELECT id, city FROM people;
    """
    expect = "    expect: { rows: [{ id: 1, city: Rome }, { id: 2, city: Oslo }] }\n"

    assert passed(run(sql, f"  - name: copied{ROWS}{expect}"))


def test_change_events_of_a_file_are_records(run: Run) -> None:
    sql = """
        CREATE TABLE people (id BIGINT, city STRING)
        WITH ('connector' = 'kafka', 'topic' = 'people', 'format' = 'debezium-json');
        CREATE TABLE now_here AS SELECT id, city FROM people;
    """
    events = (
        '{"before": null, "after": {"id": 1, "city": "Rome"}, "op": "c"}\n'
        '{"before": {"id": 1, "city": "Rome"}, "after": {"id": 1, "city": "Oslo"}, "op": "u"}\n'
    )
    spec = """  - name: now_here
    inputs: [{ source: people, data_file: events.jsonl }]
    expect: { changelog: [{ op: +I, city: Rome }, { op: -U, city: Rome }, { op: +U, city: Oslo }] }
"""

    assert passed(run(sql, spec, events=events))


CHAIN = """
    CREATE TABLE middle (id BIGINT, city STRING) WITH ('connector' = 'kafka', 'topic' = 'middle', 'format' = 'csv');
    CREATE TABLE last (id BIGINT, city STRING) WITH ('connector' = 'kafka', 'topic' = 'last', 'format' = 'json');
    INSERT INTO middle SELECT id, city FROM people;
    INSERT INTO last SELECT id, city FROM middle;
"""


def test_a_declared_table_that_is_written_and_read_may_be_fed_by_the_query_that_writes_it(run: Run) -> None:
    rows = "{ rows: [{ id: 1, city: Rome }, { id: 2, city: Oslo }] }"
    queries = f"""  - name: middle{ROWS}    expect: {rows}
  - name: last
    inputs: [{{ source: middle, from_previous: middle }}]
    expect: {rows}
"""

    assert passed(run(CHAIN, queries))


def test_rows_for_a_declared_table_that_is_written_and_read_have_its_format(run: Run) -> None:
    queries = """  - name: last
    inputs: [{ source: middle, rows: [{ id: 3, city: null }] }]
    expect: { rows: [{ id: 3, city: "" }] }
"""
    protobuf = CHAIN.replace("'csv'", "'protobuf', 'protobuf.schema.file' = 'people.proto'")

    assert passed(run(protobuf, queries))  # Protobuf cannot tell a missing text from an empty one
    assert not passed(run(CHAIN, queries))

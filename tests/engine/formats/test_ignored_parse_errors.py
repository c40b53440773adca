"""`json.ignore-parse-errors` and `csv.ignore-parse-errors`: fields become NULL, records without any row are passed over.

The JSON rows are those of a Flink 2.3 over the same messages.
"""

from __future__ import annotations

import pytest

from velo_engine import Engine, FailureStrategy, JobOptions
from velo_engine.runtime.result import JobResult

COLUMNS = "a INT, b BIGINT, r ROW<c INT, d STRING>, ra ARRAY<INT>, ts TIMESTAMP(3)"
MESSAGES = [
    b'{"a": "x", "b": 1, "r": {"c": "y", "d": "z"}, "ra": ["q", 2], "ts": "bad"}',
    b"nonsense",
    b'{"a": 5, "b": "no", "r": 5, "ra": [1]}',
    b"[1]",
    b'{"a": 7, "b": {"x": 1}}',
    b'{"a": 8, "ts": "2024-01-01 00:00:00"}',
]


def run(columns: str, options: str, messages: list[bytes]) -> JobResult:
    engine = Engine()
    topic = engine.topics.create("t")
    for message in messages:
        topic.append(message)
    table = f"CREATE TABLE t ({columns}) WITH ('connector' = 'kafka', 'topic' = 't', {options});\n"
    settings = JobOptions(failure_strategy=FailureStrategy.FAIL)
    return engine.run(engine.plan(table + "SELECT * FROM t"), options=settings)


def rows(result: JobResult) -> list[tuple[object, ...]]:
    return [tuple(row.values())[:-1] for row in result.statements["select_1"].changelog.to_pylist()]


@pytest.mark.parametrize("key", ["json.ignore-parse-errors", "value.json.ignore-parse-errors"])
def test_json_fields_that_cannot_be_read_are_null(key: str) -> None:
    result = run(COLUMNS, f"'format' = 'json', '{key}' = 'true'", MESSAGES)
    moment = rows(result)[-1][-1]
    assert str(moment) == "2024-01-01 00:00:00"
    assert rows(result) == [
        (None, 1, {"c": None, "d": "z"}, [None, 2], None),
        (5, None, None, [1], None),
        (7, None, None, None, None),
        (8, None, None, None, moment),
    ]


def test_messages_without_a_row_are_counted_and_never_stop_the_job() -> None:
    result = run(COLUMNS, "'format' = 'json', 'json.ignore-parse-errors' = 'true'", MESSAGES)
    assert [letter.offset for letter in result.dead_letters] == [1, 3]
    accounting = result.statements["select_1"].accounting
    assert (accounting.read, accounting.accepted, accounting.dead_lettered) == (6, 4, 2)


def test_a_missing_value_of_a_not_null_column_is_still_a_failure() -> None:
    result = run("a INT NOT NULL", "'format' = 'json', 'json.ignore-parse-errors' = 'true'", [b'{"a": "x"}'])
    assert (rows(result), result.dead_letter_count) == ([], 1)


def test_csv_fields_that_cannot_be_read_are_null() -> None:
    messages = [b"1,a", b"x,b", b"3", b"5,"]
    result = run("a INT, b STRING", "'format' = 'csv', 'csv.ignore-parse-errors' = 'true'", messages)
    assert rows(result) == [(1, "a"), (None, "b"), (5, None)]
    assert [letter.reason for letter in result.dead_letters] == ["1 fields, expected 2"]


def test_a_record_that_two_statements_read_is_one_dead_letter() -> None:
    engine = Engine()
    topic = engine.topics.create("t")
    for message in (b'{"a": 1}', b"nonsense", b'{"a": 0}'):
        topic.append(message)
    table = "CREATE TABLE t (a INT) WITH ('connector' = 'kafka', 'topic' = 't');\n"
    program = "CREATE STREAM x AS SELECT a FROM t; CREATE STREAM y AS SELECT 10 / a AS b FROM t;"
    result = engine.run(engine.plan(table + program))
    assert [(letter.offset, letter.statement) for letter in result.dead_letters] == [(1, "x, y"), (2, "y")]
    assert result.dead_letter_count == 2
    assert [result.statements[name].accounting.dead_lettered for name in "xy"] == [1, 2]

"""Queries of specs run by the engine: where inputs come from, what is checked, and what people are told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from velo_engine.errors import ErrorCode
from velo_harness.result import Outcome, QueryResult
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec

SQL = """
CREATE STREAM large AS
SELECT id, amount FROM orders WHERE amount > 10
WITH ('orders.type' = 'kafka_source', 'orders.topic' = 'orders');

CREATE TABLE totals AS
SELECT COUNT(*) AS n, SUM(amount) AS total FROM large
EMIT CHANGES;
"""
SCHEMA = """
name: orders
record_count: 20
fields:
  - { name: id, type: bigint, nullable: false, constraints: { sequence: { start: 1 } } }
  - { name: amount, type: decimal, precision: 10, scale: 2, constraints: { min: 11, max: 99 } }
"""

Run = Callable[..., QueryResult]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def write_file(name: str, content: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    write_file("pyproject.toml", "")
    write_file("app.sql", SQL)
    write_file("schemas/orders.schema.yaml", SCHEMA)
    return write_file


@pytest.fixture
def run(write: Callable[[str, str], Path]) -> Run:
    """Runs the last query of a spec; `queries` is the YAML below `queries:`."""

    def run_last(queries: str, head: str = "", query: str | None = None, **settings: object) -> QueryResult:
        spec = load_spec(write("app.test.yaml", f"application: x\n{head}queries:\n{queries}"))
        chosen = next((q for q in spec.queries if q.name == query), spec.queries[-1])
        chosen_settings = RunSettings(debug=True, **settings)  # type: ignore[arg-type]
        return run_query(spec, chosen, chosen_settings, item=f"app.test.yaml::{chosen.name}", rerun="again")

    return run_last


def passed(result: QueryResult) -> bool:
    assert result.outcome is Outcome.PASSED, (result.error, result.failures)
    return True


ROWS = (
    "    inputs: [{ source: orders, rows: [{ id: 1, amount: 5 }, { id: 2, amount: 12.50 }, { id: 3, amount: 99 }] }]\n"
)
LARGE = "  - name: large\n" + ROWS
TWO = "    expect: { rows: [{ id: 2, amount: 12.50 }, { id: 3, amount: 99.00 }] }\n"


def test_rows_of_the_spec(run: Run) -> None:
    result = run(LARGE + TWO)
    assert passed(result)
    assert result.inputs == {"orders": 3}
    assert result.output_rows == 2
    assert result.checks == 1
    assert result.numbers is not None
    assert (result.numbers.read, result.numbers.accepted, result.numbers.filtered) == (3, 2, 1)


def test_a_statement_brings_those_it_reads(run: Run) -> None:
    assert passed(run("  - name: totals\n" + ROWS + "    expect: { rows: [{ n: 2, total: 111.50 }] }\n"))


def test_a_stage_can_be_given_its_input_instead(run: Run) -> None:
    given = "    inputs: [{ source: large, rows: [{ id: 7, amount: 1.00 }] }]\n"
    assert passed(run("  - name: totals\n" + given + "    expect: { rows: [{ n: 1, total: 1.00 }] }\n"))


@pytest.mark.parametrize("word", ["true", "large"])
def test_the_output_of_the_query_before_is_an_input(run: Run, word: str) -> None:
    given = f"    inputs: [{{ source: large, from_previous: {word} }}]\n"
    assert passed(run(LARGE + TWO + "  - name: totals\n" + given + "    expect: { rows: [{ n: 2, total: 111.50 }] }\n"))


def test_the_output_of_another_query_feeds_a_source(run: Run, write) -> None:
    write(
        "app.sql",
        SQL + "CREATE STREAM doubled AS SELECT id, amount * 2 AS amount FROM bought\nWITH ('bought.topic' = 'b');",
    )
    given = "    inputs: [{ source: bought, from_previous: large }]\n"
    expected = "    expect: { rows: [{ id: 2, amount: 25.00 }, { id: 3, amount: 198.00 }] }\n"
    assert passed(run(LARGE + TWO + "  - name: doubled\n" + given + expected))


def test_a_query_inherits_the_inputs_of_those_it_depends_on(run: Run) -> None:
    assert passed(run(LARGE + TWO + "  - name: totals\n    expect: { rows: [{ n: 2, total: 111.50 }] }\n"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data/o.csv", "id,amount\n1,5\n2,12.50\n3,99\n"),
        ("data/o.csv", "amount,note,id\n5,a,1\n12.50,,2\n99,c,3\n"),
        ("data/o.jsonl", '{"id":1,"amount":5}\n{"id":2,"amount":12.50}\n\n{"id":3,"amount":99}\n'),
        ("data/o.json", '[{"id":1,"amount":5},{"id":2,"amount":12.50},{"id":3,"amount":99}]'),
    ],
)
def test_rows_of_a_file(run: Run, write, name: str, content: str) -> None:
    write(name, content)
    assert passed(run(f"  - name: large\n    inputs: [{{ source: orders, data_file: {name} }}]\n" + TWO))


def test_rows_of_a_parquet_file(run: Run, tmp_path: Path, write) -> None:
    amounts = [Decimal("5"), Decimal("12.50"), Decimal("99")]
    table = pa.table({"id": [1, 2, 3], "amount": pa.array(amounts, pa.decimal128(10, 2))})
    pyarrow.parquet.write_table(table, tmp_path / "o.parquet")
    assert passed(run("  - name: large\n    inputs: [{ source: orders, data_file: o.parquet }]\n" + TWO))


def test_generated_rows(run: Run) -> None:
    check = "    assertions: [{ type: record_count, equals: '{{ inputs.orders.count }}' }]\n"
    assert run("  - name: large\n" + check).inputs == {"orders": 20}
    assert run("  - name: large\n    inputs: [{ source: orders, records: 7 }]\n" + check).inputs == {"orders": 7}
    assert run("  - name: large\n" + check, head="default_records: 9\n").inputs == {"orders": 9}
    assert passed(run("  - name: large\n" + check))


def test_generated_rows_refer_to_rows_of_another_input(run: Run, write) -> None:
    write(
        "schemas/people.schema.yaml",
        "name: people\nrecord_count: 3\nfields:\n  - { name: pid, type: bigint, constraints: { range: { min: 500, max: 900 }, unique: true } }\n",
    )
    write(
        "schemas/orders.schema.yaml",
        SCHEMA + "  - { name: pid, type: bigint, constraints: { references: { schema: people, field: pid } } }\n",
    )
    write(
        "app.sql",
        "CREATE STREAM j AS SELECT o.id, p.pid FROM orders o JOIN people p ON o.pid = p.pid\nWITH ('orders.topic' = 'o', 'people.path' = 'people.csv', 'people.type' = 'file_source');",
    )
    checks = """\
    inputs: [{ source: orders }, { source: people }]
    assertions:
      - { type: record_count, equals: 20 }
      - { type: join_coverage, left_source: orders, right_source: people, join_key: pid }
"""
    assert passed(run("  - name: j\n" + checks))


def test_an_override_can_refer_to_rows_of_another_input(run: Run, write) -> None:
    write("schemas/people.schema.yaml", "name: people\nfields:\n  - { name: pid, type: bigint }\n")
    write("app.sql", "CREATE STREAM j AS SELECT o.id, p.pid FROM orders o JOIN people p ON o.id = p.pid EMIT CHANGES;")
    template = """\
  - name: j
    inputs:
      - {{ source: people, records: 5, overrides: {{ pid: {{ sequence: {{ start: 70 }} }} }} }}
      - {{ source: orders, overrides: {{ id: {{ references: {}.pid }} }} }}
    assertions: [{{ type: record_count, equals: 20 }}]
"""
    assert passed(run(template.format("people")))
    close, far = run(template.format("peoples")).error, run(template.format("shops")).error
    assert close is not None
    assert (close.code, close.hint) == (ErrorCode.UNKNOWN_SCHEMA, 'did you mean "people"?')
    assert far is not None
    assert 'an input "shops"' in str(far.hint)


def test_a_source_with_a_file_and_no_input_reads_its_file(run: Run, write) -> None:
    write("people.csv", "pid,name\n1,ann\n2,bob\n")
    write(
        "app.sql",
        "CREATE STREAM j AS SELECT o.id, p.name FROM orders o JOIN people p ON o.id = p.pid\nWITH ('orders.topic' = 'o', 'people.path' = 'people.csv', 'people.type' = 'file_source', 'people.format' = 'csv');",
    )
    checks = (
        ROWS
        + """\
    expect: { rows: [{ id: 1, name: ann }, { id: 2, name: bob }] }
    assertions:
      - { type: join_coverage, left_source: orders, right_source: people, join_key: { id: pid }, min_match_rate: 0.6 }
"""
    )
    assert passed(run("  - name: j\n" + checks))


def test_reference_tables_stand_for_sources_that_no_input_names(run: Run, write) -> None:
    write("more.csv", "pid,name\n3,cy\n")
    write(
        "schemas/people.schema.yaml",
        "name: people\nfields:\n  - { name: pid, type: bigint }\n  - { name: name, type: string }\n",
    )
    write(
        "app.sql",
        "CREATE STREAM j AS SELECT o.id, p.name FROM orders o JOIN people p ON o.id = p.pid\nWITH ('orders.topic' = 'o', 'people.path' = 'people.csv', 'people.type' = 'file_source', 'people.format' = 'csv');",
    )
    result = run(
        "  - name: j\n" + ROWS + "    expect: { rows: [{ id: 3, name: cy }] }\n",
        head="reference_tables: { people: more.csv }\n",
    )
    assert passed(result)


def test_a_broken_record_is_dead_lettered_and_its_neighbours_go_on(run: Run, write) -> None:
    write("o.jsonl", '{"id":1,"amount":50}\n{"id":2,"amount":\n{"id":3,"amount":60}\n')
    result = run(
        "  - name: large\n    inputs: [{ source: orders, data_file: o.jsonl }]\n    assertions: [{ type: record_count, equals: 2 }]\n"
    )
    assert passed(result)
    assert result.numbers is not None
    assert result.numbers.dead_lettered == 1
    (letter,) = result.dead_letters
    assert letter.startswith("orders[0]@1: ")
    assert "1 record went to the dead letter queue" in result.notes[0]


def test_a_broken_csv_cell_is_an_error_at_its_line(run: Run, write) -> None:
    write("o.csv", "id,amount\n1,5\n2,abc\n")
    result = run("  - name: large\n    inputs: [{ source: orders, data_file: o.csv }]\n" + TWO)
    assert result.error is not None
    assert result.error.code is ErrorCode.RECORD_MALFORMED
    assert str(result.error.location).endswith("o.csv:3:1")


def test_an_unreadable_file_is_an_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "o.parquet").write_bytes(b"no parquet")
    result = run("  - name: large\n    inputs: [{ source: orders, data_file: o.parquet }]\n" + TWO)
    assert result.outcome is Outcome.ERROR
    assert result.error is not None
    assert result.error.code is ErrorCode.FILE_UNREADABLE
    assert result.exit_code == 2


def test_an_assertion_without_rows_says_that_the_input_is_empty(run: Run) -> None:
    result = run(
        "  - name: large\n    inputs: [{ source: orders, rows: [] }]\n    assertions: [{ type: no_nulls, field: id }]\n"
    )
    (failure,) = result.failures
    assert "gave out no row" in failure.finding.actual
    assert "the input orders has no row" in failure.finding.notes


@pytest.mark.parametrize(
    ("queries", "code", "hint"),
    [
        ("  - name: lagre\n" + ROWS + TWO, ErrorCode.UNKNOWN_QUERY, 'did you mean "large"?'),
        (LARGE.replace("source: orders", "source: oders") + TWO, ErrorCode.UNKNOWN_TABLE, 'did you mean "orders"?'),
        (LARGE + "    dependencies: [totls]\n" + TWO, ErrorCode.UNKNOWN_QUERY, 'did you mean "totals"?'),
        (
            LARGE + TWO + "    outputs: [{ sink: totls, expect: { rows: [] } }]\n",
            ErrorCode.UNKNOWN_QUERY,
            'did you mean "totals"?',
        ),
        (
            "  - name: totals\n    inputs: [{ source: large, from_previous: lage }]\n    expect: { rows: [] }\n",
            ErrorCode.UNKNOWN_QUERY,
            None,
        ),
        (
            LARGE + "    assertions: [{ type: no_nulls, field: id, where: amuont > 1 }]\n",
            ErrorCode.UNKNOWN_COLUMN,
            'did you mean "amount"?',
        ),
        (LARGE + "    assertions: [{ type: no_nulls, field: id, where: amount + 1 }]\n", ErrorCode.TYPE_MISMATCH, None),
        (
            LARGE + "    assertions: [{ type: no_nulls, field: id, where: 'id = 1; DROP TABLE x' }]\n",
            ErrorCode.SQL_SYNTAX,
            None,
        ),
        (
            LARGE
            + "    assertions: [{ type: join_coverage, left_source: order, right_source: orders, join_key: id }]\n",
            ErrorCode.BAD_VALUE,
            'did you mean "orders"?',
        ),
        (
            LARGE + "    assertions: [{ type: record_count, equals: '{{ inputs.oders.count }}' }]\n",
            ErrorCode.UNRESOLVED_TEMPLATE,
            'did you mean "orders"?',
        ),
    ],
)
def test_what_names_nothing_is_an_error_at_its_place(run: Run, queries: str, code: ErrorCode, hint: str | None) -> None:
    result = run(queries)
    assert result.outcome is Outcome.ERROR
    assert result.error is not None
    assert result.error.code is code
    assert result.error.location is not None
    assert result.error.location.file.endswith("app.test.yaml")
    assert hint is None or result.error.hint == hint


def test_an_error_in_a_predicate_is_underlined_in_the_spec(run: Run) -> None:
    result = run(LARGE + "    assertions: [{ type: no_nulls, field: id, where: amuont > 1 }]\n")
    assert result.error is not None
    place = result.error.location
    assert place is not None
    assert place.text[place.column - 1 :][: place.length] == "amuont"


def test_where_chooses_the_rows_to_look_at(run: Run) -> None:
    check = '    assertions: [{{ type: field_values, field: amount, where: "{0}", less_than: 50 }}]\n'
    assert passed(run(LARGE + check.format("id = 2 AND amount < 100")))
    failed = run(LARGE + check.format("id = 3"))
    assert failed.failures[0].finding.total == 1
    none = run(LARGE + check.format("id = 4"))
    assert "none of the 2 rows fulfils where: id = 4" in none.failures[0].finding.actual


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ("{ code: VELO1003 }", Outcome.PASSED),
        ("{ code: UNKNOWN_COLUMN, matches: amuont }", Outcome.PASSED),
        ("{ matches: '^nothing like it$' }", Outcome.FAILED),
        ("{ code: VELO1001 }", Outcome.FAILED),
    ],
)
def test_an_expected_error(run: Run, write, error: str, outcome: Outcome) -> None:
    write("app.sql", SQL.replace("SELECT id, amount", "SELECT id, amuont"))
    result = run(LARGE + f"    expect: {{ error: {error} }}\n")
    assert result.outcome is outcome
    if outcome is Outcome.FAILED:
        assert "VELO1003" in result.failures[0].finding.actual


def test_an_expected_error_that_does_not_come_is_a_failure(run: Run) -> None:
    result = run(LARGE + "    expect: { error: { code: VELO1003 } }\n")
    assert result.failures[0].finding.actual == "the query ended without an error"


def test_several_sinks_are_checked(run: Run) -> None:
    outputs = "    outputs:\n      - { sink: totals, expect: { rows: [{ n: 2 }] } }\n"
    assert passed(run(LARGE + TWO + outputs))
    result = run(LARGE + TWO + outputs.replace("n: 2", "n: 3"))
    assert [f.check for f in result.failures] == ["expect.rows"]


def test_files_that_sinks_write_are_checked_and_leave_nothing_behind(run: Run, write, tmp_path: Path) -> None:
    write(
        "app.sql",
        SQL.replace("WHERE amount > 10\n", "WHERE amount > 10 INTO found\n").replace(
            "WITH (", "WITH ('found.type' = 'file_sink', 'found.path' = 'out/found.csv', 'found.format' = 'csv', "
        ),
    )
    write("want.csv", "id,amount\n3,99.00\n2,12.50\n")
    checks = """\
    assertions:
      - { type: file_exists, path: out/found.csv }
      - { type: file_row_count, path: out/found.csv, equals: 2 }
      - { type: file_matches, actual_path: out/found.csv, expected_path: want.csv }
"""
    for _ in range(2):
        assert passed(run(LARGE + checks))
    assert not (tmp_path / "out").exists()


def test_a_query_that_takes_too_long_is_stopped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from velo_harness import execution

    clock = iter(range(1000))
    monkeypatch.setattr(execution.time, "monotonic", lambda: next(clock))
    result = run(LARGE + "    timeout_ms: 500\n" + TWO)
    assert result.error is not None
    assert result.error.code is ErrorCode.TIMEOUT
    assert result.outcome is Outcome.FAILED
    assert passed(run(LARGE + "    timeout_ms: 500\n" + TWO, timeout_ms=60_000))


def test_inline_sql_points_into_the_spec(run: Run) -> None:
    head = "sql: |\n  CREATE STREAM s AS\n  SELECT id, amuont FROM orders\n  WITH ('orders.topic' = 'o');\n"
    result = run("  - name: s\n" + ROWS + "    expect: { rows: [] }\n", head=head)
    assert result.error is not None
    assert result.error.location is not None
    assert (result.error.location.line, result.error.location.file[-13:]) == (4, "app.test.yaml")


def test_a_spec_without_a_program_says_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "app.sql").unlink()
    result = run(LARGE + TWO)
    assert result.error is not None
    assert result.error.code is ErrorCode.FILE_NOT_FOUND
    assert "sql_file" in (result.error.hint or "")


def test_a_program_cannot_read_a_file_outside_the_project(run: Run, write, tmp_path: Path) -> None:
    write("sub/pyproject.toml", "")
    outside = tmp_path.parent / "outside.csv"
    outside.write_text("id\n1\n")
    sql = f"CREATE STREAM s AS SELECT id FROM f\nWITH ('f.type' = 'file_source', 'f.path' = '{outside}', 'f.format' = 'csv');"
    write("app.sql", sql)
    check = "  - name: s\n    assertions: [{ type: record_count, equals: 1 }]\n"
    result = run(check)
    assert result.error is not None
    assert result.error.code is ErrorCode.PATH_OUTSIDE_PROJECT
    assert passed(run(check, allowed=(tmp_path.parent.resolve(),)))


WINDOWED = """
CREATE TABLE per_minute AS
SELECT k, window_start, COUNT(*) AS n FROM events WINDOW TUMBLING(at, 1m) GROUP BY k EMIT FINAL
WITH ('events.topic' = 'events', 'events.event.time.field' = 'at', 'events.watermark.max_out_of_orderness' = '0s');
"""
EVENTS = """
name: events
fields:
  - { name: k, type: string }
  - { name: at, type: timestamp }
"""


def test_late_rows_are_expected_and_shown(run: Run, write) -> None:
    write("app.sql", WINDOWED)
    write("schemas/events.schema.yaml", EVENTS)
    times = ("00:00:10", "00:01:05", "00:00:20")
    rows = ", ".join(f"{{ k: a, at: 2025-01-01 {time} }}" for time in times)
    query = f"  - name: per_minute\n    inputs: [{{ source: events, rows: [{rows}] }}]\n"
    late = "    expect: { late: [{ k: a, at: 2025-01-01 00:00:20 }] }\n"
    result = run(query + late)
    assert passed(result)
    assert result.late_rows[0]["at"] == datetime(2025, 1, 1, 0, 0, 20)
    assert run(query + "    expect: { late: [] }\n").failures[0].check == "expect.late"


LATE_FOR = {
    "over": "SELECT k, LAG(at) OVER (PARTITION BY k ORDER BY at) AS before FROM people",
    "first row": "SELECT k, at FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY at) AS n FROM people) WHERE n = 1",
    "sort": "SELECT at, k FROM people ORDER BY at",
}


@pytest.mark.parametrize("query", LATE_FOR.values(), ids=LATE_FOR.keys())
def test_late_rows_of_every_operator_are_compared(run: Run, write, query: str) -> None:
    write(
        "app.sql",
        f"CREATE TABLE people (k STRING, at TIMESTAMP(3), WATERMARK FOR at AS at);\nCREATE STREAM s AS {query};",
    )
    text = """\
  - name: s
    inputs:
      - source: people
        rows:
          - { k: b, at: 2025-01-01 00:00:20 }
          - { k: a, at: 2025-01-01 00:00:40 }
          - { k: b, at: 2025-01-01 00:00:10 }
    expect: { late: [%s] }
"""

    assert passed(run(text % "{ k: b, at: 2025-01-01 00:00:10 }"))
    assert run(text % "").failures[0].check == "expect.late"
    assert run(text % "{ k: b, at: 2025-01-01 00:00:11 }").failures[0].check == "expect.late"


def test_equal_runs_give_equal_results(run: Run) -> None:
    check = "    assertions: [{ type: aggregate_check, expression: SUM(amount), less_than: 0 }]\n"
    seeds = [run("  - name: large\n" + check, seed=seed).failures[0].finding.actual for seed in (1, 1, 2)]
    assert seeds[0] == seeds[1] != seeds[2]


def test_partitions_and_keys_do_not_change_the_result(run: Run) -> None:
    partitioned = LARGE.replace("source: orders,", "source: orders, partitions: 3, key_field: id,")
    assert passed(run(partitioned + TWO))
    wrong = run(partitioned.replace("key_field: id", "key_field: idd") + TWO)
    assert wrong.error is not None
    assert wrong.error.hint == 'did you mean "id"?'


def test_records_without_a_key_take_turns_in_the_partitions(run: Run, write) -> None:
    write("app.sql", "CREATE STREAM spread AS SELECT id, _partition AS part, _offset AS place FROM orders;")
    wanted = "[{ id: 1, part: 0, place: 0 }, { id: 2, part: 1, place: 0 }, { id: 3, part: 0, place: 1 }]"
    given = "[{ id: 1, amount: 1 }, { id: 2, amount: 1 }, { id: 3, amount: 1 }]"
    query = f"  - name: spread\n    inputs: [{{ source: orders, partitions: 2, rows: {given} }}]\n"
    assert passed(run(query + f"    expect: {{ rows: {wanted} }}\n"))


def test_a_failed_warning_does_not_fail_the_query(run: Run) -> None:
    result = run(LARGE + "    assertions: [{ type: record_count, equals: 3, severity: warning }]\n")
    assert passed(result)
    assert [w.check for w in result.warnings] == ["record_count"]


def test_a_skipped_query_does_not_run(run: Run) -> None:
    result = run("  - name: nowhere\n    skip: later\n    expect: { rows: [] }\n")
    assert (result.outcome, result.skip_reason) == (Outcome.SKIPPED, "later")


FORMATS = [
    "'events.format' = 'csv', ",
    "'events.event.time.format' = 'epoch_millis', ",
    "'events.event.time.format' = 'iso8601', ",
    "'events.event.time.format' = 'yyyy/MM/dd HH:mm:ss', ",
]
AS_ROWS = [(form, origin) for form in ("", *FORMATS) for origin in ("rows", "csv")]
WRITTEN = [*AS_ROWS, ("", "jsonl"), (FORMATS[0], "jsonl")]


@pytest.mark.parametrize(("properties", "origin"), WRITTEN)
def test_rows_reach_the_source_whatever_its_format(run: Run, write, properties: str, origin: str) -> None:
    write("app.sql", WINDOWED.replace("WITH (", "WITH (" + properties))
    write("schemas/events.schema.yaml", EVENTS)
    write("e.csv", "k,at\na,2025-01-01 00:00:10\na,2025-01-01 00:01:10\n")
    write("e.jsonl", '{"k":"a","at":"2025-01-01 00:00:10"}\n{"k":"a","at":"2025-01-01 00:01:10"}\n')
    rows = "rows: [{ k: a, at: 2025-01-01 00:00:10 }, { k: a, at: 2025-01-01 00:01:10 }]"
    given = rows if origin == "rows" else f"data_file: e.{origin}"
    expected = "[{ n: 1, window_start: 2025-01-01 00:00:00 }, { n: 1, window_start: 2025-01-01 00:01:00 }]"
    query = f"  - name: per_minute\n    inputs: [{{ source: events, {given} }}]\n    expect: {{ rows: {expected} }}\n"
    assert passed(run(query))


def test_files_that_change_between_runs_are_read_again(run: Run, write) -> None:
    query = "  - name: large\n    inputs: [{ source: orders, data_file: o.csv }]\n    assertions: [{ type: record_count, equals: 1 }]\n"
    write("o.csv", "id,amount\n1,50\n")
    assert passed(run(query))
    write("o.csv", "id,amount\n1,50\n2,60\n")
    assert run(query).outcome is Outcome.FAILED
    write("app.sql", SQL.replace("> 10", "> 55"))
    assert passed(run(query))
    write("schemas/orders.schema.yaml", SCHEMA.replace("name: amount", "name: amuont"))
    result = run(query)
    assert result.error is not None
    assert result.error.code is ErrorCode.UNKNOWN_COLUMN


def test_queries_of_one_process_share_what_they_generate(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from velo_harness.generation import tables

    made = []
    generate = tables.generate

    def spy(schema, **rest):
        made.append(schema.name)
        return generate(schema, **rest)

    monkeypatch.setattr(tables, "generate", spy)
    check = "    assertions: [{ type: record_count, equals: 20 }]\n"
    for _ in range(3):
        assert passed(run("  - name: large\n" + check, seed=991))
    assert made == ["orders"]


def test_records_are_every_row_given_out_and_totals_are_about_what_stands_at_the_end(run: Run) -> None:
    checks = """\
    assertions:
      - { type: record_count, equals: 2 }
      - { type: aggregate_check, expression: SUM(n), equals: 2 }
      - { type: unique_values, field: n }
      - { type: field_in_set, field: n, values: [1, 2] }
      - { type: template, expression: outputs.totals.count == 2 and outputs.totals.max_n == 2 }
"""
    assert passed(run("  - name: totals\n" + ROWS + checks))


def test_an_update_is_a_duplicate_unless_updates_are_allowed(run: Run, write) -> None:
    write(
        "app.sql",
        SQL.replace(
            "COUNT(*) AS n, SUM(amount) AS total FROM large",
            "amount > 0 AS k, COUNT(*) AS n FROM large GROUP BY amount > 0",
        ),
    )
    check = "    assertions: [{{ type: no_duplicates, key_field: k{} }}]\n"
    failed = run("  - name: totals\n" + ROWS + check.format(""))
    assert failed.outcome is Outcome.FAILED, failed.error
    assert "allow_updates: true" in failed.failures[0].finding.notes[0]
    assert passed(run("  - name: totals\n" + ROWS + check.format(", allow_updates: true")))


DECLARED = """
-- @data.record_count: 30
-- @data.seed: 5
-- @data.kind: enum [a, b]
CREATE TABLE things (id BIGINT, kind STRING);

CREATE STREAM seen AS SELECT id, kind FROM things WITH ('things.type' = 'kafka_source', 'things.topic' = 'things');
"""


def test_rows_of_a_declared_source_are_generated_by_its_columns_and_hints(run: Run, write) -> None:
    write("app.sql", DECLARED)
    checks = """\
    assertions:
      - { type: record_count, equals: 30 }
      - { type: field_in_set, field: kind, values: [a, b] }
"""
    result = run("  - name: seen\n" + checks)
    assert passed(result)
    assert result.seed == 5
    assert run("  - name: seen\n" + checks, head="seed: 6\n").seed == 6
    assert run("  - name: seen\n" + checks, seed=7).seed == 7


def test_a_hint_that_names_no_column_is_an_error(run: Run, write) -> None:
    write("app.sql", DECLARED.replace("@data.kind", "@data.knid"))
    result = run("  - name: seen\n    assertions: [{ type: record_count, equals: 30 }]\n")
    assert result.error is not None
    assert result.error.hint == 'did you mean "kind"?'


def test_a_source_that_nothing_describes_is_an_error(run: Run, write) -> None:
    write("app.sql", SQL.replace("FROM orders", "FROM purchases"))
    result = run("  - name: large\n    assertions: [{ type: record_count, equals: 30 }]\n")
    assert result.error is not None
    assert result.error.location is not None
    assert "purchases" in result.error.message


def test_a_property_that_nobody_reads_is_a_note_and_an_error_in_a_strict_run(run: Run, write) -> None:
    write("app.sql", SQL.replace("'orders.topic' = 'orders'", "'orders.topic' = 'orders', 'orders.topik' = 'x'"))
    result = run(LARGE + TWO)
    assert passed(result)
    assert "topik" in result.notes[0]
    strict = run(LARGE + TWO, strict=True)
    assert strict.outcome is Outcome.ERROR
    assert strict.error is not None
    assert strict.error.location is not None
    assert strict.error.location.line == 4

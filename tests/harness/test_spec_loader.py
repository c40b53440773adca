"""Specs are read strictly: each key has its effect, and what has none is an error at its place."""

import textwrap
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.spec import (
    DEFAULT_NOW,
    ChangelogOrder,
    ColumnScope,
    DataFormat,
    Operator,
    Severity,
    Tolerance,
)
from velo_harness.spec_loader import load_spec

QUERY = """
    queries:
      - name: q
        assertions: [{type: record_count, greater_than: 0}]
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "specs").mkdir()
    return tmp_path


@pytest.fixture
def load(project):
    def loading(text):
        path = project / "specs" / "x.test.yaml"
        path.write_text(textwrap.dedent(text).lstrip("\n"))
        return load_spec(path)

    return loading


@pytest.fixture
def refused(load):
    def refusing(text):
        with pytest.raises(VeloError) as caught:
            load(text)
        return caught.value

    return refusing


def one_query(body):
    return "application: a\nqueries:\n  - name: q\n" + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ") + "\n"


def one_input(body):
    lines = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
    return one_query(f"inputs:\n  - source: s\n{lines}\nassertions: [{{type: record_count, equals: 1}}]")


def one_expectation(body):
    return one_query("expect:\n" + textwrap.indent(textwrap.dedent(body).strip("\n"), "  "))


def place(error):
    return error.location.line, error.location.column, error.location.length


def test_the_smallest_spec_has_the_documented_defaults(load):
    spec = load("application: a\n" + textwrap.dedent(QUERY))
    (query,) = spec.queries
    assert (spec.name, spec.seed, spec.now, spec.config, spec.zone) == ("a", 42, DEFAULT_NOW, {}, None)
    assert (query.name, query.timeout_ms, query.default_records, query.skip) == ("q", 30_000, None, None)
    assert (query.inputs, query.outputs, query.expect, query.dependencies) == ((), (), None, ())


def test_the_generated_form_of_an_import(load):
    """The example of FR-087, "Generated Test Spec", shortened."""
    spec = load("""
        test_suite:
          name: flink-job (imported)
          source_system: flink
          original_file: flink-job.sql

          defaults:
            records_per_source: 500
            timeout_ms: 20000

        queries:
          - name: trade_aggregation
            description: "Aggregates trades by symbol in 1-minute windows"

            assertions:
              # Basic correctness
              - type: record_count
                operator: greater_than
                expected: 0
                reason: "Window should produce at least one output"
              - type: aggregate_check
                expression: "SUM(total_volume)"
                operator: equals
                expected: "{{inputs.trades.sum_quantity}}"
              - type: field_values
                field: avg_price
                operator: between
                min: 0
                max: 10000
              - type: field_values
                field: total_spent
                operator: greater_than_or_equal
                value: 0
              - type: execution_time
                max_ms: 5000
    """)
    (query,) = spec.queries
    assert (spec.name, spec.origin) == ("flink-job (imported)", "flink: flink-job.sql")
    assert (query.default_records, query.timeout_ms) == (500, 20_000)
    count, aggregate, between, at_least, time = query.assertions
    assert count.message == "Window should produce at least one output"
    assert [(c.operator, [o.text for o in c.operands]) for c in count.comparisons] == [(Operator.GREATER_THAN, ["0"])]
    assert aggregate.parameters["expression"] == "SUM(total_volume)"
    assert aggregate.comparisons[0].operands[0].text == "{{inputs.trades.sum_quantity}}"
    assert [o.text for o in between.comparisons[0].operands] == ["0", "10000"]
    assert at_least.comparisons[0].operator is Operator.GREATER_THAN_OR_EQUAL
    assert time.parameters == {"min_ms": None, "max_ms": Decimal(5000)}


def test_an_unknown_key_is_underlined_and_the_nearest_key_named(refused):
    error = refused("""
        application: a
        queries:
          - name: q
            asertions:
              - type: record_count
    """)
    assert error.code is ErrorCode.UNKNOWN_KEY
    assert place(error) == (4, 5, 9)
    assert error.location.text == "    asertions:"
    assert error.hint == 'did you mean "assertions"?'
    assert str(error).splitlines()[-2].endswith("|     ^^^^^^^^^")


@pytest.mark.parametrize(
    ("text", "line", "column", "nearest"),
    [
        ("aplication: a\nqueries: []\n", 1, 1, "application"),
        (one_input("recrods: 5"), 6, 9, "records"),
        (one_input("time_simulation: {start: -1h}"), 6, 27, "start_time"),
        (one_input("overrides: {price: {mni: 1}}"), 6, 29, "min"),
        (one_expectation("row: []"), 5, 7, "rows"),
        (one_expectation("rows: []\ntolerance: {a: {absolut: 1}}"), 6, 23, "abs"),
        (one_query("assertions:\n  - type: no_nulls\n    fileds: [a]"), 6, 9, "fields"),
        (one_query("outputs:\n  - sink: s\n    assert: []"), 6, 9, "assertions"),
    ],
)
def test_an_unknown_key_is_found_at_every_level(refused, text, line, column, nearest):
    error = refused(text)
    assert error.code is ErrorCode.UNKNOWN_KEY
    assert place(error)[:2] == (line, column)
    assert error.hint == f'did you mean "{nearest}"?'


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("- a\n- b\n", 1, 1, "a spec must be a mapping of keys, not a list"),
        ("application: a\nqueries: {}\n", 2, 10, "this must be a list"),
        ("application: a\nqueries: []\n", 2, 10, "at least 1"),
        ("application: [a]\nqueries: []\n", 1, 14, "this must be a name, not a list"),
        ("application:\nqueries: []\n", 1, 13, "this must be a name, not an empty value"),
        ("application: a\nseed: twelve\nqueries: []\n", 2, 7, "whole number from 0"),
        ("application: a\nseed: -1\nqueries: []\n", 2, 7, "whole number from 0"),
        ("application: a\nseed: 1.5\nqueries: []\n", 2, 7, "whole number from 0"),
        ("application: a\ndefault_timeout_ms: 0\nqueries: []\n", 2, 21, "whole number from 1"),
        ("application: a\nnow: tomorrow\n" + textwrap.dedent(QUERY), 2, 6, '"tomorrow" is not a time'),
        ("application: a\nconfig: {time_zone: Mars/Base}\n" + textwrap.dedent(QUERY), 2, 21, "no time zone"),
        ("application: a\nconfig: {a: [1]}\n" + textwrap.dedent(QUERY), 2, 13, "must be text"),
        ("application: a\nconfig: {a.b: 1, a: {b: 2}}\n" + textwrap.dedent(QUERY), 2, 25, "given twice"),
        ("application: a\nmarks: [no-mark]\n" + textwrap.dedent(QUERY), 2, 8, "cannot be a mark's name"),
        ("application: a\nmarks: [{skipif: os and run}]\n" + textwrap.dedent(QUERY), 2, 8, "not a condition of skipif"),
        (one_query("skip: [a]"), 4, 11, "true or false or a reason"),
        (
            one_query("skip: no\nassertions: [{type: no_nulls, fields: [a]}]"),
            4,
            11,
            '"no" is text and no reason to skip',
        ),
        (one_query("skip: ''\nassertions: [{type: no_nulls, fields: [a]}]"), 4, 11, "no reason to skip"),
        (one_query("timeout_ms: soon"), 4, 17, "whole number"),
        (one_input("records: NO"), 6, 18, 'not "NO"'),
        (one_input("null_probability: 1.5"), 6, 27, "a number from 0 to 1"),
        (one_input("rows: {a: 1}"), 6, 15, "this must be a list"),
        (one_input("rows: [1]"), 6, 16, "a row"),
        (one_input("partitions: 0"), 6, 21, "whole number from 1"),
        (one_input("time_simulation: {jitter_ms: -5}"), 6, 38, "a duration"),
        (one_expectation("rows: []\ncolumns: some"), 6, 16, "one of listed, exact"),
        (one_expectation("changelog: [{op: +X, a: 1}]"), 5, 24, "op must be one of"),
        (one_expectation("error: {matches: '['}"), 5, 24, "not a regular expression"),
        (one_expectation("late: [{a: 1, late_by: soon}]"), 5, 30, "a duration"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_at_its_place(refused, text, line, column, message):
    error = refused(text)
    assert error.code is ErrorCode.BAD_VALUE
    assert place(error)[:2] == (line, column)
    assert message in error.message


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("queries: [{name: q}]\n", 1, "application"),
        ("application: a\n", 1, "queries"),
        ("test_suite: {source_system: flink}\nqueries: []\n", 1, "name"),
        ("application: a\nqueries:\n  - assertions: []\n", 3, "name"),
        (one_query("inputs: [{records: 5}]"), 4, "source"),
        (one_query("outputs: [{assertions: []}]"), 4, "sink"),
        (one_input("source_type: {type: file}"), 6, "path"),
        (one_expectation("changelog: [{a: 1}]"), 5, "op"),
        (one_query("assertions: [{fields: [a]}]"), 4, "type"),
        (one_query("assertions: [{type: no_nulls}]"), 4, "fields"),
    ],
)
def test_a_missing_key_is_named(refused, text, line, key):
    error = refused(text)
    assert error.code is ErrorCode.MISSING_KEY
    assert f'"{key}"' in error.message
    assert error.location.line == line


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("application: a\nqueries:\n  - name: q\n    description: none\n", 3, 11),
        (one_query("assertions: []"), 3, 11),
        (one_query("outputs: [{sink: s}]"), 4, 22),
        (one_expectation("key: [a]"), 5, 7),
        (one_expectation("error: {}"), 5, 14),
        (one_expectation("rows: [{}]"), 5, 14),
        (one_expectation("rows: [{a: 1}, {a: 2}]\nignore: a"), 5, 14),
        (one_query("assertions: [{type: record_count}]"), 4, 25),
        (one_query("assertions: [{type: execution_time}]"), 4, 25),
        (one_query("assertions: [{type: completeness, min_completeness: 0.5}]"), 4, 25),
        (one_query("assertions: [{type: field_values, field: a}]"), 4, 25),
        (one_query("assertions: [{type: schema_contains, exact: true}]"), 4, 25),
    ],
)
def test_what_checks_nothing_is_an_error(refused, text, line, column):
    error = refused(text)
    assert error.code is ErrorCode.NOTHING_CHECKED
    assert place(error)[:2] == (line, column)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("application: a\ntest_suite: {name: b}\n" + textwrap.dedent(QUERY), 2, 1, "not both"),
        ("application: a\nsql: SELECT 1\nsql_file: b.sql\n" + textwrap.dedent(QUERY), 3, 1, "not both"),
        (
            "default_records: 5\ntest_suite: {name: b, defaults: {records_per_source: 6}}\n" + textwrap.dedent(QUERY),
            1,
            1,
            "mean the same",
        ),
        (
            "application: a\nqueries:\n  - name: q\n    expect: {rows: []}\n  - name: q\n    expect: {rows: []}\n",
            5,
            11,
            "two queries",
        ),
        (one_query("expect: {rows: []}\ninputs: [{source: s}, {source: s}]"), 5, 36, "two inputs"),
        (one_query("outputs: [{sink: s, expect: {rows: []}}, {sink: s, expect: {rows: []}}]"), 4, 53, "two outputs"),
        (one_input("rows: []\nfrom_previous: p"), 7, 9, "both give the rows"),
        (one_input("rows: []\nrecords: 5"), 7, 9, "no effect"),
        (one_input("from_previous: p\noverrides: {}"), 7, 9, "no effect"),
        (one_input("from_previous: p\nschema: p"), 7, 9, "no effect"),
        (one_input("from_previous: true"), 6, 24, "no query before"),
        (one_input("source_type: {type: kafka, path: x.csv}"), 6, 42, "no effect"),
        (one_input("rate_per_second: 5\ntime_simulation: {events_per_second: 5}"), 6, 9, "both space"),
        (one_expectation("rows: []\nrows_file: x.csv"), 6, 7, "not both"),
        (one_expectation("rows: []\norder: exact"), 6, 7, "no effect without changelog"),
        (one_expectation("late: []\nkey: a"), 6, 7, "no effect"),
        (one_expectation("error: {code: VELO4001}\nrows: []"), 6, 7, "no effect"),
        (one_expectation("error: {code: VELO9999}"), 5, 21, 'no error code "VELO9999"'),
        (one_expectation("rows: []\nkey: a\nignore: a"), 7, 15, "cannot be ignored"),
        (one_expectation("rows: []\ntolerance: {a: {}}"), 6, 22, "needs one of"),
    ],
)
def test_combinations_of_which_one_part_would_have_no_effect(refused, text, line, column, message):
    error = refused(text)
    assert error.code is ErrorCode.BAD_VALUE
    assert message in error.message
    assert place(error)[:2] == (line, column)


def test_the_whole_head_of_a_spec(load, project):
    (project / "specs" / "app.sql").write_text("SELECT 1")
    (project / "specs" / "rates.csv").write_text("a\n1\n")
    spec = load("""
        application: shop
        description: A shop.
        tags: [nightly, orders]
        marks: [slow, {xfail: not yet}]
        sql_file: app.sql
        seed: 7
        now: 2024-06-01T12:00:00+02:00
        default_timeout_ms: 500
        default_records: 20
        config:
          time_zone: Europe/Berlin
          state: {ttl: 1h}
          job.batch: 10
        schemas: {orders: shop/orders.schema.yaml}
        reference_tables:
          rates: rates.csv
          countries: countries
          products: {path: rates.csv, format: csv_no_header}
        queries:
          - name: q
            skip: broken since June
            tags: fast
            dependencies: [a, b]
            timeout_ms: 100
            expect: {rows: []}
          - name: r
            skip: true
            inputs: [{source: s, from_previous: true}]
            expect: {rows: []}
    """)
    assert (spec.description, spec.tags) == ("A shop.", ("nightly", "orders"))
    assert [(m.name, m.argument) for m in spec.marks] == [("slow", None), ("xfail", "not yet")]
    assert spec.sql_file == project / "specs" / "app.sql"
    assert spec.now == datetime(2024, 6, 1, 10, tzinfo=UTC)
    assert spec.config == {"time_zone": "Europe/Berlin", "state.ttl": "1h", "job.batch": "10"}
    assert spec.zone == ZoneInfo("Europe/Berlin")
    assert spec.schemas == {"orders": "shop/orders.schema.yaml"}
    assert spec.reference_tables["countries"] == "countries"
    assert spec.reference_tables["rates"].format is DataFormat.CSV
    assert spec.reference_tables["products"].format is DataFormat.CSV_NO_HEADER
    first, second = spec.queries
    assert (first.skip, first.tags, first.dependencies) == ("broken since June", ("fast",), ("a", "b"))
    assert (first.timeout_ms, second.timeout_ms, first.default_records) == (100, 500, 20)
    assert second.skip
    assert second.inputs[0].from_previous == "q"


def test_a_naive_now_means_the_jobs_zone(load):
    spec = load("application: a\nnow: 2024-07-01\nconfig: {time_zone: Europe/Berlin}\n" + textwrap.dedent(QUERY))
    assert spec.now == datetime(2024, 6, 30, 22, tzinfo=UTC)


def test_the_real_clock(load):
    assert load("application: a\nnow: wall\n" + textwrap.dedent(QUERY)).now is None


def test_every_key_of_an_input(load, project):
    (project / "data").mkdir()
    (project / "data" / "t.jsonl").write_text("{}\n")
    spec = load("""
        application: a
        queries:
          - name: q
            expect: {rows: []}
            inputs:
              - source: generated
                schema: trades
                records: 10
                seed: 3
                null_probability: 0.25
                key_field: symbol
                partitions: 4
                source_type: {type: kafka, topic: t1}
                format: JSON
                overrides:
                  price: {min: 1.50, max: 2}
                time_simulation: {start_time: -4h, end_time: now, sequential: false, jitter_ms: 7s, events_per_second: 2.5}
              - source: paced
                rate_per_second: 10
              - source: literal
                rows: [{a: 12.30, b: NO}]
              - source: from_file
                data_file: t.jsonl
              - source: as_file
                source_type: {type: file, path: ../data/t.jsonl, format: JsonLines}
    """)
    generated, paced, literal, from_file, as_file = spec.queries[0].inputs
    assert (generated.schema, generated.records, generated.seed, generated.null_probability) == ("trades", 10, 3, 0.25)
    assert (generated.key_field, generated.partitions, generated.topic) == ("symbol", 4, "t1")
    assert generated.overrides["price"].range.minimum.text == "1.50"
    simulation = generated.time_simulation
    assert (simulation.start_time, simulation.end_time, simulation.sequential) == ("-4h", "now", False)
    assert (simulation.jitter_ms, simulation.events_per_second) == (7000, Decimal("2.5"))
    assert paced.time_simulation.events_per_second == Decimal(10)
    assert [node.text for node in literal.rows[0].values.values()] == ["12.30", "NO"]
    assert from_file.data_file.path == as_file.data_file.path == project / "data" / "t.jsonl"
    assert from_file.data_file.format is as_file.data_file.format is DataFormat.JSON_LINES


def test_every_key_of_an_expectation(load, project):
    (project / "specs" / "expected.csv").write_text("a\n")
    spec = load("""
        application: a
        queries:
          - name: q
            expect:
              rows_file: expected.csv
              key: id
              tolerance: {amount: {abs: 0.01}, ratio: {rel: 1e-9}, ts: {within: 1s}, name: {case: ignore}}
              ignore: [proc_time]
              columns: exact
              late: [{id: 1, late_by: 5s}, {id: 2}]
          - name: r
            expect:
              changelog: [{op: +I, id: 1}, {op: -D, id: 1}]
              order: per_key
          - name: s
            expect: {error: {code: VELO4001, matches: "division .* zero"}}
          - name: t
            expect: {rows: []}
    """)
    first, second, third, fourth = (query.expect for query in spec.queries)
    assert first.rows is None
    assert first.rows_file == project / "specs" / "expected.csv"
    assert (first.key, first.ignore, first.columns) == (("id",), ("proc_time",), ColumnScope.EXACT)
    assert first.tolerance == {
        "amount": Tolerance(absolute=Decimal("0.01")),
        "ratio": Tolerance(relative=Decimal("1e-9")),
        "ts": Tolerance(within_ms=1000),
        "name": Tolerance(ignore_case=True),
    }
    assert [late.late_by_ms for late in first.late] == [5000, None]
    assert list(first.late[0].row.values) == ["id"]
    assert [change.op for change in second.changelog] == ["+I", "-D"]
    assert (second.order, second.columns) == (ChangelogOrder.PER_KEY, ColumnScope.LISTED)
    assert (third.error.code, third.error.matches) == ("VELO4001", "division .* zero")
    assert fourth.rows == ()


def test_several_sinks(load):
    spec = load(
        one_query(
            "outputs:\n  - {sink: a, expect: {rows: []}}\n  - {sink: b, assertions: [{type: record_count, equals: 0}]}"
        )
    )
    assert [(o.sink, len(o.assertions), o.expect is not None) for o in spec.queries[0].outputs] == [
        ("a", 0, True),
        ("b", 1, False),
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("application: a\nsql_file: ../../outside.sql\n" + textwrap.dedent(QUERY), ErrorCode.PATH_OUTSIDE_PROJECT),
        ("application: a\nsql_file: /etc/passwd\n" + textwrap.dedent(QUERY), ErrorCode.PATH_OUTSIDE_PROJECT),
        ("application: a\nsql_file: missing.sql\n" + textwrap.dedent(QUERY), ErrorCode.FILE_NOT_FOUND),
        (one_input("data_file: ../../../etc/passwd"), ErrorCode.PATH_OUTSIDE_PROJECT),
        (one_input("data_file: missing.csv"), ErrorCode.FILE_NOT_FOUND),
        (one_expectation("rows_file: ../../x.csv"), ErrorCode.PATH_OUTSIDE_PROJECT),
        (one_query("assertions: [{type: file_exists, path: /etc/passwd}]"), ErrorCode.PATH_OUTSIDE_PROJECT),
        (
            "application: a\nreference_tables: {r: /etc/hosts.csv}\n" + textwrap.dedent(QUERY),
            ErrorCode.PATH_OUTSIDE_PROJECT,
        ),
    ],
)
def test_paths_stay_in_the_project_and_lead_somewhere(refused, text, code):
    assert refused(text).code is code


def test_a_symbolic_link_does_not_leave_the_project(refused, project, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.csv"
    outside.write_text("a\n")
    (project / "specs" / "link.csv").symlink_to(outside)
    assert refused(one_input("data_file: link.csv")).code is ErrorCode.PATH_OUTSIDE_PROJECT


def test_an_allowed_folder_may_be_named(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("allowed")
    (folder / "x.csv").write_text("a\n")
    path = project / "specs" / "y.test.yaml"
    path.write_text(one_input(f"data_file: {folder}/x.csv"))
    assert load_spec(path, allowed=[folder]).queries[0].inputs[0].data_file.path == folder / "x.csv"


def test_a_missing_data_file_is_suggested_by_name(refused, project):
    (project / "data").mkdir()
    (project / "data" / "trades.csv").write_text("a\n")
    error = refused(one_input("data_file: trade.csv"))
    assert (error.hint, place(error)[:2]) == ('did you mean "trades.csv"?', (6, 20))


def test_a_file_whose_format_cannot_be_told(refused, project):
    (project / "specs" / "x.dat").write_text("")
    error = refused(one_input("data_file: x.dat"))
    assert error.code is ErrorCode.BAD_VALUE
    assert "does not tell its format" in error.message


def test_severity_where_and_message(load):
    spec = load(
        one_query(
            "assertions: [{type: no_nulls, field: a, severity: warning, where: b > 1, allow_empty: true, description: hm}]"
        )
    )
    (assertion,) = spec.queries[0].assertions
    assert (assertion.severity, assertion.where, assertion.allow_empty, assertion.message) == (
        Severity.WARNING,
        "b > 1",
        True,
        "hm",
    )
    assert assertion.parameters == {"fields": ("a",)}
    assert set(assertion.parameter_locations) == {"fields", "where"}
    assert assertion.location.line == 4

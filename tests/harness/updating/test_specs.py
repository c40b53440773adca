"""What an update makes of the text of a spec: the expected texts are written by hand."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent

import pytest
from tests.harness.updating.conftest import Project

from velo_engine.errors import VeloError
from velo_harness.result import Outcome
from velo_harness.settings import Update
from velo_harness.updating.written import write_updates

INPUTS = """\
    inputs:
      - source: orders
        rows:
          - {id: 1, kind: a, amount: 5.00}
          - {id: 2, kind: a, amount: 12.50}  # the first large one
          - {id: 3, kind: b, amount: 99.00}
"""
HEAD = "application: orders  # who asks\nqueries:\n"
LARGE = HEAD + "  - name: large\n" + INPUTS
PER_KIND = HEAD + "  - name: per_kind\n" + INPUTS


def below(head: str, text: str) -> str:
    return head + "".join(f"    {line}" if line.strip() else line for line in dedent(text).splitlines(keepends=True))


def check(project: Project, head: str, before: str, after: str, update: Update = Update.ALL) -> None:
    assert project.updated(below(head, before), update) == below(head, after)


def test_a_query_that_checks_nothing_gets_its_rows(project: Project) -> None:
    after = """\
        expect:
          rows:
            - {id: 2, amount: 12.50}
            - {id: 3, amount: 99.00}
        """
    check(project, LARGE, "", after)
    check(project, LARGE, "", after, Update.NEW_ONLY)


def test_a_query_with_assertions_only_gets_its_rows_behind_them(project: Project) -> None:
    check(
        project,
        LARGE,
        """\
        assertions:
          - type: record_count
            equals: 2  # two

        # the end
        """,
        """\
        assertions:
          - type: record_count
            equals: 2  # two
        expect:
          rows:
            - {id: 2, amount: 12.50}
            - {id: 3, amount: 99.00}

        # the end
        """,
    )


def test_one_wrong_value_changes_and_everything_around_it_stays(project: Project) -> None:
    check(
        project,
        LARGE,
        """\
        expect:
          # in the order of ids
          rows:
            - { id: 2,   amount: 12.5 }   # aligned
            - { id: 3,   amount: '98.00' }   # wrong
          tolerance: {amount: {abs: 0.01}}
        assertions: []
        """,
        """\
        expect:
          # in the order of ids
          rows:
            - { id: 2,   amount: 12.5 }   # aligned
            - { id: 3,   amount: '99.00' }   # wrong
          tolerance: {amount: {abs: 0.01}}
        assertions: []
        """,
    )


def test_rows_come_and_go_in_the_style_of_the_list(project: Project) -> None:
    check(
        project,
        LARGE,
        """\
        expect:
          rows:
          - id: 7  # gone
            amount: 1.00
          # the dear one
          - id: 3
            amount: 99.00
          - id: 8
            amount: 2.00
        """,
        """\
        expect:
          rows:
          - id: 2  # gone
            amount: 12.50
          # the dear one
          - id: 3
            amount: 99.00
        """,
    )
    check(project, LARGE, "expect: {rows: [{ id: 3 }]}\n", "expect: {rows: [{ id: 3 }, { id: 2 }]}\n")
    check(
        project, LARGE, "expect: {rows: [{id: 9}, {id: 2}, {id: 8}, {id: 3}]}\n", "expect: {rows: [{id: 2}, {id: 3}]}\n"
    )
    check(project, LARGE, "expect: {rows: []}\n", "expect: {rows: [{id: 2, amount: 12.50}, {id: 3, amount: 99.00}]}\n")


def test_a_list_that_becomes_empty_and_one_that_was(project: Project) -> None:
    project.write("app.sql", (project.root / "app.sql").read_text().replace("> 10", "> 1000"))
    check(
        project,
        LARGE,
        """\
        expect:
          rows:  # the large ones
            - {id: 2}
            # and
            - {id: 3}
          ignore: [amount]
        """,
        """\
        expect:
          rows: []  # the large ones
            # and
          ignore: [amount]
        """,
    )
    project.write("app.sql", (project.root / "app.sql").read_text().replace("> 1000", "> 10"))
    check(
        project,
        LARGE,
        """\
        expect:
          rows: []  # none?
          ignore: [amount]
        """,
        """\
        expect:
          rows:
            - {id: 2}
            - {id: 3}  # none?
          ignore: [amount]
        """,
    )


def test_only_the_parts_that_are_there_are_written(project: Project) -> None:
    check(
        project,
        PER_KIND,
        """\
        expect:
          changelog:
            - {op: +I, kind: a, n: 1}
            - {op: -U, kind: a, n: 1}
            - {op: +U, kind: a, n: 3}
          key: [kind]
        """,
        """\
        expect:
          changelog:
            - {op: +I, kind: a, n: 1}
            - {op: -U, kind: a, n: 1}
            - {op: +U, kind: a, n: 2}
            - {op: +I, kind: b, n: 1}
          key: [kind]
        """,
    )


def test_rows_are_matched_by_their_key(project: Project) -> None:
    check(
        project,
        PER_KIND,
        """\
        expect:
          rows:
            - {kind: b, n: 2, total: 99.00}
            - {kind: a, n: 2, total: 17.00}
          key: [kind]
        """,
        """\
        expect:
          rows:
            - {kind: b, n: 1, total: 99.00}
            - {kind: a, n: 2, total: 17.50}
          key: [kind]
        """,
    )


def test_a_column_that_is_no_more_makes_all_rows_new(project: Project) -> None:
    check(
        project,
        PER_KIND,
        """\
        expect:
          rows:
            - {species: a, n: 2}
          key: [species]
        """,
        """\
        expect:
          rows:
            - {kind: a, n: 2, total: 17.50}
            - {kind: b, n: 1, total: 99.00}
          key: [kind]
        """,
    )


def test_several_queries_of_one_file(project: Project) -> None:
    two = (
        LARGE
        + "    expect:\n      rows: [{id: 2}]\n"
        + "  - name: per_kind\n"
        + INPUTS
        + "    expect:\n      rows: []\n"
    )
    assert project.updated(two) == two.replace("rows: [{id: 2}]", "rows: [{id: 2}, {id: 3}]").replace(
        "rows: []\n", "rows:\n        - {kind: a, n: 2, total: 17.50}\n        - {kind: b, n: 1, total: 99.00}\n"
    )


def test_line_endings_and_a_byte_order_mark_stay(project: Project) -> None:
    before = "\ufeff" + below(LARGE, "expect:\n  rows:\n    - {id: 2}\n").replace("\n", "\r\n")
    after = project.updated(before)
    assert after == before + "        - {id: 3}\r\n"


def test_new_only_leaves_a_wrong_expectation_alone(project: Project) -> None:
    text = below(LARGE, "expect:\n  rows:\n    - {id: 2}\n")
    project.write("app.test.yaml", text)
    result = project.run(Update.NEW_ONLY)
    assert [q.outcome for q in result.queries] == [Outcome.FAILED]
    assert result.queries[0].updates == ()


def test_a_failed_assertion_stays_a_failure(project: Project) -> None:
    project.write("app.test.yaml", below(LARGE, "assertions: [{type: record_count, equals: 7}]\n"))
    (query,) = project.run(Update.ALL).queries
    assert query.outcome is Outcome.FAILED
    assert [failure.check for failure in query.failures] == ["record_count"]


def test_a_file_that_is_right_is_not_touched(project: Project) -> None:
    path = project.write("app.test.yaml", below(LARGE, "expect: {rows: [{id: 2}, {id: 3}]}\n"))
    before = path.stat().st_mtime_ns
    assert project.update() == []
    assert path.stat().st_mtime_ns == before


def test_an_expectation_with_an_alias_is_refused(project: Project) -> None:
    project.write("app.test.yaml", below(LARGE, "expect: {rows: [&two {id: 2}, *two]}\n"))
    (query,) = project.run(Update.ALL).queries
    assert query.error is not None
    assert "anchors or aliases" in query.error.message


@pytest.mark.parametrize("update", [Update.ALL, Update.NEW_ONLY])
def test_a_rows_file_that_is_not_there_yet_is_made(project: Project, update: Update) -> None:
    text = below(LARGE, "expect:\n  rows_file: expected/large.csv\n")
    assert project.updated(text, update) == text
    assert (project.root / "expected/large.csv").read_text() == "id,amount\n2,12.50\n3,99.00\n"


def test_a_rows_file_keeps_its_columns_its_order_and_its_line_breaks(project: Project) -> None:
    project.write("expected/large.csv", "id\r\n3\r\n4\r\n")
    project.updated(below(LARGE, "expect:\n  rows_file: expected/large.csv\n"))
    assert (project.root / "expected/large.csv").read_bytes() == b"id\r\n3\r\n2\r\n"


@pytest.mark.parametrize("ending", ["json", "jsonl", "parquet"])
def test_rows_files_of_all_formats(project: Project, ending: str) -> None:
    project.updated(below(PER_KIND, f"expect:\n  rows_file: expected/totals.{ending}\n"))
    assert (project.root / f"expected/totals.{ending}").exists()


def test_rows_of_other_keys_take_the_places_of_those_that_go(project: Project) -> None:
    check(
        project,
        PER_KIND,
        """\
        expect:
          rows:
            - {kind: a, n: 2}
            - {kind: x, n: 1}  # gone
          key: [kind]
        """,
        """\
        expect:
          rows:
            - {kind: a, n: 2}
            - {kind: b, n: 1}  # gone
          key: [kind]
        """,
    )


MANY = """application: orders
queries:
  - name: large
    inputs: [{source: orders, records: 500}]
"""


def test_many_rows_of_a_query_that_has_other_checks_are_not_written(project: Project) -> None:
    project.write("app.sql", (project.root / "app.sql").read_text().replace("amount > 10", "id IS NOT NULL"))
    text = MANY + "    assertions: [{type: record_count, equals: 500}]\n"
    project.write("app.test.yaml", text)
    (query,) = project.run(Update.ALL).queries
    assert (query.outcome, query.updates) == (Outcome.PASSED, ())


def test_many_rows_of_a_query_without_checks_belong_into_a_file(project: Project) -> None:
    project.write("app.sql", (project.root / "app.sql").read_text().replace("amount > 10", "id IS NOT NULL"))
    project.write("app.test.yaml", MANY)
    (query,) = project.run(Update.ALL).queries
    assert query.outcome is Outcome.FAILED
    assert query.failures[0].finding.notes == ("name a file under rows_file, and update again",)


WINDOWS = """CREATE TABLE visits (id BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at)
WITH ('connector' = 'kafka', 'topic' = 'visits', 'format' = 'json');
CREATE TABLE per_minute AS
SELECT window_start, COUNT(id) AS n FROM TABLE(TUMBLE(TABLE visits, DESCRIPTOR(at), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
"""
VISITS = """application: visits
queries:
  - name: per_minute
    inputs:
      - source: visits
        rows:
          - {id: 1, at: 2025-01-01 10:00:01}
          - {id: 2, at: 2025-01-01 10:02:00}
          - {id: 3, at: 2025-01-01 10:00:59}
"""


def test_late_rows_and_by_how_much(project: Project) -> None:
    # The watermark is at 10:02:00 when record 3 comes; its window was given out at 10:00:59.999.
    project.write("app.sql", WINDOWS)
    check(
        project,
        VISITS,
        """\
        expect:
          rows: []
          late:
            - {id: 3, at: 2025-01-01 10:00:59, late_by: 7s}
        """,
        """\
        expect:
          rows:
            - {window_start: 2025-01-01 10:00:00, n: 1}
            - {window_start: 2025-01-01 10:02:00, n: 1}
          late:
            - {id: 3, at: 2025-01-01 10:00:59, late_by: 60001ms}
        """,
    )
    check(project, VISITS, "expect:\n  late: [{id: 4}]\n", "expect:\n  late: [{id: 3}]\n")


def test_expectations_of_several_sinks(project: Project) -> None:
    check(
        project,
        LARGE,
        """\
        outputs:
          - sink: per_kind
            expect:
              rows: [{kind: a, n: 7}, {kind: b, n: 1}]
          - sink: large
            expect: {rows: [{id: 2}]}
        """,
        """\
        outputs:
          - sink: per_kind
            expect:
              rows: [{kind: a, n: 2}, {kind: b, n: 1}]
          - sink: large
            expect: {rows: [{id: 2}, {id: 3}]}
        """,
    )


def test_scenarios_are_updated_where_they_stand(project: Project) -> None:
    text = (
        LARGE
        + "    expect: {rows: [{id: 2}, {id: 3}]}\n"
        + (
            "scenarios:\n"
            "  - name: small ones only\n"
            "    queries:\n"
            "      - name: large\n"
            "        inputs: [{source: orders, rows: [{id: 9, amount: 10.01}]}]\n"
            "        expect: {rows: [{id: 8}]}  # nine\n"
        )
    )
    assert project.updated(text) == text.replace("{rows: [{id: 8}]}", "{rows: [{id: 9}]}")


def test_templates_that_hold_stay(project: Project) -> None:
    check(
        project,
        PER_KIND,
        """\
        expect:
          rows:
            - {kind: a, n: "{{ inputs.orders.count - 1 }}", total: 1.00}
            - {kind: b, n: 1, total: 99.00}
        """,
        """\
        expect:
          rows:
            - {kind: a, n: "{{ inputs.orders.count - 1 }}", total: 17.50}
            - {kind: b, n: 1, total: 99.00}
        """,
    )


def test_changes_are_inserted_in_their_place(project: Project) -> None:
    check(
        project,
        PER_KIND,
        """\
        expect:
          changelog:
            - {op: +I, kind: a, n: 1}
            # the second one of a
            - {op: +U, kind: a, n: 2}
            - {op: +I, kind: b, n: 1}
        """,
        """\
        expect:
          changelog:
            - {op: +I, kind: a, n: 1}
            # the second one of a
            - {op: -U, kind: a, n: 1}
            - {op: +U, kind: a, n: 2}
            - {op: +I, kind: b, n: 1}
        """,
    )


def test_a_changelog_that_contains_loses_what_does_not_occur(project: Project) -> None:
    check(
        project,
        PER_KIND,
        """\
        expect:
          changelog: [{op: +U, kind: a, n: 2}, {op: -D, kind: a, n: 2}, {op: +I, kind: b, n: 1}]
          order: contains
        """,
        """\
        expect:
          changelog: [{op: +U, kind: a, n: 2}, {op: +I, kind: b, n: 1}]
          order: contains
        """,
    )


def test_late_rows_without_the_columns_to_ignore(project: Project) -> None:
    project.write("app.sql", WINDOWS)
    check(
        project,
        VISITS,
        "expect: {late: [], ignore: [at]}\n",
        "expect: {late: [{id: 3, late_by: 60001ms}], ignore: [at]}\n",
    )
    # Beside rows, ignore is about the output.
    check(
        project,
        VISITS,
        "expect: {late: [], rows: [], ignore: [window_start]}\n",
        "expect: {late: [{id: 3, at: 2025-01-01 10:00:59, late_by: 60001ms}], rows: [{n: 1}, {n: 1}], "
        "ignore: [window_start]}\n",
    )


def test_runs_that_do_not_agree_write_nothing(project: Project) -> None:
    text = below(LARGE, "expect: {rows: [{id: 2}]}\n")
    project.write("app.test.yaml", text)
    (one,) = project.run(Update.ALL).queries[0].updates
    other = replace(one, edits=tuple(replace(edit, text=", {id: 4}") for edit in one.edits))
    with pytest.raises(VeloError) as refused:
        write_updates([one, other])
    assert "do not agree" in refused.value.message
    assert project.text() == text
    assert len(write_updates([one, one])) == 1
    assert project.text() == text.replace("[{id: 2}]", "[{id: 2}, {id: 3}]")


def test_a_file_that_has_changed_meanwhile_is_left_alone(project: Project) -> None:
    project.write("app.test.yaml", below(LARGE, "expect: {rows: [{id: 2}]}\n"))
    updates = project.run(Update.ALL).queries[0].updates
    changed = "# changed\n" + project.text()
    project.write("app.test.yaml", changed)
    with pytest.raises(VeloError) as refused:
        write_updates(updates)
    assert "has changed since its queries ran" in refused.value.message
    assert project.text() == changed

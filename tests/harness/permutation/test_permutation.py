"""Queries run again with their records in other orders: which depend on it, and on how little."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from velo_harness.result import Outcome, QueryResult
from velo_harness.settings import RunSettings
from velo_harness.suite import find_spec_files, load_items, run_items

T = "CREATE TABLE t (id BIGINT, k BIGINT, v BIGINT);\n"
E = "CREATE TABLE e (k BIGINT, v BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '5' SECOND);\n"
ANY = "    assertions: [{ type: record_count, less_than: 1000 }]\n"

SUM = T + "CREATE TABLE q AS SELECT k, SUM(v) AS total FROM t GROUP BY k;"
LAST = T + "CREATE TABLE q AS SELECT k, LAST_VALUE(v) AS latest FROM t GROUP BY k;"
ROWS = "[{ id: 1, k: 1, v: 1 }, { id: 2, k: 1, v: 2 }, { id: 3, k: 2, v: 3 }, { id: 4, k: 2, v: 4 }]"


def run(folder: Path, sql: str, inputs: str, more: str = ANY, permute: int = 8, seed: int | None = None) -> QueryResult:
    (folder / "q.sql").write_text(sql, encoding="utf-8")
    (folder / "q.test.yaml").write_text(
        f"application: p\nqueries:\n  - name: q\n    inputs:\n{inputs}{more}", encoding="utf-8"
    )
    (result,) = run_folder(folder, RunSettings(permute=permute, seed=seed))
    return result


def run_folder(folder: Path, settings: RunSettings) -> list[QueryResult]:
    items, errors = load_items(find_spec_files([folder]), settings, ())
    assert not errors, errors[0].error
    return [*run_items(items, settings).queries]


def given(source: str, rows: str, partitions: int = 1) -> str:
    return f"      - {{ source: {source}, partitions: {partitions}, rows: {rows} }}\n"


def test_a_sum_does_not_depend_on_the_order(tmp_path: Path) -> None:
    result = run(tmp_path, SUM, given("t", ROWS, 2))

    assert result.outcome is Outcome.PASSED
    assert result.permutations is not None
    # Four records in two partitions can be merged in 4! / (2! 2!) = 6 orders, one of which is the spec's
    assert 1 <= result.permutations.orders <= 5
    assert (result.permutations.discarded, result.permutations.failing) == (0, None)


def test_the_last_value_does_and_two_records_show_it(tmp_path: Path) -> None:
    # Records take turns: 1 and 3 in partition 0, 2 and 4 in partition 1. So 2 may come before 1, and 4 before 3.
    result = run(tmp_path, LAST, given("t", ROWS, 2))

    assert result.outcome is Outcome.FAILED
    (failure,) = result.failures
    assert failure.check == "order of arrival"
    assert failure.finding.actual == "another result after 1 swap among 2 records"
    assert failure.location.line == 3


def test_the_smallest_case_is_yaml_for_a_spec(tmp_path: Path) -> None:
    result = run(tmp_path, LAST, given("t", ROWS, 2))
    queries = pasted(result)

    assert len(queries) == 2
    rows = [re.findall(r"row: \{ id: (\d), k: (\d), v: (\d) \}", query) for query in queries]
    assert rows[0] == rows[1][::-1]
    latest = [re.findall(r"latest: (\d)", query) for query in queries]
    assert latest == [[rows[0][1][2]], [rows[1][1][2]]]
    for number, query in enumerate(queries):
        folder = tmp_path / f"pasted{number}"
        folder.mkdir()
        (folder / "q.sql").write_text(LAST, encoding="utf-8")
        (folder / "q.test.yaml").write_text(f"application: p\nqueries:\n{indented(query)}", encoding="utf-8")
        (again,) = run_folder(folder, RunSettings())
        assert again.outcome is Outcome.PASSED, (again.error, again.failures)


def pasted(result: QueryResult) -> list[str]:
    """The queries that the note of a failed result shows."""
    (note,) = (note for note in result.notes if "smallest case" in note)
    return ["- name:" + part for part in note.split("\n- name:")[1:]]


def indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())


def test_orders_of_two_sources(tmp_path: Path) -> None:
    sql = (
        T
        + "CREATE TABLE u (k BIGINT, v BIGINT);\n"
        + (
            "CREATE TABLE q AS SELECT k, FIRST_VALUE(v) AS first FROM (SELECT k, v FROM t UNION ALL SELECT k, v FROM u) GROUP BY k;"
        )
    )
    result = run(tmp_path, sql, given("t", "[{ k: 1, v: 1 }]") + given("u", "[{ k: 1, v: 2 }]"))

    assert result.failures[0].finding.actual == "another result after 1 swap among 2 records"
    for number, query in enumerate(pasted(result)):
        assert "at: 0ms" in query
        folder = tmp_path / f"pasted{number}"
        folder.mkdir()
        (folder / "q.sql").write_text(sql, encoding="utf-8")
        (folder / "q.test.yaml").write_text(f"application: p\nqueries:\n{indented(query)}", encoding="utf-8")
        (again,) = run_folder(folder, RunSettings())
        assert again.outcome is Outcome.PASSED, (again.error, again.failures)


WINDOW = E + "CREATE TABLE q AS SELECT window_start, {0} AS x FROM e WINDOW TUMBLING(at, 10s) EMIT FINAL;"
DISORDERED = (
    "[{ v: 1, at: 2025-01-01 00:00:04 }, { v: 2, at: 2025-01-01 00:00:01 }, { v: 3, at: 2025-01-01 00:00:08 },"
    " { v: 4, at: 2025-01-01 00:00:16 }, { v: 5, at: 2025-01-01 00:00:09 }, { v: 6, at: 2025-01-01 00:00:18 }]"
)


def test_windows_take_rows_in_any_order_below_the_watermark(tmp_path: Path) -> None:
    # 16 - 5 = 11 closes the first window before 9 comes: row 5 is late, and must be in every order
    expected = (
        "    expect:\n      rows: [{ window_start: 2025-01-01 00:00:00, x: 6 }, { window_start: 2025-01-01 00:00:10, x: 10 }]\n"
        "      late: [{ v: 5 }]\n"
    )
    result = run(tmp_path, WINDOW.format("SUM(v)"), given("e", DISORDERED), expected, permute=20)

    assert result.outcome is Outcome.PASSED, result.failures
    assert result.permutations is not None
    # By hand: 2 may come before 1, and then 3 before 1, too; 5 is late and keeps its place behind 4
    assert (result.permutations.orders, result.permutations.discarded) == (2, 0)


def test_the_last_value_of_a_window_depends_on_the_order(tmp_path: Path) -> None:
    result = run(tmp_path, WINDOW.format("LAST_VALUE(v)"), given("e", DISORDERED), permute=20)

    assert result.outcome is Outcome.FAILED
    assert result.failures[0].finding.actual == "another result after 1 swap among 2 records"
    assert "rows:" in pasted(result)[0]


def test_keeping_the_first_of_equal_keys_depends_on_the_order(tmp_path: Path) -> None:
    sql = T + (
        "CREATE TABLE q AS SELECT id, k FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v) AS n FROM t)"
        " WHERE n = 1;"
    )
    tied = "[{ id: 1, k: 1, v: 1 }, { id: 2, k: 1, v: 1 }]"
    apart = "[{ id: 1, k: 1, v: 1 }, { id: 2, k: 1, v: 2 }]"

    assert run(tmp_path, sql, given("t", tied, 2)).outcome is Outcome.FAILED
    assert run(tmp_path, sql, given("t", apart, 2)).outcome is Outcome.PASSED


def test_a_query_may_say_that_it_depends_on_the_order(tmp_path: Path) -> None:
    result = run(tmp_path, LAST, given("t", ROWS, 2), ANY + "    order_dependent: the latest by arrival is wanted\n")

    assert result.outcome is Outcome.PASSED
    assert result.permutations is not None
    assert result.permutations.failing is not None
    assert any("the latest by arrival is wanted" in note for note in result.notes)


def test_saying_so_without_need_is_told(tmp_path: Path) -> None:
    result = run(tmp_path, SUM, given("t", ROWS, 2), ANY + "    order_dependent: careful\n")

    assert result.outcome is Outcome.PASSED
    assert any(note.startswith("order_dependent, but none of") for note in result.notes)


def test_ignored_columns_may_differ(tmp_path: Path) -> None:
    expect = "    expect: { rows: [{ k: 1 }, { k: 2 }], ignore: [latest] }\n"

    assert run(tmp_path, LAST, given("t", ROWS, 2), expect).outcome is Outcome.PASSED


def test_floats_may_differ_in_their_last_digits(tmp_path: Path) -> None:
    sql = "CREATE TABLE t (v DOUBLE);\nCREATE TABLE q AS SELECT SUM(v) AS total FROM t;"
    # 0.1 + 0.2 + 0.3 is 0.6000000000000001 or 0.6
    result = run(tmp_path, sql, given("t", "[{ v: 0.1 }, { v: 0.2 }, { v: 0.3 }]", 3), permute=20)

    assert result.outcome is Outcome.PASSED


def test_keys_keep_their_order_in_one_partition(tmp_path: Path) -> None:
    """One partition of a spec may be several elsewhere: records of a key stay together, others go anywhere."""
    keyed = f"      - {{ source: t, key_field: k, rows: {ROWS} }}\n"

    assert run(tmp_path, LAST, given("t", ROWS)).outcome is Outcome.FAILED
    result = run(tmp_path, LAST, keyed)
    assert result.outcome is Outcome.PASSED
    assert result.permutations is not None
    assert 1 <= result.permutations.orders <= 5  # two keys with two records each: 4! / (2! 2!) orders


def test_records_that_can_come_in_one_order_only(tmp_path: Path) -> None:
    keyed = "      - { source: t, key_field: k, rows: [{ k: 1, v: 1 }, { k: 1, v: 2 }] }\n"
    result = run(tmp_path, LAST, keyed)

    assert result.outcome is Outcome.PASSED
    assert result.permutations is not None
    assert (result.permutations.orders, result.permutations.skipped) == (0, "the records can arrive in one order only")


def test_equal_times_without_a_bound_stay_in_their_order(tmp_path: Path) -> None:
    """The watermark of `at` says that no other row of that time comes; the second one came all the same."""
    sql = "CREATE TABLE a (v BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at);\n" + (
        "CREATE TABLE q AS SELECT window_start, LAST_VALUE(v) AS x FROM a WINDOW TUMBLING(at, 10s) EMIT FINAL;"
    )
    result = run(tmp_path, sql, given("a", "[{ v: 1, at: 2025-01-01 00:00:04 }, { v: 2, at: 2025-01-01 00:00:04 }]"))

    assert result.outcome is Outcome.PASSED


CHAINED = (
    "CREATE TABLE a (v BIGINT, at TIMESTAMP(3));\nCREATE STREAM b AS SELECT {0} AS moment, v FROM a;\n"
    "CREATE TABLE q AS SELECT window_start, SUM(v) AS x FROM b WINDOW TUMBLING(moment, 10s) EMIT FINAL"
    " WITH ('b.event.time.field' = 'moment', 'b.watermark.max_out_of_orderness' = '5s');"
)


@pytest.mark.parametrize(
    ("time", "orders"), [("at", 1), ("at + INTERVAL '1' SECOND", 0)], ids=["passed on", "computed"]
)
def test_event_time_of_a_later_statement_counts(tmp_path: Path, time: str, orders: int) -> None:
    """A time that is passed on has its bound; of one that is computed nobody knows before what is late."""
    rows = "[{ v: 1, at: 2025-01-01 00:00:03 }, { v: 2, at: 2025-01-01 00:00:04 }, { v: 3, at: 2025-01-01 00:00:20 }]"
    result = run(tmp_path, CHAINED.format(time), given("a", rows))

    assert result.outcome is Outcome.PASSED, result.error
    assert result.permutations is not None
    assert (result.permutations.orders, result.permutations.discarded) == (orders, 0)


def test_the_same_seed_finds_the_same_case(tmp_path: Path) -> None:
    results = [run(tmp_path, LAST, given("t", ROWS, 2), seed=3) for _ in range(2)]

    assert results[0].notes == results[1].notes
    assert results[0].permutations == results[1].permutations
    assert "--permute 8" in results[0].rerun
    assert "--seed 3" in results[0].rerun


def test_a_timeline_fixes_the_order(tmp_path: Path) -> None:
    timeline = "      - { source: t, timeline: [{ row: { id: 1, k: 1, v: 1 } }, { wait: 1s }, { row: { id: 2, k: 1, v: 2 } }] }\n"
    result = run(tmp_path, LAST, timeline)

    assert result.permutations is not None
    assert "timeline" in str(result.permutations.skipped)


def test_without_the_option_nothing_is_tried(tmp_path: Path) -> None:
    assert run(tmp_path, LAST, given("t", ROWS, 2), permute=0).permutations is None


@pytest.mark.parametrize("name", ["windows", "joins", "grouping"])
def test_specs_of_the_tour(name: str) -> None:
    """A statement about these queries, found out by thinking: only what keeps something by arrival depends on it."""
    spec = Path(__file__).parents[3] / f"specs/tour/{name}.test.yaml"

    for result in run_folder(spec, RunSettings(permute=5)):
        assert result.outcome is Outcome.PASSED, (result.query, result.failures, result.notes)

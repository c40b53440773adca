"""Why rows are missing: one test a fate. The expected texts follow from the SQL and the rows, by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.missing_rows.explanation import Explanation
from velo_harness.missing_rows.fates import FateKind
from velo_harness.missing_rows.report import explanation_json, explanation_text
from velo_harness.missing_rows.row_question import RowQuestion, explain_row, row_of
from velo_harness.settings import RunSettings
from velo_harness.suite import one_query

ORDERS = """
CREATE TABLE orders (id BIGINT, kind STRING, amount DECIMAL(10, 2), at TIMESTAMP(3),
  WATERMARK FOR at AS at - INTERVAL '5' SECOND)
WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json');
CREATE TABLE names (kind STRING, label STRING, since TIMESTAMP(3))
WITH ('connector' = 'kafka', 'topic' = 'names', 'format' = 'json');
"""
ROWS = """
  - {id: 1, kind: a, amount: 5.00, at: 2025-01-01 10:00:01}
  - {id: 2, kind: a, amount: 12.50, at: 2025-01-01 10:00:20}
  - {id: 3, kind: b, amount: 99.00, at: 2025-01-01 10:01:30}
  - {id: 4, kind: a, amount: 30.00, at: 2025-01-01 10:00:59}
  - {id: 5, kind: null, amount: 1.00, at: 2025-01-01 10:02:00}
  - {id: 2, kind: a, amount: 11.00, at: 2025-01-01 10:02:01}
"""
NAMES = "[{kind: b, label: books, since: 2025-01-01 10:00:00}, {kind: c, label: cars, since: 2025-01-01 10:00:00}]"

Why = Callable[..., Explanation]


@pytest.fixture
def why(tmp_path: Path) -> Why:
    def ask(query: str, row: str, source: str | None = None, rows: str = ROWS, names: str = NAMES) -> Explanation:
        (tmp_path / "pyproject.toml").write_text("")
        (tmp_path / "app.sql").write_text(f"{ORDERS}CREATE TABLE q AS\n{query};\n")
        indented = rows.replace("\n", "\n      ") if rows.startswith("\n") else " " + rows
        inputs = f"      - source: orders\n        rows:{indented}\n"
        if "names" in query:
            inputs += f"      - source: names\n        rows: {names}\n"
        spec = f"application: x\nqueries:\n  - name: q\n    inputs:\n{inputs}    assertions: [{{type: record_count, greater_than: 0}}]\n"
        path = tmp_path / "app.test.yaml"
        path.write_text(spec)
        item = one_query(path, RunSettings(), None)
        return explain_row(item.spec, item.query, RunSettings(), RowQuestion(row_of(row), source))

    return ask


def test_a_row_that_is_there(why: Why) -> None:
    found = why("SELECT id, amount FROM orders WHERE amount > 10", '{"id": 3}')
    assert found.fate.kind is FateKind.PRESENT
    assert found.fate.text == "it is there: {id: 3, amount: 99.00}"


def test_filtered_by_the_conjunct_that_is_false_with_its_values_and_its_place(why: Why) -> None:
    found = why("SELECT id FROM orders\nWHERE kind = 'a' AND amount > 10", '{"id": 1}')
    assert found.fate.kind is FateKind.FILTERED
    assert found.fate.text == "filtered: amount > 10 is false (amount = 5.00)"
    assert found.fate.location is not None
    assert (found.fate.location.line, found.fate.location.column, found.fate.location.length) == (9, 22, 11)
    assert found.record is not None
    assert found.record.startswith("record 1 of orders {id: 1, kind: a")


def test_filtered_because_a_value_is_null(why: Why) -> None:
    found = why("SELECT id FROM orders WHERE kind <> 'b'", '{"id": 5}')
    assert found.fate.text == "filtered: kind <> 'b' is NULL (kind = NULL)"


def test_a_row_that_came_out_with_other_values(why: Why) -> None:
    found = why("SELECT id, amount * 2 AS twice FROM orders", '{"id": 3, "twice": 200}')
    assert found.fate.kind is FateKind.OTHER_VALUES
    assert found.fate.text == "it came out with other values: twice = 198.00 (not 200)"


def test_the_input_never_held_such_a_row(why: Why) -> None:
    found = why("SELECT id, kind FROM orders WHERE amount > 10", '{"id": 4, "kind": "b"}')
    assert found.fate.kind is FateKind.NOT_READ
    assert found.fate.text == (
        "the input orders never held a row {id: 4, kind: b}; the nearest is "
        "{id: 3, kind: b, amount: 99.00, at: 2025-01-01 10:01:30}, where id is 3"
    )


WINDOWS = """SELECT kind, window_start, COUNT(*) AS n
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(at), INTERVAL '1' MINUTE))
GROUP BY kind, window_start, window_end"""


def test_late_by_how_much_for_which_window_at_which_watermark(why: Why) -> None:
    # Record 3 (10:01:30) moved the watermark to 10:01:25; the window of record 4 ended at 10:01:00.
    found = why(WINDOWS, '{"id": 4}')
    assert found.fate.kind is FateKind.LATE
    assert found.fate.facts["window"] == ["2025-01-01 10:00:00", "2025-01-01 10:01:00"]
    assert found.fate.facts["watermark"] == "2025-01-01 10:01:25.000"
    # The window is given out at the watermark 10:00:59.999, its last millisecond.
    assert found.fate.facts["late_by_ms"] == 25_001
    assert found.fate.text.startswith("late: it came 25001 ms too late; the watermark stood at 2025-01-01 10:01:25.000")


def test_a_record_is_followed_into_its_window(why: Why) -> None:
    found = why(WINDOWS, '{"id": 2, "amount": 12.5}')
    assert found.fate.kind is FateKind.PRESENT
    assert found.fate.text == "it is in the output, as {kind: a, window_start: 2025-01-01 10:00:00, n: 2}"
    assert any(
        stage.text.startswith("counted in the group kind = a, window [2025-01-01 10:00:00, 2025-01-01 10:01:00)")
        for stage in found.trail
    )


def test_the_group_of_a_window_has_another_count(why: Why) -> None:
    found = why(WINDOWS, '{"kind": "b", "n": 2}')
    assert found.fate.kind is FateKind.OTHER_VALUES
    assert "n = 1 (not 2)" in found.fate.text


JOIN = "SELECT o.id, n.label FROM orders o JOIN names n ON o.kind = n.kind"


def test_no_join_partner_and_the_nearest_keys(why: Why) -> None:
    found = why(JOIN, '{"id": 1}')
    assert found.fate.kind is FateKind.NO_PARTNER
    assert found.fate.text.startswith("no join partner: the other side has no row for kind = a; it has kind = ")
    assert sorted(found.fate.facts["nearest"]) == [["b"], ["c"]]


def test_no_join_partner_because_the_key_is_null(why: Why) -> None:
    found = why(JOIN, '{"id": 5}')
    assert found.fate.text == "no join partner: its key is NULL (kind = NULL), which matches nothing"


def test_a_partner_that_the_condition_refuses(why: Why) -> None:
    found = why(JOIN + " AND o.amount < 50", '{"id": 3}')
    assert found.fate.kind in (FateKind.NO_PARTNER, FateKind.FILTERED)
    assert "amount < 50 is false" in found.fate.text
    assert "amount = 99.00" in found.fate.text


def test_no_partner_in_time(why: Why) -> None:
    query = """SELECT a.id, b.id AS other FROM orders a, orders b
WHERE a.kind = b.kind AND a.id <> b.id AND a.at BETWEEN b.at AND b.at + INTERVAL '1' SECOND"""
    found = why(query, '{"id": 3}')
    assert found.fate.kind is FateKind.NO_PARTNER, found.fate.text


TOP = """SELECT id, kind, amount FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY kind ORDER BY amount DESC) AS place FROM orders
) WHERE place <= 2"""


def test_cut_by_its_rank(why: Why) -> None:
    # Of kind a: 30.00, 12.50, 11.00, 5.00.
    found = why(TOP, '{"id": 2, "amount": 11.00}')
    assert found.fate.kind is FateKind.CUT
    assert found.fate.text.startswith(
        "cut: it has rank 3 by amount DESC where kind = a; the query keeps the first 2 rows"
    )
    assert "{id: 2, kind: a, amount: 12.50" in found.fate.text


def test_dropped_as_a_duplicate(why: Why) -> None:
    query = """SELECT id, amount FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY at ASC) AS place FROM orders
) WHERE place = 1"""
    found = why(query, '{"id": 2, "amount": 11.00}')
    assert found.fate.kind is FateKind.DROPPED_DUPLICATE
    assert found.fate.text.startswith("dropped as a duplicate: of the rows with id = 2 the query keeps the first one")


def test_a_result_that_was_taken_back(why: Why) -> None:
    found = why("SELECT kind, COUNT(*) AS n FROM orders GROUP BY kind", '{"kind": "a", "n": 2}')
    assert found.fate.kind is FateKind.RETRACTED
    assert "it was in the output after record 2 of orders" in found.fate.text
    assert "was taken back at the event of record 4 of orders" in found.fate.text


def test_dead_lettered_with_its_reason(why: Why) -> None:
    found = why("SELECT id, CAST(kind AS INT) AS k FROM orders WHERE id > 0", '{"id": 3}')
    assert found.fate.kind is FateKind.DEAD_LETTERED
    assert "dead letter queue" in found.fate.text


def test_a_column_that_nothing_has(why: Why) -> None:
    with pytest.raises(VeloError) as refused:
        why("SELECT id FROM orders", '{"idd": 7}')
    assert refused.value.code is ErrorCode.UNKNOWN_COLUMN
    assert refused.value.hint == 'did you mean "id"?'


@pytest.mark.parametrize("row", ["7", "[1]", "{}"])
def test_what_is_no_row(row: str) -> None:
    with pytest.raises(VeloError):
        row_of(row)


def test_the_reports(why: Why) -> None:
    found = why("SELECT id FROM orders WHERE amount > 10", '{"id": 1}')
    text = explanation_text(found, "q", '{"id": 1}')
    assert text.splitlines()[:2] == ['q: {"id": 1}', "  filtered: amount > 10 is false (amount = 5.00)"]
    told = json.loads(explanation_json(found, "q", '{"id": 1}'))
    assert (told["schema_version"], told["fate"], told["facts"]["values"]) == (1, "filtered", {"amount": "5.00"})
    assert told["location"]["line"] == 8


def test_a_row_that_is_given_up_because_it_has_a_match(why: Why) -> None:
    found = why("SELECT id FROM orders WHERE kind NOT IN (SELECT kind FROM names WHERE label <> 'x')", '{"id": 3}')
    # Record 3 comes before the names do, so that it stands until its match comes.
    assert found.fate.kind is FateKind.RETRACTED
    assert "was taken back at the event of record 1 of names" in found.fate.text


def test_windows_of_instants_are_those_of_the_time_zone(why: Why, tmp_path: Path) -> None:
    query = """SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE moments, DESCRIPTOR(ts), INTERVAL '1' DAY))
GROUP BY window_start, window_end;
CREATE TABLE moments (id BIGINT, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'kafka', 'topic' = 'moments', 'format' = 'json')"""
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "app.sql").write_text(f"CREATE TABLE q AS\n{query};\n")
    (tmp_path / "app.test.yaml").write_text(
        """application: x
config: {time_zone: Europe/Berlin}
queries:
  - name: q
    inputs: [{source: moments, rows: [{id: 1, ts: 2025-01-01T23:30:00Z}]}]
    assertions: [{type: record_count, equals: 1}]
"""
    )
    item = one_query(tmp_path / "app.test.yaml", RunSettings(), None)
    found = explain_row(item.spec, item.query, RunSettings(), RowQuestion(row_of('{"id": 1}')))
    # 23:30 UTC is half past midnight of the second of January in Berlin.
    assert found.fate.text == "it is in the output, as {window_start: 2025-01-02 00:00:00, n: 1}"


def test_of_two_ways_into_a_query_the_one_that_arrives_is_told(why: Why) -> None:
    query = "SELECT id FROM orders WHERE amount > 1000 UNION ALL SELECT id FROM orders WHERE amount < 6"
    found = why(query, '{"id": 1, "amount": 5.00}')
    assert found.fate.kind is FateKind.PRESENT


def test_a_row_that_was_among_the_first_and_was_pushed_out(why: Why) -> None:
    # Record 1 was first of its kind until 12.50 and 30.00 had come.
    found = why(TOP, '{"id": 1}')
    assert found.fate.kind is FateKind.CUT
    assert found.fate.text.startswith("cut: it has rank 4 by amount DESC where kind = a")
    assert "it was in the result until it was pushed out at the event of record 4 of orders" in found.fate.text


def test_late_for_the_first_row_of_its_key(why: Why) -> None:
    # The only row of kind c comes when the watermark is at 10:01:25.
    rows = """
  - {id: 1, kind: a, amount: 5.00, at: 2025-01-01 10:01:30}
  - {id: 2, kind: c, amount: 5.00, at: 2025-01-01 10:01:00}
"""
    query = """SELECT id, kind FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY kind ORDER BY at ASC) AS place FROM orders
) WHERE place = 1"""
    found = why(query, '{"id": 2}', rows=rows)
    assert found.fate.kind is FateKind.LATE
    assert found.fate.text == "late: the watermark stood at 2025-01-01 10:01:25.000, its time is 2025-01-01 10:01:00"

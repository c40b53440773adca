"""What drafted specs say: the batch query of a statement gives the rows that one finds by hand, and specs can fail."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from velo_engine.engine import Engine
from velo_engine.sql.flink.script import parse_script
from velo_harness.drafting.batch_relations import BatchTranslator, rows_of
from velo_harness.drafting.check_drafts import CheckDraft
from velo_harness.drafting.passing_spec import left_out
from velo_harness.drafting.recomputation import recomputed_rows
from velo_harness.result import Finding, JobNumbers, Outcome, QueryResult
from velo_harness.runner import run_query
from velo_harness.settings import RunSettings
from velo_harness.spec_loader import load_spec
from velo_import.convert.job import convert_job
from velo_import.project import ProjectOptions, project
from velo_import.specs.mutation_score import Budget

TABLES = """
CREATE TABLE bids (item STRING, price INT, at_time TIMESTAMP(3), WATERMARK FOR at_time AS at_time - INTERVAL '5' SECOND)
WITH ('connector' = 'kafka', 'topic' = 'bids', 'format' = 'json');
CREATE TABLE items (item STRING, owner STRING, listed TIMESTAMP(3), WATERMARK FOR listed AS listed)
WITH ('connector' = 'kafka', 'topic' = 'items', 'format' = 'json');
"""
BIDS = [("a", 5, "10:00:10"), ("b", 7, "10:00:50"), ("a", 3, "10:01:05"), ("a", None, "10:01:20"), ("b", 9, "10:03:00")]
ITEMS = [("a", "ann", "10:00:00"), ("c", "cid", "10:01:00")]


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2025-01-01 {text}")


def millis(text: str) -> int:
    return int((at(text) - datetime(1970, 1, 1)).total_seconds() * 1000)


def in_a_batch(query: str) -> list[tuple[Any, ...]]:
    """The rows of the batch query that a statement's plan becomes."""
    program = Engine().plan(TABLES + f"CREATE TABLE made WITH ('connector' = 'print') AS {query};", variables={})
    statement = program.statements["made"]
    relation = BatchTranslator(program.statements).relation(statement.plan)
    schema = statement.plan.schema
    columns = rows_of(relation, schema.names, [column.type.name for column in schema.columns])
    connection = duckdb.connect()
    for name, rows in (("bids", BIDS), ("items", ITEMS)):
        if name in program.sources:
            values = [(*row[:-1], at(row[-1])) for row in rows]
            arrays = list(map(list, zip(*values, strict=True)))
            connection.register(name, pa.table(arrays, schema=program.sources[name].schema.arrow()))
    found = connection.execute(relation.select([f"{batch} AS {name}" for name, batch, _ in columns])).fetchall()
    return sorted(found, key=repr)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        pytest.param("SELECT item, price + 1 AS p FROM bids WHERE price > 4", [("a", 6), ("b", 10), ("b", 8)], id="where"),
        pytest.param("SELECT DISTINCT item FROM bids", [("a",), ("b",)], id="distinct"),
        pytest.param(
            "SELECT item, COUNT(*) AS n, COUNT(price) AS m, SUM(price) AS s, MIN(price) AS least FROM bids GROUP BY item",
            [("a", 3, 2, 8, 3), ("b", 2, 2, 16, 7)],
            id="groups",
        ),
        pytest.param(
            "SELECT item, COUNT(*) FILTER (WHERE price > 4) AS n FROM bids GROUP BY item", [("a", 1), ("b", 2)], id="filter"
        ),
        pytest.param("SELECT AVG(price) AS mean FROM bids", [(6.0,)], id="integer average is cut"),
        pytest.param(
            "SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(at_time), INTERVAL '1' MINUTE)) "
            "GROUP BY window_start, window_end",
            [(millis("10:00:00"), 2), (millis("10:01:00"), 2), (millis("10:03:00"), 1)],
            id="tumble",
        ),
        pytest.param(
            "SELECT window_start, window_end, SUM(price) AS s FROM "
            "TABLE(HOP(TABLE bids, DESCRIPTOR(at_time), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)) "
            "WHERE item = 'b' GROUP BY window_start, window_end",
            [
                (millis("09:59:00"), millis("10:01:00"), 7),
                (millis("10:00:00"), millis("10:02:00"), 7),
                (millis("10:02:00"), millis("10:04:00"), 9),
                (millis("10:03:00"), millis("10:05:00"), 9),
            ],
            id="hop",
        ),
        pytest.param(
            "SELECT window_end, COUNT(*) AS n FROM "
            "TABLE(CUMULATE(TABLE bids, DESCRIPTOR(at_time), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)) "
            "GROUP BY window_start, window_end",
            [(millis("10:01:00"), 2), (millis("10:02:00"), 4), (millis("10:04:00"), 1)],
            id="cumulate",
        ),
        pytest.param(
            "SELECT item, SESSION_END(at_time, INTERVAL '60' SECOND) AS ends, COUNT(*) AS n FROM bids "
            "GROUP BY item, SESSION(at_time, INTERVAL '60' SECOND)",
            [("a", millis("10:02:20"), 3), ("b", millis("10:01:50"), 1), ("b", millis("10:04:00"), 1)],
            id="session",
        ),
        pytest.param(
            "SELECT b.price, i.owner FROM bids b JOIN items i ON b.item = i.item",
            [(3, "ann"), (5, "ann"), (None, "ann")],
            id="join",
        ),
        pytest.param(
            "SELECT i.item, b.price FROM items i LEFT JOIN bids b ON b.item = i.item AND b.price > 3",
            [("a", 5), ("c", None)],
            id="left join",
        ),
        pytest.param(
            "SELECT b.price FROM bids b, items i WHERE b.item = i.item "
            "AND b.at_time BETWEEN i.listed AND i.listed + INTERVAL '1' MINUTE",
            [(5,)],
            id="interval join",
        ),
        pytest.param(
            "SELECT item FROM bids WHERE item NOT IN (SELECT item FROM items WHERE item IS NOT NULL)",
            [("b",), ("b",)],
            id="anti join",
        ),
        pytest.param(
            "SELECT item, price, place FROM (SELECT item, price, at_time, ROW_NUMBER() OVER "
            "(PARTITION BY item ORDER BY price DESC) AS place FROM bids WHERE price IS NOT NULL) WHERE place <= 1",
            [("a", 5, 1), ("b", 9, 1)],
            id="top-n",
        ),
        pytest.param(
            "SELECT item, price FROM (SELECT item, price, ROW_NUMBER() OVER (PARTITION BY item ORDER BY at_time) AS place "
            "FROM bids) WHERE place = 1",
            [("a", 5), ("b", 7)],
            id="first rows",
        ),
        pytest.param(
            "SELECT item, SUM(price) OVER (PARTITION BY item ORDER BY at_time RANGE BETWEEN INTERVAL '60' SECOND PRECEDING "
            "AND CURRENT ROW) AS s FROM bids",
            [("a", 3), ("a", 5), ("a", 8), ("b", 7), ("b", 9)],
            id="over",
        ),
        pytest.param("SELECT item FROM items UNION ALL SELECT owner FROM items", [("a",), ("ann",), ("c",), ("cid",)], id="union"),
        pytest.param("SELECT x, y FROM (VALUES (1, 'it''s'), (2, 'b')) AS t (x, y)", [(1, "it's"), (2, "b")], id="values"),
    ],
)  # fmt: skip
def test_a_batch_query_gives_the_rows_that_one_finds_by_hand(query: str, rows: list[tuple[Any, ...]]) -> None:
    assert in_a_batch(query) == rows


@pytest.mark.parametrize(
    "query",
    [
        "SELECT item, COUNT(*) AS n FROM (SELECT item, PROCTIME() AS p FROM bids) GROUP BY item, TUMBLE(p, INTERVAL '1' MINUTE)",
        "SELECT item FROM bids WHERE REGEXP(item, 'a+')",
        "SELECT item, FIRST_VALUE(price) AS p FROM bids GROUP BY item HAVING FIRST_VALUE(price) > 3",
    ],
)  # fmt: skip
def test_what_a_batch_does_not_say_has_no_batch_query(query: str) -> None:
    program = Engine().plan(TABLES + f"CREATE TABLE made WITH ('connector' = 'print') AS {query};", variables={})

    assert recomputed_rows(program.statements["made"], program) is None


# --- specs ---


HOURLY = TABLES + """
CREATE TABLE hourly (item STRING, window_end TIMESTAMP(3), n BIGINT, total INT) WITH ('connector' = 'print');
INSERT INTO hourly SELECT item, window_end, COUNT(*), SUM(price)
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(at_time), INTERVAL '1' MINUTE)) GROUP BY item, window_start, window_end;
"""  # fmt: skip


BY_THE_CLOCK = """
CREATE TABLE clicks (who STRING, amount BIGINT, pt AS PROCTIME())
WITH ('connector' = 'kafka', 'topic' = 'clicks', 'properties.bootstrap.servers' = 'x:1', 'format' = 'json');
SELECT who, COUNT(*) AS n FROM clicks GROUP BY who, TUMBLE(pt, INTERVAL '1' MINUTE);
"""


def imported(text: str, folder: Path, budget: Budget | None = None) -> Path:
    options = ProjectOptions(budget=budget or Budget(mutants=0))
    for name, content in project(convert_job("job", [parse_script(text, file="job.sql")]), options)[1].items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder / "test_spec.yaml"


def outcomes(file: Path) -> dict[str, Outcome]:
    spec = load_spec(file)
    return {query.name: run_query(spec, query, RunSettings(), item="", rerun="").outcome for query in spec.queries}


def test_every_assertion_says_why_it_must_hold(tmp_path: Path) -> None:
    (query,) = load_spec(imported(HOURLY, tmp_path)).queries

    assert query.assertions
    assert all(assertion.message for assertion in query.assertions)
    assert {"aggregate_check", "schema_contains", "sql"} <= {assertion.type for assertion in query.assertions}
    assert query.expect is None, "the present output is no evidence"


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("SUM(price)", "MAX(price)"),
        ("COUNT(*)", "COUNT(price)"),
        ("INTERVAL '1' MINUTE)", "INTERVAL '2' MINUTE)"),
        ("FROM bids", "FROM bids WHERE price > 2"),
    ],
)
def test_a_changed_program_fails(written: str, instead: str, tmp_path: Path) -> None:
    file = imported(HOURLY, tmp_path)
    assert outcomes(file) == {"hourly": Outcome.PASSED}
    program = tmp_path / "app.sql"
    text = program.read_text(encoding="utf-8")
    assert written in text

    program.write_text(text.replace(written, instead), encoding="utf-8")

    assert outcomes(file) == {"hourly": Outcome.FAILED}


def test_the_score_counts_what_the_spec_does_not_notice(tmp_path: Path) -> None:
    text = TABLES + "INSERT INTO items SELECT item, REVERSE(REGEXP_REPLACE(item, 'a', 'b')), at_time FROM bids;"
    job = convert_job("job", [parse_script(text, file="job.sql")])

    score = project(job, ProjectOptions())[0].generated.score

    assert score is not None
    assert score.killed + len(score.survivors) <= score.tried <= score.possible
    assert all(survivor.original != survivor.mutated for survivor in score.survivors)


def test_a_query_that_fails_over_its_rows_is_skipped_and_noted(tmp_path: Path) -> None:
    text = (
        TABLES.replace("item STRING, owner", "item STRING NOT NULL, owner")
        + """
        INSERT INTO items SELECT CAST(NULL AS STRING), item, at_time FROM bids;
        INSERT INTO bids SELECT item, 1, listed FROM items;"""
    )
    job = convert_job("job", [parse_script(text, file="job.sql")])
    reported, files = project(job, ProjectOptions(budget=Budget(mutants=0)))

    if not any(s.sql is None for s in job.statements):
        assert "skip: " in files["test_spec.yaml"]
    assert any("does not run over generated rows" in note for note in reported.generated.notes) or job.unconverted


RIDES = """
CREATE TABLE rides (city STRING, fare DECIMAL(10, 2), at_time TIMESTAMP(3),
  WATERMARK FOR at_time AS at_time - INTERVAL '10' SECOND)
WITH ('connector' = 'kafka', 'topic' = 'rides', 'format' = 'json');
CREATE TABLE per_city (city STRING, w_start TIMESTAMP(3), n BIGINT, dear BIGINT)
WITH ('connector' = 'kafka', 'topic' = 'per_city', 'format' = 'json');
INSERT INTO per_city SELECT city, window_start, COUNT(*), COUNT(*) FILTER (WHERE fare > 9)
FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(at_time), INTERVAL '1' MINUTE))
WHERE fare > 0 GROUP BY city, window_start, window_end HAVING COUNT(*) > 1;
"""


def test_no_generated_row_is_late_so_that_windows_are_recomputed(tmp_path: Path) -> None:
    file = imported(RIDES, tmp_path)
    text = file.read_text(encoding="utf-8")
    assert "the same rows, computed from the inputs in one batch" in text
    spec = load_spec(file)
    result = run_query(spec, spec.queries[0], RunSettings(), item="x", rerun="")
    assert result.outcome is Outcome.PASSED
    assert result.numbers is not None
    assert (result.numbers.late, result.numbers.partly_late) == (0, 0)


def test_what_is_said_of_counts_and_of_having_is_right(tmp_path: Path) -> None:
    text = imported(RIDES, tmp_path).read_text(encoding="utf-8")
    assert "field: n\n        greater_than: 0" in text
    assert "field: dear" not in text, "a group may have no row that the FILTER takes"
    assert 'greater_than: 1\n        reason: "a condition of HAVING"' in text


def test_averages_of_decimals_are_rounded_as_decimals() -> None:
    """9.32 and 9.33 have the mean 9.325, which becomes 9.33; as a DOUBLE it is a little less and would become 9.32."""
    query = "SELECT CAST(AVG(p) AS DECIMAL(6, 2)) AS mean FROM (VALUES (9.32), (9.33)) AS t(p)"
    assert in_a_batch(query) == [(9.33,)]


def test_the_note_on_an_assertion_that_does_not_hold_is_one_line_with_its_reason() -> None:
    check = CheckDraft(("type: sql", "query: |", *("  SELECT 1" for _ in range(99)), "expect: []"), "one batch")
    finding = Finding("0 rows", "4 rows: " + "much " * 99)
    result = QueryResult("i", "f", "s", "q", Outcome.FAILED, 1, "", numbers=JobNumbers(late=1))
    note = left_out("q", check, finding, result)
    assert note.startswith("q: left out, for it does not hold: sql (one batch): expected 0 rows, not 4 rows: much")
    assert len(note) < 250
    assert "1 row came late" in note


def test_windows_of_processing_time_need_a_clock_that_moves(tmp_path: Path) -> None:
    job = convert_job("job", [parse_script(BY_THE_CLOCK, file="job.sql")])
    reported, _ = project(job, ProjectOptions(budget=Budget(mutants=0)))

    told = "windows of processing time close when the clock moves, give its input a timeline (docs/time.md)"
    assert f"select_1 gives out no rows for these inputs: {told}" in reported.generated.notes


def test_a_subquery_that_must_have_one_row_gets_one(tmp_path: Path) -> None:
    text = TABLES + "SELECT item FROM bids WHERE item = (SELECT item FROM items);"
    reported, files = project(
        convert_job("job", [parse_script(text, file="job.sql")]), ProjectOptions(budget=Budget(mutants=0))
    )

    assert reported.generated.queries == 1, reported.generated.notes
    assert files["test_spec.yaml"].count("records: 1") == 2


def test_a_sink_by_key_gets_no_null_keys_of_rows_on_boundaries() -> None:
    text = (
        TABLES
        + """
CREATE TABLE newest (item STRING, price INT, PRIMARY KEY (item) NOT ENFORCED) WITH ('connector' = 'jdbc');
INSERT INTO newest SELECT item, CASE WHEN price > 5 THEN price ELSE 0 END
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY item ORDER BY at_time DESC) AS n FROM bids) WHERE n = 1;
"""
    )
    reported, files = project(
        convert_job("job", [parse_script(text, file="job.sql")]), ProjectOptions(budget=Budget(mutants=0))
    )

    assert reported.generated.queries == 1, reported.generated.notes
    assert "records: 1" not in files["test_spec.yaml"]

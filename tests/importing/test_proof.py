"""`proven` is said of statements alone that are made of what Flink was asked, and answered as the engine does."""

from __future__ import annotations

import json

import pytest

from tests.importing import proof
from velo_engine.sql.flink.script import parse_script
from velo_import.convert.job import convert_job
from velo_import.convert.proof import recorded, words
from velo_import.model import Construct, Outcome

CLICKS = """CREATE TABLE clicks (who STRING, page STRING, amount DOUBLE, at TIMESTAMP(3), WATERMARK FOR at AS at)
WITH ('connector' = 'kafka', 'topic' = 'clicks', 'properties.bootstrap.servers' = 'localhost:9092', 'format' = 'json');
"""


def rows_of(sql: str) -> tuple[Construct, ...]:
    (statement,) = convert_job("job", [parse_script(CLICKS + sql, file="job.sql")]).statements
    assert statement.sql is not None
    return statement.constructs


def test_nothing_is_claimed_that_was_not_recorded() -> None:
    """The file is made by `python -m tests.importing.proof`; cases that were recorded since then may be missing."""
    now = json.loads(proof.text())
    shipped = recorded()

    assert {
        feature: count for feature, count in shipped.features.items() if count > now["features"].get(feature, 0)
    } == {}
    assert shipped.words <= set(now["words"])
    assert shipped.flink == now["flink"]


def test_a_window_is_proven() -> None:
    rows = rows_of(
        "SELECT who, COUNT(*) AS n, AVG(amount) AS a FROM clicks GROUP BY who, TUMBLE(at, INTERVAL '1' HOUR);"
    )

    (row,) = rows
    cases = recorded().features["group window tumble"]
    assert cases > 20
    assert row.outcome is Outcome.PROVEN
    assert row.reason is not None
    assert row.reason.endswith(f"answered as by Flink 2.3.0 in {cases} recorded queries")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT who, MD5(page) AS digest FROM clicks;",
        "SELECT who, COUNT(*) AS n, MAX(SHA256(page)) AS s FROM clicks GROUP BY who, TUMBLE(at, INTERVAL '1' HOUR);",
        "SELECT who FROM clicks WHERE page SIMILAR TO 'a%';",
    ],
)
def test_a_statement_with_something_that_was_not_recorded_is_not(sql: str) -> None:
    assert {row.outcome for row in rows_of(sql)} == {Outcome.SAME}


@pytest.mark.parametrize(
    ("setting", "outcome"),
    [
        ("SET 'table.exec.state.ttl' = '1 h'", Outcome.PROVEN),
        ("SET 'execution.runtime-mode' = 'batch'", Outcome.SAME),
        ("SET 'table.exec.legacy-cast-behaviour' = 'enabled'", Outcome.SAME),
    ],
)
def test_settings_that_change_results_are_no_part_of_what_was_recorded(setting: str, outcome: Outcome) -> None:
    assert {row.outcome for row in rows_of(f"{setting};\nSELECT who, page FROM clicks;")} == {outcome}


def test_a_statement_over_a_table_that_the_input_does_not_declare_is_not() -> None:
    assert {row.outcome for row in rows_of("SELECT a + 1 AS b FROM somewhere;")} == {Outcome.SAME}


def test_words_are_functions_operators_and_clauses() -> None:
    (statement,) = parse_script(
        "SELECT CAST(SUM(a) AS DATE), b BETWEEN 1 AND 2 FROM t LEFT JOIN s ON t.a = s.a GROUP BY b", file="x.sql"
    ).statements

    found = set(words(statement.query))  # type: ignore[union-attr, arg-type]

    assert found >= {"SUM()", "Cast", "DataType DATE", "Between", "Join LEFT", "EQ", "Group", "Select"}
    assert "COUNT()" not in found

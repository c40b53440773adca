"""What can be said of the engine where Spark is not installed."""

from __future__ import annotations

import sys

import pytest
from tests.shadow.command import velo

from velo_shadow.spark.dialect import spark_sql

SIDES = ("--left", "a.parquet", "--right", "b.parquet", "--key", "k")


@pytest.mark.parametrize(
    ("duckdb", "spark"),
    [
        ('SELECT "a b" FROM t ORDER BY c', "SELECT `a b` FROM t ORDER BY c NULLS LAST"),
        ("SELECT EPOCH(t)", "SELECT (UNIX_MICROS(CAST(t AS TIMESTAMP)) / CAST(1000000 AS DOUBLE))"),
        ("SELECT EPOCH_US(t) - 1", "SELECT UNIX_MICROS(CAST(t AS TIMESTAMP)) - 1"),
        ("SELECT CAST(t AS TIME), CAST(t AS TIMESTAMP)", "SELECT CAST(t AS TIME(6)), CAST(t AS TIMESTAMP_NTZ)"),
        (
            "SELECT * FROM (SELECT 1 AS k) AS x EXCEPT SELECT * FROM (SELECT 2 AS k) AS y",
            "SELECT a.k FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY k) AS velo_copy "
            "FROM (SELECT * FROM (SELECT 1 AS k) AS x) AS c) AS a LEFT ANTI JOIN "
            "(SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY k) AS velo_copy "
            "FROM (SELECT * FROM (SELECT 2 AS k) AS y) AS d) AS b ON a.k IS NOT DISTINCT FROM b.k "
            "WHERE a.velo_copy = 1",
        ),
    ],
)
def test_what_spark_reads(duckdb: str, spark: str) -> None:
    assert spark_sql(duckdb) == spark


def test_without_pyspark_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)

    code, output = velo(["shadow", *SIDES, "--engine", "spark"])

    assert code == 3
    assert "pip install 'velostream[spark]'" in output


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--engine", "sparc"), 'did you mean "spark"?'),
        (("--spark-master", "local"), "give --engine spark"),
        (("--engine", "spark", "--memory-limit", "1GB"), "spark.driver.memory"),
        (("--engine", "spark", "--control", "kafka://b", "--brokers", "localhost:1"), "a side is a topic"),
        (("--control", "table://x"), "neither a topic nor a file"),
    ],
)
def test_flags_that_do_not_go_together(flags: tuple[str, ...], said: str) -> None:
    code, output = velo(["shadow", *SIDES, *flags])

    assert code == 2
    assert said in output

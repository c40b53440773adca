"""What is imported, exported and imported again is the same program: the constructs for which that is not plain."""

from __future__ import annotations

import pytest

from tests.importing.fixpoint import exported_job, second_import, statements_of
from velo_engine.engine import Engine
from velo_engine.sql.flink.script import parse_script
from velo_import.convert.job import convert_job
from velo_import.model import ConvertedJob

CLICKS = "CREATE TABLE clicks (who STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen');\n"


def imported(script: str) -> ConvertedJob:
    return convert_job("job", [parse_script(script, file="job.sql")])


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(
            "CREATE TABLE t ('id' INT PRIMARY KEY, date STRING) WITH ('connector' = 'datagen');\n"
            "SELECT date, COUNT(*) AS count FROM t GROUP BY date;",
            id="names and keys that Flink's grammar refuses",
        ),
        pytest.param(CLICKS + "SELECT who FROM `clicks` AS c;", id="a table in needless backticks"),
        pytest.param(
            CLICKS + "SELECT COUNT(*) AS n FROM TABLE(TUMBLE(TABLE `clicks`, DESCRIPTOR(ts), INTERVAL '1' HOUR))\n"
            "GROUP BY window_start, window_end;",
            id="a window over a table in needless backticks",
        ),
        pytest.param(
            "CREATE TABLE t (who STRING, at_once AS PROCTIME()) WITH ('connector' = 'datagen');\n"
            "SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(at_once), INTERVAL '1' HOUR))\n"
            "GROUP BY window_start, window_end;",
            id="a window of processing time",
        ),
        pytest.param(
            "CREATE TABLE t (who STRING, at_once AS PROCTIME()) WITH ('connector' = 'datagen');\n"
            "SELECT who, TUMBLE_START(at_once, INTERVAL '1' HOUR) AS s, COUNT(*) AS n FROM t\n"
            "GROUP BY who, -- the clock's\n  TUMBLE(at_once, INTERVAL '1' HOUR);",
            id="a comment before a window",
        ),
        pytest.param(
            CLICKS + "SELECT s, COUNT(*) AS n FROM TABLE(TUMBLE((\n"
            "  SELECT window_start AS s, window_time AS w FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' SECOND))\n"
            "  GROUP BY window_start, window_end, window_time\n"
            "), DESCRIPTOR(w), INTERVAL '1' HOUR)) GROUP BY s, window_start, window_end;",
            id="a window over windows",
        ),
        pytest.param(
            CLICKS + "SELECT CAST(window_start AS STRING) window_start, COUNT(*) AS n\n"
            "FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;",
            id="an alias like a bound of the window",
        ),
        pytest.param(CLICKS + "SELECT who FROM clicks OFFSET 3 ROWS FETCH NEXT 2 ROWS ONLY;", id="OFFSET before FETCH"),
        pytest.param(
            "CREATE TABLE s (k INT, p AS PROCTIME()) WITH ('connector' = 'datagen');\n"
            "CREATE TABLE d (k INT, v STRING, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'jdbc', 'url' = 'x');\n"
            "INSERT INTO d SELECT k, 'new' FROM s;\n"
            "SELECT s.k, d.v FROM s JOIN d FOR SYSTEM_TIME AS OF s.p ON s.k = d.k;",
            id="a table that is written and looked up",
        ),
        pytest.param(
            "CREATE TABLE m (a INT, t TIMESTAMP(3)) WITH ('connector' = 'kafka', 'topic' = 'm', 'format' = 'json',\n"
            "  'properties.bootstrap.servers' = 'k:9092');\n"
            "INSERT INTO m SELECT a, t + INTERVAL '1' SECOND FROM m;",
            id="a statement that reads its sink",
        ),
        pytest.param(
            "CREATE TABLE o (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts);\n"
            "CREATE TABLE r (k INT, v INT, at_time TIMESTAMP(3), WATERMARK FOR at_time AS at_time,\n"
            "  PRIMARY KEY (k) NOT ENFORCED);\n"
            "SELECT o.k, r.v FROM o JOIN r FOR SYSTEM_TIME AS OF o.ts ON o.k = r.k;",
            id="versions by event time",
        ),
        pytest.param(
            "CREATE TABLE `shop.public.orders` (a INT); SELECT a FROM `shop.public.orders`;", id="a name with dots"
        ),
    ],
)
def test_it_comes_back(script: str) -> None:
    job = imported(script)
    assert job.statements
    assert not [statement.location for statement in job.statements if statement.sql is None]
    exported = exported_job(job)
    assert not exported.refused
    again = second_import(exported, "job")
    assert statements_of(again.app_sql) == statements_of(job.app_sql)


def test_a_name_with_dots_stays_one_name() -> None:
    job = imported("CREATE TABLE `shop.public.orders` (a INT); SELECT a FROM `shop.public.orders`;")
    assert set(job.tables) == {"shop.public.orders"}


def test_a_statement_that_reads_its_sink_reads_the_same_topic() -> None:
    job = imported(
        "CREATE TABLE m (a INT) WITH ('connector' = 'kafka', 'topic' = 'loop', 'format' = 'json');\n"
        "INSERT INTO m SELECT a + 1 FROM m;"
    )
    plan = Engine().plan(job.app_sql, variables={})
    assert {name: source.properties["topic"] for name, source in plan.sources.items()} == {"m_2": "loop"}
    (statement,) = job.statements
    assert statement.sink == "m"
    assert plan.statements["m"].sink is not None
    assert plan.statements["m"].sink.properties["topic"] == "loop"

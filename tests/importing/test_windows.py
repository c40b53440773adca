"""Flink's windows in Velostream's syntax: which text comes out, and that it is only written where nothing changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from velo_engine.engine import Engine
from velo_engine.plan.nodes import Emit, Project, WindowAggregate, WindowKind, WindowSpec
from velo_engine.sql.flink.script import parse_script
from velo_import.convert.job import convert_job
from velo_import.convert.same_plan import same_program
from velo_import.convert.windows import rewrites
from velo_import.mapped_text import Edit, MappedText
from velo_import.model import ConvertedJob

CLICKS = """CREATE TABLE clicks (
    who STRING, page STRING, amount DOUBLE, cents BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'clicks', 'properties.bootstrap.servers' = 'localhost:9092', 'format' = 'json');
"""


def converted(sql: str) -> ConvertedJob:
    job = convert_job("job", [parse_script(CLICKS + sql, file="job.sql")])
    assert job.unconverted == ()
    return job


def text_of(sql: str) -> str | None:
    """The last statement of the converted program."""
    return converted(sql).statements[-1].sql


@pytest.mark.parametrize(
    ("flink", "ours"),
    [
        (
            "SELECT who, TUMBLE_START(ts, INTERVAL '1' MINUTE) AS since, COUNT(*) AS n\n"
            "FROM clicks\n"
            "GROUP BY who, TUMBLE(ts, INTERVAL '1' MINUTE);",
            "SELECT who, window_start AS since, COUNT(*) AS n\n"
            "FROM clicks\n"
            "GROUP BY who\n"
            "WINDOW TUMBLING(ts, INTERVAL '1' MINUTE)\n"
            "EMIT FINAL",
        ),
        (
            "SELECT HOP_END(ts, INTERVAL '1' MINUTE, INTERVAL '10' MINUTE) AS until, AVG(amount) AS a FROM clicks\n"
            "GROUP BY HOP(ts, INTERVAL '1' MINUTE, INTERVAL '10' MINUTE), who;",
            "SELECT window_end AS until, AVG(amount) AS a FROM clicks\n"
            "GROUP BY who\n"
            "WINDOW SLIDING(ts, INTERVAL '10' MINUTE, INTERVAL '1' MINUTE)\n"
            "EMIT FINAL",
        ),
        (
            "SELECT COUNT(*) AS n FROM clicks GROUP BY SESSION(ts, INTERVAL '30' SECOND) HAVING COUNT(*) > 1;",
            "SELECT COUNT(*) AS n FROM clicks WINDOW SESSION(ts, INTERVAL '30' SECOND) HAVING COUNT(*) > 1\nEMIT FINAL",
        ),
        (
            "SELECT who, window_start, window_end, SUM(amount) AS total\n"
            "FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))\n"
            "GROUP BY who, window_start, window_end;",
            "SELECT who, window_start, window_end, SUM(amount) AS total\n"
            "FROM clicks\n"
            "GROUP BY who\n"
            "WINDOW TUMBLING(ts, INTERVAL '1' MINUTE)\n"
            "EMIT FINAL",
        ),
        (
            "SELECT c.who, c.window_start, COUNT(*) AS n\n"
            "FROM TABLE(HOP(\n"
            "    DATA => TABLE clicks, TIMECOL => DESCRIPTOR(ts),\n"
            "    SIZE => INTERVAL '10' MINUTE, SLIDE => INTERVAL '1' MINUTE)) AS c\n"
            "GROUP BY c.window_end, c.who, c.window_start;",
            "SELECT c.who, window_start, COUNT(*) AS n\n"
            "FROM clicks AS c\n"
            "GROUP BY c.who\n"
            "WINDOW SLIDING(ts, INTERVAL '10' MINUTE, INTERVAL '1' MINUTE)\n"
            "EMIT FINAL",
        ),
        (
            "SELECT window_end, COUNT(*) AS n\n"
            "FROM TABLE(\n"
            "    -- since midnight\n"
            "    CUMULATE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '1' DAY))\n"
            "GROUP BY window_start, window_end;",
            "SELECT window_end, COUNT(*) AS n\n"
            "FROM\n"
            "    -- since midnight\n"
            "    clicks\n"
            "WINDOW CUMULATING(ts, INTERVAL '1' HOUR, INTERVAL '1' DAY)\n"
            "EMIT FINAL",
        ),
        (
            "SELECT who, window_start, COUNT(*) AS n\n"
            "FROM TABLE(SESSION((SELECT * FROM clicks WHERE cents > 1) PARTITION BY who, DESCRIPTOR(ts), INTERVAL '5' SECOND))\n"
            "GROUP BY who, window_start, window_end;",
            "SELECT who, window_start, COUNT(*) AS n\n"
            "FROM (SELECT * FROM clicks WHERE cents > 1)\n"
            "GROUP BY who\n"
            "WINDOW SESSION(ts, INTERVAL '5' SECOND)\n"
            "EMIT FINAL",
        ),
        (
            "SELECT page, window_start, COUNT(*) AS n\n"
            "FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' HOUR))\n"
            "GROUP BY window_start, window_end, GROUPING SETS ((page), ());",
            "SELECT page, window_start, COUNT(*) AS n\n"
            "FROM clicks\n"
            "GROUP BY GROUPING SETS ((page), ())\n"
            "WINDOW TUMBLING(ts, INTERVAL '1' HOUR)\n"
            "EMIT FINAL",
        ),
    ],
)
def test_a_window_becomes_a_clause(flink: str, ours: str) -> None:
    assert text_of(flink) == ours


def test_a_column_keeps_its_name() -> None:
    text = text_of("""
SELECT TUMBLE_START(ts, INTERVAL '1' DAY) AS window_start, TUMBLE_END(ts, INTERVAL '1' DAY) window_end,
       TUMBLE_START(ts, INTERVAL '1' DAY), COUNT(*) AS n
FROM clicks
GROUP BY TUMBLE(ts, INTERVAL '1' DAY);""")

    assert text == (
        "SELECT window_start, window_end,\n"
        "       TUMBLE_START(ts, INTERVAL '1' DAY), COUNT(*) AS n\n"
        "FROM clicks\n"
        "WINDOW TUMBLING(ts, INTERVAL '1' DAY)\n"
        "EMIT FINAL"
    )


def test_a_column_of_the_input_that_is_called_like_a_bound_stays_apart() -> None:
    text = text_of("""
CREATE VIEW named AS SELECT page AS window_start, who, ts FROM clicks;
SELECT window_start, TUMBLE_START(ts, INTERVAL '1' DAY) AS day_begin, COUNT(*) AS n
FROM named
GROUP BY window_start, TUMBLE(ts, INTERVAL '1' DAY);""")

    assert text == (
        "SELECT window_start, TUMBLE_START(ts, INTERVAL '1' DAY) AS day_begin, COUNT(*) AS n\n"
        "FROM named\n"
        "GROUP BY window_start, TUMBLE(ts, INTERVAL '1' DAY)\n"
        "EMIT FINAL"
    )


def test_the_time_of_a_window_may_be_null_as_in_flink() -> None:
    text = text_of("SELECT TUMBLE_ROWTIME(ts, INTERVAL '1' DAY) AS t, COUNT(*) AS n FROM clicks GROUP BY TUMBLE(ts, INTERVAL '1' DAY);")  # fmt: skip

    assert text is not None
    assert "SELECT TUMBLE_ROWTIME(ts, INTERVAL '1' DAY) AS t" in text
    assert "WINDOW TUMBLING" in text
    (column, _) = Engine().plan(CLICKS + text).statements["select_1"].plan.schema.columns
    assert column.type.nullable


def test_windows_in_queries_within_queries_are_clauses_without_emit() -> None:
    text = text_of("""
WITH minutes AS (
    SELECT who, window_start, COUNT(*) AS n
    FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
    GROUP BY who, window_start, window_end
)
SELECT * FROM minutes WHERE n > 3;""")

    assert text == (
        "WITH minutes AS (\n"
        "    SELECT who, window_start, COUNT(*) AS n\n"
        "    FROM clicks\n"
        "    GROUP BY who\n"
        "    WINDOW TUMBLING(ts, INTERVAL '1' MINUTE)\n"
        ")\n"
        "SELECT * FROM minutes WHERE n > 3"
    )


def test_emit_stands_before_on_conflict() -> None:
    text = text_of("""
CREATE TABLE counts (day_begin TIMESTAMP(3), n BIGINT, PRIMARY KEY (n) NOT ENFORCED) WITH (
    'connector' = 'upsert-kafka', 'topic' = 'counts', 'properties.bootstrap.servers' = 'localhost:9092',
    'key.format' = 'json', 'value.format' = 'json');
INSERT INTO counts
SELECT TUMBLE_START(ts, INTERVAL '1' DAY), COUNT(*)
FROM clicks
GROUP BY TUMBLE(ts, INTERVAL '1' DAY);""")

    assert text is not None
    assert text.endswith("WINDOW TUMBLING(ts, INTERVAL '1' DAY)\nEMIT FINAL\nON CONFLICT DO DEDUPLICATE")


def test_an_aggregate_without_a_window_emits_changes() -> None:
    job = converted("SELECT who, COUNT(*) AS n\nFROM clicks\nGROUP BY who;")

    assert job.statements[0].sql == "SELECT who, COUNT(*) AS n\nFROM clicks\nGROUP BY who\nEMIT CHANGES"
    assert job.settings["emit.semantics"] == "flink"
    (row,) = job.statements[0].constructs
    assert (row.feature, row.became) == ("aggregation", "EMIT CHANGES")
    assert row.reason is not None
    assert "emit.semantics = flink" in row.reason


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        (
            "SELECT who, window_start, SUM(amount) AS s FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE,"
            " INTERVAL '10' MINUTE)) GROUP BY who, window_start, window_end;",
            "would not be the same",  # sums of floating-point numbers: the slices are added up in another order
        ),
        (
            "SELECT COUNT(*) AS n FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '5' MINUTE))"
            " GROUP BY window_start, window_end;",
            "no offset",
        ),
        ("SELECT who, window_start FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' HOUR));", "aggregated"),
        (
            "SELECT COUNT(*) AS n FROM clicks GROUP BY TUMBLE(ts, /* an hour */ INTERVAL '1' HOUR), who;",
            "a comment",
        ),
    ],
)
def test_what_a_clause_cannot_say_is_kept_as_written(sql: str, why: str) -> None:
    job = converted(sql)

    (row,) = (c for c in job.statements[0].constructs if c.feature.startswith(("window", "group window")))
    assert row.became == "kept as written"
    assert row.reason is not None
    assert why in row.reason
    assert "WINDOW " not in str(job.statements[0].sql)
    assert sql.split(" GROUP BY ")[0].rstrip(";") in str(job.statements[0].sql)


def test_a_view_is_kept_as_written_when_a_query_over_it_would_become_another() -> None:
    """Flink's older windows leave bounds that are plain values; those of a clause would be taken for a window's."""
    view = """
CREATE VIEW minutes AS
SELECT who, TUMBLE_START(ts, INTERVAL '1' MINUTE) AS s, TUMBLE_END(ts, INTERVAL '1' MINUTE) AS e, COUNT(*) AS n
FROM clicks GROUP BY who, TUMBLE(ts, INTERVAL '1' MINUTE);
"""
    kept = converted(view + "SELECT s, e, SUM(n) AS n FROM minutes GROUP BY s, e;")
    written = converted(view + "SELECT s, SUM(n) AS n FROM minutes GROUP BY s;")

    assert "GROUP BY who, TUMBLE(ts" in str(kept.statements[0].sql)
    assert "WINDOW TUMBLING(ts" in str(written.statements[0].sql)
    assert Engine().plan(kept.app_sql).statements["select_1"].emit is Emit.CHANGES


def test_the_report_says_that_a_window_is_given_out_once() -> None:
    job = converted("SELECT COUNT(*) AS n FROM clicks GROUP BY TUMBLE(ts, INTERVAL '1' HOUR);")

    (row,) = job.statements[0].constructs
    assert (row.feature, row.became) == ("group window tumble", "WINDOW TUMBLING(ts, INTERVAL '1' HOUR)")
    assert row.reason is not None
    assert "EMIT FINAL, not EMIT CHANGES" in row.reason


def test_sliding_has_the_size_first() -> None:
    job = converted("SELECT COUNT(*) AS n FROM clicks GROUP BY HOP(ts, INTERVAL '1' MINUTE, INTERVAL '10' MINUTE);")

    (statement,) = Engine().plan(job.app_sql).statements.values()
    assert isinstance(statement.plan, Project)
    assert isinstance(statement.plan.input, WindowAggregate)
    assert statement.plan.input.window == WindowSpec(WindowKind.HOP, 600_000, 60_000)


def test_nothing_is_rewritten_where_there_is_no_window() -> None:
    found = rewrites("SELECT who FROM clicks WHERE cents > 1")
    assert (found.windows, dict(found.others), found.emit) == ((), {}, None)


@pytest.mark.parametrize(
    "other",
    [
        "SELECT COUNT(*) AS n FROM clicks WINDOW TUMBLING(ts, 2m)",
        "SELECT COUNT(*) AS m FROM clicks WINDOW TUMBLING(ts, 1m)",
        "SELECT COUNT(cents) AS n FROM clicks WINDOW TUMBLING(ts, 1m)",
        "SELECT COUNT(*) AS n FROM clicks WINDOW TUMBLING(ts, 1m) EMIT CHANGES",
        "SELECT COUNT(*) AS n FROM clicks WINDOW SLIDING(ts, 1m, 1m)",
        "SELECT COUNT(*) AS n FROM clicks WHERE cents > 1 WINDOW TUMBLING(ts, 1m)",
        "SELECT COUNT(*) AS n FROM clicks GROUP BY page WINDOW TUMBLING(ts, 1m)",
        "SELECT COUNT(*) AS n FROM clicks",
    ],
)
def test_other_programs_are_not_the_same(other: str) -> None:
    one = Engine().plan(CLICKS + "SELECT COUNT(*) AS n FROM clicks WINDOW TUMBLING(ts, 1m)")
    again = Engine().plan("\n\n" + CLICKS + "SELECT   COUNT(*) AS n FROM clicks WINDOW TUMBLING(ts, 60s) EMIT FINAL")

    assert same_program(one, again)
    assert not same_program(one, Engine().plan(CLICKS + other))
    assert not same_program(one, replace(again, properties={"state.ttl": "1h"}))


def test_places_lead_to_the_input_through_edits() -> None:
    text = MappedText()
    text.add("INSERT INTO t\n")
    text.add("SELECT a, TUMBLE(b)", 100)

    edited = text.edited([Edit(24, 33, "WINDOW w"), Edit(14, 20, "PICK")])

    assert edited.text == "INSERT INTO t\nPICK a, WINDOW w"
    assert [edited.origin_of(edited.text.index(word)) for word in ("INSERT", "PICK", "a,", "WINDOW")] == [
        None,
        100,
        107,
        110,
    ]

"""ALTER TABLE: what a table is for the statements behind it."""

from __future__ import annotations

import pytest

from velo_engine.engine import Engine
from velo_engine.sql.flink.script import parse_script
from velo_import.convert.job import convert_job
from velo_import.model import ConvertedJob, Outcome

TABLE = """
CREATE TABLE t (id INT, name STRING, at TIMESTAMP(3), WATERMARK FOR at AS at)
WITH ('connector' = 'kafka', 'topic' = 'a', 'format' = 'json');
"""


def converted(text: str) -> ConvertedJob:
    job = convert_job("job", [parse_script(TABLE + text, file="job.sql")])
    Engine().plan(job.app_sql, variables={})
    return job


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ("ADD note STRING", ["id INT", "name STRING", "at TIMESTAMP(3)", "note STRING"]),
        ("ADD (a INT FIRST)", ["a INT", "id INT", "name STRING", "at TIMESTAMP(3)"]),
        ("ADD a INT AFTER id", ["id INT", "a INT", "name STRING", "at TIMESTAMP(3)"]),
        ("ADD (a INT, b ARRAY<INT>)", ["id INT", "name STRING", "at TIMESTAMP(3)", "a INT", "b ARRAY<INT>"]),
        ("MODIFY id BIGINT", ["id BIGINT", "name STRING", "at TIMESTAMP(3)"]),
        ("DROP name", ["id INT", "at TIMESTAMP(3)"]),
        ("DROP (id, name)", ["at TIMESTAMP(3)"]),
    ],
)
def test_columns_are_added_modified_and_dropped(change: str, wanted: list[str]) -> None:
    job = converted(f"ALTER TABLE t {change};\nSELECT * FROM t;")

    assert not job.unconverted
    assert [f"{column.name} {column.type}" for column in job.tables["t"].schema.columns] == wanted
    assert job.tables["t"].definition.watermark is not None
    (construct,) = [one for one in job.constructs if one.feature == "alter table"]
    assert (construct.outcome, construct.location.line) == (Outcome.SAME, 4)


def test_the_watermark_is_dropped_and_added_again() -> None:
    job = converted("ALTER TABLE t DROP WATERMARK;\nSELECT id FROM t;")
    again = converted(
        "ALTER TABLE t MODIFY WATERMARK FOR at AS at - INTERVAL '9' SECOND;\n"
        "SELECT COUNT(*) AS n FROM t GROUP BY TUMBLE(at, INTERVAL '1' MINUTE);"
    )

    assert job.tables["t"].definition.watermark is None
    assert not again.unconverted
    assert "INTERVAL '9' SECOND" in again.app_sql


def test_options_are_set_and_reset() -> None:
    job = converted("ALTER TABLE t SET ('topic' = 'b', 'scan.startup.mode' = 'latest-offset');\nSELECT id FROM t;")
    back = converted(
        "ALTER TABLE t SET ('scan.startup.mode' = 'latest-offset');\nALTER TABLE t RESET ('scan.startup.mode');\n"
        "SELECT id FROM t;"
    )

    properties = Engine().plan(job.app_sql).sources["t"].properties
    assert (properties["topic"], properties["scan.startup.mode"]) == ("b", "latest-offset")
    assert "scan.startup.mode" not in Engine().plan(back.app_sql).sources["t"].properties


def test_a_statement_above_means_the_table_as_it_was() -> None:
    job = converted("SELECT id FROM t;\nALTER TABLE t ADD note STRING;\nSELECT note FROM t;")

    assert not job.unconverted
    assert [one.reads for one in job.statements] == [("t",), ("t_2",)]


@pytest.mark.parametrize("change", ["DROP nothing", "MODIFY nothing INT", "ADD id INT", "RENAME id TO key"])
def test_what_cannot_be_is_in_the_report(change: str) -> None:
    job = converted(f"ALTER TABLE t {change};\nSELECT id FROM t;")

    (construct,) = [one for one in job.constructs if one.feature == "alter table"]
    assert construct.outcome is Outcome.NOT_CONVERTED
    assert not job.unconverted

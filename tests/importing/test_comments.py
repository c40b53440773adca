"""Comments above statements stand above what becomes of these."""

from __future__ import annotations

from velo_engine.sql.flink.script import parse_script
from velo_import.convert.job import convert_job

SCRIPT = """\
-- the orders of the shop
CREATE TABLE o (k INT, v INT) WITH ('connector' = 'datagen');
/* what is written,
 * by key */
CREATE TABLE s (k INT, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'jdbc');

-- counts orders
-- 'password' = 'hunter2'
-- @alert: none
INSERT INTO s SELECT k, COUNT(*) FROM o GROUP BY k;
-- reads what nothing declares
SELECT a FROM undeclared;
"""


def test_they_stand_above_what_becomes_of_the_statements() -> None:
    lines = convert_job("job", [parse_script(SCRIPT, file="job.sql")]).app_sql.splitlines()

    def above(first: str) -> list[str]:
        at = lines.index(first)
        start = next(n for n in range(at, -1, -1) if not lines[n])
        return lines[start + 1 : at]

    assert above("CREATE TABLE o (") == ["-- the orders of the shop"]
    assert above("CREATE TABLE s (") == ["-- what is written,", "-- by key"]
    assert above("INSERT INTO s") == ["-- counts orders", "-- ***", "-- (@alert: none)"]
    assert above("SELECT a FROM undeclared;") == ["-- reads what nothing declares"]


def test_a_comment_of_what_is_not_converted_is_not_there() -> None:
    script = "-- of a model\nCREATE MODEL m WITH ('provider' = 'x');\nCREATE TABLE t (a INT);\nSELECT a FROM t;"
    assert "of a model" not in convert_job("job", [parse_script(script, file="job.sql")]).app_sql


def test_places_of_errors_are_those_of_the_input() -> None:
    script = "CREATE TABLE t (a INT);\n-- one\n-- two\nSELECT a,\n  missing + 1 FROM (SELECT a FROM t) AS x;"
    (statement,) = convert_job("job", [parse_script(script, file="job.sql")]).statements
    (construct,) = statement.constructs
    assert (construct.location.line, construct.location.column) == (5, 3)

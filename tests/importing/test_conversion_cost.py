"""Long generated scripts: the work grows with their length, not with its square."""

from __future__ import annotations

import cProfile
import pstats

import pytest

from velo_engine.sql.flink.script import parse_script
from velo_import.convert.job import convert_job

SOURCE = "CREATE TABLE s (id INT, name STRING) WITH ('connector' = 'datagen');\n"
SINK = "CREATE TABLE o (id INT, name STRING) WITH ('connector' = 'print');\n"


def calls(text: str) -> int:
    """How many functions are called to convert it."""
    script = parse_script(text, file="job.sql")
    profile = cProfile.Profile()
    profile.enable()
    job = convert_job("job", [script])
    profile.disable()
    assert not job.unconverted
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("head", "statement"),
    [
        (SOURCE + SINK, "INSERT INTO o SELECT id + {0}, name FROM s;\n"),
        (SINK, "INSERT INTO o VALUES ({0}, 'a');\n"),
        ("", "CREATE TABLE t{0} (id INT) WITH ('connector' = 'print');\nINSERT INTO t{0} VALUES ({0});\n"),
        ("", "SELECT a FROM t WHERE b > {0};\n"),
    ],
)
def test_four_times_as_many_statements_are_about_four_times_the_work(head: str, statement: str) -> None:
    def text(number: int) -> str:
        return head + "".join(statement.format(at) for at in range(number))

    calls(text(2))
    few, many = calls(text(10)), calls(text(40))

    assert many < 5 * few

"""Whatever the text: a program, or a VeloError with a place inside the text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine.errors import Location, VeloError
from velo_engine.sql.parser import parse_program

SHARED = Path(__file__).parents[3].parent / "shared"
SOME_SQL = """
SELECT FROM WHERE GROUP BY HAVING WINDOW TUMBLING SLIDING SESSION EMIT CHANGES FINAL INTO WITH CREATE STREAM TABLE VIEW
AS INSERT VALUES SET JOIN LEFT ON USING UNION ALL EXCEPT ORDER LIMIT OFFSET FETCH FIRST ROWS ONLY CASE WHEN THEN ELSE
END CAST INT ROW ARRAY MAP DECIMAL INTERVAL MINUTE DATE TIMESTAMP IS NOT NULL IN BETWEEN AND OR LIKE EXISTS OVER
PARTITION RANGE PRECEDING BUFFER PRIMARY KEY WATERMARK FOR SYSTEM_TIME OF DESCRIPTOR TUMBLE HOP DISTINCT FILTER
a b t f 1 2.5 5m 'x' 'a''b' "q" `r` ( ) ( ) [ ] { } < > , , . ; = + - * / % || :: => : ? @ ! ~ ${V} ${V:d} -- /* */
"""
WORDS = SOME_SQL.split()
VALID = """
-- @app: demo
CREATE TABLE trades (sym STRING, ts TIMESTAMP(3), r ROW<a INT, b ARRAY<STRING>>, p AS CAST(r.a AS DOUBLE),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, PRIMARY KEY (sym) NOT ENFORCED) WITH ('connector' = 'kafka');
-- @metric: n
CREATE STREAM s AS SELECT sym PRIMARY KEY, COUNT(DISTINCT x) FILTER (WHERE y > 0) AS n, CASE WHEN a THEN 'b' END,
  SUM(q) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN 3 PRECEDING AND CURRENT ROW)
FROM trades t LEFT JOIN (SELECT * FROM u WHERE v IN (1, 2)) AS w ON t.sym = w.sym
WINDOW SLIDING(10m, 5m) GROUP BY sym HAVING COUNT(*) > 1 EMIT CHANGES INTO out WITH ('out.topic' = '${TOPIC:o}');
"""


class AnyVariable(dict):
    """A value for every name."""

    def get(self, key, default=None):
        return "v"


def check(text: str) -> bool:
    """Whether the text parses; if not, that the error is one for people."""
    try:
        parse_program(text, variables=AnyVariable())
    except VeloError as error:
        check_place(error.location, text)
        return False
    return True


def check_place(place: Location | None, text: str) -> None:
    assert place is not None
    lines = re.split(r"\r\n|\n|\r", text)
    assert 1 <= place.line <= len(lines)
    assert place.text == lines[place.line - 1]
    assert 1 <= place.column <= len(place.text) + 1


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.text())
def test_arbitrary_text(text):
    check(text)


@settings(deadline=None, derandomize=True, max_examples=500)
@given(st.lists(st.sampled_from([*WORDS, "\n"]), max_size=30).map(" ".join))
def test_arbitrary_words_of_sql(text):
    check(text)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.integers(0, len(VALID)), st.integers(0, 40), st.sampled_from(["", "\n", *WORDS]))
def test_a_valid_program_with_a_piece_replaced(start, length, piece):
    check(VALID[:start] + piece + VALID[start + length :])


def test_the_program_that_is_mutated_is_valid():
    program = parse_program(VALID, variables={})
    assert [statement.name for statement in program.statements] == ["trades", "s"]
    assert program.warnings == ()


def corpus() -> list[Path]:
    return sorted((SHARED / "corpora" / "flink-sql").rglob("*.sql"))


@pytest.mark.skipif(not corpus(), reason="the corpus of Flink SQL files is not beside this repository")
def test_real_flink_files_parse_or_are_refused_with_a_place():
    parsed = [path for path in corpus() if check(path.read_text(errors="replace"))]
    assert len(parsed) >= 300


def seed_blocks() -> list[str]:
    """The SQL examples of the documents that state what Velostream programs look like."""
    names = ("velostream-README.md", "FR-087-flink-import.md")
    paths = [SHARED / "seeds" / name for name in names]
    texts = [path.read_text(errors="replace") for path in paths if path.exists()]
    return [block for text in texts for block in re.findall(r"```sql\n(.*?)```", text, re.DOTALL)]


@pytest.mark.skipif(not seed_blocks(), reason="the seed documents are not beside this repository")
def test_every_sql_example_of_the_seeds_parses():
    statements = 0
    for block in seed_blocks():
        program = parse_program(block, variables={})
        statements += len(program.statements)
        assert [warning.message for warning in program.warnings if "has no meaning" in warning.message] == []
    assert statements >= 20

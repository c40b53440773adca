"""The query of a `sql` assertion: what it may read and call, and what it answers."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from velo_engine import types as t
from velo_engine.errors import ErrorCode, VeloError
from velo_harness.relation import Relation


@pytest.fixture
def output(relation) -> Relation:
    return relation(
        "paid",
        {
            "id": (t.BIGINT, [1, 2, 3]),
            "who": (t.STRING, ["ann", "bob", None]),
            "amount": (t.decimal(10, 2), [Decimal("1.50"), Decimal("2.25"), Decimal("-1.00")]),
            "ratio": (t.DOUBLE, [0.5, float("nan"), 0.25]),
            "at": (t.timestamp(3), [datetime(2025, 1, 1, 10), datetime(2025, 1, 1, 11), None]),
            "on": (t.DATE, [date(2025, 1, 1), date(2025, 1, 2), None]),
            "tags": (t.array(t.STRING), [["x"], [], ["y", "z"]]),
        },
    )


def holds(check, output: Relation, query: str, rest: str, **inputs: Relation) -> bool:
    quoted = query.replace("'", "''")
    return check(f"{{ type: sql, query: '{quoted}', {rest} }}", output, inputs=inputs) is None


@pytest.mark.parametrize(
    ("query", "rest"),
    [
        ("SELECT SUM(amount) FROM output", "equals: 2.75"),
        ("SELECT SUM(id) FROM output", "equals: 6"),
        ("SELECT AVG(id) FROM output", "equals: 2"),
        ("SELECT COUNT(who) AS n, COUNT(*) AS m FROM output", "expect: [{ m: 3, n: 2 }]"),
        ("SELECT who FROM output", "expect: [{ who: null }, { who: ann }, { who: bob }]"),
        ("SELECT ratio FROM output WHERE id = 2", "expect: [{ ratio: .nan }]"),
        ('SELECT at, "on" FROM output WHERE id = 1', "expect: [{ at: 2025-01-01 10:00:00, on: 2025-01-01 }]"),
        ("SELECT tags FROM output WHERE id = 3", "expect: [{ tags: [y, z] }]"),
        ("SELECT id, ROW_NUMBER() OVER (ORDER BY amount) AS r FROM output QUALIFY r = 1", "expect: [{ id: 3, r: 1 }]"),
        ("SELECT id FROM output o WHERE EXISTS (SELECT 1 FROM people p WHERE p.name = o.who)", "expect: [{ id: 1 }]"),
        ("SELECT who FROM output WHERE who IS NOT NULL EXCEPT SELECT name FROM people", "expect: [{ who: bob }]"),
        ("WITH big AS (SELECT * FROM output WHERE amount > 0) SELECT COUNT(*) FROM big", "between: [1, 2]"),
        ("SELECT MIN(who) FROM output", "starts_with: a"),
        ("SELECT DATE_TRUNC('hour', MAX(at)) FROM output", "equals: 2025-01-01 11:00:00"),
        ("SELECT COUNT(*) FROM output", "equals: '{{ inputs.people.count + 2 }}'"),
        ("SELECT BOOL_AND(amount < 3) FROM output", "equals: true"),
        ("SELECT STRING_AGG(who, '-' ORDER BY who) FROM output", "equals: ann-bob"),
        ("FROM output SELECT COUNT(*)", "equals: 3"),
        ("SELECT COUNT(*) FROM OUTPUT", "equals: 3"),
    ],
)
def test_it_answers(check, relation, output: Relation, query: str, rest: str) -> None:
    people = relation("people", {"name": (t.STRING, ["ann"])})
    assert holds(check, output, query, rest, people=people)


def test_a_name_of_the_query_hides_that_of_a_relation(check, relation, output: Relation) -> None:
    people = relation("people", {"name": (t.STRING, ["ann"])})
    query = "WITH people AS (SELECT 1 AS x UNION ALL SELECT 2) SELECT COUNT(*) FROM people"
    assert holds(check, output, query, "equals: 2", people=people)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM 'secrets.csv'",
        "SELECT * FROM read_csv('secrets.csv')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM range(1000000000)",
        "SELECT * FROM generate_series(1, 1000000000)",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM duckdb_tables()",
        "SELECT * FROM pragma_version()",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM main.output",
        "SELECT * FROM velo_1.state",
        "SELECT * FROM sqlite_master",
        "SELECT current_setting('threads')",
        "SELECT getenv('HOME')",
        "SELECT getvariable('x')",
        "SELECT query('SELECT 1')",
        "SELECT * FROM query('SELECT 1')",
        "SELECT * FROM query_table('output')",
        "SELECT repeat('x', 1000000000)",
        "SELECT random()",
        "SELECT now()",
        "SELECT current_date",
        "SELECT uuid()",
        "SELECT nextval('s')",
        "SELECT * FROM other",
        "SELECT * FROM output USING SAMPLE 1",
        "SELECT * FROM output TABLESAMPLE 10%",
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n",
        "SELECT $1",
        "SELECT ?",
        "SELECT COLUMNS('.*') FROM output",
        "SELECT * FROM (SELECT * FROM (SELECT read_text('x')))",
        "SELECT CASE WHEN id = 1 THEN getenv('HOME') END FROM output",
        "SELECT id FROM output WHERE id IN (SELECT count(*) FROM read_csv('x'))",
        "WITH x AS (SELECT * FROM read_csv('x')) SELECT * FROM x",
        "SELECT id FROM output ORDER BY getenv('HOME')",
    ],
)
def test_what_is_not_listed_never_reaches_the_kernel(
    check, output: Relation, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from velo_engine.kernel import Kernel

    monkeypatch.setattr(Kernel, "query_written", lambda *_: pytest.fail("it reached the kernel"))
    with pytest.raises(VeloError) as refused:
        holds(check, output, query, "expect: []")
    codes = (ErrorCode.UNKNOWN_FUNCTION, ErrorCode.UNKNOWN_TABLE, ErrorCode.SQL_UNSUPPORTED, ErrorCode.SQL_SYNTAX)
    assert refused.value.code in codes
    assert refused.value.location is not None


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE output",
        "CREATE TABLE x AS SELECT 1",
        "INSERT INTO output SELECT * FROM output",
        "COPY output TO 'out.csv'",
        "ATTACH 'x.db'",
        "PRAGMA database_list",
        "SET threads = 1",
        "INSTALL httpfs",
        "CALL pragma_version()",
        "EXPLAIN SELECT 1",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE output",
        "",
        "--",
    ],
)
def test_only_one_select(check, output: Relation, query: str) -> None:
    with pytest.raises(VeloError) as refused:
        holds(check, output, query, "expect: []")
    assert refused.value.code in (ErrorCode.SQL_UNSUPPORTED, ErrorCode.SQL_SYNTAX, ErrorCode.BAD_VALUE)


@pytest.mark.parametrize(
    "query", ["SELECT nothing FROM output", "SELECT id + who FROM output", "SELECT (1 FROM output"]
)
def test_a_query_that_the_kernel_refuses_says_why_at_its_place(check, output: Relation, query: str) -> None:
    with pytest.raises(VeloError) as refused:
        holds(check, output, query, "expect: []")
    assert refused.value.code in (ErrorCode.EXPRESSION_FAILED, ErrorCode.SQL_SYNTAX)
    assert refused.value.location is not None
    assert refused.value.location.line == 1


def test_no_file_is_touched(check, output: Relation, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a\n1\n")
    with pytest.raises(VeloError):
        holds(check, output, f"SELECT * FROM '{tmp_path}/x.csv'", "expect: [{ a: 1 }]")

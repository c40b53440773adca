"""Rows on the boundaries of a program: programs that are wrong by one slip give something else for them.

The slips are written down here, each as what stands in the right program and what stands in the wrong one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.query_run import QueryRun
from velo_harness.runner import blank_result
from velo_harness.settings import RunSettings
from velo_harness.spec import Spec
from velo_harness.spec_loader import load_spec

ORDERS = """
CREATE TABLE orders (
  id BIGINT, customer STRING, amount DECIMAL(10, 2), quantity INT, status STRING, weight DOUBLE, day DATE, urgent BOOLEAN,
  ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
);
CREATE TABLE payments (
  order_id BIGINT, paid DECIMAL(10, 2), method STRING, pts TIMESTAMP(3), WATERMARK FOR pts AS pts - INTERVAL '2' SECOND
);
"""


def spec_of(tmp_path: Path, statement: str, inputs: str) -> Spec:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "app.sql").write_text(ORDERS + statement)
    path = tmp_path / "app.test.yaml"
    path.write_text(
        "application: x\nqueries:\n  - name: q\n"
        f"    inputs: {inputs}\n    assertions: [{{type: record_count, greater_than: 0}}]\n"
    )
    return load_spec(path)


def stages(spec: Spec) -> QueryRun:
    query = spec.queries[0]
    return QueryRun(spec, query, RunSettings(), blank_result(spec, query, RunSettings(), item="q", rerun=""))


ORDERS_ONLY = "[{source: orders, generate: boundaries}]"
BOTH = "[{source: orders, generate: boundaries}, {source: payments, generate: boundaries}]"


def changes(spec: Spec, inputs: Any) -> Counter[Any]:
    """The changelog, as a bag."""
    run = stages(spec)
    prepared = run.prepared()
    with run.executed(prepared, inputs) as execution:
        table = execution.result.statements["q"].changelog
    return Counter(zip(*(column.to_pylist() for column in table.columns[: table.num_columns]), strict=True))


TUMBLE = "TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '1' MINUTE)"
PROGRAMS: list[tuple[str, str, list[tuple[str, str]]]] = [
    (
        "CREATE STREAM q AS SELECT id FROM orders WHERE amount > 100 AND status = 'paid';",
        ORDERS_ONLY,
        [
            ("> 100", ">= 100"),
            ("> 100", "< 100"),
            ("> 100", "> 101"),
            ("> 100", "> 99"),
            ("> 100", "> 100.01"),
            ("> 100", "= 100"),
            ("AND", "OR"),
            ("= 'paid'", "<> 'paid'"),
            ("= 'paid'", "= 'PAID'"),
            (" AND status = 'paid'", ""),
            ("amount > 100 AND ", ""),
            ("WHERE", "WHERE NOT"),
        ],
    ),
    (
        "CREATE STREAM q AS SELECT id FROM orders WHERE quantity BETWEEN 3 AND 7 OR weight * 2 < 9 AND urgent;",
        ORDERS_ONLY,
        [
            ("3", "4"),
            ("3", "2"),
            ("7", "8"),
            ("7", "6"),
            ("BETWEEN", "NOT BETWEEN"),
            (" OR ", " AND "),
            ("< 9", "<= 9"),
            ("< 9", "> 9"),
            ("< 9", "< 10"),
            (" AND urgent", ""),
            ("urgent", "NOT urgent"),
            ("* 2", "+ 2"),
        ],
    ),
    (
        "CREATE STREAM q AS SELECT id FROM orders WHERE status IN ('paid', 'open') AND customer IS NOT NULL"
        " AND day >= DATE '2024-06-01' AND customer LIKE 'a%';",
        ORDERS_ONLY,
        [
            ("IN ('paid', 'open')", "IN ('paid')"),
            ("IN ('paid', 'open')", "NOT IN ('paid', 'open')"),
            (">= DATE", "> DATE"),
            (">= DATE", "<= DATE"),
            ("06-01", "06-02"),
            ("LIKE 'a%'", "LIKE '%a'"),
            ("LIKE 'a%'", "NOT LIKE 'a%'"),
            (" AND customer LIKE 'a%'", ""),
        ],
    ),
    (
        "CREATE STREAM q AS SELECT id, CASE WHEN amount >= 500 THEN 'large' WHEN quantity > 10 THEN 'many' ELSE 'plain' END AS k,"
        " COALESCE(customer, 'nobody') AS c, NULLIF(quantity, 0) AS n FROM orders WHERE amount > 5;",
        ORDERS_ONLY,
        [
            (">= 500", "> 500"),
            (">= 500", "<= 500"),
            (">= 500", ">= 501"),
            ("> 10", ">= 10"),
            ("> 10", "< 10"),
            ("'nobody'", "'x'"),
            ("NULLIF(quantity, 0)", "quantity"),
            ("NULLIF(quantity, 0)", "NULLIF(quantity, 1)"),
            ("> 5;", ">= 5;"),
            ("WHERE amount > 5", ""),
        ],
    ),
    (
        f"CREATE STREAM q AS SELECT customer, window_start, COUNT(*) AS n, SUM(amount) AS s FROM TABLE({TUMBLE})"
        " WHERE quantity > 2 GROUP BY customer, window_start, window_end;",
        ORDERS_ONLY,
        [
            ("'1' MINUTE", "'2' MINUTE"),
            ("'1' MINUTE", "'30' SECOND"),
            ("'1' MINUTE", "'61' SECOND"),
            ("> 2", ">= 2"),
            ("> 2", "< 2"),
            ("> 2", "= 2"),
            ("> 2", "<> 2"),
            ("SUM", "MAX"),
            ("COUNT(*)", "COUNT(DISTINCT id)"),
            ("COUNT(*)", "COUNT(id)"),
        ],
    ),
    (
        "CREATE STREAM q AS SELECT customer, window_start, COUNT(*) AS n"
        " FROM TABLE(HOP(TABLE orders, DESCRIPTOR(ts), INTERVAL '20' SECOND, INTERVAL '1' MINUTE))"
        " GROUP BY customer, window_start, window_end HAVING COUNT(*) >= 2;",
        ORDERS_ONLY,
        [
            ("'20' SECOND", "'30' SECOND"),
            ("'20' SECOND", "'10' SECOND"),
            ("'1' MINUTE", "'2' MINUTE"),
            (">= 2", "> 2"),
            (">= 2", "<= 2"),
            (" HAVING COUNT(*) >= 2", ""),
        ],
    ),
    (
        "CREATE STREAM q AS SELECT customer, window_start, window_end, COUNT(*) AS n"
        " FROM TABLE(SESSION(TABLE orders PARTITION BY customer, DESCRIPTOR(ts), INTERVAL '10' SECOND))"
        " GROUP BY customer, window_start, window_end;",
        ORDERS_ONLY,
        [
            ("'10' SECOND", "'11' SECOND"),
            ("'10' SECOND", "'9' SECOND"),
            ("'10' SECOND", "'20' SECOND"),
            ("'10' SECOND", "'5' SECOND"),
        ],
    ),
    (
        "CREATE TABLE q AS SELECT customer, SUM(amount) AS s FROM orders GROUP BY customer HAVING SUM(amount) > 100 AND COUNT(*) > 2;",
        ORDERS_ONLY,
        [
            ("SUM(amount) > 100", "SUM(amount) >= 100"),
            ("SUM(amount) > 100", "SUM(amount) > 101"),
            ("COUNT(*) > 2", "COUNT(*) >= 2"),
            ("COUNT(*) > 2", "COUNT(*) > 3"),
            (" AND COUNT", " OR COUNT"),
            ("HAVING SUM(amount) > 100 AND", "HAVING"),
        ],
    ),
    (
        "CREATE STREAM q AS SELECT o.id, p.paid FROM orders o JOIN payments p ON o.id = p.order_id"
        " AND p.pts BETWEEN o.ts - INTERVAL '1' SECOND AND o.ts + INTERVAL '30' SECOND WHERE p.paid >= o.amount AND p.method <> 'cash';",
        BOTH,
        [
            ("'30' SECOND", "'31' SECOND"),
            ("'30' SECOND", "'29' SECOND"),
            ("'1' SECOND AND", "'2' SECOND AND"),
            ("- INTERVAL '1'", "+ INTERVAL '1'"),
            (">= o.amount", "> o.amount"),
            (">= o.amount", "<= o.amount"),
            ("<> 'cash'", "= 'cash'"),
            (" AND p.method <> 'cash'", ""),
            ("p.paid >= o.amount AND ", ""),
        ],
    ),
    (
        "CREATE TABLE q AS SELECT o.id, p.paid FROM orders o LEFT JOIN payments p ON o.id = p.order_id WHERE o.quantity > 3;",
        BOTH,
        [
            ("LEFT JOIN", "JOIN"),
            ("LEFT JOIN", "RIGHT JOIN"),
            ("> 3", ">= 3"),
            ("> 3", "< 3"),
            ("o.id = p", "o.quantity = p"),
        ],
    ),
    (
        "CREATE TABLE q AS SELECT o.id, p.paid FROM orders o FULL JOIN payments p ON o.id = p.order_id AND p.paid < o.amount;",
        BOTH,
        [
            ("FULL", "LEFT"),
            ("FULL", "RIGHT"),
            ("FULL", "INNER"),
            ("< o.amount", "<= o.amount"),
            (" AND p.paid < o.amount", ""),
        ],
    ),
    (
        "CREATE TABLE q AS SELECT o.customer, COUNT(*) AS n, SUM(p.paid) AS s FROM orders o JOIN payments p ON o.id = p.order_id"
        " WHERE p.method = 'card' AND o.urgent GROUP BY o.customer;",
        BOTH,
        [
            (" AND o.urgent", ""),
            ("p.method = 'card' AND ", ""),
            ("= 'card'", "<> 'card'"),
            ("SUM", "MAX"),
            ("COUNT(*)", "COUNT(DISTINCT o.id)"),
        ],
    ),
    (
        "CREATE STREAM q AS SELECT id FROM orders WHERE ts >= TIMESTAMP '2024-03-01 00:00:00' AND CHAR_LENGTH(customer) < 4 AND ABS(quantity - 5) > 2;",
        ORDERS_ONLY,
        [
            (">= TIMESTAMP", "> TIMESTAMP"),
            ("03-01", "03-02"),
            ("< 4", "<= 4"),
            ("< 4", "< 3"),
            ("- 5", "+ 5"),
            ("> 2", ">= 2"),
            ("ABS(quantity - 5)", "(quantity - 5)"),
        ],
    ),
    (
        "CREATE STREAM q AS SELECT id FROM orders WHERE status = 'a' UNION ALL SELECT order_id AS id FROM payments WHERE paid > 7;",
        BOTH,
        [("= 'a'", "<> 'a'"), ("> 7", ">= 7"), ("WHERE paid > 7", "")],
    ),
    (
        "CREATE TABLE q AS SELECT id, customer FROM orders o WHERE id IN (SELECT order_id FROM payments WHERE method = 'card');",
        BOTH,
        [("IN (SELECT", "NOT IN (SELECT"), ("= 'card'", "<> 'card'"), (" WHERE method = 'card'", "")],
    ),
    (
        "CREATE TABLE q AS SELECT id, customer, amount FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY customer ORDER BY amount DESC) AS rn"
        " FROM orders) WHERE rn <= 3;",
        ORDERS_ONLY,
        [
            ("<= 3", "< 3"),
            ("<= 3", "<= 4"),
            ("DESC", "ASC"),
            ("PARTITION BY customer ORDER", "PARTITION BY status ORDER"),
        ],
    ),
    (
        "CREATE STREAM q AS SELECT id, SUM(amount) OVER w AS s FROM orders"
        " WINDOW w AS (PARTITION BY customer ORDER BY ts RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW);",
        ORDERS_ONLY,
        [
            ("'10' SECOND", "'11' SECOND"),
            ("'10' SECOND", "'9' SECOND"),
            ("PARTITION BY customer ", ""),
            ("SUM(", "MAX("),
        ],
    ),
    (
        "CREATE STREAM q AS SELECT id, COUNT(*) OVER w AS n FROM orders"
        " WINDOW w AS (PARTITION BY customer ORDER BY ts ROWS BETWEEN 3 PRECEDING AND CURRENT ROW);",
        ORDERS_ONLY,
        [("3 PRECEDING", "4 PRECEDING"), ("3 PRECEDING", "2 PRECEDING"), ("PARTITION BY customer ", "")],
    ),
]
PROGRAMS += [
    (
        "CREATE TABLE q AS SELECT id, customer FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY customer ORDER BY quantity DESC, amount)"
        " AS rn FROM orders) WHERE rn <= 2;",
        ORDERS_ONLY,
        [("amount)", "amount DESC)"), (", amount)", ")"), ("quantity DESC", "quantity"), ("<= 2", "<= 1")],
    ),
    (
        """CREATE STREAM q AS SELECT * FROM orders MATCH_RECOGNIZE (PARTITION BY customer ORDER BY ts MEASURES A.id AS first_id, C.id AS last_id
        ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (A B{2} C) WITHIN INTERVAL '1' MINUTE
        DEFINE A AS A.amount < 10, B AS B.quantity >= 5, C AS C.amount > 500);""",
        ORDERS_ONLY,
        [
            ("'1' MINUTE", "'2' MINUTE"),
            ("'1' MINUTE", "'61' SECOND"),
            ("'1' MINUTE", "'30' SECOND"),
            ("< 10", "<= 10"),
            ("< 10", "< 9"),
            (">= 5", "> 5"),
            ("> 500", ">= 500"),
            ("B{2}", "B{3}"),
            ("B{2}", "B"),
        ],
    ),
    (
        "CREATE STREAM q AS SELECT id, RANK() OVER (PARTITION BY customer ORDER BY ts) AS place FROM orders;",
        ORDERS_ONLY,
        [("RANK", "ROW_NUMBER"), ("PARTITION BY customer ", "")],
    ),
    (
        "CREATE STREAM q AS SELECT id, COALESCE(customer, status, 'nobody') AS c, SPLIT_INDEX(status, '/', 1) AS part,"
        " REGEXP_EXTRACT(customer, '([a-z]+)-([0-9]+)', 2) AS number FROM orders WHERE TRY_CAST(status AS INT) > 7 OR status LIKE '%/%' OR status IS NULL;",
        ORDERS_ONLY,
        [
            ("'nobody'", "'nobody~'"),
            ("'/', 1", "'/', 2"),
            ("'/', 1", "':', 1"),
            ("', 2)", "', 1)"),
            ("> 7", ">= 7"),
            ("> 7", "> 8"),
            (" OR status IS NULL", ""),
            ("LIKE '%/%'", "LIKE '%/'"),
        ],
    ),
    (
        "CREATE STREAM q AS SELECT o.id FROM orders o JOIN payments p ON o.id = p.order_id AND o.customer <> p.method;",
        BOTH,
        [(" AND o.customer <> p.method", ""), ("<>", "="), ("o.id = p.order_id", "o.quantity = p.order_id")],
    ),
    (
        "CREATE STREAM q AS SELECT id FROM orders WHERE ts < LOCALTIMESTAMP AND MOD(id, 7) = 3 AND day IS NULL;",
        ORDERS_ONLY,
        [
            ("ts < LOCALTIMESTAMP", "ts <= LOCALTIMESTAMP"),
            ("= 3", "<> 3"),
            ("MOD(id, 7)", "MOD(id, 8)"),
            ("day IS NULL", "day IS NOT NULL"),
            (" AND day IS NULL", ""),
        ],
    ),
]


@pytest.mark.parametrize(("statement", "inputs", "slips"), PROGRAMS, ids=[str(i) for i in range(len(PROGRAMS))])
def test_programs_that_are_wrong_by_one_slip_give_something_else(
    tmp_path: Path, statement: str, inputs: str, slips: list[tuple[str, str]]
) -> None:
    right = spec_of(tmp_path, statement, inputs)
    run = stages(right)
    made = run.inputs(run.prepared())
    expected = changes(right, made)
    survivors = []
    for old, new in slips:
        assert old in statement
        wrong = replace(right, sql_file=None, sql=ORDERS + statement.replace(old, new, 1), sql_location=None)
        if changes(wrong, made) == expected:
            survivors.append(f"{old} -> {new}")
    assert survivors == []


@pytest.mark.parametrize("delay", ["'4' SECOND", "'6' SECOND", "'0' SECOND", "'5001' MILLISECOND"])
def test_another_delay_of_the_watermark_shows(tmp_path: Path, delay: str) -> None:
    statement = f"CREATE STREAM q AS SELECT customer, window_start, COUNT(*) AS n FROM TABLE({TUMBLE}) GROUP BY customer, window_start, window_end;"
    right = spec_of(tmp_path, statement, ORDERS_ONLY)
    run = stages(right)
    made = run.inputs(run.prepared())
    delayed = ORDERS.replace("'5' SECOND", delay)
    wrong = replace(right, sql_file=None, sql=delayed + statement, sql_location=None)
    assert changes(wrong, made) != changes(right, made)


@pytest.mark.parametrize(("statement", "inputs"), [(s, i) for s, i, _ in PROGRAMS])
def test_rows_are_few_and_always_the_same(tmp_path: Path, statement: str, inputs: str) -> None:
    spec = spec_of(tmp_path, statement, inputs)
    first, second = (stages(spec).inputs(stages(spec).prepared()).relations for _ in range(2))
    for name, relation in first.items():
        assert relation.table.equals(second[name].table)
        assert 10 <= len(relation) <= 500


def test_every_nullable_column_is_null_once_and_rows_come_twice(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, PROGRAMS[0][0], ORDERS_ONLY)
    table = stages(spec).inputs(stages(spec).prepared()).relations["orders"].table
    for name in ("id", "customer", "amount", "quantity", "status", "weight", "day", "urgent"):
        assert table.column(name).null_count > 0, name
    rows = Counter(zip(*(column.to_pylist() for column in table.columns), strict=True))
    assert max(rows.values()) == 3


def test_rows_stand_on_the_edges_of_windows_and_at_the_watermark(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, PROGRAMS[4][0], ORDERS_ONLY)
    run = stages(spec)
    prepared = run.prepared()
    made = run.inputs(prepared)
    instants = [
        value.second * 1000 + value.microsecond // 1000 for value in made.relations["orders"].table["ts"].to_pylist()
    ]
    assert {0, 59_999} <= set(instants)
    with run.executed(prepared, made) as execution:
        assert execution.result.statements["q"].accounting.late == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("generate: edges", "this must be one of boundaries"),
        ("generate: boundaries, records: 5", "records has no effect on rows on boundaries: the SQL decides"),
        ("generate: boundaries, rows: []", 'generate has no effect on an input whose rows come from "rows"'),
        ("generate: boundaries, time_simulation: {}", "time_simulation has no effect on rows on boundaries"),
    ],
)
def test_what_is_refused(tmp_path: Path, given: str, message: str) -> None:
    with pytest.raises(VeloError) as caught:
        spec_of(tmp_path, PROGRAMS[0][0], f"[{{source: orders, {given}}}]")
    assert caught.value.code is ErrorCode.BAD_VALUE
    assert message in caught.value.message
    assert caught.value.location is not None
    assert caught.value.location.line == 4

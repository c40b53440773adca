"""Changelog modes and upsert keys, by Flink's rules (its FlinkChangelogModeInferenceProgram, FlinkRelMdUpsertKeys)."""

from __future__ import annotations

import pytest
from tests.engine.plan.planning import plan

from velo_engine.plan.changelog import (
    ALL_CHANGES,
    INSERT_ONLY,
    UPDATES,
    ChangelogMode,
    changelog_mode,
)
from velo_engine.plan.upsert_keys import preferred_key, upsert_keys

GROUPS = "CREATE STREAM g AS SELECT symbol, qty AS q, COUNT(*) AS n FROM trades GROUP BY symbol, qty;"
WINDOWS = "SELECT symbol, window_start AS s, window_end AS e, COUNT(*) AS n FROM trades WINDOW TUMBLING(ts, 1m) GROUP BY symbol"
TOP = "SELECT {} FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY symbol ORDER BY n) AS rn FROM g) WHERE rn <= {}"


@pytest.mark.parametrize(
    ("sql", "mode"),
    [
        ("SELECT symbol FROM trades WHERE qty > 1", INSERT_ONLY),
        (GROUPS, UPDATES),
        ("SELECT DISTINCT symbol FROM trades", UPDATES),
        (GROUPS + "SELECT n, symbol FROM g WHERE n > 1", UPDATES),
        (GROUPS + "SELECT symbol, SUM(n) AS n FROM g GROUP BY symbol", ALL_CHANGES),
        (WINDOWS, INSERT_ONLY),
        (WINDOWS + " EMIT CHANGES", UPDATES),
        ("SELECT symbol FROM trades ORDER BY qty LIMIT 2", ALL_CHANGES),
        (GROUPS + TOP.format("symbol", 2), ALL_CHANGES),
        ("SELECT o.amount FROM orders AS o JOIN payments AS p ON o.order_id = p.order_id", INSERT_ONLY),
        ("SELECT o.amount FROM orders AS o LEFT JOIN payments AS p ON o.order_id = p.order_id", ALL_CHANGES),
        (GROUPS + "SELECT g.n FROM trades AS t JOIN g ON t.symbol = g.symbol", UPDATES),
        ("SELECT r.rate FROM trades AS t LEFT JOIN rates AS r ON t.symbol = r.symbol", INSERT_ONLY),
        (GROUPS + "SELECT r.rate FROM g LEFT JOIN rates AS r ON g.symbol = r.symbol", UPDATES),
    ],
)
def test_the_changelog_mode_of(sql: str, mode: ChangelogMode) -> None:
    program = plan(sql)
    assert changelog_mode(list(program.statements.values())[-1].plan, program.statements) == mode


@pytest.mark.parametrize(
    ("sql", "keys"),
    [
        ("SELECT symbol FROM trades", []),
        (GROUPS, [{0, 1}]),
        (GROUPS + "SELECT n, q, symbol FROM g WHERE n > 1", [{1, 2}]),
        (GROUPS + "SELECT n, symbol FROM g", []),
        (GROUPS + "SELECT CAST(q AS BIGINT) AS q, symbol FROM g", [{0, 1}]),
        (GROUPS + "SELECT CAST(q AS TINYINT) AS q, symbol FROM g", []),
        ("SELECT COUNT(*) AS n FROM trades", [set()]),
        (WINDOWS, [{0, 1}, {0, 2}]),
        (WINDOWS.replace("TUMBLING(ts, 1m)", "CUMULATING(ts, 1m, 1h)"), [{0, 2}]),
        (GROUPS + TOP.format("symbol, q, n", 2), [{0, 1}]),
        (GROUPS + TOP.format("symbol, q, n, rn", 2), [{0, 3}]),
        (GROUPS + TOP.format("symbol, q, n", 1), [{0}]),
        # A lookup finds at most one row by the table's primary key; by another column it may find several.
        (GROUPS + "SELECT g.symbol, g.q, r.rate FROM g JOIN rates AS r ON g.symbol = r.symbol", [{0, 1}]),
        (GROUPS + "SELECT g.symbol, g.q, r.rate FROM g JOIN rates AS r ON CAST(g.n AS DOUBLE) = r.rate", []),
        # Of a join of streams only keys with the join columns remain, of the side that meets at most one row.
        (
            GROUPS + "SELECT * FROM g AS a JOIN g AS b ON a.symbol = b.symbol AND a.q = b.q",
            [{0, 1}, {3, 4}, {0, 1, 3, 4}],
        ),
        (GROUPS + "SELECT * FROM g AS a LEFT JOIN g AS b ON a.symbol = b.symbol AND a.q = b.q", [{0, 1}, {0, 1, 3, 4}]),
        (
            GROUPS + "SELECT * FROM g AS a RIGHT JOIN g AS b ON a.symbol = b.symbol AND a.q = b.q",
            [{3, 4}, {0, 1, 3, 4}],
        ),
        (GROUPS + "SELECT * FROM g AS a JOIN g AS b ON a.symbol = b.symbol", [{0, 1, 3, 4}]),
        (GROUPS + "SELECT * FROM g AS a JOIN g AS b ON a.n = b.n", []),
    ],
)
def test_the_upsert_keys_of(sql: str, keys: list[set[int]]) -> None:
    program = plan(sql)
    found = upsert_keys(list(program.statements.values())[-1].plan, program.statements)
    assert found == frozenset(frozenset(key) for key in keys)


def test_the_preferred_key_is_the_shortest_and_then_the_leftmost() -> None:
    assert preferred_key(frozenset({frozenset({3, 1}), frozenset({2}), frozenset({4})})) == (2,)
    assert preferred_key(frozenset({frozenset({3, 1}), frozenset({1, 2})})) == (1, 2)
    assert preferred_key(frozenset()) == ()

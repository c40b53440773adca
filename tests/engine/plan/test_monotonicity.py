"""How updates move columns, by the rules of Flink's FlinkRelMdModifiedMonotonicity."""

from __future__ import annotations

import pytest
from tests.engine.plan.planning import plan

from velo_engine.plan.monotonicity import Monotonicity, modified_monotonicity, unretracted_calls
from velo_engine.plan.nodes import GroupAggregate, PlanNode, inputs

C, UP, DOWN, NO = Monotonicity.CONSTANT, Monotonicity.INCREASING, Monotonicity.DECREASING, Monotonicity.NONE

GROUPS = """CREATE STREAM g AS SELECT symbol AS s, qty AS q, COUNT(*) AS n, MAX(price) AS hi, MIN(price) AS lo,
SUM(qty) AS total FROM trades GROUP BY symbol, qty;"""
RANKED = (
    "SELECT s, n, rn FROM (SELECT s, n, ROW_NUMBER() OVER (PARTITION BY s ORDER BY n {}) AS rn FROM g) WHERE rn <= 2"
)


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT symbol, qty FROM trades WHERE qty > 1", (C, C)),
        ("SELECT symbol, COUNT(*) AS n FROM trades GROUP BY symbol", (C, UP)),
        ("SELECT s, q, n, hi, lo, total FROM g", (C, C, UP, UP, DOWN, NO)),
        ("SELECT CAST(n AS STRING) AS n, n + 1 AS m, s FROM g", (UP, NO, C)),
        ("SELECT s, n FROM g WHERE n > 2", (C, UP)),
        ("SELECT s, n FROM g WHERE lo > 2", (NO, NO)),
        ("SELECT s, n FROM g WHERE lo < 2", (C, UP)),
        ("SELECT s, n FROM g WHERE n = 2", (NO, NO)),
        ("SELECT s, n FROM g WHERE n > 2 AND total > 5", (NO, NO)),
        ("SELECT s, n FROM g WHERE q = 2", (C, UP)),
        (
            "SELECT s, MAX(n) AS a, MIN(n) AS b, MAX(lo) AS c, COUNT(*) AS d, SUM(n) AS e FROM g GROUP BY s",
            (C, UP, NO, NO, UP, NO),
        ),
        ("SELECT n, COUNT(*) AS c FROM g GROUP BY n", None),
        (RANKED.format("DESC"), (C, UP, C)),
        (RANKED.format("ASC"), (C, NO, C)),
        ("SELECT a.s, a.n, b.lo FROM g AS a JOIN g AS b ON a.s = b.s", (C, UP, DOWN)),
        ("SELECT a.s, b.n FROM g AS a JOIN g AS b ON a.n = b.n", None),
        ("SELECT a.s, b.n FROM g AS a JOIN g AS b ON a.s = b.s AND a.n > b.n", None),
    ],
)
def test_what_updates_do_to_columns(sql: str, columns: tuple[Monotonicity, ...] | None) -> None:
    program = plan(GROUPS + sql)
    *_, last = program.statements.values()
    assert modified_monotonicity(last.plan, program.statements) == columns


@pytest.mark.parametrize(
    ("sql", "calls"),
    [
        # The recorded case two_steps/max_of_what_only_grows.
        ("SELECT COUNT(*) AS c, MAX(n) AS mx FROM g", {1}),
        ("SELECT s, MAX(hi) AS a, MIN(hi) AS b, MAX(lo) AS c, MIN(lo) AS d FROM g GROUP BY s", {0, 3}),
        ("SELECT n, MAX(hi) AS a FROM g GROUP BY n", set()),
        ("SELECT MAX(total) AS a FROM g", set()),
        ("SELECT s, MAX(q) AS a, MIN(q) AS b FROM g GROUP BY s", {0, 1}),
        ("SELECT s, MAX(q) AS a, MIN(q) AS b, SUM(n) AS c FROM g GROUP BY s", set()),
        # The recorded case top_n/max_of_ranks.
        (f"SELECT s, MAX(rn) AS a FROM ({RANKED.format('ASC')}) GROUP BY s", {0}),
    ],
)
def test_the_calls_that_need_not_take_values_back(sql: str, calls: set[int]) -> None:
    program = plan(GROUPS + sql)
    *_, last = program.statements.values()
    assert unretracted_calls(aggregate_in(last.plan), program.statements) == calls


def aggregate_in(node: PlanNode) -> GroupAggregate:
    while not isinstance(node, GroupAggregate):
        node = inputs(node)[0]
    return node

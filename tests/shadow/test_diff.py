"""The comparison of two relations: by hand, and against a comparison with Python's own collections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine import types as sql
from velo_engine.kernel import Kernel
from velo_shadow.alignment import Pairing, Relation
from velo_shadow.diff import Diff, counting, diff, differing_rows
from velo_shadow.model import ColumnEquality, ComparisonPlan, Kind, PlanColumn, Rule
from velo_shadow.spark.dialect import spark_sql

EXACT = ColumnEquality()
KEY = PlanColumn("k", sql.BIGINT, EXACT)
AMOUNT = PlanColumn("amount", sql.decimal(10, 2), EXACT)
CENT = PlanColumn("amount", sql.decimal(10, 2), ColumnEquality(Rule.ABS, Decimal("0.01")))
NAME = PlanColumn("name", sql.STRING, EXACT)
KEYED = ComparisonPlan((AMOUNT, NAME), (KEY,))
BAG = ComparisonPlan((KEY, AMOUNT, NAME))
LEFT, RIGHT = (Relation(name, ("k", "amount", "name")) for name in ("velo_left", "velo_right"))

Row = tuple[int | None, str | None, str | None]


def table(rows: Sequence[Row]) -> pa.Table:
    return pa.table(
        {
            "k": pa.array([k for k, _, _ in rows], pa.int64()),
            "amount": pa.array([a and Decimal(a) for _, a, _ in rows], pa.decimal128(10, 2)),
            "name": pa.array([n for _, _, n in rows], pa.string()),
        }
    )


def compared(plan: ComparisonPlan, left: Sequence[Row], right: Sequence[Row]) -> Diff:
    with Kernel() as kernel:
        tables = {"velo_left": table(left), "velo_right": table(right)}
        return diff(kernel, plan, LEFT, RIGHT, tables=tables)


def counts(found: Diff) -> tuple[int, int, int, int, int, int]:
    c = found.counts
    return c.matched, c.differing, c.missing, c.extra, c.left_copies, c.right_copies


ONE: Row = (1, "1.00", "a")
TWO: Row = (2, "2.00", "b")
NULL: Row = (None, "3.00", None)


@pytest.mark.parametrize(
    ("plan", "left", "right", "expected"),
    [
        (KEYED, [ONE, TWO, NULL], [NULL, TWO, ONE], (3, 0, 0, 0, 0, 0)),
        (KEYED, [ONE, TWO], [TWO], (1, 0, 1, 0, 0, 0)),
        (KEYED, [NULL], [NULL, ONE], (1, 0, 0, 1, 0, 0)),
        (KEYED, [ONE, TWO], [(1, "1.01", "a"), TWO], (1, 1, 0, 0, 0, 0)),
        (ComparisonPlan((CENT, NAME), (KEY,)), [ONE, TWO], [(1, "1.01", "a"), TWO], (2, 0, 0, 0, 0, 0)),
        (ComparisonPlan((CENT, NAME), (KEY,)), [ONE, TWO], [(1, "1.02", "a"), TWO], (1, 1, 0, 0, 0, 0)),
        (KEYED, [ONE, ONE, TWO], [ONE, TWO], (2, 0, 0, 0, 1, 0)),
        (KEYED, [ONE, TWO], [ONE, TWO, TWO, TWO], (2, 0, 0, 0, 0, 2)),
        (KEYED, [ONE, TWO], [ONE, TWO, (2, "2.50", "b")], (2, 0, 0, 1, 0, 0)),
        (KEYED, [ONE, (1, "7.00", "a")], [(1, "7.00", "a"), (1, "8.00", "a")], (1, 1, 0, 0, 0, 0)),
        (KEYED, [ONE, ONE], [(1, "8.00", "a"), (1, "8.00", "a")], (0, 1, 0, 0, 1, 1)),
        (BAG, [ONE, ONE, TWO], [TWO, ONE, ONE], (3, 0, 0, 0, 0, 0)),
        (BAG, [ONE, ONE, TWO], [TWO, ONE], (2, 0, 1, 0, 0, 0)),
        (BAG, [ONE, TWO], [(1, "1.01", "a"), TWO], (1, 0, 1, 1, 0, 0)),
        (ComparisonPlan((KEY, CENT, NAME)), [ONE, TWO], [(1, "1.01", "a"), TWO], (2, 0, 0, 0, 0, 0)),
        (ComparisonPlan((KEY, CENT, NAME)), [ONE, TWO], [(1, "1.05", "a"), TWO], (1, 1, 0, 0, 0, 0)),
        (ComparisonPlan((CENT,)), [ONE, (9, "5.00", "")], [(7, "5.01", ""), (8, "0.99", "")], (2, 0, 0, 0, 0, 0)),
        (KEYED, [], [], (0, 0, 0, 0, 0, 0)),
        (KEYED, [ONE], [], (0, 0, 1, 0, 0, 0)),
    ],
)
def test_counts(plan: ComparisonPlan, left: list[Row], right: list[Row], expected: tuple[int, ...]) -> None:
    assert counts(compared(plan, left, right)) == expected


def test_differences_name_key_column_and_both_values() -> None:
    found = compared(KEYED, [ONE, TWO, NULL], [(1, "1.00", "x"), (2, "2.05", None), (3, "3.00", "c")])

    shown = [(d.kind, d.key["k"], d.column, d.left, d.right) for d in found.differences]
    assert shown == [
        (Kind.VALUE, 1, "name", "a", "x"),
        (Kind.VALUE, 2, "amount", Decimal("2.00"), Decimal("2.05")),
        (Kind.VALUE, 2, "name", "b", None),
        (Kind.EXTRA, 3, None, None, {"amount": Decimal("3.00"), "name": "c"}),
        (Kind.MISSING, None, None, {"amount": Decimal("3.00"), "name": None}, None),
    ]
    assert found.counts.by_column == {"amount": 1, "name": 2}


def test_rows_outside_the_span_take_no_part() -> None:
    with Kernel() as kernel:
        tables = {"velo_left": table([ONE, TWO]), "velo_right": table([ONE])}
        early = [Relation(side.source, side.columns, where='"k" < 2') for side in (LEFT, RIGHT)]
        found = diff(kernel, KEYED, *early, tables=tables)

    assert counts(found) == (1, 0, 0, 0, 0, 0)


def test_a_key_that_stands_very_often_does_not_make_the_join_explode() -> None:
    left = [(1, f"{i}.00", "a") for i in range(3000)]

    assert counts(compared(KEYED, left, left[1:])) == (2999, 0, 1, 0, 0, 0)


def test_the_first_differences_are_kept_and_all_are_counted() -> None:
    with Kernel() as kernel:
        tables = {"velo_left": table([(i, "1.00", "") for i in range(50)]), "velo_right": table([])}
        found = diff(kernel, KEYED, LEFT, RIGHT, limit=3, tables=tables)

    assert found.counts.missing == 50
    assert [d.key["k"] for d in found.differences] == [0, 1, 2]


ROWS = st.lists(
    st.tuples(st.integers(0, 5) | st.none(), st.sampled_from(["1.00", "1.01", "2.00"]), st.sampled_from("ab")),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(left=ROWS, right=ROWS, data=st.randoms())
def test_bags_are_subtracted_with_multiplicity(left: list[Row], right: list[Row], data: Any) -> None:
    shuffled = list(right)
    data.shuffle(shuffled)
    common = Counter(left) & Counter(right)

    found = compared(BAG, left, shuffled)

    matched = sum(common.values())
    assert counts(found) == (matched, 0, len(left) - matched, len(right) - matched, 0, 0)


@settings(max_examples=40, deadline=None)
@given(left=ROWS, right=ROWS)
def test_keyed_rows_are_paired_within_their_key_and_copies_told_apart(left: list[Row], right: list[Row]) -> None:
    one, two = set(left), set(right)
    common = one & two
    rest = [Counter(key for key, *_ in side - common) for side in (one, two)]
    differing = sum((rest[0] & rest[1]).values())

    found = compared(KEYED, left, right)

    c = found.counts
    assert (c.differing, c.missing, c.extra) == (differing, rest[0].total() - differing, rest[1].total() - differing)
    assert (c.matched, c.left_copies, c.right_copies) == (len(common), len(left) - len(one), len(right) - len(two))


@pytest.mark.parametrize("plan", [KEYED, ComparisonPlan((CENT, NAME), (KEY,)), ComparisonPlan((KEY, CENT, NAME))])
def test_the_same_statements_are_rendered_for_spark(plan: ComparisonPlan) -> None:
    for pairing in (Pairing.ONE_A_KEY, Pairing.COPIES) if plan.key else (Pairing.BAG,):
        for statement in (
            spark_sql(counting(plan, LEFT, RIGHT, pairing)),
            spark_sql(differing_rows(plan, LEFT, RIGHT, pairing, 9)),
        ):
            parsed = sqlglot.parse_one(statement, dialect="spark")
            assert parsed.sql("spark") == statement
            assert "DECIMAL(10, 2)" in statement
            assert '"' not in statement

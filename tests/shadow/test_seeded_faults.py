"""Faults from seeds over columns, magnitudes and rows: each is found, none ends SAFE, and its cause is named."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

import pyarrow as pa
import pytest

from velo_engine import types as sql
from velo_engine.kernel import Kernel
from velo_shadow.alignment import Relation
from velo_shadow.causes.explaining import explained
from velo_shadow.diff import Diff, diff
from velo_shadow.equality import default_equality
from velo_shadow.model import Cause, ColumnEquality, ComparisonPlan, Decision, PlanColumn
from velo_shadow.verdict import decide

ROWS = 120
SEEDS = 20
"""Of each fault."""
TYPES = {
    "id": sql.BIGINT,
    "buyer": sql.STRING,
    "seller": sql.STRING,
    "amount": sql.decimal(12, 4),
    "ratio": sql.DOUBLE,
    "ts": sql.timestamp(6),
}
ARROW = pa.schema(
    {
        "id": pa.int64(),
        "buyer": pa.string(),
        "seller": pa.string(),
        "amount": pa.decimal128(12, 4),
        "ratio": pa.float64(),
        "ts": pa.timestamp("us"),
    }
)
PLAN = ComparisonPlan(
    columns=tuple(PlanColumn(n, t, default_equality(t)) for n, t in TYPES.items() if n != "id"),
    key=(PlanColumn("id", sql.BIGINT, ColumnEquality()),),
    time_column="ts",
)
LEFT, RIGHT = (Relation(name, tuple(TYPES)) for name in ("velo_left", "velo_right"))
Row = dict[str, Any]


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with Kernel() as kernel:
        yield kernel


def rows(chance: random.Random) -> list[Row]:
    start = datetime(2026, 3, 29, 0, 0, 0, 1)
    return [
        {
            "id": i,
            "buyer": f"buyer number {chance.randrange(100, 1000)}",
            "seller": f"seller number {chance.randrange(100, 1000)}",
            "amount": Decimal(chance.randrange(10**8) * 10 + chance.randrange(1, 10)).scaleb(-4),
            "ratio": chance.uniform(1, 1000),
            "ts": start + timedelta(seconds=i, microseconds=chance.randrange(900) + 1),
        }
        for i in range(ROWS)
    ]


def rounded(row: Row, chance: random.Random) -> None:
    places, how = Decimal(1).scaleb(-chance.choice([1, 2, 3])), chance.choice([ROUND_HALF_UP, ROUND_DOWN])
    row["amount"] = row["amount"].quantize(places, how)


def noisy(row: Row, chance: random.Random) -> None:
    row["ratio"] *= 1 + chance.choice([-1, 1]) * 10 ** -chance.uniform(6.2, 8.5)


def truncated(row: Row, chance: random.Random) -> None:
    column = chance.choice(["buyer", "seller"])
    row[column] = row[column][: chance.randrange(4, 13)].rstrip()


def nulled(row: Row, chance: random.Random) -> None:
    row[chance.choice(["buyer", "seller", "amount", "ratio"])] = None


def swapped(row: Row, chance: random.Random) -> None:
    row["buyer"], row["seller"] = row["seller"], row["buyer"]


def shifted(row: Row, chance: random.Random) -> None:
    row["ts"] += timedelta(hours=1)


def cut_to_milliseconds(row: Row, chance: random.Random) -> None:
    row["ts"] = row["ts"].replace(microsecond=row["ts"].microsecond // 1000 * 1000)


def wrong_text(row: Row, chance: random.Random) -> None:
    row["buyer"] = f"someone else {chance.random()}"


FAULTS: dict[Callable[[Row, random.Random], None], Cause] = {
    rounded: Cause.DECIMAL_ROUNDING,
    noisy: Cause.FLOAT_ASSOCIATION,
    truncated: Cause.TRUNCATED_TEXT,
    nulled: Cause.NULL_OR_ABSENT,
    swapped: Cause.SWAPPED_COLUMNS,
    shifted: Cause.TIME_ZONE,
    cut_to_milliseconds: Cause.TIME_PRECISION,
    wrong_text: Cause.UNKNOWN,
}


def compared(kernel: Kernel, left: list[Row], right: list[Row]) -> Diff:
    tables = {
        "velo_left": pa.Table.from_pylist(left, ARROW),
        "velo_right": pa.Table.from_pylist(right, ARROW),
    }
    return diff(kernel, PLAN, LEFT, RIGHT, tables=tables)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_faulty_values_are_found_in_exactly_their_rows_and_explained(
    kernel: Kernel, fault: Callable[[Row, random.Random], None]
) -> None:
    causes: Counter[bool] = Counter()
    for seed in range(SEEDS):
        chance = random.Random(seed)
        left = rows(chance)
        right = [dict(row) for row in left]
        struck = sorted(chance.sample(range(ROWS), chance.choice([1, 2, 10, ROWS])))
        for i in struck:
            fault(right[i], chance)
        chance.shuffle(right)

        found = compared(kernel, left, right)

        assert decide(found.counts).decision is Decision.NOT_SAFE, seed
        assert (found.counts.differing, found.counts.missing, found.counts.extra) == (len(struck), 0, 0), seed
        assert sorted({d.key["id"] for d in found.differences}) == struck, seed
        causes.update(d.cause is FAULTS[fault] for d in explained(found.differences))
    assert causes[True] >= 0.9 * causes.total()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_lost_and_invented_rows_are_found(kernel: Kernel, seed: int) -> None:
    chance = random.Random(seed)
    left = rows(chance)
    lost = sorted(chance.sample(range(ROWS), chance.randrange(1, 20)))
    right = [row for row in left if row["id"] not in lost]
    right += [left[0] | {"id": ROWS + i} for i in range(seed % 3)]
    chance.shuffle(right)

    found = compared(kernel, left, right)

    assert (found.counts.missing, found.counts.extra) == (len(lost), seed % 3)
    assert sorted(d.key["id"] for d in found.differences) == [*lost, *range(ROWS, ROWS + seed % 3)]
    assert decide(found.counts).decision is Decision.NOT_SAFE


@pytest.mark.parametrize("seed", range(SEEDS))
def test_equal_rows_in_any_order_and_delivered_again_are_safe(kernel: Kernel, seed: int) -> None:
    chance = random.Random(seed)
    left = rows(chance)
    right = [row | {"ratio": row["ratio"] * (1 + 1e-12)} for row in left]
    again = chance.sample(right, seed % 4)
    right += again
    chance.shuffle(left)
    chance.shuffle(right)

    found = compared(kernel, left, right)

    assert decide(found.counts).decision is Decision.SAFE
    assert (found.counts.matched, found.counts.right_copies) == (ROWS, len(again))

"""Causes that show in whole rows: windows, counts and joins that a person wrote, and what a person would say of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from velo_engine.connectors.infer import sql_type
from velo_engine.kernel import Kernel
from velo_shadow.alignment import Relation
from velo_shadow.causes.explaining import explained
from velo_shadow.compared import Compared
from velo_shadow.diff import diff
from velo_shadow.equality import default_equality
from velo_shadow.model import Cause, ColumnEquality, ComparisonPlan, Difference, PlanColumn, Side
from velo_shadow.profile import profile

Row = dict[str, Any]
NOON = datetime(2026, 3, 29, 12)
TEN = timedelta(minutes=10)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with Kernel() as kernel:
        yield kernel


def found(
    kernel: Kernel, left: list[Row], right: list[Row], *key: str, time: str | None = None
) -> tuple[Difference, ...]:
    """The differences of two lists of rows, explained."""
    schema = pa.Table.from_pylist([*left, *right]).schema
    tables = {
        "velo_left": pa.Table.from_pylist(left, schema),
        "velo_right": pa.Table.from_pylist(right, schema),
    }
    types = {field.name: sql_type(field.type) for field in schema}
    plan = ComparisonPlan(
        tuple(PlanColumn(n, t, default_equality(t)) for n, t in types.items() if n not in key),
        tuple(PlanColumn(n, types[n], ColumnEquality()) for n in key),
        time_column=time,
    )
    relations = [Relation(name, tuple(types)) for name in tables]
    result = diff(kernel, plan, *relations, tables=tables)
    times = {Side.LEFT: [row[time] for row in left if time], Side.RIGHT: [row[time] for row in right if time]}
    spans = {side: (min(ones), max(ones)) if ones else None for side, ones in times.items()}
    known = profile(kernel, plan, (relations[0], relations[1]), result.differences, tables)
    return explained(result.differences, Compared(plan, result, (), spans, profile=known))


def causes(differences: tuple[Difference, ...]) -> set[Cause]:
    return {one.cause for one in differences}


def window(region: str, number: int, orders: int, turnover: str, *, offset: timedelta = timedelta()) -> Row:
    """A window of ten minutes, the `number`th from noon."""
    start = NOON + number * TEN + offset
    return {
        "region": region,
        "window_start": start,
        "window_end": start + TEN,
        "orders": orders,
        "turnover": Decimal(turnover),
        "largest": Decimal(20 + number),
    }


WINDOWS = [
    window(region, number, 3 + (number * 7 + len(region)) % 5, f"{100 + number * 13}.{10 + number}")
    for region in ("north", "south", "east")
    for number in range(6)
]
WINDOW_KEY = ("region", "window_start", "window_end")


def test_neighbouring_windows_that_share_out_the_same_total_have_another_boundary(kernel: Kernel) -> None:
    left = [window("north", 0, 5, "50.00"), window("north", 1, 4, "40.00"), window("north", 4, 4, "40.00")]
    right = [window("north", 0, 6, "62.50"), window("north", 1, 3, "27.50"), window("north", 4, 4, "40.00")]

    differences = found(kernel, left, right, *WINDOW_KEY)

    assert [one.cause for one in differences] == [Cause.WINDOW_BOUNDARY] * 4
    assert differences[0].evidence == (
        "2 neighbouring windows (2026-03-29 12:00:00 to 2026-03-29 12:20:00) share out the same total of orders, "
        "turnover: orders is 5 + 4 on the left, 6 + 3 on the right, 9 in all"
    )


def test_neighbours_whose_sums_do_not_add_up_have_no_other_boundary(kernel: Kernel) -> None:
    left = [window("north", 0, 5, "50.00"), window("north", 1, 4, "40.00")]
    right = [window("north", 0, 6, "62.50"), window("north", 1, 3, "30.00")]

    assert Cause.WINDOW_BOUNDARY not in causes(found(kernel, left, right, *WINDOW_KEY))


def test_windows_that_are_far_apart_are_no_neighbours(kernel: Kernel) -> None:
    left = [window("north", 0, 5, "50.00"), window("north", 4, 4, "40.00")]
    right = [window("north", 0, 6, "62.50"), window("north", 4, 3, "27.50")]

    assert Cause.WINDOW_BOUNDARY not in causes(found(kernel, left, right, *WINDOW_KEY))


def test_a_session_that_is_two_on_the_other_side(kernel: Kernel) -> None:
    def session(begin: int, end: int, clicks: int) -> Row:
        start, stop = NOON + timedelta(minutes=begin), NOON + timedelta(minutes=end)
        return {"visitor": "ann", "window_start": start, "window_end": stop, "clicks": clicks, "bytes": clicks * 100}

    left = [session(0, 20, 7), session(50, 60, 2)]
    right = [session(0, 9, 3), session(13, 20, 4), session(50, 60, 2)]

    assert causes(found(kernel, left, right, "visitor", "window_start", "window_end")) == {Cause.WINDOW_BOUNDARY}


@pytest.mark.parametrize(
    ("offset", "cause", "evidence"),
    [
        (timedelta(hours=1), Cause.TIME_ZONE, "1 h later"),
        (timedelta(minutes=-330), Cause.TIME_ZONE, "5.5 h earlier"),
        (timedelta(milliseconds=-1), Cause.WINDOW_BOUNDARY, "0.001 s earlier"),
        (timedelta(minutes=10), Cause.WINDOW_BOUNDARY, "10 min later"),
    ],
)
def test_windows_that_stand_at_another_time(kernel: Kernel, offset: timedelta, cause: Cause, evidence: str) -> None:
    right = [row | {name: row[name] + offset for name in WINDOW_KEY[1:]} for row in WINDOWS]

    differences = found(kernel, WINDOWS, right, *WINDOW_KEY)

    assert causes(differences) == {cause}
    assert evidence in differences[0].evidence


def test_contributions_that_one_side_lacks_were_late_there(kernel: Kernel) -> None:
    right = [dict(row) for row in WINDOWS]
    for place in (2, 6, 9, 14):
        right[place] |= {"orders": right[place]["orders"] - 1, "turnover": right[place]["turnover"] - Decimal("9.50")}
    right[6] |= {"largest": right[6]["largest"] - 3}

    differences = found(kernel, WINDOWS, right, *WINDOW_KEY)

    assert len(differences) == 9
    assert causes(differences) == {Cause.LATE_ON_ONE_SIDE}
    assert "the right lacks 1 of " in differences[0].evidence
    assert "4 of 18 windows lack some on the right, and no neighbouring window has them" in differences[0].evidence
    assert "largest moved in 1, as contributions do that came but once" in differences[0].evidence


def test_few_contributions_of_which_no_extreme_tells_may_have_come_twice_on_the_other_side(kernel: Kernel) -> None:
    right = [dict(row) for row in WINDOWS]
    for place in (2, 9):
        right[place] |= {"orders": right[place]["orders"] - 1, "turnover": right[place]["turnover"] - Decimal("9.50")}

    differences = found(kernel, WINDOWS, right, *WINDOW_KEY)

    assert causes(differences) == {Cause.UNKNOWN}
    assert "late on the right, or twice on the left" in differences[0].evidence


def test_many_contributions_that_move_no_extreme_came_twice(kernel: Kernel) -> None:
    right = [row | {"orders": row["orders"] + 1, "turnover": row["turnover"] + 5 + i} for i, row in enumerate(WINDOWS)]

    differences = found(kernel, WINDOWS, right, *WINDOW_KEY)

    assert causes(differences) == {Cause.DUPLICATE_DELIVERY}
    assert "in 18 rows with more on the right largest never moved" in differences[0].evidence


def test_a_session_that_was_closed_when_its_last_rows_came(kernel: Kernel) -> None:
    def session(begin: int, end: int, clicks: int) -> Row:
        start, stop = NOON + timedelta(minutes=begin), NOON + timedelta(minutes=end)
        return {"visitor": "ann", "window_start": start, "window_end": stop, "clicks": clicks, "bytes": clicks * 100}

    left = [session(0, 20, 7), session(50, 60, 2)]
    right = [session(0, 9, 3), session(9, 20, 4), session(50, 60, 2)]

    differences = found(kernel, left, right, "visitor", "window_start")

    assert causes(differences) == {Cause.LATE_ON_ONE_SIDE}
    assert "is 2 on the right, which touch at 2026-03-29 12:09:00" in differences[0].evidence


def test_a_count_that_differs_alone_is_not_late(kernel: Kernel) -> None:
    right = [row | {"orders": row["orders"] + 1} for row in WINDOWS]

    assert causes(found(kernel, WINDOWS, right, *WINDOW_KEY)) == {Cause.UNKNOWN}


def test_rows_that_lack_now_here_now_there_have_no_cause(kernel: Kernel) -> None:
    right = [
        row | {"orders": row["orders"] + (1 if i % 2 else -1), "turnover": row["turnover"] + i}
        for i, row in enumerate(WINDOWS)
    ]

    assert Cause.LATE_ON_ONE_SIDE not in causes(found(kernel, WINDOWS, right, *WINDOW_KEY))


def test_counts_and_sums_that_are_doubled_were_delivered_twice(kernel: Kernel) -> None:
    left = [{"account": f"a{i}", "payments": 2 + i, "balance": Decimal("12.50") * (i + 1)} for i in range(5)]
    right = [row | ({"payments": row["payments"] * 2, "balance": row["balance"] * 2} if i < 2 else {})
             for i, row in enumerate(left)]  # fmt: skip

    differences = found(kernel, left, right, "account")

    assert causes(differences) == {Cause.DUPLICATE_DELIVERY}
    assert "the right has all of it twice: the left lacks 2 of 4 in payments" in differences[0].evidence


def test_rows_before_the_beginning_of_the_other_side_are_of_its_warm_up(kernel: Kernel) -> None:
    right = [row for row in WINDOWS if row["window_start"] >= NOON + TEN]
    right = [
        row | {"orders": row["orders"] - 1, "turnover": row["turnover"] - 9} if row["window_start"] == NOON + TEN else row
        for row in right
    ]  # fmt: skip

    differences = found(kernel, WINDOWS, right, *WINDOW_KEY, time="window_start")

    assert causes(differences) == {Cause.WARM_UP}
    assert "the right begins at 2026-03-29 12:10:00" in differences[0].evidence


def account(number: int, first: int, payments: int) -> Row:
    return {
        "account": number,
        "payments": payments,
        "balance": Decimal(payments * payments + number),
        "first_at": NOON + timedelta(minutes=first),
    }


def test_state_that_began_anew_has_expired_where_its_side_has_earlier_rows(kernel: Kernel) -> None:
    left = [account(1, 0, 9), account(2, 5, 8), account(3, 7, 4)]
    right = [account(1, 0, 9), account(2, 40, 2), account(3, 0, 3)]

    expired = found(kernel, left, right, "account")

    assert {one.cause for one in expired if one.key["account"] == 2} == {Cause.TTL_EXPIRY}


def test_state_that_began_anew_everywhere_was_not_warm(kernel: Kernel) -> None:
    left = [account(i, i, 9 + i) for i in range(4)]
    right = [account(i, 30 + i, 4) for i in range(4)]

    assert causes(found(kernel, left, right, "account")) == {Cause.WARM_UP}


def test_rows_that_only_an_outer_join_has(kernel: Kernel) -> None:
    left: list[Row] = [
        {"order_id": i, "amount": i * 5, "carrier": None if i % 3 == 0 else "dhl", "cost": None if i % 3 == 0 else i}
        for i in range(12)
    ]
    right = [row for row in left if row["carrier"] is not None]

    differences = found(kernel, left, right, "order_id")

    assert causes(differences) == {Cause.JOIN_KIND}
    assert "only the left has rows with NULL in all of carrier, cost" in differences[0].evidence
    assert causes(found(kernel, right, left, "order_id")) == {Cause.JOIN_KIND}


def test_rows_of_which_some_have_nulls_are_no_padding(kernel: Kernel) -> None:
    left: list[Row] = [{"id": i, "a": None if i % 2 else 1, "b": None if i % 2 else 2, "c": i} for i in range(12)]

    assert causes(found(kernel, left, left[6:], "id")) == {Cause.UNKNOWN}


def bid(place: int, number: int, price: int) -> Row:
    return {"auction": 1, "place": place, "bid_id": number, "bidder": f"b{number}", "price": Decimal(price)}


def test_places_exchanged_at_the_same_price_are_a_tie(kernel: Kernel) -> None:
    left = [bid(1, 7, 90), bid(2, 8, 50), bid(3, 9, 50)]
    right = [bid(1, 7, 90), bid(2, 9, 50), bid(3, 8, 50)]

    differences = found(kernel, left, right, "auction", "place")

    assert causes(differences) == {Cause.TOP_N_TIE}
    assert "changed places with that of auction=1, place=3 with the same price=50" in differences[0].evidence


def test_places_exchanged_at_other_prices_are_another_order(kernel: Kernel) -> None:
    left = [bid(1, 7, 90), bid(2, 8, 50), bid(3, 9, 40)]
    right = [bid(1, 9, 40), bid(2, 8, 50), bid(3, 7, 90)]

    assert causes(found(kernel, left, right, "auction", "place")) == {Cause.UNKNOWN}


@pytest.mark.parametrize(
    ("column", "change", "cause"),
    [
        ("name", lambda text: text[:4], Cause.TRUNCATED_TEXT),
        ("ts", lambda time: time + timedelta(hours=2), Cause.TIME_ZONE),
        ("ts", lambda time: time.replace(microsecond=0), Cause.TIME_PRECISION),
        ("amount", lambda amount: round(amount, 1), Cause.DECIMAL_ROUNDING),
        ("name", lambda _: None, Cause.NULL_OR_ABSENT),
    ],
)
@pytest.mark.parametrize("key", [("id", "name", "ts", "amount"), ()])
def test_rows_that_agree_in_all_but_one_column_belong_together(
    kernel: Kernel, column: str, change: Any, cause: Cause, key: tuple[str, ...]
) -> None:
    left = [
        {
            "id": i,
            "name": f"name number {i}",
            "ts": NOON + timedelta(seconds=i, microseconds=77 * i + 1),
            "amount": Decimal(f"{i}.{17 + 2 * i}"),
            "note": f"n{i}",
        }
        for i in range(8)
    ]
    right = [row | {column: change(row[column])} if row["id"] % 2 else row for row in left]

    differences = found(kernel, left, right, *key)

    assert len(differences) == 8
    assert causes(differences) == {cause}


def test_columns_swapped_in_a_bag(kernel: Kernel) -> None:
    left = [{"id": i, "buyer": f"b{i}", "seller": f"s{i}", "n": i % 2} for i in range(6)]
    right = [row | {"buyer": row["seller"], "seller": row["buyer"]} for row in left]

    assert causes(found(kernel, left, right)) == {Cause.SWAPPED_COLUMNS}


@pytest.mark.parametrize(
    ("left", "right", "cause", "evidence"),
    [
        ("1", "1.0", Cause.TYPE_CHANGE, "the same number"),
        ("true", "1", Cause.TYPE_CHANGE, "the same truth value"),
        ("2026-01-01 10:00:00", "2026-01-01T10:00:00Z", Cause.TYPE_CHANGE, "the same time"),
        ('{"a": 1, "b": 2}', '{"b":2,"a":1.0}', Cause.TYPE_CHANGE, "the same JSON value"),
        ("Anna", "ANNA", Cause.UNKNOWN, "but for upper and lower case"),
        ("a b", "a  b", Cause.UNKNOWN, "but for spaces"),
        ("1", "2", Cause.UNKNOWN, ""),
        (0.1, 0.10000000149011612, Cause.TYPE_CHANGE, "FLOAT instead of DOUBLE"),
        (12.3456789, 12.35, Cause.DECIMAL_ROUNDING, "the right is rounded (half up) to 2 digits"),
        (12.25, 12.75, Cause.UNKNOWN, ""),
    ],
)
def test_one_value_in_two_forms(kernel: Kernel, left: Any, right: Any, cause: Cause, evidence: str) -> None:
    (one,) = found(kernel, [{"id": 1, "c": left}], [{"id": 1, "c": right}], "id")

    assert one.cause is cause
    assert evidence in one.evidence


def test_cents_against_euros(kernel: Kernel) -> None:
    left = [{"id": i, "amount": Decimal(f"{10 + i}.25")} for i in range(4)]
    right = [row | {"amount": row["amount"] * 100} for row in left]

    differences = found(kernel, left, right, "id")

    assert causes(differences) == {Cause.DECIMAL_ROUNDING}
    assert "the right is the left times 10^2 in 4 of 4" in differences[0].evidence


def test_rows_of_a_bag_that_came_twice(kernel: Kernel) -> None:
    left = [{"id": i, "ratio": i / 7} for i in range(6)]

    differences = found(kernel, left, [*left, left[2], left[2], left[4]])

    assert causes(differences) == {Cause.DUPLICATE_DELIVERY}
    assert differences[0].evidence == "the left has the same row: it stands 3 times on the right, 1 on the left"


def test_rows_of_a_bag_that_the_other_side_has_not_came_not_twice(kernel: Kernel) -> None:
    left = [{"id": i, "ratio": i / 7} for i in range(6)]

    assert causes(found(kernel, left, left[:-1])) == {Cause.UNKNOWN}


def purchase(number: int, quantity: int) -> Row:
    return {
        "id": number,
        "article": f"a{number % 5}",
        "quantity": quantity,
        "total": Decimal(quantity * (3 + number % 4)),
        "weight": 1.5 + number,
        "at": NOON + timedelta(seconds=7 * number, milliseconds=number),
    }


@pytest.mark.parametrize("wrong", [lambda n: n * 2, lambda n: n + 1, lambda n: n - 1])
@pytest.mark.parametrize(
    "columns", [("id", "article", "quantity", "total", "weight", "at"), ("id", "quantity", "total")]
)
def test_wrong_quantities_of_single_events_are_neither_copies_nor_lost_contributions(
    kernel: Kernel, wrong: Any, columns: tuple[str, ...]
) -> None:
    left = [purchase(i, 2 + i % 3) for i in range(60)]
    right = [purchase(i, wrong(2 + i % 3)) for i in range(60)]

    differences = found(
        kernel, [{n: row[n] for n in columns} for row in left], [{n: row[n] for n in columns} for row in right], "id"
    )

    expected = {Cause.DUPLICATE_DELIVERY} if wrong(3) == 6 and len(columns) == 3 else {Cause.UNKNOWN}
    assert causes(differences) == expected


def joined(number: int, minutes: float) -> Row:
    ordered = NOON + timedelta(seconds=17 * number)
    return {"id": number, "amount": number * 3, "ordered_at": ordered, "paid_at": ordered + timedelta(minutes=minutes)}


def test_rows_beyond_the_bound_of_an_interval(kernel: Kernel) -> None:
    left = [joined(i, i * 20 / 80) for i in range(80)]
    right = [row for row in left if row["paid_at"] - row["ordered_at"] < timedelta(minutes=15)]

    differences = found(kernel, left, right, "id", time="ordered_at")

    assert causes(differences) == {Cause.WINDOW_BOUNDARY}
    assert '"paid_at" is 0:15:00 after "ordered_at"; on the right it is at most 0:14:45' in differences[0].evidence


def test_rows_within_the_bounds_are_just_missing(kernel: Kernel) -> None:
    left = [joined(i, (i * 7 % 80) / 4) for i in range(80)]

    assert causes(found(kernel, left, [row for row in left if row["id"] % 9 != 4], "id")) == {Cause.UNKNOWN}


def test_rows_whose_partner_is_not_there_are_only_said_to_be_so(kernel: Kernel) -> None:
    left = [{"id": i, "carrier": "dhl", "cost": i, "amount": i * 2} for i in range(10)]
    right = [row | ({"carrier": None, "cost": None} if row["id"] < 4 else {}) for row in left]

    differences = found(kernel, left, right, "id")

    assert causes(differences) == {Cause.UNKNOWN}
    assert "4 rows of the right have NULL in carrier, cost together" in differences[0].evidence


def test_windows_of_another_length(kernel: Kernel) -> None:
    halves = [
        row | {"window_start": start, "window_end": start + TEN / 2, "orders": row["orders"] - part}
        for row in WINDOWS
        for part, start in ((1, row["window_start"]), (2, row["window_start"] + TEN / 2))
    ]

    differences = found(kernel, WINDOWS, halves, "region", "window_start")

    assert causes(differences) == {Cause.WINDOW_BOUNDARY}
    assert differences[0].evidence == "18 windows of the left are 0:10:00 long, 36 of the right 0:05:00"


def test_contributions_chosen_by_their_value_are_not_late(kernel: Kernel) -> None:
    right = [row | {"orders": row["orders"] - 1, "turnover": row["turnover"] - 1} for row in WINDOWS]

    differences = found(kernel, WINDOWS, right, *WINDOW_KEY)

    assert causes(differences) == {Cause.UNKNOWN}
    assert "those that lack add less to turnover than the mean in 18 of 18 rows" in differences[0].evidence


def test_contributions_that_most_windows_lack_are_not_late(kernel: Kernel) -> None:
    right = [
        row
        | {"orders": row["orders"] - 1, "turnover": row["turnover"] - (1 if i % 2 else 60)}
        | ({"largest": row["largest"] - 3} if i % 6 == 0 else {})
        for i, row in enumerate(WINDOWS)
    ]

    differences = found(kernel, WINDOWS, right, *WINDOW_KEY)

    assert causes(differences) == {Cause.UNKNOWN}
    assert "18 of 18 windows lack some on the right" in differences[0].evidence


def test_texts_of_the_key_in_another_case_stay_unexplained_beside_sums_in_another_order(kernel: Kernel) -> None:
    left = [{"region": f"north {i}", "orders": i, "mean": i / 3} for i in range(6)]
    right = [row | {"region": row["region"].upper(), "mean": row["mean"] * (1 + 4e-16)} for row in left]

    differences = found(kernel, left, right, "region")

    assert causes(differences) == {Cause.UNKNOWN}
    assert "the texts are the same but for upper and lower case" in differences[0].evidence


@pytest.mark.parametrize(
    ("change", "evidence"),
    [(lambda n: -n, "opposite signs in all 5"), (lambda n: n + 7, "the right is +7 off in all 5")],
)
def test_changes_of_all_numbers_alike_are_only_said(kernel: Kernel, change: Any, evidence: str) -> None:
    left = [{"id": i, "n": 3 + i} for i in range(5)]

    differences = found(kernel, left, [row | {"n": change(row["n"])} for row in left], "id")

    assert causes(differences) == {Cause.UNKNOWN}
    assert evidence in differences[0].evidence


def test_neighbours_whose_rounding_adds_up_to_nothing_are_rounded(kernel: Kernel) -> None:
    """10.01 + 10.09 is 10.0 + 10.1."""
    right = [window("north", number, 5, f"10.0{(1, 9)[number % 2]}") for number in range(8)]
    left = [window("north", number, 5, ("10.00", "10.10")[number % 2]) for number in range(8)]

    differences = found(kernel, left, right, *WINDOW_KEY)

    assert len(differences) == 8
    assert causes(differences) == {Cause.DECIMAL_ROUNDING}

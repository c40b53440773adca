"""Segments: rows of which a person knows where they differ."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from velo_engine import types as sql
from velo_engine.kernel import Kernel
from velo_shadow.alignment import Relation
from velo_shadow.diff import diff
from velo_shadow.model import ColumnEquality, ComparisonPlan, PlanColumn, Segment
from velo_shadow.segments import segments

EXACT = ColumnEquality()
START = datetime(2026, 3, 29, 10)
PLAN = ComparisonPlan(
    columns=(
        PlanColumn("region", sql.STRING, EXACT),
        PlanColumn("total", sql.BIGINT, EXACT),
        PlanColumn("ts", sql.timestamp(3), EXACT),
    ),
    key=(PlanColumn("k", sql.BIGINT, EXACT),),
    time_column="ts",
)
NAMES = ("k", "region", "total", "ts")
RELATIONS = Relation("velo_left", NAMES), Relation("velo_right", NAMES)


def rows() -> list[dict[str, Any]]:
    """60 rows, one each five minutes from ten o'clock, regions by turns."""
    return [
        {"k": i, "region": "NSEW"[i % 4], "total": i * 10, "ts": START + timedelta(minutes=5 * i)} for i in range(60)
    ]


def found(left: list[dict[str, Any]], right: list[dict[str, Any]]) -> tuple[Segment, ...]:
    tables = {"velo_left": pa.Table.from_pylist(left), "velo_right": pa.Table.from_pylist(right)}
    with Kernel() as kernel:
        differences = diff(kernel, PLAN, *RELATIONS, tables=tables).differences
        return segments(kernel, PLAN, RELATIONS, differences, tables)


def test_the_value_of_a_column_that_holds_all_differences() -> None:
    right = [row | ({"total": 1} if row["region"] == "E" else {}) for row in rows()]

    assert found(rows(), right) == (Segment("region", "E", 15, 30),)


def test_the_hour_that_holds_all_differences() -> None:
    right = [row for row in rows() if row["ts"].hour != 12]

    assert found(rows(), right) == (Segment("hour of ts", "2026-03-29 12:00:00", 12, 12),)


def test_differences_everywhere_are_in_no_segment() -> None:
    right = [row | {"total": row["total"] + 1} for row in rows()]

    assert found(rows(), right) == ()


def test_few_differences_make_no_segment() -> None:
    right = [row | ({"total": 1} if row["k"] in (2, 6) else {}) for row in rows()]

    assert found(rows(), right) == ()


def test_the_range_that_holds_all_differences() -> None:
    right = [row | ({"total": -1} if 17 <= row["k"] <= 26 else {}) for row in rows()]

    segments = {segment.dimension: segment for segment in found(rows(), right)}

    assert segments["range of k"] == Segment("range of k", "17 to 26", 10, 20)
    assert segments["range of total"].value == "170 to 260"
    assert segments["range of ts"].value == "2026-03-29 11:25:00 to 2026-03-29 12:10:00"
    assert "region" not in segments


def test_a_few_rows_that_share_a_frequent_value_by_accident_make_no_segment() -> None:
    right = [row | ({"total": 1} if row["k"] in (1, 29, 57) else {}) for row in rows()]

    assert found(rows(), right) == ()


def test_rows_spread_over_most_of_a_range_make_no_segment() -> None:
    right = [row | ({"total": 1} if row["k"] in (5, 18, 30, 44, 55) else {}) for row in rows()]

    assert found(rows(), right) == ()


def test_the_first_rows_of_many_that_differ_do_not_say_where_all_are() -> None:
    many = [
        row | {"k": 100 * i + row["k"], "ts": row["ts"] + timedelta(hours=5 * i)} for i in range(4) for row in rows()
    ]
    right = [row | {"total": row["total"] + 1} for row in many]
    tables = {"velo_left": pa.Table.from_pylist(many), "velo_right": pa.Table.from_pylist(right)}
    with Kernel() as kernel:
        seen = diff(kernel, PLAN, *RELATIONS, tables=tables, limit=12)
        assert [one.key["k"] for one in seen.differences] == [*range(12)]  # all of ten o'clock
        assert len({one.key["k"] for one in seen.spread}) == 12
        assert segments(kernel, PLAN, RELATIONS, seen.differences, tables) != ()
        assert segments(kernel, PLAN, RELATIONS, seen.spread, tables) == ()

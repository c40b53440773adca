"""Rows and differences by event time: against what is counted by hand."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from velo_shadow.model import Side, TimeBin
from velo_shadow.offline import compare_files, read_side
from velo_shadow.planning import plan_for

MIDNIGHT = datetime(2026, 1, 1)
Row = tuple[int, object, int]


def bins(folder: Path, left: list[Row], right: list[Row], kind: pa.DataType | None = None) -> tuple[TimeBin, ...]:
    """What two files of rows (id, ts, value) are found to be, compared by id."""
    for name, rows in (("left", left), ("right", right)):
        columns = {"id": pa.int64(), "ts": kind or pa.timestamp("ms"), "value": pa.int64()}
        made = [dict(zip(columns, row, strict=True)) for row in rows]
        parquet.write_table(pa.Table.from_pylist(made, pa.schema(columns)), folder / f"{name}.parquet")
    sides = [read_side(folder / f"{side}.parquet", side) for side in Side]
    return compare_files(*sides, plan_for(*sides, key=["id"], time_column="ts")).over_time


def at(minutes: float) -> datetime:
    return MIDNIGHT + timedelta(minutes=minutes)


def test_hours_of_two_days_hold_their_rows_and_what_differs(tmp_path: Path) -> None:
    left: list[Row] = [(i, at(10 * i), 0) for i in range(12 * 24)]  # six an hour, two days
    right = [row for row in left if row[0] != 7]  # one of the second hour is missing
    right[30] = (31, right[30][1], 99)  # ten past five
    right.append((1000, at(5 * 60 + 30), 0))
    right.append((1001, at(5 * 60 + 31), 0))

    found = bins(tmp_path, left, right)

    assert len(found) == 48
    assert {one.seconds for one in found} == {3600}
    assert [one.begins for one in found] == [at(60 * hour) for hour in range(48)]
    assert [(one.rows, one.different) for one in found][:7] == [
        (6, 0), (6, 1), (6, 0), (6, 0), (6, 0), (8, 3), (6, 0),
    ]  # fmt: skip


def test_stretches_without_rows_are_left_out_and_times_before_1970_are_in_theirs(tmp_path: Path) -> None:
    rows: list[Row] = [(1, datetime(1969, 12, 31, 23, 59, 59), 0), (2, datetime(1970, 1, 1, 0, 0, 30), 0), (3, None, 0)]

    found = bins(tmp_path, rows, rows)

    assert found == (
        TimeBin(datetime(1969, 12, 31, 23, 59, 59), 1, 1, 0),
        TimeBin(datetime(1970, 1, 1, 0, 0, 30), 1, 1, 0),
    )


def test_days_and_times_with_a_zone(tmp_path: Path) -> None:
    days: list[Row] = [(i, date(2026, 1, 1 + i), 0) for i in range(30)]
    found = bins(tmp_path, days, [(0, date(2026, 1, 1), 5), *days[1:]], pa.date32())
    assert (len(found), found[0], found[29].begins) == (30, TimeBin(MIDNIGHT, 86_400, 1, 1), datetime(2026, 1, 30))

    zoned: list[Row] = [(i, at(0.5 * i), 0) for i in range(4)]
    found = bins(tmp_path, zoned, zoned, pa.timestamp("us", "Europe/Berlin"))
    assert [(one.begins, one.rows) for one in found] == [
        (datetime(2026, 1, 1) + timedelta(seconds=30 * i), 1) for i in range(4)
    ]


@pytest.mark.parametrize("days", [1, 40, 4000])
def test_there_are_never_many_bins(tmp_path: Path, days: int) -> None:
    rows: list[Row] = [(i, MIDNIGHT + timedelta(days=days) * i / 500, 0) for i in range(501)]

    found = bins(tmp_path, rows, rows)

    assert 10 <= len(found) <= 61
    assert sum(one.rows for one in found) == 501

"""INSERT turns points in time into one another, in the zone of the job, as Flink's implicit casts do."""

from __future__ import annotations

from datetime import date, datetime, time

import pytest

from velo_engine import Engine, VeloError

PROGRAM = """
SET 'time_zone' = 'Europe/Berlin';
CREATE TABLE o (at TIMESTAMP_LTZ(3), day DATE, hour TIME(0), wall TIMESTAMP(3), inside ROW<x TIMESTAMP_LTZ(3)>);
INSERT INTO o SELECT t, t, t, TO_TIMESTAMP_LTZ(0, 3), ROW(t) FROM (VALUES (TIMESTAMP '2026-07-01 12:00:00.5')) AS v (t);
"""


def test_times_are_written_into_columns_of_other_types_of_time() -> None:
    engine = Engine()

    (row,) = engine.run(engine.plan(PROGRAM)).statements["o"].rows.to_pylist()

    instant = datetime(2026, 7, 1, 10, 0, 0, 500_000)
    assert (row["c0"], row["c1"], row["c2"]) == (instant, date(2026, 7, 1), time(12))
    assert row["c3"] == datetime(1970, 1, 1, 1)
    assert row["c4"] == {"x": instant}


@pytest.mark.parametrize("wrong", ["DATE '2026-07-01'", "TIME '12:00:00'"])
def test_parts_of_a_point_in_time_are_none(wrong: str) -> None:
    with pytest.raises(VeloError, match="the query gives"):
        Engine().plan(f"CREATE TABLE o (at INT); INSERT INTO o SELECT {wrong};")

"""The status line's fields, and how changes are shown."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from velo_cli.shown_changes import shown_value
from velo_cli.status_line import Sample, status_fields, wrapped
from velo_engine import types
from velo_engine.runtime.measurements import Distribution
from velo_engine.runtime.statistics import (
    CheckpointStatistics,
    ConnectionStatistics,
    JobStatistics,
    SourceStatistics,
    StatementStatistics,
)

NOTHING = Distribution((), (0,), 0.0)


def job(records: int, written: int, delivering: float, circuit: str = "closed") -> JobStatistics:
    return JobStatistics(
        records=records,
        sources={"orders": SourceStatistics(records, 1500)},
        statements={
            "inner": StatementStatistics(records, 99, 0, 0, None, 40),
            "sums": StatementStatistics(99, 99, written, 2, 1_700_000_000_000, 2),
        },
        dead_letters=3,
        checkpoints=CheckpointStatistics(2, 0.012, 0.02, 1_234_567, 5_000),
        connections={"orders": ConnectionStatistics(circuit, 1_700_000_000_000, "refused")},
        batches=NOTHING,
        latency=NOTHING,
        seconds={"delivering": delivering},
        silent_s=0.1,
    )


def test_it_says_rates_and_where_the_job_stands() -> None:
    before, now = Sample(100.0, job(1000, 10, 0.0)), Sample(102.0, job(5000, 30, 0.1))
    assert status_fields(now, before, 39.0, {"sums"}, 1_700_000_001.5) == [
        "0:01:03",
        "in 2,000/s (5,000)",
        "out 10/s (30)",
        "lag 1,500",
        "watermark 22:13:20 (1.5 s behind)",
        "state 42 rows",
        "late 2",
        "dead letters 3",
        "checkpoints 2 (12 ms, 1 MB)",
    ]


def test_a_broker_that_is_away_comes_first_and_waiting_for_sinks_is_said() -> None:
    before, now = Sample(0.0, job(0, 0, 0.0)), Sample(2.0, job(0, 0, 1.0, "open"))
    fields = status_fields(now, before, 0.0, {"sums"}, 1_700_000_061.0)
    assert fields[1] == "NO BROKER for orders since 0:01:01: refused"
    assert fields[-1] == "waiting for sinks 50%"


def test_lines_break_between_fields() -> None:
    assert wrapped(["0:00:01", "in 5/s (10)", "lag 3"], 20) == ["0:00:01  in 5/s (10)", "lag 3"]
    assert wrapped(["longer than it may be"], 5) == ["longer than it may be"]


@pytest.mark.parametrize(
    ("value", "type_", "text"),
    [
        (None, types.INT, "null"),
        ("a\x1b[31m", types.STRING, r"a\x1b[31m"),
        (True, types.BOOLEAN, "true"),
        (Decimal("1E+2"), types.decimal(10, 0), "100"),
        (datetime(2024, 5, 1, 12, 30), types.timestamp(3), "2024-05-01T12:30:00"),
        (datetime(2024, 5, 1, 12, 30), types.timestamp_ltz(3), "2024-05-01T12:30:00Z"),
        ([1, None], types.array(types.INT), "[1, null]"),
        ([("a", 1)], types.map_of(types.STRING, types.INT), "{a=1}"),
        ({"a": 1, "b": "x"}, types.row(("a", types.INT), ("b", types.STRING)), "+I[1, x]"),
        (b"\x01\xff", types.BYTES, "[1, 255]"),
    ],
)
def test_values_are_shown_as_flink_prints_them(value, type_, text) -> None:
    assert shown_value(value, type_) == text

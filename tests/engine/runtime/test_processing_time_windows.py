"""Windows over processing time, driven by the ticks of a timeline. Expected values by hand: a window closes with the step
that brings the clock to its end, its last millisecond passed; the end of input closes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from velo_engine import Engine, JobOptions, TopicInput
from velo_engine.errors import VeloError
from velo_engine.runtime.job import Job
from velo_engine.runtime.timeline import Tick

DDL = (
    "CREATE TABLE t (k STRING, v INT, p AS PROCTIME()) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');"
)
ROWS = [("A", 1), ("B", 2), ("A", 3), ("A", 4), ("B", 5), ("A", 6)]
TICKS = [Tick(1, 4_000), Tick(2, 9_999), Tick(3, 10_000), Tick(4, 12_000), Tick(5, 19_000), Tick(6, 30_000)]
"""Before row 1 (B, 2) it is 4 s, before (A, 3) 9.999 s, before (A, 4) 10 s, and so on; 30 s after the last row."""


def job(query: str, batch_size: int = 1000, ticks: list[Tick] = TICKS, now_ms: int | None = 0) -> Job:
    engine = Engine()
    topic = engine.topics.create("t")
    for order, (k, v) in enumerate(ROWS):
        topic.append(json.dumps({"k": k, "v": v}).encode(), sequence=order)
    options = JobOptions(now_ms=now_ms, timeline=tuple(ticks), batch_size=batch_size)
    return engine.job(engine.plan(DDL + query), inputs={"t": TopicInput(topic)}, options=options)


def result(query: str, batch_size: int = 1000, ticks: list[Tick] = TICKS) -> tuple[list[tuple[Any, ...]], list[int]]:
    """The rows in order, times as seconds after the epoch, and the event of each. Rows are events 0, 2, 4, …"""
    *_, statement = job(query, batch_size, ticks).run().statements.values()
    rows = [tuple(map(shown, row.values())) for row in statement.changelog.to_pylist()]
    return rows, statement.rows.column("seq").to_pylist()


def shown(value: Any) -> Any:
    return value.timestamp() if hasattr(value, "timestamp") and value.tzinfo else _naive(value)


def _naive(value: Any) -> Any:
    return value.minute * 60 + value.second + value.microsecond / 1e6 if hasattr(value, "microsecond") else value


TUMBLE = (
    "SELECT k, window_start, window_end, SUM(v) AS s FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(p), INTERVAL '10' SECOND)) "
    "GROUP BY k, window_start, window_end"
)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 1000])
def test_a_tumbling_window_closes_when_the_clock_reaches_its_end(batch_size: int) -> None:
    rows, events = result(TUMBLE, batch_size)

    # Events: A1, tick 4 s, B2, tick 9.999 s, A3, tick 10 s, A4, tick 12 s, B5, tick 19 s, A6, tick 30 s, end.
    assert rows == [
        ("A", 0, 10, 4, "+I"),
        ("B", 0, 10, 2, "+I"),
        ("A", 10, 20, 10, "+I"),
        ("B", 10, 20, 5, "+I"),
    ]
    assert events == [5, 5, 11, 11]


def test_the_end_of_input_closes_nothing() -> None:
    rows, _ = result(TUMBLE, ticks=[Tick(1, 4_000)])

    assert rows == []


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_a_legacy_window_gives_the_time_at_which_it_closed(batch_size: int) -> None:
    query = (
        "SELECT k, TUMBLE_START(p, INTERVAL '10' SECOND) AS ws, TUMBLE_PROCTIME(p, INTERVAL '10' SECOND) AS wp, "
        "COUNT(*) AS c FROM t GROUP BY k, TUMBLE(p, INTERVAL '10' SECOND)"
    )
    rows, events = result(query, batch_size)

    assert rows == [("A", 0, 10, 2, "+I"), ("B", 0, 10, 1, "+I"), ("A", 10, 30, 2, "+I"), ("B", 10, 30, 1, "+I")]
    assert events == [5, 5, 11, 11]


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_hopping_windows(batch_size: int) -> None:
    query = (
        "SELECT window_start, window_end, SUM(v) AS s FROM TABLE(HOP(TABLE t, DESCRIPTOR(p), INTERVAL '10' SECOND, "
        "INTERVAL '20' SECOND)) GROUP BY window_start, window_end"
    )
    rows, events = result(query, batch_size)

    # [-10, 10) holds 1 + 2 + 3, [0, 20) all, [10, 30) 4 + 5 + 6.
    assert [row[1:] for row in rows] == [(10, 6, "+I"), (20, 21, "+I"), (30, 15, "+I")]
    assert events == [5, 11, 11]


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_cumulating_windows(batch_size: int) -> None:
    query = (
        "SELECT window_start, window_end, SUM(v) AS s FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(p), INTERVAL '5' SECOND, "
        "INTERVAL '20' SECOND)) GROUP BY window_start, window_end"
    )
    rows, events = result(query, batch_size)

    assert rows == [(0, 5, 3, "+I"), (0, 10, 6, "+I"), (0, 15, 15, "+I"), (0, 20, 21, "+I")]
    assert events == [3, 5, 9, 11]


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_sessions_end_a_gap_after_their_last_row(batch_size: int) -> None:
    query = (
        "SELECT k, window_start, window_end, SUM(v) AS s FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(p), "
        "INTERVAL '5' SECOND)) GROUP BY k, window_start, window_end"
    )
    rows, events = result(query, batch_size)

    # A: 0 s; 9.999 s and 10 s; 19 s. B: 4 s; 12 s.
    assert rows == [
        ("A", 0, 5, 1, "+I"),
        ("B", 4, 9, 2, "+I"),
        ("A", 9.999, 15, 7, "+I"),
        ("B", 12, 17, 5, "+I"),
        ("A", 19, 24, 6, "+I"),
    ]
    assert events == [3, 3, 9, 9, 11]


def test_a_window_table_gives_rows_out_at_once() -> None:
    query = "SELECT v, window_start, window_time FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(p), INTERVAL '10' SECOND))"

    rows, events = result(query)

    assert rows == [
        (1, 0, 0, "+I"),
        (2, 0, 4, "+I"),
        (3, 0, 9.999, "+I"),
        (4, 10, 10, "+I"),
        (5, 10, 12, "+I"),
        (6, 10, 19, "+I"),
    ]
    assert events == [0, 2, 4, 6, 8, 10]


def test_windows_over_the_closing_times_of_windows() -> None:
    query = (
        "SELECT TUMBLE_START(wp, INTERVAL '20' SECOND) AS ws, SUM(s) AS s FROM (SELECT "
        "TUMBLE_PROCTIME(p, INTERVAL '10' SECOND) AS wp, SUM(v) AS s FROM t GROUP BY TUMBLE(p, INTERVAL '10' SECOND)) "
        "GROUP BY TUMBLE(wp, INTERVAL '20' SECOND)"
    )

    rows, events = result(query, ticks=[*TICKS, Tick(7, 40_000)])

    # [0, 10) closed at 10 s, [10, 20) at 30 s, which is in [20, 40).
    assert rows == [(0, 6, "+I"), (20, 15, "+I")]
    assert events == [11, 12]


@pytest.mark.parametrize("cut", range(7))
def test_a_restart_from_saved_state_changes_nothing(cut: int) -> None:
    def changes(run: Job) -> list[Any]:
        *_, statement = run.finish().statements.values()
        return statement.changelog.to_pylist()

    whole = job(TUMBLE, 2)
    expected = whole.run()
    first, second = job(TUMBLE, 2), job(TUMBLE, 2)
    spans = list(first.spans())
    for span in spans[:cut]:
        first.step(span)
    second.restore(first.snapshot())
    for span in spans[cut:]:
        second.step(span)

    *_, statement = expected.statements.values()
    assert changes(first) + changes(second) == statement.changelog.to_pylist()


def test_time_does_not_go_back() -> None:
    with pytest.raises(VeloError, match="processing time goes back from 5000 to 4000"):
        job(TUMBLE, ticks=[Tick(1, 5_000), Tick(1, 4_000)])
    with pytest.raises(VeloError, match="comes after"):
        job(TUMBLE, ticks=[Tick(2, 5_000), Tick(1, 6_000)])


def test_now_is_the_time_of_the_event() -> None:
    rows, _ = result("SELECT v, p FROM t", ticks=[Tick(3, 7_000)])

    assert [row[1] for row in rows] == [0, 0, 0, 7, 7, 7]

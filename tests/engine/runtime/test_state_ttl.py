"""State time-to-live by processing time. No Flink can record it (its clock is the machine's): every expectation is
derived from the source named beside it. In all of them state lives as TtlStateFactory has it with OnCreateAndWrite and
NeverReturnExpired: from its last write until the clock reaches that plus the TTL."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pytest

from velo_engine import EmitSemantics, Engine, JobOptions, TableInput, VeloError
from velo_engine.batch import KIND_SYMBOLS
from velo_engine.runtime.timeline import Tick

Change: TypeAlias = tuple[Any, ...]

T = "CREATE TABLE t (k STRING, v INT, pt AS PROCTIME());\n"
TIMED = "CREATE TABLE t (k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts);\n"
UPSERTS = "CREATE TABLE t (k STRING, v INT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'upsert-kafka');\n"
CHANGES = "CREATE TABLE t (k STRING, v INT) WITH ('connector' = 'kafka', 'format' = 'debezium-json');\n"
TTL = "SET 'table.exec.state.ttl' = '10 ms';\n"


def run(
    program: str, rows: list[tuple[int, Change]], columns: str = "k v", *, kinds: str = "", batch_size: int = 1000
) -> list[Change]:
    """The changes of the last statement; each row comes at its processing time in milliseconds."""
    engine = Engine()
    planned = engine.plan(program)
    table = pa.table({name: [row[i] for _, row in rows] for i, name in enumerate(columns.split())})
    row_kinds = np.array([KIND_SYMBOLS.index(kind) for kind in kinds.split()], np.int8) if kinds else None
    ticks = tuple(Tick(i, now) for i, (now, _) in enumerate(rows))
    options = JobOptions(batch_size=batch_size, emit=EmitSemantics.FLINK, now_ms=0, timeline=ticks)
    result = engine.run(planned, inputs={"t": TableInput(table, kinds=row_kinds)}, options=options)
    *_, answer = result.statements.values()
    *named, op = answer.changelog.columns
    return list(zip(op.to_pylist(), *(column.to_pylist() for column in named), strict=True))


def always(program: str, rows: list[tuple[int, Change]], columns: str = "k v", *, kinds: str = "") -> list[Change]:
    """The changes, however the input is cut."""
    whole = run(program, rows, columns, kinds=kinds)
    assert run(program, rows, columns, kinds=kinds, batch_size=1) == whole
    assert run(program, rows, columns, kinds=kinds, batch_size=2) == whole
    return whole


GROUPS = "SELECT k, COUNT(*) AS n, SUM(v) AS s FROM t GROUP BY k"


def test_a_group_is_new_again_when_its_state_has_ended() -> None:
    """GroupAggFunction: accState.value() is null, the row opens the group with +I and takes nothing back."""
    rows = [(0, ("A", 1)), (9, ("A", 2)), (18, ("A", 3)), (28, ("A", 4)), (29, ("B", 5)), (37, ("A", 6))]
    assert always(T + TTL + GROUPS, rows) == [
        ("+I", "A", 1, 1),
        ("-U", "A", 1, 1),
        ("+U", "A", 2, 3),
        ("-U", "A", 2, 3),
        ("+U", "A", 3, 6),
        ("+I", "A", 1, 4),
        ("+I", "B", 1, 5),
        ("-U", "A", 1, 4),
        ("+U", "A", 2, 10),
    ]


def test_with_a_ttl_a_group_gives_out_what_has_not_changed() -> None:
    """GroupAggFunction: "if state ttl is enabled, we have to emit messages to prevent too early state eviction"."""
    rows = [(0, ("A", 1)), (1, ("A", 1))]
    query = "SELECT k, MAX(v) AS m FROM t GROUP BY k"
    assert always(T + query, rows) == [("+I", "A", 1)]
    assert always(T + TTL + query, rows) == [("+I", "A", 1), ("-U", "A", 1), ("+U", "A", 1)]


def test_what_takes_back_from_an_ended_group_is_ignored() -> None:
    """GroupAggFunction: "Don't create a new accumulator for a retraction message"."""
    rows = [(0, ("A", 1)), (5, ("A", 2)), (15, ("A", 1)), (16, ("A", 7)), (17, ("A", 7))]
    assert always(CHANGES + TTL + GROUPS, rows, kinds="+I +I -D +I -D") == [
        ("+I", "A", 1, 1),
        ("-U", "A", 1, 1),
        ("+U", "A", 2, 3),
        ("+I", "A", 1, 7),
        ("-D", "A", 1, 7),
    ]


def test_the_first_row_by_arrival_is_given_again() -> None:
    """ProcTimeDeduplicateKeepFirstRowFunction: later rows do not write, so that they do not prolong its life."""
    query = "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY pt) AS rn FROM t) WHERE rn = 1"
    rows = [(0, ("A", 1)), (9, ("A", 2)), (10, ("A", 3)), (19, ("A", 4)), (20, ("A", 5)), (21, ("B", 6))]
    assert always(T + TTL + query, rows) == [("+I", "A", 1), ("+I", "A", 3), ("+I", "A", 5), ("+I", "B", 6)]


def test_the_last_row_by_arrival_replaces_only_a_living_one() -> None:
    """DeduplicateFunctionHelper.processLastRowOnProcTime: equal rows are updates when there is a TTL."""
    query = "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY pt DESC) AS rn FROM t) WHERE rn = 1"
    rows = [(0, ("A", 1)), (9, ("A", 1)), (18, ("A", 2)), (28, ("A", 3))]
    assert always(T + TTL + query, rows) == [
        ("+I", "A", 1),
        ("-U", "A", 1),
        ("+U", "A", 1),
        ("-U", "A", 1),
        ("+U", "A", 2),
        ("+I", "A", 3),
    ]


def moment(second: int) -> datetime:
    return datetime(2024, 1, 1) + timedelta(seconds=second)


def test_the_last_row_by_event_time_ends_though_older_rows_come() -> None:
    """RowTimeDeduplicateFunction: a row that does not stay does not write."""
    query = "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM t) WHERE rn = 1"
    rows = [(0, ("A", 1, moment(5))), (8, ("A", 2, moment(4))), (10, ("A", 3, moment(3))), (11, ("A", 4, moment(2)))]
    assert always(TIMED + TTL + query, rows, "k v ts") == [("+I", "A", 1), ("+I", "A", 3)]


def test_a_waiting_first_row_has_no_end_but_that_it_was_given_has() -> None:
    """RowTimeDeduplicateKeepFirstRowFunction: "We don't enable TTL on the timer's state"."""
    query = "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS rn FROM t) WHERE rn = 1"
    rows = [
        (0, ("A", 1, moment(5))),
        (50, ("B", 2, moment(6))),  # A goes, 50 ms after it came
        (59, ("A", 3, moment(7))),  # remembered
        (60, ("A", 4, moment(8))),  # forgotten
        (62, ("C", 5, moment(10))),
    ]
    delayed = TIMED.replace("ts AS ts", "ts AS ts - INTERVAL '1' SECOND")
    assert always(delayed + TTL + query, rows, "k v ts") == [
        ("+I", "A", 1),
        ("+I", "B", 2),
        ("+I", "A", 4),
        ("+I", "C", 5),
    ]


def test_upserts_are_normalised_against_living_rows_only() -> None:
    """DeduplicateFunctionHelper.processLastRowOnChangelog: a deletion of what has ended does nothing."""
    rows = [(0, ("A", 1)), (9, ("A", 1)), (19, ("A", 2)), (20, ("B", 3)), (30, ("B", None)), (31, ("A", 4))]
    assert always(UPSERTS + TTL + "SELECT k, v FROM t", rows, kinds="+U +U +U +U -D +U") == [
        ("+I", "A", 1),
        ("-U", "A", 1),
        ("+U", "A", 1),
        ("+I", "A", 2),
        ("+I", "B", 3),
        ("+I", "A", 4),
    ]


def test_a_top_one_lives_from_its_last_change() -> None:
    """FastTop1Function: its cache expires after write, and a row that does not replace it writes nothing."""
    query = "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS rn FROM t) WHERE rn = 1"
    rows = [(0, ("A", 5)), (9, ("A", 1)), (10, ("A", 2)), (15, ("A", 3)), (24, ("A", 1)), (25, ("A", 1))]
    assert always(T + TTL + query, rows) == [
        ("+I", "A", 5),
        ("+I", "A", 2),
        ("-U", "A", 2),
        ("+U", "A", 3),
        ("+I", "A", 1),
    ]


def test_a_top_n_is_loaded_again_after_a_ttl_without_what_has_ended() -> None:
    """AppendOnlyTopNFunction: its cache expires a TTL after it was filled, its state by sort key after the last write."""
    query = (
        "SELECT k, v, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS rn FROM t) WHERE rn <= 2"
    )
    rows = [(0, ("A", 5)), (6, ("A", 4)), (9, ("A", 1)), (12, ("A", 3)), (13, ("A", 9))]
    assert always(T + TTL + query, rows) == [
        ("+I", "A", 5, 1),
        ("+I", "A", 4, 2),
        ("+I", "A", 3, 2),  # 5 has ended at 10, 4 is the first now
        ("-U", "A", 4, 1),
        ("+U", "A", 9, 1),
        ("-U", "A", 3, 2),
        ("+U", "A", 4, 2),
    ]


def test_a_top_n_over_updates_is_forgotten_a_ttl_after_it_began() -> None:
    """UpdatableTopNFunction: what the cache holds is not written to state when it expires (TopNBufferCacheRemovalListener).

    The groups below have a TTL of their own; B's has not passed.
    """
    query = (
        "SELECT k, c, rn FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY c DESC) AS rn FROM "
        "(SELECT k, COUNT(*) AS c FROM t GROUP BY k)) WHERE rn <= 2"
    )
    rows = [(0, ("A", 0)), (5, ("B", 0)), (9, ("B", 0)), (10, ("B", 0))]
    assert always(T + TTL + query, rows) == [
        ("+I", "A", 1, 1),
        ("+I", "B", 1, 2),
        ("-U", "A", 1, 1),
        ("-U", "B", 1, 2),
        ("+U", "B", 2, 1),
        ("+U", "A", 1, 2),
        ("+I", "B", 3, 1),
    ]


def test_windows_know_no_ttl() -> None:
    """WindowAggOperator: window state goes with the watermark (createTtlConfig is not used)."""
    query = (
        "SELECT k, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) "
        "GROUP BY k, window_start, window_end"
    )
    rows = [(0, ("A", 1, moment(5))), (50, ("A", 2, moment(6)))]
    assert always(TIMED + TTL + query, rows, "k v ts") == [("+I", "A", 2)]


def test_state_that_has_ended_is_freed() -> None:
    """As Flink's background clean-up: what is counted as state does not grow with keys that never come again."""
    engine = Engine()
    planned = engine.plan(T + TTL + GROUPS)
    count = 1000
    table = pa.table({"k": [f"k{i}" for i in range(count)], "v": [1] * count})
    ticks = tuple(Tick(i, i) for i in range(count))
    options = JobOptions(batch_size=10, emit=EmitSemantics.FLINK, now_ms=0, timeline=ticks)
    result = engine.run(planned, inputs={"t": TableInput(table)}, options=options)
    *_, answer = result.statements.values()
    assert answer.changelog.num_rows == count
    assert answer.accounting.state_rows <= 40


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("SELECT a.v FROM t AS a JOIN t AS b ON a.k = b.k", "a join of streams"),
        (
            "SELECT k FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY s DESC) AS rn FROM (SELECT k, SUM(v) AS s FROM t GROUP BY k)) "
            "WHERE rn <= 2",
            "a Top-N over rows that change",
        ),
    ],
)
def test_a_ttl_where_state_cannot_end_by_time_is_refused(query: str, what: str) -> None:
    with pytest.raises(VeloError, match=what):
        Engine().plan(T + TTL + query)


def test_a_ttl_that_is_no_duration_is_refused() -> None:
    with pytest.raises(VeloError, match=r"state\.ttl"):
        Engine().plan(T + "SET 'state.ttl' = 'soon';\n" + GROUPS)

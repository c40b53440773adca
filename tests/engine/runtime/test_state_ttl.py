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


JOIN = "SELECT a.k, a.v, b.v AS w FROM t AS a {} JOIN t AS b ON a.k = b.k AND a.v < b.v"


def test_rows_of_a_join_end_one_by_one() -> None:
    """JoinRecordStateViews.InputSideHasNoUniqueKey: each row of the map has the time of its last write."""
    rows = [(0, ("A", 1)), (6, ("A", 2)), (10, ("A", 3)), (16, ("A", 4))]
    assert always(T + TTL + JOIN.format(""), rows) == [("+I", "A", 1, 2), ("+I", "A", 2, 3), ("+I", "A", 3, 4)]


def test_an_equal_row_prolongs_the_life_of_a_row() -> None:
    """InputSideHasNoUniqueKey.addRecord: one more in the count of the same entry, which is put anew."""
    rows = [(0, ("A", 1)), (6, ("A", 1)), (14, ("A", 2)), (15, ("A", 3))]
    assert always(T + TTL + JOIN.format(""), rows) == [
        ("+I", "A", 1, 2),
        ("+I", "A", 1, 2),
        ("+I", "A", 1, 3),
        ("+I", "A", 1, 3),
        ("+I", "A", 2, 3),
    ]


def test_a_match_prolongs_the_life_of_a_row_of_an_outer_side() -> None:
    """OuterJoinRecordStateViews: updateNumOfAssociations puts the entry; the matching rows themselves end."""
    rows = [(0, ("A", 1)), (6, ("A", 2)), (15, ("A", 3)), (25, ("A", 4))]
    assert always(T + TTL + JOIN.format("LEFT"), rows) == [
        ("+I", "A", 1, None),
        ("+I", "A", 2, None),
        ("-D", "A", 1, None),
        ("+I", "A", 1, 2),
        ("+I", "A", 3, None),
        ("+I", "A", 1, 3),  # written at 6
        ("-D", "A", 2, None),
        ("+I", "A", 2, 3),
        ("+I", "A", 4, None),
        # at 25 those written at 15 have ended
    ]


def test_matches_that_have_ended_still_count() -> None:
    """StreamingJoinOperator: an outer row counts a match down only when it is taken back, so that no padding returns."""
    query = (
        "SELECT a.k, a.v, b.v AS w FROM t AS a LEFT JOIN t AS b ON a.k = b.k AND a.v < 10 AND b.v >= 10 WHERE a.v < 10"
    )
    rows = [(0, ("A", 1)), (5, ("A", 10)), (14, ("A", 11)), (23, ("A", 11))]
    assert always(CHANGES + TTL + query, rows, kinds="+I +I +I -D") == [
        ("+I", "A", 1, None),
        ("-D", "A", 1, None),
        ("+I", "A", 1, 10),
        ("+I", "A", 1, 11),
        ("-D", "A", 1, 11),  # 10 has ended, but 2 - 1 matches are counted
    ]


def test_a_key_is_given_by_a_semi_join_again_when_its_match_has_ended() -> None:
    """StreamingSemiAntiJoinOperator: the left row counts one match for ever; a new left row sees living ones only."""
    query = "SELECT k, v FROM t WHERE v < 10 AND {} (SELECT 1 FROM t AS b WHERE b.k = t.k AND b.v >= 10)"
    rows = [(0, ("A", 10)), (9, ("A", 1)), (10, ("A", 2)), (12, ("A", 11))]
    assert always(T + TTL + query.format("EXISTS"), rows) == [("+I", "A", 1), ("+I", "A", 2)]
    assert always(T + TTL + query.format("NOT EXISTS"), rows) == [("+I", "A", 2), ("-D", "A", 2)]


RANKED = "SELECT k, v{} FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v) AS rn FROM t) WHERE rn <= {}"


def test_a_retracting_top_n_goes_by_sort_keys_that_are_counted_though_they_have_ended() -> None:
    """RetractableTopNFunction: dataState ends by sort key, the sorted map with the partition; emitRecordsWithRowNumber
    adds the counts of what stands before, and forgets what has ended behind (processStateStaled)."""
    rows = [(0, ("A", 1)), (1, ("A", 5)), (6, ("A", 3)), (12, ("A", 2)), (13, ("A", 4)), (14, ("A", 3))]
    assert always(CHANGES + TTL + RANKED.format(", rn", 4), rows, kinds="+I +I +I +I +I -D") == [
        ("+I", "A", 1, 1),
        ("+I", "A", 5, 2),
        ("-U", "A", 5, 2),
        ("+U", "A", 3, 2),
        ("+I", "A", 5, 3),
        ("-U", "A", 3, 2),  # 1 has ended at 10 and still counts
        ("+U", "A", 2, 2),
        ("+I", "A", 3, 3),  # 5 has ended at 11 and is forgotten
        ("+I", "A", 4, 4),
        ("-U", "A", 3, 3),
        ("+U", "A", 4, 3),
        ("-D", "A", 4, 4),
    ]


def test_a_retracting_top_n_without_rank_forgets_what_has_ended_behind() -> None:
    """RetractableTopNFunction.emitRecordsWithoutRowNumber and retractRecordWithoutRowNumber."""
    rows = [(0, ("A", 5)), (5, ("A", 3)), (11, ("A", 4)), (12, ("A", 2)), (13, ("A", 3)), (23, ("A", 9))]
    assert always(CHANGES + TTL + RANKED.format("", 2), rows, kinds="+I +I +I +I -D +I") == [
        ("+I", "A", 5),
        ("+I", "A", 3),
        ("+I", "A", 4),  # 5 has ended: nothing falls out
        ("-D", "A", 4),
        ("+I", "A", 2),
        ("-D", "A", 3),
        ("+I", "A", 4),
        ("+I", "A", 9),  # the partition has ended
    ]


def test_a_top_n_that_cannot_tell_which_row_leaves_fails_as_in_flink() -> None:
    """RetractableTopNFunction: inputs.get(index) beyond the rows left, of which more are counted."""
    rows = [(0, ("A", 5)), (6, ("A", 7)), (12, ("A", 5)), (13, ("A", 1))]
    with pytest.raises(VeloError, match="state has ended"):
        run(CHANGES + TTL + RANKED.format("", 2), rows, kinds="+I +I +I +I")


def test_the_first_rows_are_given_again_when_their_count_has_ended() -> None:
    """AppendOnlyFirstNFunction: the count is written with every row up to the limit, and not by those beyond it."""
    rows = [(0, ("A", 1)), (6, ("A", 2)), (12, ("A", 3)), (16, ("A", 4)), (20, ("A", 5)), (21, ("A", 6))]
    assert always(T + TTL + "SELECT k, v FROM t LIMIT 2", rows) == [
        ("+I", "A", 1),
        ("+I", "A", 2),
        ("+I", "A", 4),
        ("+I", "A", 5),
    ]


def test_the_hint_of_a_ttl_is_refused() -> None:
    """Flink's STATE_TTL hint, which holds for the side of a join or the input of an aggregate, changes results."""
    with pytest.raises(VeloError, match="STATE_TTL") as caught:
        Engine().plan(T + "SELECT /*+ State_TTL('a' = '1d') */ a.k FROM t AS a JOIN t AS b ON a.k = b.k")
    assert caught.value.location is not None
    assert (caught.value.location.line, caught.value.location.column) == (2, 12)


def test_a_ttl_that_is_no_duration_is_refused() -> None:
    with pytest.raises(VeloError, match=r"state\.ttl"):
        Engine().plan(T + "SET 'state.ttl' = 'soon';\n" + GROUPS)

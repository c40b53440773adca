"""Whole jobs: the changelog does not depend on batches, nor on a restart from saved state, and every record has one fate."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine import EmitSemantics, Engine, JobOptions, PlannedProgram, TopicInput
from velo_engine.plan.nodes import PlanNode, Scan, inputs
from velo_engine.runtime.checkpoint_file import Checkpoint, JobState, read_checkpoint, write_checkpoint
from velo_engine.runtime.job import Job
from velo_engine.runtime.result import JobResult, StatementResult

Change: TypeAlias = tuple[Any, ...]

DDL = """
CREATE TABLE t (k STRING, v INT, x DECIMAL(10, 2), f DOUBLE, ts TIMESTAMP(3),
                WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
CREATE TABLE r (k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND,
                PRIMARY KEY (k) NOT ENFORCED)
WITH ('connector' = 'kafka', 'topic' = 'r', 'format' = 'json');
CREATE TABLE o (k STRING, n INT, os TIMESTAMP(3), WATERMARK FOR os AS os - INTERVAL '5' SECOND)
WITH ('connector' = 'kafka', 'topic' = 'o', 'format' = 'json');
"""

QUERIES = {
    "keep first": "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS r FROM t) WHERE r = 1",
    "keep last": "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS r FROM t) WHERE r = 1",
    "keep last by arrival": "SELECT k, v FROM (SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY PROCTIME() DESC) "
    "AS r FROM t) WHERE r = 1",
    "updatable top n": "SELECT k, c, r FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY c DESC) AS r FROM "
    "(SELECT k, v, COUNT(*) AS c FROM t GROUP BY k, v)) WHERE r <= 3",
    "updatable top n without rank": "SELECT k, m FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY m) AS r FROM "
    "(SELECT k, v, MIN(x) AS m FROM t GROUP BY k, v)) WHERE r <= 2",
    "range of ranks": "SELECT k, v, r FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY x) AS r FROM t) "
    "WHERE r BETWEEN 2 AND 3",
    "ranks up to a column": "SELECT k, v, r FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY x) AS r FROM t) "
    "WHERE r <= v",
    "projection": "SELECT k, v + 1 AS w, CASE WHEN x > 0 THEN 'up' ELSE 'down' END AS c FROM t WHERE v <> 3",
    "failing rows": "SELECT k, 10 / v AS w FROM t",
    "group by": "SELECT k, COUNT(*) AS c, SUM(x) AS s, AVG(x) AS a, MIN(v) AS mn, MAX(v) AS mx, SUM(f) AS fs, "
    "COUNT(DISTINCT v) AS d FROM t GROUP BY k",
    "kept values": "SELECT k, ARRAY_AGG(v) AS a, LISTAGG(k) AS l, COLLECT(v) AS c, PERCENTILE(x, 0.3) AS p, MEDIAN(f) AS m, "
    "DELTA(v) AS dl, JSON_ARRAYAGG(v NULL ON NULL) AS j, CORR(v, f) AS r, ARRAY_AGG(DISTINCT v) AS ad FROM t GROUP BY k",
    "kept values of changes": "SELECT c, ARRAY_AGG(s) AS a, FIRST_VALUE(s) AS fv, LAST_VALUE(k) AS lv, COLLECT(k) AS cs, "
    "LISTAGG(DISTINCT k) AS l, PERCENTILE_DISC(s, 0.5) AS p, REGR_SLOPE(s, f) AS r FROM "
    "(SELECT k, COUNT(*) AS c, SUM(v) AS s, SUM(f) AS f FROM t GROUP BY k) GROUP BY c",
    "kept values in hop": "SELECT k, window_end, ARRAY_AGG(v) AS a, LISTAGG(k, '+') AS l, COLLECT(v) AS c, PERCENTILE(x, 0.5) AS p, "
    "DELTA(f) AS d FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)) "
    "GROUP BY k, window_start, window_end",
    "global": "SELECT COUNT(*) AS c, SUM(v) AS s FROM t",
    "having": "SELECT k, SUM(v) AS s FROM t GROUP BY k HAVING SUM(v) > 4",
    "group by over group by": "SELECT c, COUNT(*) AS n, SUM(s) AS s FROM "
    "(SELECT k, COUNT(*) AS c, SUM(v) AS s FROM t GROUP BY k) GROUP BY c",
    "tumble": "SELECT k, window_start, COUNT(*) AS c, SUM(f) AS s FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
    "INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end",
    "hop": "SELECT k, window_end, COUNT(*) AS c, MAX(x) AS m FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), "
    "INTERVAL '5' SECOND, INTERVAL '15' SECOND)) GROUP BY k, window_start, window_end",
    "session": "SELECT k, window_start, window_end, COUNT(*) AS c, SUM(x) AS s FROM TABLE(SESSION(TABLE t PARTITION BY k, "
    "DESCRIPTOR(ts), INTERVAL '3' SECOND)) GROUP BY k, window_start, window_end",
    "tumble of last rows": "WITH l AS (SELECT k, v, x, f, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k, v ORDER BY ts DESC) "
    "AS rn FROM t) WHERE rn = 1) SELECT k, window_start, COUNT(*) AS c, SUM(x) AS s, AVG(f) AS a, MIN(v) AS mn, LAST_VALUE(v) AS l, "
    "COUNT(DISTINCT v) AS d FROM TABLE(TUMBLE(TABLE l, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end",
    "hop of last rows": "WITH l AS (SELECT k, v, x, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY v ORDER BY ts DESC) "
    "AS rn FROM t) WHERE rn = 1) SELECT k, window_start, COUNT(*) AS c, SUM(x) AS s "
    "FROM TABLE(HOP(TABLE l, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)) GROUP BY k, window_start, window_end",
    "cumulate of last rows": "WITH l AS (SELECT k, v, x, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY v ORDER BY ts DESC) "
    "AS rn FROM t) WHERE rn = 1) SELECT k, window_end, COUNT(*) AS c, MAX(x) AS m, ARRAY_AGG(v) AS a "
    "FROM TABLE(CUMULATE(TABLE l, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)) GROUP BY k, window_start, window_end",
    "session of last rows": "WITH l AS (SELECT k, v, x, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY v ORDER BY ts DESC) "
    "AS rn FROM t) WHERE rn = 1) SELECT k, window_end, COUNT(*) AS c, SUM(x) AS s, MIN(x) AS m "
    "FROM TABLE(SESSION(TABLE l PARTITION BY k, DESCRIPTOR(ts), INTERVAL '3' SECOND)) GROUP BY k, window_start, window_end",
    "window table": "SELECT k, v, window_start FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND, "
    "INTERVAL '15' SECOND)) WHERE v <> 3",
    "session table": "SELECT k, v, window_end FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), "
    "INTERVAL '3' SECOND))",
    "window by bounds": "SELECT window_start, window_end, COUNT(*) AS c, SUM(x) AS s FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), "
    "INTERVAL '5' SECOND, INTERVAL '15' SECOND)) WHERE EXTRACT(SECOND FROM window_start) > 5 GROUP BY window_start, window_end",
    "window top n": "SELECT k, v, window_start, r FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k "
    "ORDER BY x DESC, v) AS r FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND))) WHERE r <= 2",
    "window deduplicate": "SELECT k, v, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k "
    "ORDER BY ts DESC) AS r FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))) WHERE r = 1",
    "window join": "SELECT a.v, b.n, a.window_start FROM (SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
    "INTERVAL '10' SECOND))) a FULL JOIN (SELECT * FROM TABLE(TUMBLE(TABLE o, DESCRIPTOR(os), INTERVAL '10' SECOND))) b "
    "ON a.k = b.k AND a.window_start = b.window_start AND a.window_end = b.window_end AND a.v < b.n",
    "top n with rank": "SELECT k, v, x, r FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY x DESC) AS r FROM t) "
    "WHERE r <= 2",
    "top n": "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v) AS r FROM t) WHERE r <= 2",
    "top n over group by": "SELECT g, k, s, r FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY g ORDER BY s DESC) AS r FROM "
    "(SELECT v AS g, k, SUM(x) AS s FROM t GROUP BY v, k)) WHERE r <= 2",
    "over rows": "SELECT k, v, COUNT(*) OVER w AS c, SUM(f) OVER w AS s, MIN(x) OVER w AS m, AVG(x) OVER w AS a FROM t "
    "WINDOW w AS (PARTITION BY k ORDER BY ts ROWS 2 PRECEDING)",
    "over range": "SELECT k, v, COUNT(*) OVER w AS c, SUM(f) OVER w AS s, MAX(x) OVER w AS m, COUNT(DISTINCT v) OVER w AS d, "
    "FIRST_VALUE(v) OVER w AS fv FROM t WINDOW w AS (PARTITION BY k ORDER BY ts RANGE INTERVAL '7' SECOND PRECEDING)",
    "over unbounded": "SELECT k, LAG(v, 2) OVER w AS l, SUM(x) OVER w AS s, MIN(f) OVER w AS m, NTILE(3) OVER w AS n FROM t "
    "WINDOW w AS (PARTITION BY k ORDER BY ts)",
    "over values": "SELECT k, v, SUM(x) OVER (PARTITION BY k ORDER BY v) AS s FROM t",
    "over values of group by": "SELECT k, c, SUM(c) OVER (ORDER BY c ROWS UNBOUNDED PRECEDING) AS s FROM "
    "(SELECT k, COUNT(*) AS c FROM t GROUP BY k)",
    "buffer": "SELECT k, AVG(x) OVER (ROWS WINDOW BUFFER 3 ROWS PARTITION BY k EXPIRE AFTER INTERVAL '9' SECOND) AS a, "
    "RANK() OVER (ROWS WINDOW BUFFER 3 ROWS PARTITION BY k ORDER BY v DESC) AS r FROM t",
    "nth value over range": "SELECT k, NTH_VALUE(v, 2) OVER (PARTITION BY k ORDER BY ts RANGE INTERVAL '7' SECOND PRECEDING) AS n "
    "FROM t",
    "left join": "SELECT t.k, t.v, o.n FROM t LEFT JOIN o ON t.k = o.k",
    "left join with condition": "SELECT t.v, o.n FROM t LEFT JOIN o ON t.k = o.k AND t.v < o.n",
    "match": "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES A.v AS a, LAST(B.v) AS b, COUNT(B.v) AS n, "
    "SUM(x) AS s, C.v AS c ONE ROW PER MATCH AFTER MATCH SKIP PAST LAST ROW PATTERN (A B* C) "
    "DEFINE B AS LAST(B.v, 1) IS NULL OR B.v >= LAST(B.v, 1), C AS C.x <> A.x OR SUM(B.v) > 3)",
    "match within": "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts, v MEASURES FIRST(A.v) AS a, AVG(A.x) AS m, "
    "B.ts AS b, MATCH_ROWTIME() AS r ONE ROW PER MATCH AFTER MATCH SKIP TO NEXT ROW PATTERN (A{1,3}? B+? C) "
    "WITHIN INTERVAL '8' SECOND DEFINE A AS SUM(A.v) < 6, C AS C.v > FIRST(A.v) OR COUNT(*) > 4)",
    "match skipping to a variable": "SELECT * FROM t MATCH_RECOGNIZE (ORDER BY ts MEASURES A.k AS a, FIRST(B.v, 1) AS b, "
    "UPPER(LAST(k, 1)) AS u ONE ROW PER MATCH AFTER MATCH SKIP TO LAST B PATTERN (A B{2,}? C) "
    "DEFINE B AS CHAR_LENGTH(B.k) = 1 OR B.v > 1, C AS C.k = A.k)",
    "top one": "SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY x) AS r FROM t) WHERE r = 1",
    "full join": "SELECT t.v, o.n FROM t FULL JOIN o ON t.k = o.k",
    "full join by conditions": "SELECT t.v, o.n FROM t FULL JOIN o ON t.v < o.n",
    "full join of groups": "SELECT a.k, a.c, b.k AS bk, b.s FROM (SELECT k, COUNT(*) AS c FROM t GROUP BY k) a "
    "FULL JOIN (SELECT k, SUM(n) AS s FROM o GROUP BY k) b ON a.c = b.s",
    "interval join": "SELECT t.k, t.v, o.n FROM t FULL JOIN o ON t.k = o.k AND t.ts BETWEEN o.os - INTERVAL '4' SECOND "
    "AND o.os + INTERVAL '9' SECOND",
    "interval join with condition": "SELECT t.v, o.n FROM t LEFT JOIN o ON t.k = o.k AND t.v < o.n AND t.ts = o.os",
    "window over interval join": "SELECT k, TUMBLE_END(ts, INTERVAL '5' SECOND) AS e, COUNT(*) AS c FROM (SELECT t.k, t.ts "
    "FROM t JOIN o ON t.k = o.k AND t.ts BETWEEN o.os - INTERVAL '4' SECOND AND o.os + INTERVAL '9' SECOND) "
    "GROUP BY k, TUMBLE(ts, INTERVAL '5' SECOND)",
    "temporal join": "SELECT o.k, o.n, r.v FROM o LEFT JOIN r FOR SYSTEM_TIME AS OF o.os ON o.k = r.k AND r.v <> 2",
    "temporal join of the last rows": "WITH l AS (SELECT k, v, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k "
    "ORDER BY ts DESC) AS rn FROM t) WHERE rn = 1) SELECT o.n, l.v FROM o JOIN l FOR SYSTEM_TIME AS OF o.os ON o.k = l.k",
    "semi join": "SELECT v FROM t WHERE k IN (SELECT o.k FROM o WHERE n > 0)",
    "anti join": "SELECT v FROM t WHERE NOT EXISTS (SELECT 1 FROM o WHERE o.k = t.k AND o.n > t.v)",
    "left join with group by": "SELECT t.k, t.v, a.c FROM t LEFT JOIN (SELECT k, COUNT(*) AS c FROM o GROUP BY k) a ON t.k = a.k",
    "union all": "SELECT k, v FROM t UNION ALL SELECT k, n FROM o",
    "union": "SELECT k, v FROM t UNION SELECT k, n FROM o",
    "union then windows": "WITH u AS (SELECT k, ts FROM t UNION ALL SELECT k, os FROM o) SELECT k, window_start, "
    "COUNT(*) AS c FROM TABLE(TUMBLE(TABLE u, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end",
    "intersect": "SELECT k, v FROM t INTERSECT SELECT k, n FROM o",
    "intersect all": "SELECT k, v FROM t INTERSECT ALL SELECT k, n FROM o",
    "except": "SELECT k, v FROM t EXCEPT SELECT k, n FROM o",
    "except all": "SELECT k, v FROM t EXCEPT ALL SELECT k, n FROM o",
    "values": "SELECT t.v, x.w FROM t JOIN (VALUES (1, 'one'), (2, 'two'), (2, 'zwei')) AS x (v, w) ON t.v = x.v",
    "values beside rows": "SELECT k, COUNT(*) AS c FROM (SELECT k FROM t UNION ALL VALUES ('A'), ('Z')) AS u GROUP BY k",
    "unnest": "SELECT k, e, i FROM t CROSS JOIN UNNEST(ARRAY[v, v + 1]) WITH ORDINALITY AS u (e, i)",
    "unnest left of changes": "SELECT k, e FROM (SELECT k, MAX(v) AS m FROM t GROUP BY k) AS g "
    "LEFT JOIN UNNEST(ARRAY[m, 7]) AS u (e) ON e > 2",
    "grouping sets": "SELECT k, v, GROUPING_ID(k, v) AS g, COUNT(*) AS c, SUM(x) AS s, COUNT(v) AS n FROM t "
    "GROUP BY CUBE (k, v)",
    "grouping sets in windows": "SELECT k, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), "
    "INTERVAL '10' SECOND)) GROUP BY window_start, window_end, ROLLUP (k)",
    "order by time": "SELECT ts, v, k FROM t ORDER BY ts, v DESC",
    "first rows": "SELECT k, v FROM t LIMIT 5 OFFSET 2",
    "first groups": "SELECT k, COUNT(*) AS c FROM t GROUP BY k LIMIT 1",
    "largest with offset": "SELECT k, x FROM t ORDER BY x DESC LIMIT 2 OFFSET 1",
    "in": "SELECT v FROM t WHERE k IN (SELECT k FROM o)",
    "not in": "SELECT v FROM t WHERE v NOT IN (SELECT n FROM o WHERE k = 'A')",
    "in or": "SELECT v FROM t WHERE v > 3 OR v IN (SELECT n FROM o)",
    "exists": "SELECT v FROM t WHERE EXISTS (SELECT 1 FROM o WHERE o.k = t.k AND o.n > t.v)",
    "not exists of anything": "SELECT v FROM t WHERE NOT EXISTS (SELECT 1 FROM o WHERE n > 3)",
    "scalar": "SELECT v FROM t WHERE v >= (SELECT MIN(n) FROM o)",
    "scalar correlated": "SELECT v, (SELECT MAX(n) + COUNT(*) FROM o WHERE o.k = t.k) AS m FROM t",
    "greater than all": "SELECT v FROM t WHERE v > ALL (SELECT n FROM o)",
    "lateral": "SELECT t.v, y.n FROM t LEFT JOIN LATERAL (SELECT SUM(n) AS n FROM o WHERE o.k = t.k) AS y ON TRUE",
    "natural full join": "SELECT * FROM (SELECT k, v FROM t) AS a NATURAL FULL JOIN (SELECT k, n FROM o) AS b",
}

ROWS_OF_A_RECORD = {"grouping sets in windows": 2}
"""Queries whose windows get every record more than once, and how often."""

START = datetime(2024, 1, 1, tzinfo=UTC)
seconds = st.integers(0, 60).map(lambda s: (START + timedelta(seconds=s)).strftime("%Y-%m-%d %H:%M:%S"))
keys = st.sampled_from(["A", "B", None])
numbers = st.one_of(st.none(), st.integers(0, 4))
t_row = st.fixed_dictionaries(
    {
        "k": keys,
        "v": numbers,
        "x": st.sampled_from(["1.10", "-2.25", "7.77", None]),
        "f": st.sampled_from([0.1, 0.2, 0.7, 1e17, None]),
        "ts": seconds,
    }
)
o_row = st.fixed_dictionaries({"k": keys, "n": numbers, "os": seconds})
broken = st.just("{not json")
records = st.lists(
    st.one_of(
        st.tuples(st.just("t"), t_row),
        st.tuples(st.just("r"), t_row),
        st.tuples(st.just("o"), o_row),
        st.tuples(st.just("t"), broken),
    ),
    max_size=24,
)


def planned(query: str, emit: EmitSemantics) -> tuple[Engine, PlannedProgram, JobOptions]:
    engine = Engine()
    options = JobOptions(emit=emit, now_ms=int(START.timestamp() * 1000))
    return engine, engine.plan(f"{DDL}\nCREATE TABLE result AS {query};"), options


def job(
    engine: Engine, program: PlannedProgram, rows: list[tuple[str, Any]], options: JobOptions, batch_size: int
) -> Job:
    inputs = {}
    for name in program.statements["result"].sources:
        fresh = Engine().topics.create(name)
        mine = [(i, r) for i, (n, r) in enumerate(rows) if n == name]
        values = [(r if isinstance(r, str) else json.dumps(r)).encode() for _, r in mine]
        fresh.append_batch(values, sequences=[i for i, _ in mine])
        inputs[name] = TopicInput(fresh)
    sized = JobOptions(batch_size=batch_size, emit=options.emit, now_ms=options.now_ms)
    return engine.job(program, inputs=inputs, options=sized)


def scans(node: PlanNode) -> list[str]:
    """The source of every scan of a plan."""
    own = [node.source.name] if isinstance(node, Scan) else []
    return own + [name for child in inputs(node) for name in scans(child)]


def stored(state: JobState) -> JobState:
    """The state written to a checkpoint and read again."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "checkpoint")
        write_checkpoint(path, Checkpoint("plan", 1, {}, state, dict.fromkeys(state, "")))
        return read_checkpoint(path).operators


def changes(result: StatementResult) -> list[Change]:
    return [tuple(row.values()) for row in result.changelog.to_pylist()]


def outcome(result: JobResult) -> tuple[Any, ...]:
    statement = result.statements["result"]
    letters = [(d.source, d.offset, d.reason, d.raw) for d in result.dead_letters]
    return changes(statement), statement.late.to_pylist(), letters, statement.accounting


@pytest.mark.parametrize("name", QUERIES)
@settings(max_examples=6, deadline=None)
@given(rows=records, flink=st.booleans())
def test_the_result_does_not_depend_on_batches(name: str, rows: list[tuple[str, Any]], flink: bool) -> None:
    engine, program, options = planned(QUERIES[name], EmitSemantics.FLINK if flink else EmitSemantics.VELOSTREAM)

    whole = job(engine, program, rows, options, 1000).run()

    for size in (1, 7):
        assert outcome(job(engine, program, rows, options, size).run()) == outcome(whole)


@pytest.mark.parametrize("name", QUERIES)
@settings(max_examples=5, deadline=None)
@given(rows=records, size=st.integers(1, 6), data=st.data())
def test_a_restart_from_saved_state_changes_nothing(
    name: str, rows: list[tuple[str, Any]], size: int, data: st.DataObject
) -> None:
    engine, program, options = planned(QUERIES[name], EmitSemantics.FLINK)
    expected = changes(job(engine, program, rows, options, size).run().statements["result"])

    first = job(engine, program, rows, options, size)
    spans = list(first.spans())
    cut = data.draw(st.integers(0, len(spans)))
    for span in spans[:cut]:
        first.step(span)
    second = job(engine, program, rows, options, size)
    second.restore(stored(first.snapshot()))
    for span in spans[cut:]:
        second.step(span)

    assert changes(first.finish().statements["result"]) + changes(second.finish().statements["result"]) == expected


@pytest.mark.parametrize("name", QUERIES)
@settings(max_examples=4, deadline=None)
@given(rows=records)
def test_every_record_has_one_fate(name: str, rows: list[tuple[str, Any]]) -> None:
    engine, program, options = planned(QUERIES[name], EmitSemantics.VELOSTREAM)

    result = job(engine, program, rows, options, 7).run()

    books = result.statements["result"].accounting
    scanned = scans(program.statements["result"].plan)
    assert books.read == sum(scanned.count(n) for n, _ in rows), "once for each time that the query reads a source"
    assert books.read == books.accepted + books.filtered + books.late + books.dead_lettered
    assert books.dead_lettered == result.dead_letter_count
    assert books.late * ROWS_OF_A_RECORD.get(name, 1) == result.statements["result"].late.num_rows

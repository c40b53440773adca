"""OVER by event time equals Flink's rules told a row at a time, however the input is cut and whatever comes late."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.operators.changelogs import context
from tests.engine.operators.reference_over import ReferenceOver, Row

from velo_engine import EmitSemantics, Engine, JobOptions, PlannedProgram, TopicInput
from velo_engine.batch import INITIAL_WATERMARK, ChangeBatch, StepFunction, make_rows
from velo_engine.operators import over_aggregate
from velo_engine.plan.nodes import PlanNode, inputs
from velo_engine.plan.over_node import OverAggregate

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DELAY = 3

FRAMES = {
    ("ROWS", None): "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    ("RANGE", None): "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    ("ROWS", 0): "ROWS 0 PRECEDING",
    ("ROWS", 2): "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
    ("RANGE", 0): "RANGE BETWEEN INTERVAL '0' SECOND PRECEDING AND CURRENT ROW",
    ("RANGE", 4): "RANGE BETWEEN INTERVAL '0.004' SECOND PRECEDING AND CURRENT ROW",
}

rows = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(-3, 40), st.integers(-9, 9)), max_size=40)


def planned(engine: Engine, frame: str) -> PlannedProgram:
    return engine.plan(
        f"""CREATE TABLE t (k STRING, n INT, v INT, ts TIMESTAMP(3),
                            WATERMARK FOR ts AS ts - INTERVAL '0.00{DELAY}' SECOND);
        SELECT n, COUNT(*) OVER w AS c, SUM(v) OVER w AS s FROM t WINDOW w AS (PARTITION BY k ORDER BY ts {frame})"""
    )


def answer(frame: str, given_rows: list[Row], batch_size: int) -> tuple[list[tuple[int, int, int, int]], int]:
    """(event, row number, count, sum) of what is given out, and how many rows were late."""
    engine = Engine()
    program = planned(engine, frame)
    topic = engine.topics.create("t")
    for n, (k, time, v) in enumerate(given_rows):
        at = (EPOCH + timedelta(milliseconds=time)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        topic.append(json.dumps({"k": k, "n": n, "v": v, "ts": at}).encode(), sequence=n)
    options = JobOptions(emit=EmitSemantics.FLINK, now_ms=0, batch_size=batch_size)
    (result,) = engine.run(program, inputs={"t": TopicInput(topic)}, options=options).statements.values()
    columns = [result.rows.column(name).to_pylist() for name in ("seq", "c0", "c1", "c2")]
    return list(zip(*columns, strict=True)), result.accounting.late


@pytest.mark.parametrize(("kind", "preceding"), FRAMES, ids=lambda value: str(value))
@settings(max_examples=20, deadline=None)
@given(given_rows=rows)
def test_frames_are_those_of_the_rules(kind: str, preceding: int | None, given_rows: list[Row]) -> None:
    expected = ReferenceOver(kind, preceding, DELAY).run(given_rows)
    for batch_size in (1, 3, 1000):
        got, late = answer(FRAMES[kind, preceding], given_rows, batch_size)
        assert sorted(got) == sorted(expected)
        for k in ("a", "b", None):
            assert of_partition(got, given_rows, k) == of_partition(expected, given_rows, k)
        assert late == len(given_rows) - len(expected)


@pytest.mark.parametrize("seed", range(4))
def test_partitions_that_were_cleaned_up_are_freed_and_may_come_back(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(over_aggregate, "_FEWEST_PARTITIONS", 1)
    r = random.Random(seed)
    given_rows: list[Row] = []
    for now in range(400):
        at = now - r.choice((0, 1, 2, 20))
        given_rows.append((f"p{(now // 10 + r.randrange(3)) % 30}", at, r.randrange(-9, 9)))
    expected = ReferenceOver("RANGE", 4, DELAY).run(given_rows)
    for batch_size in (1, 7, 1000):
        got, late = answer(FRAMES["RANGE", 4], given_rows, batch_size)
        assert sorted(got) == sorted(expected)
        assert late == len(given_rows) - len(expected)


def test_the_state_of_a_range_is_what_its_frames_need() -> None:
    node: PlanNode = planned(Engine(), FRAMES["RANGE", 4]).statements["select_1"].plan
    while not isinstance(node, OverAggregate):
        (node,) = inputs(node)
    around = context()
    operator = over_aggregate.over_operator(around, node, node.input.schema)
    rows_of_batch, seq = 100, 0
    for batch in range(60):
        columns = {
            "k": [f"p{batch}-{i}" for i in range(rows_of_batch)],
            "ts": [EPOCH + timedelta(milliseconds=batch * 100 + i) for i in range(rows_of_batch)],
        }
        schema = node.input.schema
        table = make_rows(
            schema,
            [
                pa.array(columns.get(c.name, [0] * rows_of_batch), f.type)
                for c, f in zip(schema.columns, schema.physical(), strict=True)
            ],
            np.zeros(rows_of_batch, np.int8),
            np.arange(seq, seq + rows_of_batch),
            np.zeros(rows_of_batch, np.int32),
        )
        opening = batch * 100 - 1 if batch else INITIAL_WATERMARK
        step = StepFunction(opening, np.array([seq + rows_of_batch - 1]), np.array([batch * 100 + 99]))
        seq += rows_of_batch
        operator.process(ChangeBatch(table, seq - rows_of_batch, seq, step, StepFunction.constant(0)))
    assert operator.snapshot()["keys"].num_rows <= 2 * 1024
    assert around.counters.state_rows <= 2 * 1024


def of_partition(
    answers: list[tuple[int, int, int, int]], given_rows: list[Row], k: str | None
) -> list[tuple[int, int, int, int]]:
    return [found for found in answers if given_rows[found[1]][0] == k]


def test_constant_arguments_of_an_aggregate_belong_to_the_call() -> None:
    engine = Engine()
    program = engine.plan(
        """CREATE TABLE t (s STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts);
        SELECT LISTAGG(s, ';') OVER w AS l, PERCENTILE(v, 0.5) OVER w AS p FROM t
        WINDOW w AS (ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"""
    )
    topic = engine.topics.create("t")
    for n, s in enumerate("abc"):
        topic.append(json.dumps({"s": s, "v": 10 * n, "ts": f"2025-01-01 00:00:0{n}"}).encode(), sequence=n)
    (result,) = engine.run(program, inputs={"t": TopicInput(topic)}).statements.values()

    assert result.rows.column("c0").to_pylist() == ["a", "a;b", "b;c"]
    assert result.rows.column("c1").to_pylist() == [0.0, 5.0, 15.0]

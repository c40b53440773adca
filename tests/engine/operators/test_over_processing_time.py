"""OVER by processing time: by arrival at once; a bounded RANGE gives the rows of a millisecond out when it has passed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.operators.changelogs import context, output

from velo_engine import Engine
from velo_engine.batch import FINAL_WATERMARK, INITIAL_WATERMARK, ChangeBatch, StepFunction, empty_rows, make_rows
from velo_engine.operators.over_aggregate import over_operator
from velo_engine.plan.nodes import PlanNode, inputs
from velo_engine.plan.over_node import OverAggregate

RANGE_MS = 4

arrivals = st.lists(st.tuples(st.sampled_from([0, 0, 1, 2, 7]), st.sampled_from("ab"), st.integers(-5, 5)), max_size=30)
"""(milliseconds since the row before, partition, value)"""


def node(frame: str) -> OverAggregate:
    plan: PlanNode = (
        Engine()
        .plan(
            "CREATE TABLE t (k STRING, v BIGINT, pt AS PROCTIME());\n"
            f"SELECT COUNT(*) OVER w AS c, SUM(v) OVER w AS s FROM t WINDOW w AS (PARTITION BY k ORDER BY pt {frame})"
        )
        .statements["select_1"]
        .plan
    )
    while not isinstance(plan, OverAggregate):
        (plan,) = inputs(plan)
    return plan


def batches(over: OverAggregate, rows: list[tuple[int, str, int]], size: int) -> Iterator[ChangeBatch]:
    """Each row is an event that first moves the clock to its time (the step of the event before); then the end."""
    schema = over.input.schema
    times = np.cumsum([gap for gap, _, _ in rows], dtype=np.int64)
    for first in range(0, len(rows), size):
        last = min(first + size, len(rows))
        stamps = np.append(times, times[-1:])[first + 1 : last + 1]
        opening = int(times[first])
        rises = stamps > np.append(opening, stamps[:-1])
        columns = {"k": [k for _, k, _ in rows[first:last]], "v": [v for _, _, v in rows[first:last]]}
        table = make_rows(
            schema,
            [
                pa.array(columns.get(c.name, [0] * (last - first)), field.type)
                for c, field in zip(schema.columns, schema.physical(), strict=True)
            ],
            np.zeros(last - first, np.int8),
            np.arange(first, last),
            np.zeros(last - first, np.int32),
        )
        seqs = np.arange(first, last)
        clock = StepFunction(opening, seqs[rises], stamps[rises])
        yield ChangeBatch(table, first, last, StepFunction.constant(INITIAL_WATERMARK), clock)
    end = StepFunction(INITIAL_WATERMARK, np.array([len(rows)]), np.array([FINAL_WATERMARK]))
    still = StepFunction.constant(int(times[-1]) if len(rows) else 0)
    yield ChangeBatch(empty_rows(schema), len(rows), len(rows) + 1, end, still)


def given_out(frame: str, rows: list[tuple[int, str, int]], size: int) -> list[tuple[int, int, int]]:
    """(event, count, sum) in order."""
    over = node(frame)
    operator = over_operator(context(), over, over.input.schema)
    return [
        (row.seq, *row.values[-2:])
        for batch in batches(over, rows, size)
        for row in output(operator.process(batch).rows)
    ]


@settings(max_examples=40, deadline=None)
@given(rows=arrivals)
def test_range_gives_the_rows_of_a_millisecond_out_together(rows: list[tuple[int, str, int]]) -> None:
    times = np.cumsum([gap for gap, _, _ in rows]).tolist()
    expected = []
    for i, (_, k, _) in enumerate(rows):
        frame = [
            v for j, (_, other, v) in enumerate(rows) if other == k and times[i] - RANGE_MS <= times[j] <= times[i]
        ]
        # The clock moves on with the event before the first later row; at the end of input everything is given out.
        event = next((j - 1 for j in range(len(rows)) if times[j] > times[i]), len(rows))
        expected.append((event, len(frame), sum(frame)))
    for size in (1, 4, 100):
        got = given_out(f"RANGE BETWEEN INTERVAL '0.00{RANGE_MS}' SECOND PRECEDING AND CURRENT ROW", rows, size)
        assert sorted(got) == sorted(expected)


@pytest.mark.parametrize(("frame", "rows_before"), [("ROWS 2 PRECEDING", 2), ("", 1000)])
@settings(max_examples=20, deadline=None)
@given(rows=arrivals)
def test_rows_are_given_out_as_they_come(frame: str, rows_before: int, rows: list[tuple[int, str, int]]) -> None:
    expected = []
    for i, (_, k, _) in enumerate(rows):
        values = [v for _, other, v in rows[: i + 1] if other == k][-rows_before - 1 :]
        expected.append((i, len(values), sum(values)))
    for size in (1, 4, 100):
        assert given_out(frame, rows, size) == expected

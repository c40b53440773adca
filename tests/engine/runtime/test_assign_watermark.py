"""The watermark generator, held against a row-at-a-time computation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from velo_engine.batch import FINAL_WATERMARK, INITIAL_WATERMARK, ChangeBatch, StepFunction, make_rows
from velo_engine.operators.assign_watermark import AssignWatermark
from velo_engine.operators.base import OperatorContext
from velo_engine.plan import nodes
from velo_engine.schema import RowSchema
from velo_engine.types import INT, timestamp

SCHEMA = RowSchema.of(("ts", timestamp(3)), ("p", INT))
SOURCE = nodes.Scan(nodes.SourceTable("t", nodes.SourceKind.STREAM, SCHEMA, {}), (), SCHEMA)
DELAY = 5
PARTITIONS = 3


class Rejected:
    def __init__(self) -> None:
        self.seqs: list[int] = []

    def __call__(self, rows: pa.Table, reasons: Any) -> None:
        self.seqs += rows.column("seq").to_pylist()


def operator(rejected: Rejected, partition: int | None) -> AssignWatermark:
    context = OperatorContext(kernel=None, failures=rejected, late=lambda r, ms: None, emit_unchanged=True)  # type: ignore[arg-type]
    return AssignWatermark(context, nodes.AssignWatermark(SOURCE, 0, DELAY, partition, None, SCHEMA), PARTITIONS)


def batches(rows: list[tuple[int | None, int]], size: int) -> list[ChangeBatch]:
    found = []
    for start in range(0, max(len(rows), 1), size):
        part = rows[start : start + size]
        end = start + len(part)
        last = end >= len(rows)
        columns = [
            pa.array([None if ms is None else ms * 1000 for ms, _ in part], pa.timestamp("us")),
            pa.array([p for _, p in part], pa.int32()),
        ]
        n = len(part)
        table = make_rows(SCHEMA, columns, np.zeros(n, np.int8), np.arange(start, end), np.zeros(n, np.int32))
        watermark = StepFunction.constant(INITIAL_WATERMARK)
        if last:
            watermark = StepFunction(INITIAL_WATERMARK, np.array([end]), np.array([FINAL_WATERMARK]))
        found.append(ChangeBatch(table, start, end + last, watermark, StepFunction.constant(0)))
    return found


def steps(
    rows: list[tuple[int | None, int]], size: int, partition: int | None
) -> tuple[list[tuple[int, int]], list[int]]:
    rejected = Rejected()
    found: list[tuple[int, int]] = []
    one = operator(rejected, partition)
    for batch in batches(rows, size):
        fresh = operator(rejected, partition)
        fresh.restore(one.snapshot())
        one = fresh
        watermark = one.process(batch).watermark
        found += list(zip(watermark.seqs.tolist(), watermark.values.tolist(), strict=True))
    return found, rejected.seqs


def by_hand(rows: list[tuple[int | None, int]], partitioned: bool) -> list[tuple[int, int]]:
    highest = dict.fromkeys(range(PARTITIONS if partitioned else 1), INITIAL_WATERMARK)
    edge = 0  # nothing is given out before the watermark is above the epoch
    found = []
    for seq, (ms, p) in enumerate(rows):
        if ms is None:
            continue
        key = p if partitioned else 0
        highest[key] = max(highest[key], ms - DELAY)
        if min(highest.values()) > edge:
            edge = min(highest.values())
            found.append((seq, edge))
    return [*found, (len(rows), FINAL_WATERMARK)]


rows_of = st.lists(st.tuples(st.one_of(st.none(), st.integers(-30, 100)), st.integers(0, PARTITIONS - 1)), max_size=25)


@given(rows_of, st.integers(1, 8))
def test_steps_equal_the_running_maximum_for_every_batch_size(rows: list[tuple[int | None, int]], size: int) -> None:
    found, rejected = steps(rows, size, None)

    assert found == by_hand(rows, partitioned=False)
    assert rejected == [seq for seq, (ms, _) in enumerate(rows) if ms is None]


@given(rows_of, st.integers(1, 8))
def test_the_slowest_partition_holds_the_watermark_back(rows: list[tuple[int | None, int]], size: int) -> None:
    found, _ = steps(rows, size, 1)

    assert found == by_hand(rows, partitioned=True)


def test_microseconds_are_rounded_down() -> None:
    rejected = Rejected()
    column = pa.array([5_001_999, 6_002_000], pa.timestamp("us"))
    rows = make_rows(
        SCHEMA, [column, pa.array([0, 0], pa.int32())], np.zeros(2, np.int8), np.arange(2), np.zeros(2, np.int32)
    )
    batch = ChangeBatch(rows, 0, 2, StepFunction.constant(INITIAL_WATERMARK), StepFunction.constant(0))

    watermark = operator(rejected, None).process(batch).watermark

    assert watermark.values.tolist() == [5_001 - DELAY, 6_002 - DELAY]

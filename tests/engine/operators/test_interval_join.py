"""Interval joins as operators: clocks, watermarks, conditions, state. Flink's answers are in the recorded cases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pytest
from tests.engine.operators.changelogs import Event, OutputRow, batches, context, output

from velo_engine import VeloError
from velo_engine.batch import FINAL_WATERMARK, INITIAL_WATERMARK, ChangeBatch, StepFunction
from velo_engine.kernel import Kernel
from velo_engine.operators.interval_join import IntervalJoin, delayed
from velo_engine.plan import nodes
from velo_engine.plan.expressions import Call, ColumnRef, Expression
from velo_engine.plan.nodes import JoinKind
from velo_engine.schema import RowSchema
from velo_engine.types import BOOLEAN, INT, STRING, timestamp

SCHEMA = RowSchema.of(("k", STRING), ("n", INT), ("ts", timestamp(3)))
EPOCH = datetime(1970, 1, 1)


def at(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


def plan(
    kind: JoinKind, lower: int, upper: int, condition: Expression | None = None, time: int | None = 2
) -> nodes.IntervalJoin:
    left, right = nodes.Upstream("left", SCHEMA), nodes.Upstream("right", SCHEMA)
    schema = RowSchema((*SCHEMA.columns, *SCHEMA.columns))
    return nodes.IntervalJoin(left, right, kind, (0,), (0,), frozenset(), time, time, lower, upper, condition, schema)


def one(key: str | None, number: int, ms: int, watermark: int | None = None) -> Event:
    return Event((("+I", (key, number, at(ms))),), watermark)


def run(operator: IntervalJoin, left: Sequence[Event], right: Sequence[Event], size: int = 100) -> list[OutputRow]:
    spans = zip(batches(SCHEMA, left, size), batches(SCHEMA, right, size), strict=True)
    return [row for a, b in spans for row in output(operator.process(a, b).rows)]


def numbers(rows: list[OutputRow]) -> list[tuple[int, int | None, int | None]]:
    return [(row.seq, row.values[1], row.values[4]) for row in rows]


def test_rows_meet_within_the_bounds_and_leave_padded_when_they_cannot_any_more() -> None:
    operator = IntervalJoin(context(), plan(JoinKind.FULL, -1000, 2000))
    left = [one("a", 1, 10_000), one("a", 2, 20_000), Event(), Event(), Event((), 30_000)]
    right = [Event(), Event(), one("a", 11, 11_000), one("a", 12, 11_001), Event((), 30_000)]
    # The left side's timer is due first: at 11.001 s, set by row 1, the right side's at 13.001 s.
    assert numbers(run(operator, left, right)) == [(2, 1, 11), (4, 2, None), (4, None, 12)]


def test_a_condition_decides_who_was_joined() -> None:
    condition = Call("less", (ColumnRef(1, INT), ColumnRef(4, INT)), BOOLEAN)
    with Kernel() as kernel:
        operator = IntervalJoin(context(kernel=kernel), plan(JoinKind.LEFT, -1000, 1000, condition))
        left = [one("a", 5, 10_000), Event(), Event(), Event((), FINAL_WATERMARK)]
        right = [Event(), one("a", 4, 10_000), one("a", 5, 10_000), Event((), FINAL_WATERMARK)]
        assert numbers(run(operator, left, right)) == [(3, 5, None)]


@pytest.mark.parametrize("size", [1, 100])
def test_rows_at_the_epoch_are_forgotten_as_in_flink(size: int) -> None:
    # What is left after a timer has fired and lies at the epoch or before it leaves without being padded.
    operator = IntervalJoin(context(), plan(JoinKind.LEFT, -2000, 2000))
    left = [one("a", 1, -1500), one("a", 2, 0), Event((), 1000), Event((), FINAL_WATERMARK)]
    right = [Event(), Event(), Event((), 1000), Event((), FINAL_WATERMARK)]
    assert numbers(run(operator, left, right, size)) == [(2, 1, None)]


def test_the_clock_may_be_processing_time() -> None:
    operator = IntervalJoin(context(), plan(JoinKind.LEFT, -2000, 2000, time=None))
    clock = StepFunction(100_000, np.array([0, 1, 3]), np.array([101_000, 105_000, 109_000]))

    def ticking(events: list[Event]) -> ChangeBatch:
        (batch,) = batches(SCHEMA, events, 100)
        return ChangeBatch(batch.rows, 0, 5, StepFunction.constant(INITIAL_WATERMARK), clock)

    left = ticking([one("a", 1, 0), one("b", 2, 0), one("b", 3, 0), Event(), Event()])
    right = ticking([Event(), one("a", 11, 0), one("b", 12, 0), Event(), Event()])
    # b's first row came at 101 s, its second and the right one at 105 s.
    assert numbers(output(operator.process(left, right).rows)) == [(1, 1, 11), (1, 2, None), (2, 3, 12)]


def test_the_watermark_of_the_output_is_held_back_but_for_the_last() -> None:
    watermark = StepFunction(INITIAL_WATERMARK, np.array([3, 5]), np.array([10_000, FINAL_WATERMARK]))
    held = delayed(watermark, plan(JoinKind.INNER, -4000, 1000).watermark_delay_ms)
    assert (held.opening, held.seqs.tolist(), held.values.tolist()) == (
        INITIAL_WATERMARK,
        [3, 5],
        [6_000, FINAL_WATERMARK],
    )


def test_a_row_without_a_time_fails_the_job() -> None:
    operator = IntervalJoin(context(), plan(JoinKind.INNER, 0, 0))
    with pytest.raises(VeloError, match="has none"):
        run(operator, [Event((("+I", ("a", 1, None)),))], [Event()])


def test_rows_and_keys_are_given_up_with_the_watermark() -> None:
    scope = context()
    operator = IntervalJoin(scope, plan(JoinKind.INNER, -5, 5))
    for start in range(0, 60_000, 1000):
        rows = tuple(("+I", (f"key {start + i}", i, at(10_000 + start))) for i in range(1000))
        event = Event(rows, 10_000 + start + 100)
        operator.process(*([next(batches(SCHEMA, [event], 1))] * 2))
    assert scope.counters.state_rows == 0
    assert operator.snapshot()["keys"].num_rows < 30_000

"""A retracting Top-N with state time-to-live: without an end it is the one that keeps all rows; cuts and restarts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.operators.changelogs import Event, OutputRow, batches, context, output

from velo_engine.batch import ChangeBatch, StepFunction
from velo_engine.errors import VeloError
from velo_engine.operators.base import Operator
from velo_engine.operators.expiring_top_n import ExpiringTopN
from velo_engine.operators.top_n import TopN
from velo_engine.plan import nodes
from velo_engine.schema import Column, RowSchema
from velo_engine.types import BIGINT, INT, STRING

INPUT = RowSchema.of(("k", STRING), ("v", INT), ("w", INT))
TICKS = st.lists(st.sampled_from([0, 1, 4, 9, 10, 30]), min_size=25, max_size=25)
NODES = st.tuples(st.integers(1, 2), st.integers(1, 4), st.booleans())


def plan(first: int, limit: int, ranked: bool) -> nodes.TopN:
    schema = RowSchema((*INPUT.columns, Column("rn", BIGINT))) if ranked else INPUT
    return nodes.TopN(
        nodes.Upstream("t", INPUT),
        (0,),
        (nodes.SortKey(1),),
        first + limit - 1,
        with_rank=ranked,
        schema=schema,
        first=first,
    )


@st.composite
def consistent(draw: st.DrawFn) -> list[Event]:
    """Rows that come, and of those that are there some that are taken back."""
    there: list[tuple[Any, ...]] = []
    changes = []
    for _ in range(24):
        if there and draw(st.integers(0, 2)) == 0:
            changes.append(Event((("-D", there.pop(draw(st.integers(0, len(there) - 1)))),)))
        else:
            row = (draw(st.sampled_from(["a", "b"])), draw(st.integers(1, 4)), draw(st.integers(1, 2)))
            there.append(row)
            changes.append(Event((("+I", row),)))
    return changes


def clocked(changes: list[Event], size: int, times: list[int]) -> Iterator[ChangeBatch]:
    for batch in batches(INPUT, changes, size):
        seqs = np.arange(batch.first_seq, batch.end_seq)
        yield replace(batch, processing_time=StepFunction(times[batch.first_seq], seqs, np.array(times)[seqs + 1]))


def run(operator: Operator, changes: list[Event], size: int, times: list[int]) -> list[OutputRow]:
    return [row for batch in clocked(changes, size, times) for row in output(operator.process(batch).rows)]


@settings(max_examples=60, deadline=None)
@given(consistent(), NODES, TICKS, st.sampled_from([1, 3, 100]))
def test_a_ttl_that_nothing_reaches_changes_nothing(
    changes: list[Event], shape: tuple[int, int, bool], ticks: list[int], size: int
) -> None:
    times = np.cumsum(ticks).tolist()
    expected = run(TopN(context(), plan(*shape), INPUT, retracting=True), changes, 100, times)
    assert run(ExpiringTopN(context(), plan(*shape), INPUT, ttl_ms=1_000_000), changes, size, times) == expected


def until_failure(operator: ExpiringTopN, node: nodes.TopN, changes: list[Event], size: int, times: list[int]) -> Any:
    """The changes with a restart after each batch; None when the job fails."""
    found = []
    for batch in clocked(changes, size, times):
        try:
            found += output(operator.process(batch).rows)
        except VeloError:
            return None
        state = operator.snapshot()
        operator = ExpiringTopN(context(), node, INPUT, ttl_ms=10)
        operator.restore(state)
    return found


@settings(max_examples=60, deadline=None)
@given(consistent(), NODES, TICKS, st.sampled_from([1, 3, 7]))
def test_neither_cuts_nor_restarts_change_anything(
    changes: list[Event], shape: tuple[int, int, bool], ticks: list[int], size: int
) -> None:
    node, times = plan(*shape), np.cumsum(ticks).tolist()
    whole = until_failure(ExpiringTopN(context(), node, INPUT, ttl_ms=10), node, changes, 100, times)
    assert until_failure(ExpiringTopN(context(), node, INPUT, ttl_ms=10), node, changes, size, times) == whole


def test_partitions_that_have_ended_are_freed() -> None:
    scope = context()
    operator = ExpiringTopN(scope, plan(1, 2, True), INPUT, ttl_ms=10)
    count = 200
    run(operator, [Event((("+I", (f"key {i}", 1, 1)),)) for i in range(count)], 10, list(range(count + 1)))
    assert scope.counters.state_rows <= 30
    assert operator.snapshot()["rows"].num_rows <= 30
    assert operator.snapshot()["partitions"].num_rows <= 30

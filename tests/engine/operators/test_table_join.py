"""Enrichment from a loaded table: matches in table order, NULL keys, residual conditions and failures."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.operators import reference
from tests.engine.operators.changelogs import Event, OutputRow, batches, context, inserts, output, run

from velo_engine.kernel import Kernel
from velo_engine.operators.table_join import TableJoin
from velo_engine.plan import nodes
from velo_engine.plan.expressions import Call, ColumnRef, Expression
from velo_engine.plan.nodes import JoinKind
from velo_engine.schema import RowSchema
from velo_engine.types import BOOLEAN, INT, STRING, arrow_type

LEFT = RowSchema.of(("k", STRING), ("n", INT), ("x", INT))
RIGHT = RowSchema.of(("name", STRING), ("number", INT), ("y", INT))
JOINED = RowSchema((*LEFT.columns, *RIGHT.columns))

KEY = st.sampled_from(["a", "b", None])
NUMBER = st.sampled_from([1, 2, None])


def table(rows: list[tuple[Any, ...]]) -> pa.Table:
    arrays = [pa.array([r[i] for r in rows], arrow_type(t)) for i, t in enumerate(RIGHT.types)]
    return pa.table(arrays, schema=RIGHT.physical())


def plan(kind: JoinKind, keys: tuple[int, ...] = (0,), condition: Expression | None = None) -> nodes.TableJoin:
    left, right = nodes.Upstream("left", LEFT), nodes.Upstream("right", RIGHT)
    return nodes.TableJoin(left, right, kind, keys, keys, condition, JOINED)


def joined(
    node: nodes.TableJoin, rows: list[tuple[Any, ...]], events: list[Event], size: int = 100, **scope: Any
) -> list[OutputRow]:
    operator = TableJoin(context(**scope), node, LEFT, RIGHT)
    operator.load(table(rows))
    return run(operator, batches(LEFT, events, size))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(KEY, NUMBER, st.integers(0, 3)), max_size=8),
    st.lists(st.tuples(st.sampled_from(["+I", "-U", "+U", "-D"]), st.tuples(KEY, NUMBER, st.just(0))), max_size=20),
    st.sampled_from([JoinKind.INNER, JoinKind.LEFT]),
    st.sampled_from([(0,), (1,), (0, 1), ()]),
)
def test_matches_are_those_of_the_reference(
    rows: list[tuple[Any, ...]],
    changes: list[tuple[str, tuple[Any, ...]]],
    kind: JoinKind,
    keys: tuple[int, ...],
) -> None:
    events = [Event(tuple(changes[i : i + 2])) for i in range(0, len(changes), 2)]
    expected = reference.table_join(events, rows, keys, keys, len(RIGHT), outer=kind is JoinKind.LEFT)
    for size in (1, 3, 100):
        assert joined(plan(kind, keys), rows, events, size) == expected


def test_a_snapshot_holds_the_table() -> None:
    events = inserts(("a", 1, 0))
    first = TableJoin(context(), plan(JoinKind.INNER), LEFT, RIGHT)
    first.load(table([("a", 1, 5), ("a", 2, 6)]))
    second = TableJoin(context(), plan(JoinKind.INNER), LEFT, RIGHT)
    second.restore(first.snapshot())
    assert run(second, batches(LEFT, events, 1)) == [
        OutputRow(0, "+I", ("a", 1, 0, "a", 1, 5)),
        OutputRow(0, "+I", ("a", 1, 0, "a", 2, 6)),
    ]


def test_an_empty_table_matches_nothing() -> None:
    events = inserts(("a", 1, 0))
    assert joined(plan(JoinKind.INNER), [], events) == []
    assert joined(plan(JoinKind.LEFT), [], events) == [OutputRow(0, "+I", ("a", 1, 0, None, None, None))]


@pytest.mark.parametrize("kind", [JoinKind.INNER, JoinKind.LEFT])
def test_a_condition_decides_which_pairs_match(kind: JoinKind) -> None:
    condition = Call("greater", (ColumnRef(2, INT), ColumnRef(5, INT)), BOOLEAN)
    rows = [("a", 1, 5), ("a", 2, None), ("a", 3, 1)]
    events = inserts(("a", 1, 3), ("a", 2, 9), ("a", 3, 0), ("a", 4, None))
    with Kernel() as kernel:
        got = joined(plan(kind, (0,), condition), rows, events, 3, kernel=kernel)
    matched = [
        OutputRow(0, "+I", ("a", 1, 3, "a", 3, 1)),
        OutputRow(1, "+I", ("a", 2, 9, "a", 1, 5)),
        OutputRow(1, "+I", ("a", 2, 9, "a", 3, 1)),
    ]
    alone = [OutputRow(2, "+I", ("a", 3, 0, None, None, None)), OutputRow(3, "+I", ("a", 4, None, None, None, None))]
    assert got == (matched if kind is JoinKind.INNER else matched + alone)


def test_a_row_whose_condition_fails_is_handed_over_once() -> None:
    quotient = Call("divide", (ColumnRef(2, INT), ColumnRef(5, INT)), INT)
    condition = Call("greater", (quotient, ColumnRef(1, INT)), BOOLEAN)
    rows = [("a", 1, 0), ("a", 2, 2), ("a", 3, 0), ("b", 4, 1)]
    failures: list[tuple[list[Any], list[str]]] = []
    with Kernel() as kernel:
        got = joined(
            plan(JoinKind.LEFT, (0,), condition),
            rows,
            inserts(("a", 1, 8), ("b", 1, 7)),
            kernel=kernel,
            failures=lambda rows, reasons: failures.append((rows.column("seq").to_pylist(), list(reasons))),
        )
    assert got == [OutputRow(1, "+I", ("b", 1, 7, "b", 4, 1))]
    assert len(failures) == 1
    assert failures[0][0] == [0]
    assert "zero" in failures[0][1][0].lower()


def test_the_table_can_be_loaded_anew() -> None:
    operator = TableJoin(context(), plan(JoinKind.INNER), LEFT, RIGHT)
    (batch,) = batches(LEFT, inserts(("a", 1, 0)), 1)
    for value in (1, 2):
        operator.load(table([("a", 1, value)]))
        assert [r.values[-1] for r in output(operator.process(batch).rows)] == [value]

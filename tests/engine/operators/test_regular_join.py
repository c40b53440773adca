"""Regular, semi and anti joins against the row-at-a-time reference, and what they keep."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.operators.changelogs import Event, OutputRow, batches, context, inserts, output
from tests.engine.operators.reference_joins import RegularJoin as Reference
from tests.engine.operators.reference_joins import Row

from velo_engine.kernel import Kernel
from velo_engine.operators.regular_join import RegularJoin
from velo_engine.plan import nodes
from velo_engine.plan.expressions import Call, ColumnRef, Expression
from velo_engine.plan.nodes import JoinKind
from velo_engine.schema import RowSchema
from velo_engine.types import BOOLEAN, DOUBLE, INT, STRING

LEFT = RowSchema.of(("k", STRING), ("n", INT), ("x", DOUBLE))
RIGHT = RowSchema.of(("name", STRING), ("number", INT), ("y", DOUBLE))
LESS = Call("less", (ColumnRef(2, DOUBLE), ColumnRef(5, DOUBLE)), BOOLEAN)

KEY = st.sampled_from(["a", "b", None])
NUMBER = st.sampled_from([1, 2, None])
VALUE = st.sampled_from([0.0, -0.0, 1.5, None])
KINDS = st.sampled_from(["+I", "+I", "+I", "+U", "-U", "-D"])
rows = st.tuples(KINDS, st.tuples(KEY, NUMBER, VALUE))
events = st.lists(
    st.tuples(st.lists(rows, max_size=2).map(tuple), st.lists(rows, max_size=2).map(tuple)).map(
        lambda sides: (Event(sides[0]), Event(sides[1]))
    ),
    max_size=14,
)


def plan(
    kind: JoinKind,
    keys: tuple[int, ...] = (0,),
    condition: Expression | None = None,
    null_safe: frozenset[int] = frozenset(),
) -> nodes.RegularJoin:
    left, right = nodes.Upstream("left", LEFT), nodes.Upstream("right", RIGHT)
    schema = LEFT if kind.one_sided else RowSchema((*LEFT.columns, *RIGHT.columns))
    return nodes.RegularJoin(left, right, kind, keys, keys, condition, schema, null_safe)


def run(operator: RegularJoin, left: list[Event], right: list[Event], size: int) -> list[OutputRow]:
    spans = zip(batches(LEFT, left, size), batches(RIGHT, right, size), strict=True)
    return [row for a, b in spans for row in output(operator.process(a, b).rows)]


def matching(keys: tuple[int, ...], null_safe: frozenset[int], condition: bool) -> Any:
    def holds(left: Row, right: Row) -> bool:
        for number, key in enumerate(keys):
            a, b = left[key], right[key]
            if a is None or b is None:
                if number not in null_safe or a is not b:
                    return False
            elif repr(a) != repr(b):
                return False
        return not condition or (left[2] is not None and right[2] is not None and left[2] < right[2])

    return holds


@settings(max_examples=120, deadline=None)
@given(
    events,
    st.sampled_from(JoinKind),
    st.sampled_from([(0,), (1,), (0, 1), (2,), ()]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1, 3, 100]),
)
def test_changes_are_those_of_the_reference(
    pairs: list[tuple[Event, Event]],
    kind: JoinKind,
    keys: tuple[int, ...],
    conditional: bool,
    safe: bool,
    size: int,
) -> None:
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    null_safe = frozenset({0}) if safe and keys else frozenset()
    expected = Reference(kind, matching(keys, null_safe, conditional), (3, 3)).run(left, right)
    with Kernel() as kernel:
        operator = RegularJoin(context(kernel=kernel), plan(kind, keys, LESS if conditional else None, null_safe))
        assert run(operator, left, right, size) == expected


@settings(max_examples=60, deadline=None)
@given(events, st.sampled_from(JoinKind), st.integers(1, 4))
def test_a_restart_changes_nothing(pairs: list[tuple[Event, Event]], kind: JoinKind, size: int) -> None:
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    expected = run(RegularJoin(context(), plan(kind)), left, right, size)
    operator = RegularJoin(context(), plan(kind))
    found = []
    for a, b in zip(batches(LEFT, left, size), batches(RIGHT, right, size), strict=True):
        found += output(operator.process(a, b).rows)
        state = operator.snapshot()
        operator = RegularJoin(context(), plan(kind))
        operator.restore(state)
    assert found == expected


@pytest.mark.parametrize("kind", list(JoinKind))
def test_rows_and_keys_that_are_taken_back_are_forgotten(kind: JoinKind) -> None:
    scope = context()
    operator = RegularJoin(scope, plan(kind))
    for start in range(0, 50_000, 5_000):
        rows = [(f"key {number}", 1, None) for number in range(start, start + 5_000)]
        came, gone = (tuple((sign, row) for row in rows) for sign in ("+I", "-D"))
        run(operator, [Event(came), Event(gone)], [Event(came), Event(gone)], 1)
    assert scope.counters.state_rows == 0
    assert operator.snapshot()["keys"].num_rows < 30_000


def test_a_row_taken_back_that_never_came_is_only_passed_on() -> None:
    operator = RegularJoin(context(), plan(JoinKind.LEFT))
    left = [Event((("-D", ("a", 1, None)),)), *inserts(("a", 1, None)), Event((("-U", ("a", 1, None)),))]
    assert [row.kind for row in run(operator, left, [Event()] * 3, 100)] == ["-D", "+I", "-D"]
    assert operator.snapshot()["left"].num_rows == 0

"""Calc: projection and filter of every kind of change, and the rows whose expressions fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.expressions.recorded_expressions import bind
from tests.engine.operators.changelogs import Event, OutputRow, batches, context, inserts, run

from velo_engine.batch import ChangeBatch, StepFunction
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.kernel import Kernel
from velo_engine.operators.calc import Calc
from velo_engine.plan.expressions import ColumnRef
from velo_engine.schema import Column, RowSchema
from velo_engine.types import INT, STRING, decimal

INPUT = RowSchema.of(("a", INT), ("b", INT), ("s", STRING), ("d", decimal(10, 2)))


@dataclass
class Failures:
    """Collects failed rows: (seq, first column, reason)."""

    rows: list[tuple[int, Any, str]] = field(default_factory=list)

    def __call__(self, rows: pa.Table, reasons: Sequence[str]) -> None:
        self.rows += zip(rows.column("seq").to_pylist(), rows.column("c0").to_pylist(), reasons, strict=True)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with Kernel() as kernel:
        yield kernel


def calc(kernel: Kernel, select: Sequence[str] | None, where: str | None = None, failures: Any = None) -> Calc:
    expressions = tuple(bind(text, INPUT) for text in select) if select is not None else None
    columns = tuple(Column(f"e{i}", e.type) for i, e in enumerate(expressions)) if expressions else INPUT.columns
    predicate = bind(where, INPUT) if where is not None else None
    return Calc(context(kernel=kernel, failures=failures), INPUT, predicate, expressions, RowSchema(columns))


def row(a: Any, b: Any = 1, s: Any = "x", d: Any = "1.50") -> tuple[Any, ...]:
    return (a, b, s, None if d is None else Decimal(d))


def test_columns_are_chosen_without_a_query() -> None:
    """The kernel cannot run SQL here, so any would fail."""

    class NoSql(Kernel):
        def query(self, sql: str, /, **tables: pa.Table) -> pa.Table:
            raise AssertionError(sql)

    with NoSql() as kernel:
        found = run(calc(kernel, ["s", "a"]), batches(INPUT, inserts(row(1), row(2, s="y")), 10))

    assert found == [OutputRow(0, "+I", ("x", 1)), OutputRow(1, "+I", ("y", 2))]


def test_expressions_are_computed_in_their_types(kernel: Kernel) -> None:
    events = inserts(row(7, 2), row(-7, 2, d=None))

    found = run(calc(kernel, ["a / b", "d * 2", "UPPER(s)"]), batches(INPUT, events, 10))

    assert found == [
        OutputRow(0, "+I", (3, Decimal("3.00"), "X")),
        OutputRow(1, "+I", (-3, None, "X")),
    ]


def test_a_predicate_keeps_the_rows_for_which_it_is_true(kernel: Kernel) -> None:
    operator = calc(kernel, None, "a > 1")
    events = inserts(row(1), row(2), row(None), row(3))

    found = run(operator, batches(INPUT, events, 10))

    assert [(r.seq, r.values[0]) for r in found] == [(1, 2), (3, 3)]
    assert operator._context.counters.filtered == 2


def test_changes_keep_their_kind_and_are_numbered_anew(kernel: Kernel) -> None:
    update = Event((("-U", row(1)), ("+U", row(5)), ("-D", row(0)), ("+I", row(6))))

    found = run(calc(kernel, ["a + 1"], "a > 0 AND a <> 1"), batches(INPUT, [update], 10))

    assert found == [OutputRow(0, "+U", (6,)), OutputRow(0, "+I", (7,))]


def test_rows_without_a_value_are_handed_over_with_the_reason(kernel: Kernel) -> None:
    failures = Failures()
    operator = calc(kernel, ["a / b"], failures=failures)

    found = run(operator, batches(INPUT, inserts(row(1), row(2, 0), row(3), row(None, 0)), 10))

    assert [(r.seq, r.values) for r in found] == [(0, (1,)), (2, (3,)), (3, (None,))]
    assert failures.rows == [(1, 2, "/ by zero")]
    assert operator._context.counters.dead_lettered == 1
    assert operator._context.counters.filtered == 0


def test_the_first_error_is_the_predicates_then_that_of_the_first_expression(kernel: Kernel) -> None:
    failures = Failures()
    operator = calc(kernel, ["CAST(s AS INT)", "a / b"], "d / b > 0", failures)
    events = inserts(row(1, 0, "no", "1.00"), row(2, 1, "no"), row(3, 1, "4"))

    found = run(operator, batches(INPUT, events, 10))

    assert [r.values for r in found] == [(4, 3)]
    assert [(seq, reason.split(".")[0]) for seq, _, reason in failures.rows] == [
        (0, "Division by zero"),
        (1, "For input string: 'no'"),
    ]


def test_a_row_that_the_predicate_removes_has_no_error(kernel: Kernel) -> None:
    failures = Failures()

    found = run(calc(kernel, ["a / b"], "b <> 0", failures), batches(INPUT, inserts(row(4, 2), row(1, 0)), 10))

    assert [r.values for r in found] == [(2,)]
    assert failures.rows == []


def test_a_failure_may_stop_the_job(kernel: Kernel) -> None:
    def stop(rows: pa.Table, reasons: Sequence[str]) -> None:
        raise VeloError(ErrorCode.JOB_FAILED, reasons[0])

    with pytest.raises(VeloError, match="/ by zero"):
        run(calc(kernel, ["a / b"], failures=stop), batches(INPUT, inserts(row(1, 0)), 10))


def test_the_time_of_a_row_is_its_processing_time(kernel: Kernel) -> None:
    operator = calc(kernel, ["UNIX_TIMESTAMP()"])
    (batch,) = batches(INPUT, inserts(row(1), row(2), row(3)), 10)
    clock = StepFunction(5_000, np.array([0, 1]), np.array([7_000, 9_500]))

    found = operator.process(ChangeBatch(batch.rows, 0, 3, batch.watermark, clock))

    assert found.rows.column("c0").to_pylist() == [5, 7, 9]


def test_an_empty_batch_stays_empty_and_has_the_columns(kernel: Kernel) -> None:
    (batch,) = batches(INPUT, [Event(watermark=5)], 10)

    found = calc(kernel, ["a / b", "s"]).process(batch)

    assert found.rows.column_names == ["c0", "c1", "kind", "seq", "sub"]
    assert found.watermark is batch.watermark


VALUES = st.tuples(
    st.sampled_from([None, -1, 0, 1, 7, 2**31 - 1]),
    st.sampled_from([None, 0, 1, 2]),
    st.sampled_from([None, "", "1", "x", "é"]),
    st.sampled_from([None, Decimal("0.00"), Decimal("-1.25")]),
)
EVENTS = st.lists(
    st.builds(
        lambda changes: Event(tuple(changes)),
        st.lists(st.tuples(st.sampled_from(["+I", "-U", "+U", "-D"]), VALUES), max_size=3),
    ),
    max_size=12,
)


@settings(max_examples=30, deadline=None)
@given(events=EVENTS)
def test_the_answer_does_not_depend_on_batches(kernel: Kernel, events: list[Event]) -> None:
    answers = []
    for size in (1, 3, 100):
        failures = Failures()
        operator = calc(kernel, ["a / b", "s || 'x'", "d + a"], "a IS NULL OR a > 0", failures)
        answers.append(
            (run(operator, batches(INPUT, events, size)), failures.rows, operator._context.counters.filtered)
        )

    assert answers[0] == answers[1] == answers[2]


@settings(max_examples=30, deadline=None)
@given(events=EVENTS)
def test_every_row_has_one_fate(kernel: Kernel, events: list[Event]) -> None:
    failures = Failures()
    operator = calc(kernel, ["a / b"], "a > b", failures)

    found = run(operator, batches(INPUT, events, 5))

    expected: list[OutputRow] = []
    for seq, event in enumerate(events):
        for kind, (a, b, _, _) in event.rows:
            if a is not None and b is not None and a > b and b != 0:
                expected.append(OutputRow(seq, kind, (int(a / b),)))
    counters = operator._context.counters
    assert found == expected
    assert sum(len(e.rows) for e in events) == len(found) + counters.filtered + counters.dead_lettered
    assert counters.dead_lettered == len(failures.rows)


def test_a_single_column_reference_is_still_a_projection(kernel: Kernel) -> None:
    operator = Calc(context(kernel=kernel), INPUT, None, (ColumnRef(2, STRING),), RowSchema.of(("s", STRING)))

    assert run(operator, batches(INPUT, inserts(row(1, s="only")), 10)) == [OutputRow(0, "+I", ("only",))]

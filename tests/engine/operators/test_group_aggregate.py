"""GROUP BY without windows: the changelog of Flink's GroupAggFunction, from arrays."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.operators import reference
from tests.engine.operators.changelogs import Event, OutputRow, batches, context, fold, inserts, output, run

from velo_engine.batch import make_rows
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.operators.group_aggregate import GroupAggregate
from velo_engine.plan import nodes
from velo_engine.plan.expressions import AggregateCall
from velo_engine.schema import Column, RowSchema
from velo_engine.types import BIGINT, BOOLEAN, DOUBLE, FLOAT, INT, STRING, TINYINT, SqlType, decimal

D = Decimal
NAN = float("nan")

POOLS: dict[str, tuple[SqlType, list[Any]]] = {
    "k": (STRING, ["a", "b", None]),
    "k2": (INT, [1, None]),
    "d": (decimal(10, 2), [D("0.10"), D("-5.55"), D("99999999.99"), D("12.34"), D("0.01"), None]),
    "wide": (
        decimal(38, 2),
        [D("9" * 36 + ".99"), D("-" + "9" * 36 + ".00"), D("1.00"), D("123456789012345678901.23"), None],
    ),
    "i": (INT, [0, 1, -7, 2**31 - 1, -(2**31), None]),
    "t": (TINYINT, [1, 127, -128, None]),
    "l": (BIGINT, [1, 2**63 - 1, -(2**63), 10**12, None]),
    "f": (DOUBLE, [0.0, -0.0, 0.1, 1e16, -1e16, 1.0, NAN, None]),
    "f4": (FLOAT, [0.25, 16777216.0, 1.0, -0.0, None]),
    "s": (STRING, ["", "z", "é", "\U0001f600", "aa", None]),
    "b": (BOOLEAN, [True, False, None]),
}
SCHEMA = RowSchema(tuple(Column(name, kind) for name, (kind, _) in POOLS.items()))
AT = {name: i for i, name in enumerate(POOLS)}
ROWS = st.tuples(*(st.sampled_from(pool) for _, pool in POOLS.values()))


def call(function: str, arg: str | None = None, **more: Any) -> AggregateCall:
    types = {"count": BIGINT}
    kind = BIGINT if arg is None else POOLS[arg][0]
    if kind.name == "DECIMAL" and function in ("sum", "avg"):
        kind = decimal(38, kind.scale if function == "sum" else max(kind.scale, 6))
    if more.get("filter") is not None:
        more["filter"] = AT[more["filter"]]
    return AggregateCall(function, () if arg is None else (AT[arg],), types.get(function, kind), **more)


ADDING = (
    call("count"),
    call("count", "s"),
    call("count", "s", distinct=True),
    call("count", filter="b"),
    *(call(f, c) for f in ("sum", "avg") for c in ("d", "wide", "i", "t", "l", "f", "f4")),
    call("sum", "i", distinct=True),
    call("avg", "d", distinct=True, filter="b"),
    call("sum", "d", filter="b"),
)
APPENDING = (
    *ADDING,
    *(call(f, c) for f in ("min", "max", "first_value", "last_value") for c in ("d", "wide", "i", "l", "f", "s", "b")),
)
REDUCED = (
    *(call(f, c) for f in ("sum", "avg") for c in ("d", "wide", "i", "t", "l", "f", "f4")),
    *(call(f, c) for f in ("stddev_pop", "stddev_samp", "var_pop", "var_samp") for c in ("i", "t", "f", "f4")),
)
"""STDDEV and VAR make Flink compute the others from shared sums and counts."""

# Floats with NaN and zeros are left to their own test: Flink's two rules for MIN and MAX differ there.
RETRACTING = (*ADDING, *(call(f, c) for f in ("min", "max") for c in ("d", "wide", "i", "l", "s", "b")))


def node(keys: tuple[int, ...], calls: tuple[AggregateCall, ...]) -> nodes.GroupAggregate:
    columns = [SCHEMA.columns[i] for i in keys] + [Column(f"a{i}", c.type) for i, c in enumerate(calls)]
    return nodes.GroupAggregate(nodes.Upstream("input", SCHEMA), keys, calls, RowSchema(tuple(columns)))


def group_by(
    events: list[Event],
    keys: tuple[int, ...],
    calls: tuple[AggregateCall, ...],
    size: int = 1000,
    *,
    emit_unchanged: bool = False,
    retracting: bool = False,
    restart: bool = False,
) -> list[OutputRow]:
    """The output, with the state carried to a fresh operator after every batch when `restart`."""
    make = lambda: GroupAggregate(  # noqa: E731
        context(emit_unchanged=emit_unchanged), node(keys, calls), SCHEMA, retracting=retracting
    )
    operator, out = make(), []
    for batch in batches(SCHEMA, events, size):
        out += output(operator.process(batch).rows)
        if restart:
            state = operator.snapshot()
            operator = make()
            operator.restore(state)
    return out


@settings(max_examples=40, deadline=None)
@given(st.lists(ROWS, max_size=20), st.sampled_from([(), (AT["k"],), (AT["k"], AT["k2"])]), st.booleans())
def test_appended_rows_give_the_reference_changelog(
    rows: list[tuple[Any, ...]], keys: tuple[int, ...], emit_unchanged: bool
) -> None:
    events = inserts(*rows)
    expected = reference.group_by(events, SCHEMA, keys, APPENDING, emit_unchanged=emit_unchanged)
    for size, restart in ((1, False), (7, True), (1000, False)):
        assert group_by(events, keys, APPENDING, size, emit_unchanged=emit_unchanged, restart=restart) == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["+I", "+U", "-U", "-D"]), ROWS), max_size=20))
def test_reduced_calls_give_the_reference_changelog(rows: list[tuple[str, tuple[Any, ...]]]) -> None:
    events = [Event((row,)) for row in rows]
    expected = reference.group_by(events, SCHEMA, (0,), REDUCED, reduced=True)
    for size, restart in ((1, False), (7, True), (1000, False)):
        assert group_by(events, (0,), REDUCED, size, retracting=True, restart=restart) == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["+I", "+U", "-U", "-D"]), ROWS), max_size=20), st.data())
def test_retracting_rows_give_the_reference_changelog(rows: list[tuple[str, tuple[Any, ...]]], data: Any) -> None:
    cuts = data.draw(st.lists(st.integers(1, 3), min_size=len(rows), max_size=len(rows)))
    events, rest = [], list(rows)
    for cut in cuts:
        events.append(Event(tuple(rest[:cut])))
        rest = rest[cut:]
    expected = reference.group_by(events, SCHEMA, (0,), RETRACTING)
    for size, restart in ((1, False), (7, True), (1000, False)):
        assert group_by(events, (0,), RETRACTING, size, retracting=True, restart=restart) == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([1, 2, 3]), st.booleans()), max_size=40))
def test_the_changelog_folds_to_the_aggregate_of_what_is_left(steps: list[tuple[str, int, bool]]) -> None:
    """Retractions here are of rows that are there, as every operator upstream gives them."""
    held: list[tuple[str, int]] = []
    events = []
    for key, value, remove in steps:
        if remove and (key, value) in held:
            held.remove((key, value))
            events.append(Event((("-D", sparse(k=key, i=value)),)))
        else:
            held.append((key, value))
            events.append(Event((("+I", sparse(k=key, i=value)),)))
    calls = (call("count"), call("sum", "i"), call("max", "i"), call("count", "i", distinct=True))
    folded = fold(group_by(events, (0,), calls, 7, retracting=True))
    groups = {key: [v for k, v in held if k == key] for key, _ in held}
    assert folded == sorted(repr((k, len(v), sum(v), max(v), len(set(v)))) for k, v in groups.items())


def test_the_first_row_inserts_and_later_rows_replace() -> None:
    events = inserts(sparse(k="a", i=1), sparse(k="b", i=5), sparse(k="a", i=2))
    assert group_by(events, (0,), (call("sum", "i"),)) == [
        OutputRow(0, "+I", ("a", 1)),
        OutputRow(1, "+I", ("b", 5)),
        OutputRow(2, "-U", ("a", 1)),
        OutputRow(2, "+U", ("a", 3)),
    ]


def test_an_equal_result_is_given_out_only_on_request() -> None:
    events = inserts(sparse(k="a", i=3), sparse(k="a", i=5), sparse(k="a", i=2))
    calls = (call("min", "i"),)
    changed = [OutputRow(2, "-U", ("a", 3)), OutputRow(2, "+U", ("a", 2))]
    assert group_by(events, (0,), calls) == [OutputRow(0, "+I", ("a", 3)), *changed]
    assert group_by(events, (0,), calls, emit_unchanged=True) == [
        OutputRow(0, "+I", ("a", 3)),
        OutputRow(1, "-U", ("a", 3)),
        OutputRow(1, "+U", ("a", 3)),
        *changed,
    ]


def test_nan_is_never_an_equal_result() -> None:
    events = inserts(sparse(k="a", f=NAN), sparse(k="a", f=1.0))
    kinds = [row.kind for row in group_by(events, (0,), (call("min", "f"),))]
    assert kinds == ["+I", "-U", "+U"]


def test_a_group_ends_with_its_last_row_and_begins_again() -> None:
    row = sparse(k="a", i=4)
    events = [Event((("+I", row),)), Event((("-D", row), ("+I", sparse(k="a", i=9))))]
    assert group_by(events, (0,), (call("count"), call("max", "i")), retracting=True) == [
        OutputRow(0, "+I", ("a", 1, 4)),
        OutputRow(1, "-D", ("a", 1, 4)),
        OutputRow(1, "+I", ("a", 1, 9)),
    ]


def test_taking_back_from_an_unknown_group_is_ignored() -> None:
    row = sparse(k="a", i=4)
    events = [Event((("-U", row), ("+U", row))), Event((("-D", row), ("-D", row)))]
    assert group_by(events, (0,), (call("count"),)) == [OutputRow(0, "+I", ("a", 1)), OutputRow(1, "-D", ("a", 1))]


def test_no_keys_is_one_group_that_begins_with_its_first_row() -> None:
    assert group_by([], (), (call("count"),)) == []
    assert group_by(inserts(sparse(), sparse()), (), (call("count"),)) == [
        OutputRow(0, "+I", (1,)),
        OutputRow(1, "-U", (1,)),
        OutputRow(1, "+U", (2,)),
    ]


def test_minimum_of_doubles_under_retraction_follows_double_compare() -> None:
    rows = [sparse(k="a", f=v) for v in (NAN, 0.0, -0.0, 5.0)]
    events = [*inserts(*rows), Event((("-D", rows[2]),)), Event((("-D", rows[1]),))]
    got = group_by(events, (0,), (call("min", "f"), call("max", "f"), call("count")), retracting=True)
    after = [repr(row.values[1:3]) for row in got if row.kind != "-U"]
    assert after == ["(nan, nan)", "(0.0, nan)", "(-0.0, nan)", "(-0.0, nan)", "(0.0, nan)", "(5.0, nan)"]


def test_a_call_of_what_only_grows_ignores_what_is_taken_back() -> None:
    rows = [sparse(k="a", i=v) for v in (3, 4)]
    events = [Event((("+I", rows[0]), ("+I", sparse(k="a", i=1)))), Event((("-U", rows[0]), ("+U", rows[1])))]
    operator = GroupAggregate(
        context(), node((0,), (call("max", "i"),)), SCHEMA, retracting=True, unretracted=frozenset({0})
    )
    assert run(operator, batches(SCHEMA, events, 1)) == [
        OutputRow(0, "+I", ("a", 3)),
        OutputRow(1, "-U", ("a", 3)),
        OutputRow(1, "+U", ("a", 4)),
    ]


def test_a_call_that_cannot_follow_retractions_is_refused() -> None:
    with pytest.raises(VeloError) as refused:
        group_by([], (0,), (call("delta", "i"),), retracting=True)
    assert refused.value.code is ErrorCode.SQL_UNSUPPORTED
    operator = GroupAggregate(context(), node((0,), (call("min", "i"),)), SCHEMA)
    with pytest.raises(VeloError, match="MIN"):
        run(operator, batches(SCHEMA, [Event((("-D", sparse(k="a")),))], 1))


def test_an_unknown_aggregate_is_refused() -> None:
    with pytest.raises(VeloError, match="MODE"):
        group_by([], (0,), (call("mode", "s"),))


def test_ended_groups_leave_no_state() -> None:
    operator = GroupAggregate(context(), node((0,), (call("count", "i", distinct=True),)), SCHEMA, retracting=True)
    for n in range(40):
        keys = [f"k{n}-{i}" for i in range(200)]
        events = [Event((("+I", sparse(k=k, i=i)), ("-D", sparse(k=k, i=i)))) for i, k in enumerate(keys)]
        for batch in batches(SCHEMA, events, 1000):
            operator.process(batch)
    state = operator.snapshot()
    assert {name: table.num_rows for name, table in state.items() if name != "keys"} == {
        "groups": 0,
        "accumulators": 0,
        "distinct0": 0,
    }
    assert state["keys"].num_rows < 2000, "of 8000 keys seen"


CACHE = Path(__file__).parents[4] / "shared" / "prototypes" / "engine" / "cache"


@pytest.mark.skipif(not CACHE.exists(), reason="the recorded prototype cases are not here")
def test_recorded_flink_answers() -> None:
    schema = RowSchema.of(("k", STRING), ("px", decimal(10, 2)), ("q", INT))
    calls = (
        AggregateCall("count", (), BIGINT),
        AggregateCall("sum", (1,), decimal(38, 2)),
        AggregateCall("avg", (1,), decimal(38, 6)),
        AggregateCall("min", (1,), decimal(10, 2)),
        AggregateCall("max", (1,), decimal(10, 2)),
        AggregateCall("count", (2,), BIGINT, distinct=True),
    )
    columns = [schema.columns[0], *(Column(f"a{i}", c.type) for i, c in enumerate(calls))]
    plan = nodes.GroupAggregate(nodes.Upstream("t", schema), (0,), calls, RowSchema(tuple(columns)))
    for path in sorted(CACHE.glob("a*.json")):
        case = json.loads(path.read_text())
        events = inserts(*((r["k"], None if r["px"] is None else D(r["px"]), r["q"]) for r in case["tabs"]["t"]))
        for size in (1, 7, 1000):
            got = run(GroupAggregate(context(), plan, schema), batches(schema, events, size))
            assert shown(got) == case["res"]["group"]["rows"], path.name


@pytest.mark.skipif(not CACHE.exists(), reason="the recorded prototype cases are not here")
def test_recorded_flink_answers_over_a_retracting_input() -> None:
    """GROUP BY over GROUP BY: MOD(COUNT(*), 3) as the key, so that rows wander between groups."""
    schema = RowSchema.of(("k", STRING), ("px", decimal(10, 2)), ("q", INT))
    inner = (
        AggregateCall("count", (), BIGINT),
        AggregateCall("sum", (1,), decimal(38, 2)),
        AggregateCall("max", (2,), INT),
    )
    between = RowSchema.of(("k", STRING), ("c", BIGINT), ("s", decimal(38, 2)), ("m", INT))
    middle = RowSchema.of(("g", BIGINT), ("s", decimal(38, 2)), ("m", INT))
    outer = (
        AggregateCall("count", (), BIGINT),
        AggregateCall("sum", (1,), decimal(38, 2)),
        AggregateCall("avg", (1,), decimal(38, 6)),
        AggregateCall("min", (2,), INT),
        AggregateCall("max", (2,), INT),
        AggregateCall("count", (2,), BIGINT, distinct=True),
    )
    result = RowSchema((middle.columns[0], *(Column(f"a{i}", c.type) for i, c in enumerate(outer))))
    first_plan = nodes.GroupAggregate(nodes.Upstream("t", schema), (0,), inner, between)
    second_plan = nodes.GroupAggregate(nodes.Upstream("m", middle), (0,), outer, result)
    for path in sorted(CACHE.glob("a*.json")):
        case = json.loads(path.read_text())
        events = inserts(*((r["k"], None if r["px"] is None else D(r["px"]), r["q"]) for r in case["tabs"]["t"]))
        for size in (7, 1000):
            first = GroupAggregate(context(), first_plan, schema)
            second = GroupAggregate(context(), second_plan, middle, retracting=True)
            got = []
            for batch in batches(schema, events, size):
                changes = first.process(batch)
                table = changes.rows
                columns = [pa.array(np.mod(table.column(1).to_numpy(), 3)), table.column(2), table.column(3)]
                moved = make_rows(middle, columns, changes.kind, changes.seq, changes.sub)
                got += output(second.process(changes.with_rows(moved)).rows)
            assert shown(got) == case["res"]["group2"]["rows"], path.name


def shown(rows: list[OutputRow]) -> list[list[str | None]]:
    """Rows as Flink's CAST AS STRING gave them."""
    return [[r.kind, *(None if v is None else str(v) for v in r.values)] for r in rows]


def sparse(**values: Any) -> tuple[Any, ...]:
    """A row of SCHEMA with these values, else NULL."""
    return tuple(values.get(name) for name in POOLS)

"""GROUP BY within windows: lateness, firing, updates and local time as Flink has them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.operators import reference
from tests.engine.operators.changelogs import Event, Lates, OutputRow, batches, context, fold, output, run

from velo_engine.batch import FINAL_WATERMARK
from velo_engine.operators.window_aggregate import WindowAggregate
from velo_engine.plan import nodes
from velo_engine.plan.expressions import AggregateCall
from velo_engine.plan.nodes import Emit, LateData, WindowKind, WindowSpec
from velo_engine.schema import Column, RowSchema
from velo_engine.types import BIGINT, DOUBLE, INT, STRING, decimal, timestamp, timestamp_ltz

SCHEMA = RowSchema.of(("k", STRING), ("v", INT), ("f", DOUBLE), ("t", timestamp(3)), ("d", decimal(38, 2)))
CALLS = (
    AggregateCall("count", (), BIGINT),
    AggregateCall("sum", (1,), INT),
    AggregateCall("max", (1,), INT),
    AggregateCall("sum", (2,), DOUBLE),
    AggregateCall("min", (0,), STRING),
    AggregateCall("last_value", (1,), INT),
    AggregateCall("count", (1,), BIGINT, distinct=True),
)
COUNT = (AggregateCall("count", (), BIGINT),)
MERGEABLE = (
    *COUNT,
    AggregateCall("sum", (1,), INT),
    AggregateCall("avg", (1,), INT),
    AggregateCall("min", (1,), INT),
    AggregateCall("max", (0,), STRING),
    AggregateCall("count", (1,), BIGINT),
    AggregateCall("sum", (4,), decimal(38, 2)),
    AggregateCall("avg", (4,), decimal(38, 6)),
)
"""Calls whose windows can be put together from slices with the same result."""

EPOCH = datetime(1970, 1, 1)

TUMBLE = WindowSpec(WindowKind.TUMBLE, 10, 10)
SPECS = [
    TUMBLE,
    WindowSpec(WindowKind.TUMBLE, 10, 10, offset_ms=-3),
    WindowSpec(WindowKind.HOP, 15, 5),
    WindowSpec(WindowKind.HOP, 7, 3, offset_ms=1),
    WindowSpec(WindowKind.CUMULATE, 20, 5),
]


def at(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


def plan(
    spec: WindowSpec,
    calls: tuple[AggregateCall, ...] = CALLS,
    keys: tuple[int, ...] = (0,),
    *,
    emit: Emit = Emit.FINAL,
    lateness: int = 0,
    schema: RowSchema = SCHEMA,
) -> nodes.WindowAggregate:
    time = schema.names.index("t")
    columns = [schema.columns[i] for i in keys] + [Column(f"a{i}", c.type) for i, c in enumerate(calls)]
    columns += [Column("window_start", timestamp(3)), Column("window_end", timestamp(3))]
    columns.append(Column("window_time", schema.types[time]))
    upstream = nodes.Upstream("input", schema)
    return nodes.WindowAggregate(
        upstream, spec, time, keys, calls, emit, lateness, LateData.DROP, RowSchema(tuple(columns))
    )


def row(
    key: str | None, ms: int, value: int | None = 1, number: float | None = None, price: Decimal | None = None
) -> tuple[str, tuple[Any, ...]]:
    return "+I", (key, value, number, at(ms), price)


ROWS = st.builds(
    row,
    st.sampled_from(["a", "b", None]),
    st.integers(-25, 45),
    st.sampled_from([1, 2, 5, None]),
    st.sampled_from([0.1, 1e16, -1e16, None]),
    st.sampled_from([Decimal("0.01"), Decimal("-5.50"), Decimal("9" * 15 + ".00"), Decimal("9" * 30 + ".99"), None]),
)
EVENTS = st.lists(
    st.builds(
        lambda rows, step: Event(tuple(rows), step),
        st.lists(ROWS, max_size=2),
        st.one_of(st.none(), st.integers(-30, 60)),
    ),
    max_size=25,
).map(lambda events: [*events, Event((), FINAL_WATERMARK)])


@settings(max_examples=100, deadline=None)
@given(
    EVENTS,
    st.sampled_from(SPECS),
    st.sampled_from([0, 6]),
    st.sampled_from(list(Emit)),
    st.booleans(),
    st.sampled_from([CALLS, MERGEABLE]),
)
def test_windows_give_the_reference_changelog(
    events: list[Event],
    spec: WindowSpec,
    lateness: int,
    emit: Emit,
    keyed: bool,
    calls: tuple[AggregateCall, ...],
) -> None:
    keys = (0,) if keyed else ()
    node = plan(spec, calls, keys, emit=emit, lateness=lateness)
    expected = reference.windows(events, SCHEMA, spec, 3, keys, calls, emit=emit, lateness=lateness)
    for size, restart in ((1, False), (5, True), (1000, False)):
        late = Lates()
        scope = context(late=late)
        operator, got = WindowAggregate(scope, node, SCHEMA), []
        for batch in batches(SCHEMA, events, size):
            got += output(operator.process(batch).rows)
            if restart:
                state = operator.snapshot()
                operator = WindowAggregate(scope, node, SCHEMA)
                operator.restore(state)
        assert got == expected.changes
        assert late.rows == expected.late
        assert scope.counters.late == len(expected.late)
        assert scope.counters.partly_late == expected.partly_late
        assert scope.counters.state_rows == 0, "the final watermark closes every window"


@settings(max_examples=40, deadline=None)
@given(EVENTS)
def test_hop_adds_floats_up_slice_by_slice_from_the_latest(events: list[Event]) -> None:
    """Flink merges the slices of a window in that order (HoppingSliceAssigner); addition of floats is not associative."""
    spec, calls = WindowSpec(WindowKind.HOP, 15, 5), (AggregateCall("sum", (2,), DOUBLE),)
    got = run(WindowAggregate(context(), plan(spec, calls), SCHEMA), batches(SCHEMA, events, 4))
    slices: dict[tuple[Any, int], float] = {}
    watermark = -(2**63)
    expected = []
    for event in events:
        for _, (key, _, number, time, _) in event.rows:
            ms = (time - EPOCH) // timedelta(milliseconds=1)
            end = ms // 5 * 5 + 5
            if watermark < end + 10 - 1:
                old = slices.get((key, end))
                slices[key, end] = old if number is None else number if old is None else old + number  # type: ignore[assignment]
        if event.watermark is not None and event.watermark > watermark:
            for window in sorted({e + i for _, e in slices for i in (0, 5, 10)}):
                if watermark < window - 1 <= event.watermark:
                    for key in {k for k, e in slices if window - 15 < e <= window}:
                        parts = [slices.get((key, e)) for e in (window, window - 5, window - 10)]
                        total = None
                        for part in parts:
                            total = part if total is None else total if part is None else total + part
                        expected.append((repr(key), window, repr(total)))
            watermark = event.watermark
    assert sorted(
        (repr(r.values[0]), (r.values[3] - EPOCH) // timedelta(milliseconds=1), repr(r.values[1])) for r in got
    ) == (sorted(expected))


@settings(max_examples=40, deadline=None)
@given(EVENTS, st.sampled_from(SPECS), st.sampled_from(list(Emit)))
def test_the_changelog_folds_to_the_last_result_of_every_window(
    events: list[Event], spec: WindowSpec, emit: Emit
) -> None:
    operator = WindowAggregate(context(), plan(spec, COUNT, emit=emit, lateness=8), SCHEMA)
    folded = fold(run(operator, batches(SCHEMA, events, 4)))
    counts: dict[tuple[str | None, int, int], int] = {}
    watermark = -(2**63)
    for event in events:
        for _, values in event.rows:
            time = (values[3] - EPOCH) // timedelta(milliseconds=1)
            for start, end in reference.windows_of(spec, time):
                if watermark < end - 1 + 8:
                    counts[values[0], start, end] = counts.get((values[0], start, end), 0) + 1
        watermark = max(watermark, watermark if event.watermark is None else event.watermark)
    assert folded == sorted(repr((k, n, at(s), at(e), at(e - 1))) for (k, s, e), n in counts.items())


@pytest.mark.parametrize(("watermark", "accepted"), [(8, True), (9, False), (10, False)])
def test_a_row_is_late_when_the_watermark_has_reached_the_last_millisecond(watermark: int, accepted: bool) -> None:
    events = [Event((row("a", 3),), watermark), Event((row("a", 4),)), Event((), FINAL_WATERMARK)]
    late = Lates()
    got = run(WindowAggregate(context(late=late), plan(TUMBLE, COUNT), SCHEMA), batches(SCHEMA, events, 10))
    fired = 2 if accepted else 0
    count = 2 if accepted else 1
    assert got == [OutputRow(fired, "+I", ("a", count, at(0), at(10), at(9)))]
    assert late.rows == ([] if accepted else [(1, watermark - 9)])


def test_a_row_sees_the_watermark_before_its_own_step() -> None:
    events = [Event((row("a", 3), row("a", 4)), 9), Event((row("a", 5),))]
    got = run(WindowAggregate(context(), plan(TUMBLE, COUNT), SCHEMA), batches(SCHEMA, events, 10))
    assert got == [OutputRow(0, "+I", ("a", 2, at(0), at(10), at(9)))]


def test_a_hop_drops_a_row_from_one_window_and_keeps_it_in_the_next() -> None:
    scope = context()
    events = [Event((), 14), Event((row("a", 12),)), Event((), FINAL_WATERMARK)]
    got = run(
        WindowAggregate(scope, plan(WindowSpec(WindowKind.HOP, 15, 5), COUNT), SCHEMA), batches(SCHEMA, events, 10)
    )
    assert [(r.values[2], r.values[3]) for r in got] == [(at(5), at(20)), (at(10), at(25))]
    assert (scope.counters.late, scope.counters.partly_late) == (0, 1)


def test_windows_before_1970_start_at_or_before_their_rows() -> None:
    events = [Event((row("a", -1), row("a", -10), row("a", -11)), FINAL_WATERMARK)]
    got = run(WindowAggregate(context(), plan(TUMBLE, COUNT), SCHEMA), batches(SCHEMA, events, 10))
    assert [(r.values[1], r.values[2]) for r in got] == [(1, at(-20)), (2, at(-10))]


def test_one_jump_completes_windows_by_end_and_keys_by_arrival() -> None:
    events = [
        Event((row("b", 12),)),
        Event((row("c", 1),)),
        Event((row("a", 2),)),
        Event((row("a", 13),)),
        Event((), 50),
    ]
    got = run(WindowAggregate(context(), plan(TUMBLE, COUNT), SCHEMA), batches(SCHEMA, events, 2))
    assert [(r.seq, r.values[0], r.values[2]) for r in got] == [
        (4, "c", at(0)),
        (4, "a", at(0)),
        (4, "b", at(10)),
        (4, "a", at(10)),
    ]


def test_allowed_lateness_updates_a_window_until_it_closes() -> None:
    events = [
        Event((row("a", 1, 5),), 9),
        Event((row("a", 2, 7),)),
        Event((row("a", 3, 6),)),
        Event((row("b", 4, 1),), 14),
        Event((row("a", 5, 9),)),
    ]
    calls = (AggregateCall("max", (1,), INT),)
    late = Lates()
    operator = WindowAggregate(context(late=late), plan(TUMBLE, calls, lateness=5), SCHEMA)
    window = (at(0), at(10), at(9))
    assert run(operator, batches(SCHEMA, events, 10)) == [
        OutputRow(0, "+I", ("a", 5, *window)),
        OutputRow(1, "-U", ("a", 5, *window)),
        OutputRow(1, "+U", ("a", 7, *window)),
        OutputRow(3, "+I", ("b", 1, *window)),
    ]
    assert late.rows == [(4, 0)]


def test_emit_changes_gives_every_row_at_once_and_nothing_at_the_close() -> None:
    events = [Event((row("a", 1, 5), row("a", 2, 5)), 9), Event((row("a", 3),)), Event((), FINAL_WATERMARK)]
    calls = (AggregateCall("max", (1,), INT),)
    window = (at(0), at(10), at(9))
    operator = WindowAggregate(context(), plan(TUMBLE, calls, emit=Emit.CHANGES), SCHEMA)
    assert run(operator, batches(SCHEMA, events, 10)) == [
        OutputRow(0, "+I", ("a", 5, *window)),
        OutputRow(0, "-U", ("a", 5, *window)),
        OutputRow(0, "+U", ("a", 5, *window)),
    ]


def test_closed_windows_leave_no_state() -> None:
    scope = context()
    operator = WindowAggregate(scope, plan(TUMBLE), SCHEMA)
    for n in range(60):
        rows = [row(f"k{n}-{i}", n * 10, i) for i in range(200)]
        event = Event(tuple(rows), n * 10 + 9)
        for batch in batches(SCHEMA, [event], 1):
            operator.process(batch)
    state = operator.snapshot()
    assert scope.counters.state_rows == 0
    held = {name: table.num_rows for name, table in state.items() if name not in ("keys", "clock")}
    assert held == {"panes": 0, "accumulators": 0, "distinct0": 0}
    assert state["keys"].num_rows < 3000, "of 12 000 keys seen"


def ltz_windows(zone: str, size_ms: int, instants: list[int], watermarks: list[int]) -> list[OutputRow]:
    schema = RowSchema.of(("t", timestamp_ltz(3)))
    node = plan(WindowSpec(WindowKind.TUMBLE, size_ms, size_ms), COUNT, (), schema=schema)
    events = [Event((("+I", (at(t),)),)) for t in instants] + [Event((), w) for w in watermarks]
    return run(WindowAggregate(context(time_zone=zone), node, schema), batches(schema, events, 3))


def test_days_of_an_instant_are_those_of_the_session_zone() -> None:
    # 2021-06-01 00:30 in Berlin is 22:30 UTC of the day before.
    instant = datetime(2021, 5, 31, 22, 30, tzinfo=UTC)
    midnight = datetime(2021, 5, 31, 22, 0)
    ms = int(instant.timestamp() * 1000)
    end = ms - 30 * 60_000 + 24 * 3_600_000
    assert ltz_windows("Europe/Berlin", 24 * 3_600_000, [ms], [end - 2, end - 1]) == [
        OutputRow(
            2,
            "+I",
            (1, datetime(2021, 6, 1), datetime(2021, 6, 2), midnight + timedelta(days=1) - timedelta(milliseconds=1)),
        )
    ]


# Flink's own examples, in the comments of TimeWindowUtil.toEpochMillsForTimer: Los Angeles skips 02:00-03:00 on
# 2021-03-14 and has 01:00-02:00 twice on 2021-11-07.
def test_a_window_that_ends_in_the_skipped_hour_fires_at_its_beginning() -> None:
    got = ltz_windows("America/Los_Angeles", 1_800_000, [1615715999999], [1615715999998, 1615715999999, 1615716000000])
    assert [(r.seq, r.values[1], r.values[2]) for r in got] == [
        (2, datetime(2021, 3, 14, 1, 30), datetime(2021, 3, 14, 2, 0))
    ]
    # [00:00, 02:30) local: its last millisecond does not exist, so it is complete when the skipped hour begins.
    got = ltz_windows("America/Los_Angeles", 9_000_000, [1615708800000], [1615715999999, 1615716000000])
    assert [(r.seq, r.values[1], r.values[2]) for r in got] == [
        (2, datetime(2021, 3, 14, 0, 0), datetime(2021, 3, 14, 2, 30))
    ]


def test_a_window_in_the_repeated_hour_takes_both_and_fires_after_the_second() -> None:
    first, second = 1636272000000, 1636275600000  # 01:00 local, both times
    end = second + 3_600_000
    got = ltz_windows("America/Los_Angeles", 3_600_000, [first, second], [second - 1, end - 2, end - 1])
    assert [(r.seq, r.values[:3]) for r in got] == [(4, (2, datetime(2021, 11, 7, 1), datetime(2021, 11, 7, 2)))]


CACHE = Path(__file__).parents[4] / "shared" / "prototypes" / "engine" / "cache"


@pytest.mark.skipif(not CACHE.exists(), reason="the recorded prototype cases are not here")
@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("tumble", WindowSpec(WindowKind.TUMBLE, 10_000, 10_000)),
        ("hop", WindowSpec(WindowKind.HOP, 15_000, 5_000)),
    ],
)
def test_recorded_flink_answers(name: str, spec: WindowSpec) -> None:
    """Equal per key, in order; the order of keys that one step completes is a heap's in Flink."""
    schema = RowSchema.of(("k", STRING), ("px", decimal(10, 2)), ("q", INT), ("t", timestamp(3)))
    calls = (
        AggregateCall("count", (), BIGINT),
        AggregateCall("sum", (1,), decimal(38, 2)),
        AggregateCall("avg", (1,), decimal(38, 6)),
        AggregateCall("min", (1,), decimal(10, 2)),
        AggregateCall("max", (1,), decimal(10, 2)),
        AggregateCall("count", (2,), BIGINT, distinct=True),
    )
    node = plan(spec, calls, schema=schema)
    start = datetime(2024, 1, 1)
    for path in sorted(CACHE.glob("a*.json")):
        case = json.loads(path.read_text())
        events, highest = [], -(2**62)
        for r in case["tabs"]["t"]:
            time = start + timedelta(milliseconds=r["ts"])
            highest = max(highest, (time - EPOCH) // timedelta(milliseconds=1) - 5000)
            price = None if r["px"] is None else Decimal(r["px"])
            events.append(Event((("+I", (r["k"], price, r["q"], time)),), highest))
        events.append(Event((), FINAL_WATERMARK))
        for size in (1, 7, 1000):
            got = [shown(r) for r in run(WindowAggregate(context(), node, schema), batches(schema, events, size))]
            assert by_key(got) == by_key(case["res"][name]["rows"]), path.name


def shown(row: OutputRow) -> list[str | None]:
    """Kind, key, window and aggregates as Flink's CAST AS STRING gave them."""
    key, *aggregates = row.values[:-3]
    times = [t.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] for t in row.values[-3:-1]]
    return [row.kind, key, *times, *(None if v is None else str(v) for v in aggregates)]


def by_key(rows: list[list[str | None]]) -> dict[str | None, list[list[str | None]]]:
    return {key: [r for r in rows if r[1] == key] for key in {r[1] for r in rows}}


def changed(*rows: tuple[str, str, int | None, int]) -> list[Event]:
    """An event per row (kind, key, value, event time); the watermark follows the highest time."""
    highest = [max(time for *_, time in rows[: i + 1]) for i in range(len(rows))]
    return [
        Event(((kind, (key, value, None, at(time), None)),), watermark)
        for (kind, key, value, time), watermark in zip(rows, highest, strict=True)
    ]


CHANGING = changed(
    ("+I", "A", 1, 1),
    ("+I", "B", 2, 1),
    ("-D", "B", 2, 1),
    ("+I", "C", 2, 12),
    ("-D", "A", 1, 1),
    ("+I", "A", 1, 2),
    ("+I", "B", 5, 3),
    ("-U", "B", 5, 3),
    ("+U", "B", 6, 3),
    ("-D", "D", 6, 3),
    ("+I", "D", 6, 3),
    ("+I", "D", 7, 3),
    ("+I", "E", None, 4),
    ("+I", "E", None, 4),
    ("-D", "E", None, 4),
)
SUM = (AggregateCall("sum", (1,), INT),)


@pytest.mark.parametrize("size", [1, 4, 100])
def test_a_correction_that_empties_a_window_deletes_its_result(size: int) -> None:
    """Recorded with Flink: `GROUP BY TUMBLE` with `table.exec.emit.allow-lateness` and a late-fire delay of 0."""
    operator = WindowAggregate(context(), plan(TUMBLE, SUM, lateness=10), SCHEMA, retracting=True)
    got = []
    for batch in batches(SCHEMA, CHANGING, size):
        got += output(operator.process(batch).rows)
    assert [(r.seq, r.kind, *r.values[:2]) for r in got] == [
        (3, "+I", "A", 1),
        (4, "-D", "A", 1),
        (5, "+I", "A", 1),
        (6, "+I", "B", 5),
        (7, "-D", "B", 5),
        (8, "+I", "B", 6),
        (9, "+I", "D", -6),
        (10, "-D", "D", -6),
        (11, "+I", "D", 7),
        (12, "+I", "E", None),
    ]


def test_every_change_shows_at_once_with_emit_changes() -> None:
    operator = WindowAggregate(context(), plan(TUMBLE, SUM, emit=Emit.CHANGES), SCHEMA, retracting=True)
    (batch,) = batches(SCHEMA, CHANGING[:3] + changed(("-U", "A", 1, 1), ("+U", "A", 4, 1), ("+I", "A", 1, 2)), 100)
    assert [(r.seq, r.kind, *r.values[:2]) for r in output(operator.process(batch).rows)] == [
        (0, "+I", "A", 1),
        (1, "+I", "B", 2),
        (2, "-D", "B", 2),
        (3, "-D", "A", 1),
        (4, "+I", "A", 4),
        (5, "-U", "A", 4),
        (5, "+U", "A", 5),
    ]


def test_a_record_whose_old_and_new_row_are_late_is_one_late_record() -> None:
    late = Lates()
    scope = context(late=late)
    operator = WindowAggregate(scope, plan(TUMBLE, SUM), SCHEMA, retracting=True)
    old, new = ("-U", ("A", 1, None, at(1), None)), ("+U", ("A", 2, None, at(2), None))
    here = ("+U", ("A", 2, None, at(22), None))
    (batch,) = batches(SCHEMA, [Event((), 20), Event((old, new)), Event((old, here))], 100)
    operator.process(batch)
    assert [seq for seq, _ in late.rows] == [1]
    assert (scope.counters.late, scope.counters.partly_late) == (1, 1)

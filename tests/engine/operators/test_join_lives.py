"""Regular joins with state time-to-live against the state views of Flink, a row at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.operators.changelogs import Event, OutputRow, batches, context, output
from tests.engine.operators.reference_joins import RegularJoin as Endless
from tests.engine.operators.reference_joins import Row
from tests.engine.operators.test_regular_join import LEFT, LESS, RIGHT, events, matching, plan

from velo_engine.batch import ChangeBatch, StepFunction
from velo_engine.kernel import Kernel
from velo_engine.operators.regular_join import RegularJoin, UniqueKeys
from velo_engine.plan.nodes import JoinKind
from velo_engine.schema import RowSchema

TTL = 10
TICKS = st.lists(st.sampled_from([0, 1, 4, 9, 10, 30]), min_size=15, max_size=15)


@dataclass
class Entry:
    """One entry of the state map: the rows in it (the same row several times), and the number of associations."""

    written: int
    rows: list[tuple[int, Row]] = field(default_factory=list)
    """With a number that says in which order rows came."""
    matches: int = 0


class Expiring(Endless):
    """The reference with Flink's state: InputSideHasNoUniqueKey and InputSideHasUniqueKey of (Outer)JoinRecordStateViews.

    JoinKeyContainsUniqueKey is the same as the latter. Every addRecord, retractRecord and updateNumOfAssociations puts
    the entry, which renews it; TtlMapState returns nothing that is as old as the TTL.
    """

    def __init__(self, *args: Any, times: list[int], keys: tuple[int, ...], unique: UniqueKeys) -> None:
        super().__init__(*args)
        self.times, self.keys, self.unique = times, keys, unique
        self.state: tuple[dict[str, Entry], dict[str, Entry]] = ({}, {})
        self.arrivals = 0
        self.now = 0

    def run(self, left: Any, right: Any) -> list[OutputRow]:
        for seq, sides in enumerate(zip(left, right, strict=True)):
            self.now = self.times[seq]
            for side, event in enumerate(sides):
                for kind, row in event.rows:
                    (self.one_sided if self.kind.one_sided else self.two_sided)(seq, side, kind, row)
        return self.out

    def key(self, side: int, row: Row) -> str:
        unique = self.unique[side]
        return repr(row if unique is None else [row[i] for i in (*self.keys, *unique)])

    def living(self, side: int) -> Iterator[Entry]:
        return (entry for entry in self.state[side].values() if entry.written + TTL > self.now)

    def met(self, side: int, row: Row) -> list[Any]:
        """A holder for each matching row; adding to the matches of one of them is updateNumOfAssociations."""
        counted = self.kind.one_sided if side else False
        counted = counted or (not self.kind.one_sided and self.outer(1 - side))
        rows = [
            (number, other, entry)
            for entry in self.living(1 - side)
            for number, other in entry.rows
            if self.matches(*((other, row) if side else (row, other)))
        ]
        return [
            Associated(self, entry, other, entry.matches, counted)
            for _, other, entry in sorted(rows, key=lambda found: found[0])
        ]

    def keep(self, side: int, kind: str, row: Row, count: int) -> None:
        if any(row[key] is None for key in self.keys):
            return
        key = self.key(side, row)
        entry = self.state[side].get(key)
        if entry is not None and entry.written + TTL <= self.now:
            del self.state[side][key]
            entry = None
        if kind in ("+I", "+U"):
            if entry is None or self.unique[side] is not None:
                entry = self.state[side][key] = Entry(self.now)
            self.arrivals += 1
            entry.rows.append((self.arrivals, row))
            entry.matches, entry.written = count, self.now
        elif entry is not None:
            entry.written = self.now
            del entry.rows[0]
            if not entry.rows:
                del self.state[side][key]


class Associated:
    """An OuterRecord: the number of associations is what it was when the other side was read."""

    def __init__(self, join: Expiring, entry: Entry, row: Row, matches: int, counted: bool) -> None:
        self.join, self.entry, self.row, self.read, self.counted = join, entry, row, matches, counted

    @property
    def matches(self) -> int:
        return self.read

    @matches.setter
    def matches(self, number: int) -> None:
        if self.counted:
            self.entry.matches, self.entry.written = number, self.join.now


def clocked(schema: RowSchema, changes: list[Event], size: int, times: list[int]) -> Iterator[ChangeBatch]:
    for batch in batches(schema, changes, size):
        seqs = np.arange(batch.first_seq, batch.end_seq)
        clock = StepFunction(times[batch.first_seq], seqs, np.array(times)[seqs + 1])
        yield replace(batch, processing_time=clock)


def run(operator: RegularJoin, left: list[Event], right: list[Event], size: int, times: list[int]) -> list[OutputRow]:
    spans = zip(clocked(LEFT, left, size, times), clocked(RIGHT, right, size, times), strict=True)
    return [row for a, b in spans for row in output(operator.process(a, b).rows)]


@settings(max_examples=150, deadline=None)
@given(
    events,
    TICKS,
    st.sampled_from(JoinKind),
    st.sampled_from([(0,), (1,), ()]),
    st.booleans(),
    st.sampled_from([1, 3, 100]),
    st.tuples(st.sampled_from([None, (0,), (1,), ()]), st.sampled_from([None, (0,), (1,), ()])),
)
def test_changes_are_those_of_the_state_views(
    pairs: list[tuple[Event, Event]],
    ticks: list[int],
    kind: JoinKind,
    keys: tuple[int, ...],
    conditional: bool,
    size: int,
    unique: UniqueKeys,
) -> None:
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    times = np.cumsum(ticks).tolist()
    matches = matching(keys, frozenset(), conditional)
    expected = Expiring(kind, matches, (3, 3), times=times, keys=keys, unique=unique).run(left, right)
    with Kernel() as kernel:
        node = plan(kind, keys, LESS if conditional else None)
        operator = RegularJoin(context(kernel=kernel), node, ttl_ms=TTL, unique=unique)
        assert run(operator, left, right, size, times) == expected


@settings(max_examples=50, deadline=None)
@given(events, TICKS, st.sampled_from(JoinKind), st.integers(1, 4))
def test_a_restart_changes_nothing(
    pairs: list[tuple[Event, Event]], ticks: list[int], kind: JoinKind, size: int
) -> None:
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    times = np.cumsum(ticks).tolist()
    expected = run(RegularJoin(context(), plan(kind), ttl_ms=TTL), left, right, 100, times)
    operator = RegularJoin(context(), plan(kind), ttl_ms=TTL)
    found = []
    for a, b in zip(clocked(LEFT, left, size, times), clocked(RIGHT, right, size, times), strict=True):
        found += output(operator.process(a, b).rows)
        state = operator.snapshot()
        operator = RegularJoin(context(), plan(kind), ttl_ms=TTL)
        operator.restore(state)
    assert found == expected


rows_by_key = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([1, 2]), st.sampled_from([0.0, 1.5]))


@st.composite
def consistent(draw: st.DrawFn) -> list[Event]:
    """Rows that come, and of those that are there some that are taken back."""
    there: list[Row] = []
    changes = []
    for _ in range(14):
        if there and draw(st.booleans()):
            changes.append(Event((("-D", there.pop(draw(st.integers(0, len(there) - 1)))),)))
        else:
            row = draw(rows_by_key)
            there.append(row)
            changes.append(Event((("+I", row),)))
    return changes


@settings(max_examples=50, deadline=None)
@given(consistent(), consistent(), TICKS, st.sampled_from(JoinKind), st.sampled_from([1, 3, 100]))
def test_a_ttl_that_nothing_reaches_changes_nothing(
    left: list[Event], right: list[Event], ticks: list[int], kind: JoinKind, size: int
) -> None:
    expected = Endless(kind, matching((0,), frozenset(), False), (3, 3)).run(left, right)
    operator = RegularJoin(context(), plan(kind), ttl_ms=1_000_000)
    assert run(operator, left, right, size, np.cumsum(ticks).tolist()) == expected


@pytest.mark.parametrize("kind", list(JoinKind))
def test_rows_that_have_ended_are_freed(kind: JoinKind) -> None:
    scope = context()
    operator = RegularJoin(scope, plan(kind), ttl_ms=TTL)
    count = 200
    events = [Event((("+I", (f"key {number}", 1, None)),)) for number in range(count)]
    run(operator, events, [Event()] * count, 10, list(range(count + 1)))
    assert scope.counters.state_rows <= 30


def test_rows_with_the_same_unique_values_under_other_keys_are_left_alone() -> None:
    """Held rows of both join keys have the unique value 2; the batch brings that of one key only."""
    rows: list[Row] = [("a", 1, 0.0), ("b", 2, 0.0), ("a", 2, 0.0), ("a", 1, 1.5), ("b", 2, 1.5)]
    changes = [Event((("+I", row),)) for row in rows] + [Event((("+I", ("a", 2, 0.0)),))]
    left = [*changes[:3], Event(), *changes[3:5], Event()]
    right = [Event()] * 6 + [changes[5]]
    times = [0, 1, 2, 3, 4, 5, 6, 7]
    unique: UniqueKeys = ((1,), None)
    expected = Expiring(
        JoinKind.LEFT, matching((0,), frozenset(), False), (3, 3), times=times, keys=(0,), unique=unique
    ).run(left, right)
    operator = RegularJoin(context(), plan(JoinKind.LEFT, (0,)), ttl_ms=TTL, unique=unique)
    assert run(operator, left, right, 3, times) == expected

"""Two streams compared as they come: by hand, and against the comparison of all rows at once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from tests.shadow.stream.streams import (
    UA,
    UB,
    AtOnce,
    Change,
    D,
    Feed,
    I,
    at_once,
    changes,
    comparator,
    plan,
    positions,
)

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.types import BIGINT
from velo_shadow.compared import Compared
from velo_shadow.folding import Changelog
from velo_shadow.model import ColumnEquality, Counts, PlanColumn, Rule, Side


def shuffled(rows: Sequence[Change], rng: random.Random) -> list[Change]:
    return rng.sample(list(rows), len(rows))


def appended(rng: random.Random, rows: int = 40) -> list[Change]:
    """Rows of which a few share a key."""
    return [(I, rng.randint(0, rows), rng.choice("abc"), rng.choice([0.5, 1.5, None]), 1000 * n) for n in range(rows)]


def disturbed(stream: Sequence[Change], rng: random.Random) -> list[Change]:
    """With rows lost, delivered again, changed, in another order, and sums that differ in the last place."""
    found = []
    for kind, key, name, size, at in stream:
        if rng.random() < 0.1:
            continue
        noisy = size if size is None or rng.random() < 0.7 else size * (1 + 1e-13)
        found.append((kind, key, "x" if rng.random() < 0.1 else name, noisy, at))
        if rng.random() < 0.1:
            found.append(found[-1])
    return shuffled(found, rng)


def of_rows(result: Compared) -> AtOnce:
    """What a result says of rows and their differences."""
    assert result.profile is not None
    return AtOnce(result.diff, result.segments, result.over_time, result.profile)


@pytest.mark.parametrize("seed", range(1))
@pytest.mark.parametrize("key", [("id", "at"), ()])
def test_equal_rows_in_any_order_have_no_difference(tmp_path: Path, seed: int, key: tuple[str, ...]) -> None:
    rng = random.Random(seed)
    left = list(dict.fromkeys(appended(rng)))
    feed = Feed({Side.LEFT: left, Side.RIGHT: shuffled(left, rng)}, rng)

    with comparator(tmp_path, plan(*key), Changelog.APPEND) as compared:
        result = feed.run(compared)

    assert result.diff.counts == Counts(left=40, right=40, matched=40, differing=0, missing=0, extra=0)
    assert result.pending == 0


@pytest.mark.parametrize("seed", range(1))
@pytest.mark.parametrize("key", [("id", "at"), ()])
def test_faults_are_found_as_in_two_files(tmp_path: Path, seed: int, key: tuple[str, ...]) -> None:
    rng = random.Random(seed)
    left = appended(rng)
    sides = {Side.LEFT: left, Side.RIGHT: disturbed(left, rng)}

    with comparator(tmp_path, plan(*key), Changelog.APPEND) as compared:
        result = Feed(sides, rng).run(compared)

    assert of_rows(result) == at_once(plan(*key), sides, Changelog.APPEND, result.spans)


def updated(rng: random.Random, rows: int = 60) -> list[Change]:
    """A retract stream: keys come, change and go."""
    standing: dict[int, Change] = {}
    stream: list[Change] = []
    for n in range(rows):
        key = rng.randint(0, 9)
        old = standing.pop(key, None)
        if old is not None:
            stream.append((UB if rng.random() < 0.7 else D, *old[1:]))
        if old is None or stream[-1][0] == UB:
            standing[key] = (I if old is None else UA, key, rng.choice("abc"), float(n), 1000 * n)
            stream.append(standing[key])
    return stream


def windows(rng: random.Random, rows: int = 60) -> list[Change]:
    """A changelog of windows: each is updated while it is the last or, late, one of the three before; some are removed."""
    standing: dict[tuple[int, int], Change] = {}
    stream: list[Change] = []
    for n in range(rows):
        end = 1000 * (1 + n // 6 - rng.choice([0, 0, 0, 0, 1, 3]))
        key = rng.randint(0, 3), end
        old = standing.pop(key, None)
        if old is not None:
            stream.append((UB if rng.random() < 0.8 else D, *old[1:]))
        if old is None or stream[-1][0] == UB:
            standing[key] = (I if old is None else UA, key[0], rng.choice("abc"), float(n), end)
            stream.append(standing[key])
    return stream


@pytest.mark.parametrize("seed", range(1))
@pytest.mark.parametrize("changelog", [Changelog.UPSERT, Changelog.RETRACT])
def test_windows_that_are_over_are_set_aside_and_come_back(tmp_path: Path, seed: int, changelog: Changelog) -> None:
    rng = random.Random(seed)
    left = windows(rng)
    sides = {Side.LEFT: left, Side.RIGHT: [change for change in left if rng.random() < 0.97]}
    compared = plan("id", "at")
    most = 0

    with comparator(tmp_path, compared, changelog, step_rows=10) as live:
        for end in range(10, len(left) + 10, 10):
            for side in Side:
                live.add(side, changes(sides[side][end - 10 : end]))
            live.step({})
            most = max(most, len(list(tmp_path.glob("over-*-rows.parquet"))))
        result = live.finish(True, {})

    assert most > 0
    assert of_rows(result) == at_once(compared, sides, changelog, result.spans)
    standing = result.diff.counts.left + result.diff.counts.right
    taken = sum(len(stream) for stream in sides.values())
    assert sum(result.churn.values()) + sum(result.unmatched.values()) == taken - standing


@pytest.mark.parametrize("seed", range(1))
@pytest.mark.parametrize(
    ("changelog", "key"), [(Changelog.UPSERT, ("id",)), (Changelog.RETRACT, ("id",)), (Changelog.RETRACT, ())]
)
def test_what_changelogs_leave_is_compared(
    tmp_path: Path, seed: int, changelog: Changelog, key: tuple[str, ...]
) -> None:
    rng = random.Random(seed)
    left = updated(rng)
    fewer = [change for change in updated(random.Random(seed)) if rng.random() < 0.95]
    sides = {Side.LEFT: left, Side.RIGHT: fewer}

    with comparator(tmp_path, plan(*key), changelog) as compared:
        result = Feed(sides, rng).run(compared)

    assert of_rows(result) == at_once(plan(*key), sides, changelog, result.spans)


def test_churn_is_no_difference(tmp_path: Path) -> None:
    left = [(I, 1, "a", 1.0, 1000), (UA, 1, "b", 2.0, 2000), (UA, 1, "c", 3.0, 3000)]
    right = [(I, 1, "c", 3.0, 3000)]

    with comparator(tmp_path, plan("id"), Changelog.UPSERT) as compared:
        compared.add(Side.LEFT, changes(left))
        compared.add(Side.RIGHT, changes(right))
        result = compared.finish(True, {})

    assert (result.diff.counts.matched, result.diff.counts.different) == (1, 0)
    assert result.churn == {Side.LEFT: 2, Side.RIGHT: 0}


def test_a_row_is_pending_until_both_sides_have_passed_it(tmp_path: Path) -> None:
    with comparator(tmp_path, plan("id", grace_ms=500), Changelog.APPEND) as compared:
        compared.add(Side.LEFT, changes([(I, 1, "a", 1.0, 1000), (I, 3, "c", 1.0, 9000), (I, 2, "b", 1.0, 2000)]))
        compared.add(Side.RIGHT, changes([(I, 9, "z", 1.0, 1600)]))
        result = compared.finish(False, positions({Side.LEFT: 3, Side.RIGHT: 1}))

    # The right has come to 1600 less the grace: only the row of 1000 can be judged, and it is missing.
    assert [one.key for one in result.diff.differences] == [{"id": 1}]
    assert result.diff.counts == Counts(left=1, right=0, matched=0, differing=0, missing=1, extra=0)
    assert result.pending == 3
    assert result.pending_rows == ({"side": "right", "id": 9}, {"side": "left", "id": 2}, {"side": "left", "id": 3})


@pytest.mark.parametrize("changelog", [Changelog.APPEND, Changelog.UPSERT])
def test_rows_that_are_equal_wait_for_nobody(tmp_path: Path, changelog: Changelog) -> None:
    with comparator(tmp_path, plan("id"), changelog) as compared:
        compared.add(Side.LEFT, changes([(I, 1, "a", 1.0, 1000), (I, 2, "b", 1.0, 1000)]))
        compared.add(Side.RIGHT, changes([(I, 1, "a", 1.0 + 1e-13, 1000), (I, 2, "x", 1.0, 1000)]))
        result = compared.finish(False, {})

    assert result.diff.counts == Counts(left=1, right=1, matched=1, differing=0, missing=0, extra=0)
    assert result.pending == 1
    assert result.pending_rows == ({"side": "left", "id": 2}, {"side": "right", "id": 2})


def test_rows_before_the_start_are_warm_up(tmp_path: Path) -> None:
    with comparator(tmp_path, plan("id"), Changelog.APPEND, warm_up_until_ms=1500) as compared:
        compared.add(Side.LEFT, changes([(I, 1, "a", 1.0, 1000), (I, 2, "b", 1.0, 2000)]))
        compared.add(Side.RIGHT, changes([(I, 2, "b", 1.0, 2000)]))
        result = compared.finish(True, {})

    assert (result.diff.counts.matched, result.diff.counts.different, result.warm_up) == (1, 0, 1)


def test_a_row_delivered_again_after_it_left_is_a_copy(tmp_path: Path) -> None:
    row = (I, 1, "a", 1.0, 1000)
    with comparator(tmp_path, plan("id"), Changelog.APPEND) as compared:
        for side in Side:
            compared.add(side, changes([row]))
        compared.step({})
        compared.add(Side.RIGHT, changes([row]))
        result = compared.finish(True, {})

    assert result.diff.counts == Counts(left=1, right=2, matched=1, differing=0, missing=0, extra=0, right_copies=1)


def test_a_copy_is_known_whenever_it_comes(tmp_path: Path) -> None:
    row = (I, 1, "a", 1.0, None)
    with comparator(tmp_path, plan("id", time_column=None), Changelog.APPEND) as compared:
        for side in Side:
            compared.add(side, changes([row], written=[50]))
        compared.step({})
        compared.add(Side.RIGHT, changes([row], written=[9000]))
        result = compared.finish(True, {})

    assert result.diff.counts == Counts(left=1, right=2, matched=1, differing=0, missing=0, extra=0, right_copies=1)


def test_copies_of_rows_that_are_near_each_other_in_time_are_known(tmp_path: Path) -> None:
    near = ColumnEquality(Rule.WITHIN, Decimal(5000))
    columns = tuple(replace(one, equality=near) if one.name == "at" else one for one in plan("id").columns)
    rows = {Side.LEFT: (I, 1, "a", 1.0, 1000), Side.RIGHT: (I, 1, "a", 1.0, 5000)}
    with comparator(tmp_path, replace(plan("id"), columns=columns), Changelog.APPEND) as compared:
        for side in Side:
            compared.add(side, changes([rows[side], (I, 2, "b", 1.0, 2000)]))
        compared.step({})
        compared.add(Side.LEFT, changes([(I, 3, "c", 1.0, 9000)]))
        compared.add(Side.RIGHT, changes([(I, 4, "c", 1.0, 9000)]))
        compared.step({})
        assert compared.view().matched == 2
        compared.add(Side.RIGHT, changes([rows[Side.RIGHT]]))
        result = compared.finish(True, {})

    assert result.diff.counts == Counts(left=3, right=4, matched=2, differing=0, missing=1, extra=1, right_copies=1)


def test_another_run_goes_on_and_a_finished_one_only_reports(tmp_path: Path) -> None:
    rng = random.Random(1)
    left = appended(rng)
    sides = {Side.LEFT: left, Side.RIGHT: disturbed(left, rng)}
    with comparator(tmp_path / "whole", plan("id", "at"), Changelog.APPEND) as compared:
        whole = Feed(sides, random.Random(2)).run(compared)

    with comparator(tmp_path / "cut", plan("id", "at"), Changelog.APPEND) as first:
        first.add(Side.LEFT, changes(left[:20]))
        first.add(Side.RIGHT, changes(sides[Side.RIGHT][:5]))
        first.step(positions({Side.LEFT: 20, Side.RIGHT: 5}))
        first.add(Side.LEFT, changes(left[20:30]))  # lost: it was added after the last step
    with comparator(tmp_path / "cut", plan("id", "at"), Changelog.APPEND) as second:
        start = second.restore()
        assert start == positions({Side.LEFT: 20, Side.RIGHT: 5})
        result = Feed(sides, random.Random(3)).run(second, start=start)
    with comparator(tmp_path / "cut", plan("id", "at"), Changelog.APPEND) as third:
        third.restore()
        assert third.is_finished
        assert third.has_ended
        again = third.finish(True, {})

    assert result == whole
    assert again == whole


def test_a_value_that_its_column_cannot_hold_is_said(tmp_path: Path) -> None:
    narrow = replace(plan("id"), columns=(PlanColumn("name", BIGINT, ColumnEquality()),))
    with comparator(tmp_path, narrow, Changelog.APPEND) as compared:
        compared.add(Side.LEFT, changes([(I, 1, "no number", 1.0, 1000)]))
        with pytest.raises(VeloError, match="no number") as caught:
            compared.step({})

    assert caught.value.code is ErrorCode.EXPRESSION_FAILED


def test_an_upsert_stream_needs_a_key(tmp_path: Path) -> None:
    with pytest.raises(VeloError, match="by its key"):
        comparator(tmp_path, plan(), Changelog.UPSERT)


def test_a_key_that_one_side_has_removed_is_pending_until_the_other_has_come_so_far(tmp_path: Path) -> None:
    left = [(I, 1, "a", 1.0, 1000), (I, 2, "b", 1.0, 5000), (D, 1, None, None, None)]
    right = [(I, 1, "a", 1.0, 1000), (I, 3, "c", 1.0, 2500), (I, 6, "c", 1.0, 3000)]
    with comparator(tmp_path, plan("id"), Changelog.UPSERT) as compared:
        compared.add(Side.LEFT, changes(left))
        compared.add(Side.RIGHT, changes(right))
        early = compared.finish(False, {})
        compared.add(Side.LEFT, changes([(I, 7, "d", 1.0, 7000)]))
        compared.add(Side.RIGHT, changes([(I, 4, "d", 1.0, 6000)]))
        late = compared.finish(False, {})

    # The left removed key 1 when it had come to 5000: at 3000 the right cannot know of it, at 6000 it should.
    assert [one.key["id"] for one in early.diff.differences] == [3]
    assert [row["id"] for row in early.pending_rows] == [1, 6, 2]
    assert [one.key["id"] for one in late.diff.differences] == [1, 2, 3, 6]
    assert [row["id"] for row in late.pending_rows] == [4, 7]


def test_rows_without_a_time_are_as_late_as_their_side(tmp_path: Path) -> None:
    with comparator(tmp_path, plan("id"), Changelog.APPEND) as compared:
        compared.add(Side.LEFT, changes([(I, 1, "a", 1.0, 1000), (I, 2, "b", 1.0, None), (I, 3, "c", 1.0, 4000)]))
        compared.add(Side.RIGHT, changes([(I, 9, "z", 1.0, 2000), (I, 8, "z", 1.0, 2100)]))
        result = compared.finish(False, {})

    assert [one.key["id"] for one in result.diff.differences] == [1, 2, 9]
    assert result.pending_rows == ({"side": "right", "id": 8}, {"side": "left", "id": 3})


def test_without_a_time_column_the_records_say_when(tmp_path: Path) -> None:
    with comparator(tmp_path, plan("id", time_column=None), Changelog.APPEND) as compared:
        rows = [(I, 1, "a", 1.0, 1000), (I, 2, "b", 1.0, 2000)]
        compared.add(Side.LEFT, changes(rows, written=[50, 90]))
        compared.add(Side.RIGHT, changes([(I, 3, "c", 1.0, 1), (I, 4, "c", 1.0, 1)], written=[60, 70]))
        result = compared.finish(False, {})

    assert [one.key["id"] for one in result.diff.differences] == [1, 3]
    assert result.spans == {Side.LEFT: None, Side.RIGHT: None}


def test_a_side_that_has_ended_is_waited_for_no_longer(tmp_path: Path) -> None:
    with comparator(tmp_path, plan("id"), Changelog.APPEND) as compared:
        compared.add(Side.LEFT, changes([(I, 1, "a", 1.0, 1000)]))
        compared.add(Side.RIGHT, changes([(I, 2, "b", 1.0, 4000), (I, 3, "b", 1.0, 4001)]))
        compared.side_ended(Side.LEFT)
        result = compared.finish(False, {})

    assert (result.diff.counts.missing, result.diff.counts.extra, result.pending) == (1, 1, 1)


def test_a_step_is_due_by_rows_or_by_time(tmp_path: Path) -> None:
    now = 100.0
    with comparator(tmp_path, plan("id"), Changelog.APPEND, step_rows=3, interval_s=10, clock=lambda: now) as compared:
        assert not compared.is_due()
        compared.add(Side.LEFT, changes([(I, 1, "a", 1.0, 1000)]))
        assert not compared.is_due()
        now = 110.0
        assert compared.is_due()
        compared.step({})
        now = 119.0
        assert not compared.is_due()
        compared.add(Side.LEFT, changes([(I, n, "a", 1.0, 1000) for n in (2, 3, 4)]))
        assert compared.is_due()
        compared.add(Side.RIGHT, changes([(I, 1, "x", 1.0, 1000), (I, 2, "a", 1.0, 1000)]))
        for side in Side:
            compared.add(side, changes([(I, 9, "z", 1.0, 2000)]))
        compared.step({})
        view = compared.view()

    assert (view.left, view.right, view.matched, view.different, view.steps) == (5, 3, 2, 3, 2)
    assert view.by_column == {"name": 1}
    assert view.rows_per_second == 8 / 19


def test_values_that_are_never_equal_are_not_taken_for_the_same(tmp_path: Path) -> None:
    strict = ColumnEquality(nan_equals_nan=False, signed_zeros_equal=False)
    columns = tuple(replace(one, equality=strict) if one.name == "size" else one for one in plan("id").columns)
    left = [(I, 1, "a", float("nan"), 1000), (I, 2, "a", -0.0, 1000), (I, 3, "a", 1.0, 1000), (I, 4, "a", 0.0, 1000)]
    right = [(I, 1, "a", float("nan"), 1000), (I, 2, "a", 0.0, 1000), (I, 3, "a", 1.0, 1000), (I, 4, "a", 0.0, 1000)]
    with comparator(tmp_path, replace(plan("id"), columns=columns), Changelog.APPEND) as compared:
        compared.add(Side.LEFT, changes(left))
        compared.add(Side.RIGHT, changes(right))
        result = compared.finish(True, {})

    assert result.diff.counts.matched == 2
    assert [one.key["id"] for one in result.diff.differences] == [1, 2]

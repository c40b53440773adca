"""The control: what two outputs of the reference do not have alike counts not, and nothing else is excused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from velo_engine.errors import VeloError
from velo_shadow import diff as diff_module
from velo_shadow.compared import Compared
from velo_shadow.control import ignorable_columns, subtract, without_columns
from velo_shadow.judgement import judged
from velo_shadow.model import Decision, Side
from velo_shadow.offline import compare_files, read_side
from velo_shadow.planning import plan_for

Rows = list[dict[str, Any]]
Compare = Callable[..., Compared]


def rows(count: int, uid: str = "a") -> Rows:
    return [{"id": i, "total": f"{i}.50", "shop": i % 3, "uid": f"{uid}{i}"} for i in range(count)]


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    def of(left: Rows, right: Rows, *, key: tuple[str, ...] = ("id",), ignored: tuple[str, ...] = ()) -> Compared:
        sides = []
        for side, content in ((Side.LEFT, left), (Side.RIGHT, right)):
            lines = [",".join(left[0]), *(",".join(str(value) for value in row.values()) for row in content)]
            path = tmp_path / f"{side}.csv"
            path.write_text("\n".join(lines) + "\n")
            sides.append(read_side(path, side))
        plan = plan_for(*sides, key=key, ignored=ignored)
        return compare_files(*sides, plan)

    return of


def changed(content: Rows, place: int, values: Mapping[str, Any]) -> Rows:
    return [{**row, **values} if i == place else row for i, row in enumerate(content)]


def test_a_column_of_uuids_counts_not_and_the_rows_match_by_the_others(compare: Compare) -> None:
    left, right, control = rows(40), rows(40, "b"), rows(40, "c")

    found = subtract(compare(left, right), compare(left, control))
    result = judged(found, today=date(2026, 1, 1))

    assert found.subtracted is not None
    assert found.subtracted.ignorable == ("uid",)
    assert (found.subtracted.equal, found.subtracted.by_column) == (40, {"uid": 40})
    assert (found.diff.counts.matched, found.diff.counts.differing, found.diff.differences) == (40, 0, ())
    assert result.verdict.decision is Decision.SAFE
    assert any('nothing counts in "uid"' in reason for reason in result.verdict.reasons)
    assert (result.coverage.columns, result.coverage.columns_ignored) == (3, 1)


def test_what_differs_beside_it_still_blocks_by_its_own_columns(compare: Compare) -> None:
    left, control = rows(40), rows(40, "c")
    right = changed(rows(40, "b"), 7, {"total": "7.51"})

    found = subtract(compare(left, right), compare(left, control))

    assert [(one.key, one.column) for one in found.diff.differences] == [({"id": 7}, "total")]
    assert (found.diff.counts.matched, found.diff.counts.differing) == (39, 1)
    assert found.diff.counts.by_column == {"total": 1}
    assert judged(found, today=date(2026, 1, 1)).verdict.decision is Decision.NOT_SAFE


def test_a_value_is_excused_by_key_and_column_only(compare: Compare) -> None:
    left = rows(40)
    control = changed(left, 3, {"total": "99.00"})
    excused = changed(left, 3, {"total": "4.00"})
    other_row = changed(left, 4, {"total": "99.00"})
    other_column = changed(left, 3, {"shop": 2})
    noise = compare(left, control)

    kept = {
        name: subtract(compare(left, right), noise).diff.counts.differing
        for name, right in {"same": excused, "row": other_row, "column": other_column}.items()
    }

    assert kept == {"same": 0, "row": 1, "column": 1}


def test_rows_that_the_control_lacks_or_has_alone_are_excused_by_key_and_compared_with_nothing(
    compare: Compare,
) -> None:
    left = rows(10)
    extra = {"id": 77, "total": "1.00", "shop": 1, "uid": "x"}
    control = [*left[1:], extra]  # lacks 0, has 77
    right = [*left[2:], {**extra, "total": "2.00"}, {**extra, "id": 78}]  # lacks 0 and 1, has 77 and 78

    found = subtract(compare(left, right), compare(left, control))

    assert [(one.kind.value, one.key["id"]) for one in found.diff.differences] == [("missing", 1), ("extra", 78)]
    assert found.subtracted is not None
    assert (found.subtracted.missing, found.subtracted.extra, found.subtracted.rows) == (1, 1, 2)
    counts = found.diff.counts
    assert (counts.matched, counts.missing, counts.extra, counts.compared) == (8, 1, 1, 10)


def test_in_a_bag_a_row_is_excused_as_often_as_the_control_lacks_it(compare: Compare) -> None:
    left = [{"v": value} for value in (1, 1, 1, 2, 3, 4, 5)]
    control = [{"v": value} for value in (1, 1, 2, 3, 4, 5)]
    right = [{"v": value} for value in (1, 2, 3, 4, 5)]

    found = subtract(compare(left, right, key=()), compare(left, control, key=()))

    assert (found.diff.counts.missing, len(found.diff.differences)) == (1, 1)


def test_keys_are_the_same_whatever_type_their_comparison_has_found(compare: Compare) -> None:
    left = [{"k": k, "v": k} for k in range(8)]
    control = changed([{"k": f"{k}.0", "v": k} for k in range(8)], 2, {"v": 9})
    right = changed(left, 2, {"v": 7})

    found = subtract(compare(left, right, key=("k",)), compare(left, control, key=("k",)))

    assert found.diff.counts.differing == 0


@pytest.mark.parametrize(("pairs", "differing", "most"), [(4, 4, False), (5, 5, True), (20, 14, False), (20, 15, True)])
def test_most_means_more_than_half_with_95_percent_confidence(
    compare: Compare, pairs: int, differing: int, *, most: bool
) -> None:
    # By hand: P(at least k of n at one half) is 1/16 for 4 of 4, 1/32 for 5 of 5, 0.058 for 14 of 20, 0.021 for 15 of 20.
    left = rows(pairs)
    control = [{**row, "uid": "other"} if row["id"] < differing else row for row in left]

    assert ignorable_columns(compare(left, control)) == (("uid",) if most else ())


def test_differences_beyond_those_kept_block_unless_they_are_of_an_ignorable_column(
    compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = dict(diff_module.diff.__kwdefaults__)
    monkeypatch.setattr(diff_module.diff, "__kwdefaults__", {**defaults, "limit": 10})
    left, control = rows(40), rows(40, "c")
    right = changed(changed(rows(40, "b"), 30, {"total": "7.51"}), 31, {"total": "7.51"})

    found = subtract(compare(left, right), compare(left, control))
    exact = without_columns(compare(left, right).plan, ("uid",))
    again = subtract(
        compare(left, right, ignored=exact.ignored), compare(left, control, ignored=exact.ignored), left_out=("uid",)
    )

    assert (found.diff.counts.differing, found.diff.counts.by_column, found.diff.differences) == (2, {"total": 2}, ())
    assert judged(found, today=date(2026, 1, 1)).verdict.decision is Decision.NOT_SAFE
    assert [one.key["id"] for one in again.diff.differences] == [30, 31]
    assert again.subtracted is not None
    assert again.subtracted.ignorable == ("uid",)


def test_a_control_that_has_little_in_common_with_the_left_is_refused(compare: Compare) -> None:
    left = rows(10)
    others = [{**row, "id": row["id"] + 8} for row in left]
    all_differ = [{**row, "total": "0.01", "shop": 9, "uid": "z"} for row in left]

    with pytest.raises(VeloError, match="too little in common with the left: 2 rows of the same key, 8 only left"):
        subtract(compare(left, left), compare(left, others))
    with pytest.raises(VeloError, match=r"every column \(total, shop, uid\)"):
        subtract(compare(left, left), compare(left, all_differ))
    with pytest.raises(VeloError, match="give the key"):
        raise_for_bag(compare, left)


def raise_for_bag(compare: Compare, left: Rows) -> None:
    control = [{**row, "uid": "z"} for row in left]
    subtract(compare(left, left, key=()), compare(left, control, key=()))


def test_segments_tell_of_what_still_differs(compare: Compare) -> None:
    left = rows(60)
    wrong = {i for i in range(60) if i % 3 == 1}
    right = [{**row, "total": "0.01"} if row["id"] in wrong else row for row in left]
    control = [{**row, "total": "0.02"} if row["id"] in {1, 4, 7} else row for row in left]

    before = compare(left, right)
    after = subtract(before, compare(left, control))
    nothing = subtract(compare(left, control), compare(left, control))

    assert [(s.dimension, s.value, s.differences) for s in before.segments] == [("shop", "1", 20)]
    assert [(s.dimension, s.value, s.differences) for s in after.segments] == [("shop", "1", 17)]
    assert nothing.segments == ()

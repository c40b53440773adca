"""Changelogs to final values: by hand, and against a fold of one change at a time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine.kernel import Kernel
from velo_shadow.folding import Changelog, fold

I, UB, UA, D = range(4)  # noqa: E741 - the row kinds of Flink


def changes(*rows: tuple[int, Any, Any]) -> pa.Table:
    kinds, keys, values = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {"velo_kind": pa.array(kinds, pa.int8()), "k": pa.array(keys, pa.int64()), "v": pa.array(values, pa.string())}
    )


def rows_of(table: pa.Table) -> list[tuple[Any, Any]]:
    return list(zip(table.column("k").to_pylist(), table.column("v").to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("changelog", "stream", "rows", "churn", "unmatched"),
    [
        (Changelog.APPEND, [(I, 1, "a"), (I, 1, "a")], [(1, "a"), (1, "a")], 0, 0),
        (Changelog.APPEND, [(I, 1, "a"), (D, 1, "a")], [(1, "a")], 0, 1),
        (Changelog.UPSERT, [(I, 1, "a"), (I, 2, "b"), (UA, 1, "c")], [(2, "b"), (1, "c")], 1, 0),
        (Changelog.UPSERT, [(I, 1, "a"), (D, 1, None), (D, 1, None)], [], 3, 0),
        (Changelog.UPSERT, [(D, 1, None), (I, 1, "a")], [(1, "a")], 1, 0),
        (Changelog.UPSERT, [(I, 1, "a"), (UA, 1, "b"), (UB, 1, "a")], [(1, "b")], 2, 0),
        (Changelog.UPSERT, [(I, None, "a"), (UA, None, "b")], [(None, "b")], 1, 0),
        (Changelog.RETRACT, [(I, 1, "a"), (UB, 1, "a"), (UA, 1, "b")], [(1, "b")], 2, 0),
        (Changelog.RETRACT, [(I, 1, "a"), (I, 1, "a"), (D, 1, "a")], [(1, "a")], 2, 0),
        (Changelog.RETRACT, [(D, 1, "a")], [], 0, 1),
        (Changelog.DEBEZIUM, [(I, 1, "a"), (UB, 1, "a"), (UA, 1, "b"), (D, 1, "b")], [], 4, 0),
        (Changelog.UPSERT, [], [], 0, 0),
        (Changelog.RETRACT, [], [], 0, 0),
    ],
)
def test_final_values(
    changelog: Changelog, stream: list[tuple[int, Any, Any]], rows: list[tuple[Any, Any]], churn: int, unmatched: int
) -> None:
    with Kernel() as kernel:
        folded = fold(kernel, changes(*stream), changelog, ["k"])

    assert (rows_of(folded.rows), folded.churn, folded.unmatched) == (rows, churn, unmatched)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([I, UA, D]), st.integers(0, 3) | st.none(), st.sampled_from("abc")), max_size=40)
)
def test_folds_are_those_of_one_change_at_a_time(stream: list[tuple[int, Any, Any]]) -> None:
    upserted: dict[Any, Any] = {}
    net: Counter[tuple[Any, Any]] = Counter()
    for kind, key, value in stream:
        if kind == D:
            upserted.pop(key, None)
            net[key, value] -= 1
        else:
            upserted[key] = value
            net[key, value] += 1

    with Kernel() as kernel:
        by_key = fold(kernel, changes(*stream), Changelog.UPSERT, ["k"])
        by_value = fold(kernel, changes(*stream), Changelog.RETRACT)

    assert dict(rows_of(by_key.rows)) == upserted
    assert len(by_key.rows) == len(upserted)
    assert Counter(rows_of(by_value.rows)) == +net
    assert by_value.unmatched == sum((-net).values())

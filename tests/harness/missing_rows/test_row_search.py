"""Finding rows by values."""

from __future__ import annotations

import math

import pyarrow as pa

from velo_harness.missing_rows.row_search import matching, nearest_keys, nearest_row

ROWS = pa.table(
    {
        "id": [1, 2, None, 4],
        "name": ["ann", None, "bob", "bo"],
        "ratio": [0.5, math.nan, 1.0, None],
        "tags": [["a"], [], None, ["a", None]],
    }
)


def test_null_equals_null_and_nan_equals_nan() -> None:
    assert matching(ROWS, {0: None}) == [2]
    assert matching(ROWS, {1: None}) == [1]
    assert matching(ROWS, {2: math.nan}) == [1]
    assert matching(ROWS, {2: None}) == [3]
    assert matching(ROWS, {3: ["a", None]}) == [3]
    assert matching(ROWS, {0: 4, 1: "bo"}) == [3]
    assert matching(ROWS, {0: 4, 1: "bob"}) == []
    assert matching(ROWS, {}) == [0, 1, 2, 3]


def test_the_nearest_row_differs_in_fewest_columns_and_by_least() -> None:
    assert nearest_row(ROWS, {0: 1, 1: "bob"}) == (0, [1])
    assert nearest_row(ROWS, {0: 5}) == (3, [0])
    assert nearest_row(ROWS, {1: "bobby"}) == (2, [1])
    assert nearest_row(ROWS.slice(0, 0), {0: 5}) is None


def test_the_nearest_keys() -> None:
    assert nearest_keys([(1,), (9,), (5,), (5,), (None,)], (6,), 2) == [(5,), (9,)]
    assert nearest_keys([(["a"],), (["b"],)], (["b"],), 1) == [(["b"],)]

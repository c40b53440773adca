"""From running results to changelog rows: what operators that update results have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from velo_engine.batch import Bools, Int8s, Int64s
from velo_engine.operators.runs import Runs
from velo_engine.operators.vectors import Vector

NOTHING = np.int8(-1)
"""In place of a row kind: no row."""


@dataclass(frozen=True, slots=True)
class ChangeRows:
    """Changelog rows in order."""

    source: Int64s
    """The input row of the runs that caused each."""
    element: Int64s
    """The element of the runs that holds its values."""
    kind: Int8s


def change_rows(runs: Runs, old: Int8s, new: Int8s) -> ChangeRows:
    """For every input row in input order its old result, then its new one.

    `old` and `new` are the kinds of these rows, or NOTHING, in the order of the runs. Input rows that are in no run
    give nothing.
    """
    count = int(runs.order.max()) + 1
    element = np.zeros(2 * count, np.int64)
    kind = np.full(2 * count, NOTHING)
    place = 2 * runs.order
    element[place], element[place + 1] = runs.rows - 1, runs.rows
    kind[place], kind[place + 1] = old, new
    chosen = np.flatnonzero(kind != NOTHING)
    return ChangeRows(chosen // 2, element[chosen], kind[chosen])


def changed(results: Sequence[Vector], rows: Int64s) -> Bools:
    """Whether any result differs before and after each row element.

    NaN differs from NaN and 0.0 equals -0.0: Flink's generated equaliser compares primitives with `==`. It takes arrays
    with a NULL inside for different.
    """
    differs_at = np.zeros(len(rows), np.bool_)
    for vector in results:
        now, before = vector.values[rows], vector.values[rows - 1]
        differs = now != before
        if now.dtype == np.object_ and any(map(_is_list, now[:1])):
            differs = differs | np.fromiter(map(_has_null, now), np.bool_, len(now))
        if vector.valid is not None:
            here, there = vector.valid[rows], vector.valid[rows - 1]
            differs = (differs & here & there) | (here != there)
        differs_at |= differs.astype(np.bool_, copy=False)
    return differs_at


def _is_list(value: object) -> bool:
    return value is None or isinstance(value, list)


def _has_null(value: object) -> bool:
    return isinstance(value, list) and None in value

"""Comparing two sets of rows as bags, with tolerances: which expected rows are missing, which actual ones are too many.

Rows that are equal in every column cancel by code, without looping. Where rows are left over on both sides and columns
have a tolerance, the rows that are equal in the other columns are matched by maximum matching (Kuhn's augmenting
paths): "near" is not transitive, and taking the first near row could leave another without partner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, Int64s
from velo_engine.types import FLOATS, NUMERICS, STRINGS, TEMPORALS, SqlType, TypeName
from velo_harness.relation import python_value
from velo_harness.row_codes import TypedColumn, row_codes
from velo_harness.spec import Tolerance

MICROS_PER_MS = 1000
_LARGEST_GROUP = 200
"""Rows of one group that are matched optimally whatever the columns; larger groups in the order of one column."""
_EXACT = Context(prec=200)


@dataclass(frozen=True, slots=True)
class BagDifference:
    """Row positions on each side without a partner on the other, increasing."""

    missing: Int64s
    """Expected rows that are not there."""
    unexpected: Int64s
    """Actual rows that nothing expects."""


@dataclass(frozen=True, slots=True)
class ComparedColumn:
    """One column on both sides, of one type, and how far it may differ."""

    name: str
    expected: TypedColumn
    actual: TypedColumn
    tolerance: Tolerance | None = None


def compare_bags(columns: Sequence[ComparedColumn], expected_rows: int, actual_rows: int) -> BagDifference:
    """The difference of two bags of rows with these columns."""
    if not columns:
        low = min(expected_rows, actual_rows)
        return BagDifference(np.arange(low, expected_rows), np.arange(low, actual_rows))
    expected, actual = row_codes([c.expected for c in columns], [c.actual for c in columns])
    missing, unexpected = _cancelled(expected, actual)
    tolerant = [c for c in columns if c.tolerance is not None]
    if not tolerant or not len(missing) or not len(unexpected):
        return BagDifference(missing, unexpected)
    exact = [c for c in columns if c.tolerance is None]
    if exact:
        groups, other = row_codes([c.expected for c in exact], [c.actual for c in exact])
    else:
        groups, other = np.zeros(expected_rows, np.int64), np.zeros(actual_rows, np.int64)
    return _matched_in_groups(tolerant, groups, other, missing, unexpected)


def _cancelled(expected: Int64s, actual: Int64s) -> tuple[Int64s, Int64s]:
    """The rows of both sides that remain when equal codes cancel one by one, the first ones first."""
    size = int(max(expected.max(initial=-1), actual.max(initial=-1))) + 1
    common = np.minimum(np.bincount(expected, minlength=size), np.bincount(actual, minlength=size))
    return np.flatnonzero(_rank(expected) >= common[expected]), np.flatnonzero(_rank(actual) >= common[actual])


def _rank(codes: Int64s) -> Int64s:
    """How many earlier rows have the row's code."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = (
        np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(codes) else np.empty(0, np.int64)
    )
    rank = np.empty(len(codes), np.int64)
    rank[order] = np.arange(len(codes)) - np.repeat(starts, np.diff(np.append(starts, len(codes))))
    return rank


def _matched_in_groups(
    columns: Sequence[ComparedColumn], groups: Int64s, other: Int64s, missing: Int64s, unexpected: Int64s
) -> BagDifference:
    """Matches whole groups, equal rows too: taking those first could leave a near row without its only partner."""
    open_groups = np.intersect1d(groups[missing], other[unexpected])
    lost = set(missing.tolist())
    extra = set(unexpected.tolist())
    for group in open_groups.tolist():
        rows, candidates = np.flatnonzero(groups == group).tolist(), np.flatnonzero(other == group).tolist()
        lost.update(rows)
        extra.update(candidates)
        for i, j in _pairs(columns, rows, candidates):
            lost.discard(rows[i])
            extra.discard(candidates[j])
    return BagDifference(np.array(sorted(lost), np.int64), np.array(sorted(extra), np.int64))


def _pairs(columns: Sequence[ComparedColumn], rows: list[int], candidates: list[int]) -> list[tuple[int, int]]:
    """A largest set of pairs that are near in every column."""
    if max(len(rows), len(candidates)) > _LARGEST_GROUP:
        return _pairs_in_order(columns, rows, candidates)
    near = near_rows(columns, rows, candidates)
    partner_of: dict[int, int] = {}
    for i in range(len(rows)):
        _augment(near, i, partner_of, set())
    return [(i, j) for j, i in partner_of.items()]


def _pairs_in_order(columns: Sequence[ComparedColumn], rows: list[int], candidates: list[int]) -> list[tuple[int, int]]:
    """Near pairs, found in the order of the first column on both sides; a largest set when it is the only column."""
    first = columns[0]
    expected, actual = _sort_values(first.expected, rows), _sort_values(first.actual, candidates)
    left, right = np.argsort(expected, kind="stable").tolist(), np.argsort(actual, kind="stable").tolist()
    pairs, at, to = [], 0, 0
    while at < len(left) and to < len(right):
        i, j = left[at], right[to]
        if near_rows(columns, [rows[i]], [candidates[j]])[0, 0]:
            pairs.append((i, j))
            at, to = at + 1, to + 1
        elif expected[i] < actual[j]:
            at += 1
        else:
            to += 1
    return pairs


def _augment(near: Bools, start: int, partner_of: dict[int, int], seen: set[int]) -> bool:
    """Finds a partner for `start`, moving others aside when they have another choice; without recursion."""
    path: list[tuple[int, list[int]]] = [(start, np.flatnonzero(near[start]).tolist())]
    chosen: list[int] = []
    while path:
        option = next((j for j in path[-1][1] if j not in seen), None)
        if option is None:
            path.pop()
            if chosen:
                chosen.pop()
            continue
        seen.add(option)
        chosen.append(option)
        holder = partner_of.get(option)
        if holder is None:
            for (owner, _), j in zip(path, chosen, strict=True):
                partner_of[j] = owner
            return True
        path.append((holder, np.flatnonzero(near[holder]).tolist()))
    return False


def near_rows(columns: Sequence[ComparedColumn], rows: Sequence[int], candidates: Sequence[int]) -> Bools:
    """For each expected row and each actual one whether they are near in every column."""
    near = np.ones((len(rows), len(candidates)), bool)
    for column in columns:
        near &= _near(column, rows, candidates)
    return near


def _near(column: ComparedColumn, rows: Sequence[int], candidates: Sequence[int]) -> Bools:
    expected = _values(column.expected, rows)
    actual = _values(column.actual, candidates)
    tolerance = column.tolerance
    return np.array([[_values_near(column.expected[0], tolerance, e, a) for a in actual] for e in expected], bool)


def _values(column: TypedColumn, rows: Sequence[int]) -> list[Any]:
    return [python_value(value) for value in column[1].take(pa.array(list(rows), pa.int64()))]


def _sort_values(column: TypedColumn, rows: Sequence[int]) -> Any:
    kind, _ = column
    values = _values(column, rows)
    if kind.name in NUMERICS:
        return np.array([np.inf if v is None else float(v) for v in values])
    return np.array([str(v) for v in values])


def _values_near(kind: SqlType, tolerance: Tolerance | None, expected: Any, actual: Any) -> bool:
    """Whether two values of one type are equal within the tolerance; NULL is near NULL only."""
    if expected is None or actual is None:
        return expected is actual
    if tolerance is None:
        return bool(expected == actual) or (expected != expected and actual != actual)
    if kind.name in NUMERICS:
        return _numbers_near(kind, tolerance, expected, actual)
    if kind.name in TEMPORALS and tolerance.within_ms is not None:
        return _microseconds(kind, expected, actual) <= tolerance.within_ms * MICROS_PER_MS
    if kind.name in STRINGS and tolerance.ignore_case:
        return bool(expected.casefold() == actual.casefold())
    return bool(expected == actual)


def _numbers_near(kind: SqlType, tolerance: Tolerance, expected: Any, actual: Any) -> bool:
    """|actual - expected| <= abs, or <= rel * |expected|, computed exactly.

    A float counts as the shortest decimal that reads back as it, so that 1.01 is within 0.01 of 1.00.
    """
    if expected == actual or (expected != expected and actual != actual):
        return True
    wanted, found = (Decimal(repr(v)) if kind.name in FLOATS else Decimal(v) for v in (expected, actual))
    if not (wanted.is_finite() and found.is_finite()):
        return False
    distance = abs(_EXACT.subtract(found, wanted))
    if tolerance.absolute is not None and distance <= tolerance.absolute:
        return True
    return tolerance.relative is not None and distance <= _EXACT.multiply(tolerance.relative, abs(wanted))


def _microseconds(kind: SqlType, expected: Any, actual: Any) -> int:
    if kind.name is TypeName.TIME:
        expected, actual = (datetime.combine(date.min, value) for value in (expected, actual))
    distance: timedelta = abs(actual - expected)
    return distance // timedelta(microseconds=1)

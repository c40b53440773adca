"""Which written row stays, changes, goes or comes, so that the expectation says what came out."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from velo_engine import types as t
from velo_engine.batch import Int64s
from velo_harness.bags import ComparedColumn, compare_bags, near_rows
from velo_harness.expectations import (
    LATE_BY,
    ActualOutput,
    compared_columns,
    literals_of_file,
    tolerances_of,
    typed_literals,
    usable_key,
)
from velo_harness.row_codes import row_codes
from velo_harness.spec import ChangelogOrder, Expectation

MOST_COMPARED = 200
"""Leftover rows on each side up to which the most similar ones are paired; beyond, they are paired in order."""

RowPairs: TypeAlias = list[tuple[int | None, int | None]]
"""Written row and actual row, in the order to be written: a written row alone stays as it is, an actual one alone is
new, a pair differs somewhere. Written rows that are not here go."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """Written rows beside actual ones."""

    pairs: RowPairs
    columns: Sequence[ComparedColumn]
    """What is compared; a pair differs in some of it."""


def aligned_rows(expect: Expectation, actual: ActualOutput) -> Alignment:
    """`rows` or `rows_file` beside the final rows. Errors: of expected rows that do not fit the output."""
    from_file = expect.rows is None
    literals = (
        literals_of_file(expect, actual) if from_file else typed_literals(expect.rows or (), actual.final, actual)
    )
    columns = compared_columns(expect, literals, actual.final)
    key = usable_key(expect, literals, actual)
    return _aligned_bags(columns, literals.table.num_rows, len(actual.final), key)


def aligned_late(expect: Expectation, actual: ActualOutput) -> Alignment:
    """`late` beside the late rows. Errors: as `aligned_rows`."""
    written = expect.late or ()
    literals = typed_literals([row.row for row in written], actual.late, actual, "late row")
    ignored = tuple(name for name in expect.ignore if actual.late.position(name) is not None)
    own = replace(expect, ignore=ignored, tolerance=tolerances_of(expect.tolerance, actual.late))
    columns = compared_columns(own, literals, actual.late)
    stated = [row.late_by_ms for row in written]
    if stated and None not in stated:
        position = actual.late.position(LATE_BY)
        assert position is not None
        given = (t.BIGINT, pa.chunked_array([pa.array(stated, pa.int64())]))
        columns.append(ComparedColumn(LATE_BY, given, (t.BIGINT, actual.late.column(position).cast(pa.int64()))))
    return _aligned_bags(columns, len(written), len(actual.late), ())


def aligned_changelog(expect: Expectation, actual: ActualOutput) -> Alignment:
    """`changelog` beside the changes, in their order. Errors: as `aligned_rows`."""
    changes = expect.changelog or ()
    literals = typed_literals([change.row for change in changes], actual.changelog, actual, "change")
    ops = (t.STRING, pa.chunked_array([pa.array([change.op for change in changes], pa.string())]))
    columns = [
        ComparedColumn("op", ops, (t.STRING, actual.changelog.table.column("op"))),
        *compared_columns(expect, literals, actual.changelog),
    ]
    codes, other = row_codes([c.expected for c in columns], [c.actual for c in columns])
    if expect.order is ChangelogOrder.CONTAINS and changes:
        return Alignment(_occurring(columns, len(changes), len(actual.changelog)), columns)
    return Alignment(list(_in_sequence(codes, other)), columns)


def _in_sequence(expected: Int64s, actual: Int64s) -> Iterator[tuple[int | None, int | None]]:
    matcher = difflib.SequenceMatcher(None, expected.tolist(), actual.tolist(), autojunk=False)
    for what, first, last, start, end in matcher.get_opcodes():
        if what == "equal":
            yield from ((i, None) for i in range(first, last))
            continue
        for i in range(end - start):
            yield (first + i if first + i < last else None, start + i)


def _occurring(columns: Sequence[ComparedColumn], written: int, changes: int) -> RowPairs:
    """The written changes that occur in this order; all changes when none does."""
    pairs: RowPairs = []
    reached = 0
    for i in range(written):
        later = np.flatnonzero(near_rows(columns, [i], range(reached, changes))[0])
        if len(later):
            reached += int(later[0])
            pairs.append((i, None))
            reached += 1
    return pairs or [(None, j) for j in range(changes)]


def _aligned_bags(columns: Sequence[ComparedColumn], written: int, actual: int, key: tuple[str, ...]) -> Alignment:
    difference = compare_bags(columns, written, actual)
    missing, unexpected = difference.missing.tolist(), difference.unexpected.tolist()
    partners = _by_key(columns, key, missing, unexpected) if key else _by_likeness(columns, missing, unexpected)
    gone = set(missing) - set(partners)
    pairs: RowPairs = [(i, partners.get(i)) for i in range(written) if i not in gone]
    taken = set(partners.values())
    pairs += [(None, j) for j in unexpected if j not in taken]
    return Alignment(pairs, columns)


def _by_key(
    columns: Sequence[ComparedColumn], key: tuple[str, ...], missing: list[int], unexpected: list[int]
) -> dict[int, int]:
    """Written rows and actual ones with the same key."""
    keys = [c for c in columns if c.name in key]
    expected, actual = row_codes([c.expected for c in keys], [c.actual for c in keys])
    at = {int(actual[j]): j for j in unexpected}
    return {i: at[int(expected[i])] for i in missing if int(expected[i]) in at}


def _by_likeness(columns: Sequence[ComparedColumn], missing: list[int], unexpected: list[int]) -> dict[int, int]:
    """Each written row with the actual one that has most values in common, the first one of several."""
    if not missing or not unexpected or max(len(missing), len(unexpected)) > MOST_COMPARED:
        return dict(zip(missing, unexpected, strict=False))
    equal = np.zeros((len(missing), len(unexpected)), np.int64)
    for column in columns:
        equal += near_rows([column], missing, unexpected)
    partners: dict[int, int] = {}
    for place in np.argsort(-equal, axis=None, kind="stable").tolist():
        i, j = missing[place // len(unexpected)], unexpected[place % len(unexpected)]
        if i not in partners and j not in partners.values():
            partners[i] = j
    return partners

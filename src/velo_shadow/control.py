"""The control: a second output of the reference, which tells what the reference does not give twice alike.

The left is compared with the control as it is with the right. In what those two differ, nothing can be asked of another
job: processing times, UUIDs, results that depend on which input came first. It is taken off, by key and column:

* a value of a pair, when the left and the control differ in the same column of the same key;
* a row only left, when the control lacks its key, too; a row only right, when only the control has its key, too;
* every value of a column in which most rows of the left and the control differ (with 95 % confidence).

A pair with nothing left to differ in is a match. Everything else blocks as ever. A control that has little in common
with the left is no second output of the same job, and refused: it would excuse anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.reports.shown_values import text_of
from velo_shadow.causes.context import row_of
from velo_shadow.compared import Compared
from velo_shadow.diff import Diff
from velo_shadow.model import ComparisonPlan, Counts, Difference, Kind, Segment, Subtracted
from velo_shadow.verdict import upper_bound

_MOST = 0.5
"""The share of rows from which on a column differs in most."""
_HOUR_OF = "hour of "

_Identity: TypeAlias = tuple[Kind, tuple[tuple[str, Any], ...], str | None]


def ignorable_columns(control: Compared) -> tuple[str, ...]:
    """The columns in which the left and its control differ in most rows, in the plan's order.

    Errors: BAD_VALUE for a control that is no second output of the same job.
    """
    counts = control.diff.counts
    pairs = counts.matched + counts.differing
    if counts.missing + counts.extra > pairs:
        message = (
            f"the control has too little in common with the left: {pairs} rows of the same key, "
            f"{counts.missing} only left, {counts.extra} only in the control"
        )
        hint = "a control is a second output of the same Flink job over the same input"
        if not control.plan.key:
            hint += "; without a key every column tells rows apart: give the key"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=hint)
    found = tuple(name for name in control.plan.column_names if _in_most(counts.by_column.get(name, 0), pairs))
    if found and len(found) == len(control.plan.columns):
        message = f"the control differs from the left in most rows of every column ({', '.join(found)})"
        hint = "a control is a second output of the same Flink job; what differs on purpose can be ignored by name"
        raise VeloError(ErrorCode.BAD_VALUE, message, hint=hint)
    return found


def without_columns(plan: ComparisonPlan, names: Iterable[str]) -> ComparisonPlan:
    """The plan with these columns left out: compared so, rows that differ elsewhere are counted and shown exactly."""
    gone = set(names)
    kept = tuple(column for column in plan.columns if column.name not in gone)
    left_out = tuple(column.name for column in plan.columns if column.name in gone)
    return replace(plan, columns=kept, ignored=(*plan.ignored, *left_out))


def subtract(compared: Compared, control: Compared, *, left_out: Sequence[str] = ()) -> Compared:
    """`compared` without the differences that the left has from its `control`, too.

    `left_out`: ignorable columns that neither was compared in (`without_columns`). Either may have more differences
    than are kept: what is not known to differ in the control blocks.
    Errors: BAD_VALUE for a control that is no second output of the same job.
    """
    ignorable = (*left_out, *ignorable_columns(control))
    known = Counter(_identity(one) for one in control.diff.differences)
    kept: list[Difference] = []
    equal, lone = 0, Counter[Kind]()
    taken, seen = Counter[str](), Counter[str]()
    seen_pairs = 0
    for row in _rows(compared.diff.differences):
        own = [one for one in row if not _excused(one, known, ignorable)]
        kept += own
        if row[0].kind is not Kind.VALUE:
            lone[row[0].kind] += not own
            continue
        seen_pairs += 1
        equal += not own
        seen.update(one.column for one in row if one.column is not None)
        taken.update(one.column for one in row if one.column is not None and one not in own)
    counts = compared.diff.counts
    unseen = {n: count - seen[n] for n, count in counts.by_column.items() if n not in ignorable}
    # Pairs whose differences are not kept: at most so many differ in a column that counts.
    beyond = counts.differing - seen_pairs
    equal += beyond - min(beyond, sum(unseen.values()))
    taken.update({name: counts.by_column[name] - seen[name] for name in ignorable if name in counts.by_column})
    subtracted = Subtracted(
        equal,
        lone[Kind.MISSING],
        lone[Kind.EXTRA],
        {name: taken[name] for name in compared.plan.column_names if taken[name]},
        ignorable,
    )
    return replace(
        compared,
        diff=Diff(_counts(counts, subtracted), tuple(kept)),
        segments=_segments(compared.segments, kept) if subtracted.rows or taken else compared.segments,
        subtracted=subtracted,
    )


def remarks(subtracted: Subtracted) -> tuple[str, ...]:
    """What a verdict says of it, in sentences."""
    found = []
    if subtracted.rows:
        lone = subtracted.missing + subtracted.extra
        beside = f", {lone} of them without a partner" if lone else ""
        found.append(f"{subtracted.rows} rows do not count: they differ in the control, too{beside}")
    found += [
        f'nothing counts in "{name}", in which most rows differ in the control, too: ignore it (--ignore {name})'
        for name in subtracted.ignorable
    ]
    return tuple(found)


def _in_most(differing: int, pairs: int) -> bool:
    """Whether more than half differ, with 95 % confidence: 5 of 5, 15 of 20."""
    return differing > 0 and 1 - upper_bound(pairs - differing, pairs) > _MOST


def _counts(counts: Counts, subtracted: Subtracted) -> Counts:
    left = {name: count - subtracted.by_column.get(name, 0) for name, count in counts.by_column.items()}
    return replace(
        counts,
        matched=counts.matched + subtracted.equal,
        differing=counts.differing - subtracted.equal,
        missing=counts.missing - subtracted.missing,
        extra=counts.extra - subtracted.extra,
        by_column={name: count for name, count in left.items() if count},
    )


def _rows(differences: Sequence[Difference]) -> Iterator[list[Difference]]:
    """The differences by row: those of a pair stand together, and a column once."""
    row: list[Difference] = []
    for one in differences:
        same = (
            row
            and one.kind is Kind.VALUE is row[0].kind
            and row_of(one.row) == row_of(row[0].row)
            and all(one.column != other.column for other in row)
        )
        if row and not same:
            yield row
            row = []
        row.append(one)
    if row:
        yield row


def _excused(one: Difference, known: Counter[_Identity], ignorable: Sequence[str]) -> bool:
    """Whether the control has the same difference; each of its differences excuses one."""
    identity = _identity(one)
    if known[identity] > 0:
        known[identity] -= 1
        return True
    return one.column in ignorable


def _identity(one: Difference) -> _Identity:
    return one.kind, tuple((name, _comparable(value)) for name, value in sorted(one.key.items())), one.column


def _comparable(value: Any) -> Any:
    """A value of a key whatever type its comparison has found for it: 1 and 1.00 are the same."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value).normalize()
    return value if isinstance(value, str | bool | datetime) else repr(value)


def _segments(segments: Sequence[Segment], kept: Sequence[Difference]) -> tuple[Segment, ...]:
    """The segments with the rows that still differ; those that hold none, or whose rows do not say, are left out."""
    rows = list({row_of(one.row): one.row for one in kept}.values())
    counted = [replace(segment, differences=_held(segment, rows)) for segment in segments]
    return tuple(segment for segment in counted if segment.differences)


def _held(segment: Segment, rows: Sequence[Mapping[str, Any]]) -> int:
    name = segment.dimension.removeprefix(_HOUR_OF)
    return sum(name in row and text_of(_place(row[name], segment)) == segment.value for row in rows)


def _place(value: Any, segment: Segment) -> Any:
    if segment.dimension.startswith(_HOUR_OF) and isinstance(value, datetime):
        return value.replace(minute=0, second=0, microsecond=0)
    return value

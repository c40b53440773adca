"""Asks the detectors: the first that explains a row, or else a value of it, names the cause.

A detector of rows looks at all rows together, because what shows its cause lies in several of them, or in several
columns; it explains rows, and with them all their differences. A detector of values is asked about one value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from velo_shadow.causes.columns import swapped
from velo_shadow.causes.context import Change, Context, Finding, changes_of, context_of
from velo_shadow.causes.contributions import contributions
from velo_shadow.causes.decimals import constant_change, rounding
from velo_shadow.causes.floats import association, last_places
from velo_shadow.causes.joins import beyond, padded, unpartnered
from velo_shadow.causes.lone import copies, outside
from velo_shadow.causes.nulls import null_or_absent
from velo_shadow.causes.representation import same_otherwise
from velo_shadow.causes.rows import Row
from velo_shadow.causes.texts import truncated
from velo_shadow.causes.ties import ties
from velo_shadow.causes.times import time_precision, time_zone
from velo_shadow.causes.windows import bounds, closed_early, lengths, moved, shifted
from velo_shadow.compared import Compared
from velo_shadow.model import Cause, Difference

RowDetector: TypeAlias = Callable[[Context], Mapping[int, Finding]]
"""By place of a difference, its finding."""
Detector: TypeAlias = Callable[[Change, Context], Finding | None]

ROW_DETECTORS: tuple[RowDetector, ...] = (
    copies,
    swapped,
    ties,
    padded,
    unpartnered,
    shifted,
    lengths,
    closed_early,
    moved,
    bounds,
    contributions,
    outside,
    beyond,
)
DETECTORS: tuple[Detector, ...] = (
    null_or_absent,
    same_otherwise,
    truncated,
    time_zone,
    time_precision,
    last_places,
    rounding,
    association,
    constant_change,
)
"""Of both, those whose evidence is rarest by accident come first."""


def explained(differences: Sequence[Difference], compared: Compared | None = None) -> tuple[Difference, ...]:
    """The differences with cause and evidence, in their order. `compared`: what they were found by."""
    if not differences:
        return ()
    context = context_of(differences, compared)
    found: dict[int, Finding] = {}
    for detector in ROW_DETECTORS:
        for place, finding in context.once(detector).items():
            if place not in found or found[place].cause is Cause.UNKNOWN is not finding.cause:
                found[place] = finding
    remarks = {place: finding for place, finding in found.items() if finding.cause is Cause.UNKNOWN}
    causes = {place: finding for place, finding in found.items() if finding.cause is not Cause.UNKNOWN}
    for row in context.rows:
        if not all(place in found for place in row.members):
            _explain_values(row, context, causes, remarks)
    all_found = {**remarks, **causes}
    return tuple(
        replace(one, cause=all_found[place].cause, evidence=all_found[place].evidence) if place in all_found else one
        for place, one in enumerate(differences)
    )


def _explain_values(row: Row, context: Context, causes: dict[int, Finding], remarks: dict[int, Finding]) -> None:
    """Each value by itself; two rows put together only by what explains all columns that keep them apart."""
    changes = changes_of(row)
    if not changes:
        return
    findings = [_value_finding(change, context) for change in changes]
    if not row.is_paired:
        for place, finding in zip(row.members, findings, strict=True):
            if finding is not None:
                (remarks if finding.cause is Cause.UNKNOWN else causes).setdefault(place, finding)
        return
    known = [finding for finding in findings if finding is not None]
    if not known:
        return
    others = " and ".join(f'"{one.column}"' for one in changes)
    evidence = f"a row of the other side is the same but for {others}: {'; '.join(one.evidence for one in known)}"
    same = {finding.cause for finding in known}
    cause = known[0].cause if len(same) == 1 and len(known) == len(changes) else Cause.UNKNOWN
    for place in row.members:
        (remarks if cause is Cause.UNKNOWN else causes).setdefault(place, Finding(cause, evidence))


def _value_finding(change: Change, context: Context) -> Finding | None:
    remark = None
    for detector in DETECTORS:
        finding = detector(change, context)
        if finding is not None and finding.cause is not Cause.UNKNOWN:
            return finding
        remark = remark or finding
    return remark

"""What changed since an earlier run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from velo_harness.reports.shown_values import printable_lines
from velo_harness.result import Change, Outcome, QueryResult, RunResult, Trend

SLOWER_FACTOR = 1.5
"""A query is slower, or faster, when the time of its own operators changed by this factor, …"""
SLOWER_MS = 50.0
"""… and by so many milliseconds: less is the noise of a shared machine."""

_BAD = (Outcome.FAILED, Outcome.ERROR)


def trend(before: RunResult, after: RunResult, against: str) -> Trend:
    """What changed from `before` to `after`; `against` names the earlier report.

    Queries are the same when their ids are. One is gone when its spec was run, and did not have it any more. Specs that
    did not load then are not there; so their queries are new.
    """
    old = {q.item: q for q in before.queries}
    new = {q.item: q for q in after.queries}
    files = {q.spec_file for q in after.queries}
    both = [(old[item], new[item]) for item in new if item in old]
    ran = [(b, a) for b, a in both if Outcome.SKIPPED not in (b.outcome, a.outcome)]
    timed = [(b, a) for b, a in ran if b.outcome not in _BAD and a.outcome not in _BAD]
    times = [Change(a.item, b.execution_ms, a.execution_ms) for b, a in timed]
    return Trend(
        against=against,
        newly_failing=tuple(a.item for b, a in both if a.outcome in _BAD and b.outcome not in _BAD),
        fixed=tuple(a.item for b, a in both if a.outcome is Outcome.PASSED and b.outcome in _BAD),
        still_failing=tuple(a.item for b, a in both if a.outcome in _BAD and b.outcome in _BAD),
        added=tuple(item for item in new if item not in old),
        removed=tuple(item for item, q in old.items() if item not in new and q.spec_file in files),
        slower=tuple(c for c in times if _grew(c.before, c.after)),
        faster=tuple(c for c in times if _grew(c.after, c.before)),
        rows_changed=tuple(Change(a.item, b.output_rows, a.output_rows) for b, a in timed if _rows_changed(b, a)),
    )


def _grew(small: float, large: float) -> bool:
    return large - small >= SLOWER_MS and large >= small * SLOWER_FACTOR


def _rows_changed(before: QueryResult, after: QueryResult) -> bool:
    return before.seed == after.seed and before.output_rows != after.output_rows


def trend_text(found: Trend) -> str:
    """What changed, for people."""
    lines = [f"since {found.against}:"]
    lines += _listed("newly failing", found.newly_failing)
    lines += _listed("fixed", found.fixed)
    lines += _listed("still failing", found.still_failing)
    lines += _listed("new", found.added)
    lines += _listed("gone", found.removed)
    for name, changes, unit in (
        ("slower", found.slower, " ms"),
        ("faster", found.faster, " ms"),
        ("with another number of rows", found.rows_changed, ""),
    ):
        lines += _listed(name, [f"{c.item}: {c.before:,.0f} → {c.after:,.0f}{unit}" for c in changes])
    return printable_lines("\n".join(lines if len(lines) > 1 else [f"since {found.against}: nothing changed"]))


SHOWN_NAMES = 10
"""Queries listed of each kind of change."""


def _listed(name: str, texts: Sequence[str]) -> Iterator[str]:
    if texts:
        yield f"  {len(texts)} {name}"
        yield from (f"    {text}" for text in texts[:SHOWN_NAMES])
    if len(texts) > SHOWN_NAMES:
        yield f"    and {len(texts) - SHOWN_NAMES} more"

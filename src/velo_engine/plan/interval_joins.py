"""Interval joins: joins of streams that bound the times of both sides, in their condition or with WITHIN.

Source: Flink's StreamPhysicalIntervalJoinRule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from velo_engine.errors import ErrorCode
from velo_engine.plan.expressions import Expression
from velo_engine.plan.interval_bounds import IntervalBounds, TimeAttributes, interval_bounds
from velo_engine.plan.join_nodes import IntervalJoin
from velo_engine.plan.keyed_sides import keyed_sides
from velo_engine.plan.nodes import JoinKind
from velo_engine.plan.program_text import ProgramText
from velo_engine.plan.relation import Relation


@dataclass(frozen=True, slots=True)
class _Bounded:
    """The bounds of an interval join, and its other conjuncts."""

    bounds: IntervalBounds
    event_time: bool
    rest: Sequence[Expression]


def plan_interval_join(
    left: Relation,
    right: Relation,
    kind: JoinKind,
    parts: Sequence[Expression],
    using: Sequence[str],
    written: JoinKind,
    join: exp.Join,
    text: ProgramText,
) -> Relation | None:
    """The join of both sides where all of `parts` hold, or None when nothing bounds their times.

    `written` is the kind that stands in the query, when `kind` has become another.
    """
    found = _within(left, right, parts, join, text) or _compared(left, right, parts, join, text)
    if found is None:
        return None
    bounds, width = found.bounds, len(left.node.schema)
    keyed = keyed_sides(left, right, found.rest, written)
    node = IntervalJoin(
        left=keyed.left.node,
        right=keyed.right.node,
        kind=kind,
        left_keys=keyed.left_keys,
        right_keys=keyed.right_keys,
        null_safe_keys=keyed.null_safe,
        left_time=bounds.left_time if found.event_time else None,
        right_time=bounds.right_time - width if found.event_time else None,
        lower_ms=bounds.lower_ms,
        upper_ms=bounds.upper_ms,
        condition=keyed.condition,
        schema=keyed.schema(kind),
    )
    processing = frozenset({*left.processing_times, *map(keyed.moved, right.processing_times)})
    if not found.event_time:
        return replace(keyed.result(node, kind, using), processing_times=processing)
    times = (bounds.left_time, keyed.moved(bounds.right_time - width))
    others = (*left.event_times, *map(keyed.moved, right.event_times))
    event_times = (*times, *(time for time in others if time not in times))
    return replace(keyed.result(node, kind, using), event_times=event_times, processing_times=processing)


def _compared(
    left: Relation, right: Relation, parts: Sequence[Expression], join: exp.Join, text: ProgramText
) -> _Bounded | None:
    """Bounds that the condition states, of event times or of processing times."""
    width = len(left.node.schema)
    found = interval_bounds(parts, TimeAttributes(left.event_times, [width + i for i in right.event_times]))
    if found is not None:
        _check_types(left, right, found[0].left_time, found[0].right_time - width, join, text)
        return _Bounded(found[0], True, found[1])
    processing = TimeAttributes(left.processing_times, [width + i for i in right.processing_times])
    found = interval_bounds(parts, processing)
    return None if found is None else _Bounded(found[0], False, found[1])


def _within(
    left: Relation, right: Relation, parts: Sequence[Expression], join: exp.Join, text: ProgramText
) -> _Bounded | None:
    """WITHIN INTERVAL …: the event times of both sides are at most so far from each other."""
    within_ms = join.args.get("within_ms")
    if within_ms is None:
        return None
    for relation in (left, right):
        if not relation.event_times:
            raise text.error(
                ErrorCode.MISSING_EVENT_TIME,
                "JOIN … WITHIN needs an event time on both sides",
                join,
                "name the column with 'event.time.field' in WITH, or declare WATERMARK FOR",
            )
    left_time, right_time = left.event_times[0], right.event_times[0]
    _check_types(left, right, left_time, right_time, join, text)
    bounds = IntervalBounds(left_time, len(left.node.schema) + right_time, -within_ms, within_ms)
    return _Bounded(bounds, True, parts)


def _check_types(
    left: Relation, right: Relation, left_time: int, right_time: int, join: exp.Join, text: ProgramText
) -> None:
    types = left.node.schema.types[left_time], right.node.schema.types[right_time]
    if types[0].name is not types[1].name:
        raise text.error(
            ErrorCode.TYPE_MISMATCH,
            f"the event times of an interval join have one type; they are {types[0].as_nullable()} and "
            f"{types[1].as_nullable()}",
            join,
        )

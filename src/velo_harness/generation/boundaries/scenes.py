"""The scenes: what each kind of operator needs to see so that a wrong one gives something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from velo_engine.plan.expressions import Call, ColumnRef, Expression, Literal, columns_of
from velo_engine.plan.nodes import WindowKind
from velo_harness.generation.boundaries.analysis import comparisons
from velo_harness.generation.boundaries.facts import Frame, Join, Measure, Pattern, Ranking, Route, Step, Windows
from velo_harness.generation.boundaries.points import Points
from velo_harness.generation.boundaries.script import STEP_MS, Script
from velo_harness.generation.boundaries.values import around

WEIGHTS = (1, 2, 4)
"""How often the values along a column come where rows are counted: every set of them has another sum."""
MOST_IN_GROUP = 60
"""Rows of a group that must be full to count."""


def play_decisions(script: Script, source: str, contexts: Sequence[Sequence[dict[int, Any]]]) -> None:
    """The rows of each context, in a scene of its own.

    Where rows are joined, each has a key and a partner of its own: what one row decides no other row makes up for.
    """
    joined = any(
        source in (script.side(j.left_keys, None), script.side(j.right_keys, None)) for j in script.facts.joins
    )
    for context in contexts:
        at, key = script.opened(source)
        for place, values in enumerate(context):
            if joined and place:
                key = script.key()
                keys = {leaf: value for leaf, value in values.items() if leaf in script.joined and value is not None}
                script.accompany(source, at, key, keys)
            for _ in range(WEIGHTS[place % len(WEIGHTS)] if script.facts.aggregates else 1):
                script.add(source, at, key, values)
                at += 10


def play_nulls(script: Script, source: str, leaves: Sequence[int]) -> None:
    """A row for each column that may be NULL, between two rows that have it."""
    for leaf in leaves:
        at, key = script.opened(source)
        script.add(source, at, key)
        script.add(source, at + 10, key, {leaf: None})


def play_windows(script: Script, windows: Windows) -> None:
    """Rows at the start, in the middle, at the last millisecond, at the end and after it, of two keys."""
    spec, source = windows.spec, windows.source
    at, first = script.opened(source)
    second = script.key()
    script.accompany(source, at, second)
    at += spec.offset_ms
    size, slide = spec.size_ms, spec.slide_ms
    if spec.kind is WindowKind.SESSION:
        moments = [0, size - 1, 2 * size - 1, 3 * size]  # distances: below the gap, the gap, above it
        others = [0, size // 2, size + size // 2 + 1]
    else:
        moments = [
            0,
            slide // 2,
            slide - 1,
            slide,
            size // 2,
            size - slide,
            size - 1,
            size,
            size + slide - 1,
            size + slide,
        ]
        others = [0, size - 1, size]
    rows = sorted({(m, first) for m in moments if m >= 0} | {(m, second) for m in others})
    for moment, key in rows:
        script.add(source, at + moment, key)


def play_lateness(script: Script, source: str, windows: Windows | None) -> None:
    """Rows that are just in time and just too late for a window; without one, at the watermark -1, 0 and +1 ms."""
    delay = script.facts.times[source].delay_ms
    at, key = script.opened(source)
    driver = script.key()
    if windows is None:
        script.add(source, at + delay, driver)
        for moment in (at + 1, at, at - 1):
            script.add(source, moment, key)
        script.skip_to(at + delay)
        return
    at += windows.spec.offset_ms
    inside = at + min(windows.spec.slide_ms, windows.spec.size_ms) // 2
    closes = (inside if windows.spec.kind is WindowKind.SESSION else at) + windows.spec.size_ms - 1
    closes += windows.allowed_lateness_ms
    script.add(source, inside, key)
    script.add(source, closes - 1 + delay, driver)
    script.add(source, inside, key)  # the watermark stands 1 ms before the window closes
    script.add(source, closes + delay, driver)
    script.add(source, inside, key)  # and now at it: too late
    script.skip_to(closes + delay)


def play_ranking(script: Script, ranking: Ranking) -> None:
    """Two rows more than are kept, in one partition, and one like the first in what orders them."""
    sources = {script.source_of(e) for e in (*ranking.partition, *ranking.order)} - {None}
    for source in sorted(s for s in sources if s is not None):
        at, key = script.opened(source)
        for number in range(min(ranking.limit, MOST_IN_GROUP) + 2):
            script.add(source, at + number * 10, key)
        script.tie(source, at + 10, key)
        for earlier in (25, 15):
            script.add(source, at + earlier, key)
        for place in range(1, len(ranking.order)):  # equal in what orders first, not in what orders then
            at, key = script.opened(source)
            leaves = sorted(columns_of(*ranking.order[:place]))
            script.alike(source, at, key, leaves, min(ranking.limit, MOST_IN_GROUP) + 2)


def play_frame(script: Script, frame: Frame) -> None:
    """More rows than a frame of rows holds; rows at, before and after the beginning of a frame of time."""
    for source in sorted(s for s in {script.source_of(e) for e in frame.partition} or set(script.sources) if s):
        at, key = script.opened(source)
        if frame.range_ms is not None:
            for moment in sorted({0, 1, 2, frame.range_ms // 2, frame.range_ms + 1}):
                script.add(source, at + moment, key)
            script.add(source, at + frame.range_ms + 1, key)
            continue
        count = min(frame.rows or 3, MOST_IN_GROUP) + 3
        for number in range(count):
            script.add(source, at + number * 10, key)
        script.tie(source, at + count * 10 - 10, key)
        script.add(source, at + count * 10, key)


Options = Callable[[Step], tuple[list[dict[int, Any]], list[dict[int, Any]]]]
"""The values of a row that a step of a pattern takes, and those on both sides of its boundaries."""

MOST_OPTIONS = 12


def play_pattern(script: Script, pattern: Pattern, options: Options) -> None:
    """A match, and what is nearly one: a row beyond a boundary, one row more or less, a time that is too long."""
    source = next((s for e in pattern.partition if (s := script.source_of(e))), None) or next(
        iter(script.sources), None
    )
    if source is None:
        return
    found = [options(step) for step in pattern.steps]
    match = [(good or near or [{}])[0] for good, near in found]
    counts = [max(step.minimum, 1) for step in pattern.steps]
    _play_rows(script, source, match, counts, None)
    for number, (_, near) in enumerate(found):
        for values in near[:MOST_OPTIONS]:
            _play_rows(script, source, [*match[:number], values, *match[number + 1 :]], counts, None)
    for number, step in enumerate(pattern.steps):
        for count in {step.minimum - 1, (step.maximum or step.minimum + 1) + 1} & set(range(MOST_IN_GROUP)):
            _play_rows(script, source, match, [*counts[:number], count, *counts[number + 1 :]], None)
    if pattern.within_ms is not None:
        for last in (pattern.within_ms - 1, pattern.within_ms, pattern.within_ms + 1):
            _play_rows(script, source, match, counts, last)


def _play_rows(
    script: Script, source: str, steps: Sequence[dict[int, Any]], counts: Sequence[int], last_ms: int | None
) -> None:
    """So many rows of each step; the last one stands `last_ms` after the first."""
    at, key = script.opened(source)
    rows = [values for values, count in zip(steps, counts, strict=True) for _ in range(count)]
    for number, values in enumerate(rows):
        is_last = number == len(rows) - 1 and last_ms is not None
        script.add(source, at + (last_ms if is_last and last_ms is not None else number * 10), key, values)


def play_measures(script: Script, routes: Sequence[Route], points: Points) -> None:
    """Groups whose results stand on both sides of what a condition compares them with."""
    for route in routes:
        found = [pair for f in (*route.filters, *route.tests) for pair in _measured(script, f)]
        sizes = sorted({int(target) for measure, target in found if measure.function == "count"})
        full = min(max(sizes, default=0), MOST_IN_GROUP) + 1
        for measure, target in found:
            if measure.function == "count":
                _play_sizes(script, measure, int(target))
            elif measure.argument is not None:
                _play_results(script, measure, target, points, full if sizes else 1)


def _measured(script: Script, expression: Expression) -> list[tuple[Measure, Any]]:
    """The measures that an expression compares with a number."""
    found: list[tuple[Measure, Any]] = []
    for call in comparisons(expression):
        for side, other in ((call.args[0], call.args[-1]), (call.args[-1], call.args[0])):
            leaf = script.facts.leaves[side.index] if isinstance(side, ColumnRef) else None
            if isinstance(leaf, Measure) and isinstance(other, Literal) and _is_measured(other.value):
                found.append((leaf, other.value))
    return found


def _is_measured(value: Any) -> bool:
    return isinstance(value, int | float | Decimal | date | datetime) and not isinstance(value, bool)


def _sources_of_measure(script: Script, measure: Measure) -> list[str]:
    parts = (*measure.keys, *((measure.argument,) if measure.argument is not None else ()))
    found = {script.source_of(part) for part in parts} - {None}
    return sorted(s for s in found if s is not None) or sorted(script.sources)[:1]


def _play_sizes(script: Script, measure: Measure, target: int) -> None:
    for source in _sources_of_measure(script, measure):
        for size in (target - 1, target, target + 1):
            at, key = script.opened(source)
            for number in range(size if size <= MOST_IN_GROUP else 0):
                script.add(source, at + number * 10, key)


def _play_results(script: Script, measure: Measure, target: Any, points: Points, full: int) -> None:
    """A group for each result; further rows of the group do not change it."""
    assert measure.argument is not None
    for value in around(target, measure.argument.type, ordered=True):
        for leaf, wanted in points.solved(measure.argument, value):
            column = script.facts.leaves.column(leaf)
            fitting = [] if column is None else around(wanted, column.type, ordered=True)
            if column is None or len(fitting) < 2:
                continue
            at, key = script.opened(column.source)
            for number, part in enumerate(_parts(measure.function, fitting[1], full)):
                script.add(column.source, at + number * 10, key, {leaf: part})


def _parts(function: str, result: Any, count: int) -> list[Any]:
    """Values of `count` rows, or of two, that give the result together; of a sum no row is all of it."""
    if function != "sum":
        return [result] * count
    zero, one = type(result)(0), type(result)(1)
    return [result - one, one, *([zero] * (count - 2))]


def play_join(script: Script, join: Join) -> None:
    """Keys with and without partner, with several, NULL; at the bounds of the interval, and beside them."""
    left, right = script.side(join.left_keys, join.left_time), script.side(join.right_keys, join.right_time)
    if left is None or right is None:
        return
    if join.lower_ms is not None and join.upper_ms is not None:
        _play_interval(script, left, right, join.lower_ms, join.upper_ms)
    elif join.left_time is not None:
        _play_versions(script, left, right)
    at = script.scene()
    for lefts, rights in ((1, 1), (2, 3), (1, 0), (0, 1)):
        key = script.key()
        partner = (lefts, rights) in ((1, 1), (2, 3))
        script.accompany(left if lefts else right, at, key, None, join)
        for number in range(rights):
            script.add(right, at + number, key, None if partner else _alone(script, join.right_keys, 2))
        for number in range(lefts):
            script.add(left, at + 5 + number, key, None if partner else _alone(script, join.left_keys, 1))
        at += 10
    for source, keys in ((left, join.left_keys), (right, join.right_keys)):
        empty: dict[int, Any] = {leaf: None for key in keys for leaf in columns_of(key) if _may_be_null(script, leaf)}
        if empty:
            script.add(source, at, None, empty)


def _alone(script: Script, keys: Sequence[Expression], number: int) -> dict[int, Any]:
    """Values of the keys that no row of another source has."""
    found: dict[int, Any] = {}
    for leaf in sorted(columns_of(*keys)):
        pool = script.pools.get(leaf, ())
        if leaf in script.fixed or not pool:
            continue
        if isinstance(pool[0], str):
            found[leaf] = f"nobody-{number}"
        elif isinstance(pool[0], int) and not isinstance(pool[0], bool):
            found[leaf] = max(pool) + number
    return found


def _may_be_null(script: Script, leaf: int) -> bool:
    column = script.facts.leaves.column(leaf)
    return column is not None and column.type.nullable


def _play_interval(script: Script, left: str, right: str, lower: int, upper: int) -> None:
    """One right row and left rows around both bounds of its interval, each with a key of its own."""
    at, key = script.scene() + max(-lower, 0) + STEP_MS, script.key()
    script.add(right, at, key)
    for moment in sorted({b + d for b in (lower, upper) for d in (-1, 0, 1)}):
        script.add(left, at + moment, key)


def _play_versions(script: Script, left: str, right: str) -> None:
    """Versions of one key, and rows just before, at and after each."""
    at, key = script.scene() + STEP_MS, script.key()
    for version in (0, 100, 200):
        script.add(right, at + version, key)
    for moment in (-1, 0, 1, 99, 100, 101, 200, 300):
        script.add(left, at + moment, key)


def play_conditions(script: Script, conditions: Sequence[Expression], points: Points) -> None:
    """Pairs of rows of two sources, on both sides of what a condition compares between them."""
    for condition in conditions:
        for call in comparisons(condition):
            _play_comparison(script, call, points)


def _play_comparison(script: Script, call: Call, points: Points) -> None:
    left, right = call.args[0], call.args[-1]
    one, other = script.source_of(left), script.source_of(right)
    if one is None or other is None or one == other:
        return
    if columns_of(left, right) & set(script.pools):
        _play_key_comparison(script, left, right)
        _play_key_comparison(script, right, left)
        return
    target = points.value(right)
    if target is None:
        return
    present = {leaf: points.present(leaf) for leaf in columns_of(right)}
    for leaf, value in points.solved(left, target):
        column = script.facts.leaves.column(leaf)
        for number, candidate in enumerate([] if column is None else around(value, column.type, ordered=True)):
            at, key = script.scene(), script.key()
            script.add(other, at, key, present)
            for repeat in range(WEIGHTS[number % 3] if script.facts.aggregates else 1):
                script.add(one, at + repeat, key, {leaf: candidate})


def _play_key_comparison(script: Script, keyed: Expression, free: Expression) -> None:
    """A key of one source beside a column of another that is none: equal to it, and not."""
    if not (isinstance(keyed, ColumnRef) and isinstance(free, ColumnRef)) or free.index in script.pools:
        return
    one, other = script.source_of(keyed), script.source_of(free)
    if one is None or other is None:
        return
    for number in range(3):
        at, key = script.opened(one)
        script.add(one, at, key)
        value = script.keyed(one, key).get(keyed.index)
        found = [] if value is None else around(value, free.type, ordered=True)
        if number < len(found):
            script.add(other, at, key, {free.index: found[number]})
            script.add(one, at + 1, key)

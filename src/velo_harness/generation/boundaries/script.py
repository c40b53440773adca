"""The rows of a run as they are made up, scene by scene, each at a time of its own so that none disturbs another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from velo_engine.plan.expressions import Expression, columns_of
from velo_harness.generation.boundaries.facts import EventTime, Facts, Join

MOST_SPAN_MS = 7 * 86_400_000
"""Longer windows do not make scenes longer."""
STEP_MS = 1000


@dataclass(frozen=True, slots=True)
class Draft:
    """A row: what is particular about it."""

    values: Mapping[int, Any]
    """By leaf."""
    time_ms: int | None
    """Its event time, unless `values` says it."""
    natural: int
    """The number of the generated row that gives all other values."""
    borrowed: Mapping[int, int] = field(default_factory=dict)
    """Leaf → the number of another generated row that gives its value."""


@dataclass(slots=True)
class Script:
    """The rows of all sources, in the order in which they arrive."""

    facts: Facts
    origin_ms: int
    bases: Mapping[str, Mapping[int, Any]]
    """Source → values with which a row gets through."""
    pools: Mapping[int, Sequence[Any]]
    """Leaf of a key → its values; leaves that are joined have the same."""
    joined: Mapping[int, frozenset[int]]
    """Leaf of a key → all leaves that equal it where rows are joined, itself among them."""
    fixed: frozenset[int]
    """Leaves of keys that must stay as in the base."""
    drafts: dict[str, list[Draft]] = field(default_factory=dict)
    _scene: int = 0
    _key: int = 0
    _length: int = 0

    def __post_init__(self) -> None:
        self._length = _scene_length(self.facts)

    @property
    def sources(self) -> Iterable[str]:
        """Those that rows are made for."""
        return self.bases

    def scene(self) -> int:
        """The start of a new scene, a multiple of all windows."""
        self._scene += 1
        return self.origin_ms + self._scene * self._length

    def key(self) -> int:
        """The number of a key that no scene has had."""
        self._key += 1
        return self._key

    def add(
        self, source: str, time_ms: int | None, key: int | None = None, values: Mapping[int, Any] | None = None
    ) -> None:
        """A row that gets through, but for `values`."""
        if source in self.bases:
            given = {**self.bases[source], **self.keyed(source, key), **(values or {})}
            rows = self.drafts.setdefault(source, [])
            rows.append(Draft(given, time_ms, len(rows)))

    def tie(self, source: str, time_ms: int | None, key: int | None = None) -> None:
        """A row that is like the last one but for its time and key."""
        self.add(source, time_ms, key)
        rows = self.drafts.get(source, [])
        if len(rows) > 1:
            rows[-1] = replace(rows[-1], natural=rows[-2].natural)

    def alike(self, source: str, time_ms: int, key: int, leaves: Iterable[int], count: int) -> None:
        """Rows that have the same values of `leaves`, and all others of their own."""
        shared = list(leaves)
        for number in range(count):
            self.add(source, time_ms + number * 10, key)
            rows = self.drafts.get(source, [])
            if number and len(rows) > number:
                first = rows[-1 - number].natural
                rows[-1] = replace(rows[-1], borrowed=dict.fromkeys(shared, first))

    def again(self, source: str) -> None:
        """The last row once more, exactly."""
        rows = self.drafts.get(source)
        if rows:
            rows.append(rows[-1])

    def keyed(self, source: str, key: int | None) -> dict[int, Any]:
        """The values of key number `key` in a row of the source."""
        found: dict[int, Any] = {}
        if key is None:
            return {}
        for leaf, pool in self.pools.items():
            column = self.facts.leaves.column(leaf)
            if column is None or column.source != source or leaf in self.fixed:
                continue
            said = self._said(leaf, {})
            if said is not None:
                found[leaf] = said
            elif pool:
                found[leaf] = pool[key % len(pool)]
        return found

    def _said(self, leaf: int, values: Mapping[int, Any]) -> Any:
        """The value of a key that a row of another source has by `values`, or must have to get through."""
        for other in sorted(self.joined.get(leaf, ())):
            column = self.facts.leaves.column(other)
            if other in values:
                return values[other]
            if column is not None and other in self.fixed and other in self.bases.get(column.source, {}):
                return self.bases[column.source][other]
        return None

    def opened(self, source: str) -> tuple[int, int]:
        """A new scene with a new key, in which the rows of the source find partners: its start and the key."""
        at, key = self.scene(), self.key()
        self.accompany(source, at, key)
        return at, key

    def accompany(
        self,
        source: str,
        time_ms: int,
        key: int,
        values: Mapping[int, Any] | None = None,
        without: Join | None = None,
    ) -> None:
        """A partner in every source that is joined with a row of `source` that has this time, key and `values`.

        `without` is a join that is left out, with what is joined behind it.
        """
        times = {source: time_ms}
        joins = [join for join in self.facts.joins if join != without]
        while joins:
            known = [
                (j, left, right)
                for j in joins
                if (left := self.side(j.left_keys, j.left_time)) is not None
                and (right := self.side(j.right_keys, j.right_time)) is not None
                and (left in times) != (right in times)
            ]
            if not known:
                return
            join, left, right = known[0]
            joins.remove(join)
            distance = _distance(join)
            one, moment = (right, times[left] - distance) if left in times else (left, times[right] + distance)
            times[one] = moment
            keys = (
                leaf for leaf in self.pools if (c := self.facts.leaves.column(leaf)) is not None and c.source == one
            )
            said = {leaf: value for leaf in keys if (value := self._said(leaf, values or {})) is not None}
            self.add(one, moment, key, {leaf: value for leaf, value in said.items() if leaf not in self.fixed})

    def side(self, keys: Sequence[Expression], time: Expression | None) -> str | None:
        """The source on one side of a join."""
        return next((s for e in (*keys, *((time,) if time is not None else ())) if (s := self.source_of(e))), None)

    def source_of(self, expression: Expression | None) -> str | None:
        """The one source that an expression is about."""
        found = None if expression is None else self.facts.leaves.sources_of(expression)
        return next(iter(found)) if found is not None and len(found) == 1 else None

    def skip_to(self, time_ms: int) -> None:
        """Later scenes begin after this."""
        while self.origin_ms + (self._scene + 1) * self._length <= time_ms:
            self._scene += 1


def _distance(join: Join) -> int:
    """Left time minus right time of a pair that surely meets."""
    if join.lower_ms is not None and join.upper_ms is not None:
        return (join.lower_ms + join.upper_ms) // 2
    return 0 if join.left_time is None else STEP_MS


def time_leaf(time: EventTime) -> int | None:
    """The leaf that holds an event time."""
    found = sorted(columns_of(time.leaf))
    return found[0] if len(found) == 1 else None


def _scene_length(facts: Facts) -> int:
    """Long enough that what happens in one scene is over in the next; a multiple of the windows' distances."""
    spans = [STEP_MS, *(w.spec.size_ms for w in facts.windows), *facts.spans_ms]
    spans += [f.range_ms for f in facts.frames if f.range_ms is not None]
    spans += [abs(bound) for j in facts.joins for bound in (j.lower_ms, j.upper_ms) if bound is not None]
    spans += [time.delay_ms for time in facts.times.values()]
    longest = 4 * max(min(span, MOST_SPAN_MS) for span in spans)
    step = 1
    for windows in facts.windows:
        step = math.lcm(step, max(windows.spec.slide_ms, 1))
    step = min(step, MOST_SPAN_MS)
    return -(-longest // step) * step

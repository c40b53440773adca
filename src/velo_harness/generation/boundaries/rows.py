"""From a program to tables: its analysis, the scenes that it needs, and their rows as columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import product
from typing import Any

import pyarrow as pa

from velo_engine.plan.expressions import Call, Cast, ColumnRef, Expression, Literal, columns_of, walk
from velo_engine.plan.nodes import PlannedProgram
from velo_engine.types import SqlType, arrow_type
from velo_harness.generation.boundaries import scenes
from velo_harness.generation.boundaries.analysis import analysed
from velo_harness.generation.boundaries.facts import Earlier, Facts, Join, Route, Step
from velo_harness.generation.boundaries.grid import (
    MOST_COMBINATIONS,
    Decision,
    Setting,
    constant,
    deciding_rows,
    outcomes,
)
from velo_harness.generation.boundaries.points import Points
from velo_harness.generation.boundaries.script import Draft, Script, time_leaf
from velo_harness.generation.boundaries.values import of_instant, to_instant
from velo_harness.relation import Relation

MOST_ROWS = 500
"""Of one source."""
MOST_DECIDING = 250
"""Of these, rows on the sides of literals."""
POOL = 64
"""Keys that are told apart."""
PLAIN_ROWS = 12
"""Rows of three keys with nothing particular about them."""
_DAY_MS = 86_400_000


def boundary_tables(
    program: PlannedProgram,
    statements: Sequence[str],
    natural: Mapping[str, Relation],
    wanted: Sequence[str],
    now: datetime,
    time_zone: str,
    in_time: Collection[str] = (),
) -> dict[str, pa.Table]:
    """The rows of the sources `wanted`, in the order in which they arrive: tens to some hundreds.

    `statements` are those that run. `natural` are rows of all sources as they would be otherwise, for `wanted` at least
    `MOST_ROWS`: what is not on a boundary is taken from them. No row of the sources `in_time` is too
    late for a window. The result depends on nothing else.
    """
    work = _Work(program, analysed(program, statements), natural, wanted, now, time_zone, in_time)
    script = work.played()
    return {source: work.table(source, script.drafts.get(source, [])[:MOST_ROWS]) for source in wanted}


class _Work:
    def __init__(
        self,
        program: PlannedProgram,
        facts: Facts,
        natural: Mapping[str, Relation],
        wanted: Sequence[str],
        now: datetime,
        time_zone: str,
        in_time: Collection[str],
    ) -> None:
        self._facts = facts
        self._in_time = in_time
        self._natural = natural
        self._wanted = wanted
        self._leaves = {  # every column of a wanted source is a leaf, read or not
            source: [
                facts.leaves.of_source(source, i, column.type).index
                for i, column in enumerate(program.sources[source].schema.columns)
            ]
            for source in wanted
        }
        self._rows = {source: self._as_rows(source) for source in wanted}
        instant = f"TIMESTAMP '{now.replace(tzinfo=None).isoformat(sep=' ')}'"
        types = {leaf: self._type(leaf) for leaves in self._leaves.values() for leaf in leaves}
        self._setting = Setting(types, time_zone, instant)
        self._now_ms = round(now.timestamp() * 1000)
        self._points = Points(facts.leaves, self._present, self._constant)
        self._times = {s: leaf for s, t in facts.times.items() if (leaf := time_leaf(t)) is not None}

    def _as_rows(self, source: str) -> list[dict[int, Any]]:
        """The natural rows, by leaf."""
        table = self._natural[source].table
        columns = [table.column(i).to_pylist() for i in range(table.num_columns)]
        return [dict(zip(self._leaves[source], values, strict=True)) for values in zip(*columns, strict=True)]

    def _type(self, leaf: int) -> SqlType:
        column = self._facts.leaves.column(leaf)
        assert column is not None
        return column.type

    def _constant(self, expression: Expression) -> Any:
        return constant(expression, self._setting)

    def _present(self, leaf: int) -> Any:
        """What a leaf is in the row that boundaries are looked for from: the first value that is not NULL."""
        found = self._facts.leaves[leaf]
        if isinstance(found, Earlier):
            return self._present(found.leaf)
        column = self._facts.leaves.column(leaf)
        if column is None:
            return None
        if column.source in self._rows:
            return next((row[leaf] for row in self._rows[column.source] if row[leaf] is not None), None)
        relation = self._natural.get(column.source)
        if relation is None or len(relation) == 0:
            return None
        return next((v for v in relation.table.column(column.position).to_pylist() if v is not None), None)

    def played(self) -> Script:
        """All scenes."""
        facts = self._facts
        for route in facts.routes:
            self._points.add((*route.filters, *route.tests, *route.computed))
        contexts = {source: self._contexts(source) for source in self._wanted}
        bases = {source: self._base(source, found) for source, found in contexts.items()}
        self._meet(bases)
        filtering = columns_of(*(f for route in facts.routes for f in route.filters if not self._is_between(f)))
        joined = self._joined()
        script = Script(facts, self._origin(bases), bases, self._pools(joined), joined, frozenset(filtering))
        for source in self._wanted:
            self._play_source(script, source, contexts[source])
        for windows in facts.windows:
            scenes.play_windows(script, windows)
        for join in facts.joins:
            scenes.play_join(script, join)
        between = [f for r in facts.routes for f in (*r.filters, *r.tests) if self._is_between(f)]
        scenes.play_conditions(script, list(dict.fromkeys(between)), self._points)
        scenes.play_measures(script, facts.routes, self._points)
        for ranking in facts.rankings:
            scenes.play_ranking(script, ranking)
        for pattern in facts.patterns:
            scenes.play_pattern(script, pattern, self._options)
        for frame in facts.frames:
            scenes.play_frame(script, frame)
        self._play_lateness(script)
        return script

    def _play_source(self, script: Script, source: str, contexts: list[list[dict[int, Any]]]) -> None:
        kept, count = [], 0
        for context in contexts:
            count += len(context) * (3 if self._facts.aggregates else 1)
            if count <= MOST_DECIDING:
                kept.append([{leaf: row[leaf] for leaf in row if leaf in self._points.values} for row in context])
        scenes.play_decisions(script, source, kept)
        at, key = script.opened(source)
        script.add(source, at, key)
        script.again(source)
        script.again(source)
        read = set(self._facts.keys) | columns_of(
            *(e for r in self._facts.routes for e in (*r.filters, *r.tests, *r.computed))
        )
        times = set(self._times.values())
        nullable = [leaf for leaf in self._leaves[source] if self._type(leaf).nullable and leaf not in times]
        scenes.play_nulls(script, source, sorted(nullable, key=lambda leaf: leaf not in read))
        keys, at = [script.key() for _ in range(3)], script.scene()
        for key in keys:
            script.accompany(source, at, key)
        for number, own in zip(range(PLAIN_ROWS), self._passing(script, source), strict=False):
            script.add(source, at + number * 250, keys[number % 3], own)

    def _options(self, step: Step) -> tuple[list[dict[int, Any]], list[dict[int, Any]]]:
        """The values of a row that a step of a pattern takes, and those around its boundaries."""
        if step.condition is None:
            return [{}], []
        earlier = {leaf for leaf in columns_of(step.condition) if isinstance(self._facts.leaves[leaf], Earlier)}
        own = sorted(leaf for leaf in columns_of(step.condition) if self._facts.leaves.column(leaf) is not None)
        placed = Points.placed(step.condition, {leaf: self._present(leaf) for leaf in earlier})
        near = Points(self._facts.leaves, self._present, self._constant)
        near.add([step.condition])
        start = {leaf: self._present(leaf) for leaf in own}
        axes = {leaf: [v for v in self._around(near, leaf) if v is not None] for leaf in own}
        rows = [
            dict(zip(own, values, strict=True)) for values in product(*(axes[leaf] or [start[leaf]] for leaf in own))
        ]
        rows = rows[:MOST_COMBINATIONS] or [start]
        if not set(own) <= set(self._setting.types) or columns_of(placed) - set(own):
            return [], rows
        found = outcomes(Decision((placed,), (), ()), rows, self._setting)
        good = [row for row, code in zip(rows, found, strict=True) if code > 0]
        return good, [{**(good or rows)[0], leaf: value} for leaf in own for value in axes[leaf]]

    def _around(self, points: Points, leaf: int) -> list[Any]:
        return sorted(points.values.get(leaf, {}), key=lambda value: (str(type(value)), value))

    def _passing(self, script: Script, source: str) -> list[dict[int, Any]]:
        """Values that natural rows get through with, as far as filters look at them; else those of the base."""
        leaves = set(script.bases[source]) - set(self._times.values()) - (set(script.pools) - script.fixed)
        rows = self._rows[source]
        decision = next((d for r in self._facts.routes for d in self._decisions(source, r) if d.filters), None)
        if decision is not None:
            rows = [row for row, code in zip(rows, outcomes(decision, rows, self._setting), strict=True) if code > 0]
        found = [{leaf: row[leaf] for leaf in leaves} for row in rows[:PLAIN_ROWS]]
        return found + [{} for _ in range(PLAIN_ROWS - len(found))]

    def _play_lateness(self, script: Script) -> None:
        with_windows = {windows.source: windows for windows in reversed(list(self._facts.windows))}
        for source in self._wanted:
            if source in self._in_time:
                continue
            if source in self._facts.times:
                scenes.play_lateness(script, source, with_windows.get(source))
            if source in with_windows and with_windows[source].allowed_lateness_ms:
                scenes.play_lateness(script, source, None)

    def _is_between(self, expression: Expression) -> bool:
        """Whether an expression is about several sources."""
        found = self._facts.leaves.sources_of(expression)
        return found is None or len(found) > 1

    def _contexts(self, source: str) -> list[list[dict[int, Any]]]:
        """The rows on the sides of the literals that decide about this source."""
        contexts: list[list[dict[int, Any]]] = []
        seen: set[str] = set()
        for route in self._facts.routes:
            rows = self._rows[source]
            for decision in self._decisions(source, route):
                if repr(decision) in seen or not (decision.filters or decision.tests):
                    continue
                seen.add(repr(decision))
                tested = columns_of(*(decision.tests or decision.filters))
                axes = {leaf: self._axis(leaf) for leaf in sorted(tested) if self._points.values.get(leaf)}
                found = deciding_rows(decision, rows, axes, self._setting)
                contexts += found
                if found and not decision.tests:
                    rows = [found[0][0], *rows]  # what gets through is where the conditions behind are looked at
        return contexts

    def _decisions(self, source: str, route: Route) -> list[Decision]:
        """What the filters of a route decide alone, and each of its conditions behind them."""
        mine = [
            tuple(e for e in expressions if self._facts.leaves.sources_of(e) == {source})
            for expressions in (route.filters, route.tests, route.computed)
        ]
        filters, tests, computed = mine
        decisions = [Decision(filters, (), computed), *(Decision(filters, (test,), computed) for test in tests)]
        return decisions if not computed else [*decisions, Decision(filters, computed, computed)]

    def _axis(self, leaf: int) -> list[Any]:
        """The boundary values of a column in their order, and NULL."""
        values = sorted(self._points.values[leaf], key=lambda value: (str(type(value)), value))
        if self._type(leaf).nullable and leaf not in self._times.values():
            values.append(None)
        return values

    def _base(self, source: str, contexts: list[list[dict[int, Any]]]) -> dict[int, Any]:
        """The values with which rows of a source get through: of the columns on which it depends."""
        row = contexts[0][0] if contexts and contexts[0] else {}
        filtered = {
            leaf for r in self._facts.routes for d in self._decisions(source, r) for leaf in columns_of(*d.filters)
        }
        return {leaf: value for leaf, value in row.items() if leaf in filtered}

    def _meet(self, bases: Mapping[str, dict[int, Any]]) -> None:
        """Gives the bases of two sources values that meet what a filter compares between them."""
        filters = dict.fromkeys(f for route in self._facts.routes for f in route.filters if self._is_between(f))
        for condition in filters:
            leaves = sorted(columns_of(condition))
            sources = {leaf: self._source(leaf) for leaf in leaves}
            if not set(sources.values()) <= set(bases) or self._facts.keys.keys() & set(leaves):
                continue
            row = {leaf: bases[sources[leaf]].get(leaf, self._present(leaf)) for leaf in leaves}
            near = Points(self._facts.leaves, row.get, self._constant)
            near.add([condition])
            rows = [row, *({**row, leaf: value} for leaf, values in near.values.items() for value in reversed(values))]
            found = outcomes(Decision((condition,), (), ()), rows, self._setting)
            passing = [place for place, code in enumerate(found) if code > 0]
            for leaf in leaves if passing else ():
                bases[sources[leaf]][leaf] = rows[passing[0]][leaf]

    def _origin(self, bases: Mapping[str, Mapping[int, Any]]) -> int:
        """Where the times begin: at that of a row that gets through if its time decides, else the day before now."""
        for source, base in bases.items():
            moment = to_instant(base.get(self._times.get(source, -1)))
            if moment is not None:
                return moment
        return self._now_ms // _DAY_MS * _DAY_MS - _DAY_MS

    def _joined(self) -> dict[int, frozenset[int]]:
        """Every key with all that equal it where rows are joined."""
        classes: dict[int, set[int]] = {leaf: {leaf} for leaf in self._facts.keys}
        for join in self._facts.joins:
            for one, other in _key_pairs(join):
                merged = classes.setdefault(one, {one}) | classes.setdefault(other, {other})
                classes.update(dict.fromkeys(merged, merged))
        times = set(self._times.values())
        return {leaf: frozenset(members) for leaf, members in classes.items() if leaf not in times}

    def _pools(self, joined: Mapping[int, frozenset[int]]) -> dict[int, list[Any]]:
        """The values of every key; keys that are joined share those of one side, first of one that is given."""
        return {leaf: self._pool(members) for leaf, members in joined.items()}

    def _pool(self, members: frozenset[int]) -> list[Any]:
        ordered = sorted(members, key=lambda leaf: (self._source(leaf) in self._rows, leaf))
        for leaf in ordered:
            source = self._source(leaf)
            relation = self._natural.get(source)
            column = self._facts.leaves.column(leaf)
            if relation is None or column is None or len(relation) == 0:
                continue
            values = [v for v in relation.table.column(column.position).to_pylist() if v is not None]
            hashable = [v for v in values if not isinstance(v, list | dict)]
            if hashable:
                return list(dict.fromkeys(hashable))[:POOL]
        return []

    def _source(self, leaf: int) -> str:
        column = self._facts.leaves.column(leaf)
        return "" if column is None else column.source

    def _in_order(self, drafts: Sequence[Draft], time: int | None) -> list[Draft]:
        """As they come, but for rows whose time a condition says: before all others if it is earlier, else behind."""
        said = {i: to_instant(draft.values.get(-1 if time is None else time)) for i, draft in enumerate(drafts)}
        first = min((d.time_ms for d in drafts if d.time_ms is not None), default=0)
        ranks = [
            (0, 0) if (moment := said[i]) is None else (-1, moment) if moment < first else (1, moment)
            for i in range(len(drafts))
        ]
        return [draft for _, draft in sorted(zip(ranks, drafts, strict=True), key=lambda pair: pair[0])]

    def table(self, source: str, drafts: Sequence[Draft]) -> pa.Table:
        """The rows as columns."""
        natural, time = self._rows[source], self._times.get(source)
        seconds = time is not None and _in_seconds(self._facts.times[source].leaf)
        rows = []
        for draft in self._in_order(drafts, time):
            borrowed = {leaf: natural[number % len(natural)].get(leaf) for leaf, number in draft.borrowed.items()}
            row = {**natural[draft.natural % len(natural)], **borrowed, **draft.values}
            if time is not None and draft.time_ms is not None and time not in draft.values:
                row[time] = of_instant(draft.time_ms, self._type(time), seconds=seconds)
            rows.append(row)
        schema = self._natural[source].table.schema
        columns = [pa.array([row[leaf] for row in rows], arrow_type(self._type(leaf))) for leaf in self._leaves[source]]
        return pa.table(columns, schema=schema)


def _key_pairs(join: Join) -> list[tuple[int, int]]:
    """The leaves of equal keys, where these are columns, maybe cast."""
    pairs = zip(join.left_keys, join.right_keys, strict=True)
    found = [(_leaf(one), _leaf(other)) for one, other in pairs]
    return [(one, other) for one, other in found if one is not None and other is not None]


def _leaf(expression: Expression) -> int | None:
    while isinstance(expression, Cast):
        expression = expression.arg
    return expression.index if isinstance(expression, ColumnRef) else None


def _in_seconds(time: Expression) -> bool:
    """Whether a number that becomes a time counts seconds: `TO_TIMESTAMP_LTZ(x, 0)`."""
    calls = [part for part in walk(time) if isinstance(part, Call)]
    return any(isinstance(arg, Literal) and arg.value == 0 for call in calls for arg in call.args[1:])

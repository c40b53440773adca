"""A case from a seed: one query over the tables of its round."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

from tests.fuzz import aggregation, joining, patterns, ranking, simple, windows
from tests.fuzz.data import Data, data
from tests.fuzz.relation import Context, Kind, Ordering, Relation
from tests.oracle.case import Compare, Definition, Rule

ROUND = 8
"""Seeds that share their tables, so that Flink runs them as one job."""

One: TypeAlias = Callable[[Context, Relation], Relation]
Two: TypeAlias = Callable[[Context, Relation, Relation], Relation]
Sources: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Builder:
    """An operator of the grammar."""

    build: One
    fits: Callable[[Relation], bool]
    """Whether it can read this relation."""
    weight: float


def _any(relation: Relation) -> bool:
    return True


def _timed(relation: Relation) -> bool:
    return relation.append_only and relation.time is not None


def _sequence(relation: Relation) -> bool:
    """Event time, and every order of it defined."""
    return _timed(relation) and relation.ordering is Ordering.EXACT


def _orderable(relation: Relation) -> bool:
    """Rows that differ can be told apart by an order, which an array cannot be part of."""
    return relation.key is not None or not relation.of(Kind.ARRAY)


def _unranked(relation: Relation) -> bool:
    """Not ranks of ranks: whether Flink's planner keeps the inner rank, and with it the changes, follows no rule."""
    return _orderable(relation) and "top_n" not in relation.shape and "limit" not in relation.shape


def _has_array(relation: Relation) -> bool:
    return bool(relation.of(Kind.ARRAY))


def _matchable(relation: Relation) -> bool:
    numbers = relation.of(Kind.INT, Kind.BIGINT, Kind.DECIMAL)
    return _sequence(relation) and any(x.name == "id" for x in numbers) and not relation.window


def _windowable(relation: Relation) -> bool:
    return _timed(relation) and not relation.window


UNARY: Mapping[str, Builder] = {
    "projection": Builder(simple.projection, _any, 4),
    "filter": Builder(simple.filtered, _any, 1.5),
    "unnest": Builder(simple.unnest, _has_array, 0.6),
    "group_by": Builder(aggregation.group_by, _any, 4),
    "distinct": Builder(aggregation.distinct, _any, 1),
    "grouping_sets": Builder(aggregation.grouping_sets, lambda x: len(x.columns) > 4, 0.7),
    "window_aggregate": Builder(windows.window_aggregate, _windowable, 4),
    "window_of_window": Builder(windows.window_aggregate, lambda x: bool(x.window) and x.append_only, 2),
    "window_function": Builder(lambda c, x: windows.window_function(c, x), _windowable, 1),
    "group_window": Builder(windows.group_window, _windowable, 1),
    "window_top_n": Builder(windows.window_top_n, lambda x: _timed(x) and _orderable(x), 1),
    "window_deduplicate": Builder(windows.window_deduplicate, _windowable, 0.7),
    "top_n": Builder(ranking.top_n, _unranked, 2.5),
    "deduplicate": Builder(ranking.deduplicate, _sequence, 3),
    "over": Builder(ranking.over, _sequence, 2.5),
    "lag": Builder(ranking.lag, _sequence, 1.2),
    "limit": Builder(ranking.limited, _unranked, 0.6),
    "match_recognize": Builder(patterns.match_recognize, _matchable, 1.2),
}

BINARY: Mapping[str, tuple[Two, Callable[[Relation], bool], float]] = {
    "join": (joining.join, _any, 3),
    "interval_join": (joining.interval_join, _windowable, 4.5),
    "temporal_join": (joining.temporal_join, lambda x: x.table is not None and x.time == "ts", 1.5),
    "semi_join": (joining.semi_join, lambda x: "temporal" not in x.shape, 1.5),
    "scalar_subquery": (joining.scalar_subquery, _any, 0.7),
    "set_operation": (joining.set_operation, _any, 2),
    "window_join": (windows.window_join, lambda x: _windowable(x) and bool(x.of(Kind.INT)), 2),
}

UPDATING: Mapping[One, float] = {
    aggregation.group_by: 3,
    ranking.top_n: 3,
    ranking.last_of_each: 3,
    ranking.limited: 0.5,
}
"""Operators whose results take rows back, mostly."""

UPDATED_BINARY: Mapping[Two, float] = {
    joining.join: 3,
    joining.semi_join: 3,
    joining.scalar_subquery: 1,
    joining.set_operation: 1,
}
"""What is made of two such results."""

EITHER: Sources = ("t", "t", "u")
"""Names of sources, as often as they are to be read."""

DEPTHS = {1: 3.0, 2: 5.0, 3: 2.5}


@lru_cache(maxsize=4)
def round_data(number: int) -> Data:
    """The tables of a round."""
    return data(number)


def relation(c: Context, depth: int, sources: Sources = EITHER) -> Relation:
    """A query of `depth` operators over some sources."""
    if depth <= 0:
        return c.sources[c.pick(*sources)]
    if c.chance(0.27):
        return _binary(c, depth, sources)
    if c.chance(0.08):
        return aggregation.group_by(c, updated(c, sources, depth))
    inner = relation(c, depth - 1, sources)
    fitting = {name: builder.weight for name, builder in UNARY.items() if builder.fits(inner)}
    return UNARY[c.weighted(fitting)].build(c, inner)


def _binary(c: Context, depth: int, sources: Sources) -> Relation:
    """Sides that read different sources are compared change by change, others only by what the changes come to."""
    apart = sources is EITHER and c.chance(0.6)
    of_left: Sources = c.pick(("t",), ("u",)) if apart else sources
    of_right: Sources = (("u",) if of_left == ("t",) else ("t",)) if apart else sources
    if c.chance(0.4):
        left, right = updated(c, of_left, depth - 1), updated(c, of_right, c.random.randint(0, depth - 1))
        return c.weighted(UPDATED_BINARY)(c, left, right)
    left, right = relation(c, depth - 1, of_left), relation(c, c.random.randint(0, depth - 1), of_right)
    fitting = {name: weight for name, (_, fits, weight) in BINARY.items() if fits(left) and fits(right)}
    return BINARY[c.weighted(fitting)][0](c, left, right)


def updated(c: Context, sources: Sources, depth: int) -> Relation:
    """What takes rows back; or, for a depth of 0, perhaps a source."""
    source = c.sources[c.pick(*sources)]
    if depth <= 0 and c.chance(0.5):
        return source
    return c.weighted(UPDATING)(c, source)


@dataclass(frozen=True)
class Generated:
    """A case without an answer, and what it is made of."""

    seed: int
    definition: Definition
    shape: str
    batch_size: int

    @property
    def operator(self) -> str:
        """The outermost operator."""
        return self.shape.split("(")[0]


def generated(seed: int) -> Generated:
    """The case of a seed: always the same."""
    tables = round_data(seed // ROUND)
    r = random.Random(seed * 2 + 1)
    c = Context(r, tables.sources)
    made = relation(c, c.weighted(DEPTHS))
    if made.table in tables.sources:
        made = simple.projection(c, made)
    definition = Definition(
        name=f"seed_{seed}",
        group="fuzz",
        situations=(),
        tables=tables.tables,
        query=made.text,
        order=tables.order,
        compare=compared(made),
    )
    return Generated(seed, definition, made.shape, r.choice((1, 2, 5, 1000)))


def compared(made: Relation) -> Compare:
    """The strictest rule that the query's meaning bears."""
    if made.ordering is Ordering.EXACT:
        return Compare(Rule.EXACT)
    if made.ordering is Ordering.NET:
        return Compare(Rule.NET)
    names = [column.name for column in made.columns]
    if made.ordered_by_key and set(names).issuperset(made.ordered_by_key):
        return Compare(Rule.PER_KEY, tuple(names.index(name) for name in made.ordered_by_key))
    return Compare(Rule.PER_EVENT)


def without_unread_tables(definition: Definition) -> Definition:
    """The definition with the tables that its query reads, and their rows only."""
    words = set(definition.query.replace("(", " ").replace(")", " ").replace(",", " ").split())
    read = {name: table for name, table in definition.tables.items() if name in words}
    order = tuple(turn for turn in definition.arrivals() if turn[0] in read)
    return replace(definition, tables=read, order=order)

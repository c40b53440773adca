"""Other orders in which the records of a run could have arrived.

An order is allowed when no row comes later than the watermark lets it. A source with event time is sorted by time plus
a random delay shorter than its bound: when a row arrives, no other that came before it is more than the bound ahead.
A row that comes behind the watermark keeps its place: the same rows come before it. A source without event time may
arrive in any order that a broker allows: partitions keep their order, and where the spec has one partition, which may
be several elsewhere, records of the same key do. Between sources, partitions and keys any order may come.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.compute as pc

from velo_engine import TopicInput
from velo_engine.connectors.topics import Topic, TopicRecord
from velo_engine.plan import nodes
from velo_engine.plan.expressions import ColumnRef
from velo_engine.plan.nodes import AssignWatermark, PlannedProgram, PlanNode
from velo_harness.inputs import RunInputs


@dataclass(frozen=True, slots=True)
class Arrival:
    """One record of one source."""

    source: str
    index: int
    """Its number among the records of the source, as the spec gives them."""
    record: TopicRecord


Order = tuple[Arrival, ...]
"""All records of a run, as they arrive."""


@dataclass(frozen=True, slots=True)
class SourceTimes:
    """The event times of a source's records, and how long they may be late."""

    times_ms: tuple[int | None, ...]
    """By number of the record; None where it has none."""
    bound_ms: int


def order_of(inputs: RunInputs) -> Order:
    """The order in which the spec lets the records arrive."""
    found: list[tuple[int, Arrival]] = []
    for name, given in inputs.engine.items():
        if isinstance(given, TopicInput):
            records = sorted(given.topic.records(), key=lambda record: record.sequence or 0)
            found += [(r.sequence or 0, Arrival(name, index, r)) for index, r in enumerate(records)]
    return tuple(arrival for _, arrival in sorted(found, key=lambda one: one[0]))


def inputs_in(order: Order, inputs: RunInputs) -> RunInputs:
    """`inputs` with only the records of `order`, in that order."""
    engine = dict(inputs.engine)
    for name, given in inputs.engine.items():
        if not isinstance(given, TopicInput):
            continue
        own = [(place, arrival.record) for place, arrival in enumerate(order) if arrival.source == name]
        topic = Topic(given.topic.name, given.topic.partitions)
        topic.append_batch(
            [record.value for _, record in own],
            keys=[record.key for _, record in own],
            timestamps_ms=[record.timestamp_ms for _, record in own],
            partitions=[record.partition for _, record in own],
            headers=[record.headers for _, record in own],
            sequences=[place for place, _ in own],
        )
        engine[name] = replace(given, topic=topic)
    return replace(inputs, engine=engine)


def source_times(program: PlannedProgram, inputs: RunInputs) -> tuple[dict[str, SourceTimes], frozenset[str]]:
    """The event times of the sources whose records show them, and the sources with event time whose records do not."""
    shown: dict[str, SourceTimes] = {}
    hidden: set[str] = set()
    for statement in program.statements.values():
        waiting: list[PlanNode] = [statement.plan]
        while waiting:
            node = waiting.pop()
            waiting.extend(nodes.inputs(node))
            if not isinstance(node, AssignWatermark):
                continue
            origin = _origin(node, program)
            times = None if origin is None else _times_of(*origin, inputs)
            if origin is None or times is None:
                hidden.update(_sources(node, program))
                continue
            name = origin[0]
            bound = node.delay_ms if name not in shown else min(node.delay_ms, shown[name].bound_ms)
            shown[name] = SourceTimes(times, bound)
    return shown, frozenset(hidden)


def _origin(watermark: AssignWatermark, program: PlannedProgram) -> tuple[str, int] | None:
    """The source and its column that an event time is, passed on unchanged; None when it is computed."""
    node: PlanNode = watermark.input
    position = watermark.time_column
    while not isinstance(node, nodes.Scan):
        match node:
            case nodes.Project(expressions=expressions):
                expression = expressions[position]
                if not isinstance(expression, ColumnRef):
                    return None
                node, position = node.input, expression.index
            case nodes.Filter() | AssignWatermark():
                node = node.input
            case nodes.Upstream(statement=name):
                node = program.statements[name].plan
            case _:
                return None
    return (node.source.name, position) if position < len(node.source.schema) else None


def _sources(node: PlanNode, program: PlannedProgram) -> Iterator[str]:
    """The sources below a node, through other statements."""
    if isinstance(node, nodes.Scan):
        yield node.source.name
    elif isinstance(node, nodes.Upstream):
        yield from _sources(program.statements[node.statement].plan, program)
    for child in nodes.inputs(node):
        yield from _sources(child, program)


def _times_of(source: str, column: int, inputs: RunInputs) -> tuple[int | None, ...] | None:
    """The times in a column of a source's records; None where records do not all have a row."""
    given, relation = inputs.engine.get(source), inputs.relations.get(source)
    if not isinstance(given, TopicInput) or relation is None or len(relation) != len(given.topic):
        return None
    micros = pc.cast(pc.cast(relation.column(column), "timestamp[us]"), "int64").to_pylist()
    return tuple(None if value is None else value // 1000 for value in micros)


class OrderMaker:
    """Makes other orders of the same records, each by its number: the same number gives the same order.

    `changes` are the sources whose records change earlier ones: without keys they stay in their order. Records of
    `hidden` have event times that nobody sees before they are read: they stay in their order, too.
    """

    def __init__(
        self,
        base: Order,
        times: Mapping[str, SourceTimes],
        seed: int,
        changes: frozenset[str] = frozenset(),
        hidden: frozenset[str] = frozenset(),
    ) -> None:
        self._base = base
        self._seed = seed
        self._changes = changes
        self._hidden = hidden
        self._sources: dict[str, list[Arrival]] = {}
        for arrival in base:
            self._sources.setdefault(arrival.source, []).append(arrival)
        self._times = times
        self._reached = {n: _reached(self._sources[n], own) for n, own in times.items() if n in self._sources}

    def order(self, number: int) -> Order:
        """Order `number`, from 0.

        The first is the most different: each source as disordered as its bound allows, the last source first. Of the
        others half keep the turns of the sources, and half hold rows back as long as they can or not at all.
        """
        chance = random.Random(f"{self._seed}:{number}")  # noqa: S311 - reproducible, not secret
        own = {name: self._shuffled(name, number, chance) for name in self._sources}
        if number == 0:
            return tuple(arrival for name in reversed(own) for arrival in own[name])
        if number % 4 >= 2:
            return tuple(_merged(list(own.values()), chance))
        taken = {name: iter(arrivals) for name, arrivals in own.items()}
        return tuple(next(taken[arrival.source]) for arrival in self._base)

    def _shuffled(self, name: str, number: int, chance: random.Random) -> list[Arrival]:
        arrivals = self._sources[name]
        if name in self._hidden:
            return arrivals
        if name not in self._reached:
            lanes = _lanes(arrivals, keeps_order=name in self._changes)
            return [a for lane in reversed(lanes) for a in lane] if number == 0 else _merged(lanes, chance)
        bound, reached = self._times[name].bound_ms, self._reached[name]
        if number == 0:
            places = _places_reversed_within(reached, bound)
        else:
            longest = max(bound, 1) - 1
            delays = [chance.randint(0, longest) if number % 2 else chance.choice((0, longest)) for _ in reached]
            ties = [chance.random() if bound else 0 for _ in reached]
            places = [(part, time + d, tie) for (part, time), d, tie in zip(reached, delays, ties, strict=True)]
        places = _in_key_order(arrivals, places)
        return [arrivals[i] for i in sorted(range(len(arrivals)), key=lambda i: (places[i], i))]


Place = tuple[int, float, float]
"""Where a record stands among those of its source: smaller ones come first."""


def _reached(arrivals: Sequence[Arrival], times: SourceTimes) -> list[tuple[int, int]]:
    """For each record the part of the input in which it stays, and its time.

    A record behind the watermark, or without a time, is a part by itself.
    """
    found: list[tuple[int, int]] = []
    latest: int | None = None
    part = 0
    for arrival in arrivals:
        time = times.times_ms[arrival.index]
        alone = time is None or (latest is not None and time <= latest - times.bound_ms)
        found.append((part + alone, 0 if time is None else time))
        part += 2 * alone
        if time is not None:
            latest = time if latest is None else max(latest, time)
    return found


def _places_reversed_within(reached: Sequence[tuple[int, int]], bound: int) -> list[Place]:
    """Places by time, with rows that lie within the bound of each other backwards."""
    places: list[Place] = [(0, 0, 0)] * len(reached)
    first, group = (-1, 0), 0
    for i in sorted(range(len(reached)), key=lambda i: (reached[i], i)):
        part, time = reached[i]
        if part != first[0] or time - first[1] >= max(bound, 1):
            first, group = (part, time), group + 1
        places[i] = (part, group, -i if bound else i)
    return places


def _in_key_order(arrivals: Sequence[Arrival], places: Sequence[Place]) -> list[Place]:
    """The places, changed so that records of the same key stay in their order."""
    found: list[Place] = []
    last: dict[bytes, Place] = {}
    for arrival, place in zip(arrivals, places, strict=True):
        key = arrival.record.key
        if key is not None:
            place = last[key] = max(place, last.get(key, place))
        found.append(place)
    return found


def _lanes(arrivals: Sequence[Arrival], *, keeps_order: bool) -> list[list[Arrival]]:
    """The records in groups each of which keeps its order: by partition, in one partition by key."""
    several = len({arrival.record.partition for arrival in arrivals}) > 1
    lanes: dict[object, list[Arrival]] = {}
    for arrival in arrivals:
        if several:
            lane: object = arrival.record.partition
        elif arrival.record.key is not None:
            lane = arrival.record.key
        else:
            lane = None if keeps_order else arrival.index
        lanes.setdefault(lane, []).append(arrival)
    return list(lanes.values())


def _merged(lists: Sequence[list[Arrival]], chance: random.Random) -> list[Arrival]:
    """All lists in one, each in its order."""
    labels = [number for number, one in enumerate(lists) for _ in one]
    chance.shuffle(labels)
    taken = [iter(one) for one in lists]
    return [next(taken[label]) for label in labels]


def swaps(order: Order, base: Order) -> int:
    """How many pairs of neighbours must change places to make `base` of `order`."""
    rank = {(a.source, a.index): place for place, a in enumerate(base)}
    places = np.array([rank[a.source, a.index] for a in order])
    return int(sum(np.count_nonzero(places[:i] > place) for i, place in enumerate(places)))

"""Other orders in which the records of a run could have arrived.

An order is allowed when no row comes later than the watermark lets it. A source with event time is sorted by time plus
a random delay shorter than its bound: when a row arrives, no other that came before it is more than the bound ahead.
Rows that were late stay behind the rows that made them so. A source without event time keeps the order of each
partition, as a broker does. Between sources, and between partitions, any order may come.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.compute as pc

from velo_engine import TopicInput
from velo_engine.connectors.topics import Topic, TopicRecord
from velo_engine.plan import nodes
from velo_engine.plan.nodes import AssignWatermark, PlannedProgram, PlanNode
from velo_harness.event_times import event_time_columns
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


def source_times(program: PlannedProgram, inputs: RunInputs) -> dict[str, SourceTimes]:
    """The event times of the sources whose records show them."""
    bounds = _bounds(program)
    found: dict[str, SourceTimes] = {}
    for name, column in event_time_columns(program).items():
        given, relation = inputs.engine.get(name), inputs.relations.get(name)
        if not isinstance(given, TopicInput) or relation is None or name not in bounds:
            continue
        position = relation.position(column)
        if position is None or len(relation) != len(given.topic):
            continue
        micros = pc.cast(pc.cast(relation.column(position), "timestamp[us]"), "int64").to_pylist()
        times = tuple(None if value is None else value // 1000 for value in micros)
        found[name] = SourceTimes(times, bounds[name])
    return found


def _bounds(program: PlannedProgram) -> dict[str, int]:
    """Source → its shortest bound of disorder, in milliseconds."""
    found: dict[str, int] = {}
    waiting: list[PlanNode] = [statement.plan for statement in program.statements.values()]
    while waiting:
        node = waiting.pop()
        waiting.extend(nodes.inputs(node))
        below: PlanNode = node
        while isinstance(below, AssignWatermark | nodes.Project | nodes.Filter):
            below = below.input
        if isinstance(node, AssignWatermark) and isinstance(below, nodes.Scan):
            name = below.source.name
            found[name] = min(node.delay_ms, found.get(name, node.delay_ms))
    return found


class OrderMaker:
    """Makes other orders of the same records, each by its number: the same number gives the same order."""

    def __init__(self, base: Order, times: Mapping[str, SourceTimes], seed: int) -> None:
        self._seed = seed
        self._sources: dict[str, list[Arrival]] = {}
        for arrival in base:
            self._sources.setdefault(arrival.source, []).append(arrival)
        self._times = times
        self._reached = {n: _reached(self._sources[n], own) for n, own in times.items() if n in self._sources}

    def order(self, number: int) -> Order:
        """Order `number`, from 0. The first is the most different: each source as disordered as its bound allows, the
        last source first."""
        chance = random.Random(f"{self._seed}:{number}")  # noqa: S311 - reproducible, not secret
        own = {name: self._shuffled(name, number, chance) for name in self._sources}
        if number == 0:
            return tuple(arrival for name in reversed(own) for arrival in own[name])
        return tuple(_merged(list(own.values()), chance))

    def _shuffled(self, name: str, number: int, chance: random.Random) -> list[Arrival]:
        arrivals = self._sources[name]
        if name not in self._reached:
            return _by_partition(arrivals, chance, last_first=number == 0)
        bound = self._times[name].bound_ms
        keys = []
        for arrival, (time, is_late) in zip(arrivals, self._reached[name], strict=True):
            delay = bound if is_late else chance.randrange(bound) if bound > 1 else 0
            keys.append((time + delay, is_late, chance.random(), arrival))
        if number == 0:
            return _reversed_within(arrivals, self._reached[name], bound)
        return [arrival for *_, arrival in sorted(keys, key=lambda key: key[:3])]


def _reached(arrivals: Sequence[Arrival], times: SourceTimes) -> list[tuple[int, bool]]:
    """For each record the time that decides its place, and whether it is behind the watermark.

    A late record, or one without a time, belongs to the latest time that had come before it.
    """
    found: list[tuple[int, bool]] = []
    latest = min((t for t in times.times_ms if t is not None), default=0)
    for arrival in arrivals:
        time = times.times_ms[arrival.index]
        is_late = time is None or (time <= latest - times.bound_ms and time < latest)
        found.append((latest if time is None or is_late else time, is_late))
        latest = max(latest, latest if time is None else time)
    return found


def _reversed_within(arrivals: Sequence[Arrival], reached: Sequence[tuple[int, bool]], bound: int) -> list[Arrival]:
    """The records sorted by time, with those that lie within the bound of each other backwards; late ones behind."""
    places = sorted(range(len(arrivals)), key=lambda i: (reached[i][0], reached[i][1]))
    groups: list[list[int]] = []
    for place in places:
        first = reached[groups[-1][0]][0] if groups else 0
        if groups and reached[place][0] - first < max(bound, 1):
            groups[-1].append(place)
        else:
            groups.append([place])
    ordered: list[int] = []
    for group in groups:
        ordered += [i for i in reversed(group) if not reached[i][1]] + [i for i in group if reached[i][1]]
    return [arrivals[i] for i in ordered]


def _by_partition(arrivals: Sequence[Arrival], chance: random.Random, *, last_first: bool) -> list[Arrival]:
    """The records with each partition in its order, the partitions mixed anew."""
    partitions: dict[int, list[Arrival]] = {}
    for arrival in arrivals:
        partitions.setdefault(arrival.record.partition, []).append(arrival)
    if last_first:
        return [arrival for number in sorted(partitions, reverse=True) for arrival in partitions[number]]
    return list(_merged(list(partitions.values()), chance))


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

"""When the records of a run arrive: all inputs in one order, with the ticks of the clock between them.

Every input has moments of its own, in milliseconds after the start: an entry of a timeline happens at its `at`, else
when the entry before it was over; a paced input has a record every so often; the records of all others are there from
the start. Inputs merge by these moments. At the same moment records without a timeline come first, then the timelines
entry by entry, first those at the same place in the order in which the spec lists the inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from velo_engine.batch import Int32s, Int64s
from velo_engine.runtime.timeline import Tick
from velo_harness.spec import TimelineAction, TimelineEntry

_FROM_THE_START = -1
"""In place of the place in a timeline: before them all."""

PACE_MS = 20
"""Records of a paced input come in groups, the shortest time apart from each other."""


@dataclass(frozen=True, slots=True)
class InputFlow:
    """The records of one input before they have a place in the run."""

    source: str
    count: int
    timeline: tuple[TimelineEntry, ...] | None = None
    """Its rows are the records."""
    rate_per_second: float | None = None
    """At which records really come; None: all are there from the start."""
    delays_ms: Int64s | None = None
    """How long the job is busy with each record (slow processing)."""

    @property
    def has_moments(self) -> bool:
        """Whether its records do not all come at the start."""
        return any(part is not None for part in (self.timeline, self.rate_per_second, self.delays_ms))


@dataclass(frozen=True, slots=True)
class Schedule:
    """The places of all records, and the ticks between them."""

    sequences: Mapping[str, Int64s]
    """By source: the place of each record in the run."""
    moments_ms: Mapping[str, Int64s]
    """By source: when each record comes, after the start."""
    ticks: tuple[Tick, ...]
    """Their processing times are after the start, too."""


@dataclass(slots=True)
class _Events:
    """Records and entries of all inputs, as columns."""

    moment: list[Int64s] = field(default_factory=list)
    line: list[Int64s] = field(default_factory=list)
    owner: list[Int64s] = field(default_factory=list)
    is_record: list[Int64s] = field(default_factory=list)
    entry: list[Int64s] = field(default_factory=list)
    """Per event the place of its entry in `entries`; -1: none."""
    delay: list[Int64s] = field(default_factory=list)
    entries: list[tuple[str, TimelineEntry]] = field(default_factory=list)

    def add(self, flow: InputFlow, owner: int) -> None:
        """All of one input."""
        if flow.timeline is None:
            self._append(owner, _arrivals(flow), np.full(flow.count, _FROM_THE_START), np.ones(flow.count, np.int64))
            self.entry.append(np.full(flow.count, -1, np.int64))
            self.delay.append(np.zeros(flow.count, np.int64) if flow.delays_ms is None else flow.delays_ms)
            return
        rows = np.array([int(e.action is TimelineAction.ROW) for e in flow.timeline], np.int64)
        self._append(owner, _moments(flow.timeline), np.arange(len(rows)), rows)
        self.entry.append(np.arange(len(self.entries), len(self.entries) + len(rows)))
        self.entries += [(flow.source, entry) for entry in flow.timeline]
        delay = np.zeros(len(rows), np.int64)
        if flow.delays_ms is not None:
            delay[rows == 1] = flow.delays_ms
        self.delay.append(delay)

    def _append(self, owner: int, moment: Int64s, line: Int64s, is_record: Int64s) -> None:
        self.moment.append(moment)
        self.line.append(line)
        self.owner.append(np.full(len(moment), owner, np.int64))
        self.is_record.append(is_record)


def _arrivals(flow: InputFlow) -> Int64s:
    if flow.rate_per_second is None:
        return np.zeros(flow.count, np.int64)
    exact = np.arange(flow.count) * (1000 / flow.rate_per_second)
    paced: Int64s = (exact // PACE_MS * PACE_MS).astype(np.int64)
    return paced


def _moments(timeline: Sequence[TimelineEntry]) -> Int64s:
    """When each entry happens; a step of the clock has happened when it is over."""
    now, moments = 0, []
    for entry in timeline:
        now = max(now, entry.at_ms or 0) + entry.duration_ms
        moments.append(now)
    return np.array(moments, np.int64)


def scheduled(flows: Sequence[InputFlow], event_time_ms: Callable[[str, TimelineEntry], int]) -> Schedule:
    """The order of all records of the run, and its ticks. `event_time_ms` reads the time of a watermark's entry."""
    if not any(flow.has_moments for flow in flows):
        return _one_after_the_other(flows)
    events = _Events()
    for owner, flow in enumerate(flows):
        events.add(flow, owner)
    moment, line, owners, is_record, entry, delay = (
        np.concatenate(column) if column else np.empty(0, np.int64)
        for column in (events.moment, events.line, events.owner, events.is_record, events.entry, events.delay)
    )
    by = np.lexsort((owners, line, moment))
    busy = _with_delays(moment[by], delay[by])
    place = np.cumsum(is_record[by]) - is_record[by]
    sequences, moments = {}, {}
    for owner, flow in enumerate(flows):
        mine = (owners[by] == owner) & (is_record[by] == 1)
        sequences[flow.source], moments[flow.source] = place[mine], busy[mine]
    ticks = _ticks(busy, place, entry[by], events.entries, event_time_ms)
    return Schedule(sequences, moments, ticks)


def _one_after_the_other(flows: Sequence[InputFlow]) -> Schedule:
    """The order of inputs that are all there from the start: the records of each, in the order of the inputs."""
    starts = np.cumsum([0, *(flow.count for flow in flows)])
    sequences = {flow.source: np.arange(start, start + flow.count) for flow, start in zip(flows, starts, strict=False)}
    return Schedule(sequences, {flow.source: np.zeros(flow.count, np.int64) for flow in flows}, ())


def _with_delays(moment: Int64s, delay: Int64s) -> Int64s:
    """When each event has been handled, one after the other, if it keeps the job busy for its delay."""
    if not delay.any():
        return moment
    spent = np.cumsum(delay)
    return spent + np.maximum.accumulate(moment - (spent - delay))


def _ticks(
    moment: Int64s,
    place: Int64s,
    entry: Int64s,
    entries: Sequence[tuple[str, TimelineEntry]],
    event_time_ms: Callable[[str, TimelineEntry], int],
) -> tuple[Tick, ...]:
    """A tick wherever the clock moves, and one for every entry that is no row and no step of the clock."""
    moved = np.diff(moment, prepend=0) > 0
    ticks = []
    for i in np.flatnonzero(moved | (entry >= 0)).tolist():
        order = int(place[i])
        if moved[i]:
            ticks.append(Tick(order, int(moment[i])))
        if entry[i] >= 0:
            source, written = entries[int(entry[i])]
            tick = _tick(order, source, written, event_time_ms)
            ticks += [] if tick is None else [tick]
    return tuple(ticks)


def _tick(
    order: int, source: str, entry: TimelineEntry, event_time_ms: Callable[[str, TimelineEntry], int]
) -> Tick | None:
    own = entry.partition
    match entry.action:
        case TimelineAction.WATERMARK:
            mark = event_time_ms(source, entry)
            if own is None:
                return Tick(order, watermarks={source: mark})
            return Tick(order, partition_watermarks={(source, own): mark})
        case TimelineAction.IDLE:
            if own is None:
                return Tick(order, idle=frozenset({source}))
            return Tick(order, idle_partitions=frozenset({(source, own)}))
        case TimelineAction.RESTART:
            return Tick(order, restart=True)
        case _:
            return None


def partitions_said(timeline: Sequence[TimelineEntry]) -> Int32s | None:
    """Per row of a timeline the partition that it says, -1 where it says none; None when no row does."""
    said = [-1 if e.partition is None else e.partition for e in timeline if e.action is TimelineAction.ROW]
    return np.array(said, np.int32) if any(p >= 0 for p in said) else None

"""What becomes of records with faults: followed through the job by their places in its topics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from velo_engine import JobOptions
from velo_engine.batch import Int64s
from velo_engine.connectors.dead_letters import DeadLetter
from velo_engine.connectors.topics import Topic
from velo_engine.plan.changelog_nodes import Deduplicate, KeepRow
from velo_engine.runtime.ingest import Span
from velo_engine.runtime.step_run import StepRun
from velo_harness.faults.model import FaultPlan
from velo_harness.result import FaultCount
from velo_harness.row_codes import TypedColumn, row_codes

_PARTITION_BITS = 40
"""Below them stands the offset."""


@dataclass(frozen=True, slots=True)
class InjectedFaults:
    """The faults of one input's records, by where these are."""

    source: str
    kinds: Mapping[str, Int64s]
    """Kind of fault → the codes of the records that have it."""


@dataclass(frozen=True, slots=True)
class RunFaults:
    """All faults of a run."""

    plan: FaultPlan
    records: tuple[InjectedFaults, ...]


def placed(source: str, hit: Mapping[str, Int64s], topic: Topic, sequences: Int64s) -> InjectedFaults:
    """The faults at their places in `topic`; `sequences` are those of its records, in the order that `hit` counts."""
    partition = np.zeros(len(sequences), np.int64)
    offset = np.zeros(len(sequences), np.int64)
    for number, log in enumerate(topic.logs):
        at = np.searchsorted(sequences, np.array(log.sequences, np.int64))
        partition[at], offset[at] = number, np.arange(len(log))
    codes = _codes(partition, offset)
    return InjectedFaults(source, {kind: codes[at] for kind, at in hit.items()})


def _codes(partition: Int64s, offset: Int64s) -> Int64s:
    return (partition << _PARTITION_BITS) | offset


@dataclass(slots=True)
class FirstRows:
    """Which rows a deduplication that keeps the first row by event time has left out.

    It gives a row out with the event that moves the watermark over it, so events do not tell: values do.
    """

    node: Deduplicate
    _taken: list[list[pa.Array]] = field(default_factory=list)
    _events: list[Int64s] = field(default_factory=list)
    _given: list[list[pa.Array]] = field(default_factory=list)

    def take(self, step: StepRun) -> None:
        """One span of events."""
        columns = (*self.node.partition, self.node.time_column)
        self._taken.append([step.inputs[0].rows.column(i) for i in columns])
        self._events.append(step.inputs[0].seq)
        self._given.append([step.output.rows.column(i) for i in columns])

    def left_out(self) -> Int64s:
        """The events of all rows but those given out: the first that came of each key and time that was."""
        taken, given = row_codes(self._columns(self._taken), self._columns(self._given))
        events = _all(self._events)
        keys, first = np.unique(taken, return_index=True)
        return np.setdiff1d(events, events[first[np.isin(keys, given)]])

    def _columns(self, spans: Sequence[Sequence[pa.Array]]) -> list[TypedColumn]:
        names = (*self.node.partition, self.node.time_column)
        types = [self.node.schema.columns[i].type for i in names]
        return [
            (kind, pa.concat_tables([pa.table([span[at]], names=["c"]) for span in spans]).column(0).combine_chunks())
            for at, kind in enumerate(types)
        ]


@dataclass(slots=True)
class FaultTracker:
    """Watches a job and counts what became of the records with faults."""

    faults: RunFaults
    _events: dict[str, list[tuple[Int64s, Int64s]]] = field(default_factory=dict)
    """By source: codes of records and the events that they were."""
    _dead: dict[str, list[int]] = field(default_factory=dict)
    _late: list[Int64s] = field(default_factory=list)
    _deduplicated: list[Int64s] = field(default_factory=list)
    _first_rows: dict[int, FirstRows] = field(default_factory=dict)
    """By step."""

    def watching(self, options: JobOptions) -> JobOptions:
        """The options of a job that is watched."""
        plan = self.faults.plan
        wanted = replace(
            options,
            on_span=_both(self._span, options.on_span),
            on_letter=_both(self._letter, options.on_letter),
            on_late=_both(self._too_late, options.on_late),
            on_step=_both(self._step, options.on_step),
        )
        return wanted if plan.dlq_max_size is None else replace(wanted, dead_letter_max_size=plan.dlq_max_size)

    def counts(self) -> tuple[FaultCount, ...]:
        """How many of each kind there were in each source, and what became of them."""
        late = _all(self._late)
        deduplicated = _all([*self._deduplicated, *(rows.left_out() for rows in self._first_rows.values())])
        found = []
        for injected in self.faults.records:
            pairs = self._events.get(injected.source, [])
            codes, events = _all([c for c, _ in pairs]), _all([e for _, e in pairs])
            dead = np.array(self._dead.get(injected.source, []), np.int64)
            for kind, places in injected.kinds.items():
                fates = _fates(places, dead, codes, events, late, deduplicated)
                found.append(FaultCount(kind, injected.source, len(places), fates))
        return tuple(found)

    def _span(self, sources: Sequence[str], span: Span) -> None:
        for source, taken in zip(sources, span.slices, strict=True):
            if taken is not None:
                part = slice(taken.start, taken.stop)
                codes = _codes(taken.batch.partition[part].astype(np.int64), taken.batch.offset[part])
                self._events.setdefault(source, []).append((codes, taken.seq))

    def _letter(self, letter: DeadLetter) -> None:
        code = (letter.partition << _PARTITION_BITS) | letter.offset
        self._dead.setdefault(letter.source, []).append(code)

    def _too_late(self, _statement: str, events: Int64s) -> None:
        self._late.append(events)

    def _step(self, step: StepRun) -> None:
        node = step.node
        if not isinstance(node, Deduplicate):
            return
        if node.keep is KeepRow.FIRST and not node.by_arrival:
            self._first_rows.setdefault(step.at, FirstRows(node)).take(step)
        else:
            self._deduplicated.append(np.setdiff1d(step.inputs[0].seq, step.output.seq))


def _fates(
    places: Int64s, dead: Int64s, codes: Int64s, events: Int64s, late: Int64s, deduplicated: Int64s
) -> dict[str, int]:
    """Each record has one fate, the first that fits."""
    is_dead = np.isin(places, dead)
    alive = places[~is_dead]
    own = events[np.isin(codes, alive)]
    is_late = np.isin(own, late)
    is_double = np.isin(own, deduplicated) & ~is_late
    counted = {
        "dead_lettered": int(is_dead.sum()),
        "late": int(is_late.sum()),
        "deduplicated": int(is_double.sum()),
        "processed": int(len(own) - is_late.sum() - is_double.sum()),
        "not_read": int(len(alive) - len(own)),
    }
    return {fate: count for fate, count in counted.items() if count}


def _all(parts: Sequence[Int64s]) -> Int64s:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _both(own: Callable[..., None], other: Callable[..., None] | None) -> Callable[..., None]:
    if other is None:
        return own

    def called(*given: object) -> None:
        own(*given)
        other(*given)

    return called

"""What becomes of records with faults: followed through the job by their places in its topics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from velo_engine import JobOptions
from velo_engine.batch import Int64s
from velo_engine.connectors.dead_letters import DeadLetter
from velo_engine.connectors.topics import Topic
from velo_engine.plan.nodes import Deduplicate
from velo_engine.runtime.ingest import Span
from velo_engine.runtime.step_run import StepRun
from velo_harness.faults.model import FaultPlan
from velo_harness.result import FaultCount

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
class FaultTracker:
    """Watches a job and counts what became of the records with faults."""

    faults: RunFaults
    _events: dict[str, list[tuple[Int64s, Int64s]]] = field(default_factory=dict)
    """By source: codes of records and the events that they were."""
    _dead: dict[str, list[int]] = field(default_factory=dict)
    _late: list[Int64s] = field(default_factory=list)
    _deduplicated: list[Int64s] = field(default_factory=list)

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
        late, deduplicated = _all(self._late), _all(self._deduplicated)
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
        if isinstance(step.node, Deduplicate):
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

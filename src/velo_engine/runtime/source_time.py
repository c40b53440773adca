"""The time of a job span by span: its clock, and what ticks say of its sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from velo_engine.batch import FINAL_WATERMARK, INITIAL_WATERMARK, Int64s, PartitionStatement, StepFunction
from velo_engine.runtime.ingest import NO_TICKS, Span
from velo_engine.runtime.timeline import Tick


@dataclass(frozen=True, slots=True)
class SpanTime:
    """Time over the events of one span."""

    processing_time: StepFunction
    watermarks: Mapping[str, StepFunction]
    """By source: what ticks and the end of input state."""
    idle: Mapping[str, StepFunction]
    """By source, as far as ticks ever say so: 1 while it is idle."""
    stated: Mapping[str, tuple[PartitionStatement, ...]] = field(default_factory=dict)
    """By source: what ticks state about its partitions."""


@dataclass(slots=True)
class JobTime:
    """Processing time, and what ticks have said about the sources, so far."""

    now_ms: int
    marks: dict[str, int] = field(default_factory=dict)
    """Watermarks that ticks stated, by source."""
    idle: set[str] = field(default_factory=set)
    tells_idleness: bool = False
    """Whether any tick ever says that a source or a partition is idle."""
    unending: frozenset[str] = frozenset()
    """Sources whose event time does not end with their input."""

    def _processing_time(self, ticks: Sequence[tuple[int, Tick]]) -> StepFunction:
        """The clock over the events of a span, whose ticks these are; it goes on from there."""
        opening, seqs, values = self.now_ms, [], []
        for seq, tick in ticks:
            if tick.processing_time_ms is not None and tick.processing_time_ms > self.now_ms:
                self.now_ms = tick.processing_time_ms
                seqs.append(seq)
                values.append(self.now_ms)
        return StepFunction(opening, np.array(seqs, np.int64), np.array(values, np.int64))

    def over(self, span: Span, sources: Sequence[str]) -> SpanTime:
        """The time of a span. Call it once a span, in order."""
        final = span.end_seq if span.last else None
        idle = {}
        for source, taken in zip(sources, span.slices, strict=True):
            records = NO_TICKS if taken is None else taken.seq
            idleness = self._idleness(source, span.ticks, records, final)
            if idleness is not None:
                idle[source] = idleness
        ends = {source: None if source in self.unending else final for source in sources}
        watermarks = {source: self._watermark(source, span.ticks, ends[source]) for source in sources}
        stated = {source: tuple(_of_partitions(source, span.ticks)) for source in sources} if span.ticks else {}
        return SpanTime(self._processing_time(span.ticks), watermarks, idle, stated)

    def snapshot(self) -> dict[str, pa.Table]:
        """Where time stands."""
        return {
            "clock": pa.table({"now_ms": [self.now_ms]}),
            "marks": pa.table({"source": list(self.marks), "ms": pa.array(self.marks.values(), pa.int64())}),
            "idle": pa.table({"source": pa.array(sorted(self.idle), pa.string())}),
        }

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self.now_ms = state["clock"].column("now_ms")[0].as_py()
        self.marks = {row["source"]: row["ms"] for row in state["marks"].to_pylist()}
        self.idle = set(state["idle"].column("source").to_pylist())

    def _watermark(self, source: str, ticks: Sequence[tuple[int, Tick]], final_seq: int | None) -> StepFunction:
        """What ticks state about the event time of `source`; `final_seq` is the event that ends its input."""
        start = known = self.marks.get(source, INITIAL_WATERMARK)
        seqs, values = [], []
        for seq, tick in ticks:
            mark = tick.watermarks.get(source)
            if mark is not None and mark > known:
                known = mark
                seqs.append(seq)
                values.append(mark)
        if values:
            self.marks[source] = known
        if final_seq is not None:
            seqs.append(final_seq)
            values.append(FINAL_WATERMARK)
        return StepFunction(start, np.array(seqs, np.int64), np.array(values, np.int64))

    def _idleness(
        self, source: str, ticks: Sequence[tuple[int, Tick]], records: Int64s, final_seq: int | None
    ) -> StepFunction | None:
        """1 while ticks call `source` idle; its next record, watermark or end makes it active. None: never idle."""
        if not self.tells_idleness:
            return None
        opening = now = int(source in self.idle)
        steps: list[tuple[int, int]] = []
        changes = [(seq, 1) for seq, tick in ticks if source in tick.idle]
        changes += [(seq, 0) for seq, tick in ticks if source in tick.watermarks and source not in tick.idle]
        changes += [(seq, 0) for seq in records.tolist()] if now or changes else []
        changes += [] if final_seq is None else [(final_seq, 0)]
        for seq, value in sorted(changes):
            if value != now:
                now = value
                steps.append((seq, value))
        (self.idle.add if now else self.idle.discard)(source)
        seqs, values = (np.array(column, np.int64) for column in (zip(*steps, strict=True) if steps else ((), ())))
        return StepFunction(opening, seqs, values)


def _of_partitions(source: str, ticks: Sequence[tuple[int, Tick]]) -> Iterator[PartitionStatement]:
    """What ticks state about single partitions of `source`."""
    for seq, tick in ticks:
        for (name, partition), mark in tick.partition_watermarks.items():
            if name == source:
                yield PartitionStatement(seq, partition, mark)
        for partition in sorted(p for name, p in tick.idle_partitions if name == source):
            yield PartitionStatement(seq, partition, None)

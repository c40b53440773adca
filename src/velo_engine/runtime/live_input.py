"""The input of a job that goes on: whatever its sources have, round by round, as one span of events.

Sources take their turns; within a round the records of one come after those of the one before. Only the order within a
partition is promised (a bounded run merges by the records' order instead: `runtime.ingest`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from velo_engine.connectors.source import LiveSource, Source, SourceBatch, elsewhere
from velo_engine.runtime.ingest import Pending, Span
from velo_engine.runtime.measurements import Activity, Measurements
from velo_engine.runtime.timeline import Clock
from velo_engine.schema import RowSchema

TURN_S = 0.005
"""At most so long one of several sources is waited for before the others are asked again."""


class LiveInput:
    """All sources of a job, and its clock."""

    def __init__(
        self, sources: Sequence[LiveSource], clock: Clock, batch_size: int, measurements: Measurements | None = None
    ) -> None:
        """`measurements` hear of the time that is spent with waiting and with reading."""
        self._measurements = measurements or Measurements()
        self._sources = sources
        self._clock = clock
        self._batch_size = batch_size

    @property
    def ended(self) -> bool:
        """Whether no source will give anything any more."""
        return all(source.ended for source in self._sources)

    def next(self, first_seq: int, timeout_s: float) -> Span | None:
        """What there is, waiting up to `timeout_s` seconds for it; None when nothing has happened."""
        batches = self._polled(timeout_s)
        ticking = self._clock.pending(records=True)
        if not len(ticking) and not any(batch is not None for batch in batches):
            return None
        seq = first_seq + len(ticking)
        ticks = tuple(zip(range(first_seq, seq), self._clock.take(len(ticking)), strict=True))
        slices = []
        for source, batch in zip(self._sources, batches, strict=True):
            pending = Pending(source, batch)
            orders = pending.orders()
            slices.append(pending.take(orders, np.arange(seq, seq + len(orders))))
            seq += len(orders)
        return Span(first_seq, seq, tuple(slices), last=False, ticks=ticks)

    def full(self, span: Span) -> bool:
        """Whether a source gave as much as it may at once: it probably has more."""
        return any(part is not None and part.records >= self._batch_size for part in span.slices)

    def _polled(self, timeout_s: float) -> list[SourceBatch | None]:
        """A batch of every source that has one. Only when none has are they waited for, in turns.

        The turns are short: a record of one source waits while the job waits for another.
        """
        with self._measurements.spent(Activity.WORKING):
            batches = [None if source.ended else source.poll(self._batch_size, 0) for source in self._sources]
        waiting = [i for i, source in enumerate(self._sources) if not source.ended]
        # The last one may have found its end just now, having nothing to give.
        if not waiting or any(batch is not None for batch in batches):
            return batches
        with self._measurements.spent(Activity.WAITING):
            turns = 1 if len(waiting) == 1 else math.ceil(timeout_s / (len(waiting) * TURN_S))
            for i in waiting * turns:
                batches[i] = self._sources[i].poll(self._batch_size, timeout_s / (len(waiting) * turns))
                if batches[i] is not None:
                    break
        return batches


class BoundedInput:
    """A source that ends (a file, a topic in memory) among those that go on. Its position is a number of records."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.schema: RowSchema = source.schema
        self._source = source
        self._taken = 0
        self._ended = False

    @property
    def partitions(self) -> int:
        """How many watermarks there are."""
        return int(getattr(self._source, "partitions", 1))

    @property
    def ended(self) -> bool:
        """Whether all has been read."""
        return self._ended

    def read(self, limit: int) -> SourceBatch | None:
        """The next records; None at the end."""
        batch = self._source.read(limit)
        if batch is None:
            self._ended = True
        else:
            self._taken += batch.records
        return batch

    def poll(self, limit: int, timeout_s: float) -> SourceBatch | None:  # noqa: ARG002 - the protocol's
        """The next records, at once."""
        return self.read(limit)

    def positions(self) -> dict[tuple[str, int], int]:
        """Records read."""
        return {(self.name, 0): self._taken}

    def seek(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Pass over the records that have been handled. Raises VeloError when they were those of a broker's topic."""
        if (self.name, 0) not in positions:
            raise elsewhere(self.name, "what ends", positions)
        while self._taken < positions[self.name, 0] and not self._ended:
            self.read(positions[self.name, 0] - self._taken)

    def acknowledge(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Nobody waits for it."""

    def lag(self) -> None:
        """Unknown."""

    def close(self) -> None:
        """Gives back what is open."""
        self._source.close()

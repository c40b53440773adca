"""Ingestion: the records of all sources in one total order, cut into spans of events.

Sources merge by `order` (a topic's sequence, else the position within the source), ties by the sources' order of
appearance. A record that did not decode takes its event like any other, so the order never depends on what is broken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int64s
from velo_engine.connectors.source import Source, SourceBatch, SourceFailure
from velo_engine.runtime.timeline import Clock, Tick

NO_TICKS = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class SourceSlice:
    """Consecutive records of one source, with the event of each."""

    batch: SourceBatch
    start: int
    stop: int
    """The rows `start <= i < stop` of the batch."""
    seq: Int64s
    """The event of each row."""
    failures: tuple[tuple[int, SourceFailure], ...]
    """Records that did not decode, each behind its event."""

    @property
    def rows(self) -> pa.Table:
        """The rows' columns."""
        return self.batch.table.slice(self.start, self.stop - self.start)

    @property
    def records(self) -> int:
        """Rows and failures."""
        return len(self.seq) + len(self.failures)


@dataclass(frozen=True, slots=True)
class Span:
    """The events `first_seq <= seq < end_seq`."""

    first_seq: int
    end_seq: int
    slices: tuple[SourceSlice | None, ...]
    """One per source; None where it has no record in this span."""
    last: bool
    """The input ends after this span."""
    ticks: tuple[tuple[int, Tick], ...] = ()
    """Moments without a record, each behind its event."""


@dataclass(slots=True)
class Pending:
    """What was read of a source and not yet given out."""

    source: Source
    batch: SourceBatch | None = None
    row: int = 0
    failure: int = 0
    ended: bool = False

    def fill(self, limit: int) -> None:
        """Read on when nothing is pending."""
        if self.batch is not None or self.ended:
            return
        self.batch = self.source.read(limit)
        while self.batch is not None and self.batch.records == 0:
            # Formats of changes have records without a row.
            self.batch = self.source.read(limit)
        self.row = self.failure = 0
        self.ended = self.batch is None

    def orders(self) -> Int64s:
        """The order of every pending record, increasing."""
        if self.batch is None:
            return np.empty(0, np.int64)
        rows = self.batch.order[self.row :]
        if self.batch.kinds is not None:
            # The old and the new row of an update are one event.
            rows = np.unique(rows)
        failures = [f.order for f in self.batch.failures[self.failure :]]
        return np.sort(np.concatenate([rows, np.array(failures, np.int64)])) if failures else rows

    def take(self, orders: Int64s, seqs: Int64s) -> SourceSlice | None:
        """Give out the pending records with these orders, under these events."""
        if self.batch is None or not len(orders):
            return None
        bound = orders[-1]
        stop = int(np.searchsorted(self.batch.order, bound, side="right"))
        failed = self.batch.failures[self.failure :]
        failed = tuple(f for f in failed if f.order <= bound)
        rows = self.batch.order[self.row : stop]
        seq = seqs if not failed and self.batch.kinds is None else seqs[np.searchsorted(orders, rows)]
        events = tuple((int(seqs[np.searchsorted(orders, f.order)]), f) for f in failed)
        taken = SourceSlice(self.batch, self.row, stop, seq, events)
        self.row, self.failure = stop, self.failure + len(failed)
        if self.row == len(self.batch) and self.failure == len(self.batch.failures):
            self.batch = None
        return taken


def spans(
    sources: Sequence[Source],
    batch_size: int,
    first_seq: int = 0,
    clock: Clock | None = None,
    *,
    ahead: bool = True,
) -> Iterator[Span]:
    """All records of `sources`, in order, in spans of at most `batch_size` events; the last one is marked.

    The ticks of `clock` stand among them, before records of the same order. Without any event there is one empty last
    span. Unless reading goes one span `ahead`, which shows the last one, there is always an empty last span: a span is
    then given out before the next tick is waited for.
    """
    pending = [Pending(source) for source in sources]
    held: Span | None = None
    seq = first_seq
    while True:
        for p in pending:
            p.fill(batch_size)
        orders = [p.orders() for p in pending]
        ticking = NO_TICKS if clock is None else clock.pending(any(len(o) for o in orders))
        if not (len(ticking) or any(len(o) for o in orders)):
            break
        cut, tick_orders = orders, NO_TICKS
        if len(ticking):
            tick_orders, *cut = _first_events([ticking, *orders], [True, *(p.ended for p in pending)], batch_size)
            assert clock is not None
            tick_orders, cut = _before_opener(clock, tick_orders, cut)
            tick_events, *events = _numbered([tick_orders, *cut], seq)
        else:
            cut = _first_events(orders, [p.ended for p in pending], batch_size)
            tick_events, events = NO_TICKS, _numbered(cut, seq)
        slices = tuple(p.take(o, e) for p, o, e in zip(pending, cut, events, strict=True))
        ticks = () if clock is None else clock.take(len(tick_orders))
        if held is not None:
            yield held
        end = seq + len(tick_orders) + sum(len(o) for o in cut)
        held = Span(seq, end, slices, last=False, ticks=tuple(zip(tick_events.tolist(), ticks, strict=True)))
        seq = end
        if not ahead:
            yield held
            held = None
    if held is None:
        yield Span(seq, seq, (None,) * len(pending), last=True)
    else:
        yield replace(held, last=True)


def _before_opener(clock: Clock, ticks: Int64s, records: list[Int64s]) -> tuple[Int64s, list[Int64s]]:
    """The events in front of the first tick that must open a span, or all when there is none."""
    first = bool(len(ticks)) and not any(len(o) and o[0] < ticks[0] for o in records)
    at = clock.opener(len(ticks), first=first)
    if at is None:
        return ticks, records
    return ticks[:at], [o[: np.searchsorted(o, ticks[at])] for o in records]


def _first_events(orders: list[Int64s], ended: list[bool], limit: int) -> list[Int64s]:
    """The pending records that come before everything still unread, at most `limit` of them."""
    if len(orders) == 1:
        return [orders[0][:limit]]
    open_ends = [o[-1] for o, e in zip(orders, ended, strict=True) if not e]
    if open_ends:
        bound = min(open_ends)
        orders = [o[: np.searchsorted(o, bound, side="right")] for o in orders]
    total = sum(len(o) for o in orders)
    if total <= limit:
        return orders
    source = np.repeat(np.arange(len(orders)), [len(o) for o in orders])
    first = np.lexsort((source, np.concatenate(orders)))[:limit]
    counts = np.bincount(source[first], minlength=len(orders))
    return [o[:n] for o, n in zip(orders, counts, strict=True)]


def _numbered(orders: list[Int64s], first_seq: int) -> list[Int64s]:
    """The event of every record: its rank by (order, source)."""
    if len(orders) == 1:
        return [np.arange(first_seq, first_seq + len(orders[0]))]
    lengths = [len(o) for o in orders]
    source = np.repeat(np.arange(len(orders)), lengths)
    position = np.lexsort((source, np.concatenate(orders)))
    seq = np.empty(len(position), np.int64)
    seq[position] = np.arange(first_seq, first_seq + len(position))
    return np.split(seq, np.cumsum(lengths)[:-1])

"""Rows without a result: which record each came from, and whether the job may go on without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import pyarrow as pa

from velo_engine.batch import numpy_column
from velo_engine.connectors.dead_letters import DeadLetter, DeadLetterQueue
from velo_engine.connectors.source import Source
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.base import open_format
from velo_engine.runtime.ingest import Span
from velo_engine.runtime.options import FailureStrategy


class RowPlace(IntEnum):
    """How far a row has come; the further, the harder to take it out again."""

    READ = 0
    """Before any join or aggregation."""
    JOINED = 1
    """After a join with a reference table."""
    IN_STATE = 2
    """After an operator that remembers it."""


@dataclass(slots=True)
class SpanLetters:
    """Collects the dead letters of one span, then hands them on in the order of their events."""

    queue: DeadLetterQueue
    strategy: FailureStrategy
    sources: Sequence[Source]
    span: Span | None = None
    _letters: list[tuple[int, int, DeadLetter]] = field(default_factory=list)
    dead: dict[str, set[int]] = field(default_factory=dict)
    """Per statement the events of this span that were dead-lettered."""
    dead_after_join: dict[str, set[int]] = field(default_factory=dict)
    """Those of them that a join had already taken in."""
    dead_again: dict[str, int] = field(default_factory=dict)
    """Per statement how often a dead event met its fate once more, on the way from another scan of its source."""

    def open(self, span: Span, readers: Sequence[Sequence[str]]) -> None:
        """Begin a span. A record that did not decode is dead for every statement that reads its source: one
        letter."""
        self.span = span
        self.dead, self.dead_after_join, self.dead_again = {}, {}, {}
        for source, taken, statements in zip(self.sources, span.slices, readers, strict=True):
            for seq, failure in taken.failures if taken is not None and statements else ():
                letter = DeadLetter(
                    source.name,
                    failure.partition,
                    failure.offset,
                    failure.reason,
                    failure.raw,
                    ", ".join(statements),
                    key=failure.key,
                    headers=failure.headers,
                )
                self._add(seq, letter, statements, stops=not failure.passed_over)

    def fail_rows(self, statement: str, place: RowPlace, rows: pa.Table, reasons: Sequence[str]) -> None:
        """Rows of `statement`, met at `place`, have no result."""
        for seq, reason in zip(numpy_column(rows, "seq").tolist(), reasons, strict=True):
            if place is RowPlace.IN_STATE:
                raise VeloError(
                    ErrorCode.JOB_FAILED,
                    f"{statement}: {reason}",
                    hint="the row comes from a join or an aggregation, so it cannot be set aside; guard the expression "
                    "(CASE, NULLIF, TRY_CAST)",
                )
            joined = place is RowPlace.JOINED
            if seq in self.dead.get(statement, ()) and not (joined and seq in self.dead_after_join.get(statement, ())):
                self.dead_again[statement] = self.dead_again.get(statement, 0) + 1
            self._add(seq, self._letter(statement, seq, reason), (statement,))
            if place is RowPlace.JOINED:
                self.dead_after_join.setdefault(statement, set()).add(seq)

    def close(self) -> None:
        """End a span: its letters go to the queue."""
        for _, _, letter in sorted(self._letters, key=lambda item: item[:2]):
            self.queue.add(letter)
        self._letters.clear()

    def _add(self, seq: int, letter: DeadLetter, statements: Sequence[str], *, stops: bool = True) -> None:
        """Set the record of event `seq` aside for `statements`: one letter, unless all of them have one already."""
        if stops and self.strategy is FailureStrategy.FAIL:
            raise VeloError(
                ErrorCode.JOB_FAILED,
                f"{letter.statement}: {letter.source}[{letter.partition}]@{letter.offset}: {letter.reason}",
                hint="failure_strategy = 'SendToDLQ' sets such records aside and goes on",
            )
        dead = [self.dead.setdefault(statement, set()) for statement in statements]
        if any(seq not in events for events in dead):
            self._letters.append((seq, len(self._letters), letter))
        for events in dead:
            events.add(seq)

    def _letter(self, statement: str, seq: int, reason: str) -> DeadLetter:
        """The record that caused event `seq`."""
        assert self.span is not None
        for source, taken in zip(self.sources, self.span.slices, strict=True):
            if taken is None:
                continue
            at = int(np.searchsorted(taken.seq, seq))
            if at < len(taken.seq) and taken.seq[at] == seq:
                i = taken.start + at
                batch = taken.batch
                row = open_format("json", source.schema, {}).encode(batch.table.slice(i, 1))[0].decode()
                raw = None if batch.values is None else batch.values()[i]
                offset, partition = int(batch.offset[i]), int(batch.partition[i])
                key, headers = batch.keys()[i], batch.headers()[i]
                return DeadLetter(source.name, partition, offset, reason, raw, statement, row, key, headers)
        raise AssertionError(f"event {seq} has no record")

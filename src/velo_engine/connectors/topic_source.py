"""Reading an in-memory topic as a bounded source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from velo_engine.batch import Bools, Int32s, Int64s
from velo_engine.connectors.decode_records import ReadRecords, RecordDecoder
from velo_engine.connectors.record_formats import KeyedFormat
from velo_engine.connectors.source import SourceBatch
from velo_engine.connectors.topics import Partition, Topic
from velo_engine.formats.base import Format
from velo_engine.schema import RowSchema

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Plan:
    """The records to read, in order."""

    partition: Int32s
    offset: Int64s
    order: Int64s

    def where(self, kept: Bools) -> _Plan:
        return _Plan(self.partition[kept], self.offset[kept], self.order[kept])

    def span(self, start: int, end: int) -> _Plan:
        return _Plan(self.partition[start:end], self.offset[start:end], self.order[start:end])


class TopicSource:
    """The records that `topic` holds when the first batch is read; what is appended later is not read.

    Partitions are merged by the global sequence when the topic has one, else by (timestamp, partition, offset) as a
    merge of logs: a record never overtakes an earlier one of its partition.
    """

    def __init__(
        self,
        topic: Topic,
        decoder: Format | KeyedFormat,
        schema: RowSchema,
        *,
        name: str | None = None,
        upsert_key: Sequence[int] = (),
    ) -> None:
        """With an `upsert_key` the records are upserts by these columns."""
        self.name = name or topic.name
        self.schema = schema
        self._topic = topic
        self._decoder = RecordDecoder(decoder, schema, upsert_key)
        self._plan: _Plan | None = None
        self._next = 0
        self._sought: Mapping[tuple[str, int], int] = {}

    @property
    def topic(self) -> str:
        """The name of the topic."""
        return self._topic.name

    def seek(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Goes on at these offsets, per topic and partition; before the first read."""
        self._sought = positions

    @property
    def partitions(self) -> int:
        """How many partitions the topic has; each makes a watermark of its own."""
        return self._topic.partitions

    def read(self, limit: int) -> SourceBatch | None:
        """Up to `limit` next records; None at the end."""
        if self._plan is None:
            self._plan = _reading_plan(self._topic)
            if self._sought:
                starts = [self._sought.get((self.topic, p), 0) for p in range(self.partitions)]
                self._plan = self._plan.where(self._plan.offset >= np.array(starts)[self._plan.partition])
        span = self._plan.span(self._next, self._next + limit)
        count = len(span.offset)
        if count == 0:
            return None
        self._next += count
        return self._decoder.batch(
            ReadRecords(
                values=self._column(span, lambda log: log.values),
                partition=span.partition,
                offset=span.offset,
                timestamp_ms=np.array(self._column(span, lambda log: log.timestamps_ms), np.int64),
                order=span.order,
                keys=lambda: self._column(span, lambda log: log.keys),
                headers=lambda: self._column(span, lambda log: log.headers),
            )
        )

    def close(self) -> None:
        """Nothing is open."""

    def _column(self, span: _Plan, column: Callable[[Partition], Sequence[_T]]) -> Sequence[_T]:
        """One column of the records of `span`."""
        logs = [column(log) for log in self._topic.logs]
        offsets = span.offset.tolist()
        if len(logs) == 1:
            log = logs[0]
            if offsets and offsets[-1] - offsets[0] == len(offsets) - 1:
                return log[offsets[0] : offsets[-1] + 1]
            return [log[o] for o in offsets]
        return [logs[p][o] for p, o in zip(span.partition.tolist(), offsets, strict=True)]


def _reading_plan(topic: Topic) -> _Plan:
    """Every record of `topic` as it is now."""
    lengths = topic.end_offsets
    partition = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    offset = np.concatenate([np.arange(n, dtype=np.int64) for n in lengths])
    if topic.sequenced:
        order = np.concatenate([np.array(log.sequences, np.int64) for log in topic.logs])
        if len(lengths) == 1:
            return _Plan(partition, offset, order)
        by = np.argsort(order, kind="stable")
        return _Plan(partition[by], offset[by], order[by])
    position = np.arange(len(offset), dtype=np.int64)
    if len(lengths) == 1:
        return _Plan(partition, offset, position)
    # The running maximum makes a record that is older than its predecessor follow it at once, as a merge of logs does.
    times = np.concatenate([np.maximum.accumulate(np.array(log.timestamps_ms, np.int64)) for log in topic.logs])
    by = np.lexsort((offset, partition, times))
    return _Plan(partition[by], offset[by], position)

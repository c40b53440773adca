"""In-memory topics: what a test has instead of a broker. Logs with keys, headers, timestamps and partitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TypeVar

import numpy as np

from velo_engine.batch import Int32s, Int64s
from velo_engine.connectors.murmur2 import partitions_of
from velo_engine.connectors.source import NO_TIMESTAMP, Headers
from velo_engine.errors import ErrorCode, VeloError, did_you_mean

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """One record of a topic, for reports and tests."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    """None is a tombstone."""
    headers: Headers
    sequence: int | None
    """The position in the global order of the run's inputs, when the writer gave one."""


class Partition:
    """The log of one partition, in columns; the offset of a record is its index."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []
        self.keys: list[bytes | None] = []
        self.headers: list[Headers] = []
        self.timestamps_ms: list[int] = []
        self.sequences: list[int] = []

    def __len__(self) -> int:
        return len(self.values)


class Topic:
    """A named log in one or more partitions. Records stay for as long as the topic does."""

    def __init__(self, name: str, partitions: int = 1) -> None:
        if partitions < 1:
            raise VeloError(ErrorCode.BAD_VALUE, f'topic "{name}" needs at least one partition, not {partitions}')
        self.name = name
        self.logs = tuple(Partition() for _ in range(partitions))
        self.sequenced: bool | None = None
        """Whether records carry a global sequence; None while the topic is empty."""
        self._last_sequence = -1

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        return len(self.logs)

    @property
    def end_offsets(self) -> tuple[int, ...]:
        """For each partition the offset of the next record."""
        return tuple(len(log) for log in self.logs)

    def __len__(self) -> int:
        """Records in all partitions."""
        return sum(len(log) for log in self.logs)

    def append(
        self,
        value: bytes | None,
        *,
        key: bytes | None = None,
        timestamp_ms: int = NO_TIMESTAMP,
        partition: int | None = None,
        headers: Headers = (),
        sequence: int | None = None,
    ) -> tuple[int, int]:
        """Appends one record; gives its partition and offset."""
        self.append_batch(
            [value],
            keys=[key],
            timestamps_ms=[timestamp_ms],
            partitions=None if partition is None else [partition],
            headers=[headers],
            sequences=None if sequence is None else [sequence],
        )
        at = partition if partition is not None else int(self._partitions_of([key], 1)[0])
        return at, len(self.logs[at]) - 1

    def append_batch(
        self,
        values: Sequence[bytes | None],
        *,
        keys: Sequence[bytes | None] | None = None,
        timestamps_ms: Sequence[int] | Int64s | None = None,
        partitions: Sequence[int] | Int32s | None = None,
        headers: Sequence[Headers] | None = None,
        sequences: Sequence[int] | Int64s | None = None,
    ) -> None:
        """Appends records in order; every sequence given is as long as `values`.

        Without `partitions` a record with a key goes where Kafka's default partitioner sends it, one without to
        partition 0. `sequences` (the record's position in the global order of all inputs) must increase within the
        topic; a topic has them for all records or for none, except that a record without one that follows others
        with one gets the next number.
        """
        count = len(values)
        for given in (keys, timestamps_ms, partitions, headers, sequences):
            if given is not None and len(given) != count:
                raise ValueError(f"{count} values but {len(given)} of another column")
        if count == 0:
            return
        sequence_list = self._sequences_of(sequences, count)
        key_list = list(keys) if keys is not None else [None] * count
        header_list = list(headers) if headers is not None else [()] * count
        timestamp_list = _ints(timestamps_ms) if timestamps_ms is not None else [NO_TIMESTAMP] * count
        where = np.asarray(partitions, np.int32) if partitions is not None else self._partitions_of(key_list, count)
        if int(where.min()) < 0 or int(where.max()) >= self.partitions:
            raise ValueError(f'topic "{self.name}" has partitions 0 to {self.partitions - 1}')
        for number, log in enumerate(self.logs):
            rows = None if self.partitions == 1 else np.flatnonzero(where == number).tolist()
            log.values.extend(_picked(values, rows))
            log.keys.extend(_picked(key_list, rows))
            log.headers.extend(_picked(header_list, rows))
            log.timestamps_ms.extend(_picked(timestamp_list, rows))
            log.sequences.extend(_picked(sequence_list, rows))

    def records(self) -> Iterator[TopicRecord]:
        """All records: in the order of the global sequence when there is one, else partition by partition."""
        found: Iterable[TopicRecord] = (
            TopicRecord(p, o, ts, key, value, headers, sequence if self.sequenced else None)
            for p, log in enumerate(self.logs)
            for o, (ts, key, value, headers, sequence) in enumerate(
                zip(log.timestamps_ms, log.keys, log.values, log.headers, log.sequences, strict=True)
            )
        )
        return iter(sorted(found, key=lambda r: r.sequence or 0)) if self.sequenced else iter(found)

    def read(self, partition: int, offset: int, limit: int) -> list[TopicRecord]:
        """Up to `limit` records of one partition from `offset` on."""
        log = self.logs[partition]
        return [
            TopicRecord(
                partition,
                o,
                log.timestamps_ms[o],
                log.keys[o],
                log.values[o],
                log.headers[o],
                log.sequences[o] if self.sequenced else None,
            )
            for o in range(offset, min(offset + limit, len(log)))
        ]

    def _partitions_of(self, keys: Sequence[bytes | None], count: int) -> Int32s:
        where = np.zeros(count, np.int32)
        if self.partitions > 1:
            keyed = [i for i, key in enumerate(keys) if key is not None]
            where[keyed] = partitions_of([key for key in keys if key is not None], self.partitions)
        return where

    def _sequences_of(self, given: Sequence[int] | Int64s | None, count: int) -> list[int]:
        if given is None:
            if self.sequenced is None:
                self.sequenced = False
            if not self.sequenced:
                return list(repeat(0, count))
            numbers = list(range(self._last_sequence + 1, self._last_sequence + 1 + count))
        else:
            if self.sequenced is False:
                raise ValueError(f'topic "{self.name}" already has records without a sequence')
            numbers = _ints(given)
            if numbers[0] <= self._last_sequence or bool((np.diff(np.asarray(numbers, np.int64)) <= 0).any()):
                raise ValueError(f'sequences in topic "{self.name}" must increase')
            self.sequenced = True
        self._last_sequence = numbers[-1]
        return numbers


class TopicStore:
    """The topics of one run, by name."""

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The topics, in the order of their creation."""
        return tuple(self._topics)

    def __contains__(self, name: str) -> bool:
        return name in self._topics

    def create(self, name: str, partitions: int = 1) -> Topic:
        """A new, empty topic. Raises VeloError when the name is taken."""
        if name in self._topics:
            raise VeloError(ErrorCode.DUPLICATE_NAME, f'there is already a topic "{name}"')
        topic = self._topics[name] = Topic(name, partitions)
        return topic

    def get(self, name: str) -> Topic:
        """The topic called `name`. Raises VeloError with the nearest name when there is none."""
        topic = self._topics.get(name)
        if topic is None:
            raise VeloError(
                ErrorCode.UNKNOWN_TABLE,
                f'there is no topic "{name}"',
                hint=did_you_mean(name, self._topics, noun="topic"),
            )
        return topic


def _ints(numbers: Sequence[int] | Int64s) -> list[int]:
    return numbers.tolist() if isinstance(numbers, np.ndarray) else list(numbers)


def _picked(column: Sequence[_T], rows: list[int] | None) -> Iterable[_T]:
    return column if rows is None else [column[i] for i in rows]

"""The log of one partition: batches in memory, found by offset, by time and by size, and its transactions."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from velo_harness.kafka.embedded.producers import PartitionProducers
from velo_harness.kafka.embedded.protocol import NO_OFFSET, NO_TIMESTAMP, ErrorNumber, KafkaError
from velo_harness.kafka.embedded.record_batches import (
    NO_PRODUCER,
    RecordBatch,
    RecordHead,
    end_of,
    max_timestamp,
    placed,
    record_heads,
    stamp,
    transaction_marker,
)
from velo_harness.kafka.embedded.topic_configs import RecordRules


@dataclass(frozen=True, slots=True)
class Appended:
    """Where a producer's records went."""

    base_offset: int
    append_time_ms: int
    """NO_TIMESTAMP when the records keep their own times."""


@dataclass(frozen=True, slots=True)
class AbortedTransaction:
    """Records of `producer_id` from `first_offset` up to its marker at `marker_offset` do not count."""

    producer_id: int
    first_offset: int
    marker_offset: int


class PartitionLog:
    """The records of one partition. Nothing is ever removed but by `delete_before`."""

    def __init__(self) -> None:
        self.start_offset = 0
        self.end_offset = 0
        self.record_count = 0
        """Records held, without transaction markers."""
        self.producers = PartitionProducers()
        self.open_transactions: dict[int, int] = {}
        """First offset of each open transaction, by producer id, in order of that offset."""
        self._batches: list[bytearray] = []
        self._record_counts: list[int] = []
        self._base_offsets: list[int] = []
        self._positions: list[int] = [0]
        """Bytes appended before each batch, and, last, before the next one."""
        self._highest_times: list[int] = []
        """Highest timestamp up to and including each batch: it only grows, so that it can be searched."""
        self._aborted: list[AbortedTransaction] = []
        self._watchers: dict[Callable[[], None], None] = {}

    @property
    def byte_count(self) -> int:
        """Bytes held."""
        return self._positions[-1] - self._positions[0]

    @property
    def stable_offset(self) -> int:
        """End of what `read_committed` sees: the first record of the oldest open transaction, else the end."""
        return max(self.start_offset, next(iter(self.open_transactions.values()), self.end_offset))

    def append(self, batches: Sequence[RecordBatch], rules: RecordRules, now_ms: int) -> Appended:
        """Appends batches (at least one), all or none. Raises KafkaError."""
        for batch in batches:
            _check_rules(batch, rules, now_ms)
        if batches[0].producer_id != NO_PRODUCER:
            if len(batches) > 1:  # idempotent producers send one; several could not be refused as a whole
                raise KafkaError(ErrorNumber.INVALID_RECORD, "several batches of an idempotent producer in one request")
            known = self.producers.duplicate(batches[0])
            if known is not None:
                return Appended(known.base_offset, NO_TIMESTAMP)
        base_offset = self.end_offset
        for batch in batches:
            self._append_batch(batch, rules, now_ms)
        self._tell_watchers()
        return Appended(base_offset, now_ms if rules.append_time else NO_TIMESTAMP)

    def end_transaction(self, producer_id: int, epoch: int, now_ms: int, *, committed: bool) -> None:
        """Writes the marker that commits or aborts the transaction of a producer."""
        entry = self.producers.at_epoch(producer_id, epoch)
        entry.last_timestamp = now_ms
        marker = transaction_marker(self.end_offset, producer_id, epoch, now_ms, committed=committed)
        first_offset = self.open_transactions.pop(producer_id, None)
        if first_offset is not None and not committed:
            self._aborted.append(AbortedTransaction(producer_id, first_offset, self.end_offset))
        self._add(marker, 1, 0, now_ms)
        self._tell_watchers()

    def delete_before(self, offset: int) -> None:
        """Makes `offset` the first one; batches wholly before it are freed. Raises KafkaError."""
        if not self.start_offset <= offset <= self.end_offset:
            raise KafkaError(ErrorNumber.OFFSET_OUT_OF_RANGE)
        self.start_offset = offset
        gone = self._index_of(offset)
        self.record_count -= sum(self._record_counts[:gone])
        for column in (self._batches, self._record_counts, self._base_offsets, self._positions):
            del column[:gone]
        self._highest_times = list(accumulate(map(max_timestamp, self._batches), max))
        self._tell_watchers()

    def read(self, offset: int, up_to: int, max_bytes: int, *, at_least: int) -> list[bytearray]:
        """Whole batches, the one with `offset` first, before `up_to`: up to `max_bytes`, but `at_least` so many."""
        first, end = self._index_of(offset), bisect_left(self._base_offsets, up_to)
        fitting = bisect_right(self._positions, self._positions[first] + max_bytes) - 1
        return self._batches[first : min(end, max(fitting, first + at_least))]

    def bytes_between(self, offset: int, up_to: int) -> int:
        """Bytes that `read` could give."""
        end = bisect_left(self._base_offsets, up_to)
        return max(0, self._positions[end] - self._positions[min(self._index_of(offset), end)])

    def aborted_in(self, offset: int, batches: Sequence[bytearray]) -> list[AbortedTransaction]:
        """Aborted transactions that reach into `batches`, which were read from `offset` on; by first offset."""
        up_to = end_of(batches[-1])
        after = bisect_left(self._aborted, offset, key=lambda aborted: aborted.marker_offset)
        found = [aborted for aborted in self._aborted[after:] if aborted.first_offset < up_to]
        return sorted(found, key=lambda aborted: aborted.first_offset)

    def offset_at_time(self, timestamp: int, up_to: int) -> tuple[int, int]:
        """Offset and time of the first record of this time or later; NO_OFFSET and NO_TIMESTAMP without one."""
        index = bisect_left(self._highest_times, timestamp)
        while index < len(self._batches) and self._base_offsets[index] < up_to:
            if max_timestamp(self._batches[index]) >= timestamp:
                for record in record_heads(self._batches[index]):
                    if record.timestamp >= timestamp and self.start_offset <= record.offset < up_to:
                        return record.offset, record.timestamp
            index += 1
        return NO_OFFSET, NO_TIMESTAMP

    def offset_of_highest_time(self) -> tuple[int, int]:
        """Offset and time of the first record with the highest time; NO_OFFSET and NO_TIMESTAMP when empty."""
        if not self._highest_times:
            return NO_OFFSET, NO_TIMESTAMP
        return self.offset_at_time(self._highest_times[-1], self.end_offset)

    def watch(self, watcher: Callable[[], None]) -> None:
        """Calls `watcher` whenever there is more to read, until `unwatch`."""
        self._watchers[watcher] = None

    def unwatch(self, watcher: Callable[[], None]) -> None:
        """Ends `watch`."""
        self._watchers.pop(watcher, None)

    def tell_deleted(self) -> None:
        """Wakes those who wait for records that will not come."""
        self._tell_watchers()

    def _append_batch(self, batch: RecordBatch, rules: RecordRules, now_ms: int) -> None:
        data = placed(batch, self.end_offset)
        if rules.append_time:
            stamp(data, now_ms)
        if batch.producer_id != NO_PRODUCER:
            self.producers.appended(batch, self.end_offset)
            if batch.transactional:
                self.open_transactions.setdefault(batch.producer_id, self.end_offset)
        highest = now_ms if rules.append_time else batch.max_timestamp
        self._add(data, batch.last_offset_delta + 1, batch.record_count, highest)

    def _add(self, data: bytearray, offsets: int, records: int, highest_time: int) -> None:
        self._batches.append(data)
        self._record_counts.append(records)
        self._base_offsets.append(self.end_offset)
        self._positions.append(self._positions[-1] + len(data))
        before = self._highest_times[-1] if self._highest_times else highest_time
        self._highest_times.append(max(before, highest_time))
        self.end_offset += offsets
        self.record_count += records

    def _index_of(self, offset: int) -> int:
        """Index of the batch that holds `offset`; behind the last one for the end of the log."""
        if offset >= self.end_offset:
            return len(self._batches)
        return max(0, bisect_right(self._base_offsets, offset) - 1)

    def _tell_watchers(self) -> None:
        for watcher in list(self._watchers):
            watcher()


def _check_rules(batch: RecordBatch, rules: RecordRules, now_ms: int) -> None:
    if len(batch.data) > rules.max_batch_bytes:
        message = f"a record batch of {len(batch.data)} bytes; max.message.bytes is {rules.max_batch_bytes}"
        raise KafkaError(ErrorNumber.MESSAGE_TOO_LARGE, message)
    if batch.max_timestamp > now_ms + rules.max_ms_after_now and not rules.append_time:
        message = f"timestamp {batch.max_timestamp} is too far after the broker's time, {now_ms}"
        raise KafkaError(ErrorNumber.INVALID_TIMESTAMP, message)
    if rules.looks_at_records:
        for record in record_heads(batch.data):
            _check_record(record, rules, now_ms)


def _check_record(record: RecordHead, rules: RecordRules, now_ms: int) -> None:
    if rules.keys_required and not record.keyed:
        raise KafkaError(ErrorNumber.INVALID_RECORD, "a record without a key in a compacted topic")
    dated = record.timestamp != NO_TIMESTAMP and not rules.append_time
    if dated and record.timestamp < now_ms - rules.max_ms_before_now:
        message = f"timestamp {record.timestamp} is too far before the broker's time, {now_ms}"
        raise KafkaError(ErrorNumber.INVALID_TIMESTAMP, message)

"""The merge of a topic's partitions into one order that depends on nothing but the records.

Records that carry a sequence (the header `velo.sequence`, 8 bytes big endian: the position in the global order of all
inputs, as tests write it) come first, by it. The others follow by (greatest timestamp so far in the partition,
partition, offset), a merge of logs: no record overtakes an earlier one of its partition. In-memory topics are read the
same way (`topic_source`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from velo_engine.batch import Int64s

SEQUENCE_HEADER = "velo.sequence"
_NOTHING = np.empty(0, np.int64)
_BEFORE_ALL = np.iinfo(np.int64).min // 2


class KafkaMessage(Protocol):
    """What is read of a record of confluent-kafka's consumer (its `Message`)."""

    def partition(self) -> int: ...  # noqa: D102
    def offset(self) -> int: ...  # noqa: D102
    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102
    def key(self) -> bytes | None: ...  # noqa: D102
    def value(self) -> bytes | None: ...  # noqa: D102
    def headers(self) -> list[tuple[str, bytes | None]] | None: ...  # noqa: D102
    def error(self) -> Any: ...  # noqa: D102


@dataclass(slots=True)
class _Partition:
    """Records of one partition that wait for those of others."""

    messages: list[KafkaMessage] = field(default_factory=list)
    unsequenced: Int64s = field(default_factory=lambda: _NOTHING)
    """Per record 1 where it has no sequence, else 0."""
    keys: Int64s = field(default_factory=lambda: _NOTHING)
    """Per record its sequence, or the greatest timestamp so far."""
    sequenced: bool = True
    """Whether all records so far had a sequence."""
    latest: int = _BEFORE_ALL
    """The last sequence, or the greatest timestamp of the records without one."""
    finished: bool = False


class PartitionMerge:
    """Takes the records of each partition in order and gives those of all in order."""

    def __init__(self, partitions: Sequence[int]) -> None:
        self._partitions = {p: _Partition() for p in partitions}
        self._last = -1

    @property
    def waiting(self) -> dict[int, int]:
        """Per partition the number of records that were taken and not yet given."""
        return {p: len(log.messages) for p, log in self._partitions.items()}

    @property
    def unfinished(self) -> list[int]:
        """The partitions that have more to come."""
        return [p for p, log in self._partitions.items() if not log.finished]

    def add(self, partition: int, messages: Sequence[KafkaMessage]) -> None:
        """Take the next records of a partition."""
        log = self._partitions[partition]
        unsequenced, keys = _merge_keys(log, messages)
        log.messages += messages
        log.unsequenced = np.concatenate([log.unsequenced, unsequenced])
        log.keys = np.concatenate([log.keys, keys])

    def finish(self, partition: int) -> None:
        """Nothing more comes from a partition."""
        self._partitions[partition].finished = True

    def take(self, limit: int) -> tuple[list[KafkaMessage], Int64s]:
        """At most `limit` next records whose place is certain, and the order of each."""
        counts = {p: self._certain(p, log) for p, log in self._partitions.items()}
        logs = [(p, self._partitions[p], n) for p, n in counts.items() if n]
        if not logs:
            return [], _NOTHING
        if len(logs) == 1:
            _, log, n = logs[0]
            n = min(n, limit)
            messages, unsequenced, keys = log.messages[:n], log.unsequenced[:n], log.keys[:n]
            _drop(log, n)
            return messages, self._orders(unsequenced, keys)
        unsequenced = np.concatenate([log.unsequenced[:n] for _, log, n in logs])
        keys = np.concatenate([log.keys[:n] for _, log, n in logs])
        lengths = [n for _, _, n in logs]
        owner = np.repeat(np.arange(len(logs)), lengths)
        # Stable, so offsets keep their order; owners stand in the order of partitions.
        by = np.lexsort((owner, keys, unsequenced))[:limit]
        places = by - np.concatenate([[0], np.cumsum(lengths)[:-1]])[owner[by]]
        held = [log.messages for _, log, _ in logs]
        messages = [held[o][i] for o, i in zip(owner[by].tolist(), places.tolist(), strict=True)]
        for (_, log, _), n in zip(logs, np.bincount(owner[by], minlength=len(logs)).tolist(), strict=True):
            _drop(log, n)
        return messages, self._orders(unsequenced[by], keys[by])

    def _certain(self, partition: int, log: _Partition) -> int:
        """How many waiting records of a partition come before all that is still to come from the others."""
        count = len(log.messages)
        for other, waited in self._partitions.items():
            if other == partition or waited.finished or not count:
                continue
            bound = (int(not waited.sequenced), waited.latest)
            count = min(count, _up_to(log, bound, inclusive=partition < other))
        return count

    def _orders(self, unsequenced: Int64s, keys: Int64s) -> Int64s:
        """The sequence of each record, and for those without the next numbers; strictly increasing."""
        count = np.arange(len(keys), dtype=np.int64)
        wanted = np.where(unsequenced == 0, keys, _BEFORE_ALL)
        floor = np.maximum.accumulate(np.maximum(wanted - count, self._last + 1))
        orders: Int64s = floor + count
        self._last = int(orders[-1])
        return orders


def _up_to(log: _Partition, bound: tuple[int, int], *, inclusive: bool) -> int:
    """How many waiting records stand before `bound`, or at it."""
    side: Literal["left", "right"] = "right" if inclusive else "left"
    start = int(np.searchsorted(log.unsequenced, bound[0], side="left"))
    stop = int(np.searchsorted(log.unsequenced, bound[0], side="right"))
    return start + int(np.searchsorted(log.keys[start:stop], bound[1], side=side))


def _drop(log: _Partition, count: int) -> None:
    del log.messages[:count]
    log.unsequenced = log.unsequenced[count:]
    log.keys = log.keys[count:]


def _merge_keys(log: _Partition, messages: Sequence[KafkaMessage]) -> tuple[Int64s, Int64s]:
    """Per record whether it has no sequence, and its key. Once one has none, so have all behind it."""
    sequences = _sequences(log, messages) if log.sequenced else []
    count = len(sequences)
    if count:
        log.latest = sequences[-1]
    if count == len(messages):
        return np.zeros(count, np.int64), np.array(sequences, np.int64)
    if log.sequenced:
        log.sequenced, log.latest = False, _BEFORE_ALL
    times = np.array([m.timestamp()[1] for m in messages[count:]], np.int64)
    times = np.maximum.accumulate(np.maximum(times, log.latest))
    log.latest = int(times[-1])
    unsequenced = np.repeat(np.array([0, 1], np.int64), [count, len(times)])
    return unsequenced, np.concatenate([np.array(sequences, np.int64), times])


def _sequences(log: _Partition, messages: Sequence[KafkaMessage]) -> list[int]:
    """The sequences of the first records that have increasing ones."""
    found: list[int] = []
    last = log.latest
    for message in messages:
        sequence = sequence_of(message)
        if sequence is None or sequence <= last:
            break
        found.append(sequence)
        last = sequence
    return found


def sequence_of(message: KafkaMessage) -> int | None:
    """The record's position in the global order of the run's inputs, when the writer gave one."""
    for name, value in message.headers() or ():
        if name == SEQUENCE_HEADER and isinstance(value, bytes) and len(value) == 8:
            return int.from_bytes(value, "big")
    return None

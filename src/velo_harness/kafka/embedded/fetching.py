"""Fetch: reads records, and waits for some where there are none yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from velo_harness.kafka.embedded.api_records import READ_COMMITTED
from velo_harness.kafka.embedded.cluster import Cluster
from velo_harness.kafka.embedded.log import AbortedTransaction, PartitionLog
from velo_harness.kafka.embedded.protocol import NO_OFFSET, Api, ErrorNumber, KafkaError
from velo_harness.kafka.embedded.requests import Request
from velo_harness.kafka.embedded.wire import Writer

_NO_SESSION = 0
_NO_REPLICA = -1
_NO_ARRAY = -1


@dataclass(frozen=True, slots=True)
class _Wanted:
    index: int
    offset: int
    max_bytes: int


def fetch(cluster: Cluster, request: Request) -> None:
    """Fetch. There are no fetch sessions (KIP-227): each request names all of its partitions."""
    body, version = request.body, request.version
    body.int32()
    max_wait_ms, min_bytes, max_bytes = body.int32(), body.int32(), body.int32()
    read_committed = body.int8() == READ_COMMITTED
    if version >= 7:
        body.int32()
        body.int32()

    def partition() -> _Wanted:
        index = body.int32()
        if version >= 9:
            body.int32()
        offset = body.int64()
        if version >= 5:
            body.int64()
        return _Wanted(index, offset, body.int32())

    topics = body.array(lambda: (body.string(), body.array(partition)))
    waiting = _Fetch(cluster, request, topics, min_bytes, max_bytes, read_committed=read_committed)
    if max_wait_ms <= 0 or waiting.satisfied():
        waiting.answer()
    else:
        waiting.wait(max_wait_ms)


class _Fetch:
    """One fetch request until it is answered."""

    def __init__(
        self,
        cluster: Cluster,
        request: Request,
        topics: Sequence[tuple[str, Sequence[_Wanted]]],
        min_bytes: int,
        max_bytes: int,
        *,
        read_committed: bool,
    ) -> None:
        self._cluster = cluster
        self._request = request
        self._topics = topics
        self._min_bytes = min_bytes
        self._max_bytes = max_bytes
        self._read_committed = read_committed
        self._watched: list[PartitionLog] = []
        self._stop_clock: Callable[[], None] | None = None

    def satisfied(self) -> bool:
        """Whether there is enough to answer, or an error to tell."""
        available = 0
        for name, wanted in self._topics:
            for one in wanted:
                try:
                    log = self._log(name, one)
                except KafkaError:
                    return True
                available += min(log.bytes_between(one.offset, self._end(log)), one.max_bytes)
        return available >= self._min_bytes

    def wait(self, max_wait_ms: int) -> None:
        """Answers when there is enough, or when the time is over."""
        self._watched = [self._log(name, one) for name, wanted in self._topics for one in wanted]
        for log in self._watched:
            log.watch(self._look_again)
        self._stop_clock = self._request.schedule(max_wait_ms / 1000, self._finish)

    def answer(self) -> None:
        """Answers with what is there."""
        version = self._request.version
        answer = self._request.writer().int32(0)
        if version >= 7:
            answer.int16(ErrorNumber.NONE).int32(_NO_SESSION)
        answer.array_length(len(self._topics))
        left = self._max_bytes
        nothing_yet = True
        for name, wanted in self._topics:
            answer.string(name).array_length(len(wanted))
            for one in wanted:
                try:
                    log = self._log(name, one)
                except KafkaError as refused:
                    self._write_refusal(answer, one, refused.number)
                    continue
                end = self._end(log)
                # The first records are given whatever their size, or a large one would never be read.
                chunks = log.read(one.offset, end, min(one.max_bytes, left), at_least=1 if nothing_yet else 0)
                left = max(0, left - sum(map(len, chunks)))
                nothing_yet = nothing_yet and not chunks
                self._write_records(answer, one, log, chunks)
        self._request.reply(answer)

    def _look_again(self) -> None:
        if self.satisfied():
            self._finish()

    def _finish(self) -> None:
        for log in self._watched:
            log.unwatch(self._look_again)
        if self._stop_clock is not None:
            self._stop_clock()
        self.answer()

    def _log(self, name: str, wanted: _Wanted) -> PartitionLog:
        log = self._cluster.topics.partition(name, wanted.index)
        if not log.start_offset <= wanted.offset <= log.end_offset:
            raise KafkaError(ErrorNumber.OFFSET_OUT_OF_RANGE)
        return log

    def _end(self, log: PartitionLog) -> int:
        return log.stable_offset if self._read_committed else log.end_offset

    def _write_refusal(self, answer: Writer, wanted: _Wanted, error: ErrorNumber) -> None:
        answer.int32(wanted.index).int16(error).int64(NO_OFFSET).int64(NO_OFFSET)
        if self._request.version >= 5:
            answer.int64(NO_OFFSET)
        answer.array_length(_NO_ARRAY)
        if self._request.version >= 11:
            answer.int32(_NO_REPLICA)
        answer.records([])

    def _write_records(self, answer: Writer, wanted: _Wanted, log: PartitionLog, chunks: list[bytearray]) -> None:
        answer.int32(wanted.index).int16(ErrorNumber.NONE).int64(log.end_offset).int64(log.stable_offset)
        if self._request.version >= 5:
            answer.int64(log.start_offset)
        if self._read_committed:
            _write_aborted(answer, log.aborted_in(wanted.offset, chunks) if chunks else [])
        else:
            answer.array_length(_NO_ARRAY)
        if self._request.version >= 11:
            answer.int32(_NO_REPLICA)
        answer.records(chunks)


def _write_aborted(answer: Writer, aborted: Sequence[AbortedTransaction]) -> None:
    answer.array_length(len(aborted))
    for transaction in aborted:
        answer.int64(transaction.producer_id).int64(transaction.first_offset)


HANDLERS = {Api.FETCH: fetch}

"""A topic, read as changes: from where it is to start, to its end or on and on."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from velo_engine.connectors.kafka.client import KafkaCluster
from velo_engine.connectors.kafka.open_client import Settings
from velo_engine.connectors.kafka.source import STALLED_S, KafkaSource
from velo_engine.connectors.kafka.start import Boundary, Place
from velo_engine.connectors.source import SourceBatch
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.base import Decoded
from velo_engine.schema import RowSchema
from velo_engine.types import SqlType
from velo_shadow.sides.decoding import Decoding, kinds_of
from velo_shadow.sides.partition_order import PartitionOrder
from velo_shadow.sides.sampling import UNDECODED, not_decoded, undecoded
from velo_shadow.stream.changes import Changes, Positions

_QUIET_S = 2.0
"""When nothing has come for so long, no partition is waited for."""
_END = " (end)"
"""Behind a topic's name, which has no spaces: the positions under it are where reading ends."""


class KafkaReader:
    """One topic as a side (`StreamReader`). Opened by the first poll."""

    def __init__(
        self,
        label: str,
        topic: str,
        cluster: KafkaCluster,
        schema: RowSchema,
        decoding: Decoding,
        *,
        settings: Settings,
        start: Boundary,
        once: bool,
    ) -> None:
        """`once`: to the ends that the topic has when it is first read; a reader that goes on by the positions of
        another ends where that one would have ended."""
        self._label = label
        self._topic = topic
        self._cluster = cluster
        self._schema = schema
        self._decoding = decoding
        self._settings = settings
        self._start = start
        self._once = once
        self._sought: Positions = {}
        self._source: KafkaSource | None = None
        self._heard = 0.0
        self._order = PartitionOrder()

    @property
    def label(self) -> str:
        """As it is addressed."""
        return self._label

    @property
    def types(self) -> Mapping[str, SqlType]:
        """The columns that are read."""
        return {column.name: column.type for column in self._schema.columns}

    @property
    def ended(self) -> bool:
        """Whether it ends, and all has been given out."""
        return self._source is not None and self._source.ended and not self._order.waiting()

    def poll(self, limit: int, timeout_s: float) -> Changes | None:
        """As `StreamReader`. Raises VeloError: the brokers refuse; SCHEMA_MISMATCH for a record that does not fit."""
        source = self._opened()
        batch = source.poll(limit, timeout_s)
        if batch is None or batch.values is None:
            self._refuse_silence(source)
            is_quiet = time.monotonic() - self._heard > _QUIET_S
            return self._order.rest() if is_quiet else self._order.passed(source.behind())
        self._heard = time.monotonic()
        decoded = self._decoding.decode(batch.values(), batch.keys)
        self._refuse_failures(batch, decoded)
        at = decoded.positions
        changes = Changes(
            decoded.table.rename_columns(list(self._schema.names)),
            kinds_of(decoded),
            batch.timestamp_ms[at],
            batch.partition[at],
        )
        if source.partitions == 1:
            return changes
        self._order.add(changes, batch.offset[at])
        return self._order.passed(source.behind())

    def positions(self) -> Positions:
        """Where the next poll goes on, and where reading ends."""
        source = self._opened()
        ends = {(topic + _END, partition): offset for (topic, partition), offset in source.ends().items()}
        waiting = {(self._topic, partition): offset for partition, offset in self._order.waiting().items()}
        return source.positions() | waiting | ends

    def seek(self, positions: Positions) -> None:
        """Goes on at these positions; before the first poll."""
        self._sought = dict(positions)

    def close(self) -> None:
        """Gives back the client."""
        if self._source is not None:
            self._source.close()

    def _opened(self) -> KafkaSource:
        if self._source is None:
            ends = {p: offset for (topic, p), offset in self._sought.items() if topic == self._topic + _END}
            places = {place: offset for place, offset in self._sought.items() if place[0] == self._topic}
            end = Boundary(Place.OFFSETS, offsets=ends, otherwise=Place.LATEST) if ends else Boundary(Place.LATEST)
            source = KafkaSource(
                self._topic,
                undecoded(),
                UNDECODED,
                self._cluster,
                name=self._label,
                settings=self._settings,
                # A partition that a reader before did not know is new: nothing of it has been read.
                start=Boundary(Place.EARLIEST) if places else self._start,
                end=end if self._once else None,
            )
            source.seek(places)
            self._source = source
            self._heard = time.monotonic()
        return self._source

    def _refuse_silence(self, source: KafkaSource) -> None:
        """A topic that ends has all its records already: brokers that do not give them are not waited for on and on."""
        if self._once and not source.ended and time.monotonic() - self._heard > STALLED_S:
            missing = source.lag()
            problem = source.connection.status.problem
            message = f"{self._label}: no record has come for {STALLED_S:g} s"
            message += "" if missing is None else f", and {missing} are to come"
            hint = f"the client says: {problem}" if problem else "a transaction that is still open holds them back"
            raise VeloError(ErrorCode.INFRASTRUCTURE_MISSING, message, hint=hint)

    def _refuse_failures(self, batch: SourceBatch, decoded: Decoded) -> None:
        """A record that cannot be read is not left out: what it says would not be compared."""
        if decoded.failures and batch.values is not None:
            first = decoded.failures[0]
            place = int(np.asarray(batch.partition)[first.index]), int(batch.offset[first.index])
            raise not_decoded(self._label, place, first.reason, batch.values()[first.index])

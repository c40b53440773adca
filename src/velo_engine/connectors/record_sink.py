"""Writing a changelog as records: as an append stream, as an upsert stream with tombstones, or as it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from velo_engine.batch import Bools, Int8s, Int64s, RowKind, numpy_column
from velo_engine.connectors.keys import KeyEncoder
from velo_engine.connectors.record_headers import headers_of
from velo_engine.connectors.records import Records, RecordWriter
from velo_engine.connectors.source import NO_TIMESTAMP, Headers
from velo_engine.formats.base import Format
from velo_engine.schema import RowSchema


class RecordSink(ABC):
    """What all streams share: the topic, the key and the timestamp of a record.

    `key_columns` (positions) give the record key, in `key_format` (None: as text), `timestamp_column` (a TIMESTAMP) the
    record's timestamp; a record without either has none of its own. `headers_column` (a MAP<STRING, BYTES>) gives its
    headers. What `encoder` writes are the `value_columns`, by default all.
    """

    def __init__(
        self,
        topic: str,
        encoder: Format,
        schema: RowSchema,
        writer: RecordWriter,
        *,
        key_columns: Sequence[int] = (),
        key_format: Format | None = None,
        timestamp_column: int | None = None,
        clock_ms: Callable[[], int] | None = None,
        headers_column: int | None = None,
        value_columns: Sequence[int] | None = None,
    ) -> None:
        self.written = 0
        self.topic = topic
        self.writer = writer
        self._format = encoder
        self._keys = KeyEncoder(schema, key_columns, key_format) if key_columns else None
        self._timestamp_column = timestamp_column
        self._clock_ms = clock_ms
        self._headers_column = headers_column
        self._value_columns = None if value_columns is None else tuple(value_columns)

    def write(self, rows: pa.Table) -> None:
        """Writes the rows of a changelog in order: physical columns and `kind`."""
        records = self.records(rows)
        if len(records):
            self.writer.write(records)
            self.written += len(records)

    @abstractmethod
    def records(self, rows: pa.Table) -> Records:
        """The records that `rows` become."""

    def flush(self) -> None:
        """Waits until all records written are acknowledged. Raises VeloError when one is not."""
        self.writer.flush()

    def close(self) -> None:
        """Waits until all records are acknowledged."""
        self.writer.flush()
        self.writer.close()

    def abort(self) -> None:
        """Records already written stay, as they do in Kafka without transactions."""
        self.writer.close()

    def _records(self, rows: pa.Table, values: Sequence[bytes | None]) -> Records:
        keys = self._keys.encode(rows) if self._keys is not None else None
        return Records(self.topic, values, keys, self._timestamps(rows), self._headers(rows))

    def _values(self, rows: pa.Table) -> list[bytes]:
        """One value a row."""
        return self._format.encode(rows if self._value_columns is None else value_rows(rows, self._value_columns))

    def _headers(self, rows: pa.Table) -> list[Headers] | None:
        if self._headers_column is None:
            return None
        return headers_of(rows.column(f"c{self._headers_column}"))

    def _timestamps(self, rows: pa.Table) -> Int64s | None:
        """Milliseconds: of the timestamp column where it is set, else of the clock, else none."""
        if self._timestamp_column is None and self._clock_ms is None:
            return None
        now = self._clock_ms() if self._clock_ms is not None else NO_TIMESTAMP
        if self._timestamp_column is None:
            return np.full(rows.num_rows, now, np.int64)
        column = rows.column(f"c{self._timestamp_column}").combine_chunks().cast(pa.int64())
        micros = column.fill_null(0).to_numpy()
        return np.where(column.is_valid().to_numpy(zero_copy_only=False), micros // 1000, now)


class AppendSink(RecordSink):
    """Writes +I and +U as records; -U and -D have no place in an append stream and are dropped."""

    def records(self, rows: pa.Table) -> Records:
        """One record for each row that is not a retraction."""
        kind = _kinds(rows)
        kept = (kind == RowKind.INSERT) | (kind == RowKind.UPDATE_AFTER)
        if not kept.all():
            rows = rows.filter(pa.array(kept))
        return self._records(rows, self._values(rows))


class ChangelogSink(RecordSink):
    """Writes every row, in a format whose records say their kind (debezium-json)."""

    def records(self, rows: pa.Table) -> Records:
        """One record a row."""
        return self._records(rows, self._values(rows))


class UpsertSink(RecordSink):
    """Writes the newest row of each key: +I and +U as records, -D and -U as tombstones.

    A -U with its +U behind it is dropped: the +U replaces the row. A predicate above an aggregate may leave a -U alone;
    then the row is gone. Source: Flink's upsert-kafka connector.
    """

    def records(self, rows: pa.Table) -> Records:
        """One keyed record for each row that is not replaced at once."""
        kind = _kinds(rows)
        kept = ~self._replaced(rows, kind)
        if not kept.all():
            rows = rows.filter(pa.array(kept))
            kind = kind[kept]
        values: list[bytes | None] = [*self._values(rows)]
        for i in np.flatnonzero((kind == RowKind.DELETE) | (kind == RowKind.UPDATE_BEFORE)).tolist():
            values[i] = None
        return self._records(rows, values)

    def _replaced(self, rows: pa.Table, kind: Int8s) -> Bools:
        """The -U rows whose +U stands right behind them."""
        replaced = np.zeros(len(kind), np.bool_)
        pairs = np.flatnonzero((kind[:-1] == RowKind.UPDATE_BEFORE) & (kind[1:] == RowKind.UPDATE_AFTER))
        if len(pairs) and "seq" in rows.column_names:
            # Only within one event: the rows of two may come in two batches, and the records are to be the same.
            seq = numpy_column(rows, "seq")
            pairs = pairs[seq[pairs] == seq[pairs + 1]]
        if len(pairs) and self._keys is not None:
            before, after = (self._keys.encode(rows.take(pa.array(pairs + i))) for i in (0, 1))
            replaced[pairs] = [b == a for b, a in zip(before, after, strict=True)]
        return replaced


def _kinds(rows: pa.Table) -> Int8s:
    kinds: Int8s = numpy_column(rows, "kind")
    return kinds


def value_rows(rows: pa.Table, columns: Sequence[int]) -> pa.Table:
    """Rows (physical columns and `kind`) of these columns alone."""
    kind = ["kind"] if "kind" in rows.column_names else []
    chosen = rows.select([*(f"c{i}" for i in columns), *kind])
    return chosen.rename_columns([*(f"c{i}" for i in range(len(columns))), *kind])

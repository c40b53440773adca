"""From records as they were read from a topic, in memory or of a cluster, to rows and failures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from velo_engine.batch import Bools, Int32s, Int64s
from velo_engine.connectors.record_formats import KeyedFormat
from velo_engine.connectors.source import Headers, SourceBatch, SourceFailure
from velo_engine.connectors.tombstones import TombstoneReader, upsert_kinds
from velo_engine.formats.base import Decoded, Format
from velo_engine.schema import RowSchema

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ReadRecords:
    """Consecutive records of one topic, in columns of equal length."""

    values: Sequence[bytes | None]
    partition: Int32s
    offset: Int64s
    timestamp_ms: Int64s
    order: Int64s
    """As `SourceBatch` has it."""
    keys: Callable[[], Sequence[bytes | None]]
    """Built when called, as few programs ask for them; so are the headers."""
    headers: Callable[[], Sequence[Headers]]
    appended: Callable[[], Bools] | None = None
    """As `SourceBatch` has it."""


class RecordDecoder:
    """Decodes the records of one source. With an `upsert_key` they are upserts by these columns."""

    def __init__(self, decoder: Format | KeyedFormat, schema: RowSchema, upsert_key: Sequence[int] = ()) -> None:
        """A `KeyedFormat` reads upserts by itself."""
        self._format = decoder
        by_key = bool(upsert_key) and not isinstance(decoder, KeyedFormat)
        self._tombstones = TombstoneReader(schema, upsert_key) if by_key else None

    def batch(self, records: ReadRecords) -> SourceBatch:
        """The rows of `records`; one that does not decode is a failure, and its neighbours go on."""
        values = records.values
        decoded = self._decoded(records)
        rows = decoded.positions if decoded.failures or decoded.kinds is not None else None
        failed = bool(decoded.failures)
        keys, headers = (records.keys(), records.headers()) if failed else ((), ())
        return SourceBatch(
            table=decoded.table,
            partition=records.partition if rows is None else records.partition[rows],
            offset=records.offset if rows is None else records.offset[rows],
            timestamp_ms=records.timestamp_ms if rows is None else records.timestamp_ms[rows],
            order=records.order if rows is None else records.order[rows],
            failures=tuple(
                SourceFailure(
                    order=int(records.order[f.index]),
                    partition=int(records.partition[f.index]),
                    offset=int(records.offset[f.index]),
                    reason=f.reason,
                    raw=values[f.index],
                    passed_over=f.passed_over,
                    key=keys[f.index],
                    headers=headers[f.index],
                )
                for f in decoded.failures
            ),
            keys=_picked(records.keys, rows),
            headers=_picked(records.headers, rows),
            values=_picked(lambda: values, rows),
            appended=_picked_flags(records.appended, rows),
            kinds=decoded.kinds if self._tombstones is None else upsert_kinds(values)[decoded.positions],
        )

    def _decoded(self, records: ReadRecords) -> Decoded:
        if isinstance(self._format, KeyedFormat):
            return self._format.decode_records(records.values, records.keys())
        if self._tombstones is None:
            return self._format.decode(records.values)
        return self._format.decode(self._tombstones.values(records.values, records.keys()))


def _picked(column: Callable[[], Sequence[_T]], rows: Int64s | None) -> Callable[[], Sequence[_T]]:
    """The column's values at `rows`; None: all."""
    if rows is None:
        return column

    def picked() -> list[_T]:
        values = column()
        return [values[i] for i in rows.tolist()]

    return picked


def _picked_flags(column: Callable[[], Bools] | None, rows: Int64s | None) -> Callable[[], Bools] | None:
    """As `_picked`, of flags."""
    if column is None or rows is None:
        return column
    flags = column
    return lambda: flags()[rows]

"""What a source and a sink are to the job that drives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast

import pyarrow as pa

from velo_engine.batch import Bools, Int8s, Int32s, Int64s
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.schema import RowSchema

Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]
"""Record headers in order; a name may occur more than once, as in Kafka."""

NO_TIMESTAMP = -1
"""The timestamp of a record that has none (rows of files); Kafka's RecordBatch.NO_TIMESTAMP."""


@dataclass(frozen=True, slots=True)
class SourceFailure:
    """A record that did not decode."""

    order: int
    partition: int
    offset: int
    reason: str
    """In the user's terms; for files it begins with `path:line: `."""
    raw: bytes | None
    """The record's value as it was read; None for a record without value or bytes of its own."""
    passed_over: bool = False
    """Whether it never stops the job."""
    key: bytes | None = None
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class SourceBatch:
    """Consecutive records of one source: each is a row or a failure. `order` increases over both together."""

    table: pa.Table
    """Physical columns `c0`, `c1`, … of the source's schema."""
    partition: Int32s
    """Per row. Always 0 for files."""
    offset: Int64s
    """Per row. For files the number of records before it in all the source's files."""
    timestamp_ms: Int64s
    """Per row, milliseconds since the epoch; `NO_TIMESTAMP` where there is none."""
    order: Int64s
    """Per row, increasing over the whole source and equal only for rows of one record (of a format of changes): the
    global sequence when the input carries one (then sources merge by it), else the number of records read before it."""
    failures: tuple[SourceFailure, ...]
    """By `order`."""
    keys: Callable[[], Sequence[bytes | None]]
    """The record keys, per row; built when called."""
    headers: Callable[[], Sequence[Headers]]
    """The record headers, per row; built when called."""
    values: Callable[[], Sequence[bytes | None]] | None = None
    """The records as they were read, per row, for dead letters; None where there are only columns (Parquet)."""
    kinds: Int8s | None = None
    """Per row its kind (`RowKind`); None: all are insertions."""
    appended: Callable[[], Bools] | None = None
    """Whether the timestamp is the time at which the broker took the record, per row; None: never."""

    def __len__(self) -> int:
        """Rows."""
        return int(self.table.num_rows)

    @property
    def records(self) -> int:
        """Records read: rows and failures."""
        return len(self) + len(self.failures)


class Source(Protocol):
    """A bounded input, read in order."""

    name: str
    schema: RowSchema

    def read(self, limit: int) -> SourceBatch | None:
        """Up to `limit` (at least 1) next records, at least one; None at the end of the input.

        The concatenation of all batches does not depend on the limits.
        """

    def close(self) -> None:
        """Gives back what is open; may be called at any time, and twice."""


class SeekableSource(Source, Protocol):
    """A bounded input that can be read on from where another reader of it stopped."""

    @property
    def topic(self) -> str:
        """The name under which its positions stand."""

    def seek(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Goes on at these positions, per topic and partition, instead of at the start; before the first read."""


def seekable(source: Source) -> SeekableSource:
    """The source as one with positions. Raises VeloError when it has none."""
    if hasattr(source, "seek") and hasattr(source, "topic"):
        return cast("SeekableSource", source)
    raise VeloError(
        ErrorCode.SQL_UNSUPPORTED,
        f'a job cannot be restarted within the input of "{source.name}", which is a file: it has no positions',
        hint="give the rows of this source in the spec, so that they come through a topic",
    )


class LiveSource(Source, Protocol):
    """An input that goes on. A job reads it or polls it, never both."""

    @property
    def partitions(self) -> int:
        """How many partitions there are; each makes a watermark of its own."""

    def poll(self, limit: int, timeout_s: float) -> SourceBatch | None:
        """What is there, at most `limit` records; None when nothing came within the timeout.

        Returns with the first record rather than wait for more. `order` is a running count.
        """

    @property
    def ended(self) -> bool:
        """Whether the input is bounded and all of it has been given out."""

    def positions(self) -> dict[tuple[str, int], int]:
        """Per topic and partition the offset behind the last record given out; before the first, where it starts."""

    def seek(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Goes on at these positions instead of its own start; before the first poll."""

    def acknowledge(self, positions: Mapping[tuple[str, int], int]) -> None:
        """What lies before these positions is handled and delivered: whoever watches the input's consumer may know."""

    def lag(self) -> int | None:
        """Records between the positions and the ends of the partitions, as last heard; None when unknown."""


def elsewhere(source: str, reads: str, positions: Mapping[tuple[str, int], int]) -> VeloError:
    """What to say when `positions`, where the source was before, are of something else than it `reads` now."""
    before = ", ".join(sorted({topic for topic, _ in positions}))
    return VeloError(
        ErrorCode.STATE_MISMATCH,
        f'the saved state of the source "{source}" is of {before}, and now it reads {reads}',
        hint="to keep what was computed and read the new one from its start, give the source another name, too, and "
        "add --allow-lost-state; or begin anew with --fresh",
    )


class Sink(Protocol):
    """Where a statement's rows go."""

    written: int
    """Records written so far."""

    def write(self, rows: pa.Table) -> None:
        """Writes rows in order: physical columns of the sink's schema and `kind` (int8, `RowKind`)."""

    def close(self) -> None:
        """Completes the output: only now is a file under its name."""

    def abort(self) -> None:
        """Gives up after an error: leaves nothing half-written under the output's name."""

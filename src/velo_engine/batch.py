"""The batch contract: how a piece of a changelog travels along an edge between two operators.

Frozen in docs/decisions/0001-batch-contract.md. In short:

* **Events.** Ingestion gives every record, and every watermark or end-of-input signal without a record, one position
  `seq` in a single dense total order over *all* inputs of the job. `seq` never changes afterwards: it says which
  ingested event caused a row. Rows that one event causes at one edge are ordered by `sub` (0, 1, …). The order of an
  edge is `(seq, sub)`, unique, the same however the input was cut into batches. Operators renumber `sub`, never
  `seq`.
* **Time.** Watermark and processing time are step functions of `seq`. An event first delivers its rows, then its
  watermark step: all rows of event `s` see the watermark *before* `s`; rows fired by the step carry the same `seq` and
  stand after the rows that the event itself caused.
* **Rows.** An Arrow table with physical columns `c0 … cn` in `velo_engine.types` form, then `kind` (int8), `seq`
  (int64), `sub` (int32), sorted by `(seq, sub)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from velo_engine.schema import RowSchema

Int64s: TypeAlias = npt.NDArray[np.int64]
Int32s: TypeAlias = npt.NDArray[np.int32]
Int8s: TypeAlias = npt.NDArray[np.int8]
Bools: TypeAlias = npt.NDArray[np.bool_]

INITIAL_WATERMARK = -(2**63)
"""Before any watermark: Flink's Long.MIN_VALUE. Milliseconds since the epoch, like every watermark."""

FINAL_WATERMARK = 2**63 - 1
"""After bounded input: Flink's Watermark.MAX_WATERMARK."""


class RowKind(IntEnum):
    """What a row does to the result; Flink's RowKind, in its byte order."""

    INSERT = 0
    UPDATE_BEFORE = 1
    UPDATE_AFTER = 2
    DELETE = 3

    @property
    def symbol(self) -> str:
        """`+I`, `-U`, `+U` or `-D`."""
        return KIND_SYMBOLS[self]


KIND_SYMBOLS = ("+I", "-U", "+U", "-D")

SYSTEM_FIELDS = (pa.field("kind", pa.int8()), pa.field("seq", pa.int64()), pa.field("sub", pa.int32()))


@dataclass(frozen=True, slots=True)
class StepFunction:
    """A value that changes only at certain events: `values[i]` holds from just after event `seqs[i]`.

    `seqs` is strictly increasing. For watermarks `values` is strictly increasing too.
    """

    opening: int
    """The value before the first step."""
    seqs: Int64s
    values: Int64s

    @staticmethod
    def constant(value: int) -> StepFunction:
        """No steps."""
        return StepFunction(value, np.empty(0, np.int64), np.empty(0, np.int64))

    @property
    def closing(self) -> int:
        """The value after the last step."""
        return int(self.values[-1]) if len(self.values) else self.opening

    def before(self, seqs: Int64s) -> Int64s:
        """The value in force when each event arrives (a step at the event itself does not count yet)."""
        return self._at(np.searchsorted(self.seqs, seqs, side="left"))

    def after(self, seqs: Int64s) -> Int64s:
        """The value in force once each event has been handled."""
        return self._at(np.searchsorted(self.seqs, seqs, side="right"))

    def first_reaching(self, thresholds: Int64s) -> Int64s:
        """The event whose step first brings the value to each threshold or above; -1 where none in this batch does.

        Only for increasing `values` (watermarks).
        """
        at = np.searchsorted(self.values, thresholds, side="left")
        found = np.append(self.seqs, -1)[np.minimum(at, len(self.seqs))]
        return np.where(at < len(self.seqs), found, -1)

    def _at(self, position: npt.NDArray[np.intp]) -> Int64s:
        return np.concatenate([np.array([self.opening], np.int64), self.values])[position]


@dataclass(frozen=True, slots=True)
class PartitionStatement:
    """What is stated about one partition of a source, beside what its rows say."""

    seq: int
    """The event."""
    partition: int
    watermark_ms: int | None
    """No row with an earlier event time, or this one, will come from it; None: it is idle."""


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """Rows of one edge for the events `first_seq <= seq < end_seq`, with the edge's watermarks over them.

    Every edge of a job sees every span of events, even when it has no rows in it.
    """

    rows: pa.Table
    first_seq: int
    end_seq: int
    watermark: StepFunction
    """Milliseconds since the epoch."""
    processing_time: StepFunction
    """Milliseconds since the epoch, stamped at ingestion."""
    idle: StepFunction | None = None
    """1 while the edge holds no watermark back, else 0; None: never. The runtime sees to it for whole steps."""
    stated: tuple[PartitionStatement, ...] = ()
    """Between a source and where its watermark is made: what was stated about single partitions, in order."""

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    @property
    def kind(self) -> Int8s:
        """Row kinds."""
        kind: Int8s = numpy_column(self.rows, "kind")
        return kind

    @property
    def seq(self) -> Int64s:
        """The event that caused each row."""
        seq: Int64s = numpy_column(self.rows, "seq")
        return seq

    @property
    def sub(self) -> Int32s:
        """The order of rows of one event."""
        sub: Int32s = numpy_column(self.rows, "sub")
        return sub

    def with_rows(self, rows: pa.Table) -> ChangeBatch:
        """The same span and times with other rows."""
        return replace(self, rows=rows)


def physical_schema(schema: RowSchema) -> pa.Schema:
    """The Arrow schema of batches with the columns of `schema`."""
    return pa.schema([*schema.physical(), *SYSTEM_FIELDS])


def empty_rows(schema: RowSchema) -> pa.Table:
    """No rows of `schema`."""
    return physical_schema(schema).empty_table()


def make_rows(schema: RowSchema, columns: Sequence[Any], kind: Int8s, seq: Int64s, sub: Int32s) -> pa.Table:
    """Rows from one Arrow array (or chunked array) per column and the three system arrays."""
    arrays = [*columns, pa.array(kind, pa.int8()), pa.array(seq, pa.int64()), pa.array(sub, pa.int32())]
    return pa.table(arrays, schema=physical_schema(schema))


def numpy_column(rows: pa.Table, name: str) -> Any:
    """A column without nulls as a numpy array."""
    return rows.column(name).to_numpy()


def renumbered(seq: Int64s) -> Int32s:
    """`sub` for rows already in order: 0, 1, … within each run of equal `seq`."""
    n = len(seq)
    if n == 0:
        return np.empty(0, np.int32)
    starts = np.flatnonzero(np.concatenate([[True], seq[1:] != seq[:-1]]))
    return (np.arange(n) - np.repeat(starts, np.diff(np.append(starts, n)))).astype(np.int32)


def lower_watermark(left: StepFunction, right: StepFunction) -> StepFunction:
    """The watermark of an operator with two inputs: the lower of theirs, at every event."""
    seqs = np.union1d(left.seqs, right.seqs)
    opening = min(left.opening, right.opening)
    values = np.minimum(left.after(seqs), right.after(seqs))
    rises = values > np.concatenate([[opening], values[:-1]]) if len(values) else np.empty(0, np.bool_)
    return StepFunction(opening, seqs[rises], values[rises])

"""The rows of one Parquet file, fitted to the declared columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from velo_engine.connectors.paths import unreadable
from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.formats.base import Decoded, DecodeFailure, in_field, without_failures
from velo_engine.formats.event_times import event_time_reader
from velo_engine.formats.text_columns import (
    Failures,
    TextReader,
    cut_to_precision,
    precision_unit,
    text_reader,
    with_nulls,
)
from velo_engine.schema import Column, RowSchema
from velo_engine.types import TIMESTAMPS, TypeName, arrow_type

ROWS_AT_ONCE = 65_536
"""Rows decoded at a time; batches are cut from them."""


class ParquetRecordReader:
    """Reads the rows of one file in order; columns are matched by name, and others are not read.

    Values are converted where nothing is lost but what the declared type cannot hold: decimals are rounded HALF_UP and
    NULL beyond their precision, fractions of a second are cut, texts are read as in CSV; a row with a value that does
    not convert is a failure. Raises VeloError: a file that is not Parquet, or lacks a declared column.
    """

    def __init__(self, path: Path, schema: RowSchema, options: Mapping[str, str]) -> None:
        self.path = path
        self._schema = schema
        self._event_times = [event_time_reader(column, options) for column in schema.columns]
        try:
            self._file = pq.ParquetFile(path)
        except (OSError, pa.ArrowInvalid) as problem:
            if isinstance(problem, OSError) and problem.errno is not None:
                raise unreadable(path, problem) from problem
            raise _damaged(path, problem) from problem
        present = self._file.schema_arrow.names
        for name in schema.names:
            if name not in present:
                self._file.close()
                raise VeloError(
                    ErrorCode.SCHEMA_MISMATCH,
                    f'{path} has no column "{name}"',
                    hint=did_you_mean(name, present, noun="column"),
                )
        self._batches = self._file.iter_batches(batch_size=ROWS_AT_ONCE, columns=list(schema.names), use_threads=False)
        self._decoded: Decoded | None = None
        self._count = 0
        self._next = 0
        self._rows_before = 0

    def read(self, limit: int) -> tuple[Decoded, Callable[[int], bytes]] | None:
        """Up to `limit` next rows; None at the end. Rows have no text of their own: it is empty."""
        while self._decoded is None or self._next >= self._count:
            if not self._load():
                return None
        begin, end = self._next, min(self._next + limit, self._count)
        self._next = end
        return _cut(self._decoded, begin, end), lambda _: b""

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _load(self) -> bool:
        try:
            batch = next(self._batches, None)
        except (OSError, pa.ArrowInvalid) as problem:
            raise _damaged(self.path, problem) from problem
        if batch is None:
            return False
        self._rows_before += self._count
        self._count, self._next = batch.num_rows, 0
        columns = []
        failures: Failures = {}
        for column, event_times in zip(self._schema.columns, self._event_times, strict=True):
            values, reasons = fitted_values(batch.column(column.name), column, event_times)
            for i, reason in reasons.items():
                failures.setdefault(i, self._placed(i, in_field(column.name, column.type, reason)))
            if not column.type.nullable and values.null_count:
                for i in np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False)).tolist():
                    failures.setdefault(i, self._placed(i, in_field(column.name, column.type, "missing or null")))
            columns.append(values)
        self._decoded = without_failures(columns, self._schema, batch.num_rows, failures)
        return True

    def _placed(self, index: int, reason: str) -> str:
        return f"{self.path}:{self._rows_before + index + 1}: {reason}"


def fitted_values(values: pa.Array, column: Column, event_times: TextReader | None) -> tuple[pa.Array, Failures]:
    """`values` in the physical type of `column`, and the reasons of those that do not convert (NULL there)."""
    target = arrow_type(column.type)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if values.type == target and precision_unit(column.type) == 1:
        return values, {}
    if event_times is not None and not pa.types.is_timestamp(values.type):
        return event_times(values.cast(pa.string()))
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return text_reader(column.type)(values.cast(pa.string()))
    try:
        return _converted(values, column), {}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _one_by_one(values, column)


def _converted(values: pa.Array, column: Column) -> pa.Array:
    target = arrow_type(column.type)
    if column.type.name is TypeName.DECIMAL:
        return text_reader(column.type)(values.cast(pa.string()))[0]
    if column.type.name in TIMESTAMPS and pa.types.is_timestamp(values.type):
        micros = _as_micros(values)
        return with_nulls(cut_to_precision(micros.fill_null(0).to_numpy(), column.type), micros).cast(target)
    return values.cast(target)


def _as_micros(moments: pa.Array) -> pa.Array:
    """Timestamps of any unit as microseconds; instants in UTC."""
    if moments.type.unit != "ns":
        return moments.cast(pa.timestamp("us", moments.type.tz)).cast(pa.int64())
    nanos = moments.cast(pa.int64())
    return with_nulls(nanos.fill_null(0).to_numpy() // 1000, nanos)


def _one_by_one(values: pa.Array, column: Column) -> tuple[pa.Array, Failures]:
    target = arrow_type(column.type)
    converted: list[Any] = []
    failures: Failures = {}
    for i in range(len(values)):
        try:
            converted.append(_converted(values.slice(i, 1), column).to_pylist()[0])
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            converted.append(None)
            failures[i] = f"{values[i]} ({values.type}) does not convert"
    return pa.array(converted, target), failures


def _cut(decoded: Decoded, begin: int, end: int) -> Decoded:
    """The part of the records `begin` to `end`."""
    first, last = np.searchsorted(decoded.positions, [begin, end]).tolist()
    return Decoded(
        decoded.table.slice(first, last - first),
        decoded.positions[first:last] - begin,
        tuple(DecodeFailure(f.index - begin, f.reason) for f in decoded.failures if begin <= f.index < end),
    )


def _damaged(path: Path, problem: Exception) -> VeloError:
    return VeloError(
        ErrorCode.FILE_UNREADABLE,
        f"{path} is not a readable Parquet file: {str(problem).splitlines()[0]}",
        hint="the file is damaged, was not written completely, or has another format",
    )

"""Events as the tests write them, cut into batches, and output rows as the tests compare them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from velo_engine.batch import (
    INITIAL_WATERMARK,
    KIND_SYMBOLS,
    ChangeBatch,
    StepFunction,
    empty_rows,
    make_rows,
)
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.schema import RowSchema
from velo_engine.types import arrow_type


@dataclass(frozen=True)
class Event:
    """One ingested event: rows as (kind symbol, values), then perhaps a watermark step."""

    rows: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    watermark: int | None = None


@dataclass(frozen=True)
class OutputRow:
    seq: int
    kind: str
    values: tuple[Any, ...]

    def __eq__(self, other: object) -> bool:
        # By representation: -0.0 is not 0.0, NaN is NaN, 1.0 is not 1.00.
        return isinstance(other, OutputRow) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


@dataclass
class Lates:
    """Collects late rows: (seq, lateness)."""

    rows: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, rows: pa.Table, lateness_ms: Any) -> None:
        self.rows += zip(rows.column("seq").to_pylist(), lateness_ms.tolist(), strict=True)


def context(
    *, emit_unchanged: bool = False, late: Any = None, failures: Any = None, kernel: Any = None, time_zone: str = "UTC"
) -> OperatorContext:
    return OperatorContext(
        kernel=kernel,
        failures=failures,
        late=late or Lates(),
        emit_unchanged=emit_unchanged,
        time_zone=time_zone,
    )


def inserts(*values: tuple[Any, ...]) -> list[Event]:
    """One event per row, all +I."""
    return [Event((("+I", v),)) for v in values]


def batches(schema: RowSchema, events: Sequence[Event], size: int) -> Iterator[ChangeBatch]:
    """The events cut into spans of `size` events."""
    watermark = INITIAL_WATERMARK
    for first in range(0, len(events), size):
        span = events[first : first + size]
        opening, seqs, values = watermark, [], []
        for seq, event in enumerate(span, first):
            if event.watermark is not None and event.watermark > watermark:
                watermark = event.watermark
                seqs.append(seq)
                values.append(watermark)
        yield ChangeBatch(
            rows(schema, span, first),
            first,
            first + len(span),
            StepFunction(opening, np.array(seqs, np.int64), np.array(values, np.int64)),
            StepFunction.constant(0),
        )


def rows(schema: RowSchema, events: Sequence[Event], first: int) -> pa.Table:
    """The rows of consecutive events, the first of which has position `first`."""
    flat = [(seq, sub, *row) for seq, e in enumerate(events, first) for sub, row in enumerate(e.rows)]
    if not flat:
        return empty_rows(schema)
    columns = [
        pa.array([row[3][i] for row in flat], arrow_type(column.type), from_pandas=False)
        for i, column in enumerate(schema.columns)
    ]
    kinds = np.array([KIND_SYMBOLS.index(row[2]) for row in flat], np.int8)
    seq = np.array([row[0] for row in flat], np.int64)
    return make_rows(schema, columns, kinds, seq, np.array([row[1] for row in flat], np.int32))


def output(table: pa.Table) -> list[OutputRow]:
    """Output rows; asserts what the batch contract says about them."""
    values = list(zip(*(c.to_pylist() for c in table.columns[:-3]), strict=True)) or [()] * table.num_rows
    kinds, seqs, subs = (table.column(name).to_pylist() for name in ("kind", "seq", "sub"))
    expected, last = 0, -1
    for seq, sub in zip(seqs, subs, strict=True):
        expected = expected + 1 if seq == last else 0
        assert seq >= last, "rows are in order of events"
        assert sub == expected, "rows of one event are numbered 0, 1, …"
        last = seq
    return [OutputRow(s, KIND_SYMBOLS[k], v) for s, k, v in zip(seqs, kinds, values, strict=True)]


def run(operator: Operator, inputs: Iterable[ChangeBatch]) -> list[OutputRow]:
    return [row for batch in inputs for row in output(operator.process(batch).rows)]


def fold(changes: Iterable[OutputRow]) -> list[tuple[Any, ...]]:
    """The table that a changelog leaves behind; asserts that only present rows are taken away."""
    table: list[str] = []
    for change in changes:
        if change.kind in ("+I", "+U"):
            table.append(repr(change.values))
        else:
            table.remove(repr(change.values))
    return sorted(table)

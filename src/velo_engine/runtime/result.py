"""What a job gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from velo_engine.batch import KIND_SYMBOLS, RowKind, empty_rows, numpy_column
from velo_engine.connectors.dead_letters import DeadLetter
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.operators.keys import KeyDictionary
from velo_engine.runtime.accounting import Accounting
from velo_engine.schema import RowSchema


@dataclass(frozen=True, slots=True)
class StatementResult:
    """What one statement gave out."""

    name: str
    schema: RowSchema
    aliases: Mapping[str, str]
    upsert_key: tuple[int, ...]
    rows: pa.Table
    """The changelog in physical form (`c0` …, `kind`, `seq`, `sub`)."""
    sink_rows: pa.Table
    """What of it the sink gets: the same, or without -U, or the newest rows of its primary key."""
    late: pa.Table
    """Rows that came too late: columns of the window's input, and `late_by_ms`."""
    accounting: Accounting
    elapsed_ms: float
    """Time spent in this statement's operators."""

    @property
    def changelog(self) -> pa.Table:
        """The changes in order, under the users' column names, and `op` (`+I`, `-U`, `+U`, `-D`) as the last column."""
        op = pa.array(KIND_SYMBOLS).take(pa.array(numpy_column(self.rows, "kind"), pa.int8()))
        columns = [self.rows.column(i) for i in range(len(self.schema))]
        return pa.table([*columns, op], schema=self.schema.arrow().append(pa.field("op", pa.string())))

    @property
    def final(self) -> pa.Table:
        """The changelog folded: the rows that stand at the end, in the order of their first appearance."""
        folded = fold(self.schema, self.rows)
        return pa.table(folded.columns, schema=self.schema.arrow())


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a run gave out."""

    statements: Mapping[str, StatementResult]
    dead_letters: tuple[DeadLetter, ...]
    """The letters kept, in the order of their events."""
    dead_letter_count: int
    records: int
    """Records read over all sources."""
    elapsed_ms: float

    def summary(self) -> str:
        """The accounting of every statement, for people."""
        width = max((len(name) for name in self.statements), default=0)
        lines = [f"{name:<{width}}  {s.accounting}" for name, s in self.statements.items()]
        if self.dead_letter_count:
            lines.append(f"dead letters: {self.dead_letter_count:,}")
            lines += [
                f"  {d.source}[{d.partition}]@{d.offset}: {d.reason}" for d in self.dead_letters[:SHOWN_DEAD_LETTERS]
            ]
            more = self.dead_letter_count - SHOWN_DEAD_LETTERS
            if more > 0:
                lines.append(f"  and {more:,} more")
        return "\n".join(lines)


SHOWN_DEAD_LETTERS = 5


def fold(schema: RowSchema, rows: pa.Table) -> pa.Table:
    """The final contents of a changelog: physical columns without system columns.

    Rows are a bag: a retraction removes one equal row. Raises VeloError INTERNAL when one removes a row that is not
    there.
    """
    kind = numpy_column(rows, "kind")
    values = rows.select(range(len(schema)))
    if not kind.any():
        return values
    code = KeyDictionary(schema.types).encode([values.column(i) for i in range(len(schema))])
    added = (kind == RowKind.INSERT) | (kind == RowKind.UPDATE_AFTER)
    count = np.bincount(code, weights=np.where(added, 1.0, -1.0)).astype(np.int64)
    if (count < 0).any():
        raise VeloError(ErrorCode.INTERNAL, "a change retracts a row that was never given out")
    first = np.unique(code, return_index=True)[1]
    order = np.sort(first)
    return values.take(np.repeat(order, count[code[order]]))


def concatenated(schema: RowSchema, parts: Sequence[pa.Table]) -> pa.Table:
    """One table from the rows of many batches."""
    return pa.concat_tables(parts) if parts else empty_rows(schema)

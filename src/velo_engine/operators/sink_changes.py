"""What a changelog passes through before a sink that declares NOT NULL columns or knows rows by a key."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from velo_engine.batch import ChangeBatch, RowKind, empty_rows, make_rows, numpy_column, renumbered
from velo_engine.operators.base import Operator, OperatorContext
from velo_engine.operators.keyed_rows import NO_TTL
from velo_engine.operators.keys import KeyDictionary
from velo_engine.plan import changelog_nodes as nodes
from velo_engine.plan.nodes import NotNullColumns
from velo_engine.schema import RowSchema


class EnforceNotNull(Operator):
    """Takes out rows with NULL in a column that the sink declares NOT NULL: silently, or as rows that fail.

    Source: Flink's ConstraintEnforcer, which names the first such column.
    """

    def __init__(self, context: OperatorContext, required: NotNullColumns, schema: RowSchema) -> None:
        self._context = context
        self._required = required
        self._names = [schema.names[i] for i in required.columns]

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The rows that the sink may take."""
        (batch,) = inputs
        columns = [batch.rows.column(i) for i in self._required.columns]
        if not any(column.null_count for column in columns):
            return batch
        missing = np.column_stack([np.asarray(column.is_null()) for column in columns])
        bad = missing.any(axis=1)
        if not self._required.drops:
            reasons = [_is_null(self._names[at]) for at in missing[bad].argmax(axis=1).tolist()]
            self._context.failures(batch.rows.filter(pa.array(bad)), reasons)
        return batch.with_rows(batch.rows.filter(pa.array(~bad)))


def _is_null(column: str) -> str:
    return (
        f"column '{column}' is NOT NULL, however, a null value is being written into it "
        "(table.exec.sink.not-null-enforcer = DROP leaves such rows out)"
    )


class DropUpdateBefore(Operator):
    """Leaves -U out: the +U behind it replaces the row."""

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """All other rows."""
        (batch,) = inputs
        kept = batch.kind != RowKind.UPDATE_BEFORE
        return batch if kept.all() else batch.with_rows(batch.rows.filter(pa.array(kept)))


class SinkUpsertMaterialize(Operator):
    """Keeps, for each key of the sink, the rows that stand under it, oldest first, and gives out the last.

    Source: Flink's SinkUpsertMaterializer. A row that is taken back and is not the last one goes silently; after the
    last the one before it stands again; a row that is not there is ignored.
    """

    def __init__(self, context: OperatorContext, node: nodes.SinkUpsertMaterialize, *, ttl_ms: int = NO_TTL) -> None:
        self._context = context
        self._node = node
        self._ttl_ms = ttl_ms
        self._keys = KeyDictionary(node.schema.select(node.keys).types)
        self._rows = KeyDictionary(node.schema.types)
        self._standing: dict[int, list[int]] = {}
        """Row codes by key code."""
        self._written: dict[int, int] = {}
        """Processing time of the last write, by key code."""
        self._uses: dict[int, int] = {}

    def process(self, *inputs: ChangeBatch) -> ChangeBatch:
        """The changes to the newest rows."""
        (batch,) = inputs
        if not len(batch):
            return batch.with_rows(empty_rows(self._node.schema))
        columns = [batch.rows.column(i) for i in range(len(self._node.schema))]
        keys = self._keys.encode([columns[i] for i in self._node.keys]).tolist()
        rows = self._rows.encode(columns).tolist()
        changes: list[tuple[RowKind, int, int]] = []
        touched = set(rows)
        now = batch.processing_time.before(batch.seq).tolist()
        back = (batch.kind & 1).tolist()
        for key, row, taken_back, seq, moment in zip(keys, rows, back, batch.seq.tolist(), now, strict=True):
            standing = self._alive(key, moment, touched)
            change = self._take_back(standing, row) if taken_back else self._add(standing, row)
            if change is not None:
                changes.append((*change, seq))
            self._remember(key, standing, moment)
        table = self._output(changes)
        self._forget(touched, set(keys))
        self._context.counters.state_rows = sum(map(len, self._standing.values()))
        return batch.with_rows(table)

    def snapshot(self) -> dict[str, pa.Table]:
        """The rows under every key, in order."""
        held = [(key, row) for key, rows in self._standing.items() for row in rows]
        entries = np.array(held, np.int64).reshape(-1, 2)
        written = np.array(list(self._written.items()), np.int64).reshape(-1, 2)
        return {
            "entries": pa.table({"key": entries[:, 0], "row": entries[:, 1]}),
            "written": pa.table({"key": written[:, 0], "at": written[:, 1]}),
            "keys": self._keys.snapshot(),
            "rows": self._rows.snapshot(),
        }

    def restore(self, state: Mapping[str, pa.Table]) -> None:
        """Continue from a snapshot."""
        self._keys.restore(state["keys"])
        self._rows.restore(state["rows"])
        self._standing, self._uses = {}, {}
        self._written = dict(zip(state["written"]["key"].to_pylist(), state["written"]["at"].to_pylist(), strict=True))
        entries = state["entries"]
        for key, row in zip(numpy_column(entries, "key").tolist(), numpy_column(entries, "row").tolist(), strict=True):
            self._standing.setdefault(key, []).append(row)
            self._uses[row] = self._uses.get(row, 0) + 1
        self._context.counters.state_rows = entries.num_rows

    def _alive(self, key: int, now: int, touched: set[int]) -> list[int]:
        """The rows under a key, none when their TTL has passed."""
        standing = self._standing.get(key, [])
        if self._ttl_ms != NO_TTL and standing and self._written[key] + self._ttl_ms <= now:
            for row in standing:
                self._uses[row] -= 1
                touched.add(row)
            return []
        return standing

    def _add(self, standing: list[int], row: int) -> tuple[RowKind, int]:
        kind = RowKind.UPDATE_AFTER if standing else RowKind.INSERT
        standing.append(row)
        self._uses[row] = self._uses.get(row, 0) + 1
        return kind, row

    def _take_back(self, standing: list[int], row: int) -> tuple[RowKind, int] | None:
        if row not in standing:
            return None
        at = standing.index(row)
        was_last = at == len(standing) - 1
        del standing[at]
        self._uses[row] -= 1
        if not standing:
            return RowKind.DELETE, row
        return (RowKind.UPDATE_AFTER, standing[-1]) if was_last else None

    def _remember(self, key: int, standing: list[int], now: int) -> None:
        if standing:
            self._standing[key] = standing
            self._written[key] = now
        else:
            self._standing.pop(key, None)
            self._written.pop(key, None)

    def _output(self, changes: list[tuple[RowKind, int, int]]) -> pa.Table:
        if not changes:
            return empty_rows(self._node.schema)
        kinds, rows, seqs = (np.array(part, np.int64) for part in zip(*changes, strict=True))
        columns = self._rows.columns(rows)
        return make_rows(self._node.schema, columns, kinds.astype(np.int8), seqs, renumbered(seqs))

    def _forget(self, rows: set[int], keys: set[int]) -> None:
        """Let go of rows and keys that hold nothing any more."""
        gone = sorted(row for row in rows if not self._uses.get(row))
        if gone:
            self._rows.free(np.array(gone, np.int64))
            for row in gone:
                self._uses.pop(row, None)
        empty = sorted(key for key in keys if key not in self._standing)
        if empty:
            self._keys.free(np.array(empty, np.int64))

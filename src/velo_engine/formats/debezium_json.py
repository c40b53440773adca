"""The debezium-json format: change events of a database, `{"before": {…}, "after": {…}, "op": "u", …}`.

Source: DebeziumJsonDeserializationSchema and DebeziumJsonSerializationSchema of Flink 2.3. The rows themselves are read
and written by the JSON format.

| `op` | rows |
|---|---|
| `c` (create), `r` (snapshot) | +I of `after` |
| `u` (update) | -U of `before`, then +U of `after` |
| `d` (delete) | -D of `before` |

An empty record and a tombstone give no row. An update or a delete without `before` is a failure as in Flink (PostgreSQL
needs REPLICA IDENTITY FULL), and so is any other `op`. In `before` a column declared NOT NULL may be missing.

Written are `c` for +I and +U, `d` for -U and -D, as Flink does; a table without kinds is all +I.

Options: `debezium-json.schema-include` (false; true: the event is in `payload`, beside its schema; only for sources),
and of the JSON format under this prefix `ignore-parse-errors`, `timestamp-format.standard`,
`encode.decimal-as-plain-number`, `encode.ignore-null-fields`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from velo_engine.batch import Int8s, Int64s, RowKind, numpy_column
from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.base import Decoded, DecodeFailure, shown
from velo_engine.formats.framing import flag
from velo_engine.formats.json_format import JsonFormat
from velo_engine.schema import RowSchema
from velo_engine.types import STRING, SqlType, row

_PREFIX = "debezium-json."
_NO_BEFORE = 'the "before" of the {} is null: for PostgreSQL set the REPLICA IDENTITY of the table to FULL'
_CREATED, _UPDATED, _DELETED = 1, 2, 3
_CODES = {"c": _CREATED, "r": _CREATED, "u": _UPDATED, "d": _DELETED}


class DebeziumJsonFormat:
    """Change events to rows with kinds, and back."""

    def __init__(self, schema: RowSchema, options: Mapping[str, str], decoded: frozenset[int] | None = None) -> None:
        """`decoded`: the positions of the columns that are wanted (None: all); the others are NULL in every row."""
        self._schema = schema
        self._wanted = [i for i in range(len(schema)) if decoded is None or i in decoded] or [0]
        self._tolerant = flag(options, _PREFIX + "ignore-parse-errors", False)
        self._in_payload = flag(options, _PREFIX + "schema-include", False)
        self._events = JsonFormat(self._event_schema(), _json_options(options))
        whole = row(*((c.name, c.type) for c in schema.columns))
        self._written = JsonFormat(
            RowSchema.of(("before", whole), ("after", whole), ("op", STRING)), _json_options(options)
        )

    def _event_schema(self) -> RowSchema:
        columns = [self._schema.columns[i] for i in self._wanted]
        after = row(*((c.name, c.type) for c in columns))
        before = row(*((c.name, c.type.as_nullable()) for c in columns))
        fields: list[tuple[str, SqlType]] = [("before", before), ("after", after), ("op", STRING)]
        return RowSchema.of(("payload", row(*fields))) if self._in_payload else RowSchema.of(*fields)

    def decode(self, messages: Sequence[bytes | None]) -> Decoded:
        """No, one or two rows a message."""
        events = np.array([i for i, message in enumerate(messages) if message], np.int64)
        found = self._events.decode([messages[i] for i in events.tolist()])
        failures = {int(events[f.index]): f.reason for f in found.failures}
        at = events[found.positions]
        before, after, op = self._parts(found.table)
        codes = self._codes(op, before, after, at, failures)
        old, new = (codes == _UPDATED) | (codes == _DELETED), (codes == _CREATED) | (codes == _UPDATED)
        # Two places an event, for the old and the new row.
        taken = np.flatnonzero(np.stack([old, new], axis=1).reshape(-1))
        event, is_new = taken // 2, taken % 2 == 1
        kinds = np.where(
            is_new,
            np.where(codes[event] == _UPDATED, RowKind.UPDATE_AFTER, RowKind.INSERT),
            np.where(codes[event] == _UPDATED, RowKind.UPDATE_BEFORE, RowKind.DELETE),
        ).astype(np.int8)
        columns = self._columns(before, after, event + np.where(is_new, len(codes), 0))
        return Decoded(
            pa.table(columns, schema=self._schema.physical()),
            at[event],
            tuple(DecodeFailure(i, failures[i], self._tolerant) for i in sorted(failures)),
            kinds,
        )

    def _parts(self, table: pa.Table) -> tuple[pa.Array, pa.Array, pa.Array]:
        """`before`, `after` and `op` of each event."""
        if not self._in_payload:
            before, after, op = (table.column(i).combine_chunks() for i in range(3))
            return before, after, op
        payload = table.column(0).combine_chunks()
        # struct_field takes the NULL of a missing payload over to its members.
        before, after, op = (pc.struct_field(payload, [i]) for i in range(3))
        return before, after, op

    def _codes(self, op: pa.Array, before: pa.Array, after: pa.Array, at: Int64s, failures: dict[int, str]) -> Int64s:
        """What each event is; 0 where it is in `failures`."""
        codes = np.array([_CODES.get(text, 0) for text in op.to_pylist()], np.int64)
        needs_before = (codes == _UPDATED) | (codes == _DELETED)
        no_before = needs_before & before.is_null().to_numpy(zero_copy_only=False)
        no_after = ((codes == _CREATED) | (codes == _UPDATED)) & after.is_null().to_numpy(zero_copy_only=False)
        for i in np.flatnonzero((codes == 0) | no_before | no_after).tolist():
            text = op[i].as_py()
            if codes[i] == 0:
                reason = "the event has no op" if text is None else f"the op {shown(text)} is none of c, r, u, d"
            elif no_before[i]:
                reason = _NO_BEFORE.format("update" if codes[i] == _UPDATED else "delete")
            else:
                reason = 'the "after" of the event is null'
            failures[int(at[i])] = reason
            codes[i] = 0
        return codes

    def _columns(self, before: pa.Array, after: pa.Array, rows: Int64s) -> list[pa.Array]:
        """All columns of the schema; `rows` count through `before`, then through `after`."""
        index = pa.array(rows)
        made: dict[int, Any] = {}
        for place, position in enumerate(self._wanted):
            both = pa.concat_arrays([pc.struct_field(before, [place]), pc.struct_field(after, [place])])
            made[position] = both.take(index)
        physical = self._schema.physical()
        return [made.get(i, pa.nulls(len(rows), physical.field(i).type)) for i in range(len(self._schema))]

    def encode(self, table: pa.Table) -> list[bytes]:
        """One event a row, by its kind."""
        if self._in_payload:
            raise VeloError(
                ErrorCode.BAD_PROPERTY,
                f"{_PREFIX}schema-include is only for sources",
                hint="leave it away: events are written without their schema",
            )
        gone = _is_gone(table)
        columns = [table.column(i).combine_chunks() for i in range(len(self._schema))]
        fields = [pa.field(c.name, column.type) for c, column in zip(self._schema.columns, columns, strict=True)]
        old = pa.StructArray.from_arrays(columns, fields=fields, mask=pa.array(~gone))
        new = pa.StructArray.from_arrays(columns, fields=fields, mask=pa.array(gone))
        op = pa.array(np.where(gone, "d", "c"), pa.string())
        return self._written.encode(pa.table([old, new, op], names=["c0", "c1", "c2"]))


def _is_gone(table: pa.Table) -> Any:
    """Which rows are -U or -D."""
    if "kind" not in table.column_names:
        return np.zeros(table.num_rows, np.bool_)
    kinds: Int8s = numpy_column(table, "kind")
    return (kinds == RowKind.UPDATE_BEFORE) | (kinds == RowKind.DELETE)


def _json_options(options: Mapping[str, str]) -> dict[str, str]:
    """The options of the JSON format that the events are read and written with."""
    column = next((key for key in options if key.startswith("timestamp.format.")), None)
    if column is not None:
        raise VeloError(
            ErrorCode.BAD_PROPERTY, f'"{column}" has no effect in the format debezium-json', hint="read it as BIGINT"
        )
    own = {key: value for key, value in options.items() if key.startswith(_PREFIX)}
    return {
        "json." + key.removeprefix(_PREFIX): value for key, value in own.items() if key != _PREFIX + "schema-include"
    }

"""From a changelog to final values: what a stream says in the end, with the churn on the way counted apart.

Two engines may emit different intermediate results for the same input (mini-batching alone changes them), so only what
remains is compared. Changes are Arrow tables with the stream's columns and `velo_kind` (int8, a RowKind), in the order
in which the stream has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from velo_engine.batch import RowKind
from velo_engine.kernel import Kernel

KIND_COLUMN = "velo_kind"
_POSITION = "velo_position"
_NET = "velo_net"


class Changelog(StrEnum):
    """How a stream says what it says.

    Source: Flink 2.3, "Dynamic Tables", table to stream conversion; the debezium-json format.
    """

    APPEND = "append"
    """Every record is a row that stays."""
    UPSERT = "upsert"
    """The last record of a key is its row; a tombstone removes it."""
    RETRACT = "retract"
    """Rows are added, and taken back by value."""
    DEBEZIUM = "debezium"
    """Change events, decoded to rows that are added and taken back by value."""


@dataclass(frozen=True, slots=True)
class Folded:
    """What a changelog leaves."""

    rows: pa.Table
    """The final rows, without the kind."""
    churn: int
    """Changes beside those that made the final rows. No error."""
    unmatched: int = 0
    """Rows taken back more often than they were added: the stream is not whole, or began before it was read."""


def fold(kernel: Kernel, changes: pa.Table, changelog: Changelog, key: Sequence[str] = ()) -> Folded:
    """The final rows of `changes`. `key` is needed by upsert streams only."""
    rows = changes.drop_columns([KIND_COLUMN])
    match changelog:
        case Changelog.APPEND:
            added = pc.equal(changes.column(KIND_COLUMN), pa.scalar(int(RowKind.INSERT), pa.int8()))
            kept = rows.filter(added)
            return Folded(kept, churn=0, unmatched=len(rows) - len(kept))
        case Changelog.UPSERT:
            final = _last_by_key(kernel, changes, key)
            return Folded(final, churn=len(changes) - len(final))
        case _:
            return _net(kernel, changes, rows.column_names)


def _last_by_key(kernel: Kernel, changes: pa.Table, key: Sequence[str]) -> pa.Table:
    """What stood before an update says nothing in an upsert stream: the key's next record does."""
    numbered = changes.append_column(_POSITION, pa.array(np.arange(len(changes))))
    names = [name for name in changes.column_names if name != KIND_COLUMN]
    partition = ", ".join(_quoted(name) for name in key)
    return kernel.query(
        f"SELECT {', '.join(map(_quoted, names))} FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY {partition} "
        f"ORDER BY {_POSITION} DESC) AS velo_last FROM changes WHERE {KIND_COLUMN} <> {int(RowKind.UPDATE_BEFORE)}) "
        f"WHERE velo_last = 1 AND {KIND_COLUMN} <> {int(RowKind.DELETE)} ORDER BY {_POSITION}",
        changes=numbered,
    )


def _net(kernel: Kernel, changes: pa.Table, names: Sequence[str]) -> Folded:
    columns = ", ".join(map(_quoted, names))
    added = f"{KIND_COLUMN} IN ({int(RowKind.INSERT)}, {int(RowKind.UPDATE_AFTER)})"
    numbered = changes.append_column(_POSITION, pa.array(np.arange(len(changes))))
    found = kernel.query(
        f"SELECT {columns}, {_NET} FROM (SELECT {columns}, MAX({_POSITION}) AS {_POSITION}, "
        f"CAST(SUM(CASE WHEN {added} THEN 1 ELSE -1 END) AS BIGINT) AS {_NET} "
        f"FROM changes GROUP BY {columns}) WHERE {_NET} <> 0 ORDER BY {_POSITION}",
        changes=numbered,
    )
    net = found.column(_NET).to_numpy()
    copies = np.repeat(np.arange(len(net)), np.maximum(net, 0))
    rows = found.drop_columns([_NET]).take(pa.array(copies))
    unmatched = int(-net[net < 0].sum())
    return Folded(rows, churn=len(changes) - len(rows) - unmatched, unmatched=unmatched)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

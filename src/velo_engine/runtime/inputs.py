"""What a source reads: an input given by the caller, else the connector that its properties name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from velo_engine.batch import Int8s, Int64s
from velo_engine.connectors.source import NO_TIMESTAMP, SourceBatch
from velo_engine.connectors.topics import Topic
from velo_engine.errors import ErrorCode, VeloError, did_you_mean
from velo_engine.schema import RowSchema


@dataclass(frozen=True, slots=True)
class TopicInput:
    """Records of an in-memory topic."""

    topic: Topic
    format: str = "json"
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TableInput:
    """Rows already in Arrow, by column name. Missing columns are NULL; an unknown one is an error."""

    table: pa.Table
    order: Int64s | None = None
    """The global merge key of each row; None for its position."""
    kinds: Int8s | None = None
    """The row kind of each row (`RowKind`), for a source of changes; None for insertions."""


@dataclass(frozen=True, slots=True)
class KafkaInput:
    """Records of a topic of the engine's cluster."""

    properties: Mapping[str, str]
    """Over those of the source: `topic`, `format` and its options."""


Input: TypeAlias = TopicInput | KafkaInput | TableInput


class TableSource:
    """A source over rows in memory."""

    def __init__(self, name: str, schema: RowSchema, given: TableInput) -> None:
        self.name = name
        self.schema = schema
        self._table = fitted(name, schema, given.table)
        self._order = np.arange(self._table.num_rows) if given.order is None else given.order
        self._kinds = given.kinds
        self._at = 0

    def read(self, limit: int) -> SourceBatch | None:
        """The next rows."""
        if self._at >= self._table.num_rows:
            return None
        table = self._table.slice(self._at, limit)
        n = table.num_rows
        offset = np.arange(self._at, self._at + n)
        order = self._order[self._at : self._at + n]
        self._at += n
        return SourceBatch(
            table=table,
            partition=np.zeros(n, np.int32),
            offset=offset,
            timestamp_ms=np.full(n, NO_TIMESTAMP, np.int64),
            order=order,
            failures=(),
            keys=lambda: [None] * n,
            headers=lambda: [()] * n,
            kinds=None if self._kinds is None else self._kinds[self._at - n : self._at],
        )

    def close(self) -> None:
        """Nothing is open."""


def fitted(name: str, schema: RowSchema, table: pa.Table) -> pa.Table:
    """`table` under the physical columns of `schema`. Raises VeloError when a column is unknown or does not convert."""
    for column in table.column_names:
        if schema.index(column) is None:
            raise VeloError(
                ErrorCode.SCHEMA_MISMATCH,
                f'{name} has no column "{column}"',
                hint=did_you_mean(column, schema.names, noun="column"),
            )
    columns = []
    for wanted in schema.arrow():
        if wanted.name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, wanted.type))
            continue
        try:
            columns.append(table.column(wanted.name).cast(wanted.type))
        except pa.ArrowInvalid as e:
            raise VeloError(
                ErrorCode.SCHEMA_MISMATCH, f'column "{wanted.name}" of {name} does not fit {wanted.type}: {e}'
            ) from e
    return pa.table(columns, schema=schema.physical())


def under_root(path: str, base_dir: Path, root: Path | None) -> Path:
    """A path of the program made absolute. Raises VeloError when it leaves `root`."""
    absolute = (base_dir / path).absolute()
    if root is not None and not Path(_normal(absolute)).is_relative_to(root.resolve()):
        raise VeloError(
            ErrorCode.PATH_OUTSIDE_PROJECT,
            f"{path} lies outside {root}",
            hint="move the file into the project, or allow the path with --allow-path",
        )
    return absolute


def _normal(path: Path) -> str:
    """The path without `..` and links, as far as it exists (the last part may be a pattern)."""
    return str(path.parent.resolve() / path.name)

"""Record keys from key columns."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from velo_engine.formats.base import open_format
from velo_engine.schema import RowSchema


class KeyEncoder:
    """The record key of each row: of one key column its value as text, of several a JSON object under their names.

    A row whose only key column is NULL has no key.
    """

    def __init__(self, schema: RowSchema, key_columns: Sequence[int]) -> None:
        self._columns = tuple(key_columns)
        key_schema = schema.select(self._columns)
        self._format = open_format("raw" if len(self._columns) == 1 else "json", key_schema, {})

    def encode(self, rows: pa.Table) -> list[bytes | None]:
        """One key a row of `rows` (physical columns)."""
        columns = [rows.column(f"c{i}") for i in self._columns]
        table = pa.table(columns, names=[f"c{i}" for i in range(len(columns))])
        keys: list[bytes | None] = [*self._format.encode(table)]
        if len(columns) == 1 and columns[0].null_count:
            valid = columns[0].is_valid().to_pylist()
            return [key if present else None for key, present in zip(keys, valid, strict=True)]
        return keys

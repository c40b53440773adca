"""Record keys from key columns."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from velo_engine.formats.base import Format, open_format
from velo_engine.formats.scalar_text import scalar_text
from velo_engine.schema import RowSchema


class KeyEncoder:
    """The record key of each row: of one key column its value as text, of several a JSON object under their names.

    A row whose only key column is NULL has no key.
    """

    def __init__(self, schema: RowSchema, key_columns: Sequence[int], form: Format | None = None) -> None:
        """`form`: how keys are written instead."""
        self._columns = tuple(key_columns)
        self._schema = schema.select(self._columns)
        many = len(self._columns) > 1
        self._form = form or (open_format("json", self._schema, {}) if many else None)

    def encode(self, rows: pa.Table) -> list[bytes | None]:
        """One key a row of `rows` (physical columns)."""
        columns = [rows.column(f"c{i}").combine_chunks() for i in self._columns]
        if self._form is not None:
            return [*self._form.encode(pa.table(columns, schema=self._schema.physical()))]
        keys: list[bytes | None] = scalar_text(columns[0], self._schema.types[0]).cast(pa.binary()).to_pylist()
        return keys

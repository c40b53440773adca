"""The raw format: the record's value is the value of the single column.

As Flink's raw format for strings (UTF-8) and bytes; its big-endian numbers are not supported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.base import Decoded, in_field, without_failures
from velo_engine.formats.text_columns import Failures
from velo_engine.schema import RowSchema
from velo_engine.types import BINARIES, STRINGS, arrow_type


class RawFormat:
    """Record values as they are. A record without value is NULL."""

    def __init__(self, schema: RowSchema, options: Mapping[str, str]) -> None:  # noqa: ARG002 (it has no options)
        if len(schema) != 1 or schema.types[0].name not in STRINGS | BINARIES:
            columns = ", ".join(f"{c.name} {c.type}" for c in schema.columns)
            raise VeloError(
                ErrorCode.BAD_PROPERTY, f"the raw format needs a single STRING or BYTES column, not ({columns})"
            )
        self._schema = schema
        self._column = schema.columns[0]

    def decode(self, messages: Sequence[bytes | None]) -> Decoded:
        """One row a message."""
        failures: Failures = {}
        column = pa.array(messages, pa.binary())
        if self._column.type.name in STRINGS:
            try:
                column = column.cast(pa.string())
            except pa.ArrowInvalid:
                column = self._texts(messages, failures)
        if not self._column.type.nullable and column.null_count:
            for i, message in enumerate(messages):
                if message is None:
                    failures[i] = in_field(self._column.name, self._column.type, "missing or null")
        return without_failures([column], self._schema, len(messages), failures)

    def _texts(self, messages: Sequence[bytes | None], failures: Failures) -> pa.Array:
        texts: list[str | None] = []
        for i, message in enumerate(messages):
            try:
                texts.append(None if message is None else message.decode())
            except UnicodeDecodeError:
                texts.append(None)
                failures[i] = in_field(self._column.name, self._column.type, "not valid UTF-8")
        return pa.array(texts, arrow_type(self._column.type))

    def encode(self, table: pa.Table) -> list[bytes]:
        """The column's values; NULL is an empty value."""
        return [value if value is not None else b"" for value in table.column("c0").cast(pa.binary()).to_pylist()]

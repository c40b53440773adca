"""The raw format: the record's value is the value of the single column.

As Flink's raw format: text, bytes, and numbers in as many bytes as their type has. A record without value is NULL, and
one with the wrong number of bytes a failure.

Options: `raw.charset` (UTF-8), `raw.endianness` (big-endian, or little-endian).
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.base import Decoded, in_field, without_failures
from velo_engine.formats.text_columns import Failures
from velo_engine.schema import RowSchema
from velo_engine.types import BINARIES, STRINGS, TypeName, arrow_type

_NUMBERS = {
    TypeName.BOOLEAN: "u1",
    TypeName.TINYINT: "i1",
    TypeName.SMALLINT: "i2",
    TypeName.INT: "i4",
    TypeName.BIGINT: "i8",
    TypeName.FLOAT: "f4",
    TypeName.DOUBLE: "f8",
}
"""How numpy calls the bytes of each type."""


class RawFormat:
    """Record values as they are. A record without value is NULL."""

    def __init__(self, schema: RowSchema, options: Mapping[str, str]) -> None:
        if len(schema) != 1 or schema.types[0].name not in STRINGS | BINARIES | set(_NUMBERS):
            columns = ", ".join(f"{c.name} {c.type}" for c in schema.columns)
            raise VeloError(
                ErrorCode.BAD_PROPERTY,
                f"the raw format needs a single column of text, bytes, BOOLEAN or a number, not ({columns})",
            )
        self._schema = schema
        self._column = schema.columns[0]
        self._charset = _charset(options)
        form = _NUMBERS.get(self._column.type.name)
        self._number = None if form is None else np.dtype(_byte_order(options) + form)

    def decode(self, messages: Sequence[bytes | None]) -> Decoded:
        """One row a message."""
        failures: Failures = {}
        if self._number is not None:
            column = self._numbers(messages, self._number, failures)
        elif self._column.type.name in STRINGS:
            column = self._texts(messages, failures)
        else:
            column = pa.array(messages, pa.binary())
        if not self._column.type.nullable and column.null_count:
            for i, message in enumerate(messages):
                if message is None:
                    failures[i] = in_field(self._column.name, self._column.type, "missing or null")
        return without_failures([column], self._schema, len(messages), failures)

    def _numbers(self, messages: Sequence[bytes | None], form: np.dtype, failures: Failures) -> pa.Array:
        zero = bytes(form.itemsize)
        values = []
        for i, message in enumerate(messages):
            if message is not None and len(message) != form.itemsize:
                reason = f"{len(message)} bytes, where the type has {form.itemsize}"
                failures[i] = in_field(self._column.name, self._column.type, reason)
            values.append(zero if message is None or i in failures else message)
        numbers = np.frombuffer(b"".join(values), form)
        target = arrow_type(self._column.type)
        plain = numbers != 0 if target == pa.bool_() else numbers.astype(form.newbyteorder("="))
        return pa.array(plain, target, mask=np.array([message is None for message in messages], np.bool_))

    def _texts(self, messages: Sequence[bytes | None], failures: Failures) -> pa.Array:
        if self._charset == "utf-8":
            try:
                return pa.array(messages, pa.binary()).cast(pa.string())
            except pa.ArrowInvalid:
                pass
        texts: list[str | None] = []
        for i, message in enumerate(messages):
            try:
                texts.append(None if message is None else message.decode(self._charset))
            except UnicodeDecodeError:
                texts.append(None)
                name = "UTF-8" if self._charset == "utf-8" else self._charset
                failures[i] = in_field(self._column.name, self._column.type, f"not valid {name}")
        return pa.array(texts, arrow_type(self._column.type))

    def encode(self, table: pa.Table) -> list[bytes]:
        """The column's values; NULL is an empty value."""
        column = table.column("c0").combine_chunks()
        if self._number is not None:
            valid = column.is_valid().to_pylist()
            values = column.cast(pa.uint8()) if column.type == pa.bool_() else column
            written = values.fill_null(0).to_numpy().astype(self._number).tobytes()
            size = self._number.itemsize
            return [written[i * size : (i + 1) * size] if there else b"" for i, there in enumerate(valid)]
        if self._column.type.name in STRINGS and self._charset != "utf-8":
            return [b"" if text is None else text.encode(self._charset, "replace") for text in column.to_pylist()]
        return [value if value is not None else b"" for value in column.cast(pa.binary()).to_pylist()]


def _charset(options: Mapping[str, str]) -> str:
    written = options.get("raw.charset", "UTF-8")
    try:
        return codecs.lookup(written).name
    except LookupError:
        raise VeloError(ErrorCode.BAD_PROPERTY, f'"raw.charset" is "{written}"', hint="such as UTF-8") from None


def _byte_order(options: Mapping[str, str]) -> str:
    written = options.get("raw.endianness", "big-endian")
    order = {"big-endian": ">", "little-endian": "<"}.get(written.casefold())
    if order is None:
        raise VeloError(
            ErrorCode.BAD_PROPERTY, f'"raw.endianness" is "{written}"', hint="it can be big-endian or little-endian"
        )
    return order

"""Rows to JSON objects, column by column: each column becomes JSON tokens, then the tokens are joined row by row.

Source of the forms: RowDataToJsonConverters of Flink 2.3.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.scalar_text import scalar_text
from velo_engine.formats.text_columns import text_bytes
from velo_engine.schema import RowSchema
from velo_engine.types import FLOATS, INT, INTEGERS, INTERVALS, STRINGS, SqlType, TypeName

ROWS_AT_ONCE = 32_768
"""So many rows' texts stay in a processor's cache while they are put together."""

_BARE = INTEGERS | INTERVALS | {TypeName.BOOLEAN}
"""Types whose text is a JSON token as it stands."""


@dataclass(frozen=True, slots=True)
class JsonEncoder:
    """Encodes rows of `schema`."""

    schema: RowSchema
    iso_timestamps: bool = False
    quoted_decimals: bool = False
    omit_nulls: bool = False

    def encode(self, table: pa.Table) -> list[bytes]:
        """One JSON object a row."""
        messages: list[bytes] = []
        for start in range(0, table.num_rows, ROWS_AT_ONCE):
            part = table.slice(start, ROWS_AT_ONCE)
            columns = [part.column(f"c{i}").combine_chunks() for i in range(len(self.schema))]
            messages += self._objects(self.schema.names, self.schema.types, columns).cast(pa.binary()).to_pylist()
        return messages

    def _objects(self, names: Sequence[str], types: Sequence[SqlType], columns: Sequence[pa.Array]) -> pa.Array:
        """`{"a":1,"b":null}` for each row."""
        if self.omit_nulls:
            return self._objects_without_nulls(names, types, columns)
        parts: list[object] = []
        lead = "{"
        for name, t, column in zip(names, types, columns, strict=True):
            lead += json.dumps(name, ensure_ascii=False) + ":"
            if t.name is TypeName.BOOLEAN and not column.null_count:
                parts.append(pc.if_else(column, lead + "true", lead + "false"))
                lead = ","
            elif quoted := self._quotable(column, t):
                parts += [lead + '"', quoted[0]]
                lead = '",'
            else:
                parts += [lead, self._tokens(column, t)]
                lead = ","
        parts.append(lead.removesuffix(",") + "}")
        return _joined(parts)

    def _objects_without_nulls(
        self, names: Sequence[str], types: Sequence[SqlType], columns: Sequence[pa.Array]
    ) -> pa.Array:
        members = []
        for name, t, column in zip(names, types, columns, strict=True):
            member = _joined([f",{json.dumps(name, ensure_ascii=False)}:", self._tokens(column, t)])
            members.append(pc.if_else(column.is_valid(), member, ""))
        text = pc.replace_substring_regex(_joined(members), "^,", "")
        return _joined(["{", text, "}"])

    def _quotable(self, column: pa.Array, t: SqlType) -> tuple[pa.Array] | None:
        """The texts that only need quotes around them, when that holds for the whole column."""
        if column.null_count or not self._is_quoted(t):
            return None
        text = scalar_text(column, t, iso_timestamps=self.iso_timestamps)
        return None if t.name in STRINGS and _needs_escapes(text) else (text,)

    def _is_quoted(self, t: SqlType) -> bool:
        if t.name is TypeName.DECIMAL:
            return self.quoted_decimals
        return t.name not in _BARE | FLOATS | _NESTED

    def _tokens(self, column: pa.Array, t: SqlType) -> pa.Array:
        """The JSON of each value, `null` for NULL."""
        match t:
            case SqlType(name=TypeName.NULL):
                return pa.array(["null"] * len(column), pa.string())
            case SqlType(name=TypeName.ROW):
                children = [pc.struct_field(column, [i]) for i in range(len(t.fields))]
                tokens = self._objects([name for name, _ in t.fields], [child for _, child in t.fields], children)
            case SqlType(name=TypeName.ARRAY, element=SqlType() as element):
                tokens = _bracketed("[", column, self._tokens(column.flatten(), element), "]")
            case SqlType(name=TypeName.MAP, key=SqlType() as key, element=SqlType() as element):
                tokens = self._maps(column, key, element)
            case SqlType(name=TypeName.MULTISET, element=SqlType() as element):
                tokens = self._maps(column, element, INT)
            case _:
                tokens = self._scalars(column, t)
        return tokens.fill_null("null") if not column.null_count else pc.if_else(column.is_valid(), tokens, "null")

    def _scalars(self, column: pa.Array, t: SqlType) -> pa.Array:
        text = scalar_text(column, t, iso_timestamps=self.iso_timestamps)
        if t.name in FLOATS:
            special = pc.invert(pc.is_finite(column))
            return pc.if_else(special, _joined(['"', text, '"']), text) if pc.any(special).as_py() else text
        if not self._is_quoted(t):
            return text
        if t.name in STRINGS and _needs_escapes(text):
            return pa.array([None if v is None else msgspec.json.encode(v).decode() for v in text.to_pylist()])
        return _joined(['"', text, '"'])

    def _maps(self, column: pa.Array, key: SqlType, value: SqlType) -> pa.Array:
        if key.name not in STRINGS:
            raise VeloError(ErrorCode.BAD_PROPERTY, f"the json format carries only maps with string keys, not {key}")
        entries = column.cast(pa.list_(pa.struct([("key", column.type.key_type), ("value", column.type.item_type)])))
        flat = entries.flatten()
        keys = self._tokens(pc.struct_field(flat, [0]), key)
        return _bracketed("{", entries, _joined([keys, ":", self._tokens(pc.struct_field(flat, [1]), value)]), "}")


_NESTED = frozenset({TypeName.ARRAY, TypeName.MAP, TypeName.MULTISET, TypeName.ROW, TypeName.NULL})


def _joined(parts: Sequence[object]) -> pa.Array:
    """The concatenation of the parts, row by row."""
    return pc.binary_join_element_wise(*parts, "", null_handling="replace", null_replacement="null")


def _bracketed(opening: str, lists: pa.Array, tokens: pa.Array, closing: str) -> pa.Array:
    """The tokens of the elements of each list, separated by commas, in brackets."""
    lengths = pc.list_value_length(lists).fill_null(0).to_numpy()
    offsets = np.zeros(len(lists) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return _joined([opening, pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), tokens), ","), closing])


def _needs_escapes(text: pa.Array) -> bool:
    characters = text_bytes(text)
    if b'"' in characters or b"\\" in characters:
        return True
    return bool((np.frombuffer(characters, np.uint8) < 0x20).any())

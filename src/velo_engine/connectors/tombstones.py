"""Records of a topic of upserts: a value is the newest row of its key, a record without one takes the row away.

Source: Flink's upsert-kafka connector. The key of such a record is a JSON object with the primary key's fields, or, of
one field, its text (as `KeyEncoder` writes it).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from velo_engine.batch import Int8s, RowKind
from velo_engine.schema import RowSchema
from velo_engine.types import INTEGERS, TypeName

_BARE = INTEGERS | {TypeName.BOOLEAN}


class TombstoneReader:
    """Gives every tombstone the value that its key stands for: the key's fields, all others NULL."""

    def __init__(self, schema: RowSchema, primary_key: Sequence[int]) -> None:
        self._columns = [schema.columns[i] for i in primary_key]

    def values(self, values: Sequence[bytes | None], keys: Sequence[bytes | None]) -> list[bytes]:
        """The values, JSON objects, with those of tombstones made from their keys."""
        return [self._value(key) if value is None else value for value, key in zip(values, keys, strict=True)]

    def _value(self, key: bytes | None) -> bytes:
        if key is None:
            return b""
        if len(self._columns) > 1 or key.lstrip().startswith(b"{"):
            return key
        column = self._columns[0]
        text = key.decode("utf-8", "replace")
        return f"{{{json.dumps(column.name)}: {text if column.type.name in _BARE else json.dumps(text)}}}".encode()


def upsert_kinds(values: Sequence[bytes | None]) -> Int8s:
    """+U of a value, -D of none."""
    return np.array([RowKind.DELETE if v is None else RowKind.UPDATE_AFTER for v in values], np.int8)

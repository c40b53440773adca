"""The columns that somebody reads, of a format that finds fields by name: decoded in parts, given out as whole rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from velo_engine.formats.base import MAX_RECORD_BYTES, Decoded, without_failures
from velo_engine.schema import RowSchema


class WantedColumns:
    """The declared columns of a format, and which of them are wanted."""

    def __init__(self, schema: RowSchema, decoded: frozenset[int] | None) -> None:
        """`decoded`: the positions that are wanted, None for all."""
        self.schema = schema
        self.positions = [i for i in range(len(schema)) if decoded is None or i in decoded]
        self._physical = schema.physical()

    def placed(self, parts: Sequence[Sequence[pa.Array]], where: Sequence[Sequence[int]], count: int) -> list[pa.Array]:
        """The wanted columns of `count` messages from those of parts of them; NULL where no part has the message."""
        if len(parts) == 1 and len(where[0]) == count:
            return list(parts[0])
        if not parts:
            return [pa.nulls(count, self._physical.field(i).type) for i in self.positions]
        order = np.zeros(count, np.int64)
        missing = np.ones(count, np.bool_)
        at = np.concatenate([np.array(w, np.int64) for w in where])
        order[at] = np.arange(len(at))
        missing[at] = False
        index = pa.array(order, mask=missing)
        return [pa.concat_arrays(column).take(index) for column in zip(*parts, strict=True)]

    def decoded(self, columns: Sequence[pa.Array], count: int, failures: Mapping[int, str]) -> Decoded:
        """The rows, with NULL in the columns that are not wanted."""
        by_position = dict(zip(self.positions, columns, strict=True))
        spread = [
            by_position[i] if i in by_position else pa.nulls(count, field.type)
            for i, field in enumerate(self._physical)
        ]
        return without_failures(spread, self.schema, count, failures)


def present_values(messages: Sequence[bytes | None], failures: dict[int, str], instead: bytes = b"") -> Sequence[bytes]:
    """The messages, with `instead` of those that have no value or are too long, which go to `failures`."""
    try:
        if max(map(len, messages), default=0) <= MAX_RECORD_BYTES:  # type: ignore[arg-type]
            return messages  # type: ignore[return-value]
    except TypeError:
        pass
    values = []
    for i, message in enumerate(messages):
        if message is None:
            failures[i] = "the record has no value (a tombstone)"
        elif len(message) > MAX_RECORD_BYTES:
            failures[i] = f"the record has {len(message)} bytes, more than {MAX_RECORD_BYTES}"
        values.append(instead if i in failures or message is None else message)
    return values

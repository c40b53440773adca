"""What JSON objects show of their columns: the values as they are written, and whether these stand in quotes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa

_NO_EVIDENCE = frozenset({b"null", b'"NaN"', b'"Infinity"', b'"-Infinity"'})
"""What does not tell a column of texts: NULL, and the floating point numbers that JSON has no other way to write."""


@dataclass(frozen=True, slots=True)
class Written:
    """The columns of JSON records."""

    table: pa.Table
    """Their values as text: numbers with the digits as written, arrays and objects as JSON."""
    are_texts: Mapping[str, bool]
    """Whether a column's values stand in quotes; columns without values are left out."""
    only_in_key: tuple[str, ...] = ()
    """Columns that the record's key has and its value has not."""


def written(rows: Sequence[Mapping[str, msgspec.Raw]], only_in_key: tuple[str, ...] = ()) -> Written:
    """The columns of objects, in the order in which they first come."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: pa.array([_text(row.get(name)) for row in rows], pa.string()) for name in names}
    table = pa.table(columns) if columns else pa.table({})
    return Written(table, in_quotes(rows), only_in_key)


def in_quotes(rows: Sequence[Mapping[str, msgspec.Raw]]) -> dict[str, bool]:
    """By column whether a value stands in quotes; columns without values are left out."""
    found: dict[str, bool] = {}
    for row in rows:
        for name, raw in row.items():
            text = bytes(raw)
            if text not in _NO_EVIDENCE:
                found[name] = found.get(name, False) or text.startswith(b'"')
    return found


def _text(raw: msgspec.Raw | None) -> str | None:
    text = b"null" if raw is None else bytes(raw)
    if text == b"null":
        return None
    return str(msgspec.json.decode(text)) if text.startswith(b'"') else text.decode()

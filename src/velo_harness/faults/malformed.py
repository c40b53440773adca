"""Malformed records: what is done to the bytes of each kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from velo_engine.errors import Location
from velo_engine.schema import RowSchema
from velo_engine.types import INTEGERS, STRINGS, TypeName
from velo_harness.faults.model import Malformation
from velo_harness.keys import bad_value

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode

TOO_LARGE = msgspec.Raw(b"1" + b"0" * 60)
"""Beyond every integer and every decimal of SQL."""

OF_ANY_FORMAT = frozenset({Malformation.EMPTY_RECORD, Malformation.INVALID_ENCODING, Malformation.TRUNCATED})
"""These only touch bytes; the others know JSON."""


def malformed(
    value: bytes, how: Malformation, schema: RowSchema, rng: np.random.Generator, location: Location
) -> bytes:
    """The record spoilt. Errors: BAD_VALUE for a record that is no JSON object, where that is needed."""
    match how:
        case Malformation.EMPTY_RECORD:
            return b""
        case Malformation.TRUNCATED:
            return value[: len(value) // 2]
        case Malformation.INVALID_ENCODING:
            middle = len(value) // 2
            return value[:middle] + b"\xff\xfe" + value[middle:]
        case Malformation.INVALID_JSON:
            return value.rstrip()[:-1] + b",]"
    fields = _object(value, how, location)
    name = _field(how, [n for n in schema.names if n in fields], schema, rng)
    if name is None:
        return _encode(fields)
    if how is Malformation.MISSING_FIELD:
        del fields[name]
    else:
        fields[name] = _WRONG[how](fields[name])
    return _encode(fields)


def _object(value: bytes, how: Malformation, location: Location) -> dict[str, Any]:
    try:
        fields = _decode(value)
    except msgspec.DecodeError:
        fields = None
    if not isinstance(fields, dict):
        raise bad_value(f"{how} is for records that are JSON objects", location)
    return fields


_WRONG: dict[Malformation, Callable[[Any], Any]] = {
    Malformation.WRONG_TYPE: lambda value: ["not", "a", "value"] if isinstance(value, str) else "not a value",
    Malformation.OVERFLOW: lambda _: TOO_LARGE,
    Malformation.UNEXPECTED_NULL: lambda _: None,
}


def _field(how: Malformation, present: Sequence[str], schema: RowSchema, rng: np.random.Generator) -> str | None:
    """The field to spoil: one on which the kind has its effect, if there is one."""
    if not present:
        return None
    kinds = {column.name: column.type for column in schema.columns}
    match how:
        case Malformation.WRONG_TYPE:
            fitting = [n for n in present if kinds[n].name not in STRINGS]
        case Malformation.OVERFLOW:
            fitting = [n for n in present if kinds[n].name in INTEGERS or kinds[n].name is TypeName.DECIMAL]
        case _:
            fitting = [n for n in present if not kinds[n].nullable]
    chosen = fitting or list(present)
    return chosen[int(rng.integers(len(chosen)))]

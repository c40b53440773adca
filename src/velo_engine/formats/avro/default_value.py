"""The default value of a field in Avro's binary encoding, so that it is read as any other value.

Source: the Avro specification, "default" (bytes and fixed are strings of code points below 256; of a union the value
belongs to the first branch that takes it).
"""

from __future__ import annotations

import struct

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.formats.avro.schema import AvroType, Json


def default_bytes(t: AvroType, value: Json) -> bytes:
    """`value` encoded as `t`. Raises VeloError when it is none of the type."""
    encoded = _encoded(t, value)
    if encoded is None:
        raise VeloError(ErrorCode.BAD_PROPERTY, f"the default {value!r} is no value of the Avro type {t}")
    return encoded


def varint(number: int) -> bytes:
    """A number in zigzag encoding."""
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def _encoded(t: AvroType, value: Json) -> bytes | None:
    match t.kind, value:
        case "null", None:
            return b""
        case "boolean", bool():
            return b"\x01" if value else b"\x00"
        case (("int" | "long"), int()) if not isinstance(value, bool):
            return varint(value) if -(2**63) <= value < 2**63 else None
        case (("float" | "double"), int() | float()) if not isinstance(value, bool):
            return struct.pack("<f" if t.kind == "float" else "<d", value)
        case "string", str():
            return varint(len(value.encode())) + value.encode()
        case (("bytes" | "fixed"), str()) if all(ord(c) < 256 for c in value):
            raw = value.encode("latin-1")
            if t.kind == "fixed":
                return raw if len(raw) == t.size else None
            return varint(len(raw)) + raw
        case "enum", str() if value in t.symbols:
            return varint(t.symbols.index(value))
        case "union", _:
            found = ((i, _encoded(branch, value)) for i, branch in enumerate(t.branches))
            return next((varint(i) + raw for i, raw in found if raw is not None), None)
        case _:
            return _encoded_nested(t, value)


def _encoded_nested(t: AvroType, value: Json) -> bytes | None:
    match t.kind, value:
        case "array", list():
            parts = [_encoded(_inner(t), item) for item in value]
        case "map", dict():
            parts = [
                None if (raw := _encoded(_inner(t), item)) is None else varint(len(key.encode())) + key.encode() + raw
                for key, item in value.items()
            ]
        case "record", dict():
            whole = [_encoded(f.type, value.get(f.name, f.default)) for f in t.fields]
            return None if any(part is None for part in whole) else b"".join(filter(None, whole))
        case _:
            return None
    if any(part is None for part in parts):
        return None
    return (varint(len(parts)) + b"".join(filter(None, parts)) if parts else b"") + b"\x00"


def _inner(t: AvroType) -> AvroType:
    assert t.element is not None
    return t.element

"""Kafka's primitive types on the wire, in both encodings (https://kafka.apache.org/protocol#protocol_types).

Every message exists in the classic encoding; newer versions use the compact ("flexible", KIP-482) one, where lengths
are varints and every structure ends with tagged fields. `CompactReader` and `CompactWriter` have the methods of
`Reader` and `Writer`, so that a message is described once for both.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")

_INT8 = struct.Struct(">b")
_INT16 = struct.Struct(">h")
_INT32 = struct.Struct(">i")
_INT64 = struct.Struct(">q")


class MalformedMessageError(ValueError):
    """Bytes that are not the message they should be."""


class Reader:
    """Reads one message in the classic encoding. Raises MalformedMessageError where the bytes end too early."""

    __slots__ = ("_data", "_offset")

    def __init__(self, data: memoryview, offset: int = 0) -> None:
        self._data = data
        self._offset = offset

    @property
    def position(self) -> int:
        """Where the next field starts."""
        return self._offset

    def int8(self) -> int:
        """A signed byte."""
        return self._fixed(_INT8)

    def int16(self) -> int:
        """Two bytes, signed."""
        return self._fixed(_INT16)

    def int32(self) -> int:
        """Four bytes, signed."""
        return self._fixed(_INT32)

    def int64(self) -> int:
        """Eight bytes, signed."""
        return self._fixed(_INT64)

    def boolean(self) -> bool:
        """A byte; every value but 0 is true."""
        return self._fixed(_INT8) != 0

    def string(self) -> str:
        """Text that may not be null."""
        text = self.nullable_string()
        if text is None:
            raise MalformedMessageError("a null where text is needed")
        return text

    def nullable_string(self) -> str | None:
        """Text or None."""
        length = self._string_length()
        return None if length < 0 else _text(self._take(length))

    def records(self) -> memoryview:
        """Bytes, not copied; empty for null."""
        length = self._bytes_length()
        return self._take(max(length, 0))

    def data(self) -> bytes:
        """Bytes; empty for null."""
        return bytes(self.records())

    def array(self, item: Callable[[], Item]) -> list[Item]:
        """The items of an array, each read by `item`; empty for null."""
        return self.nullable_array(item) or []

    def nullable_array(self, item: Callable[[], Item]) -> list[Item] | None:
        """The items of an array, or None."""
        length = self._array_length()
        if length < 0:
            return None
        if length > len(self._data):  # an item takes at least a byte
            raise MalformedMessageError(f"an array of {length} items in a message of {len(self._data)} bytes")
        return [item() for _ in range(length)]

    def tags(self) -> None:
        """The end of a structure: tagged fields, which the compact encoding has and which are skipped."""

    def _string_length(self) -> int:
        return self._fixed(_INT16)

    def _bytes_length(self) -> int:
        return self._fixed(_INT32)

    def _array_length(self) -> int:
        return self._fixed(_INT32)

    def _fixed(self, form: struct.Struct) -> int:
        try:
            (value,) = form.unpack_from(self._data, self._offset)
        except struct.error as error:
            raise MalformedMessageError("the message ends too early") from error
        self._offset += form.size
        return int(value)

    def _take(self, length: int) -> memoryview:
        end = self._offset + length
        if end > len(self._data):
            raise MalformedMessageError("the message ends too early")
        taken = self._data[self._offset : end]
        self._offset = end
        return taken


class CompactReader(Reader):
    """Reads one message in the compact encoding."""

    __slots__ = ()

    def tags(self) -> None:
        """Skips the tagged fields that end a structure."""
        for _ in range(self._unsigned_varint()):
            self._unsigned_varint()
            self._take(self._unsigned_varint())

    def _string_length(self) -> int:
        return self._unsigned_varint() - 1

    _bytes_length = _array_length = _string_length

    def _unsigned_varint(self) -> int:
        value = shift = 0
        while shift <= 28:
            byte = self.int8() & 0xFF
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        raise MalformedMessageError("a varint of more than five bytes")


class Writer:
    """Writes one message in the classic encoding. Methods return the writer, so that a row of fields reads as one."""

    __slots__ = ("_chunks", "_tail")

    def __init__(self) -> None:
        self._chunks: list[bytes | bytearray] = []
        self._tail = bytearray()

    def int8(self, value: int) -> Writer:
        """A signed byte."""
        self._tail += _INT8.pack(value)
        return self

    def int16(self, value: int) -> Writer:
        """Two bytes, signed."""
        self._tail += _INT16.pack(value)
        return self

    def int32(self, value: int) -> Writer:
        """Four bytes, signed."""
        self._tail += _INT32.pack(value)
        return self

    def int64(self, value: int) -> Writer:
        """Eight bytes, signed."""
        self._tail += _INT64.pack(value)
        return self

    def boolean(self, value: bool) -> Writer:
        """A byte, 0 or 1."""
        self._tail.append(1 if value else 0)
        return self

    def string(self, value: str | None) -> Writer:
        """Text or null."""
        encoded = None if value is None else value.encode()
        self._string_length(-1 if encoded is None else len(encoded))
        self._tail += encoded or b""
        return self

    def data(self, value: bytes) -> Writer:
        """Bytes, copied."""
        self._bytes_length(len(value))
        self._tail += value
        return self

    def records(self, chunks: Sequence[bytes | bytearray]) -> Writer:
        """Several pieces of bytes as one field, not copied. They may not change until the message is sent."""
        self._bytes_length(sum(map(len, chunks)))
        if chunks:
            self._chunks.append(self._tail)
            self._chunks += chunks
            self._tail = bytearray()
        return self

    def array_length(self, length: int) -> Writer:
        """The number of items that follow; -1 for null."""
        self._tail += _INT32.pack(length)
        return self

    def int32_array(self, values: list[int]) -> Writer:
        """An array of four-byte numbers."""
        self.array_length(len(values))
        self._tail += struct.pack(f">{len(values)}i", *values)
        return self

    def tags(self) -> Writer:
        """The end of a structure; the compact encoding has an (empty) list of tagged fields there."""
        return self

    def chunks(self) -> list[bytes | bytearray]:
        """The message in pieces, in order."""
        return [*self._chunks, self._tail]

    def _string_length(self, length: int) -> None:
        self._tail += _INT16.pack(length)

    def _bytes_length(self, length: int) -> None:
        self._tail += _INT32.pack(length)


class CompactWriter(Writer):
    """Writes one message in the compact encoding."""

    __slots__ = ()

    def array_length(self, length: int) -> Writer:
        """The number of items that follow; -1 for null."""
        self._unsigned_varint(length + 1)
        return self

    def tags(self) -> Writer:
        """No tagged fields."""
        self._tail.append(0)
        return self

    def _string_length(self, length: int) -> None:
        self._unsigned_varint(length + 1)

    _bytes_length = _string_length

    def _unsigned_varint(self, value: int) -> None:
        while value >= 0x80:
            self._tail.append(value & 0x7F | 0x80)
            value >>= 7
        self._tail.append(value)


def _text(data: memoryview) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as error:
        raise MalformedMessageError("text that is not UTF-8") from error

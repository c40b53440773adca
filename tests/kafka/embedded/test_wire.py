"""Kafka's primitive types."""

from __future__ import annotations

import pytest

from velo_harness.kafka.embedded.wire import CompactReader, CompactWriter, MalformedMessageError, Reader, Writer


def written(writer: Writer) -> bytes:
    return b"".join(writer.chunks())


def test_the_classic_encoding() -> None:
    message = Writer().int8(-1).int16(-2).int32(-3).int64(-4).boolean(True).string("é").string(None)
    message.data(b"ab").records([b"c", bytearray(b"d")]).int32_array([7]).tags()
    expected = "ff fffe fffffffd fffffffffffffffc 01 0002c3a9 ffff 000000026162 000000026364 0000000100000007"
    assert written(message) == bytes.fromhex(expected)


def test_the_compact_encoding() -> None:
    message = CompactWriter().string("é").string(None).data(b"ab").records([b"c" * 127]).int32_array([7]).tags()
    expected = "03c3a9 00 036162 8001" + "63" * 127 + "02 00000007 00"
    assert written(message) == bytes.fromhex(expected)


@pytest.mark.parametrize(("reader", "writer"), [(Reader, Writer), (CompactReader, CompactWriter)])
def test_what_was_written_is_read(reader: type[Reader], writer: type[Writer]) -> None:
    message = writer().string("a" * 300).string(None).string("").data(b"xyz").int32_array([1, -2]).array_length(-1)
    read = reader(memoryview(written(message.tags().int8(9))))
    assert read.string() == "a" * 300
    assert read.nullable_string() is None
    assert read.string() == ""
    assert read.data() == b"xyz"
    assert read.array(read.int32) == [1, -2]
    assert read.nullable_array(read.int32) is None
    read.tags()
    assert read.int8() == 9


def test_tagged_fields_are_skipped() -> None:
    reader = CompactReader(memoryview(bytes.fromhex("02 00 02 aabb 05 01 cc 2a")))
    reader.tags()
    assert reader.int8() == 42


@pytest.mark.parametrize(
    ("reader", "text"),
    [(Reader, "00 05 61"), (Reader, "00"), (Reader, "ffff"), (Reader, "0001 ff"), (CompactReader, "ffffffffff")],
)
def test_bytes_that_are_no_text_are_refused(reader: type[Reader], text: str) -> None:
    with pytest.raises(MalformedMessageError):
        reader(memoryview(bytes.fromhex(text))).string()


def test_an_array_longer_than_the_message_is_refused_before_it_is_made() -> None:
    reader = Reader(memoryview(bytes.fromhex("7fffffff 00")))
    with pytest.raises(MalformedMessageError):
        reader.array(reader.int8)

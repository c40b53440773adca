"""The raw format; the bytes of numbers are those of Java's DataOutput, by hand."""

import pytest
from tests.engine.formats.sql_values import physical

from velo_engine import types
from velo_engine.errors import VeloError
from velo_engine.formats import open_format
from velo_engine.schema import RowSchema

NUMBERS = [
    (types.BOOLEAN, "01", True),
    (types.TINYINT, "80", -128),
    (types.SMALLINT, "0102", 258),
    (types.INT, "fffffffe", -2),
    (types.BIGINT, "0000000000000100", 256),
    (types.FLOAT, "3fc00000", 1.5),
    (types.DOUBLE, "bff8000000000000", -1.5),
]


@pytest.mark.parametrize(("kind", "written", "value"), NUMBERS)
def test_numbers_have_the_bytes_of_their_type(kind, written, value):
    schema = RowSchema.of(("v", kind))
    message = bytes.fromhex(written)
    for order, stored in (("big-endian", message), ("little-endian", message[::-1])):
        raw = open_format("raw", schema, {"raw.endianness": order})
        decoded = raw.decode([stored, None, stored + b"\x00", b""])
        assert decoded.table.column("c0").to_pylist() == [value, None]
        assert [(f.index, f.reason) for f in decoded.failures] == [
            (2, f'field "v" ({kind}): {len(message) + 1} bytes, where the type has {len(message)}'),
            (3, f'field "v" ({kind}): 0 bytes, where the type has {len(message)}'),
        ]
        assert raw.encode(decoded.table) == [stored, b""]


def test_text_may_have_another_charset():
    schema = RowSchema.of(("s", types.STRING))
    raw = open_format("raw", schema, {"raw.charset": "ISO-8859-1"})
    assert raw.decode([b"\xe9", None]).table.column("c0").to_pylist() == ["é", None]
    assert raw.encode(physical(schema, [{"s": "é€"}, {"s": None}])) == [b"\xe9?", b""]
    ascii_only = open_format("raw", schema, {"raw.charset": "US-ASCII"}).decode([b"\xe9", b"a"])
    assert ascii_only.table.column("c0").to_pylist() == ["a"]


@pytest.mark.parametrize(
    ("kind", "options", "problem"),
    [
        (types.DATE, {}, "needs a single column of text, bytes, BOOLEAN or a number"),
        (types.INT, {"raw.endianness": "middle"}, "it can be big-endian or little-endian"),
        (types.STRING, {"raw.charset": "none"}, "raw.charset"),
    ],
)
def test_what_it_cannot_carry_is_refused(kind, options, problem):
    with pytest.raises(VeloError) as refusal:
        open_format("raw", RowSchema.of(("v", kind)), options)
    assert problem in str(refusal.value)

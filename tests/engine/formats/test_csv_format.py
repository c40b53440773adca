"""CSV: records found in text, fields read and written."""

import csv
import io
from collections.abc import Iterator
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine import types
from velo_engine.errors import VeloError
from velo_engine.formats import open_format
from velo_engine.formats.csv_records import MALFORMED, MAX_QUOTED_RECORD_BYTES, CsvRecords, Split, split_lines
from velo_engine.schema import RowSchema

PAIRS = RowSchema.of(("s", types.STRING), ("n", types.BIGINT))


def rows(decoded) -> list[tuple]:
    return list(zip(*(column.to_pylist() for column in decoded.table.columns), strict=True))


def reasons(decoded) -> dict[int, str]:
    return {f.index: f.reason for f in decoded.failures}


def records_of(data: bytes, **dialect) -> list[bytes]:
    found = CsvRecords(**dialect).split(data, final=True)
    return [data[s:e] for s, e in zip(found.starts.tolist(), found.ends.tolist(), strict=True)]


def test_empty_is_null_and_quoted_empty_is_an_empty_string():
    decoded = open_format("csv", PAIRS, {}).decode([b",", b'"",1', b'a,""', b'"NULL",2'])
    assert rows(decoded) == [(None, None), ("", 1), ("NULL", 2)]
    assert reasons(decoded) == {2: 'field "n" (BIGINT): "" is not a whole number'}


def test_with_a_null_literal_only_that_text_is_null():
    decoded = open_format("csv", PAIRS, {"csv.null-literal": "n/a"}).decode([b"n/a,n/a", b",1", b'"n/a",2'])
    assert rows(decoded) == [(None, None), ("", 1), ("n/a", 2)]


def test_fields_are_quoted_only_where_they_must_be():
    table = pa.table([["a", "b,c", 'd"e', "f\ng", "", None, " h "], [1, None, 3, 4, 5, 6, 7]], schema=PAIRS.physical())
    assert open_format("csv", PAIRS, {}).encode(table) == [
        b"a,1",
        b'"b,c",',
        b'"d""e",3',
        b'"f\ng",4',
        b'"",5',
        b",6",
        b" h ,7",
    ]
    assert open_format("csv", PAIRS, {"delimiter": "\\t", "csv.null-literal": "a"}).encode(table)[:2] == [
        b'"a"\t1',
        b"b,c\ta",
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t", "^"])
@given(st.lists(st.tuples(st.none() | st.text(max_size=6), st.none() | st.integers(-(2**63), 2**63 - 1)), max_size=6))
@settings(max_examples=50)
def test_any_text_survives(delimiter, values):
    values = [(None if s is None else s.replace("\r", ""), n) for s, n in values]
    table = pa.table([[s for s, _ in values], [n for _, n in values]], schema=PAIRS.physical())
    csv_format = open_format("csv", PAIRS, {"csv.field-delimiter": delimiter})
    decoded = csv_format.decode(csv_format.encode(table))
    # A record of which all fields are NULL is still a record, because the delimiter is there.
    assert decoded.failures == ()
    assert decoded.table.equals(table)


BROKEN = {
    b'"a,1': MALFORMED,
    b'"a"b,1': MALFORMED,
    b'a,"1': MALFORMED,
    b"a,1\nb,2": MALFORMED,
    b"a\rb,1": MALFORMED,
    b"a": "1 fields, expected 2",
    b"a,1,2": "3 fields, expected 2",
    b"": "the record is empty",
    b"\r\n": "the record is empty",
    None: "the record has no value (a tombstone)",
    b"\xff,1": "not valid UTF-8",
    b"a,x": 'field "n" (BIGINT): "x" is not a whole number',
    b"a,9223372036854775808": 'field "n" (BIGINT): "9223372036854775808" is out of range',
}


@settings(max_examples=80)
@given(st.lists(st.one_of(st.integers(0, 9), st.sampled_from(list(BROKEN))), max_size=20), st.integers(0, 20))
def test_every_record_is_a_row_or_a_failure_however_they_are_batched(picks, cut):
    messages = [b'"%d, ""q""\n",%d' % (p, p) if isinstance(p, int) else p for p in picks]
    csv_format = open_format("csv", PAIRS, {})
    whole = csv_format.decode(messages)
    assert reasons(whole) == {i: BROKEN[p] for i, p in enumerate(picks) if not isinstance(p, int)}
    assert rows(whole) == [(f'{p}, "q"\n', p) for p in picks if isinstance(p, int)]
    parts = [csv_format.decode(messages[:cut]), csv_format.decode(messages[cut:])]
    assert pa.concat_tables([part.table for part in parts]).equals(whole.table)


def test_numbers_are_exact_and_may_have_blanks_around_them():
    schema = RowSchema.of(("d", types.decimal(38, 18)), ("b", types.BOOLEAN), ("t", types.timestamp(3)))
    decoded = open_format("csv", schema, {}).decode(
        [b" 12345678901234567890.123456789012345678 , TRUE ,2024-01-01T00:00:00.5Z", b"1e-18,false,2024-02-30 00:00:00"]
    )
    assert [d for d, _, _ in rows(decoded)] == [Decimal("12345678901234567890.123456789012345678"), Decimal("1E-18")]
    assert open_format("csv", schema, {}).encode(decoded.table) == [
        b"12345678901234567890.123456789012345678,true,2024-01-01 00:00:00.5",
        b"0.000000000000000001,false,2024-02-29 00:00:00",
    ]


@pytest.mark.parametrize(
    ("data", "records"),
    [
        (b"", []),
        (b"a,1", [b"a,1"]),
        (b"a,1\nb,2\n", [b"a,1", b"b,2"]),
        (b"a,1\r\nb,2\r\n", [b"a,1", b"b,2"]),
        (b"\n\na,1\n\r\n\nb,2", [b"a,1", b"b,2"]),
        (b'"a\nb",1\n"c\r\nd",2\n', [b'"a\nb",1', b'"c\r\nd",2']),
        (b'"a""\n""b",1\nc,2', [b'"a""\n""b",1', b"c,2"]),
        (b'5" pipe,1\nb,2\n', [b'5" pipe,1', b"b,2"]),
        (b'"open,1\nb,2\nc,3\n', [b'"open,1', b"b,2", b"c,3"]),
        (b'a,1\n"x"y,1\r\n"b\nc",2\n', [b"a,1", b'"x"y,1', b'"b\nc",2']),
        (b'"open,1\n"b",2\n', [b'"open,1', b'"b",2']),
        (b'a,1\n"last', [b"a,1", b'"last']),
    ],
)
def test_records_end_outside_quotes_and_one_bad_quote_costs_one_line(data, records):
    assert records_of(data) == records


def records_in(data: bytes, found: Split) -> Iterator[tuple[bytes, bool]]:
    for i, (start, end) in enumerate(zip(found.starts.tolist(), found.ends.tolist(), strict=True)):
        yield data[start:end], i in found.malformed


@settings(max_examples=300)
@given(st.text(alphabet='a,"\n\r;', max_size=40), st.lists(st.integers(1, 7), min_size=1, max_size=10))
def test_records_do_not_depend_on_how_the_text_is_cut(text, sizes):
    data = text.encode()
    whole = CsvRecords().split(data, final=True)
    expected = [
        (data[s:e], i in whole.malformed) for i, (s, e) in enumerate(zip(whole.starts, whole.ends, strict=True))
    ]
    found, rest, at, turn = [], b"", 0, 0
    while at < len(data) or rest:
        size = sizes[turn % len(sizes)]
        piece, at, turn = data[at : at + size], at + size, turn + 1
        buffer = rest + piece
        split = CsvRecords().split(buffer, final=at >= len(data))
        found += records_in(buffer, split)
        rest = buffer[split.consumed :]
        if at >= len(data):
            break
    assert found == expected


@settings(max_examples=200)
@given(st.lists(st.lists(st.text(alphabet='ab,"\n;', max_size=5), min_size=2, max_size=2), max_size=8))
def test_well_formed_text_is_read_as_pythons_csv_reads_it(values):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(values)
    found = CsvRecords().split(text.getvalue().encode(), final=True)
    assert found.malformed == {}
    schema = RowSchema.of(("a", types.STRING), ("b", types.STRING))
    decoded = open_format("csv", schema, {}).decode(records_of(text.getvalue().encode()))
    assert [(a or "", b or "") for a, b in rows(decoded)] == [tuple(row) for row in values]


def test_a_quote_that_never_closes_does_not_read_the_whole_file():
    data = b'"open,1\n' + b"b,2\n" * (MAX_QUOTED_RECORD_BYTES // 4 + 10)
    found = CsvRecords().split(data, final=False)
    assert found.malformed == {0: MALFORMED}
    assert len(found.starts) == MAX_QUOTED_RECORD_BYTES // 4 + 11


def test_without_a_quote_character_quotes_are_text():
    assert records_of(b'"a\n"b"', quote=None) == [b'"a', b'"b"']
    decoded = open_format("csv", PAIRS, {"csv.disable-quote-character": "true"}).decode([b'"a",1'])
    assert rows(decoded) == [('"a"', 1)]


def test_lines_are_records_whatever_they_hold():
    found = split_lines(b'"a\n\nb\r\nc', final=False)
    assert (found.starts.tolist(), found.ends.tolist(), found.consumed) == ([0, 4], [2, 5], 7)


@pytest.mark.parametrize(
    ("schema", "options", "message"),
    [
        (PAIRS, {"delimiter": "ab"}, "one ASCII character"),
        (PAIRS, {"csv.field-delimiter": "é"}, "one ASCII character"),
        (PAIRS, {"csv.quote-character": "\n"}, "one ASCII character"),
        (RowSchema.of(("a", types.array(types.INT))), {}, "cannot carry"),
    ],
)
def test_what_csv_cannot_do_is_refused(schema, options, message):
    with pytest.raises(VeloError, match=message):
        open_format("csv", schema, options)


def test_raw_is_the_value_itself():
    text = open_format("raw", RowSchema.of(("line", types.STRING)), {})
    decoded = text.decode([b"a", b"\xff", None, "é".encode()])
    assert rows(decoded) == [("a",), (None,), ("é",)]
    assert reasons(decoded) == {1: 'field "line" (STRING): not valid UTF-8'}
    assert text.encode(decoded.table) == [b"a", b"", "é".encode()]
    data = open_format("raw", RowSchema.of(("b", types.BYTES)), {})
    assert rows(data.decode([b"\xff"])) == [(b"\xff",)]
    with pytest.raises(VeloError, match="single column of text"):
        open_format("raw", PAIRS, {})

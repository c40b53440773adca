"""The JSON format as a whole: exactness, accounting of broken messages, independence of how messages are batched."""

import json
import math
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velo_engine import types
from velo_engine.errors import VeloError
from velo_engine.formats import Decoded, open_format
from velo_engine.formats.base import MAX_RECORD_BYTES
from velo_engine.formats.json_format import MAX_DEPTH
from velo_engine.schema import RowSchema

TRADES = RowSchema.of(
    ("symbol", types.STRING), ("price", types.decimal(10, 2)), ("quantity", types.BIGINT), ("at", types.timestamp(3))
)


def trades(**options: str):
    return open_format("json", TRADES, options)


def read(schema: RowSchema, *messages: bytes | None, **options: str) -> Decoded:
    return open_format("json", schema, {k.replace("_", "-"): v for k, v in options.items()}).decode(messages)


def rows(decoded: Decoded) -> list[tuple]:
    return list(zip(*(column.to_pylist() for column in decoded.table.columns), strict=True))


def trade(i: int) -> bytes:
    return b'{"symbol":"S%d","price":%d.5,"quantity":%d,"at":"2024-01-01 00:00:%02d"}' % (i, i, i, i % 60)


BROKEN = {
    b'{"symbol":"A","price":1.5': "malformed JSON: it ends too early",
    b'{"symbol":"A","price":1.5}}': "malformed JSON: trailing characters (byte 27)",
    b'{"symbol":"A"},{"symbol":"B"}': "malformed JSON: trailing characters (byte 15)",
    b'{"symbol":"A","price":}': "malformed JSON: invalid character (byte 22)",
    b"{'symbol':'A'}": "malformed JSON: object keys must be strings (byte 1)",
    b'{"symbol":"A","at":[{}': "malformed JSON: it ends too early",
    b'{}]},{"symbol":"A"},{"symbol":"B"}': "malformed JSON: trailing characters (byte 3)",
    b'{"symbol":"\xff"}': "not valid UTF-8",
    b"": "the record is empty",
    b" \n": "the record is empty",
    None: "the record has no value (a tombstone)",
    b"[1,2]": '"[1,2]" is not a JSON object',
    b"null": '"null" is not a JSON object',
    b"17": '"17" is not a JSON object',
    b'{"price":"abc"}': 'field "price" (DECIMAL(10, 2)): "abc" is not a decimal number',
    b'{"price":"NaN"}': 'field "price" (DECIMAL(10, 2)): "NaN" is not a decimal number',
    b'{"price":"Infinity"}': 'field "price" (DECIMAL(10, 2)): "Infinity" is not a decimal number',
    b'{"price":NaN}': "malformed JSON: invalid character (byte 9)",
    b'{"price":true}': 'field "price" (DECIMAL(10, 2)): "true" is not a decimal number',
    b'{"price":[1]}': 'field "price" (DECIMAL(10, 2)): "[1]" is an array',
    b'{"quantity":"x"}': 'field "quantity" (BIGINT): "x" is not a whole number',
    b'{"quantity":9223372036854775808}': 'field "quantity" (BIGINT): "9223372036854775808" is out of range',
    b'{"quantity":{"n":1}}': 'field "quantity" (BIGINT): "{"n":1}" is an object',
    b'{"at":"2024-13-01 00:00:00"}': 'field "at" (TIMESTAMP(3)): "2024-13-01 00:00:00" is not a valid date',
    b'{"at":1704067200000}': 'field "at" (TIMESTAMP(3)): "1704067200000" is not a timestamp (yyyy-mm-dd hh:mm:ss)',
}


@pytest.mark.parametrize(("message", "reason"), BROKEN.items(), ids=[str(m) for m in BROKEN])
def test_a_broken_message_gives_its_reason_and_neighbours_go_on(message, reason):
    decoded = trades().decode([trade(1), message, trade(2)])
    assert [(f.index, f.reason) for f in decoded.failures] == [(1, reason)]
    assert decoded.positions.tolist() == [0, 2]
    assert [(symbol, price) for symbol, price, _, _ in rows(decoded)] == [
        ("S1", Decimal("1.50")),
        ("S2", Decimal("2.50")),
    ]


@settings(max_examples=60)
@given(st.lists(st.one_of(st.integers(0, 59), st.sampled_from(list(BROKEN))), max_size=30), st.data())
def test_every_message_is_a_row_or_a_failure_however_they_are_batched(picks, data):
    messages = [trade(pick) if isinstance(pick, int) else pick for pick in picks]
    whole = trades().decode(messages)
    assert sorted([*whole.positions.tolist(), *(f.index for f in whole.failures)]) == list(range(len(messages)))
    assert {f.index: f.reason for f in whole.failures} == {
        i: BROKEN[pick] for i, pick in enumerate(picks) if not isinstance(pick, int)
    }
    cut = data.draw(st.integers(0, len(messages)))
    first, second = trades().decode(messages[:cut]), trades().decode(messages[cut:])
    assert pa.concat_tables([first.table, second.table]).equals(whole.table)
    assert [*first.positions.tolist(), *(second.positions + cut).tolist()] == whole.positions.tolist()


@settings(max_examples=100)
@given(st.binary(max_size=60), st.integers(0, 100))
def test_any_bytes_are_a_row_or_a_failure(noise, at):
    spliced = trade(7)[: at % 70] + noise + trade(7)[at % 70 :]
    decoded = trades().decode([trade(1), spliced, trade(2), noise])
    assert set(decoded.positions.tolist()) >= {0, 2}
    assert len(decoded.positions) + len(decoded.failures) == 4


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(
        ["0x1p99999", "-0x1p99999", "1e99999", "NaN", "-Infinity", "9" * 5000, "2024-01-01T00:00:00Z", "AAE="]
    ),
    st.sampled_from([10**400, 1e300, -1e-300, 2**63, -(2**63), 0.1, -0.0]),
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


EVERY_TYPE = RowSchema.of(
    ("tinyint", types.TINYINT),
    ("bigint", types.BIGINT),
    ("float", types.FLOAT),
    ("double", types.DOUBLE),
    ("decimal", types.decimal(38, 18)),
    ("boolean", types.BOOLEAN),
    ("string", types.STRING),
    ("bytes", types.BYTES),
    ("date", types.DATE),
    ("time", types.time(0)),
    ("timestamp", types.timestamp(3)),
    ("instant", types.timestamp_ltz(6)),
    ("epoch", types.timestamp(3)),
    ("array", types.array(types.decimal(5, 2))),
    ("map", types.map_of(types.STRING, types.DOUBLE)),
    ("row", types.row(("a", types.INT), ("b", types.row(("c", types.DATE))))),
)


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from([*EVERY_TYPE.names, "other"]), json_values))
def test_any_object_is_a_row_or_a_failure_that_names_a_field(members):
    every = open_format("json", EVERY_TYPE, {"timestamp.format.epoch": "auto"})
    decoded = every.decode([json.dumps(members).encode(), b"{}"])
    assert len(decoded.positions) + len(decoded.failures) == 2
    assert decoded.table.schema == EVERY_TYPE.physical()
    for failure in decoded.failures:
        assert failure.index == 0
        assert failure.reason.startswith('field "')
    again = every.decode(every.encode(decoded.table))
    assert again.failures == ()
    assert repr(again.table.to_pylist()) == repr(decoded.table.to_pylist())


@given(st.decimals(min_value=-(10**20) + 1, max_value=10**20 - 1, allow_nan=False, places=18))
def test_decimals_are_exact_as_numbers_and_as_strings(value):
    schema = RowSchema.of(("d", types.decimal(38, 18)))
    text = format(value, "f").encode()
    decoded = read(schema, b'{"d":%s}' % text, b'{"d":"%s"}' % text)
    assert rows(decoded) == [(value,), (value,)]
    for written in ("number", "string"):
        encoded = open_format("json", schema, {"json.decimal": written}).encode(decoded.table)
        quote = '"' if written == "string" else ""
        zero = value == 0 and text.startswith(b"-")
        assert encoded[0].decode() == f'{{"d":{quote}{text.decode().lstrip("-") if zero else text.decode()}{quote}}}'
        assert rows(read(schema, *encoded)) == [(value,), (value,)]


@given(st.text())
def test_any_text_survives(text):
    schema = RowSchema.of(("s", types.STRING), ("größe, in m²", types.STRING))
    decoded = read(schema, json.dumps({"s": text, "größe, in m²": text}).encode())
    expected = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if expected == text:
        assert rows(decoded) == [(text, text)]
    encoded = open_format("json", schema, {}).encode(decoded.table)
    assert rows(read(schema, *encoded)) == rows(decoded)
    assert list(json.loads(encoded[0]).values()) == list(rows(decoded)[0])


def test_half_a_surrogate_pair_is_a_question_mark_and_a_whole_one_a_character():
    schema = RowSchema.of(("s", types.STRING))
    decoded = read(schema, rb'{"s":"a\ud83db"}', rb'{"s":"\ud83d\ude00"}', rb'{"s":"\\ud800 \ud83d\ude00\udc00"}')
    assert rows(decoded) == [("a?b",), ("😀",), ("\\ud800 😀?",)]


@given(st.floats())
def test_doubles_survive_and_what_json_cannot_say_is_quoted(value):
    schema = RowSchema.of(("d", types.DOUBLE), ("f", types.FLOAT))
    table = pa.table([pa.array([value]), pa.array([value]).cast(pa.float32(), safe=False)], schema=schema.physical())
    encoded = open_format("json", schema, {}).encode(table)
    assert repr(rows(read(schema, *encoded))) == repr(rows(read(schema, *encoded, *encoded))[:1])
    back = read(schema, *encoded).table
    assert [repr(column[0].as_py()) for column in back.columns] == [repr(column[0].as_py()) for column in table.columns]
    if not math.isfinite(value):
        assert isinstance(json.loads(encoded[0])["d"], str)


def test_negative_zero_keeps_its_sign_as_a_double_and_has_none_as_a_decimal():
    schema = RowSchema.of(("d", types.DOUBLE), ("p", types.decimal(3, 1)))
    decoded = read(schema, b'{"d":-0.0,"p":-0.0}')
    assert repr(rows(decoded)) == "[(-0.0, Decimal('0.0'))]"


def test_a_decimal_beyond_its_precision_is_null_and_its_scale_is_rounded_half_up():
    schema = RowSchema.of(("p", types.decimal(5, 2)))
    texts = [b"999.99", b"1000", b"999.995", b"0.005", b"-0.005", b"1e2", b"1e400", b'"1e400"']
    decoded = read(schema, *(b'{"p":%s}' % text for text in texts))
    expected = ["999.99", None, None, "0.01", "-0.01", "100.00", None, None]
    assert rows(decoded) == [(None if e is None else Decimal(e),) for e in expected]


def test_missing_fields_are_null_unknown_ones_ignored_and_the_last_of_equal_keys_counts():
    decoded = trades().decode([b'{"other":{"deep":[1,{"x":null}]},"quantity":1,"quantity":2}'])
    assert rows(decoded) == [(None, None, 2, None)]


def test_not_null_columns_refuse_missing_null_and_unfitting_values():
    schema = RowSchema.of(("p", types.decimal(3, 1).as_nullable(False)), ("s", types.STRING))
    decoded = read(schema, b'{"p":1}', b"{}", b'{"p":null}', b'{"p":1000}', b'{"p":2}')
    reason = 'field "p" (DECIMAL(3, 1) NOT NULL): missing or null'
    assert [(f.index, f.reason) for f in decoded.failures] == [(1, reason), (2, reason), (3, reason)]
    assert decoded.positions.tolist() == [0, 4]


def test_missing_fields_can_be_refused():
    decoded = read(TRADES, trade(1), b'{"symbol":"A","price":1,"at":null}', **{"json.fail_on_missing_field": "true"})
    assert [f.reason for f in decoded.failures] == ['field "quantity" (BIGINT): missing']
    assert decoded.positions.tolist() == [0]


NESTED = RowSchema.of(
    ("r", types.row(("d", types.decimal(6, 3)), ("inner", types.row(("t", types.timestamp(3)))))),
    ("a", types.array(types.decimal(5, 2))),
    ("m", types.map_of(types.STRING, types.array(types.INT))),
    ("b", types.BYTES),
)


def test_nested_values_are_read_and_written():
    message = (
        b'{"r":{"d":1.0005,"inner":{"t":"2024-01-01 00:00:00.5"}},"a":[1.005,null,"2"],'
        b'"m":{"x":[1],"y":null},"b":"AAE="}'
    )
    decoded = read(NESTED, message, b'{"r":null,"a":null,"m":null,"b":null}', b'{"r":{},"a":[],"m":{},"b":""}')
    assert decoded.failures == ()
    assert open_format("json", NESTED, {}).encode(decoded.table) == [
        b'{"r":{"d":1.001,"inner":{"t":"2024-01-01 00:00:00.5"}},"a":[1.01,null,2.00],'
        b'"m":{"x":[1],"y":null},"b":"AAE="}',
        b'{"r":null,"a":null,"m":null,"b":null}',
        b'{"r":{"d":null,"inner":null},"a":[],"m":{},"b":""}',
    ]
    assert decoded.table.schema == NESTED.physical()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b'{"r":{"d":"x"}}', 'field "d" (DECIMAL(6, 3)): "x" is not a decimal number'),
        (
            b'{"r":{"inner":{"t":5}}}',
            'field "inner" (ROW<`t` TIMESTAMP(3)>): field "t" (TIMESTAMP(3)): "5" is not a timestamp',
        ),
        (b'{"a":[1,2,"y",3]}', '"y" is not a decimal number'),
        (b'{"m":{"k":[1,"z"]}}', '"z" is not a whole number'),
        (b'{"m":[1]}', '"[1]" is not an object'),
        (b'{"a":{"x":1}}', '"{"x":1}" is not an array'),
        (b'{"r":[]}', '"[]" is not an object'),
        (b'{"b":5}', '"5" is not a base64 string'),
    ],
)
def test_a_wrong_value_deep_inside_fails_its_own_message_only(message, reason):
    fine = b'{"a":[1,2],"m":{"k":[3]}}'
    decoded = read(NESTED, fine, message, fine, message)
    assert [f.index for f in decoded.failures] == [1, 3]
    assert all(reason in f.reason for f in decoded.failures)
    assert rows(decoded)[0] == rows(decoded)[1]


def test_maps_need_string_keys():
    with pytest.raises(VeloError, match="maps with string keys"):
        open_format("json", RowSchema.of(("m", types.map_of(types.INT, types.INT))), {})


def test_depth_is_limited_and_brackets_in_strings_do_not_count():
    nested = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    decoded = trades().decode(
        [
            b'{"quantity":1,"x":%s}' % nested[1:-1],
            b'{"quantity":2,"x":%s}' % nested,
            b'{"quantity":3,"x":"%s"}' % (b"[" * 5000),
            b'{"quantity":4,"x":%s}' % (b"[" * 200_000),
            b'{"quantity":5,"x":[%s]}' % b",".join([b"[]"] * 500),
        ]
    )
    assert [quantity for _, _, quantity, _ in rows(decoded)] == [1, 3, 5]
    assert [f.index for f in decoded.failures] == [1, 3]
    assert f"more than {MAX_DEPTH} deep" in decoded.failures[0].reason


def test_size_is_limited():
    decoded = trades().decode([trade(1), b'{"symbol":"' + b"x" * MAX_RECORD_BYTES + b'"}'])
    assert [(f.index, "more than 16777216" in f.reason) for f in decoded.failures] == [(1, True)]


def test_timestamps_are_written_in_the_chosen_standard():
    schema = RowSchema.of(("t", types.timestamp(3)), ("z", types.timestamp_ltz(3)))
    decoded = read(schema, b'{"t":"2024-01-01T00:00:00","z":"2024-01-01 02:00:00.120+02:00"}')
    sql = open_format("json", schema, {}).encode(decoded.table)
    iso = open_format("json", schema, {"json.timestamp-format.standard": "iso-8601"}).encode(decoded.table)
    assert sql == [b'{"t":"2024-01-01 00:00:00","z":"2024-01-01 00:00:00.12Z"}']
    assert iso == [b'{"t":"2024-01-01T00:00:00","z":"2024-01-01T00:00:00.12Z"}']


def test_nulls_are_written_unless_left_out():
    table = trades().decode([b'{"quantity":1}', b"{}", trade(5)]).table
    assert trades().encode(table)[:2] == [
        b'{"symbol":null,"price":null,"quantity":1,"at":null}',
        b'{"symbol":null,"price":null,"quantity":null,"at":null}',
    ]
    kept = open_format("json", TRADES, {"json.encode.ignore-null-fields": "true"}).encode(table)
    assert kept == [b'{"quantity":1}', b"{}", b'{"symbol":"S5","price":5.50,"quantity":5,"at":"2024-01-01 00:00:05"}']


def test_no_messages_give_no_rows():
    decoded = trades().decode([])
    assert decoded.table.schema == TRADES.physical()
    assert (decoded.table.num_rows, len(decoded.positions), decoded.failures) == (0, 0, ())
    assert trades().encode(decoded.table) == []


def test_decoding_costs_the_same_for_lenient_values():
    """Numbers in quotes and strings without: Flink takes them, so do we."""
    schema = RowSchema.of(("i", types.INT), ("s", types.STRING), ("f", types.DOUBLE), ("b", types.BOOLEAN))
    decoded = read(schema, b'{"i":"5","s":5.10,"f":"1.5","b":"TRUE"}', b'{"i":1.9,"s":true,"f":7,"b":0}')
    assert rows(decoded) == [(5, "5.10", 1.5, True), (1, "true", 7.0, False)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"json.decimal": "float"}, '"json.decimal" is "float"'),
        ({"json.timestamp-format.standard": "unix"}, '"json.timestamp-format.standard" is "unix"'),
        ({"timestamp.format.price": "epoch_millis"}, "needs a TIMESTAMP column"),
        ({"timestamp.format.at": "yyyy-QQ"}, 'has "QQ", which is not supported'),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(VeloError, match=message):
        open_format("json", TRADES, options)


@pytest.mark.parametrize(
    ("name", "hint"), [("jsn", 'did you mean "json"'), ("canal-json", "supported: json, csv, raw")]
)
def test_unknown_formats_are_refused(name, hint):
    with pytest.raises(VeloError) as problem:
        open_format(name, TRADES, {})
    assert hint in str(problem.value)


def test_a_column_name_that_cannot_be_read_is_refused():
    with pytest.raises(VeloError, match="quotes"):
        open_format("json", RowSchema.of(('say "hi"', types.INT)), {})

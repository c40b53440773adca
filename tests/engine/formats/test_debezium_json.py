"""The debezium-json format: events by hand, and the recorded answers of Flink 2.3."""

import json

import pyarrow as pa
import pytest
from tests.engine.formats.sql_values import physical

from velo_engine import types
from velo_engine.batch import RowKind
from velo_engine.errors import VeloError
from velo_engine.formats import Decoded, open_format
from velo_engine.schema import RowSchema

PEOPLE = RowSchema.of(("id", types.BIGINT.as_nullable(False)), ("name", types.STRING), ("weight", types.decimal(5, 2)))


def decode(*messages: bytes | None, **options: str) -> Decoded:
    options = {f"debezium-json.{key.replace('_', '-')}": value for key, value in options.items()}
    return open_format("debezium-json", PEOPLE, options).decode(messages)


def event(op: str | None, before: object = None, after: object = None, **more: object) -> bytes:
    return json.dumps({"before": before, "after": after, "op": op, **more}).encode()


def rows(decoded: Decoded) -> list[str]:
    kinds = [RowKind(k).symbol for k in decoded.kinds.tolist()]
    return [f"{k} {list(r.values())}" for k, r in zip(kinds, decoded.table.to_pylist(), strict=True)]


ANN = {"id": 1, "name": "Ann", "weight": 60.5}
ANNE = {"id": 1, "name": "Anne", "weight": 61}


def test_events_become_rows_with_kinds():
    decoded = decode(
        event("r", None, ANN, source={"db": "x"}, ts_ms=5),
        event("u", ANN, ANNE),
        None,
        event("d", ANNE),
        b"",
        event("c", None, {"id": 2}),
    )
    assert decoded.failures == ()
    assert rows(decoded) == [
        "+I [1, 'Ann', Decimal('60.50')]",
        "-U [1, 'Ann', Decimal('60.50')]",
        "+U [1, 'Anne', Decimal('61.00')]",
        "-D [1, 'Anne', Decimal('61.00')]",
        "+I [2, None, None]",
    ]
    assert decoded.positions.tolist() == [0, 1, 1, 3, 5]


def test_an_event_may_stand_in_payload_beside_its_schema():
    message = json.dumps({"schema": {"type": "struct"}, "payload": json.loads(event("u", ANN, ANNE))}).encode()
    assert rows(decode(message, schema_include="true")) == rows(decode(event("u", ANN, ANNE)))
    assert [f.reason for f in decode(b'{"payload": null}', schema_include="true").failures] == ["the event has no op"]


def test_what_is_no_event_fails_alone():
    good = event("c", None, ANN)
    cases = {
        b"{": "malformed JSON: it ends too early",
        b"5": '"5" is not a JSON object',
        event(None, None, ANN): "the event has no op",
        event("t", None, None): 'the op "t" is none of c, r, u, d',
        event("u", None, ANN): 'the "before" of the update is null: for PostgreSQL set the REPLICA IDENTITY of the table to FULL',
        event("d", None, None): 'the "before" of the delete is null: for PostgreSQL set the REPLICA IDENTITY of the table to FULL',
        event("c", ANN, None): 'the "after" of the event is null',
        event("u", ANN, None): 'the "after" of the event is null',
        event("c", None, {"id": "x"}): 'field "after" (ROW<`id` BIGINT NOT NULL, `name` STRING, `weight` DECIMAL(5, 2)>): '
        'field "id" (BIGINT NOT NULL): "x" is not a whole number',
        event("c", None, {"name": "x"}): 'field "after" (ROW<`id` BIGINT NOT NULL, `name` STRING, `weight` DECIMAL(5, 2)>): '
        'field "id" (BIGINT NOT NULL): missing or null',
    }  # fmt: skip
    messages = [m for case in cases for m in (case, good)]
    decoded = decode(*messages)
    assert [f.reason for f in decoded.failures] == list(cases.values())
    assert decoded.positions.tolist() == list(range(1, len(messages), 2))
    assert set(decoded.kinds.tolist()) == {RowKind.INSERT}


def test_before_may_hold_only_the_key():
    assert rows(decode(event("d", {"name": "only"}))) == ["-D [None, 'only', None]"]


def test_columns_that_nobody_wants_are_null():
    for wanted, expected in ((frozenset({1}), [None, "Ann", None]), (frozenset(), [1, None, None])):
        decoded = open_format("debezium-json", PEOPLE, {}, wanted).decode([event("c", None, ANN)])
        assert list(decoded.table.to_pylist()[0].values()) == expected


def test_rows_are_written_as_creations_and_deletions():
    schema = RowSchema.of(("id", types.INT), ("d", types.decimal(4, 2)))
    table = physical(schema, [{"id": i, "d": None} for i in range(4)])
    kinds = [RowKind.INSERT, RowKind.UPDATE_BEFORE, RowKind.UPDATE_AFTER, RowKind.DELETE]
    written = open_format("debezium-json", schema, {}).encode(table.append_column("kind", pa.array(kinds, pa.int8())))
    assert written == [
        b'{"before":null,"after":{"id":0,"d":null},"op":"c"}',
        b'{"before":{"id":1,"d":null},"after":null,"op":"d"}',
        b'{"before":null,"after":{"id":2,"d":null},"op":"c"}',
        b'{"before":{"id":3,"d":null},"after":null,"op":"d"}',
    ]
    assert open_format("debezium-json", schema, {}).encode(table)[3].endswith(b'"op":"c"}')
    assert open_format("debezium-json", schema, {}).encode(table.slice(0, 0)) == []


def test_what_has_no_effect_is_refused():
    with pytest.raises(VeloError, match="only for sources"):
        open_format("debezium-json", PEOPLE, {"debezium-json.schema-include": "true"}).encode(physical(PEOPLE, []))
    with pytest.raises(VeloError, match="has no effect in the format debezium-json"):
        open_format("debezium-json", PEOPLE, {"timestamp.format.at": "epoch_millis"})
    with pytest.raises(VeloError, match="it can be true or false"):
        open_format("debezium-json", PEOPLE, {"debezium-json.schema-include": "yes"})


def test_empty_batches():
    assert decode().table.num_rows == 0
    assert decode(None, b"").table.num_rows == 0

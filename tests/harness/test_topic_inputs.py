"""Rows as records of a topic: their headers."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa

from velo_engine.schema import RowSchema
from velo_engine.types import BIGINT, STRING, decimal
from velo_harness.topic_inputs import Placing, RecordLayout, topic_of

SCHEMA = RowSchema.of(("id", BIGINT), ("name", STRING), ("amount", decimal(6, 2)))
ROWS = pa.table(
    {"id": [1, 2], "name": ["é", None], "amount": [Decimal("1.50"), Decimal("20.00")]}, schema=SCHEMA.arrow()
)


def headers(given: dict[str, str], values: list[bytes], partitions: int = 1):
    layout = RecordLayout("t", partitions, None, None, {}, -1, given)
    topic = topic_of(values, ROWS, SCHEMA, layout, Placing(np.arange(len(values)))).topic
    return [log.headers for log in topic.logs]


def test_a_column_gives_each_record_its_value_and_other_text_is_the_value() -> None:
    given = {"trace": "id", "who": "name", "sum": "amount", "origin": "web"}
    assert headers(given, [b"a", b"b"]) == [
        [
            (("trace", b"1"), ("who", "é".encode()), ("sum", b"1.50"), ("origin", b"web")),
            (("trace", b"2"), ("who", None), ("sum", b"20.00"), ("origin", b"web")),
        ]
    ]


def test_headers_go_with_their_records_into_the_partitions() -> None:
    assert headers({"trace": "id"}, [b"a", b"b"], partitions=2) == [[(("trace", b"1"),)], [(("trace", b"2"),)]]


def test_records_of_which_some_do_not_decode_have_the_fixed_headers_only() -> None:
    assert headers({"trace": "id", "origin": "web"}, [b"a", b"{", b"b"]) == [[(("origin", b"web"),)] * 3]
    assert headers({"trace": "id"}, [b"a", b"{", b"b"]) == [[()] * 3]


def test_without_headers_there_are_none() -> None:
    assert headers({}, [b"a", b"b"]) == [[(), ()]]

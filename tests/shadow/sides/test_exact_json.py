"""JSON records are read exactly, or not at all."""

from __future__ import annotations

import json
import random
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any

import pytest

from velo_engine.errors import VeloError
from velo_engine.schema import RowSchema
from velo_engine.types import BIGINT, BOOLEAN, DOUBLE, INT, STRING, SqlType, decimal, timestamp
from velo_shadow.sides.exact_json import ExactDebezium, ExactJson, changes_of

MONEY = decimal(36, 18)


def read(kind: SqlType, *values: str, quoted: bool | None = None) -> list[Any]:
    """The values of one column; a failure as its reason."""
    form = ExactJson(RowSchema.of(("a", kind)), quoted={} if quoted is None else {"a": quoted})
    found = form.decode([b'{"a": %s}' % value.encode() for value in values])
    answers: list[Any] = [None] * len(values)
    for position, value in zip(found.positions.tolist(), found.table.column(0).to_pylist(), strict=True):
        answers[position] = value
    for failure in found.failures:
        answers[failure.index] = failure.reason
    return answers


@pytest.mark.parametrize(
    ("kind", "written", "expected"),
    [
        (BIGINT, "9223372036854775807", 2**63 - 1),
        (BIGINT, "null", None),
        (MONEY, "0.1", Decimal("0.1")),
        (MONEY, "-12345678901234567.123456789012345678", Decimal("-12345678901234567.123456789012345678")),
        (MONEY, "1.5E-7", Decimal("0.00000015")),
        (MONEY, "1200e-2", Decimal(12)),
        (MONEY, "0.000", Decimal(0)),
        (decimal(38, 0), "99999999999999999999999999999999999999", Decimal(10**38 - 1)),
        (DOUBLE, "0.1", 0.1),
        (DOUBLE, "7", 7.0),
        (DOUBLE, '"Infinity"', float("inf")),
        (BOOLEAN, "true", True),
        (STRING, '"1.0"', "1.0"),
        (timestamp(6), '"2026-01-02 03:04:05.123456"', datetime(2026, 1, 2, 3, 4, 5, 123456)),
        (timestamp(6), '"2026-01-02T03:04:05.123000000Z"', datetime(2026, 1, 2, 3, 4, 5, 123000)),
    ],
)
def test_a_value_is_read_with_all_its_digits(kind: SqlType, written: str, expected: object) -> None:
    assert read(kind, written) == [expected]


@pytest.mark.parametrize(
    ("kind", "written", "quoted", "said"),
    [
        (BIGINT, "1.5", None, "the value is a number with a fraction"),
        (BIGINT, "9223372036854775808", None, '"9223372036854775808" does not fit'),
        (BIGINT, '"5"', False, "the value is text"),
        (BIGINT, "5", True, "the value is a whole number"),
        (INT, "3000000000", None, "does not fit"),
        (decimal(10, 2), "1.005", None, '"1.005" does not fit'),
        (decimal(4, 2), "100", None, '"100" does not fit'),
        (decimal(10, 2), '"1.00"', False, "the value is text"),
        (STRING, "5", None, "the value is a whole number"),
        (STRING, '"a"', False, "the value is text"),
        (BOOLEAN, "1", None, "the value is a whole number"),
        (timestamp(6), '"2026-01-02 03:04:05.1234567"', None, "finer than a microsecond"),
        (timestamp(6), '"yesterday"', None, "yesterday"),
    ],
)
def test_what_would_be_changed_is_refused(kind: SqlType, written: str, quoted: bool | None, said: str) -> None:
    (answer,) = read(kind, written, quoted=quoted)

    assert isinstance(answer, str)
    assert said in answer
    assert answer.startswith('field "a" (')


@pytest.mark.parametrize("kind", [MONEY, decimal(38, 0), decimal(38, 38), decimal(10, 2), decimal(20, 10)])
def test_any_number_is_read_exactly_or_refused(kind: SqlType) -> None:
    chance = random.Random(7)
    numbers = []
    for _ in range(2000):
        whole, fraction = (chance.randrange(10 ** chance.randrange(1, 25)) for _ in range(2))
        text = f"{'-' * chance.randrange(2)}{whole}" + f".{fraction}" * chance.randrange(2)
        numbers.append(text + f"e{chance.randrange(-9, 9)}" * (chance.random() < 0.1))
    limit, unit = Decimal(10) ** (kind.precision - kind.scale), Decimal(1).scaleb(-kind.scale)
    with localcontext(prec=80):
        fits = {n: abs(Decimal(n)) < limit and Decimal(n) % unit == 0 for n in numbers}
        # Whole columns that are plain are read at once, all others value by value.
        numbers.sort(key=lambda n: ("e" in n, not fits[n], len(n)))
        for batch in (numbers[first : first + 40] for first in range(0, 2000, 40)):
            for number, answer in zip(batch, read(kind, *batch), strict=True):
                assert answer == Decimal(number) if fits[number] else "does not fit" in answer


def test_neighbours_of_a_bad_value_go_on() -> None:
    assert read(BIGINT, "1", '"x"', "3", quoted=False)[::2] == [1, 3]
    assert read(decimal(10, 2), "1.00", "1.005", "3")[::2] == [Decimal("1.00"), Decimal(3)]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b'{"a": 1, "b": 2}', 'a field "b", which no record before had'),
        (b"[1]", "the value is an array, not a JSON object"),
        (b'{"a": 1', "this is no JSON"),
        (b"\x00\x00\x00\x00\x07\x02", "this is no JSON"),
        (None, "a tombstone"),
    ],
)
def test_a_record_that_is_no_such_object_is_refused(message: bytes | None, said: str) -> None:
    found = ExactJson(RowSchema.of(("a", BIGINT)), quoted={}).decode([b'{"a": 1}', message])

    assert found.table.column(0).to_pylist() == [1]
    assert said in found.failures[0].reason


@pytest.mark.parametrize("name", ["größe", "a b", "order.id"])
def test_names_may_be_any_words(name: str) -> None:
    form = ExactJson(RowSchema.of((name, BIGINT)), quoted={})

    assert form.decode([json.dumps({name: 7}).encode()]).table.column(0).to_pylist() == [7]


def test_a_name_that_json_must_escape_is_refused() -> None:
    with pytest.raises(VeloError, match="cannot be compared"):
        ExactJson(RowSchema.of(('a"b', BIGINT)), quoted={})


def test_ignored_fields_may_be_there() -> None:
    form = ExactJson(RowSchema.of(("a", BIGINT)), quoted={}, ignored=["b"])

    assert form.decode([b'{"a": 1, "b": {"c": []}}']).table.column(0).to_pylist() == [1]


def test_an_event_is_what_it_changes() -> None:
    form = ExactDebezium(ExactJson(RowSchema.of(("a", BIGINT)), quoted={}))

    found = form.decode(
        [
            b'{"before": null, "after": {"a": 1}, "op": "r", "ts_ms": 5}',
            None,
            b'{"before": {"a": 1}, "after": {"a": 2}, "op": "u"}',
            b'{"schema": {}, "payload": {"before": {"a": 2}, "after": null, "op": "d"}}',
            b'{"before": null, "after": {"a": 1}, "op": "d"}',
            b'{"before": null, "after": {"a": 1.5}, "op": "c"}',
        ]
    )

    assert found.table.column(0).to_pylist() == [1, 1, 2, 2]
    assert found.kinds is not None
    assert found.kinds.tolist() == [0, 1, 2, 3]
    assert found.positions.tolist() == [0, 2, 2, 3]
    assert [(f.index, f.reason) for f in found.failures] == [
        (4, 'the "before" of the event is null; PostgreSQL needs REPLICA IDENTITY FULL'),
        (5, 'field "a" (BIGINT): the value is a number with a fraction'),
    ]


def test_an_event_without_op_says_so() -> None:
    assert changes_of([b'{"a": 1}']).failures == {0: "the event has no op"}

"""Long columns are written in another way than short ones, and to the same text."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from velo_engine import types as t
from velo_engine.formats import open_format
from velo_engine.formats.json_encoder import ROWS_AT_ONCE
from velo_engine.schema import RowSchema

EPOCH = datetime(1970, 1, 1)


def written(moment: datetime) -> str:
    """A timestamp as Flink writes it: a fraction of a second without trailing zeros."""
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return moment.replace(microsecond=0).isoformat(sep=" ") + fraction


def moments(micros: Any) -> list[str]:
    table = pa.table({"c0": pa.array(micros).cast(pa.timestamp("us"))})
    messages = open_format("json", RowSchema.of(("at", t.timestamp(6))), {}).encode(table)
    return [json.loads(message)["at"] for message in messages]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-02-28T23:59:50", "2024-03-01T00:00:10"),
        ("1969-12-31T00:00:00", "1970-01-02T00:00:00"),
        ("0001-01-01T00:00:00", "0001-01-03T00:00:00"),
        ("9999-12-30T00:00:00", "9999-12-31T23:59:59"),
        ("1999-01-01T00:00:00", "2031-01-01T00:00:00"),
    ],
)
@pytest.mark.parametrize("unit", [1, 1000, 100_000, 1_000_000])
def test_many_moments(start: str, end: str, unit: int) -> None:
    rng = np.random.default_rng(7)
    first, last = ((datetime.fromisoformat(x) - EPOCH) // timedelta(microseconds=1) for x in (start, end))
    micros = rng.integers(first // unit + 1, last // unit, 10_000) * unit
    assert moments(micros) == [written(EPOCH + timedelta(microseconds=int(m))) for m in micros]


def test_one_moment_among_many_that_is_finer_than_a_millisecond() -> None:
    micros = np.arange(20_000) * 1000
    micros[19_000] += 1
    assert moments(micros)[18_999:19_002] == [
        "1970-01-01 00:00:18.999",
        "1970-01-01 00:00:19.000001",
        "1970-01-01 00:00:19.001",
    ]


def test_rows_of_several_parts_are_all_there_in_their_order() -> None:
    count = 2 * ROWS_AT_ONCE + 5
    live = np.arange(count) % 3 == 0
    table = pa.table(
        {
            "c0": pa.array(np.arange(count)),
            "c1": pa.array(live),
            "c2": pa.array([None if i % 7 == 0 else bool(live[i]) for i in range(count)]),
            "c3": pa.array([f'line\n"{i}"' for i in range(count)]),
            "c4": pa.array([Decimal(i).scaleb(-2) for i in range(count)], pa.decimal128(10, 2)),
        }
    )
    schema = RowSchema.of(
        ("i", t.BIGINT), ("live", t.BOOLEAN), ("may", t.BOOLEAN), ("s", t.STRING), ("d", t.decimal(10, 2))
    )
    messages = open_format("json", schema, {}).encode(table)
    assert len(messages) == count
    for i in (0, 1, 7, ROWS_AT_ONCE - 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 1, 2 * ROWS_AT_ONCE, count - 1):
        may = "null" if i % 7 == 0 else str(bool(live[i])).lower()
        expected = f'{{"i":{i},"live":{str(bool(live[i])).lower()},"may":{may},"s":"line\\n\\"{i}\\"","d":{Decimal(i).scaleb(-2)}}}'
        assert messages[i].decode() == expected

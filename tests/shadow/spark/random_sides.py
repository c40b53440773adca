"""Two sides that are mostly alike, with every type and rule of equality, made from a seed."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa

SCHEMA = pa.schema(
    {
        "k": pa.int64(),
        "i": pa.int32(),
        "f": pa.float64(),
        "ab": pa.float64(),
        "u": pa.float64(),
        "z": pa.float64(),
        "fl": pa.float32(),
        "d": pa.decimal128(38, 3),
        "dr": pa.decimal128(10, 2),
        "sc": pa.decimal128(10, 4),
        "t": pa.timestamp("us"),
        "zt": pa.timestamp("us", "UTC"),
        "tm": pa.time64("us"),
        "da": pa.date32(),
        "a": pa.list_(pa.int64()),
        "ra": pa.list_(pa.float64()),
        "st": pa.struct({"x": pa.int64(), "y": pa.string()}),
        "js": pa.string(),
        "n": pa.string(),
        "tx": pa.string(),
        "b": pa.bool_(),
        "by": pa.binary(),
    }
)
EQUALITIES = (
    "ab=abs:0.005", "u=ulp:1", "z=signed-zero", "f=nan-differs", "dr=rel:0.005", "sc=scale:2", "t=within:1ms",
    "a=bag", "js=json", "n=unicode", "tx=case,trim", "d=abs:0.01",
)  # fmt: skip
_TEN = datetime(2026, 1, 1, 10)
_VALUES: dict[str, tuple[Any, ...]] = {
    "i": (1, 2, None),
    "f": (0.0, -0.0, float("nan"), 1.0, 1.0 + 2**-52, 1e300, float("inf"), None, 0.1, 0.1 + 0.2, 5e-324),
    "ab": (1.0, 1.005, None, 2.0),
    "u": (1.0, 1.0 + 2**-52, 1.0 + 2**-51),
    "z": (0.0, -0.0),
    "fl": (0.1, -0.0, None),
    "d": (Decimal("12345678901234567890123456789012345.678"), Decimal("0.005"), Decimal("0.015"), None),
    "dr": (Decimal("10.00"), Decimal("10.05")),
    "sc": (Decimal("1.005"), Decimal("1.0049"), Decimal("1.0")),
    "t": (datetime(1969, 12, 31, 23, 59, 59, 500_000), _TEN, _TEN.replace(microsecond=1000), None),
    "zt": tuple(datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (10, 11, 12)),
    "tm": (time(10, 0, 0, 5), time(10, 1, 0, 5)),
    "da": (date(2026, 1, 1), date(2026, 1, 2)),
    "a": ([1, 2], [2, 1], [None, 1], [], None),
    "ra": ([1.0, 2.0], [float("nan")], None),
    "st": ({"x": 1, "y": "b"}, {"x": None, "y": "b"}, None),
    "js": ('{"a":1,"b":2}', '{"b":2.0, "a":1}', "x", None),
    "n": ("é", "e\u0301", None),
    "tx": (" a", "A ", "ä", "", None),
    "b": (True, False, None),
    "by": (b"a", b"", None),
}


def random_sides(seed: int, *, rows: int, copies: int) -> tuple[pa.Table, pa.Table]:
    """Half of the right's rows differ from the left's in a column, some are missing, one is new; `copies` more rows on
    each side are there already."""
    made = random.Random(seed)

    def row(key: int | None) -> dict[str, Any]:
        return {"k": key, **{name: made.choice(values) for name, values in _VALUES.items()}}

    left = [row(key) for key in (None, *range(rows))]
    right = [dict(one) for one in left if made.random() > 0.05]
    for one in right:
        if made.random() < 0.5:
            name = made.choice(list(_VALUES))
            one[name] = made.choice(_VALUES[name])
    right.append(row(1000))
    for side in (left, right):
        side += made.choices(side, k=copies)
        made.shuffle(side)
    return pa.Table.from_pylist(left, SCHEMA), pa.Table.from_pylist(right, SCHEMA)

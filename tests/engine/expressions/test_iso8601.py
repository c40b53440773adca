"""FROM_ISO8601: the instants that texts name."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pytest
from sqlglot import exp

from velo_engine.compile_expression import compile_expression
from velo_engine.kernel import Kernel
from velo_engine.plan.expressions import ColumnRef, Expression
from velo_engine.sql.expression_binder import bind_expression
from velo_engine.sql.parser import parse_expression
from velo_engine.types import STRING, timestamp_ltz


class _OneString:
    def resolve(self, column: exp.Column) -> Expression:
        return ColumnRef(0, STRING)

    def planned(self, node: exp.Expression) -> Expression | None:
        return None


def _instant(text: str | None, time_zone: str = "UTC") -> datetime | None:
    bound = bind_expression(parse_expression("FROM_ISO8601(c0)"), _OneString())
    assert bound.type == timestamp_ltz(3)
    compiled = compile_expression(bound, lambda _: "c0", time_zone=time_zone)
    assert compiled.error is None
    rows = pa.table({"c0": pa.array([text], pa.string())})
    kernel = Kernel()
    try:
        (value,) = kernel.query(f"SELECT {compiled.value} AS v FROM rows", rows=rows).column("v").to_pylist()
    finally:
        kernel.close()
    return value


NOON = datetime(2024, 3, 1, 12, 0, 0)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-03-01T12:00:00Z", NOON),
        ("2024-03-01t12:00:00z", NOON),
        ("2024-03-01T14:00:00+02:00", NOON),
        ("2024-03-01T06:30:00-0530", NOON),
        ("2024-03-01 14:00+02", NOON),
        ("  2024-03-01T12:00:00,250Z ", NOON.replace(microsecond=250_000)),
        ("2024-03-01T12:00:00.123987654Z", NOON.replace(microsecond=123_000)),
        ("2024-03-01T12:00", NOON),
        ("2024-03-01", datetime(2024, 3, 1)),
        ("1969-12-31T23:59:59.999Z", datetime(1969, 12, 31, 23, 59, 59, 999_000)),
        ("2024-02-30T12:00:00Z", None),
        ("2024-03-01T12:61:00Z", None),
        ("01.03.2024", None),
        ("epoch", None),
        ("", None),
        (None, None),
    ],
)
def test_the_instant_of(text: str | None, instant: datetime | None) -> None:
    assert _instant(text) == instant


def test_without_a_zone_the_time_is_the_sessions() -> None:
    assert _instant("2024-03-01T13:00:00", "Europe/Berlin") == NOON
    assert _instant("2024-07-01T14:00:00", "Europe/Berlin") == datetime(2024, 7, 1, 12)
    assert _instant("2024-03-01T12:00:00Z", "Europe/Berlin") == NOON

"""Hints in SQL comments say what a schema file would, with errors at their place in the SQL."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from velo_engine import types as t
from velo_engine.errors import ErrorCode, Location, VeloError
from velo_engine.schema import RowSchema
from velo_engine.sql.parser import parse_program
from velo_harness import constraints as c
from velo_harness.data_hints import check_hinted_fields, hinted_schema, hints_of
from velo_harness.generation import generate

COLUMNS = RowSchema.of(
    ("symbol", t.STRING),
    ("price", t.decimal(10, 2)),
    ("quantity", t.BIGINT.as_nullable(False)),
    ("event_time", t.timestamp(3)),
    ("total", t.decimal(20, 2)),
    ("tags", t.array(t.STRING)),
)
DECLARED = Location("app.sql", 1)


def hints(*lines):
    return hints_of(
        parse_program("\n".join(f"-- {line}" for line in lines) + "\nSELECT 1 AS one", file="app.sql").annotations
    )


def constraints(column, *lines):
    schema = hinted_schema("trades", COLUMNS, hints(*lines), DECLARED)
    return next(field.constraints for field in schema.fields if field.name == column)


def refused(*lines):
    with pytest.raises(VeloError) as caught:
        hinted_schema("trades", COLUMNS, hints(*lines), DECLARED)
    return caught.value


def test_globals():
    found = hints("@data.record_count: 250", "@data.seed: 7", "@data.time_start: -2h", "@data.time_end: -1h")
    assert (found.record_count, found.seed, found.time_start, found.time_end) == (250, 7, "-2h", "-1h")
    schema = hinted_schema("trades", COLUMNS, found, DECLARED)
    assert (schema.name, schema.record_count, schema.row_schema()) == ("trades", 250, COLUMNS)
    assert schema.fields[3].constraints.source == c.TimeRange("-2h", "-1h")


def test_an_enum_with_weights():
    source = constraints("symbol", "@data.symbol: enum [AAPL, 'MS,FT'], weights: [3, 1]").source
    assert ([value.text for value in source.values], source.weights) == (["AAPL", "MS,FT"], (3.0, 1.0))
    assert [value.text for value in constraints("symbol", "@data.symbol: [A, B]").source.values] == ["A", "B"]


def test_a_range_of_numbers_and_of_times():
    found = constraints("price", "@data.price: range [10, 20.50]")
    assert (found.range.minimum.text, found.range.maximum.text) == ("10", "20.50")
    assert constraints("event_time", "@data.event_time: range [-4h, now]").source == c.TimeRange("-4h", "now")


def test_the_parameters_of_a_random_walk_come_together():
    lines = (
        "@data.price: range [10, 20]",
        "@data.price.distribution: random_walk",
        "@data.price.volatility: 0.02",
        "@data.price.drift: 0.001",
        "@data.price.group_by: symbol",
    )
    walk = c.Distribution(c.Shape.RANDOM_WALK, volatility=0.02, drift=0.001, group_by=("symbol",))
    assert constraints("price", *lines).distribution == walk
    assert constraints("price", "@data.price: range [10, 20], volatility: 0.02").distribution.volatility == 0.02


def test_other_keys():
    assert constraints("quantity", "@data.quantity.distribution: zipf").distribution.shape is c.Shape.ZIPF
    assert constraints("symbol", "@data.symbol.references: symbols.code").source == c.Reference("symbols", "code")
    assert constraints("total", "@data.total.derived: COALESCE(price, 0) * quantity").source == c.Derived(
        "COALESCE(price, 0) * quantity"
    )
    assert constraints("total", "@data.total: derived: COALESCE(price, 0) * quantity").source == c.Derived(
        "COALESCE(price, 0) * quantity"
    )
    assert constraints("quantity", "@data.quantity: unique, range [1, 5]").unique
    found = constraints("event_time", "@data.event_time.sequential: false", "@data.time_start: -5m")
    assert found.source == c.TimeRange("-5m", "now", sequential=False)


def test_arrival_patterns_lie_between_the_times_of_all():
    lines = ("@data.time_start: -2h", "@data.event_time.seasonality: hourly")
    found = constraints("event_time", *lines)
    assert (found.source, found.arrival) == (c.TimeRange("-2h", "now"), c.Arrival((c.Seasonality(3_600_000),)))
    sessions = constraints("event_time", "@data.event_time.sessions: {entity: symbol, gap: 5m, length: 1m}").sessions
    assert sessions == c.Sessions(("symbol",), 300_000, 60_000)


@pytest.mark.parametrize(
    ("line", "code", "at"),
    [
        ("@data.price: range [10, x]", ErrorCode.BAD_VALUE, "x]"),
        ("@data.price: enum [1.005]", ErrorCode.BAD_VALUE, "1.005"),
        ("@data.price: rnage [1, 2]", ErrorCode.UNKNOWN_KEY, "rnage"),
        ("@data.price.distribtuion: normal", ErrorCode.UNKNOWN_KEY, "@data.price.distribtuion"),
        ("@data.price.distribution: bell", ErrorCode.BAD_VALUE, "bell"),
        ("@data.price: range [1]", ErrorCode.BAD_VALUE, "[1]"),
        ("@data.symbol: enum [A", ErrorCode.BAD_VALUE, "enum [A"),
        ("@data.symbol: ?", ErrorCode.BAD_VALUE, "?"),
        ("@data.quantity.null_probability: 0.5", ErrorCode.BAD_VALUE, "0.5"),
        ("@data.record_count: many", ErrorCode.BAD_VALUE, "many"),
    ],
)
def test_a_hint_that_cannot_be_meant_is_shown_in_the_sql(line, code, at):
    error = refused(line)
    assert error.code is code
    assert (error.location.file, error.location.line) == ("app.sql", 1)
    assert error.location.text[error.location.column - 1 :].startswith(at)


def test_a_hint_for_no_column():
    with pytest.raises(VeloError) as caught:
        check_hinted_fields(hints("@data.prize: range [1, 2]"), COLUMNS.names)
    assert (caught.value.code, caught.value.hint) == (ErrorCode.UNKNOWN_COLUMN, 'did you mean "price"?')
    check_hinted_fields(hints("@data.price: range [1, 2]"), COLUMNS.names)


def test_declared_columns_are_enough_to_generate():
    lines = ("@data.symbol: [A, B]", "@data.price: range [10, 20]", "@data.total: derived: price * quantity")
    schema = hinted_schema("trades", COLUMNS, hints(*lines), DECLARED)
    table = generate(schema, records=50, seed=1, now=datetime(2025, 1, 1, tzinfo=UTC))
    assert table.schema == COLUMNS.arrow()
    for row in table.to_pylist():
        assert row["symbol"] in ("A", "B")
        assert Decimal(10) <= row["price"] <= 20
        assert row["total"] == row["price"] * row["quantity"]

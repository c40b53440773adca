"""Fields that follow from others: derived, correlated, foreign keys; and what an input puts over a schema."""

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pyarrow as pa
import pytest

from velo_engine.errors import ErrorCode, Location, VeloError
from velo_harness.constraint_keys import CONSTRAINTS, constraints_of
from velo_harness.data_schema import data_schema_of
from velo_harness.generation import generate
from velo_harness.keys import read_object
from velo_harness.yaml_source import parse_yaml

NOW = datetime(2025, 1, 1, tzinfo=UTC)
ORDER = (
    "name: price, type: decimal, precision: 10, scale: 2, constraints: {min: 0.01, max: 999.99}",
    "name: quantity, type: integer, constraints: {min: 1, max: 9}",
)


def make(*fields, records=500, **more):
    lines = "".join(f"  - {{{field}}}\n" for field in fields)
    return generate(
        data_schema_of(parse_yaml("name: s\nfields:\n" + lines, "s")), records=records, seed=1, now=NOW, **more
    )


def refused(*fields, **more):
    with pytest.raises(VeloError) as caught:
        make(*fields, **more)
    return caught.value


def overrides(text):
    return {
        key.text: constraints_of(read_object(value, CONSTRAINTS)) for key, value in parse_yaml(text, "spec").entries
    }


def test_derived_decimals_are_exact():
    table = make(
        "name: total, type: decimal, precision: 14, scale: 2, constraints: {derived: price * quantity}", *ORDER
    )
    for row in table.to_pylist():
        assert row["total"] == row["price"] * row["quantity"]


def test_derived_decimals_are_rounded_half_up_to_the_fields_scale():
    rows = make(
        *ORDER, "name: tax, type: decimal, precision: 14, scale: 2, constraints: {derived: price * 0.195}"
    ).to_pylist()
    for row in rows:
        assert row["tax"] == (row["price"] * Decimal("0.195")).quantize(Decimal("0.01"), ROUND_HALF_UP)


def test_derived_fields_may_use_derived_fields_in_any_order():
    rows = make(
        "name: c, type: bigint, constraints: {derived: b + 1}",
        "name: b, type: bigint, constraints: {derived: {expression: a * 2, depends_on: [a]}}",
        "name: a, type: bigint, constraints: {sequence: true}",
        records=3,
    ).to_pylist()
    assert rows == [{"c": 3, "b": 2, "a": 1}, {"c": 5, "b": 4, "a": 2}, {"c": 7, "b": 6, "a": 3}]


def test_derived_text_and_nulls():
    rows = make(
        "name: n, type: integer, nullable: true, null_probability: 0.5",
        "name: kind, type: string, constraints: {derived: \"CASE WHEN n IS NULL THEN 'none' ELSE 'some' END\"}",
        "name: twice, type: integer, constraints: {derived: n * 2}",
    ).to_pylist()
    assert {row["kind"] for row in rows} == {"none", "some"}
    for row in rows:
        assert row["kind"] == ("none" if row["n"] is None else "some")
        assert row["twice"] == (None if row["n"] is None else row["n"] * 2)


@pytest.mark.parametrize(
    ("expression", "code", "at"),
    [
        ("pirce * 2", ErrorCode.UNKNOWN_COLUMN, "pirce * 2"),
        ("price * ", ErrorCode.SQL_SYNTAX, None),
        ("no_such_function(price)", ErrorCode.UNKNOWN_FUNCTION, "no_such_function"),
        ("quantity / (quantity - quantity)", ErrorCode.EXPRESSION_FAILED, "quantity /"),
    ],
)
def test_a_derived_expression_that_does_not_work_is_shown_at_its_place(expression, code, at):
    error = refused(*ORDER, f"name: x, type: bigint, constraints: {{derived: {expression}}}")
    assert error.code is code
    assert error.location.line == 5
    if at:
        assert error.location.text[error.location.column - 1 :].startswith(at)


@pytest.mark.parametrize(
    "expression",
    ["(SELECT 1)", "read_csv('/etc/passwd')", "current_setting('threads')", "price; DROP TABLE rows", "getenv('HOME')"],
)
def test_a_derived_expression_cannot_reach_beyond_its_row(expression):
    assert refused(*ORDER, f'name: x, type: string, constraints: {{derived: "{expression}"}}').code.exit_code == 2


def test_a_circle_is_named():
    error = refused(
        "name: a, type: bigint, constraints: {derived: b}", "name: b, type: bigint, constraints: {derived: a}"
    )
    assert error.message == "these fields depend on each other: a → b → a"


def test_a_correlated_field_follows_the_other():
    table = make(
        "name: x, type: double, constraints: {min: 0, max: 100}",
        "name: y, type: double, constraints: {correlated_with: {field: x, factor: 2, offset: 5, noise: 3}}",
        records=5000,
    )
    x, y = (table[name].to_numpy() for name in ("x", "y"))
    rest = y - 2 * x - 5
    assert np.mean(rest) == pytest.approx(0, abs=0.15)
    assert np.std(rest) == pytest.approx(3, abs=0.1)


def test_a_correlated_field_is_cut_by_its_range_and_null_where_the_other_is():
    rows = make(
        "name: x, type: integer, nullable: true, null_probability: 0.2, constraints: {min: 0, max: 100}",
        "name: y, type: decimal, scale: 1, constraints: {correlated_with: {field: x, factor: 0.5}, max: 20}",
    ).to_pylist()
    for row in rows:
        assert row["y"] == (None if row["x"] is None else min(Decimal(row["x"]) / 2, Decimal(20)))


def test_a_text_cannot_be_correlated_with():
    assert (
        "needs a number"
        in refused("name: x, type: string", "name: y, type: double, constraints: {correlated_with: {field: x}}").message
    )


CUSTOMERS = pa.table(
    {
        "id": pa.array([11, 22, 33, None], pa.int64()),
        "code": ["a", "b", "c", "d"],
        "rate": pa.array([1.5, 2.5, 3.5, 4.5]),
    }
)


def test_foreign_keys_exist_in_the_referenced_rows():
    rows = make("name: c, type: bigint, constraints: {references: customers.id}", references={"customers": CUSTOMERS})[
        "c"
    ].to_pylist()
    assert set(rows) == {11, 22, 33}
    assert all(130 < rows.count(key) < 205 for key in (11, 22, 33))


def test_a_share_of_foreign_keys_may_have_no_partner():
    field = "name: c, type: %s, constraints: {references: {schema: customers, field: %s, match_rate: 0.8}}"
    numbers = make(field % ("bigint", "id"), records=5000, references={"customers": CUSTOMERS})["c"].to_pylist()
    assert sum(key in (11, 22, 33) for key in numbers) / 5000 == pytest.approx(0.8, abs=0.02)
    texts = make(field % ("string", "code"), records=5000, references={"customers": CUSTOMERS})["c"].to_pylist()
    assert sum(key in "abcd" for key in texts) / 5000 == pytest.approx(0.8, abs=0.02)
    rates = make(field % ("double", "rate"), records=5000, references={"customers": CUSTOMERS})["c"].to_pylist()
    held = set(CUSTOMERS["rate"].to_pylist())
    assert sum(key in held for key in rates) / 5000 == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("decimal, precision: 4, scale: 2", [Decimal("1.50"), Decimal("2.25")]),
        ("date", [date(2024, 2, 28), date(2024, 2, 29)]),
        ("timestamp", [datetime(2024, 1, 1), datetime(2024, 1, 2)]),
    ],
)
def test_keys_of_any_ordered_type_may_have_no_partner(kind, keys):
    field = f"name: c, type: {kind}, constraints: {{references: {{schema: others, field: k, match_rate: 0.5}}}}"
    others = pa.table({"k": pa.array(keys, pa.decimal128(4, 2) if kind.startswith("dec") else None)})
    made = make(field, records=2000, references={"others": others})["c"].to_pylist()
    assert sum(key in keys for key in made) / 2000 == pytest.approx(0.5, abs=0.06)


def test_a_type_without_other_values_is_refused():
    field = "name: c, type: boolean, constraints: {references: {schema: others, field: k, match_rate: 0.5}}"
    error = refused(field, references={"others": pa.table({"k": [True, False]})})
    assert error.message == "there are no values of type BOOLEAN that no row has, as match_rate below 1 needs"
    full = "name: c, type: decimal, precision: 2, scale: 0, constraints: {references: {schema: others, field: k, match_rate: 0.5}}"
    keys = pa.table({"k": pa.array([Decimal(99)], pa.decimal128(2, 0))})
    assert "there are no values of type DECIMAL(2, 0)" in refused(full, references={"others": keys}).message


def test_unique_foreign_keys_are_one_to_one():
    field = "name: c, type: string, constraints: {references: customers.code, unique: true}"
    assert sorted(make(field, records=4, references={"customers": CUSTOMERS})["c"].to_pylist()) == ["a", "b", "c", "d"]
    assert refused(field, records=5, references={"customers": CUSTOMERS}).message.endswith("there are only 4")


@pytest.mark.parametrize(
    ("reference", "tables", "code", "hint"),
    [
        ("customer.id", {"customers": CUSTOMERS}, ErrorCode.UNKNOWN_SCHEMA, 'did you mean "customers"?'),
        ("customers.idd", {"customers": CUSTOMERS}, ErrorCode.UNKNOWN_COLUMN, 'did you mean "id"?'),
        ("customers.id", {"customers": CUSTOMERS.slice(3)}, ErrorCode.EMPTY_INPUT, None),
        ("customers.code", {"customers": CUSTOMERS}, ErrorCode.BAD_VALUE, None),
        ("customers.id", {}, ErrorCode.UNKNOWN_SCHEMA, None),
    ],
)
def test_foreign_keys_that_lead_nowhere(reference, tables, code, hint):
    error = refused(f"name: c, type: bigint, constraints: {{references: {reference}}}", references=tables)
    assert error.code is code
    assert hint is None or error.hint == hint
    assert (error.location.line, error.location.text[error.location.column - 1 :].startswith(reference)) == (3, True)


def test_overrides_change_one_input_only():
    table = make(*ORDER, overrides=overrides("quantity: {enum: [3]}\nprice: {max: 1}\n"))
    assert set(table["quantity"].to_pylist()) == {3}
    assert max(table["price"].to_pylist()) <= 1
    assert make(*ORDER)["quantity"].to_pylist() != table["quantity"].to_pylist()


def test_an_override_can_make_nulls():
    table = make("name: a, type: integer", overrides=overrides("a: {null_probability: 1}"))
    assert table["a"].null_count == 500


@pytest.mark.parametrize(
    ("text", "code", "column"),
    [
        ("qantity: {enum: [3]}", ErrorCode.UNKNOWN_COLUMN, 17),
        ("quantity: {enum: [x]}", ErrorCode.BAD_VALUE, 19),
        ("quantity: {pattern: x}", ErrorCode.BAD_VALUE, 21),
    ],
)
def test_overrides_that_do_not_fit_are_refused_at_their_place_in_the_spec(text, code, column):
    error = refused(*ORDER, overrides=overrides(text))
    assert (error.code, error.location.file, error.location.column) == (code, "spec", column)


def test_an_override_of_nulls_for_a_field_that_has_none():
    error = refused("name: a, type: integer, nullable: false", overrides=overrides("a: {null_probability: 0.5}"))
    assert error.message == 'the field "a" is not nullable'


def test_an_error_without_a_place_of_its_own_has_the_callers():
    place = Location("spec", 7)
    assert refused("name: a, type: integer", null_probability=0.5, location=place).location == place

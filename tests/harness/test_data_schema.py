"""Data schemas: all forms and types, and constraints that fit their field or are refused."""

import textwrap

import pytest

from velo_engine import types as t
from velo_engine.errors import ErrorCode, VeloError
from velo_harness import constraints as c
from velo_harness.data_schema import data_schema_of, load_data_schema
from velo_harness.yaml_source import parse_yaml


def schema(text):
    return data_schema_of(parse_yaml(textwrap.dedent(text).lstrip("\n"), "s.yaml"))


def field(text):
    return schema("name: s\nfields:\n  - " + text).fields[0]


def constraints(text, kind="bigint"):
    return field(f"{{name: f, type: {kind}, constraints: {text}}}").constraints


def refused(text):
    with pytest.raises(VeloError) as caught:
        schema(text)
    return caught.value


def test_the_plain_form():
    found = schema("""
        name: orders
        description: Orders of a shop.
        record_count: 500
        key_field: id
        fields:
          - {name: id, type: bigint, nullable: false, description: the key}
          - {name: note, type: string, nullable: true, null_probability: 0.5}
    """)
    assert (found.name, found.description, found.record_count, found.key_field) == (
        "orders",
        "Orders of a shop.",
        500,
        "id",
    )
    assert found.row_schema().names == ("id", "note")
    assert found.row_schema().types == (t.BIGINT.as_nullable(False), t.STRING)
    assert found.fields[1].constraints.null_probability == 0.5
    assert [f.declared_nullable for f in found.fields] == [False, True]


def test_the_wrapped_form():
    found = schema("""
        schema:
          name: orders
          namespace: shop
          fields:
            - {name: id, type: bigint}
    """)
    assert (found.name, found.namespace, found.row_schema().names) == ("orders", "shop", ("id",))


def test_the_form_of_an_import():
    """The example of FR-087, "Generated Schema"."""
    found = schema("""
        schema:
          name: trades
          source: flink_ddl
          kafka_topic: trades

        fields:
          - name: symbol
            type: string
            constraints:
              # Sampled from Kafka topic
              enum: [AAPL, GOOGL, MSFT, TSLA, NVDA, META, AMZN]

          - name: price
            type: decimal
            precision: 19
            scale: 4
            constraints:
              # Inferred from Kafka sample
              min: 45.23
              max: 892.50
              distribution: normal

          - name: quantity
            type: integer
            constraints:
              min: 1
              max: 100000
              distribution: log_normal

          - name: event_time
            type: timestamp
            constraints:
              range: relative
              start: "-1h"
              end: "now"

          - name: amount
            type: decimal
            constraints:
              min: 0.01        # AI: Monetary amounts are positive
              max: 100000      # AI: Inferred from sample distribution
              precision: 19
              scale: 2         # AI: Currency typically has 2 decimal places
    """)
    assert (found.name, found.origin, found.topic) == ("trades", "flink_ddl", "trades")
    symbol, price, quantity, event_time, amount = found.fields
    assert [v.text for v in symbol.constraints.source.values][:2] == ["AAPL", "GOOGL"]
    assert (price.type, amount.type) == (t.decimal(19, 4), t.decimal(19, 2))
    assert (price.constraints.range.minimum.text, price.constraints.range.maximum.text) == ("45.23", "892.50")
    assert price.constraints.distribution.shape is c.Shape.NORMAL
    assert quantity.type == t.BIGINT
    assert event_time.constraints.source == c.TimeRange("-1h", "now")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("type: string", t.STRING),
        ("type: varchar(20)", t.varchar(20)),
        ("type: uuid", t.STRING),
        ("type: integer", t.BIGINT),
        ("type: int", t.BIGINT),
        ("type: bigint", t.BIGINT),
        ("type: smallint", t.SMALLINT),
        ("type: float", t.DOUBLE),
        ("type: double", t.DOUBLE),
        ("type: boolean", t.BOOLEAN),
        ("type: decimal, precision: 12, scale: 3", t.decimal(12, 3)),
        ("type: decimal, precision: 12", t.decimal(12, 0)),
        ("type: decimal, scale: 3", t.decimal(18, 3)),
        ("type: decimal", t.decimal(18, 2)),
        ("type: 'decimal(10, 4)'", t.decimal(10, 4)),
        ("type: DECIMAL, precision: 38, scale: 38", t.decimal(38, 38)),
        ("type: {decimal: {precision: 4}}", t.decimal(18, 4)),
        ("type: timestamp", t.timestamp(3)),
        ("type: timestamp(6)", t.timestamp(6)),
        ("type: timestamp_ltz, precision: 0", t.timestamp_ltz(0)),
        ("type: date", t.DATE),
        ("type: time", t.time(0)),
        ("type: bytes", t.BYTES),
        ("type: array, items: {type: integer}", t.array(t.BIGINT)),
        ("type: map, value: {type: double}", t.map_of(t.STRING.as_nullable(False), t.DOUBLE)),
        ("type: map, key: {type: date}, items: {type: double}", t.map_of(t.DATE, t.DOUBLE)),
        ("type: row, fields: [{name: a, type: date}, {name: b, type: string}]", t.row(("a", t.DATE), ("b", t.STRING))),
        ("type: struct, fields: [{name: a, type: date, nullable: false}]", t.row(("a", t.DATE.as_nullable(False)))),
    ],
)
def test_types(text, kind):
    assert field("{name: f, " + text + "}").type == kind


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("type: strnig", 22, 'unknown type "strnig"'),
        ("type: decimal, precision: 39", 42, "from 0 to 38"),
        ("type: decimal, precision: 5, scale: 6", 42, "does not exist"),
        ("type: timestamp(9)", 22, "at most 6 digits"),
        ("type: bigint, precision: 5", 41, "no effect"),
        ("type: string, scale: 5", 37, "no effect"),
        ("type: decimal(5), precision: 6", 22, "given twice"),
        ("type: bigint, items: {type: date}", 37, "no effect"),
        ("type: date, constraints: {precision: 5}", 53, "no effect"),
    ],
)
def test_types_that_do_not_exist(text, column, message):
    error = refused("name: s\nfields:\n  - {name: f, " + text + "}")
    assert error.code is ErrorCode.BAD_VALUE
    assert message in error.message
    assert (error.location.line, error.location.column) == (3, column - 1)


def test_an_unknown_type_gets_the_nearest_one():
    assert refused("name: s\nfields: [{name: f, type: strnig}]").hint == 'did you mean "string"?'


@pytest.mark.parametrize(
    ("text", "kind", "source"),
    [
        ("{pattern: '[A-Z]{3}'}", "string", c.Pattern("[A-Z]{3}")),
        ("{faker: name}", "string", c.Faker("name")),
        ("{derived: a * b}", "bigint", c.Derived("a * b")),
        ("{references: customers.id}", "bigint", c.Reference("customers", "id")),
        (
            "{references: {schema: customers, field: id, match_rate: 0.9}}",
            "bigint",
            c.Reference("customers", "id", 0.9),
        ),
        ("{timestamp_range: {start: -1h, end: now, sequential: false}}", "timestamp", c.TimeRange("-1h", "now", False)),
        ("{timestamp_epoch_ms: {start: -1h, end: now}}", "bigint", c.TimeRange("-1h", "now", None, True)),
        ("{range: absolute, start: 2024-01-01, end: 2024-02-01}", "date", c.TimeRange("2024-01-01", "2024-02-01")),
        (
            "{start: 2024-01-01, end: 2024-02-01, sequential: true}",
            "date",
            c.TimeRange("2024-01-01", "2024-02-01", True),
        ),
        ("{probability: 0.25}", "boolean", c.Probability(0.25)),
        ("{sequence: true}", "bigint", c.Sequence()),
        ("{sequence: {start: 10, step: 5}}", "bigint", c.Sequence(10, 5)),
    ],
)
def test_sources_of_values(text, kind, source):
    assert constraints(text, kind).source == source


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("{enum: [1, 2]}", None),
        ("{enum_values: [1, 2]}", None),
        ("{enum: {values: [1, 2], weights: [3, 1]}}", (3.0, 1.0)),
        ("{enum_values: {values: [1, 2], weights: [0.5, 0.5]}}", (0.5, 0.5)),
        ("{enum: [1, 2], weights: [3, 1]}", (3.0, 1.0)),
    ],
)
def test_forms_of_an_enum(text, weights):
    source = constraints(text).source
    assert ([v.text for v in source.values], source.weights) == (["1", "2"], weights)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("normal", c.Distribution(c.Shape.NORMAL)),
        ("LogNormal", c.Distribution(c.Shape.LOG_NORMAL)),
        ("{type: normal, mean: 5, std_dev: 1.5}", c.Distribution(c.Shape.NORMAL, mean=5.0, std_dev=1.5)),
        ("{normal: {mean: 5, stddev: 1.5}}", c.Distribution(c.Shape.NORMAL, mean=5.0, std_dev=1.5)),
        ("{type: zipf, exponent: 1.2}", c.Distribution(c.Shape.ZIPF, exponent=1.2)),
        ("{exponential: {lambda: 2}}", c.Distribution(c.Shape.EXPONENTIAL, rate=2.0)),
        ("{log_normal: {mu: 1, sigma: 0.5}}", c.Distribution(c.Shape.LOG_NORMAL, mu=1.0, sigma=0.5)),
        (
            "{random_walk: {drift: 0.1, volatility: 0.2, start: 5}}",
            c.Distribution(c.Shape.RANDOM_WALK, drift=0.1, volatility=0.2, start=5.0),
        ),
    ],
)
def test_forms_of_a_distribution(text, expected):
    assert constraints("{distribution: " + text + "}").distribution == expected


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("{length: 5}", c.Length(5, 5)),
        ("{length: {min: 2, max: 4}}", c.Length(2, 4)),
        ("{length: {max: 4}}", c.Length(0, 4)),
        ("{min_length: 2}", c.Length(2, None)),
        ("{min_length: 2, max_length: 3}", c.Length(2, 3)),
    ],
)
def test_forms_of_a_length(text, length):
    assert constraints(text, "string").length == length


@pytest.mark.parametrize(
    ("marked", "kind", "message"),
    [
        ("{enum: [1, ^x]}", "bigint", '"x" is not a value of BIGINT'),
        ("{enum: [^1.005]}", "decimal", "3 digits after the point"),
        ("{enum: [1], weights: ^[1, 2]}", "bigint", "1 values but 2 weights"),
        ("{enum: [1], weights: ^[0]}", "bigint", "all 0"),
        ("{weights: ^[1]}", "bigint", "no effect without enum"),
        ("{enum: [a], pattern: ^x}", "string", "no effect beside"),
        ("{enum: [1], min: ^0}", "bigint", "no effect beside"),
        ("{enum: [1], distribution: ^normal}", "bigint", "no effect beside"),
        ("{min: ^5, max: 4}", "bigint", "greater than the greatest"),
        ("{range: {min: ^5, max: 4}}", "bigint", "greater than the greatest"),
        ("{range: ^{}}", "bigint", "needs min or max"),
        ("{range: {min: 5}, max: ^4}", "bigint", "not both"),
        ("{min: ^abc}", "double", "not a value of DOUBLE"),
        ("{max: ^.inf}", "double", "must be finite"),
        ("{min: ^1}", "string", "no effect on a field of type STRING"),
        ("{pattern: ^x}", "bigint", "no effect on a field of type BIGINT"),
        ("{pattern: ^'['}", "string", "not a regular expression"),
        ("{probability: ^0.5}", "string", "no effect on a field of type STRING"),
        ("{faker: ^name}", "date", "no effect on a field of type DATE"),
        ("{distribution: ^normal}", "boolean", "no effect on a field of type BOOLEAN"),
        ("{distribution: ^{normal: {mean: 5}}}", "date", "no effect on a field of type DATE"),
        ("{distribution: {type: normal, ^rate: 5}}", "bigint", "unknown key"),
        ("{distribution: {exponential: {rate: ^0}}}", "bigint", "greater than 0"),
        ("{distribution: ^bell}", "bigint", "one of uniform, normal"),
        ("{length: ^5}", "bigint", "no effect on a field of type BIGINT"),
        ("{length: ^{min: 5, max: 4}}", "string", "greater than the greatest"),
        ("{length: 5, max_length: ^4}", "string", "not both"),
        ("{unique: ^true}", "boolean", "no effect on a field of type BOOLEAN"),
        ("{derived: 1 + 1, unique: ^true}", "bigint", "no effect"),
        ("{sequence: ^{start: 0.5}}", "bigint", "whole numbers"),
        ("{start: ^-1h, end: now}", "string", "no effect on a field of type STRING"),
        ("{timestamp_epoch_ms: ^{start: -1h, end: now}}", "timestamp", "no effect"),
        ("{sequential: ^true}", "timestamp", "no effect without start and end"),
        ("{references: ^customers}", "bigint", "a reference such as customers.id"),
        ("{null_probability: ^2}", "bigint", "a number from 0 to 1"),
    ],
)
def test_constraints_that_cannot_be_meant(marked, kind, message):
    """The mark ^ stands where the error must point."""
    line = f"  - {{name: f, type: {kind}, constraints: {marked}}}"
    error = refused("name: s\nfields:\n" + line.replace("^", "") + "\n")
    assert message in error.message
    assert (error.location.line, error.location.column) == (3, line.index("^") + 1)


def test_a_missing_end_of_a_time_range():
    error = refused("name: s\nfields: [{name: f, type: timestamp, constraints: {range: relative, start: -1h}}]")
    assert (error.code, '"end"' in error.message) == (ErrorCode.MISSING_KEY, True)


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("fields: [{name: f, type: date}]\n", ErrorCode.MISSING_KEY, 1),
        ("name: s\n", ErrorCode.MISSING_KEY, 1),
        ("schema: {name: s}\n", ErrorCode.MISSING_KEY, 1),
        ("name: s\nfields: []\n", ErrorCode.BAD_VALUE, 2),
        ("name: s\nfields: [{name: f}]\n", ErrorCode.MISSING_KEY, 2),
        ("schema: {name: s}\nname: t\nfields: [{name: f, type: date}]\n", ErrorCode.BAD_VALUE, 2),
        ("name: s\nfields:\n  - {name: f, type: date}\n  - {name: f, type: date}\n", ErrorCode.BAD_VALUE, 4),
        ("name: s\nkey_field: g\nfields: [{name: f, type: date}]\n", ErrorCode.UNKNOWN_COLUMN, 2),
        ("name: s\nfields: [{name: f, type: array}]\n", ErrorCode.MISSING_KEY, 2),
        ("name: s\nfields: [{name: f, type: row}]\n", ErrorCode.MISSING_KEY, 2),
        (
            "name: s\nfields: [{name: f, type: int, constraints: {correlated_with: {field: g}}}]\n",
            ErrorCode.UNKNOWN_COLUMN,
            2,
        ),
        ("name: s\nfields: [{name: f, type: int, nullable: false, null_probability: 0.1}]\n", ErrorCode.BAD_VALUE, 2),
        (
            "name: s\nfields: [{name: f, type: int, null_probability: 0.1, constraints: {null_probability: 0.1}}]\n",
            ErrorCode.BAD_VALUE,
            2,
        ),
        ("name: s\nfields: [{name: f, type: int, constraints: {bursts: {}}}]\n", ErrorCode.MISSING_KEY, 2),
        ("name: s\nfields: [{name: f, type: int, constrains: {}}]\n", ErrorCode.UNKNOWN_KEY, 2),
        ("name: s\nfields: [{name: f, type: row, fields: [{name: g, type: int, mni: 1}]}]\n", ErrorCode.UNKNOWN_KEY, 2),
    ],
)
def test_schemas_that_are_refused(text, code, line):
    error = refused(text)
    assert (error.code, error.location.line) == (code, line)


@pytest.mark.parametrize("name", ["", "  "])
@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("fields: [{name: NAME, type: int}]", 17),
        ("fields: [{name: f, type: row, fields: [{name: NAME, type: int}]}]", 47),
    ],
)
def test_a_field_without_a_name_is_refused_at_its_name(text, column, name):
    error = refused("name: s\n" + text.replace("NAME", f'"{name}"') + "\n")
    assert (error.code, error.message, error.hint) == (
        ErrorCode.BAD_VALUE,
        "the field has no name",
        "write the name of a column",
    )
    assert (error.location.line, error.location.column) == (2, column)


def test_a_schema_file(tmp_path):
    path = tmp_path / "s.schema.yaml"
    path.write_text("name: s\nfields: [{name: f, type: date}]\n")
    assert load_data_schema(path).file == path
    path.write_text("name: s\nfeilds: []\n")
    with pytest.raises(VeloError) as caught:
        load_data_schema(path)
    assert (caught.value.location.file, caught.value.location.line) == (str(path), 2)


def override(base, over, kind="decimal"):
    return constraints(base, kind).overridden(constraints(over, kind))


def test_an_override_replaces_what_it_names():
    merged = override("{min: 1, max: 9, distribution: normal, null_probability: 0.1}", "{min: 5}")
    assert (merged.range.minimum.text, merged.range.maximum) == ("5", None)
    assert merged.distribution.shape is c.Shape.NORMAL
    assert merged.null_probability == 0.1


def test_an_override_with_another_source_replaces_the_old_one():
    merged = override("{min: 1, max: 9, distribution: normal}", "{enum: [1, 2]}")
    assert isinstance(merged.source, c.Enumeration)
    assert (merged.range, merged.distribution) == (None, None)
    assert override("{enum: [1, 2]}", "{min: 5}").source is None
    assert isinstance(override("{enum: [1, 2]}", "{distribution: zipf}").source, c.Enumeration)

"""The shipped JSON Schemas say what the strict reader accepts: they are made from its tables, and agree on examples."""

import json
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest

from velo_engine.errors import VeloError
from velo_harness import json_schemas
from velo_harness.data_schema import data_schema_of
from velo_harness.discovery import PathPolicy
from velo_harness.scalars import plain_value
from velo_harness.spec_loader import spec_of
from velo_harness.yaml_source import parse_yaml

ROOT = Path(__file__).parents[2]
SPEC_FILES = sorted(path for folder in ("specs", "fixtures", "tests") for path in (ROOT / folder).rglob("*.test.yaml"))
DATA_FILES = sorted(
    path for folder in ("specs", "fixtures", "tests") for path in (ROOT / folder).rglob("*.schema.yaml")
)


def validator(name):
    return jsonschema.Draft202012Validator(json.loads(json_schemas.shipped_text(name)))


def instance(text):
    """The text as an editor's YAML 1.2 parser gives it."""

    def plain(value):
        match value:
            case list():
                return [plain(item) for item in value]
            case dict():
                return {key: plain(item) for key, item in value.items()}
            case Decimal():
                return float(value)
        return value

    return plain(plain_value(parse_yaml(text, "f")))


def is_valid(name, text):
    return validator(name).is_valid(instance(text))


def accepted(name, text):
    """Whether the strict reader takes the text (files that it names need not exist for this)."""
    try:
        if name == "data":
            data_schema_of(parse_yaml(text, "f"))
        else:
            spec_of(parse_yaml(text, "f"), Path("/p/f.test.yaml"), PathPolicy(Path("/p")))
    except VeloError:
        return False
    return True


@pytest.mark.parametrize("name", json_schemas.NAMES)
def test_the_shipped_file_is_what_the_tables_say(name):
    message = "the tables of keys have changed: run tools/write_json_schemas.py"
    assert json_schemas.shipped_text(name) == json_schemas.generated_text(name), message


@pytest.mark.parametrize("name", json_schemas.NAMES)
def test_the_shipped_file_is_a_json_schema(name):
    jsonschema.Draft202012Validator.check_schema(json.loads(json_schemas.shipped_text(name)))


@pytest.mark.parametrize("path", SPEC_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_specs_of_this_project_are_valid(path):
    validator("spec").validate(instance(path.read_text()))


@pytest.mark.parametrize("path", DATA_FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_data_schemas_of_this_project_are_valid(path):
    validator("data").validate(instance(path.read_text()))


SPEC = """
application: shop
seed: 1
default_records: 10
queries:
  - name: q
    skip: no time
    inputs:
      - source: s
        overrides: {{price: {{min: 1, distribution: {{type: normal, mean: 5}}}}}}
        time_simulation: {{start_time: -1h, jitter_ms: 500}}
    assertions:
      - type: record_count
        greater_than: 0
      - {extra}
"""
ASSERTIONS = {
    "{type: no_nulls, fields: [a]}": True,
    "{type: no_nulls, field: a}": True,
    "{type: no_nulls}": False,
    "{type: no_nulls, fields: [a], equals: 1}": False,
    "{type: nonsense}": False,
    "{fields: [a]}": False,
    "{type: execution_time, max_ms: 5}": True,
    "{type: execution_time}": False,
    "{type: execution_time, max_ms: -5}": False,
    "{type: percentile, field: a}": False,
    "{type: field_values, field: a, operator: GreaterThan, value: 5}": True,
    "{type: field_values, field: a, operator: around, value: 5}": False,
    "{type: ordering, field: a, direction: DESC}": True,
    "{type: ordering, field: a, direction: up}": False,
    "{type: join_coverage, left: a, right: b, join_key: {x: y}}": True,
    "{type: join_coverage, left: a, join_key: x}": False,
    "{type: completeness, key_field: a, min_completeness: 95}": False,
    "{type: unique_values, field: a, severity: warning, where: b > 1}": True,
    "{type: unique_values, field: a, severity: mild}": False,
    "{type: field_in_set, field: a, values: []}": False,
    "{type: aggregate_check, expression: SUM(a), between: [1, 5], tolerance: 0.1}": True,
    "{type: file_matches, actual_path: a, expected_path: b, compare_fields: [c]}": True,
    "[type, no_nulls]": False,
}


@pytest.mark.parametrize(("extra", "good"), ASSERTIONS.items())
def test_schema_and_reader_agree_on_assertions(extra, good):
    text = SPEC.format(extra=extra)
    assert (is_valid("spec", text), accepted("spec", text)) == (good, good)


SPECS = {
    "application: a\nqueries: [{name: q, expect: {rows: [{a: 1}]}}]": True,
    "application: 2024\nqueries: [{name: q, expect: {rows: []}}]": True,
    "test_suite: {name: a, defaults: {timeout_ms: 5}}\nqueries: [{name: q, expect: {rows: []}}]": True,
    "test_suite: {name: a}\napplication: b\nqueries: [{name: q, expect: {rows: []}}]": False,
    "queries: [{name: q, expect: {rows: []}}]": False,
    "application: a\nqueries: []": False,
    "application: a\nquerys: [{name: q, expect: {rows: []}}]": False,
    "application: a\nstress_test: {}\nqueries: [{name: q, expect: {rows: []}}]": True,
    "application: a\nstress_test: {record: 5}\nqueries: [{name: q, expect: {rows: []}}]": False,
    "application: a\nqueries: [{name: q, expect: {rows: [], tolerance: {a: {abs: 0.1}}}}]": True,
    "application: a\nqueries: [{name: q, expect: {rows: [], tolerance: {a: {near: 0.1}}}}]": False,
    "application: a\nqueries: [{name: q, expect: {rows: [], columns: Exact}}]": True,
    "application: a\nqueries: [{name: q, expect: {rows: [], columns: all}}]": False,
    "application: a\nqueries: [{name: q, expect: {rows: []}, skip: true, runners: [engine]}]": True,
    "application: a\nqueries: [{name: q, expect: {rows: []}, runners: [spark]}]": False,
    "application: a\nconfig: {a: {b: 1}}\nqueries: [{name: q, expect: {rows: []}}]": True,
    "application: a\nmarks: [slow, {xfail: why}]\nqueries: [{name: q, expect: {rows: []}}]": True,
}


@pytest.mark.parametrize(("text", "good"), SPECS.items())
def test_schema_and_reader_agree_on_specs(text, good):
    assert (is_valid("spec", text), accepted("spec", text)) == (good, good)


FIELDS = {
    "{name: f, type: string}": True,
    "{name: f}": False,
    "{type: string}": False,
    "{name: f, type: string, nullable: maybe}": False,
    "{name: f, type: {decimal: {precision: 2}}}": True,
    "{name: f, type: {decimal: {digits: 2}}}": False,
    "{name: f, type: decimal, precision: 40}": False,
    "{name: f, type: array, items: {type: integer, constraints: {min: 1}}}": True,
    "{name: f, type: array, items: {type: integer, name: g}}": False,
    "{name: f, type: row, fields: [{name: a, type: row, fields: [{name: b, type: date}]}]}": True,
    "{name: f, type: row, fields: [{name: a, type: row, fields: [{nam: b, type: date}]}]}": False,
    "{name: f, type: int, constraints: {enum: {values: [1], weights: [2]}}}": True,
    "{name: f, type: int, constraints: {enum: {values: [1], weight: [2]}}}": False,
    "{name: f, type: int, constraints: {enum: []}}": False,
    "{name: f, type: int, constraints: {distribution: zipf}}": True,
    "{name: f, type: int, constraints: {distribution: {zipf: {exponent: 2}}}}": True,
    "{name: f, type: int, constraints: {distribution: {type: Zipf, exponent: 2}}}": True,
    "{name: f, type: int, constraints: {distribution: {type: zipf, mean: 2}}}": False,
    "{name: f, type: int, constraints: {distribution: bell}}": False,
    "{name: f, type: int, constraints: {references: a.b}}": True,
    "{name: f, type: int, constraints: {references: {schema: a, field: b, match_rate: 2}}}": False,
    "{name: f, type: int, constraints: {sequence: true}}": True,
    "{name: f, type: timestamp, constraints: {seasonality: Daily}}": True,
    "{name: f, type: timestamp, constraints: {seasonality: [weekly, {period: 2h, peak: 5m}]}}": True,
    "{name: f, type: timestamp, constraints: {seasonality: {amplitude: 2}}}": False,
    "{name: f, type: timestamp, constraints: {arrival: {bursts: {length: 5s, every: 1m}}}}": True,
    "{name: f, type: timestamp, constraints: {sessions: {gap: 5m, length: 1m}}}": False,
    "{name: f, type: timestamp, constraints: {range: relative, start: -1h, end: now}}": True,
    "{name: f, type: timestamp, constraints: {timestamp_range: {start: -1h}}}": False,
}


@pytest.mark.parametrize(("text", "good"), FIELDS.items())
def test_schema_and_reader_agree_on_fields(text, good):
    text = f"name: s\nfields: [{text}]"
    assert (is_valid("data", text), accepted("data", text)) == (good, good)


@pytest.mark.parametrize("name", json_schemas.NAMES)
def test_every_key_is_described(name):
    def undescribed(schema, path):
        for key, value in schema.get("properties", {}).items():
            if not value.get("description"):
                yield f"{path}.{key}"
        for key, value in schema.get("$defs", {}).items():
            yield from undescribed(value, key)

    assert list(undescribed(json.loads(json_schemas.shipped_text(name)), name)) == []

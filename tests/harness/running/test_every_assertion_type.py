"""Each assertion type holds where it should, and fails where it should: one table, complete by construction."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from velo_engine import types as t
from velo_engine.errors import ErrorCode, VeloError
from velo_harness.assertion_types import ASSERTION_TYPES
from velo_harness.assertions.registry import BUILT_IN

HOLDS = {
    "record_count": ["{type: record_count, equals: 4}", "{type: record_count, operator: between, min: 1, max: 4}"],
    "schema_contains": [
        "{type: schema_contains, fields: [id, name]}",
        "{type: schema_contains, types: {id: BIGINT, amount: 'DECIMAL(10, 2)', name: string, at: timestamp}}",
        "{type: schema_contains, fields: [id, name, amount, ratio, at, note], exact: true}",
        "{type: schema_contains, fields: [id], key_field: id}",
    ],
    "no_nulls": ["{type: no_nulls, fields: [id, name]}"],
    "completeness": [
        "{type: completeness, input_source: people, key_field: name, min_completeness: 0.5}",
        "{type: completeness, required_fields: [id, amount]}",
    ],
    "field_values": [
        "{type: field_values, field: amount, greater_than: 0}",
        "{type: field_values, field: amount, operator: between, min: 1.25, max: 20.005}",
        "{type: field_values, field: name, matches: '^[a-z]+$'}",
        "{type: field_values, field: at, less_than: 2025-01-01 00:00:04}",
        "{type: field_values, field: note, equals: null, where: id = 4}",
    ],
    "field_in_set": ["{type: field_in_set, field: name, values: [ann, bob, cy]}"],
    "unique_values": ["{type: unique_values, field: id}", "{type: unique_values, fields: [name, amount]}"],
    "no_duplicates": [
        "{type: no_duplicates, key_fields: [id]}",
        "{type: no_duplicates, key_fields: [name], max_duplicate_percent: 25}",
    ],
    "aggregate_check": [
        "{type: aggregate_check, function: sum, field: amount, equals: 33.75}",
        "{type: aggregate_check, expression: COUNT(DISTINCT name), equals: 3}",
        "{type: aggregate_check, expression: AVG(id), operator: equals, value: 2.4, tolerance: 0.1}",
        "{type: aggregate_check, expression: COUNT(*), greater_than: '{{ inputs.people.count }}'}",
    ],
    "ordering": [
        "{type: ordering, field: at}",
        "{type: ordering, field: amount, partition_by: [name], direction: descending}",
    ],
    "join_coverage": [
        "{type: join_coverage, left_source: people, right_source: towns, join_key: town, min_match_rate: 0.6}"
    ],
    "execution_time": ["{type: execution_time, min_ms: 1, max_ms: 20}"],
    "file_exists": ["{type: file_exists, path: out.csv, min_size_bytes: 10}"],
    "file_row_count": ["{type: file_row_count, path: out.csv, equals: 3}"],
    "file_contains": [
        "{type: file_contains, path: out.csv, field: id, expected_values: [1, 2]}",
        "{type: file_contains, path: out.csv, field: amount, expected_values: [1.5, 99], mode: any}",
        "{type: file_contains, path: out.csv, field: id, expected_values: [3, 1, 2], mode: exact}",
    ],
    "file_matches": [
        "{type: file_matches, actual_path: out.csv, expected_path: same.jsonl}",
        "{type: file_matches, actual_path: out.csv, expected_path: near.csv, numeric_tolerance: 0.01}",
        "{type: file_matches, actual_path: out.csv, expected_path: near.csv, ignore_fields: [amount]}",
    ],
    "window_boundary": [
        "{type: window_boundary, window_start_field: at, window_end_field: until, window_size_ms: 1000}",
        "{type: window_boundary, window_start_field: at, window_end_field: until, timestamp_field: at}",
    ],
    "template": [
        "{type: template, expression: '{{ inputs.people.count < outputs.orders.count }}'}",
        "{type: template, expression: inputs.people.count + 1, equals: 4}",
    ],
}

FAILS = {
    "record_count": ["{type: record_count, equals: 5}", "{type: record_count, greater_than: 4}"],
    "schema_contains": [
        "{type: schema_contains, fields: [id, nam]}",
        "{type: schema_contains, types: {id: INT}}",
        "{type: schema_contains, types: {amount: 'DECIMAL(10, 3)'}}",
        "{type: schema_contains, types: {note: STRING NOT NULL}}",
        "{type: schema_contains, fields: [id, name], exact: true}",
        "{type: schema_contains, fields: [name, id, amount, ratio, at, note], exact: true}",
        "{type: schema_contains, fields: [id], key_field: name}",
    ],
    "no_nulls": ["{type: no_nulls, fields: [id, note]}", "{type: no_nulls, field: missing}"],
    "completeness": [
        "{type: completeness, input_source: people, key_field: name}",
        "{type: completeness, required_fields: [note]}",
        "{type: completeness, input_source: people, key_field: town}",
    ],
    "field_values": [
        "{type: field_values, field: amount, greater_than: 1.25}",
        "{type: field_values, field: note, not_equals: x}",
        "{type: field_values, field: name, starts_with: a}",
        "{type: field_values, field: amonut, greater_than: 0}",
        "{type: field_values, field: ratio, less_than: 0.5}",
    ],
    "field_in_set": ["{type: field_in_set, field: name, values: [ann, bob]}"],
    "unique_values": ["{type: unique_values, field: name}"],
    "no_duplicates": ["{type: no_duplicates, key_fields: [name]}"],
    "aggregate_check": [
        "{type: aggregate_check, function: sum, field: amount, equals: 33.74}",
        "{type: aggregate_check, expression: COUNT(DISTINCT name), equals: 4}",
        "{type: aggregate_check, expression: MAX(missing), equals: 1}",
    ],
    "ordering": [
        "{type: ordering, field: at, direction: descending}",
        "{type: ordering, field: name, allow_equal: false, partition_by: [name]}",
        "{type: ordering, field: amount}",
    ],
    "join_coverage": [
        "{type: join_coverage, left_source: people, right_source: towns, join_key: town}",
        "{type: join_coverage, left_source: people, right_source: towns, join_key: {name: town}, min_match_rate: 0.1}",
    ],
    "execution_time": ["{type: execution_time, max_ms: 12}", "{type: execution_time, min_ms: 13}"],
    "file_exists": [
        "{type: file_exists, path: missing.csv}",
        "{type: file_exists, path: out.csv, max_size_bytes: 3}",
        "{type: file_exists, path: out.csv, min_size_bytes: 3000}",
    ],
    "file_row_count": [
        "{type: file_row_count, path: out.csv, equals: 4}",
        "{type: file_row_count, path: no.csv, equals: 0}",
    ],
    "file_contains": [
        "{type: file_contains, path: out.csv, field: id, expected_values: [1, 9]}",
        "{type: file_contains, path: out.csv, field: id, expected_values: [8, 9], mode: any}",
        "{type: file_contains, path: out.csv, field: id, expected_values: [1, 2], mode: exact}",
        "{type: file_contains, path: out.csv, field: idd, expected_values: [1]}",
    ],
    "file_matches": [
        "{type: file_matches, actual_path: out.csv, expected_path: near.csv}",
        "{type: file_matches, actual_path: out.csv, expected_path: twice.csv}",
        "{type: file_matches, actual_path: out.csv, expected_path: same.jsonl, ignore_order: false}",
        "{type: file_matches, actual_path: out.csv, expected_path: wider.csv}",
    ],
    "window_boundary": [
        "{type: window_boundary, window_start_field: at, window_end_field: until, window_size_ms: 2000}",
        "{type: window_boundary, window_start_field: at, window_end_field: until, timestamp_field: until}",
        "{type: window_boundary, window_start_field: at, window_end_field: at, window_size_ms: 1000}",
        "{type: window_boundary, window_start_field: half, window_end_field: until, timestamp_field: half}",
    ],
    "template": [
        "{type: template, expression: '{{ inputs.people.count > outputs.orders.count }}'}",
        "{type: template, expression: '{{ inputs.people.count }}', equals: 4}",
    ],
}


def moment(second: int, micros: int = 0) -> datetime:
    return datetime(2025, 1, 1, 0, 0, second, micros)


@pytest.fixture
def surroundings(relation, tmp_path: Path):
    amounts = [Decimal("20.00"), Decimal("1.25"), Decimal("2.50"), Decimal("10.00")]
    output = relation(
        "orders",
        {
            "id": (t.BIGINT, [1, 2, 3, 4]),
            "name": (t.STRING, ["ann", "bob", "cy", "ann"]),
            "amount": (t.decimal(10, 2), amounts),
            "ratio": (t.DOUBLE, [0.5, 0.25, float("nan"), 0.1]),
            "at": (t.timestamp(3), [moment(0), moment(1), moment(2), moment(3)]),
            "note": (t.STRING, ["x", "", "y", None]),
        },
    )
    people = relation("people", {"name": (t.STRING, ["ann", "bob", "dan"]), "town": (t.STRING, ["A", "B", "Z"])})
    towns = relation("towns", {"town": (t.STRING, ["A", "B", "C"])})
    (tmp_path / "out.csv").write_text("id,amount\n1,1.50\n2,2.00\n3,\n")
    (tmp_path / "same.jsonl").write_text(
        '{"id": 3, "amount": null}\n{"id": 2, "amount": 2}\n{"id": 1, "amount": 1.5}\n'
    )
    (tmp_path / "near.csv").write_text("id,amount\n1,1.51\n2,2.00\n3,\n")
    (tmp_path / "twice.csv").write_text("id,amount\n1,1.50\n1,1.50\n2,2.00\n3,\n")
    (tmp_path / "wider.csv").write_text("id,amount,extra\n1,1.50,a\n2,2.00,b\n3,,c\n")
    return output, {"people": people, "towns": towns}


def windows(relation):
    """Rows with windows of one second; `half` is a window start that is not aligned."""
    return relation(
        "orders",
        {
            "at": (t.timestamp(3), [moment(0), moment(1)]),
            "until": (t.timestamp(3), [moment(1), moment(2)]),
            "half": (t.timestamp(3), [moment(0, 300_000), moment(1)]),
        },
    )


CASES = [(kind, text) for kind in HOLDS for text in HOLDS[kind]]
FAILING = [(kind, text) for kind in FAILS for text in FAILS[kind]]


@pytest.mark.parametrize(("kind", "text"), CASES, ids=[text for _, text in CASES])
def test_it_holds(kind: str, text: str, check, surroundings, relation) -> None:
    output, inputs = surroundings
    output = windows(relation) if kind == "window_boundary" else output
    assert check(text, output, inputs=inputs, key=("id",)) is None


@pytest.mark.parametrize(("kind", "text"), FAILING, ids=[text for _, text in FAILING])
def test_it_fails(kind: str, text: str, check, surroundings, relation) -> None:
    output, inputs = surroundings
    output = windows(relation) if kind == "window_boundary" else output

    failure = check(text, output, inputs=inputs, key=("id",))

    assert failure is not None
    assert failure.check == kind
    assert failure.finding.expected
    assert failure.finding.actual
    assert failure.location.line == 1


def test_every_type_of_the_format_is_evaluated_and_tested() -> None:
    assert {kind.name for kind in BUILT_IN} == set(ASSERTION_TYPES) == set(HOLDS) == set(FAILS)


ROWS_NEEDED = [kind.name for kind in BUILT_IN if kind.needs_rows]


@pytest.mark.parametrize("kind", ROWS_NEEDED)
def test_without_rows_it_fails_unless_allowed(kind: str, check, surroundings, relation) -> None:
    output, inputs = surroundings
    output = windows(relation) if kind == "window_boundary" else output
    empty = output.taken([])
    text = HOLDS[kind][0]

    failure = check(text, empty, inputs=inputs)

    assert failure is not None
    assert "gave out no row" in failure.finding.actual
    assert check(text[:-1] + ", allow_empty: true}", empty, inputs=inputs) is None


def test_files_of_which_every_column_is_ignored_are_not_equal_but_unchecked(check, surroundings) -> None:
    output, _ = surroundings
    with pytest.raises(VeloError) as caught:
        check("{type: file_matches, path: out.csv, expected_path: near.csv, ignore_fields: [id, amount]}", output)
    assert caught.value.code is ErrorCode.NOTHING_CHECKED

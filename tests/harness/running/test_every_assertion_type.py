"""Each assertion type holds where it should, and fails where it should: one table, complete by construction."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from velo_engine import types as t
from velo_engine.connectors.dead_letters import DeadLetter
from velo_engine.errors import ErrorCode, VeloError
from velo_harness.assertion_types import ASSERTION_TYPES
from velo_harness.assertions.context import View
from velo_harness.assertions.registry import BUILT_IN
from velo_harness.assertions.run_facts import RunFacts
from velo_harness.metric_readings import MetricReading, MetricSeries
from velo_harness.run_probe import Measured

HOLDS = {
    "record_count": ["{type: record_count, equals: 4}", "{type: record_count, operator: between, min: 1, max: 4}"],
    "schema_contains": [
        "{type: schema_contains, fields: [id, name]}",
        "{type: schema_contains, types: {id: BIGINT, amount: 'DECIMAL(10, 2)', name: string, at: timestamp}}",
        "{type: schema_contains, fields: [id, name, amount, ratio, at, note, later], exact: true}",
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
    "execution_time": ["{type: execution_time, min_ms: 1, max_ms: 20}", "{type: execution_time, between: [12, 13]}"],
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
    "data_quality": [
        "{type: data_quality, no_nulls_in: [id, name], numeric_ranges: {amount: [1.25, 20], ratio: {max: 0.5}}, "
        "where: id <> 3}",
        "{type: data_quality, string_patterns: {name: '^[a-z]+$'}, min_quality_score: 1}",
        "{type: data_quality, no_empty_strings_in: note, min_quality_score: 0.75}",
        "{type: data_quality, referential_integrity: {name: people.name}, min_quality_score: 0.75}",
        "{type: data_quality, referential_integrity: [{field: name, source: people}], where: name <> 'cy'}",
    ],
    "distribution": [
        "{type: distribution, field: digit, distribution: uniform, min: 0, max: 9}",
        "{type: distribution, field: x, distribution: uniform, min: 0, max: 1}",
        "{type: distribution, field: x, distribution: uniform, min: 0, max: 1, test: chi_square}",
        "{type: distribution, field: word, shares: {a: 1, b: 1}}",
        "{type: distribution, field: digit, distribution: {type: normal, mean: 4.5, std_dev: 3}}",
    ],
    "percentile": [
        "{type: percentile, field: id, p50: 2, p99: 4, p999: 4}",
        "{type: percentile, field: amount, p50: 2.50, p25: 1.25, mode: equals}",
        "{type: percentile, field: at, p75: 2025-01-01 00:00:02, mode: at_least}",
        "{type: percentile, field: id, p50: [2, 3], mode: between}",
    ],
    "sql": [
        "{type: sql, query: 'SELECT COUNT(*) AS n FROM output', equals: 4}",
        "{type: sql, query: 'SELECT COUNT(*) FROM output', expect: 4}",
        "{type: sql, query: 'SELECT name, SUM(amount) AS total FROM output GROUP BY name', "
        "expect: [{name: bob, total: 1.25}, {name: ann, total: 30}, {name: cy, total: 2.5}]}",
        "{type: sql, query: 'SELECT o.id FROM output o LEFT JOIN people p ON o.name = p.name WHERE p.town IS NULL', "
        "expect: [{id: 3}]}",
        "{type: sql, query: 'SELECT * FROM output WHERE amount < 0', expect: []}",
        "{type: sql, query: 'WITH big AS (SELECT * FROM output WHERE amount > 5) SELECT MAX(id) FROM big', between: [3, 4]}",
        "{type: sql, query: SELECT COUNT(*) FROM output, expect: 2, where: id > 2}",
    ],
    "event_ordering": [
        "{type: event_ordering, timestamp_field: at}",
        "{type: event_ordering, timestamp_field: at, partition_field: name, max_gap_ms: 3000}",
        "{type: event_ordering, timestamp_field: at, allow_gaps: false, max_gap_ms: 1s}",
        "{type: event_ordering, timestamp_field: at, direction: descending, max_out_of_order_percent: 75}",
    ],
    "table_freshness": [
        "{type: table_freshness, timestamp_field: at, max_age: 2s}",
        "{type: table_freshness, timestamp_field: at, max_age_ms: 5000, where: id < 3}",
    ],
    "latency": [
        "{type: latency, event_time_field: at, p50_latency_ms: 3000, max_latency_ms: 5000}",
        "{type: latency, event_time_field: at, avg_latency_ms: 3500}",
        "{type: latency, event_time_field: at, max_latency_ms: 2000, where: id = 4}",
        "{type: latency, event_time_field: at, processing_time_field: at, max_latency_ms: 0}",
    ],
    "throughput": [
        "{type: throughput, min_records_per_second: 1000, max_records_per_second: 1000}",
        "{type: throughput, expected_records_per_second: 1090}",
        "{type: throughput, greater_than: 999}",
    ],
    "memory_usage": [
        "{type: memory_usage, max_mb: 3}",
        "{type: memory_usage, max_bytes: 3145728, max_growth_bytes: 1048576, max_growth_mb: 1}",
    ],
    "state": ["{type: state, max_rows: 7, max_bytes: 900}"],
    "dlq_count": [
        "{type: dlq_count, equals: 3}",
        "{type: dlq_count, min: 1, max: 3}",
        "{type: dlq_count, equals: 1, error_types: [deserialization]}",
        "{type: dlq_count, equals: 2, error_types: [computation, late]}",
        "{type: dlq_count, equals: 2, topic: people-topic}",
        "{type: dlq_count, equals: 2, topic: people}",
        "{type: dlq_count, equals: 3, topic: dead}",
        "{type: dlq_count, equals: 1, reason_matches: by zero}",
    ],
    "error_rate": [
        "{type: error_rate, max_rate: 0.3}",
        "{type: error_rate, max_percent: 30, min_records: 10}",
        "{type: error_rate, less_than: 0.2, error_types: late}",
    ],
    "late_count": ["{type: late_count, equals: 2}", "{type: late_count, less_than: 3}"],
    "expect_error": [],
    "metric_exists": [
        "{type: metric_exists, name: paid, metric_type: counter}",
        "{type: metric_exists, name: paid_total, labels: {country: DE}}",
        "{type: metric_exists, name: size, expected_type: histogram}",
    ],
    "metric_counter": [
        "{type: metric_counter, name: paid, equals: 7.5}",
        "{type: metric_counter, name: paid_total, labels: {country: FR}, equals: 3, tolerance: 0.5}",
    ],
    "metric_gauge": [
        "{type: metric_gauge, name: level, between: [1, 9]}",
        "{type: metric_gauge, name: level, labels: {side: left}, operator: equals, value: 1}",
    ],
    "metric_histogram": [
        "{type: metric_histogram, name: size, equals: 6}",
        "{type: metric_histogram, name: size, statistic: sum, equals: 21.5}",
        "{type: metric_histogram, name: size, statistic: mean, less_than: 3.6}",
        "{type: metric_histogram, name: size, statistic: bucket, le: 5, equals: 4}",
        "{type: metric_histogram, name: size, bucket: 1, equals: 2}",
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
        "{type: schema_contains, fields: [name, id, amount, ratio, at, note, later], exact: true}",
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
    "execution_time": [
        "{type: execution_time, less_than: 12.5}",
        "{type: execution_time, max_ms: 12}",
        "{type: execution_time, min_ms: 13}",
    ],
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
    "data_quality": [
        "{type: data_quality, no_nulls_in: note}",
        "{type: data_quality, no_empty_strings_in: [note]}",
        "{type: data_quality, numeric_ranges: {amount: {min: 1.26}}}",
        "{type: data_quality, numeric_ranges: [{field: ratio, max: 0.5}]}",
        "{type: data_quality, string_patterns: [{field: name, pattern: '^a'}], min_quality_score: 0.6}",
        "{type: data_quality, referential_integrity: {name: people.name}}",
        "{type: data_quality, no_nulls_in: nope}",
        "{type: data_quality, referential_integrity: {name: people.nope}}",
    ],
    "distribution": [
        "{type: distribution, field: digit, distribution: uniform, min: 0, max: 19}",
        "{type: distribution, field: digit, distribution: uniform, min: 1, max: 9}",
        "{type: distribution, field: x, distribution: {type: normal, mean: 0.5, std_dev: 0.1}}",
        "{type: distribution, field: x, distribution: {type: exponential, rate: 5}}",
        "{type: distribution, field: digit, distribution: {type: zipf, exponent: 1}, min: 0, max: 9}",
        "{type: distribution, field: word, shares: {a: 4, b: 1}}",
        "{type: distribution, field: word, shares: {a: 1, c: 1}}",
        "{type: distribution, field: word, shares: {a: 1, b: 0}}",
        "{type: distribution, field: digit, distribution: uniform, min: 0, max: 9, where: x < 0.1}",
        "{type: distribution, field: nope, shares: {a: 1, b: 1}}",
    ],
    "percentile": [
        "{type: percentile, field: id, p50: 1}",
        "{type: percentile, field: id, p75: 4, mode: equals}",
        "{type: percentile, field: id, p1: 2, mode: at_least}",
        "{type: percentile, field: nope, p50: 1}",
    ],
    "sql": [
        "{type: sql, query: 'SELECT COUNT(*) AS n FROM output', equals: 5}",
        "{type: sql, query: 'SELECT id FROM output WHERE id > 2', expect: [{id: 3}]}",
        "{type: sql, query: 'SELECT id FROM output', expect: 4}",
        "{type: sql, query: 'SELECT * FROM output WHERE note IS NULL', expect: []}",
    ],
    "event_ordering": [
        "{type: event_ordering, timestamp_field: at, direction: descending}",
        "{type: event_ordering, timestamp_field: at, direction: desc, max_out_of_order_percent: 74}",
        "{type: event_ordering, timestamp_field: at, max_gap_ms: 999}",
        "{type: event_ordering, timestamp_field: at, partition_field: name, max_gap_ms: 2999}",
        "{type: event_ordering, timestamp_field: nope}",
    ],
    "table_freshness": [
        "{type: table_freshness, timestamp_field: at, max_age: 1999}",
        "{type: table_freshness, timestamp_field: later, max_age: 1h}",
        "{type: table_freshness, timestamp_field: nope, max_age: 1h}",
        "{type: table_freshness, timestamp_field: at, max_age: 1h, where: id > 9}",
    ],
    "latency": [
        "{type: latency, event_time_field: at, p50_latency_ms: 2999}",
        "{type: latency, event_time_field: at, max_latency_ms: 4999}",
        "{type: latency, event_time_field: at, avg_latency_ms: 3499}",
        "{type: latency, event_time_field: at, p99_latency_ms: 4999}",
        "{type: latency, event_time_field: at, processing_time_field: nope, max_latency_ms: 0}",
    ],
    "throughput": [
        "{type: throughput, min_records_per_second: 1001}",
        "{type: throughput, max_records_per_second: 999}",
        "{type: throughput, expected_records_per_second: 1050, tolerance_percent: 4}",
        "{type: throughput, greater_than: 1000}",
    ],
    "memory_usage": [
        "{type: memory_usage, max_mb: 2.9}",
        "{type: memory_usage, max_bytes: 3145727}",
        "{type: memory_usage, max_growth_bytes: 1048575}",
        "{type: memory_usage, max_growth_mb: 0.5}",
    ],
    "state": ["{type: state, max_rows: 6}", "{type: state, max_bytes: 899}", "{type: state, empty_after: true}"],
    "dlq_count": [
        "{type: dlq_count, equals: 0}",
        "{type: dlq_count, max: 2}",
        "{type: dlq_count, equals: 2, error_types: [deserialization]}",
        "{type: dlq_count, equals: 1, reason_matches: no such reason}",
    ],
    "error_rate": [
        "{type: error_rate, max_rate: 0.29}",
        "{type: error_rate, max_percent: 9, error_types: computation}",
        "{type: error_rate, max_rate: 0.5, min_records: 11}",
        "{type: error_rate, less_than: 0.3}",
    ],
    "late_count": ["{type: late_count, equals: 0}", "{type: late_count, max: 1}"],
    "expect_error": ["{type: expect_error, code: JOB_FAILED}", "{type: expect_error, matches: by zero}"],
    "metric_exists": [
        "{type: metric_exists, name: piad}",
        "{type: metric_exists, name: paid, metric_type: gauge}",
        "{type: metric_exists, name: paid, labels: {country: IT}}",
        "{type: metric_exists, name: never}",
    ],
    "metric_counter": [
        "{type: metric_counter, name: paid, equals: 7}",
        "{type: metric_counter, name: level, equals: 1}",
        "{type: metric_counter, name: paid, labels: {county: DE}, equals: 1}",
    ],
    "metric_gauge": [
        "{type: metric_gauge, name: level, less_than: 9}",
        "{type: metric_gauge, name: paid, greater_than: 0}",
    ],
    "metric_histogram": [
        "{type: metric_histogram, name: size, equals: 5}",
        "{type: metric_histogram, name: size, le: 5, equals: 5}",
        "{type: metric_histogram, name: size, statistic: mean, equals: 3}",
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
            "later": (t.timestamp(3), [moment(0), moment(1), moment(2), moment(6)]),
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


def sample(relation):
    """A hundred values: each digit ten times, x in equal steps from 0 to 1, as many a as b."""
    return relation(
        "orders",
        {
            "digit": (t.INT, [i % 10 for i in range(100)]),
            "x": (t.DOUBLE, [(i + 0.5) / 100 for i in range(100)]),
            "word": (t.STRING, ["a", "b"] * 50),
        },
    )


def run_facts(relation) -> RunFacts:
    """Ten records of which three failed and two came too late, in ten milliseconds; the clock at 5 s."""
    readings = (
        MetricReading("paid", "counter", (MetricSeries({"country": "DE"}, 4.0), MetricSeries({"country": "FR"}, 3.5))),
        MetricReading("level", "gauge", (MetricSeries({"side": "left"}, 1.0), MetricSeries({"side": "right"}, 9.0))),
        MetricReading(
            "size",
            "histogram",
            (
                MetricSeries({"k": "x"}, count=4.0, total=20.0, buckets=((1.0, 1.0), (5.0, 2.0), (math.inf, 4.0))),
                MetricSeries({"k": "y"}, count=2.0, total=1.5, buckets=((1.0, 1.0), (5.0, 2.0), (math.inf, 2.0))),
            ),
        ),
        MetricReading("never", "counter", ()),
    )
    letters = (
        DeadLetter("people", 0, 1, "not JSON", b"{", "orders"),
        DeadLetter("people", 0, 2, "Division by zero", b"{}", "orders", '{"name": "x"}'),
        DeadLetter("towns", 0, 0, "late: every window of the row had closed 5 ms before", b"{}", "orders", "{}"),
    )
    return RunFacts(
        records=10,
        job_records=10,
        job_seconds=0.01,
        late=2,
        late_rows=relation("late", {"n": (t.BIGINT, [1, 2])}),
        letters=letters,
        letter_topic="dead",
        topics={"people": "people-topic", "towns": "towns"},
        now_ms=NOW_MS,
        given_out_ms=np.full(4, NOW_MS, np.int64),
        measured=Measured(
            memory_before=2 * 1024**2,
            memory_peak=3 * 1024**2,
            state_rows_peak=7,
            state_rows_end=1,
            state_bytes_peak=900,
            metrics=readings,
        ),
    )


NOW_MS = int(datetime(2025, 1, 1, 0, 0, 5, tzinfo=UTC).timestamp() * 1000)


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


def special(kind: str, relation):
    """The output for types that need one of their own."""
    return {"window_boundary": windows, "distribution": sample}.get(kind, lambda _: None)(relation)


CASES = [(kind, text) for kind in HOLDS for text in HOLDS[kind]]
FAILING = [(kind, text) for kind in FAILS for text in FAILS[kind]]


@pytest.mark.parametrize(("kind", "text"), CASES, ids=[text for _, text in CASES])
def test_it_holds(kind: str, text: str, check, surroundings, relation) -> None:
    output, inputs = surroundings
    output = special(kind, relation) or output
    assert check(text, output, inputs=inputs, key=("id",), run=run_facts(relation)) is None


@pytest.mark.parametrize(("kind", "text"), FAILING, ids=[text for _, text in FAILING])
def test_it_fails(kind: str, text: str, check, surroundings, relation) -> None:
    output, inputs = surroundings
    output = special(kind, relation) or output

    failure = check(text, output, inputs=inputs, key=("id",), run=run_facts(relation))

    assert failure is not None
    assert failure.check == kind
    assert failure.finding.expected
    assert failure.finding.actual
    assert failure.location.line == 1


def test_every_type_of_the_format_is_evaluated_and_tested() -> None:
    assert [kind.name for kind in BUILT_IN] == list(ASSERTION_TYPES)
    assert set(ASSERTION_TYPES) == set(HOLDS) == set(FAILS)


def test_only_types_that_look_at_rows_take_where() -> None:
    over_rows = {kind.name for kind in BUILT_IN if kind.view is not View.NONE}
    assert over_rows == {name for name, kind in ASSERTION_TYPES.items() if kind.over_rows}


ROWS_NEEDED = [kind.name for kind in BUILT_IN if kind.needs_rows]


@pytest.mark.parametrize("kind", ROWS_NEEDED)
def test_without_rows_it_fails_unless_allowed(kind: str, check, surroundings, relation) -> None:
    output, inputs = surroundings
    output = special(kind, relation) or output
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

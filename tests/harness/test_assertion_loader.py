"""Assertions: every type has its keys, and all spellings of comparisons become one form."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.assertion_loader import Assertion, MetricAssertion, assertion_spec
from velo_harness.assertion_types import ASSERTION_TYPES, COMMON_KEYS, COMPARISON_KEYS, OPERATORS
from velo_harness.discovery import PathPolicy
from velo_harness.spec import Operator
from velo_harness.yaml_source import parse_yaml

FOLDER = Path("/project/specs")


def load(text):
    node = parse_yaml(text, "f").items[0] if text.startswith("-") else parse_yaml(text, "f")
    return assertion_spec(Assertion().read(node), FOLDER, PathPolicy(Path("/project")))


def refused(text):
    with pytest.raises(VeloError) as caught:
        load(text)
    return caught.value


def comparisons(text):
    return [(c.operator.value, [o.text for o in c.operands]) for c in load(text).comparisons]


@pytest.mark.parametrize(
    ("spelling", "operator"),
    [
        ("equals", "equals"),
        ("Equals", "equals"),
        ("==", "equals"),
        ("not_equals", "not_equals"),
        ("NotEquals", "not_equals"),
        ("'!='", "not_equals"),
        ("greater_than", "greater_than"),
        ("GreaterThan", "greater_than"),
        ("'>'", "greater_than"),
        ("gt", "greater_than"),
        ("less_than", "less_than"),
        ("greater_than_or_equal", "greater_than_or_equal"),
        ("greater_than_or_equals", "greater_than_or_equal"),
        ("'>='", "greater_than_or_equal"),
        ("less_than_or_equal", "less_than_or_equal"),
        ("less_than_or_equals", "less_than_or_equal"),
        ("<=", "less_than_or_equal"),
        ("contains", "contains"),
        ("starts_with", "starts_with"),
        ("ends_with", "ends_with"),
        ("matches", "matches"),
    ],
)
@pytest.mark.parametrize("key", ["value", "expected"])
def test_every_spelling_of_an_operator(spelling, operator, key):
    assert comparisons(f"{{type: field_values, field: a, operator: {spelling}, {key}: 5}}") == [(operator, ["5"])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("greater_than: 0", [("greater_than", ["0"])]),
        ("equals: 5", [("equals", ["5"])]),
        ("expected: 5", [("equals", ["5"])]),
        ("gte: 1, lte: 9", [("greater_than_or_equal", ["1"]), ("less_than_or_equal", ["9"])]),
        ("greater_than_or_equals: 1", [("greater_than_or_equal", ["1"])]),
        ("between: [1, 5]", [("between", ["1", "5"])]),
        ("between: {max: 5, min: 1}", [("between", ["1", "5"])]),
        ("operator: between, min: 1, max: 5", [("between", ["1", "5"])]),
        ("operator: between, value: [1, 5]", [("between", ["1", "5"])]),
        ("min: 1, max: 5", [("between", ["1", "5"])]),
        ("min: 1", [("greater_than_or_equal", ["1"])]),
        ("max: 5", [("less_than_or_equal", ["5"])]),
        ("in: [1, 2, 3]", [("in", ["1", "2", "3"])]),
        ("operator: in, values: [1, 2]", [("in", ["1", "2"])]),
        ("operator: in, value: [1, 2]", [("in", ["1", "2"])]),
        ("operator: equals, value: '{{ inputs.a.count }}'", [("equals", ["{{ inputs.a.count }}"])]),
    ],
)
def test_short_and_long_forms_are_one(text, expected):
    assert comparisons(f"{{type: record_count, {text}}}") == expected


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("operator: about, value: 5", 32, "this must be one of"),
        ("between: 5", 31, "between takes two values"),
        ("between: [1, 2, 3]", 31, "between takes two values"),
        ("between: [1, [2]]", 35, "must be a value"),
        ("in: 5", 26, "this must be a list"),
        ("greater_than: [1]", 36, "this must be a value"),
        ("operator: equals, value: 5, min: 1", 55, '"min" has no effect'),
        ("operator: between, min: 1, max: 2, value: 3", 64, '"value" has no effect'),
        ("values: [1]", 30, '"values" has no effect'),
        ("matches: '('", 31, "not a regular expression"),
    ],
)
def test_a_comparison_that_cannot_be_meant(text, column, message):
    error = refused(f"{{type: record_count, {text}}}")
    assert error.code is ErrorCode.BAD_VALUE
    assert message in error.message
    assert error.location.column == column


@pytest.mark.parametrize(
    "text",
    [
        "type: schema_contains, fields: []",
        "type: schema_contains, types: {}, exact: true",
        "type: completeness, required_fields: []",
        "type: completeness, key_field: id, min_completeness: 0",
        "type: join_coverage, left: a, right: b, join_key: id, min_match_rate: 0.0",
        "type: no_duplicates, key_fields: [id], max_duplicate_percent: 100",
    ],
)
def test_an_assertion_that_would_check_nothing(text):
    assert refused(f"{{{text}}}").code is ErrorCode.NOTHING_CHECKED


@pytest.mark.parametrize(
    "text", ["no_nulls, fields: []", "unique_values, fields: []", "ordering, field: []", "join_coverage, join_key: []"]
)
def test_an_assertion_over_no_columns(text):
    error = refused(f"{{type: {text}, left: a, right: b}}" if "join" in text else f"{{type: {text}}}")
    assert error.code is ErrorCode.BAD_VALUE
    assert "a list of at least 1" in error.message
    assert error.location.column == text.index("[") + len("{type: ") + 1


def test_bounds_between_which_nothing_is():
    error = refused("{type: record_count, between: [5, 1]}")
    assert (error.code, error.location.column) == (ErrorCode.BAD_VALUE, 31)
    assert "nothing is between 5 and 1" in error.message


@pytest.mark.parametrize("operator", ["equals", "between", "in"])
def test_an_operator_without_its_operand(operator):
    error = refused(f"{{type: record_count, operator: {operator}}}")
    assert error.code is ErrorCode.MISSING_KEY
    assert error.location.column == 32


def test_a_regular_expression_may_hold_a_template():
    assert comparisons("{type: field_values, field: a, matches: '({{ variables.x }}'}") == [
        ("matches", ["({{ variables.x }}"])
    ]


def test_an_unknown_type_gets_the_nearest_one():
    error = refused("{type: record_cuont, equals: 1}")
    hint = 'did you mean "record_count"?'
    assert (error.code, error.hint, error.location.column) == (ErrorCode.UNKNOWN_ASSERTION, hint, 8)


def test_every_type_of_the_format_is_known_to_the_reader():
    """The list of SPEC_FORMAT.md, section 2."""
    listed = """record_count schema_contains no_nulls completeness field_values field_in_set unique_values no_duplicates
        data_quality distribution percentile aggregate_check template sql join_coverage ordering event_ordering window_boundary
        table_freshness latency execution_time throughput memory_usage state dlq_count error_rate late_count expect_error
        file_exists file_row_count file_contains file_matches metric_exists metric_counter metric_gauge metric_histogram"""
    assert set(listed.split()) == set(ASSERTION_TYPES)


@pytest.mark.parametrize("kind", ASSERTION_TYPES.values(), ids=str)
def test_no_key_of_a_type_hides_another(kind):
    spelt = [spelling for key in kind.format().keys for spelling in key.spellings]
    assert len(spelt) == len(set(spelt)), kind.name


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("type: no_nulls, fields: [a, b]", {"fields": ("a", "b")}),
        ("type: unique_values, field: a", {"fields": ("a",)}),
        ("type: field_in_set, field: a, values: [x, 1]", {"field": "a", "values": ["x", "1"]}),
        (
            "type: no_duplicates, key_fields: [a], allow_updates: true, max_duplicate_percent: 2.5",
            {"key_fields": ("a",), "allow_updates": True, "max_duplicate_percent": Decimal("2.5")},
        ),
        ("type: no_duplicates", {"key_fields": (), "allow_updates": False, "max_duplicate_percent": Decimal(0)}),
        (
            "type: ordering, field: ts, direction: desc, partition_by: k, allow_equal: false",
            {"field": ("ts",), "direction": "descending", "partition_by": ("k",), "allow_equal": False},
        ),
        (
            "type: completeness, source: s, key_fields: id",
            {"input_source": "s", "key_field": ("id",), "min_completeness": Decimal(1), "required_fields": ()},
        ),
        (
            "type: completeness, expected_fields: [a]",
            {"input_source": None, "key_field": (), "min_completeness": Decimal(1), "required_fields": ("a",)},
        ),
        (
            "type: join_coverage, left_source: a, right_source: b, join_key: id, min_match_rate: 0.8",
            {"left_source": "a", "right_source": "b", "join_key": ("id",), "min_match_rate": Decimal("0.8")},
        ),
        (
            "type: join_coverage, left: a, right: b, join_key: {x: y}",
            {"left_source": "a", "right_source": "b", "join_key": {"x": "y"}, "min_match_rate": Decimal(1)},
        ),
        (
            "type: schema_contains, fields: [a], types: {a: BIGINT}, exact: true",
            {"fields": ("a",), "types": {"a": "BIGINT"}, "key_field": None, "exact": True},
        ),
        (
            "type: file_matches, actual_path: out.csv, expected_path: expected/out.csv, ignore_order: false",
            {
                "actual_path": Path("/project/specs/out.csv"),
                "expected_path": Path("/project/specs/expected/out.csv"),
                "format": None,
                "compare_fields": (),
                "ignore_fields": (),
                "ignore_order": False,
                "numeric_tolerance": Decimal(0),
            },
        ),
        (
            "type: window_boundary, timestamp_field: ts, window_size_ms: 60000",
            {
                "timestamp_field": "ts",
                "window_start_field": "window_start",
                "window_end_field": "window_end",
                "window_size_ms": 60000,
                "tolerance_ms": 0,
                "verify_containment": None,
                "verify_alignment": True,
            },
        ),
        ("type: template, expression: a == b", {"expression": "a == b"}),
    ],
)
def test_parameters_have_one_form_and_their_defaults(text, parameters):
    given = dict(load("{" + text + "}").parameters)
    if "values" in given:
        given["values"] = [node.text for node in given["values"]]
    assert given == parameters


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("type: aggregate_check, function: sum, equals: 1", ErrorCode.MISSING_KEY),
        ("type: aggregate_check, function: sum, field: a, expression: SUM(a), equals: 1", ErrorCode.BAD_VALUE),
        ("type: aggregate_check, expression: SUM(a), field: a, equals: 1", ErrorCode.BAD_VALUE),
        ("type: aggregate_check, equals: 1", ErrorCode.NOTHING_CHECKED),
        ("type: aggregate_check, function: median, field: a, equals: 1", ErrorCode.BAD_VALUE),
        ("type: execution_time, min_ms: 5, max_ms: 4", ErrorCode.BAD_VALUE),
        ("type: execution_time, max_ms: -1", ErrorCode.BAD_VALUE),
        ("type: file_exists, path: a, min_size_bytes: 5, max_size_bytes: 4", ErrorCode.BAD_VALUE),
        ("type: window_boundary, window_size_ms: 1, verify_containment: true", ErrorCode.MISSING_KEY),
        ("type: completeness, key_field: a, min_completeness: 95", ErrorCode.BAD_VALUE),
        ("type: field_in_set, field: a, values: []", ErrorCode.BAD_VALUE),
        ("type: no_nulls, field: a, fields: [b]", ErrorCode.BAD_VALUE),
        ("type: no_nulls, field: a, equals: 1", ErrorCode.UNKNOWN_KEY),
        ("type: file_exists, path: ../../etc/passwd", ErrorCode.PATH_OUTSIDE_PROJECT),
    ],
)
def test_parameters_that_cannot_be_meant(text, code):
    assert refused("{" + text + "}").code is code


def test_every_key_has_a_line_of_documentation():
    keys = [*COMMON_KEYS, *COMPARISON_KEYS, *(key for kind in ASSERTION_TYPES.values() for key in kind.parameters)]
    assert all(re.match(r"\S.*\S\.?", key.doc) for key in keys)


def test_every_operator_has_a_spelling():
    assert set(OPERATORS.values()) == set(Operator)


def metric(text):
    kind, _ = MetricAssertion().read(parse_yaml(text, "f"))
    return kind.name


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{name: m, type: counter, equals: 1}", "metric_counter"),
        ("{type: Gauge, name: m, between: [1, 2]}", "metric_gauge"),
        ("{name: m, type: metric_histogram, greater_than: 0}", "metric_histogram"),
        ("{name: m, metric_type: counter, greater_than: 0}", "metric_counter"),
        ("{name: m, expected_type: histogram, operator: equals, value: 3}", "metric_histogram"),
        ("{name: m, metric_type: counter}", "metric_exists"),
        ("{metric: m}", "metric_exists"),
        ("{name: m, type: exists, metric_type: gauge}", "metric_exists"),
    ],
)
def test_metric_assertions_have_short_types_or_none(text, kind):
    assert metric(text) == kind


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("{name: m, equals: 1}", ErrorCode.MISSING_KEY, "without saying of which type"),
        ("{name: m, type: record_count, equals: 1}", ErrorCode.BAD_VALUE, "no type of an assertion about a metric"),
        ("{name: m, type: conter, equals: 1}", ErrorCode.BAD_VALUE, "no type of an assertion about a metric"),
        ("{name: m, type: counter, field: x, equals: 1}", ErrorCode.UNKNOWN_KEY, '"field" in a metric_counter'),
        ("[1]", ErrorCode.BAD_VALUE, "an assertion about a metric"),
    ],
)
def test_metric_assertions_that_cannot_be_meant(text, code, message):
    with pytest.raises(VeloError) as refused:
        metric(text)
    assert refused.value.code is code
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("type: distribution, field: a, shares: {x: 1}", ErrorCode.NOTHING_CHECKED),
        ("type: distribution, field: a, shares: {x: 1, y: 1}, min: 0", ErrorCode.BAD_VALUE),
        ("type: distribution, field: a, shares: {x: 1, y: 1}, test: ks", ErrorCode.BAD_VALUE),
        ("type: distribution, field: a, shares: {x: 1, y: 1}, distribution: uniform", ErrorCode.BAD_VALUE),
        ("type: distribution, field: a, distribution: uniform, min: 0", ErrorCode.MISSING_KEY),
        ("type: distribution, field: a, distribution: uniform, min: 5, max: 5", ErrorCode.BAD_VALUE),
        ("type: distribution, field: a, distribution: exponential", ErrorCode.MISSING_KEY),
        ("type: distribution, field: a, distribution: {normal: {mean: 1, std_dev: 0}}", ErrorCode.BAD_VALUE),
        ("type: distribution, field: a, distribution: {normal: {mean: 1, std_dev: 1}}, min: 0", ErrorCode.BAD_VALUE),
        ("type: distribution, field: a, shares: {x: 1, y: 1}, significance: 0", ErrorCode.NOTHING_CHECKED),
        ("type: percentile, field: a", ErrorCode.NOTHING_CHECKED),
        ("type: percentile, field: a, p50: 5, mode: between", ErrorCode.BAD_VALUE),
        ("type: sql, query: SELECT 1", ErrorCode.NOTHING_CHECKED),
        ("type: sql, query: SELECT 1, expect: 1, equals: 1, min: 0", ErrorCode.BAD_VALUE),
        ("type: event_ordering, timestamp_field: a, allow_gaps: true, max_gap_ms: 5", ErrorCode.BAD_VALUE),
        ("type: event_ordering, timestamp_field: a, max_out_of_order_percent: 100", ErrorCode.NOTHING_CHECKED),
        ("type: table_freshness, timestamp_field: a", ErrorCode.MISSING_KEY),
        ("type: table_freshness, table: t, timestamp_field: a, max_age: 1h, where: x = 1", ErrorCode.BAD_VALUE),
        ("type: latency, event_time_field: a", ErrorCode.NOTHING_CHECKED),
        (
            "type: throughput, expected_records_per_second: 5, min_records_per_second: 9, max_records_per_second: 8",
            ErrorCode.BAD_VALUE,
        ),
        ("type: throughput, greater_than: 5, tolerance_percent: 3", ErrorCode.MISSING_KEY),
        ("type: throughput, min_records_per_second: 0", ErrorCode.NOTHING_CHECKED),
        ("type: state, empty_after: false", ErrorCode.BAD_VALUE),
        ("type: state", ErrorCode.NOTHING_CHECKED),
        ("type: memory_usage", ErrorCode.NOTHING_CHECKED),
        ("type: dlq_count, equals: 1, error_types: [wrong]", ErrorCode.BAD_VALUE),
        ("type: dlq_count, topic: t", ErrorCode.NOTHING_CHECKED),
        ("type: error_rate, max_rate: 1", ErrorCode.NOTHING_CHECKED),
        ("type: error_rate, max_percent: 100", ErrorCode.NOTHING_CHECKED),
        ("type: error_rate, min_records: 5", ErrorCode.NOTHING_CHECKED),
        ("type: late_count", ErrorCode.NOTHING_CHECKED),
        ("type: expect_error", ErrorCode.NOTHING_CHECKED),
        ("type: data_quality, no_nulls_in: []", ErrorCode.NOTHING_CHECKED),
        ("type: data_quality, numeric_ranges: {a: [5, 1]}", ErrorCode.BAD_VALUE),
        ("type: data_quality, string_patterns: {a: '('}", ErrorCode.BAD_VALUE),
        ("type: data_quality, referential_integrity: [{field: a}]", ErrorCode.MISSING_KEY),
        ("type: metric_histogram, name: m, statistic: mean, le: 5, equals: 1", ErrorCode.BAD_VALUE),
        ("type: metric_counter, name: m", ErrorCode.NOTHING_CHECKED),
    ],
)
def test_parameters_of_further_types_that_cannot_be_meant(text, code):
    assert refused("{" + text + "}").code is code


@pytest.mark.parametrize("kind", ["record_count", "dlq_count", "late_count", "file_row_count, path: a.csv"])
@pytest.mark.parametrize(
    ("comparison", "message", "shown"),
    [
        ("equals: many", "compares a number", "many"),
        ("equals: -1", "no count is smaller than 0", "-1"),
        ("greater_than: -1", "no count is smaller than 0", "-1"),
        ("between: [a, 2]", "compares a number", "a"),
        ("equals: 2.5", "a whole number", "2.5"),
    ],
)
def test_a_count_is_compared_with_what_a_count_can_be(kind: str, comparison: str, message: str, shown: str) -> None:
    text = f"{{type: {kind}, {comparison}}}"
    error = refused(text)
    assert error.code is ErrorCode.BAD_VALUE
    assert message in error.message
    assert (error.location.line, error.location.column) == (1, text.rindex(shown) + 1)


@pytest.mark.parametrize("comparison", ["equals: 3", "less_than: 2.5", "equals: '{{ inputs.a.count }}'", "in: [1, 2]"])
def test_counts_that_can_be(comparison: str) -> None:
    assert load(f"{{type: record_count, {comparison}}}").comparisons


def test_an_error_code_that_is_none_is_refused_with_the_nearest() -> None:
    error = refused("{type: expect_error, code: JOB_FALED}")
    assert (error.code, error.hint) == (ErrorCode.BAD_VALUE, 'did you mean "JOB_FAILED"?')
    assert 'no error code "NOPE"' in refused("{type: expect_error, code: NOPE}").message

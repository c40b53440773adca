"""Combinations of an assertion's parameters that cannot be meant, or with which it would check nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from velo_engine.errors import ErrorCode, Location, VeloError, nearest
from velo_harness.constraints import Distribution, Shape
from velo_harness.keys import Fields, bad_value, shown
from velo_harness.scalars import decimal_of
from velo_harness.spec import Comparison, Operator
from velo_harness.templates import has_template
from velo_harness.yaml_source import YamlScalar

_HOLDS_ALWAYS = {
    "min_completeness": 0,
    "min_match_rate": 0,
    "max_duplicate_percent": 100,
    "min_quality_score": 0,
    "max_out_of_order_percent": 100,
    "significance": 0,
    "min_records_per_second": 0,
    "max_rate": 1,
    "max_percent": 100,
}
"""Bounds that everything keeps."""

_BOUNDS = (
    ("min_ms", "max_ms"),
    ("min_size_bytes", "max_size_bytes"),
    ("min_records_per_second", "max_records_per_second"),
)


def check_parameters(kind: str, fields: Fields) -> None:
    """Errors of an assertion of the type `kind`: NOTHING_CHECKED, BAD_VALUE, MISSING_KEY."""
    for name, always in _HOLDS_ALWAYS.items():
        if name in fields.values and fields[name] == always:
            message = f"{name}: {always} holds whatever comes out"
            raise VeloError(ErrorCode.NOTHING_CHECKED, message, location=fields.at(name))
    for low, high in _BOUNDS:
        if low in fields.values and fields[low] is not None and fields[high] is not None and fields[low] > fields[high]:
            raise bad_value(f"{low} is greater than {high}", fields.at(low))
    rule = _RULES.get(kind)
    if rule is not None:
        rule(fields)


_COUNTS = frozenset({"record_count", "dlq_count", "late_count", "file_row_count"})
"""Assertions that compare a number of records."""

_OF_WHOLE_NUMBERS = frozenset({Operator.EQUALS, Operator.NOT_EQUALS, Operator.IN})


def check_counts(kind: str, comparisons: Iterable[Comparison]) -> None:
    """A number of records is compared with numbers that it can be. Templates are known later. Errors: BAD_VALUE."""
    for comparison in comparisons if kind in _COUNTS else ():
        for operand in comparison.operands:
            if isinstance(operand, YamlScalar) and has_template(operand.text):
                continue
            number = decimal_of(operand.text) if isinstance(operand, YamlScalar) else None
            if number is None:
                raise bad_value(f"{kind} compares a number, not {shown(operand)}", operand.location)
            if number < 0:
                raise bad_value(f"no count is smaller than 0: {number}", operand.location)
            if number % 1 and comparison.operator in _OF_WHOLE_NUMBERS:
                raise bad_value(f"a count is a whole number, never {number}", operand.location)


def check_error_code(written: str | None, place: Location) -> None:
    """The code of an expected error is one of those there are, by its number or its name. Errors: BAD_VALUE."""
    known = [spelling for code in ErrorCode for spelling in (code.name, code.code)]
    if written is not None and written not in known:
        close = nearest(written, known)
        hint = "give its number or its name: VELO4002 or JOB_FAILED" if close is None else f'did you mean "{close}"?'
        raise bad_value(f'there is no error code "{written}"', place, hint=hint)


def _expect_error(fields: Fields) -> None:
    check_error_code(fields["code"], fields.at("code"))


def _aggregate_check(fields: Fields) -> None:
    if fields.has("function") and fields.has("expression"):
        raise bad_value("give function or expression, not both", fields.at("expression"))
    if fields.has("function") and fields["function"] != "count" and not fields.has("field"):
        _missing(fields, "function", f'the function "{fields["function"]}" needs the key "field"')
    if fields.has("expression") and fields.has("field"):
        raise bad_value("field belongs to function; the expression names its columns itself", fields.at("field"))


def _window_boundary(fields: Fields) -> None:
    if fields["verify_containment"] and not fields.has("timestamp_field"):
        _missing(fields, "verify_containment", "verify_containment needs timestamp_field")


def _distribution(fields: Fields) -> None:
    """The distribution is given whole: parameters taken from the sample would make every sample fit."""
    if fields.has("distribution") and fields.has("shares"):
        raise bad_value("give distribution or shares, not both", fields.at("shares"))
    if fields.has("shares"):
        _shares(fields)
        return
    given: Distribution = fields["distribution"]
    needed = _PARAMETERS.get(given.shape)
    if needed is None:
        raise bad_value(f"the values of a {given.shape} depend on each other: no test fits", fields.at("distribution"))
    for name in needed:
        held = fields[name] if name in ("min", "max") else getattr(given, name)
        if held is None:
            _missing(fields, "distribution", f'the distribution {given.shape} needs "{name}"')
    for name in ("min", "max"):
        if fields.has(name) and name not in needed:
            raise bad_value(f"{name} has no effect on {given.shape}", fields.at(name))
    for name in ("std_dev", "sigma"):
        if name in needed and getattr(given, name) == 0:
            raise bad_value(f"{name} must be greater than 0", fields.at("distribution"))
    if "max" in needed and fields["min"] >= fields["max"]:
        raise bad_value("min must be smaller than max", fields.at("min"))
    if given.shape is Shape.EXPONENTIAL and given.rate is None and not given.mean:
        _missing(fields, "distribution", 'the distribution exponential needs "rate" or "mean"')


_PARAMETERS: dict[Shape, tuple[str, ...]] = {
    Shape.UNIFORM: ("min", "max"),
    Shape.NORMAL: ("mean", "std_dev"),
    Shape.LOG_NORMAL: ("mu", "sigma"),
    Shape.EXPONENTIAL: (),
    Shape.ZIPF: ("min", "max", "exponent"),
}


def _shares(fields: Fields) -> None:
    for name in ("min", "max"):
        if fields.has(name):
            raise bad_value(f"{name} has no effect with shares", fields.at(name))
    if fields["test"] == "kolmogorov_smirnov":
        raise bad_value("shares are compared by chi_square", fields.at("test"))
    if len(fields["shares"]) < 2 or not sum(fields["shares"].values()):
        message = "one value with all of the share has no distribution"
        hint = "give two values or more, or use field_in_set"
        raise VeloError(ErrorCode.NOTHING_CHECKED, message, location=fields.at("shares"), hint=hint)


def _event_ordering(fields: Fields) -> None:
    if fields.has("allow_gaps") and not fields["allow_gaps"] and not fields.has("max_gap_ms"):
        _missing(fields, "allow_gaps", "allow_gaps: false needs max_gap_ms")
    if fields["allow_gaps"] and fields.has("allow_gaps") and fields.has("max_gap_ms"):
        raise bad_value("max_gap_ms has no effect with allow_gaps: true", fields.at("max_gap_ms"))


def _table_freshness(fields: Fields) -> None:
    if fields.has("table") and fields.has("where"):
        raise bad_value("where chooses rows of the output, not of table", fields.at("where"))


def _throughput(fields: Fields) -> None:
    if fields.has("tolerance_percent") and not fields.has("expected_records_per_second"):
        _missing(fields, "tolerance_percent", "tolerance_percent needs expected_records_per_second")


def _metric_histogram(fields: Fields) -> None:
    if fields["statistic"] == "bucket" and not fields.has("le"):
        _missing(fields, "statistic", 'statistic: bucket needs the key "le"')
    if fields.has("le") and fields.has("statistic") and fields["statistic"] != "bucket":
        raise bad_value(f"le has no effect on the {fields['statistic']}", fields.at("le"))


def _sql(fields: Fields) -> None:
    others = [name for name in fields.locations if name in ("operator", "value", "values", "min", "max")]
    if fields.has("expect") and others:
        raise bad_value(f"give expect or {others[0]}, not both", fields.at(others[0]))


def _missing(fields: Fields, beside: str, message: str) -> None:
    raise VeloError(ErrorCode.MISSING_KEY, message, location=fields.at(beside))


_RULES: dict[str, Callable[[Fields], None]] = {
    "aggregate_check": _aggregate_check,
    "expect_error": _expect_error,
    "window_boundary": _window_boundary,
    "distribution": _distribution,
    "event_ordering": _event_ordering,
    "table_freshness": _table_freshness,
    "throughput": _throughput,
    "metric_histogram": _metric_histogram,
    "sql": _sql,
}

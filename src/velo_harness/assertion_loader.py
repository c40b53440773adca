"""Reading one assertion: its type chooses its keys; all spellings of comparisons become one form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_harness.assertion_tables.values import PERCENTILES
from velo_harness.assertion_types import (
    ASSERTION_TYPES,
    COMMON_KEYS,
    COMPARISON_KEYS,
    SHORT_FORMS,
    AssertionType,
    Compares,
)
from velo_harness.discovery import PathPolicy
from velo_harness.keys import Fields, JsonSchema, Kind, bad_value, read_object, shown
from velo_harness.kinds import PathText, Regex, defined
from velo_harness.parameter_rules import check_counts, check_parameters
from velo_harness.scalars import decimal_of
from velo_harness.spec import AssertionSpec, Comparison, Operator
from velo_harness.yaml_source import YamlMapping, YamlNode, YamlScalar, YamlSequence

TEMPLATE_START = "{{"


@dataclass(frozen=True, slots=True)
class Assertion(Kind):
    """An assertion: an object whose `type` says which other keys it may have; read as its type and `Fields`."""

    noun: str = "an assertion (a mapping with a type)"

    def accepts(self, node: YamlNode) -> bool:
        """Whether it is a mapping."""
        return isinstance(node, YamlMapping)

    def read(self, node: YamlNode) -> tuple[AssertionType, Fields]:
        """The type and the keys. Errors: MISSING_KEY, BAD_VALUE, UNKNOWN_KEY, NOTHING_CHECKED."""
        if not isinstance(node, YamlMapping):
            raise self.refuse(node)
        kind = _type_of(node)
        fields = read_object(node, kind.format())
        if kind.one_of and not any(_given(fields, name) for name in _ways(kind)):
            message = f"this {kind.name} assertion checks nothing"
            hint = f"give {' or '.join(kind.one_of)}"
            raise VeloError(ErrorCode.NOTHING_CHECKED, message, location=fields.at("type"), hint=hint)
        return kind, fields

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """One branch a type."""
        return defined("assertion", definitions, lambda: _assertion_schema(definitions))


@dataclass(frozen=True, slots=True)
class MetricAssertion(Assertion):
    """An assertion about a metric; its type may be written short, or left out where it follows from the rest."""

    noun: str = "an assertion about a metric (a mapping with a name)"

    def read(self, node: YamlNode) -> tuple[AssertionType, Fields]:
        """As of `Assertion`. Errors: BAD_VALUE for an assertion about anything else."""
        if not isinstance(node, YamlMapping):
            raise self.refuse(node)
        return Assertion.read(self, _with_metric_type(node))

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """The keys of all four types."""
        return defined("metric assertion", definitions, lambda: _metric_schema(definitions))


SHORT_METRIC_TYPES = {
    "exists": "metric_exists",
    "counter": "metric_counter",
    "gauge": "metric_gauge",
    "histogram": "metric_histogram",
}
"""Short types of assertions about metrics."""


def _with_metric_type(node: YamlMapping) -> YamlMapping:
    """The assertion with its whole type: that which is written, else the metric's type, else that it exists."""
    entries = {key.text: (key, value) for key, value in node.entries}
    compared = any(key in entries for key in (*SHORT_FORMS, "operator", "value", "expected", "min", "max"))
    key, given = entries.get("type", (None, None))
    if given is None and compared:
        key, given = next(
            (entries.pop(name) for name in ("metric_type", "expected_type") if name in entries), (None, None)
        )
    if given is None:
        text, place = "metric_exists", node.location
        if compared:
            message = "this compares the value of a metric without saying of which type it is"
            raise VeloError(ErrorCode.MISSING_KEY, message, location=place, hint="type: counter, gauge or histogram")
    else:
        text, place = (given.text if isinstance(given, YamlScalar) else ""), given.location
        text = SHORT_METRIC_TYPES.get(text.lower(), text)
        if text not in SHORT_METRIC_TYPES.values():
            hint = did_you_mean(text, SHORT_METRIC_TYPES, noun="type")
            raise bad_value(f"this is no type of an assertion about a metric: {shown(given)}", place, hint=hint)
    name = key if key is not None and key.text == "type" else YamlScalar("type", plain=True, location=place)
    rest = [(key, value) for key, value in entries.values() if key.text != "type"]
    return YamlMapping(((name, YamlScalar(text, plain=True, location=place)), *rest), node.location)


def _metric_schema(definitions: dict[str, JsonSchema]) -> JsonSchema:
    properties: JsonSchema = {}
    for name in SHORT_METRIC_TYPES.values():
        properties |= ASSERTION_TYPES[name].format().json_schema(definitions)["properties"]
    properties["type"] = {
        "enum": [*SHORT_METRIC_TYPES, *SHORT_METRIC_TYPES.values()],
        "description": COMMON_KEYS[0].doc,
    }
    description = "One check of a metric."
    anyof = [{"required": [name]} for name in ("name", "metric")]
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "anyOf": anyof,
        "additionalProperties": False,
    }


def _ways(kind: AssertionType) -> tuple[str, ...]:
    """The keys of which one makes the assertion check something."""
    comparing = tuple(key.name for key in COMPARISON_KEYS) if kind.compares is Compares.OPTIONAL else ()
    return (*kind.one_of, *comparing)


def _given(fields: Fields, name: str) -> bool:
    """Whether the key says something. No columns are nothing; no rows expected are something."""
    return fields.has(name) and (name == "expect" or fields[name] not in ((), {}))


def _assertion_schema(definitions: dict[str, JsonSchema]) -> JsonSchema:
    branches = []
    for kind in ASSERTION_TYPES.values():
        schema = kind.format().json_schema(definitions)
        schema["properties"]["type"] = {"const": kind.name, "description": kind.doc}
        if kind.one_of:
            spelt = [s for key in kind.format().keys if key.name in _ways(kind) for s in key.spellings]
            schema["anyOf"] = [{"required": [name]} for name in spelt]
        then = defined(f"{kind.name} assertion", definitions, lambda schema=schema: schema)  # type: ignore[misc]
        branches.append({"if": {"properties": {"type": {"const": kind.name}}, "required": ["type"]}, "then": then})
    return {
        "type": "object",
        "description": "One check of a query's output.",
        "properties": {"type": {"enum": list(ASSERTION_TYPES), "description": COMMON_KEYS[0].doc}},
        "required": ["type"],
        "allOf": branches,
    }


def _type_of(node: YamlMapping) -> AssertionType:
    given = node.get("type")
    if given is None:
        message, hint = 'an assertion needs the key "type"', "known: " + ", ".join(ASSERTION_TYPES)
        raise VeloError(ErrorCode.MISSING_KEY, message, location=node.location, hint=hint)
    if not isinstance(given, YamlScalar):
        raise bad_value(f"the type of an assertion must be a name, not {shown(given)}", given.location)
    if given.text not in ASSERTION_TYPES:
        hint = did_you_mean(given.text, ASSERTION_TYPES, noun="assertion type")
        message = f'unknown assertion type "{given.text}"'
        raise VeloError(ErrorCode.UNKNOWN_ASSERTION, message, location=given.location, hint=hint)
    return ASSERTION_TYPES[given.text]


def assertion_spec(read: tuple[AssertionType, Fields], folder: Path, policy: PathPolicy) -> AssertionSpec:
    """The assertion as the model has it. `folder` is the spec's.

    Errors: NOTHING_CHECKED, BAD_VALUE, MISSING_KEY, PATH_OUTSIDE_PROJECT.
    """
    kind, fields = read
    comparisons = tuple(_comparisons(fields)) if kind.compares is not Compares.NO else ()
    if kind.compares is Compares.REQUIRED and not comparisons:
        message = f"this {kind.name} assertion compares with nothing"
        hint = "give an operator with its value, or a short form such as greater_than: 0"
        raise VeloError(ErrorCode.NOTHING_CHECKED, message, location=fields.at("type"), hint=hint)
    parameters: dict[str, Any] = {}
    for key in kind.parameters:
        value = fields[key.name]
        if isinstance(key.kind, PathText) and value is not None:
            value = policy.resolve(value, folder, fields.at(key.name))
        if kind.name == "percentile" and key.name in PERCENTILES and value is not None:
            value = _comparison(fields["mode"], value, fields.at(key.name))
        parameters[key.name] = value
    check_parameters(kind.name, fields)
    check_counts(kind.name, comparisons)
    return AssertionSpec(
        kind.name,
        parameters,
        comparisons,
        fields["message"],
        fields["severity"],
        fields.values.get("where"),
        fields["allow_empty"],
        fields.at("type"),
        {name: place for name, place in fields.locations.items() if name in parameters or name == "where"},
    )


def _comparisons(fields: Fields) -> Iterator[Comparison]:
    """Every comparison that is written: with `operator`, with bounds or a value alone, and each short form."""
    operator: Operator | None = fields["operator"]
    if operator is not None:
        yield _spelt_out(operator, fields)
    else:
        yield from _without_operator(fields)
    for word, short in SHORT_FORMS.items():
        if word in fields.values and fields.has(word):
            yield _comparison(short, fields[word], fields.at(word))


def _spelt_out(operator: Operator, fields: Fields) -> Comparison:
    place = fields.at("operator")
    low, high = fields["min"], fields["max"]
    if operator is Operator.BETWEEN and low is not None and high is not None:
        _refuse_extra(fields, "value", "values")
        return _comparison(operator, YamlSequence((low, high), place), place)
    if operator is Operator.IN and fields["values"] is not None:
        _refuse_extra(fields, "value", "min", "max")
        return Comparison(operator, fields["values"], place)
    _refuse_extra(fields, "values", "min", "max")
    if fields["value"] is None:
        needs = {Operator.BETWEEN: "min and max", Operator.IN: "values"}.get(operator, "value")
        message = (
            f'operator: {operator} needs the key "{needs}"'
            if needs == "value"
            else f"operator: {operator} needs {needs}"
        )
        raise VeloError(ErrorCode.MISSING_KEY, message, location=place)
    return _comparison(operator, fields["value"], fields.at("value"))


def _without_operator(fields: Fields) -> Iterator[Comparison]:
    low, high = fields["min"], fields["max"]
    _refuse_extra(fields, "values")
    if low is not None and high is not None:
        yield _comparison(Operator.BETWEEN, YamlSequence((low, high), fields.at("min")), fields.at("min"))
    elif low is not None:
        yield _comparison(Operator.GREATER_THAN_OR_EQUAL, low, fields.at("min"))
    elif high is not None:
        yield _comparison(Operator.LESS_THAN_OR_EQUAL, high, fields.at("max"))
    if fields["value"] is not None:
        yield _comparison(Operator.EQUALS, fields["value"], fields.at("value"))


def _refuse_extra(fields: Fields, *names: str) -> None:
    for name in names:
        if name in fields.values and fields.has(name):
            raise bad_value(f'"{name}" has no effect with this operator', fields.at(name))


def _comparison(operator: Operator, operand: YamlNode, place: Location) -> Comparison:
    """One comparison with its operands checked for number and form."""
    if operator is Operator.BETWEEN:
        return Comparison(operator, _bounds(operand), place)
    if operator is Operator.IN:
        if not isinstance(operand, YamlSequence):
            raise bad_value(f"this must be a list, not {shown(operand)}", operand.location)
        return Comparison(operator, operand.items, place)
    if operator not in (Operator.EQUALS, Operator.NOT_EQUALS) and not isinstance(operand, YamlScalar):
        raise bad_value(f"this must be a value, not {shown(operand)}", operand.location)
    if operator is Operator.MATCHES and isinstance(operand, YamlScalar) and TEMPLATE_START not in operand.text:
        Regex().read(operand)
    return Comparison(operator, (operand,), place)


def _bounds(operand: YamlNode) -> tuple[YamlNode, ...]:
    if isinstance(operand, YamlMapping) and set(operand.keys) == {"min", "max"}:
        operand = YamlSequence(tuple(node for key in ("min", "max") if (node := operand.get(key))), operand.location)
    if not isinstance(operand, YamlSequence) or len(operand.items) != 2:
        raise bad_value("between takes two values: [smallest, greatest]", operand.location)
    for item in operand.items:
        if not isinstance(item, YamlScalar):
            raise bad_value(f"this must be a value, not {shown(item)}", item.location)
    low, high = (decimal_of(item.text) if isinstance(item, YamlScalar) else None for item in operand.items)
    if low is not None and high is not None and low > high:
        raise bad_value(f"nothing is between {low} and {high}: the smallest comes first", operand.location)
    return operand.items

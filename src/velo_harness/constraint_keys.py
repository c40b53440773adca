"""The keys of field constraints, as tables, and how they become `FieldConstraints`."""
# ruff: noqa: ARG002 - the methods are those of Kind

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from velo_engine.errors import ErrorCode, VeloError
from velo_harness.arrival_keys import ARRIVAL, ARRIVAL_KEYS, arrival_of
from velo_harness.constraints import (
    Correlation,
    Custom,
    Derived,
    Distribution,
    Enumeration,
    Faker,
    FieldConstraints,
    Length,
    OnlySource,
    Pattern,
    Probability,
    Range,
    Reference,
    Sequence,
    Shape,
    TimeRange,
)
from velo_harness.keys import Fields, JsonSchema, Key, Kind, ObjectFormat, bad_value, read_object
from velo_harness.kinds import (
    FRACTION,
    NAMES,
    AnyOf,
    Boolean,
    Choice,
    Duration,
    Integer,
    ListOf,
    MapOf,
    Number,
    Object,
    Regex,
    ScalarLiteral,
    Text,
    defined,
)
from velo_harness.scalars import plain_value
from velo_harness.yaml_source import YamlMapping, YamlNode, YamlScalar

_SCALARS = ListOf(ScalarLiteral(), 1)
_WEIGHTS = Key("weights", ListOf(Number(0), 1), "Relative weights of the values; all alike by default.")
_SHAPES = Choice({shape.value: shape for shape in Shape})

_SHAPE_KEYS: dict[Shape, tuple[Key, ...]] = {
    Shape.UNIFORM: (),
    Shape.NORMAL: (
        Key("mean", Number(), "The mean; by default the middle of the range."),
        Key(
            "std_dev", Number(0), "The standard deviation; by default a sixth of the range.", aliases=("stddev", "std")
        ),
    ),
    Shape.LOG_NORMAL: (
        Key("mu", Number(), "The mean of the logarithm; by default the middle of the range's logarithms."),
        Key("sigma", Number(0), "The standard deviation of the logarithm; by default a sixth of that range."),
    ),
    Shape.ZIPF: (Key("exponent", Number(0), "Rank k weighs k ** -exponent; 1 by default.", aliases=("alpha", "s")),),
    Shape.EXPONENTIAL: (
        Key("rate", Number(0), "1 / mean.", aliases=("lambda",)),
        Key("mean", Number(0), "The mean above the smallest value; by default a fifth of the range."),
    ),
    Shape.RANDOM_WALK: (
        Key("drift", Number(), "The mean relative step; 0 by default."),
        Key("volatility", Number(0), "The standard deviation of the relative step; 0.01 by default."),
        Key("start", Number(), "The first value; by default anywhere in the range.", aliases=("start_value",)),
        Key("group_by", NAMES, "One walk for each value of these fields."),
    ),
}
_TYPE = Key("type", _SHAPES, "The distribution's name.", required=True)


def _parameters(shape: Shape, *, typed: bool) -> ObjectFormat:
    name = f"{shape.value} {'distribution' if typed else 'parameters'}".replace("_", " ")
    return ObjectFormat(name, f"A {shape.value} distribution.", (*((_TYPE,) if typed else ()), *_SHAPE_KEYS[shape]))


@dataclass(frozen=True, slots=True)
class DistributionKind(Kind):
    """A word (`normal`), `{type: normal, mean: 5}`, or `{normal: {mean: 5}}`; read as a `Distribution`."""

    noun: str = "a distribution: one of " + ", ".join(Shape)

    def accepts(self, node: YamlNode) -> bool:
        """Whether it is a word or a mapping."""
        return isinstance(node, YamlMapping) or _SHAPES.accepts(node)

    def read(self, node: YamlNode) -> Distribution:
        """The distribution. Errors: as of `read_object`."""
        if not isinstance(node, YamlMapping):
            return Distribution(_SHAPES.read(node))
        typed = node.get("type")
        if typed is not None:
            shape = _SHAPES.read(typed)
            return _distribution(shape, read_object(node, _parameters(shape, typed=True)))
        if len(node.entries) != 1:
            raise VeloError(ErrorCode.MISSING_KEY, 'a distribution needs the key "type"', location=node.location)
        name, parameters = node.entries[0]
        shape = _SHAPES.read(name)
        return _distribution(shape, read_object(parameters, _parameters(shape, typed=False)))

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """A word, or an object with the parameters of its shape."""
        return defined("distribution", definitions, lambda: _distribution_schema(definitions))


def _distribution_schema(definitions: dict[str, JsonSchema]) -> JsonSchema:
    branches = [_SHAPES.json_schema(definitions)]
    for shape in Shape:
        typed = _parameters(shape, typed=True).json_schema(definitions)
        typed["properties"]["type"] = Choice({shape.value: shape}).json_schema(definitions)
        named = {shape.value: _parameters(shape, typed=False).json_schema(definitions)}
        branches.append(typed)
        branches.append(
            {"type": "object", "properties": named, "required": [shape.value], "additionalProperties": False}
        )
    return {"anyOf": branches}


def _distribution(shape: Shape, fields: Fields) -> Distribution:
    given = {name: value for name, value in fields.values.items() if value is not None and name != "type"}
    if "rate" in given and "mean" in given:
        raise bad_value("give rate or mean, not both", fields.at("mean"))
    if given.get("rate") == 0:
        raise bad_value("the rate must be greater than 0", fields.at("rate"))
    numbers: dict[str, Any] = {
        name: float(value) if isinstance(value, Decimal) else value for name, value in given.items()
    }
    return replace(Distribution(shape), **numbers)


@dataclass(frozen=True, slots=True)
class ReferenceText(Kind):
    """`schema.field`; read as a `Reference`."""

    noun: str = "a reference such as customers.id"

    def accepts(self, node: YamlNode) -> bool:
        """Whether it is text."""
        return isinstance(node, YamlScalar)

    def read(self, node: YamlNode) -> Reference:
        """The reference. Errors: BAD_VALUE."""
        schema, dot, name = node.text.rpartition(".") if isinstance(node, YamlScalar) else ("", "", "")
        if not (schema and dot and name):
            raise self.refuse(node)
        return Reference(schema, name)

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        """Text with a point."""
        return {"type": "string", "pattern": r"^.+\..+$"}


_ENUM = ObjectFormat("enum", "Values with weights.", (Key("values", _SCALARS, "The values.", required=True), _WEIGHTS))
_RANGE_KEYS = (Key("min", ScalarLiteral(), "The smallest value."), Key("max", ScalarLiteral(), "The greatest value."))
_RANGE = ObjectFormat("range", "Smallest and greatest value, both included.", _RANGE_KEYS)
LONGEST = 100_000
"""The greatest length that a constraint may give."""

_LENGTH_LIMIT = Integer(0, LONGEST)
_LENGTH = ObjectFormat(
    "length",
    "Characters, bytes or elements.",
    (Key("min", _LENGTH_LIMIT, "At least.", 0), Key("max", _LENGTH_LIMIT, "At most.")),
)
_DERIVED = ObjectFormat(
    "derived value",
    "A SQL expression over the other fields.",
    (
        Key("expression", Text("a SQL expression"), "The expression.", required=True),
        Key("depends_on", NAMES, "The fields it uses; found from the expression too.", ()),
    ),
)
_REFERENCE = ObjectFormat(
    "reference",
    "A foreign key into the rows of another schema of the same run.",
    (
        Key("schema", Text("a schema name"), "The other schema.", required=True),
        Key("field", Text("a field name"), "Its field.", required=True),
        Key("match_rate", FRACTION, "The share of rows whose value exists there.", Decimal(1)),
    ),
)
_TIME_KEYS = (
    Key("start", Text("a time"), "RFC 3339, or relative to now: -1h.", required=True),
    Key("end", Text("a time"), "RFC 3339, or relative to now; excluded.", required=True),
    Key("sequential", Boolean(), "Times rise from row to row."),
    Key("format", Text("a pattern"), "Texts and whole numbers: how a time is written."),
    Key("jitter", Duration(), "Each time is moved back by up to so much, and times come out of order."),
)
_TIME_RANGE = ObjectFormat("time range", "Times from start to before end.", _TIME_KEYS)
_SEQUENCE = ObjectFormat(
    "sequence",
    "start, start + step, …",
    (Key("start", Number(), "The first value.", Decimal(1)), Key("step", Number(), "The distance.", Decimal(1))),
)
_CORRELATION = ObjectFormat(
    "correlation",
    "field * factor + offset + noise * a standard normal variable.",
    (
        Key("field", Text("a field name"), "The other field.", required=True),
        Key("factor", Number(), "The factor.", Decimal(1)),
        Key("offset", Number(), "What is added.", Decimal(0)),
        Key("noise", Number(0), "The standard deviation of the noise.", Decimal(0)),
    ),
)
_GENERATOR = ObjectFormat(
    "generator",
    "A generator that a plugin adds.",
    (
        Key("name", Text("a name"), "Its name.", required=True),
        Key("options", MapOf(ScalarLiteral()), "What it is told.", {}),
    ),
)
_WORD_RANGE = Choice({"relative": "relative", "absolute": "absolute"})

CONSTRAINTS = ObjectFormat(
    "constraints",
    "How the values of a field are made.",
    (
        Key(
            "enum",
            AnyOf((_SCALARS, Object(_ENUM))),
            "The values; with weights as {values, weights}.",
            aliases=("enum_values",),
        ),
        _WEIGHTS,
        Key("range", AnyOf((Object(_RANGE), _WORD_RANGE)), "{min, max}; or relative|absolute beside start and end."),
        *_RANGE_KEYS,
        Key("length", AnyOf((_LENGTH_LIMIT, Object(_LENGTH))), "{min, max}, or one number for both."),
        Key("min_length", _LENGTH_LIMIT, "At least so long."),
        Key("max_length", _LENGTH_LIMIT, "At most so long."),
        Key("pattern", Regex(), "A regular expression that every value matches.", aliases=("regex",)),
        Key("distribution", DistributionKind(), "How values are spread over the range."),
        Key("derived", AnyOf((Object(_DERIVED), Text("a SQL expression"))), "A SQL expression over the other fields."),
        Key(
            "references",
            AnyOf((Object(_REFERENCE), ReferenceText())),
            "A foreign key: {schema, field} or schema.field.",
        ),
        Key("timestamp_range", Object(_TIME_RANGE), "Times from start to before end."),
        Key("timestamp_epoch_ms", Object(_TIME_RANGE), "Times as milliseconds since the epoch."),
        *(Key(key.name, key.kind, key.doc) for key in _TIME_KEYS),
        Key("probability", FRACTION, "How often a boolean is true."),
        Key("sequence", AnyOf((Boolean(), Object(_SEQUENCE))), "start, start + step, …; true: 1, 2, …"),
        Key("unique", Boolean(), "No value stands twice.", False),
        Key("faker", Text("a Faker provider"), "A Faker provider: name, email, company, …"),
        Key(
            "generator",
            AnyOf((Object(_GENERATOR), Text("a name"))),
            "A plugin's generator: its name, or {name, options}.",
        ),
        Key("correlated_with", Object(_CORRELATION), "Follows another field."),
        *ARRIVAL_KEYS,
        Key("arrival", Object(ARRIVAL), "The same three, wrapped."),
        Key("null_probability", FRACTION, "How often it is NULL."),
        Key("precision", Integer(1, 38), "Digits of a decimal."),
        Key("scale", Integer(0, 38), "Digits of a decimal after the point."),
    ),
)


def constraints_of(fields: Fields) -> FieldConstraints:
    """The constraints of one field. Errors: BAD_VALUE for combinations of which one part would have no effect."""
    sources = list(_sources(fields))
    for name, _ in sources[1:]:
        raise bad_value(f'"{name}" has no effect beside "{sources[0][0]}"', fields.at(name))
    range_ = _range(fields)
    distribution = fields["distribution"]
    if sources:
        _check_beside(sources[0], fields, range_)
    locations = dict(fields.locations)
    return FieldConstraints(
        sources[0][1] if sources else None,
        range_,
        distribution,
        _length(fields),
        fields["unique"],
        _float(fields["null_probability"]),
        arrival_of(fields),
        locations,
    )


def _check_beside(source: tuple[str, OnlySource], fields: Fields, range_: Range | None) -> None:
    """A range or distribution beside a source that leaves it nothing to do."""
    name, constraint = source
    place = next((key for key in ("range", "min", "max") if fields.has(key)), "")
    if range_ is not None and not isinstance(constraint, Correlation | Derived):
        raise bad_value(f'"{place}" has no effect beside "{name}"', fields.at(place))
    if range_ is not None and isinstance(constraint, Derived):
        raise bad_value(f'"{place}" has no effect beside "{name}"', fields.at(place), hint="put it into the expression")
    shape = fields["distribution"].shape if fields["distribution"] is not None else None
    if shape is not None and not (isinstance(constraint, Enumeration) and shape in (Shape.ZIPF, Shape.UNIFORM)):
        raise bad_value(f'this distribution has no effect beside "{name}"', fields.at("distribution"))


def _sources(fields: Fields) -> Iterator[tuple[str, OnlySource]]:
    """Every source of values that is written."""
    readers: dict[str, Callable[[Any], OnlySource]] = {
        "pattern": Pattern,
        "derived": _derived,
        "references": _reference,
        "probability": lambda value: Probability(float(value)),
        "faker": Faker,
        "generator": _generator,
        "correlated_with": _correlation,
    }
    if (enumeration := _enumeration(fields)) is not None:
        yield "enum", enumeration
    for name, read in readers.items():
        if fields[name] is not None:
            yield name, read(fields[name])
    for name in ("timestamp_range", "timestamp_epoch_ms"):
        if fields[name] is not None:
            yield name, _time_range(fields[name], epoch_ms=name == "timestamp_epoch_ms")
    if fields.has("start") or fields.has("end") or isinstance(fields["range"], str):
        yield "range" if fields.has("range") else "start", _flat_time_range(fields)
    else:
        for name in ("sequential", "format", "jitter"):
            if fields.has(name):
                raise bad_value(f"{name} has no effect without start and end", fields.at(name))
    if fields["sequence"] is not None and fields["sequence"] is not False:
        yield "sequence", _sequence(fields["sequence"])


def _enumeration(fields: Fields) -> Enumeration | None:
    given = fields["enum"]
    if given is None:
        if fields["weights"] is not None:
            raise bad_value("weights have no effect without enum", fields.at("weights"))
        return None
    weights, place = fields["weights"], fields.at("weights")
    if isinstance(given, Fields):
        if weights is not None and given["weights"] is not None:
            raise bad_value("weights are given twice", place)
        values, place = given["values"], place if weights is not None else given.at("weights")
        weights = weights or given["weights"]
    else:
        values = given
    if weights is None:
        return Enumeration(values)
    if len(weights) != len(values):
        raise bad_value(f"there are {len(values)} values but {len(weights)} weights", place)
    if sum(weights) <= 0:
        raise bad_value("the weights are all 0", place)
    return Enumeration(values, tuple(float(weight) for weight in weights))


def _range(fields: Fields) -> Range | None:
    given = fields["range"]
    if isinstance(given, Fields):
        if fields.has("min") or fields.has("max"):
            raise bad_value("give range or min and max, not both", fields.at("min" if fields.has("min") else "max"))
        if given["min"] is None and given["max"] is None:
            raise bad_value("a range needs min or max", given.location)
        return Range(given["min"], given["max"])
    if fields["min"] is None and fields["max"] is None:
        return None
    return Range(fields["min"], fields["max"])


def _length(fields: Fields) -> Length | None:
    given = fields["length"]
    flat = [key for key in ("min_length", "max_length") if fields.has(key)]
    if given is not None and flat:
        raise bad_value("give length or min_length and max_length, not both", fields.at(flat[0]))
    if isinstance(given, Fields):
        length = Length(given["min"], given["max"])
    elif given is not None:
        length = Length(given, given)
    elif flat:
        length = Length(fields["min_length"] or 0, fields["max_length"])
    else:
        return None
    if length.maximum is not None and length.minimum > length.maximum:
        raise bad_value("the smallest length is greater than the greatest", fields.at(flat[0] if flat else "length"))
    return length


def _generator(value: Fields | str) -> Custom:
    if isinstance(value, str):
        return Custom(value)
    return Custom(value["name"], {name: plain_value(node) for name, node in value["options"].items()})


def _derived(value: Fields | str) -> Derived:
    return Derived(value) if isinstance(value, str) else Derived(value["expression"], value["depends_on"])


def _reference(value: Fields | Reference) -> Reference:
    if isinstance(value, Reference):
        return value
    return Reference(value["schema"], value["field"], float(value["match_rate"]))


def _correlation(value: Fields) -> Correlation:
    return Correlation(value["field"], *(float(value[name]) for name in ("factor", "offset", "noise")))


def _time_range(value: Fields, *, epoch_ms: bool) -> TimeRange:
    if epoch_ms and value["format"] is not None:
        raise bad_value("format has no effect on milliseconds since the epoch", value.at("format"))
    return TimeRange(value["start"], value["end"], value["sequential"], epoch_ms, value["format"], value["jitter"] or 0)


def _flat_time_range(fields: Fields) -> TimeRange:
    for name in ("start", "end"):
        if fields[name] is None:
            place = fields.at("range" if fields.has("range") else "end" if name == "start" else "start")
            raise VeloError(ErrorCode.MISSING_KEY, f'a time range needs the key "{name}"', location=place)
    return _time_range(fields, epoch_ms=False)


def _sequence(value: Fields | bool) -> Sequence:
    return Sequence() if isinstance(value, bool) else Sequence(value["start"], value["step"])


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)

"""Data schemas (`*.schema.yaml`): the fields of a source and how rows of it are generated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from velo_engine import types as sql
from velo_engine.errors import ErrorCode, Location, VeloError, did_you_mean
from velo_engine.schema import Column, RowSchema
from velo_engine.types import SqlType
from velo_harness.constraint_checks import check_constraints
from velo_harness.constraint_keys import CONSTRAINTS, constraints_of
from velo_harness.constraints import FieldConstraints, Uuid
from velo_harness.keys import Fields, JsonSchema, Key, Kind, ObjectFormat, bad_value, read_object
from velo_harness.kinds import FRACTION, AnyOf, Boolean, Integer, ListOf, Object, Text, defined
from velo_harness.yaml_source import YamlMapping, YamlNode, read_yaml

DEFAULT_DECIMAL = (18, 2)
"""Precision and scale of `type: decimal` without them."""
DEFAULT_TIMESTAMP_PRECISION = 3
"""Milliseconds, as event times have them."""


@dataclass(frozen=True, slots=True)
class DataField:
    """One field: its SQL type and how values are made."""

    name: str
    type: SqlType
    """NOT NULL when the schema says `nullable: false`."""
    declared_nullable: bool
    """The schema says `nullable: true`: an input's null_probability applies to it."""
    description: str | None
    constraints: FieldConstraints
    children: tuple[DataField, ...]
    """ROW: the fields; ARRAY: the element; MAP: key and value."""
    location: Location = field(compare=False)


@dataclass(frozen=True, slots=True)
class DataSchema:
    """The fields of one source, in order."""

    name: str
    description: str | None
    fields: tuple[DataField, ...]
    record_count: int | None
    key_field: str | None
    namespace: str | None
    origin: str | None
    """Where it was taken from (`source: flink_ddl`)."""
    topic: str | None
    """The Kafka topic that it describes."""
    file: Path | None
    location: Location = field(compare=False)

    def row_schema(self) -> RowSchema:
        """The engine's columns."""
        return RowSchema(tuple(Column(f.name, f.type) for f in self.fields))


@dataclass(frozen=True, slots=True)
class _Nested(Kind):
    """A field inside a field."""

    table: Callable[[], ObjectFormat]
    noun: str = "a mapping (field)"

    def accepts(self, node: YamlNode) -> bool:
        return isinstance(node, YamlMapping)

    def read(self, node: YamlNode) -> Fields:
        return read_object(node, self.table())

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        table = self.table()
        return defined(table.name, definitions, lambda: table.json_schema(definitions))


_OLD_DECIMAL = ObjectFormat(
    "old decimal type",
    "The form in which precision means the digits after the point.",
    (Key("precision", Integer(0, 38), "Digits after the point.", required=True),),
)
_OLD_TYPE = ObjectFormat(
    "old type", "decimal with its digits.", (Key("decimal", Object(_OLD_DECIMAL), "Its digits.", required=True),)
)
_SHAPE_KEYS = (
    Key(
        "type",
        AnyOf((Text("a type"), Object(_OLD_TYPE))),
        "string, bigint, double, decimal, timestamp, …",
        required=True,
    ),
    Key("nullable", Boolean(), "Whether it may be NULL."),
    Key("null_probability", FRACTION, "How often it is NULL."),
    Key("description", Text(), "What it means."),
    Key("constraints", Object(CONSTRAINTS), "How its values are made."),
    Key("precision", Integer(0, 38), "decimal: digits; timestamp, time: digits of a second."),
    Key("scale", Integer(0, 38), "decimal: digits after the point."),
    Key("items", _Nested(lambda: ELEMENT), "array: the element; map: the value.", aliases=("element", "value")),
    Key("key", _Nested(lambda: ELEMENT), "map: the key; text by default."),
    Key("fields", ListOf(_Nested(lambda: FIELD), 1), "row: the fields."),
)
ELEMENT: ObjectFormat = ObjectFormat("element", "The element of an array, or key or value of a map.", _SHAPE_KEYS)
FIELD: ObjectFormat = ObjectFormat(
    "field", "One field.", (Key("name", Text("a field name"), "The name.", required=True), *_SHAPE_KEYS)
)

_HEAD_KEYS = (
    Key("name", Text("a name"), "The schema's name."),
    Key("namespace", Text(), "The namespace of its records."),
    Key("description", Text(), "What the records are."),
    Key("record_count", Integer(0), "How many rows are generated where the spec does not say."),
    Key("key_field", Text("a field name"), "The field that is the record's key."),
    Key("source", Text(), "Where the schema was taken from."),
    Key("kafka_topic", Text("a topic"), "The topic that it describes.", aliases=("topic",)),
    Key("fields", ListOf(Object(FIELD), 1), "The fields, in order."),
)
_WRAPPED = ObjectFormat("schema", "The schema, or its head beside fields.", _HEAD_KEYS)
DATA_SCHEMA = ObjectFormat(
    "data schema",
    "The fields of a source and how rows of it are generated.",
    (Key("schema", Object(_WRAPPED), "The same keys, wrapped."), *_HEAD_KEYS),
)


def load_data_schema(path: Path) -> DataSchema:
    """The data schema in a file.

    Errors: those of reading YAML, UNKNOWN_KEY, BAD_VALUE, MISSING_KEY, NOT_YET_SUPPORTED, UNKNOWN_COLUMN.
    """
    return replace(data_schema_of(read_yaml(path)), file=path)


def data_schema_of(node: YamlNode) -> DataSchema:
    """The data schema that a tree says. Errors: as `load_data_schema`."""
    outer = read_object(node, DATA_SCHEMA)
    values = dict(outer.values)
    places = dict(outer.locations)
    inner: Fields | None = values.pop("schema")
    for name in inner.locations if inner is not None else ():
        if outer.has(name):
            raise bad_value(f'"{name}" stands under schema and beside it', outer.at(name))
        assert inner is not None
        values[name], places[name] = inner[name], inner.at(name)
    for name in ("name", "fields"):
        if values[name] is None:
            message = f'a data schema needs the key "{name}"'
            raise VeloError(ErrorCode.MISSING_KEY, message, location=outer.location)
    fields = tuple(_data_fields(values["fields"]))
    schema = DataSchema(
        values["name"],
        values["description"],
        fields,
        values["record_count"],
        values["key_field"],
        values["namespace"],
        values["source"],
        values["kafka_topic"],
        None,
        places["name"],
    )
    _check_names(schema, places)
    return schema


def _check_names(schema: DataSchema, places: dict[str, Location]) -> None:
    """Every field named by another part exists."""
    names = [f.name for f in schema.fields]
    if schema.key_field is not None and schema.key_field not in names:
        raise _unknown_field(schema.key_field, names, places["key_field"])
    for data_field in schema.fields:
        for name, key in data_field.constraints.fields_used():
            if name not in names:
                raise _unknown_field(name, names, data_field.constraints.locations.get(key, data_field.location))


def _unknown_field(name: str, names: list[str], place: Location) -> VeloError:
    hint = did_you_mean(name, names, noun="field")
    return VeloError(ErrorCode.UNKNOWN_COLUMN, f'there is no field "{name}"', location=place, hint=hint)


def _data_fields(many: tuple[Fields, ...]) -> Iterator[DataField]:
    seen: set[str] = set()
    for fields in many:
        if not fields["name"].strip():
            raise bad_value("the field has no name", fields.at("name"), hint="write the name of a column")
        if fields["name"] in seen:
            raise bad_value(f'there are two fields "{fields["name"]}"', fields.at("name"))
        seen.add(fields["name"])
        yield _data_field(fields["name"], fields)


def _data_field(name: str, fields: Fields) -> DataField:
    constraints = _constraints(fields)
    if _type_name(fields) == "uuid" and constraints.source is None and constraints.length is None:
        constraints = replace(constraints, source=Uuid())
    children = tuple(_children(fields))
    kind = _sql_type(fields, children).as_nullable(fields["nullable"] is not False)
    if constraints.null_probability and not kind.nullable:
        place = constraints.locations["null_probability"]
        raise bad_value("null_probability has no effect on a field that is not nullable", place)
    check_constraints(constraints, kind, fields.at("type"))
    declared = fields["nullable"] is True
    return DataField(name, kind, declared, fields["description"], constraints, children, fields.at("type"))


def _constraints(fields: Fields) -> FieldConstraints:
    given: Fields | None = fields["constraints"]
    constraints = constraints_of(given) if given is not None else FieldConstraints()
    if fields["null_probability"] is None:
        return constraints
    if constraints.null_probability is not None:
        raise bad_value("null_probability is given twice", fields.at("null_probability"))
    places = constraints.locations | {"null_probability": fields.at("null_probability")}
    return replace(constraints, null_probability=float(fields["null_probability"]), locations=places)


def _children(fields: Fields) -> Iterator[DataField]:
    name = _type_name(fields)
    wanted = {"array": ("items",), "map": ("key", "items"), "row": ("fields",)}.get(name, ())
    for key in ("items", "key", "fields"):
        if fields.has(key) and key not in wanted:
            raise bad_value(f'"{key}" has no effect on a field of type {name}', fields.at(key))
    for key in wanted:
        if key == "fields" and fields.has(key):
            yield from _data_fields(fields[key])
        elif key == "key" and fields.has(key):
            yield _key_of_map(_data_field(key, fields[key]))
        elif fields.has(key):
            yield _data_field(key, fields[key])
        elif key == "key":
            place = fields.at("type")
            yield DataField("key", sql.STRING.as_nullable(False), False, None, FieldConstraints(), (), place)
        else:
            message = f'a field of type {name} needs the key "{key}"'
            raise VeloError(ErrorCode.MISSING_KEY, message, location=fields.at("type"))


def _key_of_map(key: DataField) -> DataField:
    """A map's key, of which no value is NULL. Errors: BAD_VALUE."""
    if key.constraints.null_probability:
        place = key.constraints.place("null_probability", key.location)
        raise bad_value("the key of a map is never null", place)
    return replace(key, declared_nullable=False)


_TYPES: dict[str, SqlType] = {
    **dict.fromkeys(("string", "text", "varchar", "char", "uuid"), sql.STRING),
    **dict.fromkeys(("integer", "int", "bigint", "long"), sql.BIGINT),
    "smallint": sql.SMALLINT,
    "tinyint": sql.TINYINT,
    **dict.fromkeys(("float", "double", "real"), sql.DOUBLE),
    **dict.fromkeys(("boolean", "bool"), sql.BOOLEAN),
    "date": sql.DATE,
    "bytes": sql.BYTES,
}
_NESTED = {"struct": "row", "object": "row", "list": "array"}
_WITH_PRECISION = ("decimal", "numeric", "timestamp", "timestamp_ltz", "datetime", "time")
_SPELT = re.compile(r"\s*([A-Za-z_]+)\s*(?:\(\s*([0-9]+)\s*(?:,\s*([0-9]+)\s*)?\))?\s*")


def _type_name(fields: Fields) -> str:
    given = fields["type"]
    if isinstance(given, Fields):
        return "decimal"
    found = _SPELT.fullmatch(given)
    name = found[1].lower() if found else given
    return _NESTED.get(name, name)


def _sql_type(fields: Fields, children: tuple[DataField, ...]) -> SqlType:
    name, place = _type_name(fields), fields.at("type")
    precision, scale = _digits(fields)
    if precision is not None and name not in (*_WITH_PRECISION, "varchar", "char"):
        raise bad_value(f"precision has no effect on a field of type {name}", _place_of_digits(fields, "precision"))
    if scale is not None and name not in ("decimal", "numeric"):
        raise bad_value(f"scale has no effect on a field of type {name}", _place_of_digits(fields, "scale"))
    match name:
        case "decimal" | "numeric":
            return _decimal_type(precision, scale, fields)
        case "timestamp" | "datetime" | "timestamp_ltz" | "time":
            return _time_type(name, precision, place)
        case "varchar" | "char" if precision:
            return sql.varchar(precision) if name == "varchar" else sql.char(precision)
        case "array":
            return sql.array(children[0].type)
        case "map":
            return sql.map_of(children[0].type, children[1].type)
        case "row":
            return sql.row(*((child.name, child.type) for child in children))
        case _ if name in _TYPES:
            return _TYPES[name]
    known = (*_TYPES, *_WITH_PRECISION, "array", "map", "row")
    raise bad_value(f'unknown type "{name}"', place, hint=did_you_mean(name, known, noun="type"))


def _digits(fields: Fields) -> tuple[int | None, int | None]:
    """Precision and scale, wherever they are written."""
    given = fields["type"]
    places: list[tuple[int | None, int | None]] = []
    if isinstance(given, Fields):
        places.append((None, given["decimal"]["precision"]))
    elif (found := _SPELT.fullmatch(given)) is not None and found[2] is not None:
        places.append((int(found[2]), int(found[3]) if found[3] else None))
    written = [source for source in (fields, fields["constraints"]) if source is not None]
    digits = [(source["precision"], source["scale"]) for source in written]
    places += [pair for pair in digits if pair != (None, None)]
    if len(places) > 1:
        raise bad_value("precision and scale are given twice", fields.at("type"))
    return places[0] if places else (None, None)


def _place_of_digits(fields: Fields, name: str) -> Location:
    constraints: Fields | None = fields["constraints"]
    if not fields.has(name) and constraints is not None and constraints.has(name):
        return constraints.at(name)
    return fields.at(name) if fields.has(name) else fields.at("type")


def _decimal_type(precision: int | None, scale: int | None, fields: Fields) -> SqlType:
    if precision is None:
        precision = DEFAULT_DECIMAL[0] if scale is None or scale <= DEFAULT_DECIMAL[0] else sql.MAX_PRECISION
        scale = DEFAULT_DECIMAL[1] if scale is None else scale
    scale = scale or 0
    if not 1 <= precision <= sql.MAX_PRECISION or scale > precision:
        message = (
            f"decimal({precision}, {scale}) does not exist: 1 ≤ precision ≤ {sql.MAX_PRECISION}, scale ≤ precision"
        )
        raise bad_value(message, _place_of_digits(fields, "precision"))
    return sql.decimal(precision, scale)


def _time_type(name: str, precision: int | None, place: Location) -> SqlType:
    if precision is not None and precision > 6:
        raise bad_value(f"{name}({precision}) does not exist here: at most 6 digits of a second", place)
    if name == "time":
        return sql.time(precision or 0)
    digits = DEFAULT_TIMESTAMP_PRECISION if precision is None else precision
    return sql.timestamp_ltz(digits) if name == "timestamp_ltz" else sql.timestamp(digits)

"""Avro schemas as a tree of types, and the schema that Flink derives from a table's columns.

Source: the Avro specification 1.12; AvroSchemaConverter.convertToSchema of Flink 2.3.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from velo_engine.errors import ErrorCode, VeloError
from velo_engine.schema import RowSchema
from velo_engine.types import BINARIES, STRINGS, SqlType, TypeName

DERIVED_NAME = "org.apache.flink.avro.generated.record"
"""The name of the record that Flink derives from a table."""

MAX_DEPTH = 64
"""Types within each other; a deeper schema is refused."""

MAX_DECIMAL_DIGITS = 1000
"""Of more digits a decimal is plain bytes."""

Json: TypeAlias = Any

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


@dataclass(frozen=True, slots=True)
class AvroField:
    """A field of a record."""

    name: str
    type: AvroType
    aliases: tuple[str, ...] = ()
    has_default: bool = False
    default: Json = None
    """As it stands in the schema."""


@dataclass(frozen=True, slots=True)
class AvroType:
    """One type of a schema; references by name are replaced by what they name."""

    kind: str
    """`null`, `boolean`, `int`, …, `record`, `enum`, `array`, `map`, `fixed`, `union`."""
    logical: str | None = None
    """The logical type when it is valid for `kind`."""
    precision: int = 0
    """decimal."""
    scale: int = 0
    """decimal."""
    size: int = 0
    """fixed."""
    symbols: tuple[str, ...] = ()
    """enum."""
    default_symbol: str | None = None
    """enum: what a symbol that the reader does not know becomes."""
    element: AvroType | None = None
    """array, map."""
    branches: tuple[AvroType, ...] = ()
    """union."""
    fields: tuple[AvroField, ...] = ()
    """record."""

    @property
    def nullable(self) -> bool:
        """Whether null is one of its values."""
        return self.kind == "null" or any(branch.kind == "null" for branch in self.branches)

    def __str__(self) -> str:
        if self.kind == "union":
            return "[" + ", ".join(map(str, self.branches)) + "]"
        if self.element is not None:
            return f"{self.kind} of {self.element}"
        return self.kind if self.logical is None else f"{self.kind} ({self.logical})"


_LOGICAL_KINDS = {
    "date": {"int"},
    "time-millis": {"int"},
    "time-micros": {"long"},
    "timestamp-millis": {"long"},
    "timestamp-micros": {"long"},
    "timestamp-nanos": {"long"},
    "local-timestamp-millis": {"long"},
    "local-timestamp-micros": {"long"},
    "local-timestamp-nanos": {"long"},
    "uuid": {"string", "fixed"},
    "decimal": {"bytes", "fixed"},
}


def parse_avro_schema(text: str, where: str) -> AvroType:
    """The type that the schema `text` describes. Raises VeloError, naming `where`, when it is not an Avro schema."""
    import fastavro
    from fastavro.schema import SchemaParseException, UnknownType

    try:
        written = json.loads(text)
        fastavro.parse_schema(written)
        return _Parser(where).type_of(written, "", 0)
    except UnknownType as problem:
        raise _not_a_schema(where, f"unknown type {problem}") from None
    except (SchemaParseException, ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
        raise _not_a_schema(where, str(problem)) from None


def _not_a_schema(where: str, reason: str) -> VeloError:
    return VeloError(ErrorCode.BAD_PROPERTY, f"{where} is not an Avro schema: {reason}")


class _Parser:
    """Walks a schema that fastavro found valid; knows the named types seen so far."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._named: dict[str, AvroType | None] = {}

    def type_of(self, written: Json, namespace: str, depth: int) -> AvroType:
        if depth > MAX_DEPTH:
            raise _not_a_schema(self._where, f"types are nested more than {MAX_DEPTH} deep")
        match written:
            case str() if written in PRIMITIVES:
                return AvroType(written)
            case str():
                return self._reference(written, namespace)
            case list():
                return AvroType("union", branches=tuple(self.type_of(b, namespace, depth + 1) for b in written))
            case {"type": dict() | list() as inner}:
                return self.type_of(inner, namespace, depth + 1)
            case _:
                return self._described(written, namespace, depth)

    def _reference(self, name: str, namespace: str) -> AvroType:
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        found = self._named.get(full, self._named.get(name))
        if found is None:
            raise VeloError(
                ErrorCode.BAD_PROPERTY,
                f'{self._where}: the type "{name}" contains itself',
                hint="a table has no recursive types",
            )
        return found

    def _described(self, written: Mapping[str, Json], namespace: str, depth: int) -> AvroType:
        kind = "record" if written["type"] == "error" else str(written["type"])
        match kind:
            case "array":
                return AvroType(kind, element=self.type_of(written["items"], namespace, depth + 1))
            case "map":
                return AvroType(kind, element=self.type_of(written["values"], namespace, depth + 1))
            case "record" | "enum" | "fixed":
                return self._named_type(kind, written, namespace, depth)
            case _ if kind in PRIMITIVES:
                return _with_logical_type(AvroType(kind), written)
            case _:
                return self._reference(kind, namespace)

    def _named_type(self, kind: str, written: Mapping[str, Json], namespace: str, depth: int) -> AvroType:
        name = str(written["name"])
        if "." in name:
            namespace = name.rpartition(".")[0]
        else:
            namespace = str(written.get("namespace") or namespace)
            name = f"{namespace}.{name}" if namespace else name
        self._named[name] = None
        match kind:
            case "enum":
                made = AvroType(kind, symbols=tuple(written["symbols"]), default_symbol=written.get("default"))
            case "fixed":
                made = _with_logical_type(AvroType(kind, size=int(written["size"])), written)
            case _:
                made = AvroType(kind, fields=tuple(self._field(f, namespace, depth) for f in written["fields"]))
        self._named[name] = made
        return made

    def _field(self, written: Mapping[str, Json], namespace: str, depth: int) -> AvroField:
        return AvroField(
            written["name"],
            self.type_of(written["type"], namespace, depth + 1),
            tuple(written.get("aliases", ())),
            "default" in written,
            written.get("default"),
        )


def _with_logical_type(made: AvroType, written: Mapping[str, Json]) -> AvroType:
    """The type with its logical type; an invalid one is ignored, as the specification says."""
    logical = written.get("logicalType")
    if made.kind not in _LOGICAL_KINDS.get(str(logical), ()):
        return made
    if logical == "decimal":
        precision, scale = written.get("precision", 0), written.get("scale", 0)
        if not (
            isinstance(precision, int)
            and isinstance(scale, int)
            and 0 <= scale <= precision
            and 0 < precision <= MAX_DECIMAL_DIGITS
        ):
            return made
        return AvroType(made.kind, "decimal", precision, scale, made.size)
    if logical == "uuid" and made.kind == "fixed" and made.size != 16:
        return made
    return AvroType(made.kind, str(logical), size=made.size)


def derived_schema(schema: RowSchema, *, legacy_timestamps: bool) -> str:
    """The Avro schema that Flink derives from the columns, as JSON.

    With `legacy_timestamps` (Flink's default, `avro.timestamp_mapping.legacy`) a TIMESTAMP of up to three digits is
    `timestamp-millis`, else TIMESTAMP is `local-timestamp-*` and TIMESTAMP_LTZ `timestamp-*`. Raises VeloError for a
    type that Flink's format refuses.
    """
    return json.dumps(_Deriver(legacy_timestamps).record([(c.name, c.type) for c in schema.columns], DERIVED_NAME))


@dataclass(frozen=True, slots=True)
class _Deriver:
    legacy_timestamps: bool

    def record(self, columns: list[tuple[str, SqlType]], name: str) -> Json:
        return {"type": "record", "name": name, "fields": [self._field(column, t, name) for column, t in columns]}

    def _field(self, column: str, t: SqlType, record: str) -> Json:
        if not is_avro_name(column):
            raise VeloError(
                ErrorCode.BAD_PROPERTY,
                f'"{column}" is not a name in Avro',
                hint="rename the column: letters, digits and _, not beginning with a digit",
            )
        made = {"name": column, "type": self._type(t, f"{record}_{column}")}
        return {**made, "default": None} if t.nullable else made

    def _type(self, t: SqlType, name: str) -> Json:
        written = self._not_null(t, name)
        return ["null", written] if t.nullable and t.name is not TypeName.NULL else written

    def _not_null(self, t: SqlType, name: str) -> Json:
        match t:
            case SqlType(name=TypeName.NULL):
                return "null"
            case SqlType(name=TypeName.BOOLEAN):
                return "boolean"
            case SqlType(name=TypeName.TINYINT | TypeName.SMALLINT | TypeName.INT):
                return "int"
            case SqlType(name=TypeName.BIGINT):
                return "long"
            case SqlType(name=TypeName.FLOAT | TypeName.DOUBLE):
                return t.name.lower()
            case SqlType(name=kind) if kind in STRINGS:
                return "string"
            case SqlType(name=kind) if kind in BINARIES:
                return "bytes"
            case SqlType(name=TypeName.DECIMAL):
                return {"type": "bytes", "logicalType": "decimal", "precision": t.precision, "scale": t.scale}
            case SqlType(name=TypeName.DATE):
                return {"type": "int", "logicalType": "date"}
            case SqlType(name=TypeName.TIME) if t.precision <= 3:
                return {"type": "int", "logicalType": "time-millis"}
            case SqlType(name=TypeName.TIMESTAMP | TypeName.TIMESTAMP_LTZ):
                return {"type": "long", "logicalType": self._timestamp(t)}
            case SqlType(name=TypeName.ROW):
                return self.record(list(t.fields), name)
            case SqlType(name=TypeName.ARRAY, element=SqlType() as element):
                return {"type": "array", "items": self._type(element, name)}
            case SqlType(name=TypeName.MAP, key=SqlType() as key, element=SqlType() as element) if key.name in STRINGS:
                return {"type": "map", "values": self._type(element, name)}
            case SqlType(name=TypeName.MULTISET, element=SqlType() as element) if element.name in STRINGS:
                return {"type": "map", "values": ["null", "int"]}
            case _:
                raise _no_avro_type(t)

    def _timestamp(self, t: SqlType) -> str:
        if self.legacy_timestamps and (t.name is TypeName.TIMESTAMP_LTZ or t.precision > 3):
            raise _no_avro_type(t, "set 'avro.timestamp_mapping.legacy' = 'false', or give the schema in avro.schema")
        if t.precision > 6:
            raise _no_avro_type(t)
        unit = "millis" if t.precision <= 3 else "micros"
        is_local = t.name is TypeName.TIMESTAMP and not self.legacy_timestamps
        return f"{'local-' if is_local else ''}timestamp-{unit}"


def is_avro_name(name: str) -> bool:
    """Whether Avro takes it as the name of a field."""
    return name.isascii() and name.isidentifier()


def _no_avro_type(t: SqlType, hint: str | None = None) -> VeloError:
    return VeloError(ErrorCode.BAD_PROPERTY, f"the avro format derives no schema for {t.as_nullable()}", hint=hint)

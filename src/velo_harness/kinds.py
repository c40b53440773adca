"""The kinds of values that keys take: text, numbers, choices, lists, mappings, objects, data literals."""
# ruff: noqa: D102, ARG002 - the methods are those of Kind, which documents them

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from velo_engine.errors import did_you_mean
from velo_harness.keys import Fields, JsonSchema, Kind, ObjectFormat, bad_value, read_object, shown
from velo_harness.scalars import BOOLEANS, decimal_of, duration_ms_of, integer_of, is_null
from velo_harness.spec import RowLiteral
from velo_harness.yaml_source import YamlMapping, YamlNode, YamlScalar, YamlSequence


@dataclass(frozen=True, slots=True)
class Text(Kind):
    """Any scalar that is not empty, as text: a name may be written `2024`."""

    noun: str = "text"

    def accepts(self, node: YamlNode) -> bool:
        return isinstance(node, YamlScalar) and not is_null(node)

    def read(self, node: YamlNode) -> str:
        if not isinstance(node, YamlScalar) or is_null(node):
            raise self.refuse(node)
        return node.text

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        return {"type": ["string", "number", "boolean"]}


@dataclass(frozen=True, slots=True)
class PathText(Text):
    """A path, relative to the file that names it; read as its text, which the loader resolves."""

    noun: str = "a path"


@dataclass(frozen=True, slots=True)
class Regex(Text):
    """A regular expression of Python's `re`; read as its text."""

    noun: str = "a regular expression"

    def read(self, node: YamlNode) -> str:
        text = Text.read(self, node)
        try:
            re.compile(text)
        except (re.error, RecursionError, OverflowError) as error:
            raise bad_value(f"this is not a regular expression: {error}", node.location) from None
        return text


@dataclass(frozen=True, slots=True)
class Integer(Kind):
    """A whole number within bounds."""

    minimum: int = 0
    maximum: int = 2**63 - 1

    @property
    def noun(self) -> str:
        above = f" from {self.minimum}" if self.minimum > -(2**63) else ""
        return f"a whole number{above}" + (f" to {self.maximum}" if self.maximum < 2**63 - 1 else "")

    def accepts(self, node: YamlNode) -> bool:
        return isinstance(node, YamlScalar) and integer_of(node.text) is not None

    def read(self, node: YamlNode) -> int:
        value = integer_of(node.text) if isinstance(node, YamlScalar) else None
        if value is None or not self.minimum <= value <= self.maximum:
            raise self.refuse(node)
        return value

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


@dataclass(frozen=True, slots=True)
class Number(Kind):
    """A finite number within bounds, exact as written."""

    minimum: Decimal | int | None = None
    maximum: Decimal | int | None = None

    @property
    def noun(self) -> str:
        match self.minimum, self.maximum:
            case None, None:
                return "a number"
            case low, None:
                return f"a number from {low}"
            case None, high:
                return f"a number up to {high}"
            case low, high:
                return f"a number from {low} to {high}"

    def accepts(self, node: YamlNode) -> bool:
        return isinstance(node, YamlScalar) and decimal_of(node.text) is not None

    def read(self, node: YamlNode) -> Decimal:
        value = decimal_of(node.text) if isinstance(node, YamlScalar) else None
        too_small = value is not None and self.minimum is not None and value < self.minimum
        too_large = value is not None and self.maximum is not None and value > self.maximum
        if value is None or too_small or too_large:
            raise self.refuse(node)
        return value

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        schema: JsonSchema = {"type": "number"}
        if self.minimum is not None:
            schema["minimum"] = float(self.minimum)
        if self.maximum is not None:
            schema["maximum"] = float(self.maximum)
        return schema


FRACTION = Number(0, 1)
"""A share or probability, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Boolean(Kind):
    """true or false."""

    noun: str = "true or false"

    def accepts(self, node: YamlNode) -> bool:
        return isinstance(node, YamlScalar) and node.plain and node.text in BOOLEANS

    def read(self, node: YamlNode) -> bool:
        if not isinstance(node, YamlScalar) or not self.accepts(node):
            raise self.refuse(node)
        return BOOLEANS[node.text]

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Constant(Kind):
    """Exactly the boolean `value`; read as `meaning`."""

    value: bool
    meaning: Any

    @property
    def noun(self) -> str:
        return str(self.value).lower()

    def accepts(self, node: YamlNode) -> bool:
        return isinstance(node, YamlScalar) and node.plain and BOOLEANS.get(node.text) is self.value

    def read(self, node: YamlNode) -> Any:
        if not self.accepts(node):
            raise self.refuse(node)
        return self.meaning

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        return {"const": self.value}


@dataclass(frozen=True, slots=True)
class Duration(Kind):
    """`5s`, `200ms`, `1 minute`; a bare number is milliseconds. Read as whole milliseconds."""

    noun: str = 'a duration such as "5s" or "200ms"'

    def accepts(self, node: YamlNode) -> bool:
        return isinstance(node, YamlScalar) and duration_ms_of(node.text) is not None

    def read(self, node: YamlNode) -> int:
        value = duration_ms_of(node.text) if isinstance(node, YamlScalar) else None
        if value is None:
            raise self.refuse(node)
        return value

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        return {"type": ["string", "integer"]}


def folded(spelling: str) -> str:
    """A spelling without case, `_`, `-` and blanks: `CsvNoHeader` and `csv_no_header` are one."""
    return spelling.casefold().replace("_", "").replace("-", "").replace(" ", "")


@dataclass(frozen=True, slots=True)
class Choice(Kind):
    """One of some words; case, `_` and `-` do not matter. Read as what the word stands for."""

    meanings: Mapping[str, Any]
    """Word → value. Several words may mean the same."""

    @property
    def noun(self) -> str:
        first: dict[Any, str] = {}
        for word, meaning in self.meanings.items():
            first.setdefault(meaning, word)
        return "one of " + ", ".join(first.values())

    def accepts(self, node: YamlNode) -> bool:
        return isinstance(node, YamlScalar) and folded(node.text) in {folded(word) for word in self.meanings}

    def read(self, node: YamlNode) -> Any:
        if not isinstance(node, YamlScalar):
            raise self.refuse(node)
        given = folded(node.text)
        for word, meaning in self.meanings.items():
            if folded(word) == given:
                return meaning
        hint = did_you_mean(node.text, self.meanings, noun="value")
        raise bad_value(f"this must be {self.noun}, not {shown(node)}", node.location, hint=hint)

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        words = "|".join("[_ -]?".join(_either_case(part) for part in _parts(word)) for word in self.meanings)
        return {"anyOf": [{"enum": list(self.meanings)}, {"type": "string", "pattern": f"^({words})$"}]}


def _parts(word: str) -> list[str]:
    return [part for part in word.replace("-", "_").replace(" ", "_").split("_") if part]


def _either_case(part: str) -> str:
    return "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else re.escape(c) for c in part)


def words(*names: str) -> dict[str, str]:
    """Meanings of words that stand for themselves."""
    return {name: name for name in names}


@dataclass(frozen=True, slots=True)
class ListOf(Kind):
    """A list; read as a tuple."""

    item: Kind
    minimum: int = 0

    @property
    def noun(self) -> str:
        return "a list" if self.minimum == 0 else f"a list of at least {self.minimum}"

    def accepts(self, node: YamlNode) -> bool:
        return isinstance(node, YamlSequence)

    def read(self, node: YamlNode) -> tuple[Any, ...]:
        if not isinstance(node, YamlSequence):
            raise self.refuse(node)
        if len(node.items) < self.minimum:
            raise bad_value(f"this must be {self.noun}", node.location)
        return tuple(self.item.read(item) for item in node.items)

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        return {"type": "array", "items": self.item.json_schema(definitions), "minItems": self.minimum}


@dataclass(frozen=True, slots=True)
class OneOrMany(Kind):
    """One value or a list of them; read as a tuple."""

    item: Kind
    minimum: int = 0

    @property
    def noun(self) -> str:
        return f"{self.item.noun} or a list" + (f" of at least {self.minimum}" if self.minimum else "")

    def accepts(self, node: YamlNode) -> bool:
        return isinstance(node, YamlSequence) or self.item.accepts(node)

    def read(self, node: YamlNode) -> tuple[Any, ...]:
        if isinstance(node, YamlSequence):
            return ListOf(self.item, self.minimum).read(node)
        return (self.item.read(node),)

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        item = self.item.json_schema(definitions)
        least = {"minItems": self.minimum} if self.minimum else {}
        return {"anyOf": [item, {"type": "array", "items": item, **least}]}


NAMES = OneOrMany(Text("a name"))
SOME_NAMES = OneOrMany(Text("a name"), 1)
"""Names of which there must be one, for a check that would otherwise check nothing."""


@dataclass(frozen=True, slots=True)
class MapOf(Kind):
    """A mapping with free keys; read as a dict."""

    value: Kind
    noun: str = "a mapping"

    def accepts(self, node: YamlNode) -> bool:
        return isinstance(node, YamlMapping)

    def read(self, node: YamlNode) -> dict[str, Any]:
        if not isinstance(node, YamlMapping):
            raise self.refuse(node)
        return {key.text: self.value.read(value) for key, value in node.entries}

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        return {"type": "object", "additionalProperties": self.value.json_schema(definitions)}


@dataclass(frozen=True, slots=True)
class AnyOf(Kind):
    """The first of some kinds that has the node's shape."""

    kinds: tuple[Kind, ...]

    @property
    def noun(self) -> str:
        return " or ".join(kind.noun for kind in self.kinds)

    def accepts(self, node: YamlNode) -> bool:
        return any(kind.accepts(node) for kind in self.kinds)

    def read(self, node: YamlNode) -> Any:
        for kind in self.kinds:
            if kind.accepts(node):
                return kind.read(node)
        raise self.refuse(node)

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        return {"anyOf": [kind.json_schema(definitions) for kind in self.kinds]}


@dataclass(frozen=True, slots=True)
class Object(Kind):
    """An object with the keys of a table; read as its `Fields`."""

    table: ObjectFormat

    @property
    def noun(self) -> str:
        return f"a mapping ({self.table.name})"

    def accepts(self, node: YamlNode) -> bool:
        return isinstance(node, YamlMapping)

    def read(self, node: YamlNode) -> Fields:
        return read_object(node, self.table)

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        return defined(self.table.name, definitions, lambda: self.table.json_schema(definitions))


def defined(name: str, definitions: dict[str, JsonSchema], make: Callable[[], JsonSchema]) -> JsonSchema:
    """A reference to the definition called `name`, made when it is not there yet (it may refer to itself)."""
    name = name.replace(" ", "_")
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = make()
    return {"$ref": f"#/$defs/{name}"}


@dataclass(frozen=True, slots=True)
class DataLiteral(Kind):
    """A value of the data, kept as its node until the column's type is known."""

    noun: str = "a value"

    def accepts(self, node: YamlNode) -> bool:
        return True

    def read(self, node: YamlNode) -> YamlNode:
        return node

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        return {}


@dataclass(frozen=True, slots=True)
class ScalarLiteral(Kind):
    """A scalar of the data, kept as its node until the column's type is known."""

    noun: str = "a value (text, number, true or false)"

    def accepts(self, node: YamlNode) -> bool:
        return isinstance(node, YamlScalar) and not is_null(node)

    def read(self, node: YamlNode) -> YamlScalar:
        if not isinstance(node, YamlScalar) or is_null(node):
            raise self.refuse(node)
        return node

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        return {"type": ["string", "number", "boolean"]}


@dataclass(frozen=True, slots=True)
class Row(Kind):
    """A row: column names with data literals."""

    noun: str = "a row (a mapping of column names to values)"

    def accepts(self, node: YamlNode) -> bool:
        return isinstance(node, YamlMapping)

    def read(self, node: YamlNode) -> RowLiteral:
        if not isinstance(node, YamlMapping):
            raise self.refuse(node)
        names = {key.text: key.location for key, _ in node.entries}
        return RowLiteral({key.text: value for key, value in node.entries}, node.location, names)

    def json_schema(self, definitions: dict[str, JsonSchema]) -> JsonSchema:
        return {"type": "object"}
